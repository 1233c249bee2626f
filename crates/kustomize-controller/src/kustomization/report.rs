//! The status of the object while its pass runs: what the user sees of the progress.
//!
//! Deliberately no decisions: phases and verdict call it, it words the conditions.

use std::collections::BTreeMap;

use sluice_api::constants::{annotation, condition, reason};
use sluice_api::kustomize::{Inventory, InventoryEntry, Kustomization, KustomizationStatus};
use sluice_api::meta::{Artifact, GoDuration};
use sluice_conditions::{Stamp, delete, mark_reconciling, mark_unknown};
use sluice_manifest::Entry;
use sluice_runtime::dispatcher::{Pass, StatusWriter};
use sluice_runtime::logging::error_chain;
use sluice_runtime::recorder::{Notice, Severity};
use sluice_ssa::ChangeSet;

use super::apply::Pruned;
use super::build::Built;

/// Keys of event metadata.
const REVISION: &str = "kustomize.toolkit.fluxcd.io/revision";
const ORIGIN_REVISION: &str = "kustomize.toolkit.fluxcd.io/originRevision";

/// Where a pass is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Fetching,
    Building,
    Applying,
}

/// A status under construction.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) status: KustomizationStatus,
    pub(super) stamp: Stamp,
    pub(super) notices: Vec<Notice>,
    /// The revision that this pass is about, once known.
    pub(super) revision: Option<String>,
    pub(super) origin_revision: Option<String>,
    /// The digest of what was built, once known.
    pub(super) digest: Option<String>,
    timeout: String,
}

impl Report {
    /// Starts from the object's present status.
    pub(super) fn new(pass: &Pass<Kustomization>) -> Self {
        Self {
            status: pass.object.status.clone().unwrap_or_default(),
            stamp: Stamp { generation: pass.object.metadata.generation.unwrap_or(0), now: pass.now },
            notices: Vec::new(),
            revision: None,
            origin_revision: None,
            digest: None,
            timeout: GoDuration::new(pass.object.timeout()).to_string(),
        }
    }

    /// The source's artifact is known and work on it begins.
    pub(super) fn begin(&mut self, artifact: &Artifact) {
        self.revision = Some(artifact.revision.clone());
        self.origin_revision = artifact.metadata.get(annotation::OCI_REVISION).cloned();
        // Without wait and health checks there is nothing that this condition could be about.
        delete(&mut self.status.conditions, condition::HEALTHY);
    }

    /// A stage of the pass begins. Shown at once only when there is something new to see.
    pub(super) async fn stage(&mut self, stage: Stage, writer: &StatusWriter<Kustomization>, show: bool) {
        let revision = self.revision.as_deref().unwrap_or_default();
        let doing = match stage {
            Stage::Fetching => "Fetching manifests",
            Stage::Building => "Building manifests",
            Stage::Applying => "Detecting drift",
        };
        let text = format!("{doing} for revision {revision} with a timeout of {}", self.timeout);
        mark_reconciling(&mut self.status.conditions, self.stamp, reason::PROGRESSING, &text);
        mark_unknown(
            &mut self.status.conditions,
            self.stamp,
            condition::READY,
            reason::PROGRESSING,
            "Reconciliation in progress",
        );
        // The stages before applying take milliseconds; one write says enough for all of them.
        if show && stage == Stage::Fetching {
            self.show(writer).await;
        }
    }

    /// The artifact is here.
    pub(super) fn attempted(&mut self, artifact: &Artifact) {
        self.status.last_attempted_revision = Some(artifact.revision.clone());
    }

    /// The objects are built.
    pub(super) fn built(&mut self, built: &Built) {
        self.digest = Some(built.digest.clone());
    }

    /// The objects are applied. Returns what the previous inventory had and the new one has not.
    pub(super) fn applied(&mut self, changes: &ChangeSet) -> Vec<Entry> {
        let log = changes.apply_log();
        if !log.is_empty() {
            let notice = Notice::new(Severity::Info, reason::PROGRESSING, log);
            self.notices.push(notice.with_metadata(self.metadata()));
        }
        let new = changes.inventory();
        let old = self.status.inventory.take().unwrap_or_default();
        // An entry that cannot be read names nothing that could be deleted.
        let old: sluice_manifest::Inventory =
            old.entries.iter().filter_map(|entry| Entry::parse(&entry.id, &entry.v).ok()).collect();
        self.status.inventory = Some(Inventory { entries: new.entries().iter().map(inventory_entry).collect() });
        old.stale(&new)
    }

    /// Stale objects are gone, or stay known.
    pub(super) fn pruned(&mut self, pruned: &Pruned) {
        let log = pruned.log();
        if !log.is_empty() {
            let notice = Notice::new(Severity::Info, reason::PROGRESSING, log);
            self.notices.push(notice.with_metadata(self.metadata()));
        }
        let inventory = self.status.inventory.get_or_insert_default();
        inventory.entries.extend(pruned.keep().iter().map(inventory_entry));
    }

    /// The metadata of this pass's events.
    pub(super) fn metadata(&self) -> BTreeMap<String, String> {
        let revision = self.revision.clone().map(|revision| (REVISION.to_owned(), revision));
        let origin = self.origin_revision.clone().map(|revision| (ORIGIN_REVISION.to_owned(), revision));
        revision.into_iter().chain(origin).collect()
    }

    async fn show(&self, writer: &StatusWriter<Kustomization>) {
        if let Err(error) = writer.write(&self.status).await {
            tracing::error!(error = error_chain(&error), "cannot show the progress on the object");
        }
    }
}

/// The status form of an inventory entry.
pub(super) fn inventory_entry(entry: &Entry) -> InventoryEntry {
    InventoryEntry { id: entry.id.to_inventory(), v: entry.version.clone() }
}
