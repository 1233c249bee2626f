//! The status of the object while its pass runs: what the user sees of the progress.
//!
//! Deliberately no decisions: phases and verdict call it, it words the conditions.

use std::collections::BTreeMap;
use std::time::Duration;

use sluice_api::constants::{annotation, condition, reason};
use sluice_api::kustomize::{Inventory, InventoryEntry, Kustomization, KustomizationStatus};
use sluice_api::meta::{Artifact, GoDuration};
use sluice_conditions::{Stamp, delete, is_true, mark_reconciling, mark_true, mark_unknown};
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

/// What takes longer than this is shown while it runs.
pub(super) const SLOW: Duration = Duration::from_secs(1);

/// Where a pass is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Fetching,
    Building,
    Applying,
    Health,
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
    /// Whether the objects were healthy when the pass began.
    was_healthy: bool,
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
            was_healthy: pass
                .object
                .status
                .as_ref()
                .is_some_and(|status| is_true(&status.conditions, condition::HEALTHY)),
            timeout: GoDuration::new(pass.object.timeout()).to_string(),
        }
    }

    /// The source's artifact is known and work on it begins.
    pub(super) fn begin(&mut self, artifact: &Artifact) {
        self.revision = Some(artifact.revision.clone());
        self.origin_revision = artifact.metadata.get(annotation::OCI_REVISION).cloned();
    }

    /// A stage of the pass begins. It is shown when it takes long enough to be seen: see [`Report::shown_if_slow`].
    pub(super) fn stage(&mut self, stage: Stage) {
        let revision = self.revision.as_deref().unwrap_or_default();
        let doing = match stage {
            Stage::Fetching => "Fetching manifests",
            Stage::Building => "Building manifests",
            Stage::Applying => "Detecting drift",
            Stage::Health => "Running health checks",
        };
        let text = format!("{doing} for revision {revision} with a timeout of {}", self.timeout);
        let conditions = &mut self.status.conditions;
        mark_reconciling(conditions, self.stamp, reason::PROGRESSING, &text);
        mark_unknown(conditions, self.stamp, condition::READY, reason::PROGRESSING, "Reconciliation in progress");
        if stage == Stage::Health {
            mark_unknown(conditions, self.stamp, condition::HEALTHY, reason::PROGRESSING, &text);
        }
    }

    /// Does `work`, and writes the status as it is now when that takes long: most stages take milliseconds, and a write for each would cost
    /// the API server more than the work.
    pub(super) async fn shown_if_slow<T>(
        &self,
        writer: &StatusWriter<Kustomization>,
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = std::pin::pin!(work);
        if let Ok(done) = tokio::time::timeout(SLOW, work.as_mut()).await {
            return done;
        }
        show(writer, &self.status).await;
        work.await
    }

    /// Nothing is waited for.
    pub(super) fn without_health(&mut self) {
        delete(&mut self.status.conditions, condition::HEALTHY);
    }

    /// Everything that was waited for is healthy. Told when it was not before, or when something new was applied.
    pub(super) fn healthy(&mut self, after: Duration, changed: bool) {
        let text = format!("Health check passed in {}", GoDuration::new(after));
        mark_true(&mut self.status.conditions, self.stamp, condition::HEALTHY, reason::SUCCEEDED, &text);
        let new_revision = self.status.last_applied_revision != self.revision;
        if !self.was_healthy || (new_revision && changed) {
            let notice = Notice::new(Severity::Info, reason::PROGRESSING, text);
            self.notices.push(notice.with_metadata(self.metadata()));
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
}

/// Writes a status in the middle of a pass. Failing to is no reason to end it.
pub(super) async fn show(writer: &StatusWriter<Kustomization>, status: &KustomizationStatus) {
    if let Err(error) = writer.write(status).await {
        tracing::error!(error = error_chain(&error), "cannot show the progress on the object");
    }
}

/// The status form of an inventory entry.
pub(super) fn inventory_entry(entry: &Entry) -> InventoryEntry {
    InventoryEntry { id: entry.id.to_inventory(), v: entry.version.clone() }
}
