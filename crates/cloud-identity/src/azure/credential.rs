//! Who asks Entra ID for a token, and with what proof; and which of them the controller is.
//!
//! Deliberately one credential and no falling through: one that is configured and fails is an error, not a reason to become somebody else.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use sluice_http_client::{Secret, Url};

use super::token_service::{self, Proof};
use super::{Authority, AzureError, CLIENT_ID_ANNOTATION, TENANT_ID_ANNOTATION, managed_identity};
use crate::credential::{AccessToken, after};
use crate::crypto::{sha1, sha256};
use crate::environment::{Environment, Files, read_secret};
use crate::jwt::{Algorithm, RsaKey};
use crate::transport::Transport;

/// Certificates in a chain.
const MAX_CHAIN: usize = 16;
/// How long an assertion is good, in seconds. Entra ID asks for at most ten minutes.
const ASSERTION_SECONDS: i64 = 600;

/// A certificate of an application and its key.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    key: RsaKey,
    /// In DER, leaf first.
    chain: Vec<Vec<u8>>,
    send_chain: SendChain,
}

/// Whether the chain goes with each assertion, which applications need that trust by subject and issuer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SendChain {
    /// The thumbprint alone.
    #[default]
    No,
    /// The chain as well.
    Yes,
}

impl SendChain {
    /// `1` or `true`, as Secrets and the environment have it.
    pub fn parse(text: &str) -> Self {
        if text == "1" || text.eq_ignore_ascii_case("true") { Self::Yes } else { Self::No }
    }
}

impl ClientCertificate {
    /// Reads PEM with the key and the certificate, in any order; further certificates are the chain.
    ///
    /// # Errors
    /// [`AzureError::Key`] or [`AzureError::NoCertificate`].
    pub fn from_pem(pem: &[u8], send_chain: SendChain) -> Result<Self, AzureError> {
        let key = RsaKey::from_pem(pem)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem)
            .take(MAX_CHAIN)
            .map(|certificate| certificate.map(|certificate| certificate.as_ref().to_vec()))
            .collect();
        let chain = chain.ok().filter(|chain| !chain.is_empty()).ok_or(AzureError::NoCertificate)?;
        Ok(Self { key, chain, send_chain })
    }

    /// The assertion with which the client proves itself to `audience`, the token endpoint. `id` must never repeat.
    pub(super) fn assertion(
        &self,
        (client_id, audience): (&str, &Url),
        id: &str,
        now: Timestamp,
    ) -> Result<Secret<String>, AzureError> {
        let leaf = self.chain.first().ok_or(AzureError::NoCertificate)?;
        // AD FS knows only the older pair of signature and thumbprint.
        let adfs = audience.path().starts_with("/adfs/");
        let (algorithm, thumbprint) = if adfs {
            (Algorithm::Rs256, ("x5t", URL_SAFE_NO_PAD.encode(sha1(leaf)).into()))
        } else {
            (Algorithm::Ps256, ("x5t#S256", URL_SAFE_NO_PAD.encode(sha256(leaf)).into()))
        };
        let mut header = vec![thumbprint];
        if self.send_chain == SendChain::Yes {
            header.push(("x5c", self.chain.iter().map(|certificate| STANDARD.encode(certificate)).collect()));
        }
        let claims = BTreeMap::from([
            ("aud", audience.as_str().into()),
            ("exp", after(now, ASSERTION_SECONDS).as_second().into()),
            ("iat", now.as_second().into()),
            ("iss", client_id.into()),
            ("jti", id.into()),
            ("nbf", now.as_second().into()),
            ("sub", client_id.into()),
        ]);
        Ok(self.key.sign(algorithm, &header, &claims)?)
    }
}

/// Who a `ServiceAccount` is to Azure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceAccountIdentity {
    /// The application's tenant.
    pub tenant_id: String,
    /// The application.
    pub client_id: String,
}

impl ServiceAccountIdentity {
    /// Reads the annotations.
    ///
    /// # Errors
    /// [`AzureError::Annotation`].
    pub fn of_annotations(annotations: &BTreeMap<String, String>) -> Result<Self, AzureError> {
        let get = |what, annotation: &'static str| {
            annotations.get(annotation).cloned().ok_or(AzureError::Annotation { what, annotation })
        };
        Ok(Self { tenant_id: get("tenant", TENANT_ID_ANNOTATION)?, client_id: get("client", CLIENT_ID_ANNOTATION)? })
    }

    /// The credential, with a token of the `ServiceAccount` for [`super::AUDIENCE`].
    pub fn credential(&self, token: Secret<String>) -> AzureCredential {
        AzureCredential::Assertion {
            tenant_id: self.tenant_id.clone(),
            client_id: self.client_id.clone(),
            assertion: Assertion::Token(token),
        }
    }
}

/// A signed statement about the client by an issuer that its application trusts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Assertion {
    /// The statement.
    Token(Secret<String>),
    /// A file with it, read at each exchange, for it is rotated.
    File(String),
}

/// Who asks for a token.
#[derive(Clone, Debug)]
pub enum AzureCredential {
    /// An application with a secret.
    ClientSecret {
        /// The application's tenant.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// The secret.
        secret: Secret<String>,
    },
    /// An application with a certificate.
    ClientCertificate {
        /// The application's tenant.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// The certificate and its key.
        certificate: Box<ClientCertificate>,
    },
    /// An application that trusts another issuer: workload identity.
    Assertion {
        /// The application's tenant.
        tenant_id: String,
        /// The application.
        client_id: String,
        /// What the issuer says.
        assertion: Assertion,
    },
    /// The identity of the node.
    ManagedIdentity {
        /// Which, if it has several.
        client_id: Option<String>,
        /// Where the metadata service is.
        endpoint: Url,
    },
}

impl AzureCredential {
    /// A managed identity at the usual place.
    ///
    /// # Errors
    /// [`AzureError::MetadataUrl`] for an environment that names another place, which is none.
    pub fn managed_identity(client_id: Option<String>, environment: &Environment) -> Result<Self, AzureError> {
        Ok(Self::ManagedIdentity { client_id, endpoint: managed_identity::endpoint(environment)? })
    }

    /// The controller's, in the order of Azure's own libraries: an application of the environment, workload identity, managed identity.
    ///
    /// # Errors
    /// [`AzureError::File`] or [`AzureError::Key`] of the environment's certificate, [`AzureError::MetadataUrl`].
    pub fn of_environment(environment: &Environment, files: &dyn Files) -> Result<Self, AzureError> {
        let client_id = environment.get("AZURE_CLIENT_ID").map(str::to_owned);
        if let (Some(tenant_id), Some(client_id)) = (environment.get("AZURE_TENANT_ID"), client_id.clone()) {
            let tenant_id = tenant_id.to_owned();
            if let Some(secret) = environment.secret("AZURE_CLIENT_SECRET") {
                return Ok(Self::ClientSecret { tenant_id, client_id, secret });
            }
            if let Some(path) = environment.get("AZURE_CLIENT_CERTIFICATE_PATH") {
                let send = environment.get("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN").map(SendChain::parse);
                let pem = read_secret(files, path)?;
                let certificate = ClientCertificate::from_pem(pem.expose().as_bytes(), send.unwrap_or_default())?;
                return Ok(Self::ClientCertificate { tenant_id, client_id, certificate: Box::new(certificate) });
            }
            if let Some(path) = environment.get("AZURE_FEDERATED_TOKEN_FILE") {
                return Ok(Self::Assertion { tenant_id, client_id, assertion: Assertion::File(path.to_owned()) });
            }
        }
        Self::managed_identity(client_id, environment)
    }

    /// A token for `scope` (see [`super::scope`]). `now` is the time; `id` must never repeat, and is used with a certificate only.
    ///
    /// # Errors
    /// [`AzureError`].
    pub async fn token(
        &self,
        transport: &Transport,
        (authority, files): (&Authority, &dyn Files),
        scope: &str,
        (now, id): (Timestamp, &str),
    ) -> Result<AccessToken, AzureError> {
        let made;
        let (tenant_id, client_id, proof) = match self {
            Self::ManagedIdentity { client_id, endpoint } => {
                return managed_identity::token(transport, (endpoint, client_id.as_deref()), (scope, now)).await;
            }
            Self::ClientSecret { tenant_id, client_id, secret } => (tenant_id, client_id, Proof::Secret(secret)),
            Self::ClientCertificate { tenant_id, client_id, certificate } => {
                made = certificate.assertion((client_id, &authority.token_url(tenant_id)?), id, now)?;
                (tenant_id, client_id, Proof::Assertion(&made))
            }
            Self::Assertion { tenant_id, client_id, assertion: Assertion::Token(token) } => {
                (tenant_id, client_id, Proof::Assertion(token))
            }
            Self::Assertion { tenant_id, client_id, assertion: Assertion::File(path) } => {
                made = read_secret(files, path)?;
                (tenant_id, client_id, Proof::Assertion(&made))
            }
        };
        let url = authority.token_url(tenant_id)?;
        token_service::token(transport, (&url, client_id), &proof, (scope, now)).await
    }
}
