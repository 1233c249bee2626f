//! Writes the objects that are about to be applied into the inventory before they are.
//!
//! A process that is killed in the middle of an apply would otherwise leave objects that no inventory lists, and that nothing would ever
//! prune. Deliberately no removal: what is stale is decided after the apply.

use std::sync::{Mutex, PoisonError};

use sluice_api::kustomize::{Inventory, InventoryEntry, Kustomization, KustomizationStatus};
use sluice_manifest::Entry;
use sluice_runtime::dispatcher::StatusWriter;
use sluice_runtime::logging::error_chain;
use sluice_ssa::{Journal, JournalError};

use super::report::{SLOW, inventory_entry, show};

/// The inventory of one pass while it applies.
pub(super) struct InventoryJournal {
    writer: StatusWriter<Kustomization>,
    status: Mutex<KustomizationStatus>,
}

impl InventoryJournal {
    /// Starts from the status as the pass has it.
    pub(super) fn new(writer: StatusWriter<Kustomization>, status: KustomizationStatus) -> Self {
        Self { writer, status: Mutex::new(status) }
    }

    /// Does `work`, and shows what is known when that takes long.
    pub(super) async fn shown_if_slow<T>(&self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        if let Ok(done) = tokio::time::timeout(SLOW, work.as_mut()).await {
            return done;
        }
        let status = self.status.lock().unwrap_or_else(PoisonError::into_inner).clone();
        show(&self.writer, &status).await;
        work.await
    }

    /// The inventory with everything that was about to be applied.
    pub(super) fn into_inventory(self) -> Option<Inventory> {
        self.status.into_inner().unwrap_or_else(PoisonError::into_inner).inventory
    }

    /// Adds what is new; `None` when nothing is.
    fn extended(&self, entries: &[Entry]) -> Option<KustomizationStatus> {
        let mut status = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        let inventory = status.inventory.get_or_insert_default();
        let known: std::collections::HashSet<String> = inventory.entries.iter().map(|entry| entry.id.clone()).collect();
        let new: Vec<InventoryEntry> =
            entries.iter().map(inventory_entry).filter(|entry| !known.contains(&entry.id)).collect();
        if new.is_empty() {
            return None;
        }
        inventory.entries.extend(new);
        Some(status.clone())
    }
}

impl Journal for InventoryJournal {
    async fn before_write(&self, entries: &[Entry]) -> Result<(), JournalError> {
        let Some(status) = self.extended(entries) else { return Ok(()) };
        self.writer.write(&status).await.map_err(|error| JournalError(error_chain(&error)))
    }
}
