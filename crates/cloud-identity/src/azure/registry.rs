//! Logins to Azure's container registries: a token of Entra ID for a refresh token of the registry.
//!
//! Deliberately not the registry's access tokens for single repositories: whoever talks to the registry asks for those with this login.

use serde::Deserialize;
use sluice_http_client::{Request, Secret, Url, header};

use super::{AzureCloud, AzureError};
use crate::credential::{AccessToken, RegistryLogin};
use crate::jwt;
use crate::transport::{Exchange, Transport};

/// The user of a login by token.
pub const USERNAME: &str = "00000000-0000-0000-0000-000000000000";

/// Where a registry exchanges tokens, for a host of this cloud.
///
/// # Errors
/// [`AzureError::Registry`].
pub fn exchange_url(cloud: &AzureCloud, registry: &str) -> Result<Url, AzureError> {
    cloud.check_registry(registry)?;
    let url = Url::parse(&format!("https://{registry}/oauth2/exchange")).ok();
    // A host with a path or user in it would parse as something else.
    let url = url.filter(|url| url.host_str() == Some(registry) && url.path() == "/oauth2/exchange");
    url.ok_or_else(|| AzureError::Registry {
        registry: registry.chars().take(256).collect(),
        suffixes: "a host".into(),
    })
}

/// Exchanges a token of the scope [`AzureCloud::registry_scope`] at `url` (see [`exchange_url`]).
///
/// # Errors
/// [`AzureError::Exchange`] or [`AzureError::Request`].
pub async fn login(
    transport: &Transport,
    (registry, url): (&str, &Url),
    token: &AccessToken,
) -> Result<RegistryLogin, AzureError> {
    let form = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("access_token", token.token.expose())
        .append_pair("grant_type", "access_token")
        .append_pair("service", registry)
        .finish();
    let request = Request::post(url.clone(), form)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")?
        .header(header::ACCEPT, "application/json")?;
    let exchange = Exchange::internet("Azure Container Registry", request).hiding(&token.token);
    Ok(exchange.run(transport, parse, refusal).await?)
}

fn parse(bytes: &[u8]) -> Result<RegistryLogin, &'static str> {
    #[derive(Deserialize)]
    struct Answer {
        refresh_token: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(bytes).map_err(|_| "not the JSON of a token")?;
    let token = answer.refresh_token.filter(|token| !token.is_empty()).ok_or("no refresh token")?;
    let expires_at = jwt::expiry(&token).ok_or("the refresh token has no expiration")?;
    Ok(RegistryLogin { username: USERNAME.to_owned(), password: Secret::new(token), expires_at })
}

/// `code: message` of the first error.
fn refusal(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Problem {
        code: Option<String>,
        message: Option<String>,
    }
    #[derive(Deserialize)]
    struct Refusal {
        errors: Vec<Problem>,
    }
    let refusal: Refusal = serde_json::from_slice(bytes).ok()?;
    let Problem { code, message } = refusal.errors.into_iter().next()?;
    let words: Vec<String> = [code, message].into_iter().flatten().filter(|text| !text.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(": "))
}
