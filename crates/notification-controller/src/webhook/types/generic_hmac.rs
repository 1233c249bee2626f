//! Any sender that signs the body: `X-Signature: <algorithm>=<hex>`.

use std::borrow::Cow;

use super::{Call, Checked};
use crate::webhook::auth::{AuthError, header};
use crate::webhook::signature::verify;

/// Wants a good signature, whatever the body is.
pub(in crate::webhook) fn check<'a>(call: &Call<'a>) -> Checked<'a> {
    let signature = header(call.headers, "X-Signature").ok_or(AuthError::FindSignature)?;
    verify(signature, call.token, call.body)?;
    Ok(Cow::Borrowed(call.body))
}
