//! Whether a Receiver's spec can be served: the rules that the CRD states, repeated for API servers that skip them, and
//! what this controller does not support yet.
//!
//! A filter that cannot be evaluated must stop the Receiver: ignoring it would reconcile objects that its author
//! excluded.

use sluice_api::notification::{ReceiverSpec, ReceiverType};
use thiserror::Error;

/// The rule that a token comes from a Secret.
pub(super) const SECRET_REQUIRED: &str = "secretRef is required when type is not generic-oidc";

/// Why a spec cannot be served.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ValidateError {
    /// `resourceFilter` is set.
    #[error("invalid resourceFilter expression: filters are not supported yet")]
    CompileResourceFilter,
    /// `filter` is set on a resource.
    #[error(
        "invalid filter expression for resources[{index}] (kind={kind:?}, name={name:?}): filters are not supported yet"
    )]
    CompileFilter {
        /// Position in `spec.resources`.
        index: usize,
        /// The resource's kind.
        kind: String,
        /// The resource's name.
        name: String,
    },
    /// `secretRef` and `oidcProviders` do not fit the type.
    #[error("{0}")]
    CombineFields(&'static str),
    /// The type cannot be authenticated.
    #[error("receivers of type 'generic-oidc' are not supported yet")]
    SelectType,
}

/// Checks a spec, in the order in which a reconcile reports.
///
/// # Errors
/// The first rule that is broken. None of them goes away without a change of the object.
pub fn validate(spec: &ReceiverSpec) -> Result<(), ValidateError> {
    let is_set = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
    if is_set(&spec.resource_filter) {
        return Err(ValidateError::CompileResourceFilter);
    }
    if let Some((index, resource)) = spec.resources.iter().enumerate().find(|(_, resource)| is_set(&resource.filter)) {
        let (kind, name) = (resource.kind.clone(), resource.name.clone());
        return Err(ValidateError::CompileFilter { index, kind, name });
    }
    let broken = match (&spec.type_, spec.oidc_providers.is_empty(), &spec.secret_ref) {
        (ReceiverType::GenericOidc, true, _) => "generic-oidc receivers must define at least one oidcProvider",
        (ReceiverType::GenericOidc, false, Some(_)) => "secretRef cannot be set when type is generic-oidc",
        (ReceiverType::GenericOidc, false, None) => return Err(ValidateError::SelectType),
        (_, false, _) => "oidcProviders can only be set when type is generic-oidc",
        (_, true, None) => SECRET_REQUIRED,
        (_, true, Some(_)) => return Ok(()),
    };
    Err(ValidateError::CombineFields(broken))
}

#[cfg(test)]
mod tests;
