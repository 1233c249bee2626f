//! Whether a Receiver takes requests at the moment.

use sluice_api::constants::condition::{READY, RECONCILING, STALLED};
use sluice_api::notification::Receiver;

/// Ready, neither stalled nor reconciling, and not suspended.
pub(super) fn takes_requests(receiver: &Receiver) -> bool {
    let conditions = receiver.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let is_true = |type_: &str| conditions.iter().any(|c| c.type_ == type_ && c.status == "True");
    !receiver.spec.suspend && is_true(READY) && !is_true(STALLED) && !is_true(RECONCILING)
}
