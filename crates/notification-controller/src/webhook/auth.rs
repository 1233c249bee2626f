//! Whether a request may trigger a Receiver: authentication, then the sender's own rules on content and event.
//!
//! Pure: the Secret has been read. Every failure is one and the same to the caller; the error is for the log.

use std::borrow::Cow;

use http::HeaderMap;
use http::header::CONTENT_TYPE;
use sluice_api::notification::{ReceiverSpec, ReceiverType};
use thiserror::Error;

use super::form;
use super::signature::{SignatureError, verify};

/// Why a request is refused.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AuthError {
    /// The receiver's type is known to the API, and not implemented.
    #[error("receiver type '{0}' is not supported yet")]
    SelectType(String),
    /// No signature where one is needed.
    #[error("missing signature")]
    FindSignature,
    /// A signature that is not good.
    #[error("invalid signature")]
    Signature(#[from] SignatureError),
    /// A content type that the sender does not use.
    #[error("content type is neither application/json nor application/x-www-form-urlencoded")]
    ContentType,
    /// A form that is not one.
    #[error("malformed form body")]
    DecodeForm,
    /// An event that the Receiver does not list.
    #[error("event {0:?} is not one of the receiver's")]
    UnwantedEvent(String),
}

/// Checks a request and returns its payload: the body, or what a form body wraps.
///
/// # Errors
/// Why the request is refused.
pub fn authenticate<'a>(
    spec: &ReceiverSpec,
    token: &[u8],
    headers: &HeaderMap,
    body: &'a [u8],
) -> Result<Cow<'a, [u8]>, AuthError> {
    match &spec.type_ {
        ReceiverType::Generic => Ok(Cow::Borrowed(body)),
        ReceiverType::GenericHmac => {
            let signature = header(headers, "X-Signature").ok_or(AuthError::FindSignature)?;
            verify(signature, token, body)?;
            Ok(Cow::Borrowed(body))
        }
        ReceiverType::GitHub => {
            let payload = github_payload(token, headers, body)?;
            check_event(&spec.events, header(headers, "X-GitHub-Event").unwrap_or_default())?;
            Ok(payload)
        }
        other => Err(AuthError::SelectType(other.to_string())),
    }
}

/// GitHub's rules (Gitea follows them): the signature is over the raw body, and the newer header wins.
fn github_payload<'a>(token: &[u8], headers: &HeaderMap, body: &'a [u8]) -> Result<Cow<'a, [u8]>, AuthError> {
    let payload = match media_type(headers).as_str() {
        "application/json" => Cow::Borrowed(body),
        "application/x-www-form-urlencoded" => form::payload(body).ok_or(AuthError::DecodeForm)?,
        _ => return Err(AuthError::ContentType),
    };
    let signature = header(headers, "X-Hub-Signature-256").or_else(|| header(headers, "X-Hub-Signature"));
    match signature {
        Some(signature) => verify(signature, token, body)?,
        // An empty token means that the forge was told no secret, so it signs nothing.
        None if token.is_empty() => {}
        None => return Err(AuthError::FindSignature),
    }
    Ok(payload)
}

fn check_event(wanted: &[String], event: &str) -> Result<(), AuthError> {
    if wanted.is_empty() || wanted.iter().any(|name| name.eq_ignore_ascii_case(event)) {
        return Ok(());
    }
    // The text comes from the caller and goes to the log: a bound.
    Err(AuthError::UnwantedEvent(event.chars().take(64).collect()))
}

/// The content type without its parameters, in lower case.
fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// A header's text; absent, empty and non-ASCII are all `None`.
fn header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests;
