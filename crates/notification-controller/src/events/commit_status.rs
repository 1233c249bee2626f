//! The id of a commit status that a Provider's `commitStatusExpr` makes of the event: each expression is compiled once.
//!
//! Deliberately no default id: that is the provider's, in the crate `notify`.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use sluice_api::meta::Event;
use sluice_api::notification::{Alert, Provider};
use sluice_expressions::{CompileError, EvaluateError, Expression, Numbers, Output};
use thiserror::Error;

/// Expressions that are kept. A Provider has one, and many have the same.
const MAX_EXPRESSIONS: usize = 1024;

/// What an expression can use.
const VARIABLES: [&str; 3] = ["event", "provider", "alert"];

/// Why there is no id.
#[derive(Debug, Error)]
pub(super) enum CommitStatusError {
    #[error(transparent)]
    Compile(#[from] CompileError),
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    #[error("failed to read the objects that the expression is about")]
    Read(#[from] serde_json::Error),
}

/// The expressions of all Providers, by their texts: a Provider that changes brings another text or the same.
#[derive(Default)]
pub(super) struct CommitStatuses(Mutex<HashMap<String, Result<Expression, CompileError>>>);

impl CommitStatuses {
    /// Evaluates the Provider's expression, if it has one, on the event with its merged metadata.
    pub(super) fn evaluate(
        &self,
        provider: &Provider,
        alert: &Alert,
        event: &Event,
    ) -> Result<Option<String>, CommitStatusError> {
        let Some(text) = provider.spec.commit_status_expr.as_deref().filter(|text| !text.is_empty()) else {
            return Ok(None);
        };
        let expression = self.compiled(text)?;
        let values = [serde_json::to_value(event)?, serde_json::to_value(provider)?, serde_json::to_value(alert)?];
        let variables: Vec<(&str, &Value)> = VARIABLES.into_iter().zip(&values).collect();
        Ok(Some(expression.evaluate_text(&variables, Numbers::Doubles)?))
    }

    fn compiled(&self, text: &str) -> Result<Expression, CompileError> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(compiled) = known.get(text) {
            return compiled.clone();
        }
        let compiled = Expression::compile(text, &VARIABLES, Output::Text);
        // So many texts are a flood, and to compile again those that are in use is cheap.
        if known.len() >= MAX_EXPRESSIONS {
            known.clear();
        }
        known.insert(text.to_owned(), compiled.clone());
        compiled
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fakes::{event, object};

    fn provider(expression: &str) -> Provider {
        object(json!({
            "apiVersion": "notification.toolkit.fluxcd.io/v1beta3",
            "kind": "Provider",
            "metadata": {"name": "forge", "namespace": "apps", "uid": "p-1", "labels": {"team": "a"}},
            "spec": {"type": "github", "commitStatusExpr": expression},
        }))
    }

    fn evaluated(expression: &str) -> Result<Option<String>, String> {
        let alert: Alert = object(json!({
            "apiVersion": "notification.toolkit.fluxcd.io/v1beta3",
            "kind": "Alert",
            "metadata": {"name": "on-call", "namespace": "apps"},
            "spec": {"providerRef": {"name": "forge"}, "eventSources": []},
        }));
        let statuses = CommitStatuses::default();
        let outcome = statuses.evaluate(&provider(expression), &alert, &event(&[("cluster", "Prod")]));
        // The second time out of memory.
        let again = statuses.evaluate(&provider(expression), &alert, &event(&[("cluster", "Prod")]));
        let text = |outcome: Result<_, CommitStatusError>| outcome.map_err(|error| error.to_string());
        let (outcome, again) = (text(outcome), text(again));
        assert_eq!(outcome, again);
        outcome
    }

    #[test]
    fn an_expression_sees_event_provider_and_alert_and_its_case_is_kept() {
        let full = "event.metadata.cluster + '/' + event.involvedObject.name + '/' + provider.metadata.labels.team + '/' + \
                    alert.metadata.name";
        assert_eq!(evaluated(full), Ok(Some("Prod/web/a/on-call".to_owned())));
        assert_eq!(evaluated(""), Ok(None));
        let conditional = "(event.reason == 'ReconciliationSucceeded') ? 'good' : 'bad'";
        assert_eq!(evaluated(conditional), Ok(Some("good".to_owned())));
    }

    #[test]
    fn what_is_not_surely_a_string_is_refused_and_so_is_a_missing_key() {
        for (expression, part) in [
            ("event.metadata.cluster", "expected string, got dyn"),
            ("1 + 1", "expected string, got int"),
            ("'x' + nothing.here", "nothing"),
            ("'x' + event.metadata.gone", "gone"),
            ("'x' +", "failed to parse the CEL expression"),
        ] {
            let error = evaluated(expression).unwrap_err();
            assert!(error.contains(part), "{expression}: {error}");
        }
    }
}
