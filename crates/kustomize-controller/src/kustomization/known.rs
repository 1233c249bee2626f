//! What a pass knows of its objects without asking: which are as they were applied, and what its own writes made of them.
//!
//! Deliberately knows nothing on other clusters and under other identities: nobody watches there.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use futures::future::BoxFuture;
use sluice_manifest::{Object, ObjectId};
use sluice_runtime::dispatcher::Slot;
use sluice_ssa::{DesiredDigest, Known, Observer, Resource, Rest};

/// The knowledge of one pass.
pub(super) struct KnownObjects<'a> {
    observer: Option<&'a Observer>,
    versions: Mutex<HashMap<ObjectId, u64>>,
}

impl<'a> KnownObjects<'a> {
    /// With an observer of the cluster, or without.
    pub(super) fn new(observer: Option<&'a Observer>) -> Self {
        Self { observer, versions: Mutex::default() }
    }

    /// The versions that this pass gave to objects.
    pub(super) fn into_versions(self) -> HashMap<ObjectId, u64> {
        self.versions.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known for KnownObjects<'_> {
    fn in_step(&self, id: &ObjectId, desired: DesiredDigest) -> bool {
        self.observer.is_some_and(|observer| observer.in_step(id, desired))
    }

    fn is_ready(&self, id: &ObjectId) -> bool {
        self.observer.is_some_and(|observer| Known::is_ready(observer, id))
    }

    fn uses(&self, resource: &Resource) {
        if let Some(observer) = self.observer {
            observer.watch(resource);
        }
    }

    fn applied(&self, id: &ObjectId, live: &Object, desired: DesiredDigest) {
        if let Ok(version) = live.resource_version().parse() {
            self.versions.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone(), version);
        }
        if let Some(observer) = self.observer {
            observer.applied(id, live, desired);
        }
    }

    fn forget(&self, id: &ObjectId) {
        if let Some(observer) = self.observer {
            observer.forget(id);
        }
    }
}

/// The pass's worker, given back while an apply waits.
pub(super) struct Worker<'a>(pub(super) &'a Slot);

impl Rest for Worker<'_> {
    fn release(&self) {
        self.0.release();
    }

    fn resume(&self) -> BoxFuture<'_, ()> {
        Box::pin(self.0.resume())
    }
}
