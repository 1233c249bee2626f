//! What the Secret of a Bucket says: a pure function from its data to credentials, per provider.
//!
//! Deliberately no look at where else credentials may come from, and no exchange of any for a token.

use std::collections::BTreeMap;

use sluice_cloud_identity::sigv4::AwsCredentials;
use sluice_http_client::Secret;

use crate::sts::LdapUser;

/// A Secret's data, decoded from base64.
pub type SecretData = BTreeMap<String, Vec<u8>>;

/// A Secret that does not have what it must have. No value is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// A key is missing.
    #[error("invalid '{secret}' secret data: required fields {fields}")]
    Missing {
        /// The Secret's name.
        secret: String,
        /// The keys that must be there.
        fields: &'static str,
    },
    /// A value is not text.
    #[error("invalid '{secret}' secret data: field '{field}' is not UTF-8")]
    NotText {
        /// The Secret's name.
        secret: String,
        /// The value's key.
        field: &'static str,
    },
}

/// Reading one Secret.
struct Reader<'a> {
    name: &'a str,
    data: &'a SecretData,
}

impl Reader<'_> {
    fn has(&self, field: &str) -> bool {
        self.data.contains_key(field)
    }

    /// A value that is text, if the key is there.
    fn text(&self, field: &'static str) -> Result<Option<String>, SecretError> {
        let not_text = |_| SecretError::NotText { secret: self.name.to_owned(), field };
        self.data.get(field).map(|value| String::from_utf8(value.clone()).map_err(not_text)).transpose()
    }

    fn text_or_empty(&self, field: &'static str) -> Result<String, SecretError> {
        Ok(self.text(field)?.unwrap_or_default())
    }

    fn missing(&self, fields: &'static str) -> SecretError {
        SecretError::Missing { secret: self.name.to_owned(), fields }
    }
}

/// The keys `accesskey` and `secretkey` of the providers `generic` and `aws`. Both must be there; if one is empty, requests go unsigned.
///
/// # Errors
/// [`SecretError`].
pub fn s3_secret(name: &str, data: &SecretData) -> Result<Option<AwsCredentials>, SecretError> {
    let reader = Reader { name, data };
    let (Some(access_key_id), Some(secret_access_key)) = (reader.text("accesskey")?, reader.text("secretkey")?) else {
        return Err(reader.missing("'accesskey' and 'secretkey'"));
    };
    if access_key_id.is_empty() || secret_access_key.is_empty() {
        return Ok(None);
    }
    let secret_access_key = Secret::new(secret_access_key);
    Ok(Some(AwsCredentials { access_key_id, secret_access_key, session_token: None, expires_at: None }))
}

/// The key `serviceaccount` of the provider `gcp`: JSON as Google hands it out, not yet looked into.
///
/// # Errors
/// [`SecretError::Missing`].
pub fn gcs_secret(name: &str, data: &SecretData) -> Result<Secret<Vec<u8>>, SecretError> {
    let reader = Reader { name, data };
    data.get("serviceaccount").cloned().map(Secret::new).ok_or_else(|| reader.missing("'serviceaccount'"))
}

/// The keys `username` and `password` of the STS provider `ldap`, neither of them empty.
///
/// # Errors
/// [`SecretError`].
pub fn ldap_secret(name: &str, data: &SecretData) -> Result<LdapUser, SecretError> {
    let reader = Reader { name, data };
    let (username, password) = (reader.text_or_empty("username")?, reader.text_or_empty("password")?);
    if username.is_empty() || password.is_empty() {
        return Err(reader.missing("username, password"));
    }
    Ok(LdapUser { username, password: Secret::new(password) })
}

/// What the Secret of an Azure Bucket holds: the first of these that it has the keys for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AzureSecret {
    /// `tenantId`, `clientId` and a `clientSecret` that is not empty: an application's password.
    ClientSecret {
        /// The directory.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// Its password.
        client_secret: Secret<String>,
        /// `authorityHost`: where tokens come from, if not from the public cloud.
        authority_host: Option<String>,
    },
    /// `tenantId`, `clientId` and a `clientCertificate` that is not empty: an application's certificate.
    ClientCertificate {
        /// The directory.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// Certificate and private key, PEM or PKCS#12.
        certificate: Secret<Vec<u8>>,
        /// `clientCertificatePassword`: what the key is encrypted with.
        password: Option<Secret<String>>,
        /// `clientCertificateSendChain` is `1` or `true` in any case: the token request carries the chain.
        send_chain: SendChain,
        /// `authorityHost`: where tokens come from, if not from the public cloud.
        authority_host: Option<String>,
    },
    /// `clientId` alone: the user-assigned managed identity of that id.
    ManagedIdentity {
        /// The identity.
        client_id: String,
    },
    /// `accountKey`, base64.
    AccountKey(Secret<String>),
    /// `sasKey`, with or without a leading `?`.
    SasKey(Secret<String>),
    /// `authorityHost` and nothing that it could be for: valid, and no credential.
    AuthorityHost(String),
}

/// Whether a token request carries the certificate's chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendChain {
    /// It does.
    Yes,
    /// It names the certificate only.
    No,
}

impl AzureSecret {
    /// Reads a Secret of this name with this data.
    ///
    /// # Errors
    /// [`SecretError`].
    pub fn from_data(name: &str, data: &SecretData) -> Result<Self, SecretError> {
        let reader = Reader { name, data };
        if reader.has("clientId") {
            return Self::identity(&reader);
        }
        if let Some(key) = reader.text("accountKey")? {
            return Ok(Self::AccountKey(Secret::new(key)));
        }
        if let Some(signature) = reader.text("sasKey")? {
            return Ok(Self::SasKey(Secret::new(signature)));
        }
        if let Some(host) = reader.text("authorityHost")? {
            return Ok(Self::AuthorityHost(host));
        }
        Err(reader.missing(
            "'clientId', 'accountKey' or 'sasKey', or 'tenantId' and 'clientId' with 'clientSecret' or 'clientCertificate'",
        ))
    }

    fn identity(reader: &Reader<'_>) -> Result<Self, SecretError> {
        let client_id = reader.text_or_empty("clientId")?;
        let Some(tenant_id) = reader.text("tenantId")? else {
            return Ok(Self::ManagedIdentity { client_id });
        };
        let authority_host = reader.text("authorityHost")?;
        if let Some(client_secret) = reader.text("clientSecret")?.filter(|secret| !secret.is_empty()) {
            let client_secret = Secret::new(client_secret);
            return Ok(Self::ClientSecret { tenant_id, client_id, client_secret, authority_host });
        }
        let Some(certificate) = reader.data.get("clientCertificate").filter(|certificate| !certificate.is_empty())
        else {
            return Ok(Self::ManagedIdentity { client_id });
        };
        let send_chain = reader.text_or_empty("clientCertificateSendChain")?;
        let send_chain =
            if send_chain == "1" || send_chain.eq_ignore_ascii_case("true") { SendChain::Yes } else { SendChain::No };
        let password = reader.text("clientCertificatePassword")?.map(Secret::new);
        let certificate = Secret::new(certificate.clone());
        Ok(Self::ClientCertificate { tenant_id, client_id, certificate, password, send_chain, authority_host })
    }
}

#[cfg(test)]
mod tests;
