//! Azure Key Vault: a data key opened by a key's `decrypt`, with RSA-OAEP-256.
//!
//! Deliberately only vaults of Azure's own domains: the document names the vault, and the vault gets a token that opens every other vault of
//! the same identity.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::json;
use sluice_cloud_identity::azure::AzureError;
use sluice_http_client::{HttpClient, HttpError, Request, Secret, Url, header};

use crate::http::{ExchangeError, ask};
use crate::keys::{AzureKeyVaultKey, DataKey};
use crate::ports::AmbientError;

const API_VERSION: &str = "7.4";

/// The domains of vaults and managed HSMs, and what a token for them is for. Source: Azure's documentation of its clouds.
const DOMAINS: [(&str, &str); 6] = [
    (".vault.azure.net", "https://vault.azure.net/.default"),
    (".vault.azure.cn", "https://vault.azure.cn/.default"),
    (".vault.usgovcloudapi.net", "https://vault.usgovcloudapi.net/.default"),
    (".managedhsm.azure.net", "https://managedhsm.azure.net/.default"),
    (".managedhsm.azure.cn", "https://managedhsm.azure.cn/.default"),
    (".managedhsm.usgovcloudapi.net", "https://managedhsm.usgovcloudapi.net/.default"),
];

/// A data key that Azure did not give.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AzureKeyVaultError {
    /// The document names another host.
    #[error("'{0}' is not the URL of an Azure Key Vault")]
    Vault(String),
    /// The key's name or version is not one.
    #[error("'{0}' is not the name of a key")]
    Name(String),
    /// The sealed key is not base64.
    #[error("failed to base64 decode Azure Key Vault encrypted key")]
    Base64,
    /// Nobody says who asks.
    #[error("failed to get Azure token credential to decrypt")]
    Credentials(#[source] AmbientError),
    /// The Secret's login is refused.
    #[error("failed to get Azure token credential to decrypt")]
    Login(#[source] AzureError),
    /// Azure refused.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The request could not be built.
    #[error(transparent)]
    Request(#[from] HttpError),
}

/// What a token for this vault is for.
pub(crate) fn scope(vault_url: &str) -> Result<&'static str, AzureKeyVaultError> {
    let refused = || AzureKeyVaultError::Vault(sluice_http_client::mask_url_text(vault_url));
    let url = Url::parse(vault_url).ok().filter(|url| {
        url.scheme() == "https" && url.port().is_none() && url.username().is_empty() && url.password().is_none()
    });
    let url = url.ok_or_else(refused)?;
    let host = url.host_str().unwrap_or_default();
    let fits = |domain: &str| host.strip_suffix(domain).is_some_and(|name| !name.is_empty() && !name.contains('.'));
    DOMAINS.iter().find(|(domain, _)| fits(domain)).map(|(_, scope)| *scope).ok_or_else(refused)
}

/// Opens the data key. `service` is asked in place of the vault itself.
pub(crate) async fn decrypt(
    (client, service): (&HttpClient, Option<&Url>),
    key: &AzureKeyVaultKey,
    token: &Secret<String>,
) -> Result<DataKey, AzureKeyVaultError> {
    #[derive(Deserialize)]
    struct Answer {
        value: String,
    }
    let enc = key.enc.trim_end_matches('=');
    URL_SAFE_NO_PAD.decode(enc).map_err(|_| AzureKeyVaultError::Base64)?;
    let request = Request::post(url(key, service)?, json!({"alg": "RSA-OAEP-256", "value": enc}).to_string())
        .bearer_auth(token)?
        .header(header::CONTENT_TYPE, "application/json")?;
    let Answer { value } = ask(client, &request, refusal, &[token]).await?;
    let value = zeroize::Zeroizing::new(value);
    let plain = URL_SAFE_NO_PAD.decode(value.trim_end_matches('=').as_bytes());
    Ok(DataKey::new(plain.map_err(|_| ExchangeError::Malformed("the value is not base64"))?))
}

fn url(key: &AzureKeyVaultKey, service: Option<&Url>) -> Result<Url, AzureKeyVaultError> {
    scope(&key.vault_url)?;
    for name in [&key.name, &key.version] {
        let fine = name.len() <= 128 && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if !fine {
            return Err(AzureKeyVaultError::Name(name.chars().take(128).collect()));
        }
    }
    if key.name.is_empty() {
        return Err(AzureKeyVaultError::Name(String::new()));
    }
    let base = service.map_or(key.vault_url.as_str(), Url::as_str).trim_end_matches('/');
    let version = if key.version.is_empty() { String::new() } else { format!("/{}", key.version) };
    let text = format!("{base}/keys/{}{version}/decrypt?api-version={API_VERSION}", key.name);
    Url::parse(&text).map_err(|_| AzureKeyVaultError::Vault(sluice_http_client::mask_url_text(&key.vault_url)))
}

/// `code: message`.
fn refusal(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Error {
        code: Option<String>,
        message: Option<String>,
    }
    #[derive(Deserialize)]
    struct Refusal {
        error: Error,
    }
    let Refusal { error: Error { code, message } } = serde_json::from_slice(body).ok()?;
    let words: Vec<String> = [code, message].into_iter().flatten().filter(|text| !text.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(": "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_goes_to_vaults_of_azure_only() {
        for (url, expected) in [
            ("https://mine.vault.azure.net", Some("https://vault.azure.net/.default")),
            ("https://mine.vault.azure.net/", Some("https://vault.azure.net/.default")),
            ("https://mine.vault.usgovcloudapi.net", Some("https://vault.usgovcloudapi.net/.default")),
            ("https://mine.managedhsm.azure.net", Some("https://managedhsm.azure.net/.default")),
            ("http://mine.vault.azure.net", None),
            ("https://mine.vault.azure.net:8443", None),
            ("https://mine.vault.azure.net@evil.example", None),
            ("https://mine.vault.azure.net.evil.example", None),
            ("https://evilvault.azure.net", None),
            ("https://vault.azure.net", None),
            ("mine.vault.azure.net", None),
        ] {
            assert_eq!(scope(url).ok(), expected, "{url}");
        }
    }

    #[test]
    fn names_of_keys_cannot_leave_their_path() {
        let key = |name: &str, version: &str| AzureKeyVaultKey {
            vault_url: "https://mine.vault.azure.net/".to_owned(),
            name: name.to_owned(),
            version: version.to_owned(),
            enc: String::new(),
        };
        let made = url(&key("k", "v1"), None).unwrap();
        assert_eq!(made.as_str(), "https://mine.vault.azure.net/keys/k/v1/decrypt?api-version=7.4");
        assert_eq!(url(&key("k", ""), None).unwrap().path(), "/keys/k/decrypt");
        for (name, version) in [("", "v"), ("..", "v"), ("k", "../x"), ("k/x", "v"), ("k?", "v")] {
            assert!(url(&key(name, version), None).is_err(), "{name} {version}");
        }
    }
}
