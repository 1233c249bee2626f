//! GitLab: the token itself in a header.

use std::borrow::Cow;

use super::{Call, Checked};
use crate::webhook::auth::{check_event, check_token};

/// Wants the token in `X-Gitlab-Token` and one of the events in `X-Gitlab-Event`.
pub(in crate::webhook) fn check<'a>(call: &Call<'a>) -> Checked<'a> {
    check_token(call, "X-Gitlab-Token")?;
    check_event(call, "X-Gitlab-Event")?;
    Ok(Cow::Borrowed(call.body))
}
