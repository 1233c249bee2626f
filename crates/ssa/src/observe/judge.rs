//! Where an object stands, by expressions or by the rules of its kind.
//!
//! Deliberately not here: what needs more than the object, such as its pods (`reader`).

use jiff::Timestamp;
use serde_json::Value;
use sluice_expressions::{Health, HealthChecks};
use sluice_kstatus::{State, Status, status};
use sluice_manifest::ObjectId;

/// Longest message that is kept of an object, in bytes: conditions are anybody's text.
const MAX_MESSAGE: usize = 1024;

/// Which rules come first for a Job. For all other kinds, expressions do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ReaderOrder {
    /// The rule for Jobs, then expressions: the controller's own identity.
    #[default]
    JobFirst,
    /// Expressions first: impersonation and remote clusters.
    ExpressionsFirst,
}

/// A status, and which rules it is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) status: Status,
    pub(super) by: By,
}

/// Who judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    Expressions,
    Kind,
}

/// Whether expressions have a say about objects of this kind.
pub(super) fn judged_by_expressions(id: &ObjectId, version: &str, checks: &HealthChecks, order: ReaderOrder) -> bool {
    let api_version = if id.group.is_empty() { version.to_owned() } else { format!("{}/{version}", id.group) };
    !(is_job(&id.group, &id.kind) && order == ReaderOrder::JobFirst) && checks.supports(&api_version, &id.kind)
}

/// Judges an object at the time `now`.
pub(super) fn judge(live: &Value, checks: &HealthChecks, order: ReaderOrder, now: Timestamp) -> Judged {
    let named = |field: &str| live.get(field).and_then(Value::as_str).unwrap_or_default();
    let group = named("apiVersion").split_once('/').map_or("", |(group, _)| group);
    let by_kind = || Judged { status: by_kind(live, now), by: By::Kind };
    if order == ReaderOrder::JobFirst && is_job(group, named("kind")) {
        return by_kind();
    }
    let status = match checks.evaluate(live) {
        Ok(None) => return by_kind(),
        Ok(Some(health)) => by_expressions(health, live, now),
        Err(error) => Status::unknown(error),
    };
    Judged { status: bounded(status), by: By::Expressions }
}

/// Judges by the rules of the kind alone.
pub(super) fn by_kind(live: &Value, now: Timestamp) -> Status {
    bounded(status(live, now))
}

/// Expressions have no words, so what the object says of itself is added unless it thinks that all is well.
fn by_expressions(health: Health, live: &Value, now: Timestamp) -> Status {
    let state = match health {
        Health::InProgress => State::InProgress,
        Health::Failed => State::Failed,
        Health::Current => State::Current,
    };
    let own = status(live, now);
    let speaks = state != State::Current && matches!(own.state, State::InProgress | State::Failed | State::Terminating);
    Status { state, reason: String::new(), message: if speaks { own.message } else { String::new() } }
}

fn is_job(group: &str, kind: &str) -> bool {
    (group, kind) == ("batch", "Job")
}

/// Cuts what is too long.
pub(super) fn bounded(mut status: Status) -> Status {
    for text in [&mut status.reason, &mut status.message] {
        if text.len() > MAX_MESSAGE {
            let end = (0..=MAX_MESSAGE - 3).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
            text.truncate(end);
            text.push_str("...");
        }
    }
    status
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sluice_expressions::HealthCheck;

    use super::*;

    fn checks(api_version: &str, kind: &str) -> HealthChecks {
        let current = "status.done == true";
        let check = HealthCheck { api_version, kind, current, failed: "status.done == 'no'", ..HealthCheck::default() };
        HealthChecks::new(&[check]).unwrap()
    }

    fn state(live: &Value, checks: &HealthChecks, order: ReaderOrder) -> (State, By) {
        let judged = judge(live, checks, order, Timestamp::UNIX_EPOCH);
        (judged.status.state, judged.by)
    }

    #[test]
    fn expressions_win_over_kinds_and_over_jobs_only_under_another_identity() {
        use ReaderOrder::{ExpressionsFirst, JobFirst};
        let job = json!({"apiVersion": "batch/v1", "kind": "Job", "status": {"done": true}});
        let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "status": {"done": true}});
        let (jobs, claims) = (checks("batch/v1", ""), checks("v1", "PersistentVolumeClaim"));
        for (live, checks, order, expected) in [
            (&job, &jobs, JobFirst, (State::InProgress, By::Kind)),
            (&job, &jobs, ExpressionsFirst, (State::Current, By::Expressions)),
            (&claim, &claims, JobFirst, (State::Current, By::Expressions)),
            (&claim, &claims, ExpressionsFirst, (State::Current, By::Expressions)),
            (&claim, &jobs, JobFirst, (State::InProgress, By::Kind)),
        ] {
            assert_eq!(state(live, checks, order), expected, "{live} {order:?}");
        }
    }

    #[test]
    fn an_expression_that_cannot_be_evaluated_makes_the_state_unknown() {
        let live = json!({"apiVersion": "x.io/v1", "kind": "Thing"});
        assert_eq!(state(&live, &checks("x.io/v1", "Thing"), ReaderOrder::JobFirst), (State::Unknown, By::Expressions));
    }

    #[test]
    fn an_unhealthy_object_lends_its_own_words_to_the_expressions() {
        let live = json!({"apiVersion": "x.io/v1", "kind": "Thing", "status": {"done": "no",
            "conditions": [{"type": "Ready", "status": "False", "reason": "Quota", "message": "no quota left"}]}});
        let judged = judge(&live, &checks("x.io/v1", "Thing"), ReaderOrder::JobFirst, Timestamp::UNIX_EPOCH);
        let message = "no quota left".to_owned();
        assert_eq!(judged.status, Status { state: State::Failed, reason: String::new(), message });
    }

    #[test]
    fn long_messages_are_cut_between_characters() {
        let status = bounded(Status { state: State::Failed, reason: String::new(), message: "é".repeat(1000) });
        assert_eq!(status.message.len(), MAX_MESSAGE - 1);
        assert!(status.message.ends_with("é..."));
    }
}
