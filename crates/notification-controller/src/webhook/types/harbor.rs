//! Harbor: the token itself as the whole `Authorization` header, without a scheme.

use std::borrow::Cow;

use super::{Call, Checked};
use crate::webhook::auth::check_token;

/// Wants the token in `Authorization`.
pub(in crate::webhook) fn check<'a>(call: &Call<'a>) -> Checked<'a> {
    check_token(call, "Authorization")?;
    Ok(Cow::Borrowed(call.body))
}
