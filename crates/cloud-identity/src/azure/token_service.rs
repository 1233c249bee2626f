//! Entra ID's token endpoint: the client-credentials grant, by secret or by assertion.
//!
//! Deliberately no caching and no refresh tokens: this grant has none.

use jiff::Timestamp;
use serde::Deserialize;
use sluice_http_client::{Request, Secret, Url, header};

use super::AzureError;
use crate::credential::{AccessToken, after};
use crate::transport::{Exchange, Transport};

/// What proves that the client is who it says.
#[derive(Clone, Debug)]
pub(super) enum Proof<'a> {
    Secret(&'a Secret<String>),
    Assertion(&'a Secret<String>),
}

pub(super) async fn token(
    transport: &Transport,
    (url, client_id): (&Url, &str),
    proof: &Proof<'_>,
    (scope, now): (&str, Timestamp),
) -> Result<AccessToken, AzureError> {
    let exchange = request((url, client_id), proof, scope)?;
    Ok(exchange.run(transport, |bytes| parse(bytes, now), refusal).await?)
}

fn request((url, client_id): (&Url, &str), proof: &Proof<'_>, scope: &str) -> Result<Exchange, AzureError> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("client_id", client_id);
    let secret = match proof {
        Proof::Secret(secret) => {
            form.append_pair("client_secret", secret.expose());
            secret
        }
        Proof::Assertion(assertion) => {
            form.append_pair("client_assertion", assertion.expose());
            form.append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
            assertion
        }
    };
    form.append_pair("grant_type", "client_credentials").append_pair("scope", scope);
    let request = Request::post(url.clone(), form.finish())
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")?
        .header(header::ACCEPT, "application/json")?;
    Ok(Exchange::internet("Microsoft Entra ID", request).hiding(secret))
}

/// Reads `access_token` and `expires_in`, which is a number from Entra ID and text from the metadata service.
pub(super) fn parse(bytes: &[u8], now: Timestamp) -> Result<AccessToken, &'static str> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Seconds {
        Number(i64),
        Text(String),
    }
    #[derive(Deserialize)]
    struct Answer {
        access_token: Option<String>,
        expires_in: Option<Seconds>,
    }
    let answer: Answer = serde_json::from_slice(bytes).map_err(|_| "not the JSON of a token")?;
    let token = answer.access_token.filter(|token| !token.is_empty()).ok_or("no access token")?;
    let seconds = match answer.expires_in {
        Some(Seconds::Number(seconds)) => Some(seconds),
        Some(Seconds::Text(text)) => text.parse().ok(),
        None => None,
    };
    Ok(AccessToken { token: Secret::new(token), expires_at: after(now, seconds.ok_or("no expiration")?) })
}

/// The description, which begins with the error's code; else the error.
pub(super) fn refusal(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        error: Option<String>,
        error_description: Option<String>,
    }
    let Refusal { error, error_description } = serde_json::from_slice(bytes).ok()?;
    error_description.or(error)
}
