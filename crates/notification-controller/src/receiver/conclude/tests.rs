use serde_json::{Value, json};

use super::*;
use crate::cluster::ClusterError;
use crate::fakes::object;
use crate::receiver::{TokenError, ValidateError};

const EARLIER: &str = "2026-01-01T00:00:00Z";
const NOW: &str = "2026-02-02T02:02:02Z";
const TERMINAL: &str = "Reconciliation failed terminally due to configuration error: rule";
const LOST: &str = "unable to read token from secret 'apps/hook' error: secrets \"hook\" not found";

/// A Receiver of generation 3 with this status.
fn receiver(status: &Value) -> Receiver {
    object(json!({
        "apiVersion": "notification.toolkit.fluxcd.io/v1",
        "kind": "Receiver",
        "metadata": {"name": "web", "namespace": "apps", "generation": 3},
        "spec": {"type": "generic", "resources": [], "secretRef": {"name": "hook"}, "interval": "5m"},
        "status": status,
    }))
}

fn condition(type_: &str, status: &str, reason: &str, message: &str) -> Value {
    json!({"type": type_, "status": status, "reason": reason, "message": message, "observedGeneration": 3,
        "lastTransitionTime": NOW})
}

fn ready() -> Value {
    json!({
        "observedGeneration": 3,
        "webhookPath": "/hook/ab",
        "conditions": [condition("Ready", "True", "Succeeded", "Receiver initialized for path: /hook/ab")],
    })
}

fn without_token(observed: i64) -> Value {
    json!({
        "observedGeneration": observed,
        "conditions": [
            condition("Reconciling", "True", "ProgressingWithRetry", "Reconciliation in progress"),
            condition("Ready", "False", "TokenNotFound", LOST),
        ],
    })
}

fn stalled(path: &str) -> Value {
    json!({
        "observedGeneration": 3,
        "webhookPath": path,
        "conditions": [
            condition("Stalled", "True", "ValidationFailed", TERMINAL),
            condition("Ready", "False", "ValidationFailed", TERMINAL),
        ],
    })
}

fn token_error() -> ReconcileError {
    let source = ClusterError::Find("secrets \"hook\" not found".to_owned());
    TokenError::ReadSecret { secret: "apps/hook".to_owned(), source }.into()
}

fn rule_error() -> ReconcileError {
    ValidateError::CombineFields("rule").into()
}

fn check(
    before: &Value,
    result: Result<String, ReconcileError>,
    status: &Value,
    notice: (Severity, &str, &str),
    next: Next,
) {
    let outcome = conclude(&receiver(before), NOW.parse().unwrap(), result);
    assert_eq!(&serde_json::to_value(&outcome.status).unwrap(), status, "after {before}");
    assert_eq!(outcome.notices, [Notice::new(notice.0, notice.1, notice.2)], "after {before}");
    assert_eq!(outcome.next, next, "after {before}");
}

#[test]
fn a_success_sets_the_path_and_leaves_ready_alone() {
    let notice = (Severity::Info, "Succeeded", "Reconciliation finished, next run in 5m0s");
    for before in [json!({"observedGeneration": -1}), without_token(-1), stalled("/hook/old"), ready()] {
        check(&before, Ok("/hook/ab".to_owned()), &ready(), notice, Next::After(std::time::Duration::from_secs(300)));
    }
}

#[test]
fn a_missing_token_clears_the_path_and_observes_nothing() {
    let notice = (Severity::Error, "Failed", LOST);
    for (before, observed) in [(json!({"observedGeneration": -1}), -1), (ready(), 3), (stalled("/hook/old"), 3)] {
        check(&before, Err(token_error()), &without_token(observed), notice, Next::Backoff);
    }
}

#[test]
fn a_broken_spec_stalls_and_keeps_the_path() {
    let notice = (Severity::Error, "ValidationFailed", TERMINAL);
    check(&ready(), Err(rule_error()), &stalled("/hook/ab"), notice, Next::Never);
}

#[test]
fn an_unchanged_condition_keeps_its_time() {
    let mut before = ready();
    before["conditions"][0]["lastTransitionTime"] = json!(EARLIER);
    let outcome = conclude(&receiver(&before), NOW.parse().unwrap(), Ok("/hook/ab".to_owned()));
    assert_eq!(serde_json::to_value(&outcome.status).unwrap(), before);
}

#[test]
fn a_suspended_receiver_observes_its_generation_only_when_it_was_ready() {
    let mut was_ready = ready();
    was_ready["observedGeneration"] = json!(2);
    for (before, after) in [(was_ready, ready()), (without_token(2), without_token(2)), (json!({}), json!({}))] {
        let receiver = receiver(&before);
        let mut status = receiver.status.clone().unwrap();
        settle_suspended(&receiver, &mut status);
        assert_eq!(serde_json::to_value(&status).unwrap(), after);
    }
}
