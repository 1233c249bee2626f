use sluice_expressions::CompileError;
use sluice_notify::SecretData;

use super::*;
use crate::cluster::ClusterError;
use crate::receiver::{CompileClaimsError, token};

fn token_failure(read: Result<SecretData, ClusterError>) -> Failure {
    Failure::from(&ReconcileError::from(token("apps", "hook", read).unwrap_err()))
}

fn token_not_found(message: &str) -> Failure {
    Failure {
        reason: "TokenNotFound",
        message: message.to_owned(),
        event_reason: "Failed",
        retry: Retry::Backoff,
        path: PathChange::Clear,
    }
}

#[test]
fn a_missing_token_clears_the_path_and_is_retried() {
    let missing = ClusterError::Find("secrets \"hook\" not found".to_owned());
    assert_eq!(
        token_failure(Err(missing)),
        token_not_found("unable to read token from secret 'apps/hook' error: secrets \"hook\" not found")
    );
    assert_eq!(
        token_failure(Ok(SecretData::default())),
        token_not_found("invalid 'apps/hook' secret data: required fields 'token'")
    );
}

#[test]
fn a_broken_spec_keeps_the_path_and_waits_for_a_change() {
    let terminal = |reason, text: &str| Failure {
        reason,
        message: format!("Reconciliation failed terminally due to configuration error: {text}"),
        event_reason: reason,
        retry: Retry::OnChange,
        path: PathChange::Keep,
    };
    let source = CompileError::Environment;
    let issuer = "https://i".to_owned();
    let table = [
        (
            ValidateError::CompileResourceFilter(source.clone()),
            terminal("InvalidCELExpression", "invalid resourceFilter expression: failed to create CEL environment"),
        ),
        (
            ValidateError::CompileFilter {
                index: 2,
                kind: "Bucket".to_owned(),
                name: "data".to_owned(),
                source: source.clone(),
            },
            terminal(
                "InvalidCELExpression",
                "invalid filter expression for resources[2] (kind=\"Bucket\", name=\"data\"): failed to create CEL environment",
            ),
        ),
        (
            ValidateError::CompileProvider {
                index: 0,
                issuer: issuer.clone(),
                source: CompileClaimsError::Variable { name: "a".to_owned(), source },
            },
            terminal(
                "InvalidCELExpression",
                "oidcProviders[0] (issuerURL=\"https://i\"): invalid expression for variable \"a\": failed to create CEL environment",
            ),
        ),
        (
            ValidateError::CheckProvider { index: 1, issuer, rule: "rule".to_owned() },
            terminal("ValidationFailed", "oidcProviders[1] (issuerURL=\"https://i\"): rule"),
        ),
        (ValidateError::CombineFields("rule"), terminal("ValidationFailed", "rule")),
    ];
    for (error, expected) in table {
        assert_eq!(Failure::from(&ReconcileError::from(error)), expected);
    }
}

#[test]
fn success_names_the_path_and_the_next_run() {
    let expected = Success {
        message: "Receiver initialized for path: /hook/ab".to_owned(),
        event_message: "Reconciliation finished, next run in 10m0s".to_owned(),
    };
    assert_eq!(Success::new("/hook/ab", GoDuration::from_secs(600)), expected);
}

#[test]
fn the_token_is_taken_as_stored_and_may_be_empty() {
    for value in ["t\n", ""] {
        let data: SecretData = [("token", value)].into_iter().collect();
        assert_eq!(token("apps", "hook", Ok(data)).unwrap(), value.as_bytes());
    }
}
