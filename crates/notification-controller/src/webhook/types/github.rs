//! GitHub, and Gitea which follows it: a signature over the raw body, which is JSON or a form that wraps JSON.

use super::{Call, Checked};
use crate::webhook::auth::{AuthError, check_event, header};
use crate::webhook::signature::verify;
use crate::webhook::{form, media_type};

use std::borrow::Cow;

/// Wants a good signature and one of the events in `X-GitHub-Event`.
pub(in crate::webhook) fn check<'a>(call: &Call<'a>) -> Checked<'a> {
    let payload = signed_payload(call)?;
    check_event(call, "X-GitHub-Event")?;
    Ok(payload)
}

/// The payload of a request with a good signature. The newer header wins over the older one.
pub(super) fn signed_payload<'a>(call: &Call<'a>) -> Checked<'a> {
    let payload = match media_type::of(call.headers).as_deref() {
        Some("application/json") => Cow::Borrowed(call.body),
        Some("application/x-www-form-urlencoded") => form::payload(call.body).ok_or(AuthError::DecodeForm)?,
        _ => return Err(AuthError::ContentType),
    };
    let newer = header(call.headers, "X-Hub-Signature-256");
    match newer.or_else(|| header(call.headers, "X-Hub-Signature")) {
        Some(signature) => verify(signature, call.token, call.body)?,
        // An empty token means that the forge was told no secret, so it signs nothing.
        None if call.token.is_empty() => {}
        None => return Err(AuthError::FindSignature),
    }
    Ok(payload)
}
