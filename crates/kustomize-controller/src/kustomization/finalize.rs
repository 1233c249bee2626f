//! Deletion: the objects go, if the deletion policy says so, and then the finalizer.
//!
//! Deliberately keeps the finalizer when an object cannot be deleted: an orphan that nobody knows of is worse than a wait.

use kube::Client;
use sluice_api::constants::reason;
use sluice_api::kustomize::{DeletionPolicy, Kustomization};
use sluice_manifest::Entry;
use sluice_runtime::dispatcher::Finalized;
use sluice_runtime::recorder::{Notice, Severity};
use sluice_ssa::Discovery;

use super::apply::owner;

/// Deletes what the inventory lists.
pub(super) async fn finalize(client: &Client, discovery: &Discovery, object: &Kustomization) -> Finalized {
    if object.spec.suspend || !deletes(object) {
        return Finalized::Done(Vec::new());
    }
    let (entries, unreadable) = inventory(object);
    if !unreadable.is_empty() {
        let text = format!(
            "pruning for deleted resource failed: inventory entries that are not of the form <namespace>_<name>_<group>_<kind>: {}",
            unreadable.join(", ")
        );
        return Finalized::Failed(vec![Notice::new(Severity::Error, reason::PRUNE_FAILED, text)]);
    }
    let outcome = sluice_ssa::prune(client.clone(), discovery, &entries, &owner(object)).await;
    let mut notices = Vec::new();
    let log = outcome.changes.full_log();
    if !log.is_empty() {
        notices.push(Notice::new(Severity::Info, reason::PROGRESSING, log));
    }
    match outcome.error_text() {
        None => Finalized::Done(notices),
        Some(error) => {
            let text = format!("pruning for deleted resource failed: {error}");
            notices.push(Notice::new(Severity::Error, reason::PRUNE_FAILED, text));
            Finalized::Failed(notices)
        }
    }
}

fn deletes(object: &Kustomization) -> bool {
    match object.deletion_policy() {
        DeletionPolicy::Delete | DeletionPolicy::WaitForTermination => true,
        DeletionPolicy::Orphan => false,
        DeletionPolicy::MirrorPrune | DeletionPolicy::Other(_) => object.spec.prune,
    }
}

fn inventory(object: &Kustomization) -> (Vec<Entry>, Vec<String>) {
    let stored = object.status.as_ref().and_then(|status| status.inventory.clone()).unwrap_or_default();
    let mut unreadable = Vec::new();
    let mut entries = Vec::new();
    for entry in stored.entries {
        match Entry::parse(&entry.id, &entry.v) {
            Ok(parsed) => entries.push(parsed),
            Err(_) => unreadable.push(entry.id),
        }
    }
    (entries, unreadable)
}
