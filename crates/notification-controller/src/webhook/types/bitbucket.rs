//! Bitbucket Server and Cloud: signed as GitHub does, with the event in a header of its own.

use super::{Call, Checked, github};
use crate::webhook::auth::check_event;

/// Wants a good signature and one of the events in `X-Event-Key`.
pub(in crate::webhook) fn check<'a>(call: &Call<'a>) -> Checked<'a> {
    let payload = github::signed_payload(call)?;
    check_event(call, "X-Event-Key")?;
    Ok(payload)
}
