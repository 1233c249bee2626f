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
    learnt: Mutex<Learnt>,
}

#[derive(Default)]
struct Learnt {
    digests: HashMap<ObjectId, DesiredDigest>,
    versions: HashMap<ObjectId, u64>,
}

impl<'a> KnownObjects<'a> {
    /// With an observer of the cluster, or without.
    pub(super) fn new(observer: Option<&'a Observer>) -> Self {
        Self { observer, learnt: Mutex::default() }
    }

    /// The digests of the manifests that are applied, and the versions that this pass gave to objects.
    pub(super) fn into_parts(self) -> (HashMap<ObjectId, DesiredDigest>, HashMap<ObjectId, u64>) {
        let learnt = self.learnt.into_inner().unwrap_or_else(PoisonError::into_inner);
        (learnt.digests, learnt.versions)
    }

    fn learn(&self, id: &ObjectId, desired: DesiredDigest, version: Option<u64>) {
        let mut learnt = self.learnt.lock().unwrap_or_else(PoisonError::into_inner);
        learnt.digests.insert(id.clone(), desired);
        if let Some(version) = version {
            learnt.versions.insert(id.clone(), version);
        }
    }
}

impl Known for KnownObjects<'_> {
    fn in_step(&self, id: &ObjectId, desired: DesiredDigest) -> bool {
        let known = self.observer.is_some_and(|observer| observer.in_step(id, desired));
        if known {
            self.learn(id, desired, None);
        }
        known
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
        self.learn(id, desired, live.resource_version().parse().ok());
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
