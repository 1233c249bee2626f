//! Whether a Receiver's spec can be served: its expressions, and the rules that the CRD states, repeated for API servers that skip them.
//!
//! An expression that cannot be evaluated must stop the Receiver: ignoring it would reconcile objects that its author excluded.

use sluice_api::notification::{OidcProvider, ReceiverSpec, ReceiverType};
use sluice_expressions::CompileError;
use thiserror::Error;

use super::claims::{ClaimRules, CompileClaimsError};
use super::filters::Filters;

/// Why a spec cannot be served.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ValidateError {
    /// `resourceFilter` is no expression that gives a `bool`.
    #[error("invalid resourceFilter expression")]
    CompileResourceFilter(#[source] CompileError),
    /// A resource's `filter` is none.
    #[error("invalid filter expression for resources[{index}] (kind={kind:?}, name={name:?})")]
    CompileFilter {
        /// Position in `spec.resources`.
        index: usize,
        /// The resource's kind.
        kind: String,
        /// The resource's name.
        name: String,
        /// What is wrong.
        #[source]
        source: CompileError,
    },
    /// `secretRef` and `oidcProviders` do not fit the type.
    #[error("{0}")]
    CombineFields(&'static str),
    /// A provider's fields break a rule.
    #[error("oidcProviders[{index}] (issuerURL={issuer:?}): {rule}")]
    CheckProvider {
        /// Position in `spec.oidcProviders`.
        index: usize,
        /// The provider's issuer.
        issuer: String,
        /// The rule.
        rule: String,
    },
    /// An expression of a provider cannot be used.
    #[error("oidcProviders[{index}] (issuerURL={issuer:?})")]
    CompileProvider {
        /// Position in `spec.oidcProviders`.
        index: usize,
        /// The provider's issuer.
        issuer: String,
        /// What is wrong.
        #[source]
        source: CompileClaimsError,
    },
}

/// Checks a spec, in the order in which a reconcile reports.
///
/// # Errors
/// The first rule that is broken. None of them goes away without a change of the object.
pub fn validate(spec: &ReceiverSpec) -> Result<(), ValidateError> {
    Filters::compile(spec)?;
    check_combination(spec)?;
    check_providers(&spec.oidc_providers)?;
    compile_providers(&spec.oidc_providers).map(drop)
}

/// Reads the expressions of all providers.
///
/// # Errors
/// The first that cannot be used.
pub fn compile_providers(providers: &[OidcProvider]) -> Result<Vec<ClaimRules>, ValidateError> {
    let compile = |(index, provider): (usize, &OidcProvider)| {
        let issuer = provider.issuer_url.clone();
        ClaimRules::compile(provider).map_err(|source| ValidateError::CompileProvider { index, issuer, source })
    };
    providers.iter().enumerate().map(compile).collect()
}

fn check_combination(spec: &ReceiverSpec) -> Result<(), ValidateError> {
    let is_oidc = spec.type_ == ReceiverType::GenericOidc;
    let broken = match (is_oidc, spec.oidc_providers.is_empty(), &spec.secret_ref) {
        (true, false, None) | (false, true, Some(_)) => return Ok(()),
        (true, true, _) => "generic-oidc receivers must define at least one oidcProvider",
        (true, false, Some(_)) => "secretRef cannot be set when type is generic-oidc",
        (false, false, _) => "oidcProviders can only be set when type is generic-oidc",
        (false, true, None) => "secretRef is required when type is not generic-oidc",
    };
    Err(ValidateError::CombineFields(broken))
}

fn check_providers(providers: &[OidcProvider]) -> Result<(), ValidateError> {
    let mut seen = std::collections::HashSet::new();
    for (index, provider) in providers.iter().enumerate() {
        let issuer = provider.issuer_url.as_str();
        let rule = if seen.insert(issuer) { broken_rule(provider) } else { Some("issuerURL is not unique".to_owned()) };
        if let Some(rule) = rule {
            return Err(ValidateError::CheckProvider { index, issuer: issuer.to_owned(), rule });
        }
    }
    Ok(())
}

/// The first rule that a provider breaks by itself.
fn broken_rule(provider: &OidcProvider) -> Option<String> {
    let issuer = provider.issuer_url.as_str();
    if issuer.is_empty() {
        return Some("issuerURL is required".to_owned());
    }
    if !issuer.starts_with("http://") && !issuer.starts_with("https://") {
        return Some("issuerURL must start with http:// or https://".to_owned());
    }
    if provider.validations.is_empty() {
        return Some("at least one validation is required, or every token of the issuer would be accepted".to_owned());
    }
    for (at, variable) in provider.variables.iter().enumerate() {
        if variable.name.is_empty() {
            return Some(format!("variables[{at}]: name is required"));
        }
        if variable.expression.is_empty() {
            return Some(format!("variables[{at}] (name={:?}): expression is required", variable.name));
        }
    }
    for (at, validation) in provider.validations.iter().enumerate() {
        if validation.expression.is_empty() {
            return Some(format!("validations[{at}]: expression is required"));
        }
        if validation.message.is_empty() {
            return Some(format!("validations[{at}]: message is required"));
        }
    }
    None
}

#[cfg(test)]
mod tests;
