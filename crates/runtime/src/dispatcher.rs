//! Drives the reconciles of one kind: watch, queue, workers, and around each pass the steps that are the same for every kind.
//!
//! A pass: take the object from the cache, decode it, add or honour the finalizer, stop if suspended, let the kind's
//! [`Reconciler`] decide, write the status once if it differs, tell events, and plan the next pass. A panic in a pass is caught, shown
//! on its object, and never ends the process.
//!
//! Deliberately holds no worker while something is waited for: a reconciler says when it wants to be woken ([`Next`]) and returns, or,
//! where the middle of a pass has to wait for the cluster, gives its worker back for that time ([`Slot::rest`]).

mod pass;
mod patch;
mod slot;
mod trigger;

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use kube::core::object::HasStatus;
use serde::Serialize;
use sluice_api::status::{ObjectStatus, Reconcilable};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::backoff::Backoff;
use crate::cache::{Cache, Cached, Scope, watch_into};
use crate::metrics::{Load, Metrics};
use crate::queue::{Cause, Key, Queue};
use crate::recorder::{Notice, Recorder};

pub use patch::StatusWriter;
pub use slot::Slot;

/// A kind that a dispatcher can drive.
pub trait Dispatched: Cached + Reconcilable + HasStatus<Status: StatusValue> {}

impl<K> Dispatched for K where K: Cached + Reconcilable + HasStatus<Status: StatusValue> {}

/// A status that can be compared and written.
pub trait StatusValue: ObjectStatus + Serialize + Clone + Debug + PartialEq + Send + Sync + 'static {}

impl<S> StatusValue for S where S: ObjectStatus + Serialize + Clone + Debug + PartialEq + Send + Sync + 'static {}

/// The status type of a dispatched kind.
pub type StatusOf<K> = <K as HasStatus>::Status;

/// What a kind decides in a pass.
pub trait Reconciler: Send + Sync + 'static {
    /// The kind.
    type Object: Dispatched;

    /// Looks at the object and brings the world closer to it.
    ///
    /// *Assumes* that the object is neither suspended nor being deleted and carries the finalizer. The returned status is
    /// complete; the dispatcher only adds the handled request token. Dropped without notice when the process abandons work.
    fn reconcile(&self, pass: Pass<Self::Object>) -> impl Future<Output = Outcome<StatusOf<Self::Object>>> + Send;

    /// Undoes what the object stands for, before its finalizer is removed.
    fn finalize(&self, pass: Pass<Self::Object>) -> impl Future<Output = Finalized> + Send;

    /// Adjusts the status of a suspended object, which gets no pass, and returns what to tell.
    fn settle_suspended(&self, object: &Self::Object, status: &mut StatusOf<Self::Object>) -> Vec<Notice>;

    /// Whether the object is one of the kind that is not to be reconciled at all (an OCI `HelmRepository`): it gets neither finalizer nor
    /// status, and one that has either from before loses it, after [`Reconciler::finalize`]. Not while it is suspended.
    fn unmanaged(&self, object: &Self::Object) -> bool {
        let _ = object;
        false
    }

    /// The status of a pass has been written. `queue` wakes others of the kind who waited for that.
    fn written(&self, object: &Self::Object, queue: &Queue) {
        let _ = (object, queue);
    }

    /// The object is gone from the API server: drop what was remembered of it.
    fn forget(&self, key: &Key) {
        let _ = key;
    }
}

/// What a reconciler gets to know about its pass.
#[derive(Debug)]
pub struct Pass<K: Dispatched> {
    /// Which object.
    pub key: Key,
    /// The object, as new as the cache and our own writes know it.
    pub object: Arc<K>,
    /// The time of the pass, for conditions.
    pub now: Timestamp,
    /// Writes the status in the middle of the pass, for work that takes time.
    pub writer: StatusWriter<K>,
    /// True when the user asked for this pass by annotation.
    pub requested: bool,
    /// Cancelled when the process ends: long work should give up.
    pub stop: CancellationToken,
    /// Tells whether the object was triggered again since this pass began.
    pub queue: Queue,
    /// The worker that the pass occupies.
    pub slot: Slot,
}

/// What a pass decided.
#[derive(Debug)]
pub struct Outcome<S> {
    /// The status that the object shall have.
    pub status: S,
    /// What to tell.
    pub notices: Vec<Notice>,
    /// When to look again.
    pub next: Next,
}

/// When an object is looked at again without a trigger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// After the interval, spread by the jitter: the pass succeeded.
    Interval(Duration),
    /// After exactly this long: something is waited for, or a fixed retry.
    After(Duration),
    /// At once, behind what is already queued.
    Now,
    /// After the object's growing delay: the pass failed.
    Backoff,
    /// Not at all: only a trigger helps.
    Never,
}

/// How finalizing ended.
#[derive(Debug)]
pub enum Finalized {
    /// Done: the finalizer goes.
    Done(Vec<Notice>),
    /// Something still has to end: look again after this long, or when triggered.
    Wait(Duration),
    /// Failed: the finalizer stays, the notices say why, and the object's growing delay applies.
    Failed(Vec<Notice>),
}

/// The parts of a dispatcher that flags decide.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Passes at once.
    pub concurrent: usize,
    /// Where to look for objects.
    pub scope: Scope,
    /// The field manager of status and finalizer writes.
    pub field_manager: &'static str,
    /// Bounds of the growing delay.
    pub min_retry_delay: Duration,
    /// Bounds of the growing delay.
    pub max_retry_delay: Duration,
    /// Percentage of jitter on [`Next::Interval`].
    pub jitter_percentage: u8,
    /// How long the end of the process lets running passes finish before they are abandoned. With what comes after it (events, lease) it
    /// must fit into the grace period of the controller's Deployment.
    pub drain: Duration,
}

/// The machine of one kind.
pub struct Dispatcher<R: Reconciler> {
    shared: Arc<Shared<R>>,
}

impl<R: Reconciler> Debug for Dispatcher<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher").field("settings", &self.shared.settings).finish_non_exhaustive()
    }
}

struct Shared<R: Reconciler> {
    reconciler: R,
    client: Client,
    cache: Cache<R::Object>,
    queue: Queue,
    backoff: Backoff,
    settings: Settings,
    recorder: Recorder,
    metrics: Metrics,
}

/// Triggers passes from outside, for example when a related object changed.
#[derive(Debug, Clone)]
pub struct Waker(Queue);

impl Waker {
    /// Asks for a pass over `key`.
    pub fn wake(&self, key: Key) {
        self.0.add(key);
    }

    /// Asks for a pass over `key` since the object that `cause` names has changed.
    pub fn wake_because(&self, key: Key, cause: Cause) {
        self.0.add_because(key, cause);
    }

    /// Asks for a pass over `key` after `delay`, unless there is to be one before.
    pub fn wake_sooner(&self, key: Key, delay: Duration) {
        self.0.add_sooner(key, delay);
    }
}

impl<R: Reconciler> Dispatcher<R> {
    /// A dispatcher for the reconciler's kind. `cache` is filled by [`Dispatcher::run`] and may be shared with others.
    pub fn new(
        reconciler: R,
        client: Client,
        cache: Cache<R::Object>,
        recorder: Recorder,
        metrics: Metrics,
        settings: Settings,
    ) -> Self {
        let backoff = Backoff::new(settings.min_retry_delay, settings.max_retry_delay);
        let queue = Queue::default();
        Self { shared: Arc::new(Shared { reconciler, client, cache, queue, backoff, settings, recorder, metrics }) }
    }

    /// A handle that wakes objects of this kind.
    pub fn waker(&self) -> Waker {
        Waker(self.shared.queue.clone())
    }

    /// Watches and reconciles until `stop` is cancelled, then lets running passes finish within [`Settings::drain`] and abandons the rest.
    pub async fn run(self, stop: CancellationToken) {
        let shared = self.shared;
        let watch = watch_into(
            shared.client.clone(),
            shared.settings.scope.clone(),
            shared.cache.clone(),
            shared.on_change(),
            stop.clone(),
        );
        // A plain select would stop polling passes when the watch ends; both get a task of their own.
        let watching = tokio::spawn(watch);
        shared.cache_synced(&stop).await;
        work(&shared, &stop).await;
        // The watch ends with the same token; a panic in it was already reported by the runtime.
        let _ = watching.await;
    }
}

impl<R: Reconciler> Shared<R> {
    fn on_change(self: &Arc<Self>) -> impl Fn(crate::cache::Change<R::Object>) + Send + use<R> {
        let shared = Arc::clone(self);
        move |change| match trigger::of(&change) {
            trigger::Trigger::Gone => {
                shared.queue.forget(&change.key);
                shared.backoff.reset(&change.key);
                shared.metrics.forget_object(&kind_of::<R>(), &change.key);
                shared.reconciler.forget(&change.key);
            }
            trigger::Trigger::Changed => {
                shared.backoff.reset(&change.key);
                shared.queue.add(change.key);
            }
            trigger::Trigger::None => {}
        }
    }

    async fn cache_synced(&self, stop: &CancellationToken) {
        tokio::select! {
            () = self.cache.synced() => {}
            () = stop.cancelled() => {}
        }
    }
}

fn kind_of<R: Reconciler>() -> String {
    <R::Object as kube::Resource>::kind(&()).into_owned()
}

async fn work<R: Reconciler>(shared: &Arc<Shared<R>>, stop: &CancellationToken) {
    let kind = kind_of::<R>();
    let workers = shared.settings.concurrent.max(1);
    let permits = Arc::new(Semaphore::new(workers));
    let mut passes = JoinSet::new();
    loop {
        let active = workers - permits.available_permits();
        let load = Load { active, workers, depth: shared.queue.depth(), adds: shared.queue.adds() };
        shared.metrics.set_load(&kind, load);
        let (slot, key) = tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = passes.join_next() => continue,
            taken = take(&permits, &shared.queue) => taken,
        };
        let shared = Arc::clone(shared);
        let stop = stop.clone();
        passes.spawn(async move { pass::run(&shared, &key, slot, stop).await });
    }
    // Whoever rests waits for the cluster, not for the end of the process: only working passes are waited for.
    let all = u32::try_from(workers).unwrap_or(u32::MAX);
    if tokio::time::timeout(shared.settings.drain, permits.acquire_many(all)).await.is_err() {
        let abandoned = workers - permits.available_permits();
        tracing::error!(kind, abandoned, "passes did not end in time and are abandoned");
    }
    passes.shutdown().await;
}

/// The next key and a free worker for it. Takes no worker before there is a key: a resting pass may need it to go on.
async fn take(permits: &Arc<Semaphore>, queue: &Queue) -> (Slot, Key) {
    loop {
        queue.wait().await;
        let slot = Slot::take(permits).await;
        if let Some(key) = queue.try_next() {
            return (slot, key);
        }
    }
}
