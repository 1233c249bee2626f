//! Deletion: the objects go, if the deletion policy says so, and then the finalizer.
//!
//! Deliberately keeps the finalizer when an object cannot be deleted: an orphan that nobody knows of is worse than a wait.

use std::collections::HashSet;
use std::time::Duration;

use sluice_api::constants::reason;
use sluice_api::kustomize::{DeletionPolicy, Kustomization};
use sluice_manifest::Entry;
use sluice_runtime::cache::Cache;
use sluice_runtime::dispatcher::{Finalized, Pass};
use sluice_runtime::logging::error_chain;
use sluice_runtime::queue::Key;
use sluice_runtime::recorder::{Notice, Severity};
use sluice_ssa::{Action, PruneOutcome, wait_until_gone};

use super::apply::owner;
use super::known::Worker;
use super::{Parts, dependencies, dependency_index, key_of};
use crate::cluster::{Target, TargetIdentity};

/// When to look again whether those who depend on this object are gone.
const DEPENDANTS: Duration = Duration::from_secs(1);
/// Objects that are visited in search of a circle of dependencies.
const MAX_VISITED: usize = 10_000;

/// Deletes what the inventory lists.
pub(super) async fn finalize(parts: &Parts, pass: &Pass<Kustomization>) -> Finalized {
    let object = pass.object.as_ref();
    if object.spec.suspend || !deletes(object) {
        return Finalized::Done(Vec::new());
    }
    let (entries, unreadable) = inventory(object);
    if !unreadable.is_empty() {
        let text = format!(
            "pruning for deleted resource failed: inventory entries that are not of the form <namespace>_<name>_<group>_<kind>: {}",
            unreadable.join(", ")
        );
        return failed(text);
    }
    if entries.is_empty() {
        return Finalized::Done(Vec::new());
    }
    if has_dependant_under_deletion(&parts.kustomizations, object) {
        return Finalized::Wait(DEPENDANTS);
    }
    match parts.clusters.account_exists(object).await {
        Ok(Some(false)) => return Finalized::Done(vec![orphaned(&entries)]),
        Ok(_) => {}
        Err(error) => return failed(error_chain(&error)),
    }
    let target = match parts.clusters.target(object).await {
        Ok(target) => target,
        Err(error) => return failed(format!("failed to build kube client: {}", error_chain(&error))),
    };
    if target.identity == TargetIdentity::Own {
        for entry in &entries {
            parts.observer.forget(&entry.id);
        }
    }
    let outcome = sluice_ssa::prune(target.client.clone(), &target.discovery, &entries, &owner(object)).await;
    let mut notices = told(&outcome);
    if let Some(error) = outcome.error_text() {
        let text = format!("pruning for deleted resource failed: {error}");
        notices.push(Notice::new(Severity::Error, reason::PRUNE_FAILED, text));
        return Finalized::Failed(notices);
    }
    if object.deletion_policy() == DeletionPolicy::WaitForTermination {
        notices.extend(terminated(pass, &target, &outcome).await);
    }
    Finalized::Done(notices)
}

/// Waits until what was deleted is gone. Not to succeed in time is told, and is no reason to keep the finalizer.
async fn terminated(pass: &Pass<Kustomization>, target: &Target, outcome: &PruneOutcome) -> Option<Notice> {
    let deleted = outcome.changes.changes().iter().filter(|change| change.action == Action::Deleted);
    let deleted: Vec<Entry> = deleted.map(|change| change.entry.clone()).collect();
    let timeout = pass.object.timeout();
    let gone = wait_until_gone(target.client.clone(), &target.discovery, &deleted, timeout, &Worker(&pass.slot)).await;
    let error = gone.err()?;
    let text = format!("failed to wait for resources termination: {}", error_chain(&error));
    Some(Notice::new(Severity::Error, reason::PRUNE_FAILED, text))
}

fn told(outcome: &PruneOutcome) -> Vec<Notice> {
    let log = outcome.changes.full_log();
    if log.is_empty() { Vec::new() } else { vec![Notice::new(Severity::Info, reason::PROGRESSING, log)] }
}

fn failed(text: String) -> Finalized {
    Finalized::Failed(vec![Notice::new(Severity::Error, reason::PRUNE_FAILED, text)])
}

/// The account that applied the objects is gone, so nobody has the right to delete them.
fn orphaned(entries: &[Entry]) -> Notice {
    let list: Vec<String> = entries.iter().map(|entry| entry.id.to_string()).collect();
    Notice::new(Severity::Error, reason::PRUNE_FAILED, format!("unable to prune objects: \n{}", list.join("\n")))
}

/// Whether an object that depends on this one is being deleted too: it goes first. Not if this one depends on it as well, however indirectly:
/// in a circle somebody has to be the first.
fn has_dependant_under_deletion(cache: &Cache<Kustomization>, object: &Kustomization) -> bool {
    let key = key_of(object);
    let dependants = cache.indexed(&dependency_index(&key));
    let mut going =
        dependants.iter().filter(|one| one.metadata.deletion_timestamp.is_some() && key_of(one) != key).peekable();
    if going.peek().is_none() {
        return false;
    }
    let upstream = dependencies_of(cache, object);
    going.any(|one| !upstream.contains(&key_of(one)))
}

/// Everything that the object depends on, directly or not.
fn dependencies_of(cache: &Cache<Kustomization>, object: &Kustomization) -> HashSet<Key> {
    let mut found = HashSet::new();
    let mut next: Vec<Key> = dependencies::keys_of(object).collect();
    while let Some(key) = next.pop() {
        if found.len() >= MAX_VISITED || !found.insert(key.clone()) {
            continue;
        }
        if let Some(dependency) = cache.get(&key) {
            next.extend(dependencies::keys_of(&dependency));
        }
    }
    found
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
