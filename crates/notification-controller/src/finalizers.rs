//! The finalizers of Providers and Alerts, which is all that these kinds need of a controller: they have no status.
//!
//! A Provider carries the finalizer while it lives. An Alert never does; one that an old release left is removed. Deliberately not a
//! [`sluice_runtime::dispatcher`]: nothing is reconciled, so there is nothing to show, to suspend or to come back to.

use kube::api::{ApiResource, DynamicObject, ObjectMeta, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use sluice_api::constants::{FINALIZER, controller, reason};
use sluice_api::notification::{Alert, Provider};
use sluice_runtime::backoff::Backoff;
use sluice_runtime::cache::{Cache, Cached, Change, Entry};
use sluice_runtime::logging::error_chain;
use sluice_runtime::queue::{Key, Queue};
use sluice_runtime::recorder::{Involved, Notice, Recorder, Severity};
use tokio_util::sync::CancellationToken;

const MIGRATED: &str = "removed finalizer from Alert to migrate to static Alert";

/// What to do with an object's finalizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// Put it there.
    Add,
    /// Take it away.
    Remove,
}

/// A kind whose objects are nothing but their spec.
pub trait StaticKind: Cached {
    /// What the object's finalizer needs now; `None` when it is as it should be.
    fn edit(entry: &Entry<Self>) -> Option<Edit>;

    /// What to tell once the edit is done.
    fn notice(edit: Edit) -> Option<Notice>;
}

impl StaticKind for Provider {
    fn edit(entry: &Entry<Self>) -> Option<Edit> {
        let meta = entry.meta();
        match (meta.deletion_timestamp.is_some(), has_finalizer(meta)) {
            (true, true) => Some(Edit::Remove),
            (false, false) => Some(Edit::Add),
            // The API server refuses a new finalizer on an object that is being deleted.
            (true, false) | (false, true) => None,
        }
    }

    fn notice(_edit: Edit) -> Option<Notice> {
        None
    }
}

impl StaticKind for Alert {
    fn edit(entry: &Entry<Self>) -> Option<Edit> {
        let meta = entry.meta();
        let suspended = match entry {
            Entry::Decoded(alert) => alert.spec.suspend,
            Entry::Undecodable(bad) => bad.object.data.pointer("/spec/suspend") == Some(&json!(true)),
        };
        let wanted = has_finalizer(meta) && (!suspended || meta.deletion_timestamp.is_some());
        wanted.then_some(Edit::Remove)
    }

    fn notice(_edit: Edit) -> Option<Notice> {
        Some(Notice::new(Severity::Info, reason::MIGRATION, MIGRATED))
    }
}

fn has_finalizer(meta: &ObjectMeta) -> bool {
    meta.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
}

/// The finalizers that an object shall have.
fn edited(meta: &ObjectMeta, edit: Edit) -> Vec<String> {
    let others = meta.finalizers.iter().flatten().filter(|finalizer| *finalizer != FINALIZER).cloned();
    match edit {
        Edit::Add => others.chain([FINALIZER.to_owned()]).collect(),
        Edit::Remove => others.collect(),
    }
}

/// Keeps the finalizers of one kind. The cache is somebody else's; its changes are passed to [`Keeper::note`].
pub struct Keeper<K> {
    client: Client,
    cache: Cache<K>,
    queue: Queue,
    backoff: Backoff,
    recorder: Recorder,
}

impl<K: StaticKind> Keeper<K> {
    /// A keeper over `cache`. A failed edit is tried again after the delays of `backoff`.
    pub fn new(client: Client, cache: Cache<K>, backoff: Backoff, recorder: Recorder) -> Self {
        Self { client, cache, queue: Queue::default(), backoff, recorder }
    }

    /// A function that takes the cache's changes. It may be fed on a replica that does not lead: at most every object is queued once.
    pub fn note(&self) -> impl Fn(Change<K>) + Send + use<K> {
        let queue = self.queue.clone();
        move |change| match &change.new {
            Some(entry) if K::edit(entry).is_some() => queue.add(change.key),
            Some(_) => {}
            None => queue.forget(&change.key),
        }
    }

    /// Edits what is queued, `concurrent` objects at once, until `stop` is cancelled; edits under way are finished.
    pub async fn run(self, concurrent: usize, stop: CancellationToken) {
        futures::future::join_all((0..concurrent.max(1)).map(|_| self.work(&stop))).await;
    }

    async fn work(&self, stop: &CancellationToken) {
        while let Some(key) = stop.run_until_cancelled(self.queue.next()).await {
            match self.handle(&key).await {
                Ok(()) => self.backoff.reset(&key),
                Err(error) => {
                    let (kind, error) = (K::kind(&()), error_chain(&error));
                    tracing::error!(%kind, name = key.name, namespace = key.namespace, error, "cannot change the finalizers, trying again");
                    self.queue.add_after(key.clone(), self.backoff.next(&key));
                }
            }
            self.queue.done(&key);
        }
    }

    async fn handle(&self, key: &Key) -> kube::Result<()> {
        let Some(entry) = self.cache.entry(key) else { return Ok(()) };
        let Some(edit) = K::edit(&entry) else { return Ok(()) };
        let api: Api<DynamicObject> =
            Api::namespaced_with(self.client.clone(), &key.namespace, &ApiResource::erase::<K>(&()));
        let meta = entry.meta();
        // The version makes the write fail rather than drop a finalizer that somebody added meanwhile.
        let body = json!({"metadata": {"resourceVersion": meta.resource_version, "finalizers": edited(meta, edit)}});
        let params = PatchParams { field_manager: Some(controller::NOTIFICATION.to_owned()), ..PatchParams::default() };
        match api.patch_metadata(&key.name, &params, &Patch::Merge(body)).await {
            Ok(_) => {}
            Err(kube::Error::Api(answer)) if answer.code == 404 => return Ok(()),
            // Somebody was faster. The watch brings what they wrote, and with it this object back into the queue.
            Err(kube::Error::Api(answer)) if answer.code == 409 => return Ok(()),
            Err(error) => return Err(error),
        }
        if let Some(notice) = K::notice(edit) {
            let involved = involved::<K>(&entry);
            tracing::info!(kind = involved.kind, name = key.name, namespace = key.namespace, "{}", notice.message);
            self.recorder.record(&involved, None, notice);
        }
        Ok(())
    }
}

fn involved<K: StaticKind>(entry: &Entry<K>) -> Involved {
    match entry {
        Entry::Decoded(object) => Involved::of(object.as_ref()),
        Entry::Undecodable(bad) => Involved {
            api_version: K::api_version(&()).into_owned(),
            kind: K::kind(&()).into_owned(),
            namespace: bad.object.namespace().unwrap_or_default(),
            name: bad.object.name_any(),
            uid: bad.object.uid().unwrap_or_default(),
            resource_version: bad.object.resource_version().unwrap_or_default(),
        },
    }
}

#[cfg(test)]
mod tests;
