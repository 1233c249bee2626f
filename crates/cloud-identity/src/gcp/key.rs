//! A service account's key: a JSON file with a private key, which signs for tokens.
//!
//! Deliberately no other type of credentials. This reads Secrets of tenants, and those other types name files and URLs that the
//! controller would read for them, its own token included.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use sluice_http_client::{Request, Url, header};

use super::{GcpError, parse_token, refusal};
use crate::credential::{AccessToken, after};
use crate::jwt::{Algorithm, RsaKey};
use crate::transport::{Exchange, Transport};

const TOKEN_URL: &str = "https://oauth2.googleapis.com/token";
/// How long an assertion is good, in seconds; so long a token is asked for.
const ASSERTION_SECONDS: i64 = 3600;

/// A service account's key.
#[derive(Clone, Debug)]
pub struct ServiceAccountKey {
    email: String,
    key: RsaKey,
    key_id: Option<String>,
    token_url: Url,
}

impl ServiceAccountKey {
    /// Reads the JSON that Google gives.
    ///
    /// # Errors
    /// [`GcpError::Credentials`] or [`GcpError::Key`].
    pub fn from_json(json: &[u8]) -> Result<Self, GcpError> {
        #[derive(Deserialize)]
        struct File {
            #[serde(rename = "type")]
            kind: Option<String>,
            client_email: Option<String>,
            private_key: Option<String>,
            private_key_id: Option<String>,
            token_uri: Option<String>,
        }
        let file: File = serde_json::from_slice(json).map_err(|_| GcpError::Credentials("not JSON"))?;
        if file.kind.as_deref() != Some("service_account") {
            return Err(GcpError::Credentials("the type is not service_account"));
        }
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let email = given(file.client_email).ok_or(GcpError::Credentials("no client_email"))?;
        let key = given(file.private_key).ok_or(GcpError::Credentials("no private_key"))?;
        let url = given(file.token_uri).unwrap_or_else(|| TOKEN_URL.to_owned());
        let url = Url::parse(&url).ok().filter(|url| matches!(url.scheme(), "https" | "http"));
        Ok(Self {
            email,
            key: RsaKey::from_pem(key.as_bytes())?,
            key_id: given(file.private_key_id),
            token_url: url.ok_or(GcpError::Credentials("the token_uri is not a URL"))?,
        })
    }

    /// The account.
    pub fn email(&self) -> &str {
        &self.email
    }

    /// A token for these scopes.
    ///
    /// # Errors
    /// [`GcpError::Exchange`], [`GcpError::Key`] or [`GcpError::Request`].
    pub async fn token(&self, transport: &Transport, scopes: &[&str], now: Timestamp) -> Result<AccessToken, GcpError> {
        let header: Vec<_> = self.key_id.iter().map(|id| ("kid", id.as_str().into())).collect();
        let claims = BTreeMap::from([
            ("aud", self.token_url.as_str().into()),
            ("exp", after(now, ASSERTION_SECONDS).as_second().into()),
            ("iat", now.as_second().into()),
            ("iss", self.email.as_str().into()),
            ("scope", scopes.join(" ").into()),
        ]);
        let assertion = self.key.sign(Algorithm::Rs256, &header, &claims)?;
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("assertion", assertion.expose())
            .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
            .finish();
        let request = Request::post(self.token_url.clone(), form)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")?;
        let exchange = Exchange::internet("the Google token service", request).hiding(&assertion);
        Ok(exchange.run(transport, |bytes| parse_token(bytes, now), refusal).await?)
    }
}
