//! Phases: apply the objects by stages, and delete what the new set no longer has.
//!
//! Deliberately thin: order, dry-run, drift and deletion rules are in `sluice-ssa` and `sluice-manifest`.

use kube::ResourceExt;
use sluice_api::kustomize::{Kustomization, Selector};
use sluice_manifest::{Entry, Object, Owner, is_undecrypted_secret};
use sluice_ssa::{
    Applier, ApplyFailure, ApplyOptions, ChangeSet, IgnoreError, IgnoreRule, IgnoreRules, IgnoreTarget, Journal, Ports,
    PruneOutcome, Rest,
};

use crate::cluster::Target;

/// Why the objects are not applied.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApplyError {
    /// A Secret that still is what SOPS made of it.
    #[error("Secret/{0} is SOPS encrypted, configuring decryption is required for this secret to be reconciled")]
    Encrypted(String),
    /// A rule of `spec.ignore` is no good.
    #[error(transparent)]
    Ignore(#[from] IgnoreError),
    /// The API server refused, or could not be asked.
    #[error("{}", .0.text())]
    Apply(Box<ApplyFailure>),
}

/// Applies everything, or nothing of the stage that has a fault.
pub(super) async fn apply<J: Journal, R: Rest>(
    applier: &Applier,
    options: &ApplyOptions,
    objects: Vec<Object>,
    ports: Ports<'_, J, R>,
) -> Result<ChangeSet, ApplyError> {
    if let Some(secret) = objects.iter().find(|object| is_undecrypted_secret(object)) {
        return Err(ApplyError::Encrypted(format!("{}/{}", secret.namespace(), secret.name())));
    }
    let outcome = applier.apply_with(objects, options, ports).await;
    outcome.map_err(|failure| ApplyError::Apply(Box::new(failure)))
}

/// What `spec.ignore` leaves to others.
pub(super) fn ignore_rules(object: &Kustomization) -> Result<IgnoreRules, IgnoreError> {
    let rules: Vec<IgnoreRule> = object
        .spec
        .ignore
        .iter()
        .map(|rule| IgnoreRule { paths: rule.paths.clone(), target: rule.target.as_ref().map(ignore_target) })
        .collect();
    IgnoreRules::compile(&rules)
}

fn ignore_target(selector: &Selector) -> IgnoreTarget {
    let Selector { group, version, kind, name, namespace, annotation_selector, label_selector } = selector.clone();
    let text = Option::unwrap_or_default;
    IgnoreTarget {
        group: text(group),
        version: text(version),
        kind: text(kind),
        name: text(name),
        namespace: text(namespace),
        annotation_selector: text(annotation_selector),
        label_selector: text(label_selector),
    }
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
pub(super) async fn prune(target: &Target, object: &Kustomization, stale: Vec<Entry>) -> Pruned {
    let stale = if object.spec.prune { stale } else { Vec::new() };
    Pruned(sluice_ssa::prune(target.client.clone(), &target.discovery, &stale, &owner(object)).await)
}

/// Whose labels the objects carry.
pub(super) fn owner(object: &Kustomization) -> Owner {
    Owner { name: object.name_any(), namespace: object.namespace().unwrap_or_default() }
}
