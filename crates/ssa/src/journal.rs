//! The record of what is about to be written, kept before it is written.
//!
//! An inventory that is stored only after an apply misses what a killed process had already created: such objects would belong to
//! nobody. Deliberately a port: where the record is kept is the caller's matter.

use std::future::Future;

use sluice_manifest::Entry;

/// The record could not be kept, so nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct JournalError(
    /// Why.
    pub String,
);

/// Keeps the record.
pub trait Journal: Sync {
    /// Told of the objects of a stage that will be created, changed or recreated, before the first of them is.
    ///
    /// # Errors
    /// Nothing of the stage is applied then.
    fn before_write(&self, entries: &[Entry]) -> impl Future<Output = Result<(), JournalError>> + Send;
}

/// For callers that keep no record.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoJournal;

impl Journal for NoJournal {
    async fn before_write(&self, _entries: &[Entry]) -> Result<(), JournalError> {
        Ok(())
    }
}
