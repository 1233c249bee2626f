//! What a trusted issuer's token must say: named values of its claims, and conditions on both.
//!
//! Deliberately nothing of the token's signature; the claims have been verified.

use serde_json::{Map, Number, Value, json};
use sluice_api::notification::OidcProvider;
use sluice_expressions::{CompileError, EvaluateError, Expression, Numbers, Output};
use thiserror::Error;

/// What the expressions can see.
const VARIABLES: [&str; 2] = ["claims", "vars"];

/// An expression of a provider that cannot be used.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CompileClaimsError {
    /// A named value's.
    #[error("invalid expression for variable {name:?}")]
    Variable {
        /// Its name.
        name: String,
        /// What is wrong.
        #[source]
        source: CompileError,
    },
    /// A condition's.
    #[error("invalid expression for validation {message:?}")]
    Validation {
        /// Its message.
        message: String,
        /// What is wrong.
        #[source]
        source: CompileError,
    },
}

/// Why claims are not accepted.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ClaimsError {
    /// A named value has no value for them.
    #[error("failed to evaluate variable {name:?}")]
    Variable {
        /// Its name.
        name: String,
        /// What happened.
        #[source]
        source: EvaluateError,
    },
    /// A condition cannot be evaluated on them.
    #[error("failed to evaluate validation")]
    Validation(#[source] EvaluateError),
    /// Conditions that do not hold, by their messages.
    #[error("token validation failed: {0}")]
    Refused(String),
}

/// A provider's expressions, ready to be evaluated.
#[derive(Clone, Debug)]
pub struct ClaimRules {
    variables: Vec<(String, Expression)>,
    validations: Vec<(String, Expression)>,
}

impl ClaimRules {
    /// Reads a provider's expressions.
    ///
    /// # Errors
    /// The first that is no expression over claims and named values, or a condition that is not sure to give a `bool`.
    pub fn compile(provider: &OidcProvider) -> Result<Self, CompileClaimsError> {
        let mut rules = Self { variables: Vec::new(), validations: Vec::new() };
        for variable in &provider.variables {
            let name = variable.name.clone();
            match Expression::compile(&variable.expression, &VARIABLES, Output::Any) {
                Ok(expression) => rules.variables.push((name, expression)),
                Err(source) => return Err(CompileClaimsError::Variable { name, source }),
            }
        }
        for validation in &provider.validations {
            let message = validation.message.clone();
            match Expression::compile(&validation.expression, &VARIABLES, Output::Bool) {
                Ok(expression) => rules.validations.push((message, expression)),
                Err(source) => return Err(CompileClaimsError::Validation { message, source }),
            }
        }
        Ok(rules)
    }

    /// Whether claims are accepted: every condition holds. A named value is known to those after it.
    ///
    /// # Errors
    /// The messages of all conditions that do not hold, or the first expression that cannot be evaluated.
    pub fn check(&self, claims: &Value) -> Result<(), ClaimsError> {
        let mut claims = claims.clone();
        // Numbers of claims are doubles, while those that expressions make keep the type they have.
        doubles(&mut claims);
        let mut known = json!({});
        for (name, expression) in &self.variables {
            let value = expression.evaluate_json(&[("claims", &claims), ("vars", &known)], Numbers::AsWritten);
            let value = value.map_err(|source| ClaimsError::Variable { name: name.clone(), source })?;
            if let Value::Object(known) = &mut known {
                known.insert(name.clone(), value);
            }
        }
        let variables = [("claims", &claims), ("vars", &known)];
        let mut refusals = Vec::new();
        for (message, expression) in &self.validations {
            match expression.evaluate_bool(&variables, Numbers::AsWritten) {
                Ok(true) => {}
                Ok(false) => refusals.push(message.as_str()),
                Err(source) => return Err(ClaimsError::Validation(source)),
            }
        }
        if refusals.is_empty() { Ok(()) } else { Err(ClaimsError::Refused(refusals.join("; "))) }
    }
}

/// Makes every number one with a fraction.
fn doubles(value: &mut Value) {
    match value {
        Value::Number(number) => {
            if let Some(double) = number.as_f64().and_then(Number::from_f64) {
                *number = double;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(doubles),
        Value::Object(fields) => Map::values_mut(fields).for_each(doubles),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fakes::object;

    fn rules(variables: &[(&str, &str)], validations: &[(&str, &str)]) -> Result<ClaimRules, String> {
        let variables: Vec<Value> =
            variables.iter().map(|(name, expression)| json!({"name": name, "expression": expression})).collect();
        let validations: Vec<Value> =
            validations.iter().map(|(expression, text)| json!({"expression": expression, "message": text})).collect();
        let provider: OidcProvider =
            object(json!({"issuerURL": "https://i", "variables": variables, "validations": validations}));
        ClaimRules::compile(&provider).map_err(|error| error.to_string())
    }

    fn verdict(variables: &[(&str, &str)], validations: &[(&str, &str)]) -> Result<(), String> {
        let claims = json!({"sub": "repo:org/web:ref:main", "iat": 5, "groups": ["dev", "ops"], "admin": true});
        rules(variables, validations).unwrap().check(&claims).map_err(|error| error.to_string())
    }

    #[test]
    fn conditions_see_claims_and_the_named_values_before_them() {
        let variables = [
            ("parts", "claims.sub.split(':')"),
            ("repository", "vars.parts[1]"),
            ("count", "size(claims.groups)"),
            ("when", "claims.iat"),
        ];
        let validations = [
            ("vars.repository == 'org/web' && vars.count + 1 == 3", "repository"),
            ("vars.when + 0.5 == 5.5 && claims.iat == 5", "doubles"),
            ("'ops' in claims.groups && claims.admin == true", "group"),
        ];
        assert_eq!(verdict(&variables, &validations), Ok(()));
    }

    #[test]
    fn the_messages_of_all_that_does_not_hold_are_joined() {
        let validations = [("claims.sub == 'x'", "wrong subject"), ("true", "never"), ("!claims.admin", "admin")];
        let refused = verdict(&[], &[validations[0], validations[1], ("claims.admin == false", "no admins")]);
        assert_eq!(refused, Err("token validation failed: wrong subject; no admins".to_owned()));
        assert_eq!(rules(&[], &validations).map(drop), Ok(()), "a negation is a bool");
    }

    #[test]
    fn what_cannot_be_evaluated_is_a_refusal() {
        let missing = verdict(&[], &[("claims.absent == 'x'", "m")]);
        assert_eq!(missing, Err("failed to evaluate validation".to_owned()));
        let missing = verdict(&[("a", "claims.absent")], &[("true", "m")]);
        assert_eq!(missing, Err("failed to evaluate variable \"a\"".to_owned()));
        let later = verdict(&[("a", "vars.b"), ("b", "1")], &[("true", "m")]);
        assert_eq!(later, Err("failed to evaluate variable \"a\"".to_owned()));
    }

    #[test]
    fn expressions_that_do_not_fit_are_named() {
        let bad = rules(&[("a", "req.x")], &[("true", "m")]).map(drop);
        assert_eq!(bad, Err("invalid expression for variable \"a\"".to_owned()));
        for expression in ["claims.admin", "res.metadata.name == 'x'", "1 +"] {
            let bad = rules(&[], &[(expression, "m")]).map(drop);
            assert_eq!(bad, Err("invalid expression for validation \"m\"".to_owned()), "{expression}");
        }
    }
}
