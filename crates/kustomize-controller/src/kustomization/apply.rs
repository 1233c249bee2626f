//! Phases: apply the objects by stages, and delete what the new set no longer has.
//!
//! Deliberately thin: order, dry-run, drift and deletion rules are in `sluice-ssa` and `sluice-manifest`.

use kube::{Client, ResourceExt};
use sluice_api::kustomize::Kustomization;
use sluice_manifest::{Entry, Object, Owner, is_undecrypted_secret};
use sluice_ssa::{Applier, ApplyFailure, ApplyOptions, ChangeSet, Discovery, Journal, PruneOutcome};

/// Why the objects are not applied.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApplyError {
    /// A Secret that still is what SOPS made of it.
    #[error("Secret/{0} is SOPS encrypted, configuring decryption is required for this secret to be reconciled")]
    Encrypted(String),
    /// The API server refused, or could not be asked.
    #[error("{}", .0.text())]
    Apply(Box<ApplyFailure>),
}

/// Applies everything, or nothing of the stage that has a fault.
pub(super) async fn apply(
    applier: &Applier,
    options: &ApplyOptions,
    objects: Vec<Object>,
    journal: &impl Journal,
) -> Result<ChangeSet, ApplyError> {
    if let Some(secret) = objects.iter().find(|object| is_undecrypted_secret(object)) {
        return Err(ApplyError::Encrypted(format!("{}/{}", secret.namespace(), secret.name())));
    }
    let outcome = applier.apply_recorded(objects, options, journal).await;
    outcome.map_err(|failure| ApplyError::Apply(Box::new(failure)))
}

/// What became of the stale objects.
#[derive(Debug)]
pub(super) struct Pruned(PruneOutcome);

/// Some stale objects are still there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct PruneFailed(String);

impl Pruned {
    /// The lines of the event; empty when nothing was stale.
    pub(super) fn log(&self) -> String {
        self.0.changes.full_log()
    }

    /// What stays in the inventory for the next try.
    pub(super) fn keep(&self) -> &[Entry] {
        &self.0.keep
    }

    /// An error when anything is left.
    pub(super) fn result(&self) -> Result<(), PruneFailed> {
        self.0.error_text().map_or(Ok(()), |text| Err(PruneFailed(text)))
    }
}

/// Deletes the stale objects, unless `spec.prune` is off: then they are forgotten.
pub(super) async fn prune(client: &Client, discovery: &Discovery, object: &Kustomization, stale: Vec<Entry>) -> Pruned {
    let stale = if object.spec.prune { stale } else { Vec::new() };
    Pruned(sluice_ssa::prune(client.clone(), discovery, &stale, &owner(object)).await)
}

/// Whose labels the objects carry.
pub(super) fn owner(object: &Kustomization) -> Owner {
    Owner { name: object.name_any(), namespace: object.namespace().unwrap_or_default() }
}
