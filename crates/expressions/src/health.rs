//! Health of custom objects by expressions: `spec.healthCheckExprs` of a Kustomization.
//!
//! Checks are found by an object's group, its version does not matter; one for the kind wins over one for the whole group. Deliberately
//! not here: which objects are waited for, and the rules of built-in kinds.

use std::collections::HashMap;

use serde_json::Value;

use crate::{CompileError, EvaluateError, Expression, Numbers};

/// One item of `healthCheckExprs`, as written. Empty expressions are absent ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HealthCheck<'a> {
    /// Group and version; only the group counts.
    pub api_version: &'a str,
    /// The kind; empty for all kinds of the group.
    pub kind: &'a str,
    /// When an object is healthy. Required.
    pub current: &'a str,
    /// When it is on its way.
    pub in_progress: &'a str,
    /// When it has failed.
    pub failed: &'a str,
}

/// What the expressions say of an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// On its way, or none of the expressions is true.
    InProgress,
    /// Failed.
    Failed,
    /// Healthy.
    Current,
}

/// Why the checks of a Kustomization cannot be used. Printed with its sources, joined by `: `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HealthChecksError {
    /// Two checks for the same group and kind.
    #[error("duplicate custom health check for GroupKind {group_kind} at healthchecks[{index}]")]
    Duplicate {
        /// `Kind.group`, the kind alone for the core group.
        group_kind: String,
        /// The later one's place.
        index: usize,
    },
    /// A check that is not usable.
    #[error("failed to create custom status evaluator for healthchecks[{index}]")]
    Check {
        /// Its place.
        index: usize,
        /// What is wrong.
        #[source]
        source: HealthCheckError,
    },
}

/// Why one check cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HealthCheckError {
    /// Without it nothing would ever be healthy.
    #[error("expression Current not specified")]
    NoCurrent,
    /// An expression that cannot be read.
    #[error("failed to parse the expression {name}")]
    Expression {
        /// `Current`, `Failed` or `InProgress`.
        name: &'static str,
        /// What is wrong.
        #[source]
        source: CompileError,
    },
}

#[derive(Debug)]
struct Compiled {
    in_progress: Option<Expression>,
    failed: Option<Expression>,
    current: Expression,
}

/// All checks of a Kustomization.
#[derive(Debug, Default)]
pub struct HealthChecks {
    by_group_kind: HashMap<(String, String), Compiled>,
}

fn group(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

impl HealthChecks {
    /// Reads the checks in order.
    ///
    /// # Errors
    ///
    /// The first check that repeats a group and kind, lacks `current` or cannot be read.
    pub fn new(checks: &[HealthCheck<'_>]) -> Result<Self, HealthChecksError> {
        let mut by_group_kind = HashMap::new();
        for (index, check) in checks.iter().enumerate() {
            let key = (group(check.api_version).to_owned(), check.kind.to_owned());
            if by_group_kind.contains_key(&key) {
                let group_kind = if key.0.is_empty() { key.1 } else { format!("{}.{}", key.1, key.0) };
                return Err(HealthChecksError::Duplicate { group_kind, index });
            }
            let compiled = compile(check).map_err(|source| HealthChecksError::Check { index, source })?;
            by_group_kind.insert(key, compiled);
        }
        Ok(Self { by_group_kind })
    }

    fn find(&self, api_version: &str, kind: &str) -> Option<&Compiled> {
        let find = |kind: &str| self.by_group_kind.get(&(group(api_version).to_owned(), kind.to_owned()));
        find(kind).or_else(|| find(""))
    }

    /// Whether there is a check for objects of this kind.
    pub fn supports(&self, api_version: &str, kind: &str) -> bool {
        self.find(api_version, kind).is_some()
    }

    /// What the check for an object's kind says of it; `None` if there is none.
    ///
    /// An unobserved generation is in progress whatever the expressions say. They are then tried in the order in progress, failed,
    /// current.
    ///
    /// # Errors
    ///
    /// The first expression that cannot be evaluated, for example since a field is not there yet; the object's state is unknown then.
    pub fn evaluate(&self, object: &Value) -> Result<Option<Health>, EvaluateError> {
        let named = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
        let Some(check) = self.find(named("apiVersion"), named("kind")) else { return Ok(None) };
        let integer = |path| object.pointer(path).and_then(Value::as_i64);
        if let (Some(observed), Some(generation)) =
            (integer("/status/observedGeneration"), integer("/metadata/generation"))
            && observed != generation
        {
            return Ok(Some(Health::InProgress));
        }
        let fields = object.as_object().into_iter().flatten();
        let variables: Vec<(&str, &Value)> = fields.map(|(name, value)| (name.as_str(), value)).collect();
        let ordered = [
            (check.in_progress.as_ref(), Health::InProgress),
            (check.failed.as_ref(), Health::Failed),
            (Some(&check.current), Health::Current),
        ];
        for (expression, health) in ordered {
            if let Some(expression) = expression
                && expression.evaluate_bool(&variables, Numbers::AsWritten)?
            {
                return Ok(Some(health));
            }
        }
        Ok(Some(Health::InProgress))
    }
}

fn compile(check: &HealthCheck<'_>) -> Result<Compiled, HealthCheckError> {
    if check.current.is_empty() {
        return Err(HealthCheckError::NoCurrent);
    }
    Ok(Compiled {
        current: read("Current", check.current)?,
        failed: optional("Failed", check.failed)?,
        in_progress: optional("InProgress", check.in_progress)?,
    })
}

fn read(name: &'static str, text: &str) -> Result<Expression, HealthCheckError> {
    Expression::parse(text).map_err(|source| HealthCheckError::Expression { name, source })
}

fn optional(name: &'static str, text: &str) -> Result<Option<Expression>, HealthCheckError> {
    if text.is_empty() { Ok(None) } else { read(name, text).map(Some) }
}
