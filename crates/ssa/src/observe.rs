//! The object watch: what became of the objects that we applied, known without asking.
//!
//! All objects that are applied carry owner labels. For each kind of them there is one watch of the whole cluster (or one namespace) on
//! "has the label", and of each object only a small record is kept: version, owner, health, and a digest of what we own. From these follow
//! whether an apply can be skipped ([`Observer::in_step`]), drift ([`Settings::on_drift`]), and health ([`wait_until_healthy`]).
//! Kinds that may not be watched are polled by the waits, and are never in step.
//!
//! Deliberately not here: keeping objects, correcting drift, and deciding which kinds to watch.

mod digest;
mod explain;
mod health;
mod judge;
mod kind;
mod mailbox;
mod page;
mod reader;
mod record;
mod table;
mod wait;
mod watch;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sluice_manifest::{GroupKind, NAME_LABEL, NAMESPACE_LABEL, Object, ObjectId, Owner};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::discovery::Discovery;
use crate::resource::Resource;
use mailbox::Waiter;
use reader::Reader;
use record::Applied;
use table::{Limits, Look, Table};

pub use digest::{DesiredDigest, OwnedDigest, owned_digest};
pub use health::{FailFast, HealthFailure, HealthTarget, Healthy, IfAbsent, Unhealthy};
pub use judge::ReaderOrder;
pub use record::{Drift, DriftKind, ObjectState};
pub use wait::{Access, HealthOptions, wait_until_healthy};

/// Reads at the same time for all waits that poll under the controller's own identity.
const MAX_READS: usize = 32;

/// Checks at the same time whether an object is gone or has only lost its label.
const MAX_CHECKS: usize = 4;

/// Hears of drift. Called from the watches: it must be quick and must not block.
pub type OnDrift = Arc<dyn Fn(Drift) + Send + Sync>;

/// How to observe.
#[derive(Clone)]
pub struct Settings {
    /// The namespace to watch; all when `None`.
    pub namespace: Option<String>,
    /// Our field manager.
    pub manager: String,
    /// Name prefixes of managers whose fields we take over.
    pub override_managers: Vec<String>,
    /// Kinds to watch at most. Each is one connection; more are polled.
    pub max_kinds: usize,
    /// Objects to keep records of at most. A kind that does not fit is polled.
    pub max_objects: usize,
    /// Called for each drift.
    pub on_drift: OnDrift,
    /// Ends all watches. Dropping the last [`Observer`] does as well.
    pub stop: CancellationToken,
}

impl Settings {
    /// The whole cluster, up to 256 kinds and 200,000 objects, drift ignored.
    pub fn new(manager: &str) -> Self {
        Self {
            namespace: None,
            manager: manager.to_owned(),
            override_managers: Vec::new(),
            max_kinds: 256,
            max_objects: 200_000,
            on_drift: Arc::new(|_| {}),
            stop: CancellationToken::new(),
        }
    }
}

/// The watches of one cluster. Clones are cheap and share everything.
#[derive(Clone)]
pub struct Observer {
    shared: Arc<Shared>,
    _stop: Arc<DropGuard>,
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}

/// What the watches, the waits and the handles share.
struct Shared {
    client: kube::Client,
    reader: Reader,
    settings: Settings,
    stop: CancellationToken,
    checks: Semaphore,
    waits: AtomicU64,
    table: Mutex<Table>,
}

impl Observer {
    /// Watches nothing yet. `discovery` must ask the same server as `client`.
    pub fn new(client: kube::Client, discovery: Arc<Discovery>, settings: Settings) -> Self {
        let stop = settings.stop.child_token();
        let limits = Limits { kinds: settings.max_kinds, records: settings.max_objects };
        let shared = Shared {
            reader: Reader::new(client.clone(), discovery, MAX_READS),
            client,
            settings,
            stop: stop.clone(),
            checks: Semaphore::new(MAX_CHECKS),
            waits: AtomicU64::new(0),
            table: Mutex::new(Table::new(limits)),
        };
        Self { shared: Arc::new(shared), _stop: Arc::new(stop.drop_guard()) }
    }

    /// Wants the kind watched: starts its watch unless there is one, or the server has just refused it. Must be called within a tokio
    /// runtime. Call it whenever objects of the kind are applied: a watch that nobody asks for any more, and has no objects, ends.
    pub fn watch(&self, resource: &Resource) {
        if self.shared.settings.namespace.is_some() && !resource.namespaced {
            return;
        }
        let of = GroupKind { group: resource.gvk.group.clone(), kind: resource.gvk.kind.clone() };
        if !self.shared.table().ask(&of, &resource.gvk.version, Instant::now()) {
            return;
        }
        let (shared, resource) = (Arc::clone(&self.shared), resource.clone());
        tokio::spawn(async move {
            let stop = shared.stop.clone();
            stop.run_until_cancelled(watch::follow(&shared, &resource)).await;
        });
    }

    /// Whether all changes of objects of the kind are seen at the moment.
    pub fn is_watched(&self, kind: &GroupKind) -> bool {
        self.shared.table().is_watched(kind)
    }

    /// What the watch saw of an object last; `None` when it does not have the object.
    pub fn state(&self, id: &ObjectId) -> Option<ObjectState> {
        self.shared.table().state(id).cloned()
    }

    /// Announces writes to an owner's objects. Until the guard is dropped nothing is reported as drift of them; what was changed by then and
    /// is not what [`Observer::applied`] recorded, is reported on drop. Hold it from the first write to the last `applied` or `forget`.
    pub fn writing(&self, owner: &Owner) -> WriteGuard {
        self.shared.table().begin_write(owner);
        WriteGuard { shared: Arc::clone(&self.shared), owner: owner.clone() }
    }

    /// Records what was applied: `live` is the object as the server returned it, for an apply that changed nothing as it was read.
    ///
    /// Objects that the watch does not cover (no owner label, another namespace) are not recorded.
    pub fn applied(&self, id: &ObjectId, live: &Object, desired: DesiredDigest) {
        let Ok(resource_version) = live.resource_version().parse() else { return self.forget(id) };
        if live.label(NAME_LABEL).is_none() || !self.shared.covers(id) {
            return self.forget(id);
        }
        let Settings { manager, override_managers, .. } = &self.shared.settings;
        let applied = Applied {
            resource_version,
            owned: owned_digest(live, manager, override_managers),
            desired,
            version: live.version().into(),
            owner: owner_of(live).map(Arc::new),
            epoch: 0,
            gone: false,
            reported: None,
        };
        let effects = self.shared.table().applied(id, applied, Instant::now());
        self.shared.report(effects.drift);
    }

    /// Forgets what was applied, for an object that is to be deleted or is not ours any more. It is not in step then, and has no drift.
    pub fn forget(&self, id: &ObjectId) {
        self.shared.table().forget(id);
    }

    /// Whether the live object is known to be what applying this manifest made of it, so that applying it again would change nothing.
    pub fn in_step(&self, id: &ObjectId, desired: DesiredDigest) -> bool {
        self.shared.table().in_step(id, desired)
    }

    fn look(&self, id: &ObjectId) -> Look {
        if self.shared.covers(id) { self.shared.table().look(id) } else { Look::Unwatched }
    }

    fn next_wait(&self) -> u64 {
        self.shared.waits.fetch_add(1, Ordering::Relaxed)
    }

    fn register(&self, id: &ObjectId, waiter: Waiter) {
        self.shared.table().register(id, waiter, Instant::now());
    }

    fn unregister(&self, id: &ObjectId, wait: u64) {
        self.shared.table().unregister(id, wait);
    }

    fn reader(&self) -> &Reader {
        &self.shared.reader
    }
}

impl Shared {
    fn table(&self) -> MutexGuard<'_, Table> {
        // No method of the table leaves it half changed for want of a value: a panic in one would be a fault of one record.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the watches are about the namespace of the object.
    fn covers(&self, id: &ObjectId) -> bool {
        self.settings.namespace.as_ref().is_none_or(|namespace| *namespace == id.namespace)
    }

    /// Reports drift that the object itself shows; `before` stands for who had written to it earlier.
    fn report_about(&self, live: &Object, before: Option<&[u64]>, drift: Vec<Drift>) {
        for drift in drift {
            let managers = digest::authors(live, &self.settings.manager, before);
            (self.settings.on_drift)(Drift { managers, ..drift });
        }
    }
}

impl Shared {
    /// Reports drift whose object is not at hand. It is read first: the managers are in it, and an object that left the watch may only have
    /// lost its label.
    fn report(self: &Arc<Self>, drift: Vec<Drift>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return drift.into_iter().for_each(|drift| (self.settings.on_drift)(drift));
        };
        for drift in drift {
            let shared = Arc::clone(self);
            runtime.spawn(async move {
                let stop = shared.stop.clone();
                stop.run_until_cancelled(shared.check_and_report(drift)).await;
            });
        }
    }

    async fn check_and_report(&self, mut drift: Drift) {
        let Ok(_permit) = self.checks.acquire().await else { return };
        let version = self.table().watched_version(&drift.id);
        // When it cannot be read, the watch's word stands.
        if let Ok(Some(live)) = self.reader.get(&drift.id, &version).await {
            drift.kind = DriftKind::Changed;
            drift.managers = digest::authors(&live, &self.settings.manager, None);
        }
        (self.settings.on_drift)(drift);
    }
}

/// Writes to an owner's objects are under way until this is dropped.
#[must_use = "drift is held back only while the guard lives"]
pub struct WriteGuard {
    shared: Arc<Shared>,
    owner: Owner,
}

impl fmt::Debug for WriteGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteGuard").field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl Drop for WriteGuard {
    fn drop(&mut self) {
        let effects = self.shared.table().end_write(&self.owner);
        self.shared.report(effects.drift);
    }
}

/// The owner that an object's labels name.
fn owner_of(live: &Object) -> Option<Owner> {
    let (name, namespace) = (live.label(NAME_LABEL)?, live.label(NAMESPACE_LABEL)?);
    Some(Owner { name: name.to_owned(), namespace: namespace.to_owned() })
}
