//! Refuses, by name, the fields whose behaviour is not built yet: ignoring one would apply something other than what was asked for.
//!
//! Deliberately no check of values; those are the phases' own.

use sluice_api::kustomize::{DeletionPolicy, Kustomization};

/// A field that this version does not honour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{field} is not supported by this version of kustomize-controller; remove the field, or run Flux's kustomize-controller for this object"
)]
pub(super) struct Unsupported {
    /// The field.
    pub(super) field: &'static str,
}

/// Checks the whole spec.
pub(super) fn check(object: &Kustomization, default_service_account: &str) -> Result<(), Unsupported> {
    let spec = &object.spec;
    let refused = [
        (spec.decryption.is_some(), "spec.decryption"),
        (spec.kube_config.is_some(), "spec.kubeConfig"),
        (spec.service_account_name.is_some(), "spec.serviceAccountName"),
        // Applying as the controller where a tenant's account is asked for would be an escalation.
        (!default_service_account.is_empty(), "--default-service-account"),
        (spec.wait, "spec.wait"),
        (!spec.health_checks.is_empty(), "spec.healthChecks"),
        (!spec.health_check_exprs.is_empty(), "spec.healthCheckExprs"),
        (!spec.ignore.is_empty(), "spec.ignore"),
        (object.deletion_policy() == DeletionPolicy::WaitForTermination, "spec.deletionPolicy WaitForTermination"),
    ];
    match refused.into_iter().find(|(set, _)| *set) {
        Some((_, field)) => Err(Unsupported { field }),
        None => Ok(()),
    }
}
