//! Google Cloud KMS: a data key opened by `decrypt`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use sluice_http_client::{HttpClient, HttpError, Request, Secret, Url, header};

use crate::http::{ExchangeError, ask};
use crate::keys::{DataKey, GcpKmsKey};
use crate::ports::AmbientError;

const SERVICE: &str = "https://cloudkms.googleapis.com/";

/// A data key that Google Cloud did not give.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GcpKmsError {
    /// The name is not one of a key.
    #[error("no valid resource ID found in '{0}'")]
    ResourceId(String),
    /// The sealed key is not base64.
    #[error("error base64-decoding encrypted data key")]
    Base64,
    /// Nobody says who asks.
    #[error("failed to get Google Cloud credentials")]
    Credentials(#[source] AmbientError),
    /// Google Cloud refused.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The request could not be built.
    #[error(transparent)]
    Request(#[from] HttpError),
}

/// Checks `projects/…/locations/…/keyRings/…/cryptoKeys/…`.
pub(crate) fn check(resource_id: &str) -> Result<(), GcpKmsError> {
    let parts: Vec<&str> = resource_id.split('/').collect();
    let fine = match parts.as_slice() {
        ["projects", project, "locations", location, "keyRings", ring, "cryptoKeys", key] => {
            [project, location, ring, key].iter().all(|name| {
                let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte);
                !name.is_empty() && !matches!(**name, "." | "..") && name.bytes().all(letter)
            })
        }
        _ => false,
    };
    if fine { Ok(()) } else { Err(GcpKmsError::ResourceId(resource_id.chars().take(256).collect())) }
}

/// Opens the data key. `service` is asked in place of Google's own.
pub(crate) async fn decrypt(
    (client, service): (&HttpClient, Option<&Url>),
    key: &GcpKmsKey,
    token: &Secret<String>,
) -> Result<DataKey, GcpKmsError> {
    #[derive(Deserialize)]
    struct Answer {
        plaintext: String,
    }
    check(&key.resource_id)?;
    STANDARD.decode(&key.enc).map_err(|_| GcpKmsError::Base64)?;
    let base = service.map_or(SERVICE, Url::as_str).trim_end_matches('/');
    let url = Url::parse(&format!("{base}/v1/{}:decrypt", key.resource_id));
    let url = url.map_err(|_| GcpKmsError::ResourceId(key.resource_id.clone()))?;
    let request = Request::post(url, json!({"ciphertext": key.enc}).to_string())
        .bearer_auth(token)?
        .header(header::CONTENT_TYPE, "application/json")?;
    let Answer { plaintext } = ask(client, &request, refusal, &[token]).await?;
    let plain = STANDARD.decode(zeroize::Zeroizing::new(plaintext).as_bytes());
    Ok(DataKey::new(plain.map_err(|_| ExchangeError::Malformed("the plaintext is not base64"))?))
}

/// `STATUS: message`.
fn refusal(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Error {
        status: Option<String>,
        message: Option<String>,
    }
    #[derive(Deserialize)]
    struct Refusal {
        error: Error,
    }
    let Refusal { error: Error { status, message } } = serde_json::from_slice(body).ok()?;
    let words: Vec<String> = [status, message].into_iter().flatten().filter(|text| !text.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(": "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_keys_become_part_of_a_url() {
        for (id, fine) in [
            ("projects/p/locations/global/keyRings/r/cryptoKeys/k", true),
            ("projects/example.com:p/locations/eu/keyRings/r_1/cryptoKeys/k-1", true),
            ("projects/p/locations/global/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1", false),
            ("projects/../locations/global/keyRings/r/cryptoKeys/k", false),
            ("projects/p/locations/global/keyRings/r/cryptoKeys/k?x", false),
            ("", false),
        ] {
            assert_eq!(check(id).is_ok(), fine, "{id}");
        }
    }
}
