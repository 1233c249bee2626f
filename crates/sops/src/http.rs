//! One question to a key service: JSON there, JSON back, in bounded time and size.
//!
//! Deliberately no repetition: a pass that fails is repeated as a whole.

use serde::de::DeserializeOwned;
use sluice_http_client::{HttpClient, HttpError, Request, Secret, StatusCode};

/// The largest answer; a data key has 32 bytes, a login token some KiB.
const MAX_ANSWER_BYTES: u64 = 256 << 10;
/// How much of a service's own words an error has.
const MAX_WORDS_CHARS: usize = 300;

/// A question without a usable answer. Never holds what was sent as a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// No whole answer came, or the question could not be built.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The service refused.
    #[error("the service answered {status}{}", if says.is_empty() { String::new() } else { format!(": {says}") })]
    Refused {
        /// The status.
        status: StatusCode,
        /// Its own words, cut and masked; empty if it has none.
        says: String,
    },
    /// The answer is not what the service's protocol has. Its content is not told, for it may be a key.
    #[error("the service gave an answer that cannot be used: {0}")]
    Malformed(&'static str),
}

/// Sends, and reads the answer. `refusal` finds the service's words in the body of a refusal; `secrets` are taken out of them, since a
/// service under an attacker's control could send back what it was sent, and conditions are read by more people than Secrets are.
pub(crate) async fn ask<T: DeserializeOwned>(
    client: &HttpClient,
    request: &Request,
    refusal: fn(&[u8]) -> Option<String>,
    secrets: &[&Secret<String>],
) -> Result<T, ExchangeError> {
    let bytes = ask_bytes(client, request, refusal, secrets).await?;
    serde_json::from_slice(&bytes).map_err(|_| ExchangeError::Malformed("it is not the expected JSON"))
}

/// [`ask`] for an answer that is not JSON.
pub(crate) async fn ask_bytes(
    client: &HttpClient,
    request: &Request,
    refusal: fn(&[u8]) -> Option<String>,
    secrets: &[&Secret<String>],
) -> Result<Vec<u8>, ExchangeError> {
    let response = client.send(request).await?;
    let status = response.status();
    if status.is_success() {
        return Ok(response.into_body(MAX_ANSWER_BYTES)?.bytes().await?.to_vec());
    }
    // What is too long or breaks off has no words; the status is enough.
    let mut body = Vec::new();
    if let Ok(answer) = response.into_body(MAX_ANSWER_BYTES) {
        body = answer.bytes().await.unwrap_or_default().to_vec();
    }
    let says = refusal(&body).map(|words| quote(&words, secrets)).unwrap_or_default();
    Err(ExchangeError::Refused { status, says })
}

fn quote(text: &str, secrets: &[&Secret<String>]) -> String {
    let mut clean = text.to_owned();
    for secret in secrets.iter().map(|secret| secret.expose().as_str()).filter(|secret| !secret.is_empty()) {
        clean = clean.replace(secret, "***");
    }
    let words = clean.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_WORDS_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_s_words_are_one_short_line_without_what_was_sent() {
        let secret = Secret::new("s3cret".to_owned());
        for (text, expected) in
            [("no\n s3cret\u{1b} here", "no *** here".to_owned()), (&"x".repeat(400), format!("{}…", "x".repeat(300)))]
        {
            assert_eq!(quote(text, &[&secret]), expected);
        }
    }
}
