//! The objects of one kind as the API server last told, kept current by a watch.
//!
//! Deliberately tolerant: an object whose stored JSON does not decode is kept as such, so that it can be reported and never stops the
//! watch of its siblings. Deliberately not a queue: who wants to act on changes passes a function.

use std::collections::{HashMap, HashSet};
use std::fmt::Debug;
use std::sync::{Arc, PoisonError, RwLock};

use futures::{Stream, StreamExt};
use k8s_openapi::NamespaceResourceScope;
use kube::api::{ApiResource, DynamicObject};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::queue::Key;

/// A namespaced kind that the cache can hold.
pub trait Cached:
    Resource<DynamicType = (), Scope = NamespaceResourceScope> + DeserializeOwned + Clone + Debug + Send + Sync + 'static
{
}

impl<K> Cached for K where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + DeserializeOwned
        + Clone
        + Debug
        + Send
        + Sync
        + 'static
{
}

/// An object whose stored JSON does not fit its type.
#[derive(Debug, Clone)]
pub struct Undecodable {
    /// The object as stored.
    pub object: DynamicObject,
    /// Which field does not fit, and why.
    pub error: String,
}

/// One object of the cache. Cheap to clone.
#[derive(Debug)]
pub enum Entry<K> {
    /// An object that decodes.
    Decoded(Arc<K>),
    /// An object that does not.
    Undecodable(Arc<Undecodable>),
}

impl<K> Clone for Entry<K> {
    fn clone(&self) -> Self {
        match self {
            Self::Decoded(object) => Self::Decoded(Arc::clone(object)),
            Self::Undecodable(object) => Self::Undecodable(Arc::clone(object)),
        }
    }
}

impl<K: Cached> Entry<K> {
    /// Decodes an object as it came from the API server. Its managed fields are dropped: they are large and no controller reads them here.
    pub fn decode(mut object: DynamicObject) -> Self {
        object.metadata.managed_fields = None;
        let decoded = serde_json::to_value(&object).map_err(|error| error.to_string()).and_then(|json| {
            serde_path_to_error::deserialize(json).map_err(|error| match error.path().to_string().as_str() {
                "." => error.inner().to_string(),
                path => format!("{path}: {}", error.inner()),
            })
        });
        match decoded {
            Ok(typed) => Self::Decoded(Arc::new(typed)),
            Err(error) => Self::Undecodable(Arc::new(Undecodable { object, error })),
        }
    }

    /// The object's metadata, decoded or not.
    pub fn meta(&self) -> &kube::api::ObjectMeta {
        match self {
            Self::Decoded(object) => object.meta(),
            Self::Undecodable(object) => &object.object.metadata,
        }
    }

    /// The object, if it decodes.
    pub fn decoded(&self) -> Option<&Arc<K>> {
        match self {
            Self::Decoded(object) => Some(object),
            Self::Undecodable(_) => None,
        }
    }

    fn version(&self) -> Option<u64> {
        self.meta().resource_version.as_deref().and_then(|version| version.parse().ok())
    }
}

/// What a watch event changed. Both sides are set for an update.
#[derive(Debug)]
pub struct Change<K> {
    /// Which object.
    pub key: Key,
    /// As it was in the cache.
    pub old: Option<Entry<K>>,
    /// As it is now; `None` when it is gone.
    pub new: Option<Entry<K>>,
}

/// Names under which an object can be looked up besides its own.
pub type IndexFn<K> = fn(&K) -> Vec<String>;

/// A shared view of the objects of one kind. Clones share the content.
pub struct Cache<K> {
    inner: Arc<Inner<K>>,
}

impl<K> Clone for Cache<K> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<K> Debug for Cache<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache").finish_non_exhaustive()
    }
}

struct Inner<K> {
    content: RwLock<Content<K>>,
    index: Option<IndexFn<K>>,
    synced: watch::Sender<bool>,
}

struct Content<K> {
    objects: HashMap<Key, Entry<K>>,
    by_index: HashMap<String, HashSet<Key>>,
}

impl<K: Cached> Default for Cache<K> {
    fn default() -> Self {
        Self::build(None)
    }
}

impl<K: Cached> Cache<K> {
    /// An empty cache that can also be asked by the names that `index` gives an object.
    pub fn with_index(index: IndexFn<K>) -> Self {
        Self::build(Some(index))
    }

    fn build(index: Option<IndexFn<K>>) -> Self {
        let content = RwLock::new(Content { objects: HashMap::new(), by_index: HashMap::new() });
        Self { inner: Arc::new(Inner { content, index, synced: watch::Sender::new(false) }) }
    }

    /// The object `key`, decoded or not.
    pub fn entry(&self, key: &Key) -> Option<Entry<K>> {
        self.read(|content| content.objects.get(key).cloned())
    }

    /// The object `key`, if it exists and decodes.
    pub fn get(&self, key: &Key) -> Option<Arc<K>> {
        self.entry(key).and_then(|entry| entry.decoded().cloned())
    }

    /// All objects that decode, in no order.
    pub fn all(&self) -> Vec<Arc<K>> {
        self.read(|content| content.objects.values().filter_map(|entry| entry.decoded().cloned()).collect())
    }

    /// The objects that the index lists under `name`, in no order.
    pub fn indexed(&self, name: &str) -> Vec<Arc<K>> {
        self.read(|content| {
            let keys = content.by_index.get(name).into_iter().flatten();
            keys.filter_map(|key| content.objects.get(key)?.decoded().cloned()).collect()
        })
    }

    /// Waits until the first full list has arrived.
    pub async fn synced(&self) {
        let mut synced = self.inner.synced.subscribe();
        // The sender lives in `self.inner`, so waiting cannot fail.
        let _ = synced.wait_for(|synced| *synced).await;
    }

    /// Whether the first full list has arrived. Before that an absent object may still exist.
    pub fn is_synced(&self) -> bool {
        *self.inner.synced.borrow()
    }

    /// Takes `object` as the newest state, unless the cache knows a newer one. Returns what was there before, or `None` when nothing changed.
    ///
    /// A writer calls this with the API server's answer, so that its next pass does not start from a state before its own write.
    pub fn put(&self, key: &Key, object: &Entry<K>) -> Option<Option<Entry<K>>> {
        let mut content = self.inner.content.write().unwrap_or_else(PoisonError::into_inner);
        if let (Some(known), Some(version)) = (content.objects.get(key).and_then(Entry::version), object.version())
            && version <= known
        {
            return None;
        }
        let old = content.objects.insert(key.clone(), object.clone());
        self.reindex(&mut content, key, old.as_ref(), Some(object));
        Some(old)
    }

    fn remove(&self, key: &Key) -> Option<Entry<K>> {
        let mut content = self.inner.content.write().unwrap_or_else(PoisonError::into_inner);
        let old = content.objects.remove(key);
        self.reindex(&mut content, key, old.as_ref(), None);
        old
    }

    fn keys(&self) -> HashSet<Key> {
        self.read(|content| content.objects.keys().cloned().collect())
    }

    fn read<T>(&self, look: impl FnOnce(&Content<K>) -> T) -> T {
        look(&self.inner.content.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn reindex(&self, content: &mut Content<K>, key: &Key, old: Option<&Entry<K>>, new: Option<&Entry<K>>) {
        let Some(index) = self.inner.index else { return };
        for name in old.and_then(Entry::decoded).map(|object| index(object)).unwrap_or_default() {
            if let Some(keys) = content.by_index.get_mut(&name) {
                keys.remove(key);
                if keys.is_empty() {
                    content.by_index.remove(&name);
                }
            }
        }
        for name in new.and_then(Entry::decoded).map(|object| index(object)).unwrap_or_default() {
            content.by_index.entry(name).or_default().insert(key.clone());
        }
    }
}

/// Where a controller looks for its objects.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// One namespace, or all.
    pub namespace: Option<String>,
    /// Label selector; empty for every object.
    pub label_selector: String,
}

/// Keeps `cache` current until `stop`, and tells `on_change` of every difference, in order.
///
/// Errors of the API server are logged and tried again with growing pauses; what the cache holds stays.
pub async fn watch_into<K: Cached>(
    client: Client,
    scope: Scope,
    cache: Cache<K>,
    on_change: impl Fn(Change<K>) + Send,
    stop: CancellationToken,
) {
    let resource = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = match &scope.namespace {
        Some(namespace) => Api::namespaced_with(client, namespace, &resource),
        None => Api::all_with(client, &resource),
    };
    let mut config = watcher::Config::default();
    if !scope.label_selector.is_empty() {
        config = config.labels(&scope.label_selector);
    }
    let events = watcher(api, config).default_backoff();
    tokio::select! {
        () = follow(events, &cache, on_change) => {}
        () = stop.cancelled() => {}
    }
}

async fn follow<K: Cached>(
    events: impl Stream<Item = watcher::Result<watcher::Event<DynamicObject>>>,
    cache: &Cache<K>,
    on_change: impl Fn(Change<K>),
) {
    let mut events = std::pin::pin!(events);
    let mut vanished = HashSet::new();
    while let Some(event) = events.next().await {
        match event {
            Ok(watcher::Event::Init) => vanished = cache.keys(),
            Ok(watcher::Event::InitApply(object)) => {
                vanished.remove(&key_of(&object));
                store(cache, object, &on_change);
            }
            Ok(watcher::Event::InitDone) => {
                for key in vanished.drain() {
                    let old = cache.remove(&key);
                    on_change(Change { key, old, new: None });
                }
                cache.inner.synced.send_replace(true);
            }
            Ok(watcher::Event::Apply(object)) => store(cache, object, &on_change),
            Ok(watcher::Event::Delete(object)) => {
                let key = key_of(&object);
                let old = cache.remove(&key);
                on_change(Change { key, old, new: None });
            }
            Err(error) => {
                let error = crate::logging::error_chain(&error);
                tracing::error!(kind = %K::kind(&()), error, "watch failed, trying again");
            }
        }
    }
}

fn store<K: Cached>(cache: &Cache<K>, object: DynamicObject, on_change: impl Fn(Change<K>)) {
    let key = key_of(&object);
    let new = Entry::decode(object);
    if let Some(old) = cache.put(&key, &new) {
        on_change(Change { key, old, new: Some(new) });
    }
}

fn key_of(object: &DynamicObject) -> Key {
    Key::new(object.namespace().unwrap_or_default(), object.name_any())
}

#[cfg(test)]
mod tests;
