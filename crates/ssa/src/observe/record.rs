//! What is kept of one object: what the watch saw last, what was applied last, and who waits.
//!
//! Deliberately not here: the object. A record with its names takes a few hundred bytes, so ten thousand objects are a few MiB.

use std::sync::Arc;

use sluice_kstatus::Status;
use sluice_manifest::{ObjectId, Owner};

use super::digest::{DesiredDigest, OwnedDigest};
use super::mailbox::Waiter;

/// What the watch saw of an object last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectState {
    /// The object's uid.
    pub uid: Box<str>,
    /// The resource version; 0 when it is no number, and then nothing is known of order.
    pub resource_version: u64,
    /// The generation, for kinds that have one.
    pub generation: Option<i64>,
    /// The owner that its labels name, when both are there.
    pub owner: Option<Arc<Owner>>,
    /// Where it stands by the rules of its kind, at the time of the event.
    pub health: Arc<Status>,
    /// What we own of it.
    pub owned: OwnedDigest,
    /// The entries of its `managedFields`, to tell later which are new.
    pub(super) writers: Box<[u64]>,
}

/// An object's state and its place, as read off an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sighting {
    pub(super) namespace: String,
    pub(super) name: String,
    pub(super) state: ObjectState,
}

/// What was applied last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Applied {
    /// The version that the server gave the result.
    pub(super) resource_version: u64,
    /// What we owned of the result. It contains the uid.
    pub(super) owned: OwnedDigest,
    /// The manifest.
    pub(super) desired: DesiredDigest,
    /// The API version of the result. Another version of the same object has other fields.
    pub(super) version: Arc<str>,
    /// For whom it was applied.
    pub(super) owner: Option<Arc<Owner>>,
    /// The kind's last list that began before this was recorded. A later list that lacks the object says that it is gone.
    pub(super) epoch: u32,
    /// Whether the watch says that it is gone since.
    pub(super) gone: bool,
    /// The last difference that was reported.
    pub(super) reported: Option<OwnedDigest>,
}

/// How the live object stands to what was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Nothing was applied, or through another API version than the one that is watched.
    Unapplied,
    /// The watch has not come to the apply yet.
    Pending,
    /// As applied.
    InStep,
    /// Changed since.
    Changed(OwnedDigest),
    /// Gone since.
    Gone,
}

/// One object.
#[derive(Default)]
pub(super) struct Record {
    pub(super) seen: Option<ObjectState>,
    pub(super) applied: Option<Applied>,
    pub(super) waiters: Vec<Waiter>,
    /// The list that the object was in last.
    pub(super) epoch: u32,
}

impl Record {
    pub(super) fn is_empty(&self) -> bool {
        self.seen.is_none() && self.applied.is_none() && self.waiters.is_empty()
    }

    /// Compares; `watched` is the API version of the watch.
    pub(super) fn standing(&self, watched: &str) -> Standing {
        let Some(applied) = self.applied.as_ref().filter(|applied| &*applied.version == watched) else {
            return Standing::Unapplied;
        };
        match &self.seen {
            None if applied.gone => Standing::Gone,
            None => Standing::Pending,
            Some(seen) if seen.resource_version < applied.resource_version => Standing::Pending,
            Some(seen) if seen.owned == applied.owned => Standing::InStep,
            Some(seen) => Standing::Changed(seen.owned),
        }
    }
}

/// What happened to an object that was as applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DriftKind {
    /// A field of ours was changed, or somebody else's field or label now stands in our way, or the object was made anew.
    Changed,
    /// It is not there any more.
    Deleted,
}

/// An object left what was applied, by a write that was not ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// For whom it was applied.
    pub owner: Owner,
    /// The object.
    pub id: ObjectId,
    /// What happened.
    pub kind: DriftKind,
    /// The field managers that wrote last, a few at most; none when they left no trace, as after a deletion.
    pub managers: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::Record;

    #[test]
    fn a_record_is_small() {
        assert!(size_of::<Record>() <= 256, "{}", size_of::<Record>());
    }
}
