//! Refuses, by name, what this process is not set up to do: doing something else in its place would apply what was not asked for.
//!
//! Deliberately no check of values; those are the phases' own.

use sluice_api::kustomize::Kustomization;
use sluice_workload_identity::ServiceAccountIdentity;

/// A field that needs a feature gate which is off.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "to use spec.decryption.serviceAccountName for decryption authentication please enable the ObjectLevelWorkloadIdentity feature gate in \
     the controller"
)]
pub(super) struct GateDisabled;

/// Checks the whole spec.
pub(super) fn check(object: &Kustomization, identity: ServiceAccountIdentity) -> Result<(), GateDisabled> {
    let names_account = object
        .spec
        .decryption
        .as_ref()
        .and_then(|decryption| decryption.service_account_name.as_deref())
        .is_some_and(|name| !name.is_empty());
    if names_account && identity == ServiceAccountIdentity::Refused { Err(GateDisabled) } else { Ok(()) }
}
