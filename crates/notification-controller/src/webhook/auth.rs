//! Whether a request may trigger a Receiver: authentication, then the sender's own rules on content and event.
//!
//! Pure: the Secret has been read, and keys have been fetched. Every failure is one and the same to the caller; the error is for the log.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use sha2::{Digest, Sha256};
use sluice_api::notification::ReceiverSpec;
use thiserror::Error;

use super::go_json::JsonError;
use super::signature::SignatureError;
use super::types::cdevents::CdEventError;
use super::types::{Call, Way, gcr, way};

/// Longest text of a caller's that is repeated in an error, and so in the log.
const MAX_REPEATED: usize = 64;

/// Why a request is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AuthError {
    /// The receiver's type is of a newer version.
    #[error("receiver type '{0}' is not supported")]
    SelectType(String),
    /// The type needs keys of an issuer, which nobody fetched.
    #[error("the receiver's type needs the keys of an issuer")]
    FindKeys,
    /// The Secret has no such key, or an empty one.
    #[error("invalid secret data: required field '{0}'")]
    FindKey(&'static str),
    /// No signature where one is needed.
    #[error("missing signature")]
    FindSignature,
    /// A signature that is not good.
    #[error("invalid signature")]
    Signature(#[from] SignatureError),
    /// Another token than the Receiver's.
    #[error("the header '{0}' does not match the receiver's token")]
    Token(&'static str),
    /// No bearer token where one is needed.
    #[error("the Authorization header is missing or malformed")]
    FindBearer,
    /// A bearer token of an issuer that the Receiver does not list.
    #[error("no oidcProvider configured for issuer {0:?}")]
    UnknownIssuer(String),
    /// A claim that is missing or not as it must be.
    #[error("the token's claim '{0}' is not as expected")]
    Claim(&'static str),
    /// A content type that the sender does not use.
    #[error("content type is neither application/json nor application/x-www-form-urlencoded")]
    ContentType,
    /// A form that is not one.
    #[error("malformed form body")]
    DecodeForm,
    /// A body that is not the sender's.
    #[error(transparent)]
    DecodeBody(#[from] JsonError),
    /// A body that is no event of the kind it says it is.
    #[error("invalid CDEvent")]
    CdEvent(#[from] CdEventError),
    /// An event that the Receiver does not list.
    #[error("event {0:?} is not one of the receiver's")]
    UnwantedEvent(String),
}

/// Checks a request of a type that needs no keys and returns its payload: the body, or what the body wraps.
///
/// # Errors
/// Why the request is refused.
pub fn authenticate<'a>(
    spec: &'a ReceiverSpec,
    token: &'a [u8],
    headers: &'a HeaderMap,
    body: &'a [u8],
) -> Result<Cow<'a, [u8]>, AuthError> {
    match way(&spec.type_) {
        Some(Way::Plain(check)) => check(&Call { headers, body, token, events: &spec.events }),
        Some(Way::Google | Way::Issuer) => Err(AuthError::FindKeys),
        None => Err(AuthError::SelectType(repeated(&spec.type_.to_string()))),
    }
}

/// The message inside of a push of Google's, once its token has been checked.
///
/// # Errors
/// A push or a message of another form.
pub fn push_payload(body: &[u8]) -> Result<Vec<u8>, AuthError> {
    gcr::payload(body)
}

/// The token of `Authorization: Bearer`, trimmed.
///
/// # Errors
/// Another scheme (it is compared with case), or nothing behind it.
pub fn bearer(headers: &HeaderMap) -> Result<&str, AuthError> {
    let value = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let token = value.strip_prefix("Bearer ").map(str::trim).filter(|token| !token.is_empty());
    token.ok_or(AuthError::FindBearer)
}

/// Checks that a header's event is one of those that the Receiver wants.
///
/// # Errors
/// An event that is not listed.
pub(super) fn check_event(call: &Call<'_>, name: &str) -> Result<(), AuthError> {
    let event = call.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes())).unwrap_or_default();
    if call.events.is_empty() || call.events.iter().any(|wanted| wanted.eq_ignore_ascii_case(&event)) {
        return Ok(());
    }
    Err(AuthError::UnwantedEvent(repeated(&event)))
}

/// Checks that a header is the Receiver's token. A missing header counts as an empty one.
///
/// # Errors
/// Another token.
pub(super) fn check_token(call: &Call<'_>, name: &'static str) -> Result<(), AuthError> {
    let given = call.headers.get(name).map(http::HeaderValue::as_bytes).unwrap_or_default();
    // Digests are compared, so that the time tells nothing of where the texts differ.
    let same = Sha256::digest(given) == Sha256::digest(call.token);
    if same { Ok(()) } else { Err(AuthError::Token(name)) }
}

/// A header's text; absent, empty and non-ASCII are all `None`.
pub(super) fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().filter(|value| !value.is_empty())
}

/// The start of a text that comes from the caller and goes to the log.
pub(super) fn repeated(text: &str) -> String {
    text.chars().take(MAX_REPEATED).collect()
}

#[cfg(test)]
mod tests;
