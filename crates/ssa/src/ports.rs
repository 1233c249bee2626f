//! What an apply may use of its caller: what is known of objects without asking, and a worker that can be given back while it waits.
//!
//! Deliberately only traits and the callers that have neither; where a journal is kept is in `journal`.

use futures::future::BoxFuture;
use sluice_kstatus::State;
use sluice_manifest::{Object, ObjectId};

use crate::journal::{Journal, NoJournal};
use crate::observe::{DesiredDigest, Observer};
use crate::resource::Resource;

/// What somebody who watches the cluster knows of its objects, and is told of them.
///
/// Identities are those that the server uses: a cluster-scoped object has no namespace, whatever its manifest says.
pub trait Known: Sync {
    /// Whether the live object is what applying the manifest with this digest made of it. It is left alone then, without any request.
    fn in_step(&self, id: &ObjectId, desired: DesiredDigest) -> bool {
        let _ = (id, desired);
        false
    }

    /// Whether the live object is ready, for stages that are waited for. Asked of objects that are in step.
    fn is_ready(&self, id: &ObjectId) -> bool {
        let _ = id;
        false
    }

    /// Told of each kind that is applied, before its objects are.
    fn uses(&self, resource: &Resource) {
        let _ = resource;
    }

    /// Told what the live object is after it was applied, or was found to be as desired.
    fn applied(&self, id: &ObjectId, live: &Object, desired: DesiredDigest) {
        let _ = (id, live, desired);
    }

    /// Told of objects that are left alone by their own wish.
    fn forget(&self, id: &ObjectId) {
        let _ = id;
    }
}

/// For callers that know nothing: every object is looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct NothingKnown;

impl Known for NothingKnown {}

impl Known for Observer {
    fn in_step(&self, id: &ObjectId, desired: DesiredDigest) -> bool {
        Self::in_step(self, id, desired)
    }

    fn is_ready(&self, id: &ObjectId) -> bool {
        self.state(id).is_some_and(|state| state.health.state == State::Current)
    }

    fn uses(&self, resource: &Resource) {
        self.watch(resource);
    }

    fn applied(&self, id: &ObjectId, live: &Object, desired: DesiredDigest) {
        Self::applied(self, id, live, desired);
    }

    fn forget(&self, id: &ObjectId) {
        Self::forget(self, id);
    }
}

/// Gives the worker back while an apply waits for others.
pub trait Rest: Sync {
    /// Gives the worker back.
    fn release(&self);

    /// Waits for a worker. Not called when the wait is dropped: the caller gave the whole apply up then.
    fn resume(&self) -> BoxFuture<'_, ()>;
}

/// Waits for `wait` without occupying the worker, and then for a worker.
pub(crate) async fn rested<T>(rest: &impl Rest, wait: impl Future<Output = T>) -> T {
    rest.release();
    let result = wait.await;
    rest.resume().await;
    result
}

/// For callers that have no worker to give back.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoRest;

impl Rest for NoRest {
    fn release(&self) {}

    fn resume(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// What one apply uses of its caller.
pub struct Ports<'a, J = NoJournal, R = NoRest> {
    /// Told of writes before they are made.
    pub journal: &'a J,
    /// What is known of the objects.
    pub known: &'a dyn Known,
    /// Takes the worker back during waits.
    pub rest: &'a R,
}

// Derived ones would want the same of what is only referred to.
impl<J, R> Clone for Ports<'_, J, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<J, R> Copy for Ports<'_, J, R> {}

impl Ports<'static> {
    /// No journal, nothing known, no worker.
    pub const NONE: Self = Self { journal: &NoJournal, known: &NothingKnown, rest: &NoRest };
}

impl<'a, J: Journal> Ports<'a, J> {
    /// A journal alone.
    pub fn journal(journal: &'a J) -> Self {
        Self { journal, known: &NothingKnown, rest: &NoRest }
    }
}
