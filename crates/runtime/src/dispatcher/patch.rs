//! Writes to an object's status and finalizers: only what differs, and never over somebody else's newer state.
//!
//! Deliberately one merge patch for a whole status, and none when nothing differs.

use std::sync::{Arc, Mutex, PoisonError};

use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Map, Value, json};
use sluice_api::constants::FINALIZER;

use super::{Dispatched, StatusOf};
use crate::cache::{Cache, Entry};
use crate::queue::Key;

/// How often a write that lost against another one is tried on the newer state. The number of Flux's patch helper.
const CONFLICT_RETRIES: u32 = 5;

/// A write to an object failed.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The status does not serialise.
    #[error("cannot encode the status")]
    Encode(#[source] serde_json::Error),
    /// The API server refused, or could not be reached.
    #[error("cannot patch the object")]
    Patch(#[source] kube::Error),
}

/// Writes to one object during one pass. Clones write to the same object.
#[derive(Debug)]
pub struct StatusWriter<K: Dispatched> {
    inner: Arc<Inner<K>>,
}

impl<K: Dispatched> Clone for StatusWriter<K> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

#[derive(Debug)]
struct Inner<K: Dispatched> {
    api: Api<DynamicObject>,
    cache: Cache<K>,
    key: Key,
    field_manager: &'static str,
    current: Mutex<Arc<K>>,
}

/// What a patch is sent to.
#[derive(Debug, Clone, Copy)]
enum Part {
    Object,
    Status,
}

impl<K: Dispatched> StatusWriter<K> {
    pub(super) fn new(client: Client, cache: Cache<K>, key: Key, field_manager: &'static str, object: Arc<K>) -> Self {
        let api = Api::namespaced_with(client, &key.namespace, &ApiResource::erase::<K>(&()));
        Self { inner: Arc::new(Inner { api, cache, key, field_manager, current: Mutex::new(object) }) }
    }

    /// The object as of the last write.
    pub fn current(&self) -> Arc<K> {
        Arc::clone(&self.inner.current.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the object's status equal to `status`. Does nothing when it is so already, or when the object is gone.
    ///
    /// Whoever else wrote to the object meanwhile keeps the rest of it; of the status this writer is the owner.
    ///
    /// # Errors
    /// When the status does not encode, or the API server refuses the patch or still reports a conflict after five tries.
    pub async fn write(&self, status: &StatusOf<K>) -> Result<(), WriteError> {
        let wanted = serde_json::to_value(status).map_err(WriteError::Encode)?;
        self.patch(Part::Status, |current| {
            let stored = current.status().map_or(Ok(Value::Null), serde_json::to_value).map_err(WriteError::Encode)?;
            let version = current.resource_version();
            Ok(merge_patch(&stored, &wanted)
                .map(|patch| json!({ "metadata": { "resourceVersion": version }, "status": patch })))
        })
        .await
    }

    /// Adds the finalizer.
    ///
    /// # Errors
    /// As [`StatusWriter::write`].
    pub(super) async fn add_finalizer(&self) -> Result<(), WriteError> {
        self.change_finalizers(|finalizers| finalizers.push(FINALIZER.to_owned())).await
    }

    /// Removes the finalizer; an object that is gone is fine.
    ///
    /// # Errors
    /// As [`StatusWriter::write`].
    pub(super) async fn remove_finalizer(&self) -> Result<(), WriteError> {
        self.change_finalizers(|finalizers| finalizers.retain(|finalizer| finalizer != FINALIZER)).await
    }

    async fn change_finalizers(&self, change: impl Fn(&mut Vec<String>)) -> Result<(), WriteError> {
        self.patch(Part::Object, |current| {
            let mut finalizers = current.finalizers().to_vec();
            change(&mut finalizers);
            // The resource version makes the write fail rather than drop a finalizer that somebody added meanwhile.
            let version = current.resource_version();
            Ok((finalizers != current.finalizers())
                .then(|| json!({ "metadata": { "resourceVersion": version, "finalizers": finalizers } })))
        })
        .await
    }

    /// Sends the patch that `make` makes for the current object, and makes it anew when somebody else was faster. `None` means that there
    /// is nothing to do; an object that is gone is fine.
    async fn patch(
        &self,
        part: Part,
        make: impl Fn(&K) -> Result<Option<Value>, WriteError>,
    ) -> Result<(), WriteError> {
        let Inner { api, key, field_manager, .. } = self.inner.as_ref();
        let params = PatchParams { field_manager: Some((*field_manager).to_owned()), ..PatchParams::default() };
        let mut attempt = 0;
        loop {
            let Some(body) = make(&self.current())? else { return Ok(()) };
            let body = Patch::Merge(body);
            let answer = match part {
                Part::Object => api.patch(&key.name, &params, &body).await,
                Part::Status => api.patch_status(&key.name, &params, &body).await,
            };
            match answer {
                Ok(object) => {
                    self.learn(object);
                    return Ok(());
                }
                Err(kube::Error::Api(status)) if status.code == 404 => return Ok(()),
                Err(kube::Error::Api(status)) if status.code == 409 && attempt < CONFLICT_RETRIES => {
                    attempt += 1;
                    if !self.refresh().await? {
                        return Ok(());
                    }
                }
                Err(error) => return Err(WriteError::Patch(error)),
            }
        }
    }

    /// Reads the object anew. False when it is gone, or replaced by another of its name.
    async fn refresh(&self) -> Result<bool, WriteError> {
        let Some(object) = self.inner.api.get_opt(&self.inner.key.name).await.map_err(WriteError::Patch)? else {
            return Ok(false);
        };
        let same = object.metadata.uid == self.current().meta().uid;
        if same {
            self.learn(object);
        }
        Ok(same)
    }

    fn learn(&self, object: DynamicObject) {
        let entry = Entry::<K>::decode(object);
        if let Entry::Decoded(object) = &entry {
            *self.inner.current.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(object);
        }
        // An object that is being deleted may be gone from the cache already; only the watch decides on it.
        if entry.meta().deletion_timestamp.is_some() {
            return;
        }
        let before = self.inner.cache.entry(&self.inner.key);
        // The watch tells the queue of a new generation; taking it here too early would hide that change from the trigger.
        let same_generation = before.is_some_and(|before| {
            let (old, new) = (before.meta(), entry.meta());
            old.generation == new.generation && old.annotations == new.annotations
        });
        if same_generation {
            self.inner.cache.put(&self.inner.key, &entry);
        }
    }
}

/// The RFC 7386 merge patch that turns `old` into `new`, or `None` when they are equal. Arrays are replaced whole.
pub(super) fn merge_patch(old: &Value, new: &Value) -> Option<Value> {
    if old == new {
        return None;
    }
    let (Value::Object(old), Value::Object(new)) = (old, new) else { return Some(new.clone()) };
    let mut patch = Map::new();
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in new {
        match old.get(key) {
            Some(known) => {
                if let Some(difference) = merge_patch(known, value) {
                    patch.insert(key.clone(), difference);
                }
            }
            None => {
                patch.insert(key.clone(), value.clone());
            }
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_holds_what_differs_and_nothing_else() {
        let cases = [
            (json!({"a": 1}), json!({"a": 1}), None),
            (json!({"a": 1}), json!({"a": 2}), Some(json!({"a": 2}))),
            (json!({"a": 1, "b": 1}), json!({"b": 1}), Some(json!({"a": null}))),
            (json!({"a": {"x": 1, "y": 2}}), json!({"a": {"x": 1, "y": 3}}), Some(json!({"a": {"y": 3}}))),
            (json!({"a": [1, 2]}), json!({"a": [2]}), Some(json!({"a": [2]}))),
            (json!({"a": {"x": 1}}), json!({"a": 5}), Some(json!({"a": 5}))),
            (Value::Null, json!({"a": 1}), Some(json!({"a": 1}))),
        ];
        for (old, new, expected) in cases {
            assert_eq!(merge_patch(&old, &new), expected, "{old} -> {new}");
        }
    }
}
