//! What a pass makes of a Receiver's status: the verdict's consequences, written into conditions and fields.
//!
//! Deliberately no decision of its own: reason, message, retry class and the fate of the path are the verdict's.

use jiff::Timestamp;
use sluice_api::constants::{condition, reason};
use sluice_api::meta::GoDuration;
use sluice_api::notification::{Receiver, ReceiverStatus};
use sluice_api::status::Reconcilable;
use sluice_conditions::{Stamp, delete, is_true, mark_false, mark_reconciling, mark_stalled, mark_true};
use sluice_runtime::dispatcher::{Next, Outcome};
use sluice_runtime::recorder::{Notice, Severity};

use super::verdict::{Failure, PathChange, ReconcileError, Retry, Success};

/// Ends a pass whose phases returned the webhook's path, or why there is none.
pub(super) fn conclude(
    receiver: &Receiver,
    now: Timestamp,
    result: Result<String, ReconcileError>,
) -> Outcome<ReceiverStatus> {
    let status = receiver.status.clone().unwrap_or_default();
    let stamp = Stamp { generation: receiver.metadata.generation.unwrap_or(0), now };
    match result {
        Ok(path) => succeed(status, stamp, path, receiver.interval().into()),
        Err(error) => fail(status, stamp, Failure::from(&error)),
    }
}

fn succeed(mut status: ReceiverStatus, stamp: Stamp, path: String, interval: GoDuration) -> Outcome<ReceiverStatus> {
    let Success { message, event_message } = Success::new(&path, interval);
    let conditions = &mut status.conditions;
    delete(conditions, condition::STALLED);
    delete(conditions, condition::RECONCILING);
    mark_true(conditions, stamp, condition::READY, reason::SUCCEEDED, &message);
    status.webhook_path = Some(path);
    status.observed_generation = Some(stamp.generation);
    let notices = vec![Notice::new(Severity::Info, reason::SUCCEEDED, event_message)];
    // The interval has no jitter here, so it is not `Next::Interval`.
    Outcome { status, notices, next: Next::After(interval.as_duration()) }
}

fn fail(mut status: ReceiverStatus, stamp: Stamp, failure: Failure) -> Outcome<ReceiverStatus> {
    let Failure { reason, message, event_reason, retry, path } = failure;
    let conditions = &mut status.conditions;
    mark_false(conditions, stamp, condition::READY, reason, &message);
    let next = match retry {
        Retry::Backoff => {
            mark_reconciling(conditions, stamp, reason::PROGRESSING_WITH_RETRY, Failure::RECONCILING_MESSAGE);
            Next::Backoff
        }
        Retry::OnChange => {
            mark_stalled(conditions, stamp, reason, &message);
            status.observed_generation = Some(stamp.generation);
            Next::Never
        }
    };
    match path {
        PathChange::Clear => status.webhook_path = None,
        PathChange::Keep => {}
    }
    Outcome { status, notices: vec![Notice::new(Severity::Error, event_reason, message)], next }
}

/// What a pass over a suspended Receiver changes: if it was ready, the generation counts as observed, and success is told anew.
pub(super) fn settle_suspended(receiver: &Receiver, status: &mut ReceiverStatus) -> Vec<Notice> {
    if !is_true(&status.conditions, condition::READY) {
        return Vec::new();
    }
    status.observed_generation = receiver.metadata.generation;
    let path = status.webhook_path.clone().unwrap_or_default();
    let Success { event_message, .. } = Success::new(&path, receiver.interval().into());
    vec![Notice::new(Severity::Info, reason::SUCCEEDED, event_message)]
}

#[cfg(test)]
mod tests;
