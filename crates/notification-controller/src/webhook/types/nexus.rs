//! Nexus: a bare HMAC-SHA1 in lower-case hexadecimal, and a body of its form with nothing behind it.

use std::borrow::Cow;

use super::{Call, Checked};
use crate::webhook::auth::{AuthError, header};
use crate::webhook::go_json::{Shape, Trailing, decode};
use crate::webhook::signature::verify_bare_sha1;

/// Wants a good signature and a body of Nexus's.
pub(in crate::webhook) fn check<'a>(call: &Call<'a>) -> Checked<'a> {
    let signature = header(call.headers, "X-Nexus-Webhook-Signature").ok_or(AuthError::FindSignature)?;
    verify_bare_sha1(signature, call.token, call.body)?;
    let shape = Shape::Object(vec![("action", Shape::Text), ("repositoryName", Shape::Text)]);
    decode(call.body, &shape, Trailing::Refused)?;
    Ok(Cow::Borrowed(call.body))
}
