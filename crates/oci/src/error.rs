//! Why a registry operation failed, told apart as far as a caller acts differently.
//!
//! Deliberately shows URLs without query and userinfo, and of what a registry said only a short, printable line without our own secrets.

use std::time::Duration;

use serde::Deserialize;
use sluice_http_client::{ConfigError, HttpError, StatusCode};

/// The most of a registry's own words that is repeated, in characters.
const MAX_SAID: usize = 256;

/// How many of a registry's errors are repeated.
const MAX_SAID_ERRORS: usize = 3;

/// A failed operation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OciError {
    /// Certificates, key or proxy are unusable.
    #[error(transparent)]
    Config(ConfigError),
    /// The credential provider failed.
    #[error(transparent)]
    Credential(Box<dyn std::error::Error + Send + Sync>),
    /// No whole answer came, or it was too large, or could not be written.
    #[error(transparent)]
    Http(HttpError),
    /// The operation took longer than it may.
    #[error("{what}: timed out after {after:?}")]
    Timeout {
        /// The operation.
        what: String,
        /// The time that it had.
        after: Duration,
    },
    /// 401: no credentials, or not accepted ones.
    #[error("{0}")]
    Unauthorized(Refusal),
    /// 403: known, but not permitted.
    #[error("{0}")]
    Forbidden(Refusal),
    /// 404: no such repository, tag, manifest or blob; some registries say so to those who may not know.
    #[error("{0}")]
    NotFound(Refusal),
    /// 429, even after retries.
    #[error("{0}")]
    RateLimited(Refusal),
    /// 5xx, even after retries.
    #[error("{0}")]
    Unavailable(Refusal),
    /// Any other status.
    #[error("{0}")]
    Refused(Refusal),
    /// A redirect that is not followed.
    #[error("{target}: redirect refused: {reason}")]
    Redirect {
        /// What was asked for, masked.
        target: String,
        /// Why not.
        reason: &'static str,
    },
    /// The token server that the registry names is not one that credentials may be sent to.
    #[error("registry {registry} names an unusable token server: {reason}")]
    Realm {
        /// The registry.
        registry: String,
        /// Why not.
        reason: &'static str,
    },
    /// An answer is not what it should be.
    #[error("{what}: {reason}")]
    Malformed {
        /// What was read.
        what: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Content is not what its digest says: damaged on the way, or exchanged.
    #[error("{what}: digest mismatch: expected {expected}, got {actual}")]
    DigestMismatch {
        /// What was read.
        what: String,
        /// The digest that was asked for.
        expected: String,
        /// The digest of what came.
        actual: String,
    },
    /// Content does not have the size that its descriptor says.
    #[error("{what}: size mismatch: expected {expected} bytes, got {actual}")]
    SizeMismatch {
        /// What was read.
        what: String,
        /// The descriptor's size.
        expected: u64,
        /// The size of what came.
        actual: u64,
    },
    /// Content is larger than the caller accepts.
    #[error("{what}: {size} bytes, more than the limit of {limit}")]
    TooLarge {
        /// What was to be read.
        what: String,
        /// Its size.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// A list has more entries or pages than are read.
    #[error("{what}: more than the limit of {limit} {unit}")]
    TooMany {
        /// The list.
        what: String,
        /// The limit.
        limit: usize,
        /// Of what.
        unit: &'static str,
    },
    /// An index has no image for the platform.
    #[error("{what}: no image for platform {platform}")]
    NoPlatform {
        /// The index.
        what: String,
        /// The platform.
        platform: String,
    },
    /// What was pulled could not be written.
    #[error("failed to write {what}")]
    Write {
        /// What was pulled.
        what: String,
        /// The writer's error.
        #[source]
        source: std::io::Error,
    },
}

impl From<HttpError> for OciError {
    fn from(error: HttpError) -> Self {
        Self::Http(error)
    }
}

impl OciError {
    /// Sorts a refusal by its status.
    pub(crate) fn refused(refusal: Refusal) -> Self {
        match refusal.status {
            StatusCode::UNAUTHORIZED => Self::Unauthorized(refusal),
            StatusCode::FORBIDDEN => Self::Forbidden(refusal),
            StatusCode::NOT_FOUND => Self::NotFound(refusal),
            StatusCode::TOO_MANY_REQUESTS => Self::RateLimited(refusal),
            status if status.is_server_error() => Self::Unavailable(refusal),
            _ => Self::Refused(refusal),
        }
    }

    /// What the registry answered, if that is the failure.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Unauthorized(refusal)
            | Self::Forbidden(refusal)
            | Self::NotFound(refusal)
            | Self::RateLimited(refusal)
            | Self::Unavailable(refusal)
            | Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }
}

/// A registry's answer that is an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The request's method.
    pub method: String,
    /// Where it went, without query and userinfo.
    pub target: String,
    /// The status.
    pub status: StatusCode,
    /// What the registry said to it, one printable line; empty if nothing.
    pub said: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}: {}", self.method, self.target, self.status)?;
        if self.said.is_empty() { Ok(()) } else { write!(f, ": {}", self.said) }
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    #[serde(default)]
    errors: Vec<ErrorEntry>,
    /// Token servers say it in one of these.
    error: Option<String>,
    error_description: Option<String>,
    details: Option<String>,
    message: Option<String>,
}

#[derive(Deserialize)]
struct ErrorEntry {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// One line of an error's body: code and message of a registry's JSON, else the text if it is text. Without `secrets`, which a hostile
/// registry could send back to have them shown.
pub(crate) fn said(body: &[u8], secrets: &[String]) -> String {
    let text = match serde_json::from_slice::<ErrorBody>(body) {
        Ok(body) => json_said(&body),
        Err(_) => String::from_utf8_lossy(body).trim().to_owned(),
    };
    // Somebody's error page.
    let text = if text.starts_with('<') { String::new() } else { text };
    let text = secrets
        .iter()
        .filter(|secret| !secret.is_empty())
        .fold(text, |text, secret| text.replace(secret.as_str(), "***"));
    printable(&text)
}

fn json_said(body: &ErrorBody) -> String {
    let entry = |entry: &ErrorEntry| match (entry.code.as_str(), entry.message.as_str()) {
        ("", message) => message.to_owned(),
        (code, "") => code.to_owned(),
        (code, message) => format!("{code}: {message}"),
    };
    if !body.errors.is_empty() {
        return body.errors.iter().take(MAX_SAID_ERRORS).map(entry).collect::<Vec<_>>().join("; ");
    }
    let parts = [&body.error, &body.error_description, &body.details, &body.message];
    parts.into_iter().flatten().map(String::as_str).collect::<Vec<_>>().join(": ")
}

/// Line breaks and other controls become spaces, so that nobody writes lines into logs; the length is bounded.
fn printable(text: &str) -> String {
    let hidden = |character: char| {
        character.is_control()
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    let line: String =
        text.chars().take(MAX_SAID).map(|character| if hidden(character) { ' ' } else { character }).collect();
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_a_registry_become_one_printable_bounded_line_without_our_secrets() {
        for (body, expected) in [
            ("", ""),
            (
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}"#,
                "MANIFEST_UNKNOWN: manifest unknown",
            ),
            (r#"{"errors":[{"code":"A"},{"message":"b"},{"code":"C","message":"c"},{"code":"D"}]}"#, "A; b; C: c"),
            (r#"{"error":"invalid_grant","error_description":"token expired"}"#, "invalid_grant: token expired"),
            (r#"{"details":"incorrect username or password"}"#, "incorrect username or password"),
            (r#"{"message":"Not Found"}"#, "Not Found"),
            (
                r#"{"errors":[{"code":"DENIED","message":"no hunter2 here\nlevel=error fake\u202eline"}]}"#,
                "DENIED: no *** here level=error fake line",
            ),
            ("plain text\r\n", "plain text"),
            ("<html>a page</html>", ""),
            (r#"{"unknown": 1}"#, ""),
            ("[1,2]", "[1,2]"),
        ] {
            assert_eq!(said(body.as_bytes(), &["hunter2".to_owned(), String::new()]), expected, "{body}");
        }
        assert_eq!(said("ü".repeat(1_000).as_bytes(), &[]).chars().count(), 256);
        assert!(!said(b"\xff\x00\x1b[2J", &[]).contains(['\0', '\x1b']));
    }
}
