//! Which objects of a kind changed: their names and versions, from a watch that asks for metadata only.
//!
//! Deliberately not a [`crate::cache::Cache`]: of a Secret no data is fetched, let alone kept.

use std::collections::HashMap;

use futures::StreamExt;
use k8s_openapi::NamespaceResourceScope;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use tokio_util::sync::CancellationToken;

use crate::cache::Scope;
use crate::logging::error_chain;
use crate::queue::Key;

type Event<K> = watcher::Event<PartialObjectMeta<K>>;

/// Calls `on_change` for every object of the kind in `scope` that appears, changes its version or goes, until `stop` is cancelled.
///
/// Those that exist at the start are told of too: one may have changed before the watch stood. Errors of the API server are logged
/// and tried again with growing pauses.
pub async fn watch_metadata<K>(client: Client, scope: Scope, on_change: impl Fn(&Key) + Send, stop: CancellationToken)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + std::fmt::Debug + Send + 'static,
{
    let api: Api<PartialObjectMeta<K>> = match &scope.namespace {
        Some(namespace) => Api::namespaced(client, namespace),
        None => Api::all(client),
    };
    let mut config = watcher::Config::default();
    if !scope.label_selector.is_empty() {
        config = config.labels(&scope.label_selector);
    }
    let mut versions = Versions::default();
    let mut events = std::pin::pin!(watcher(api, config).default_backoff());
    while let Some(Some(event)) = stop.run_until_cancelled(events.next()).await {
        match event {
            Ok(event) => versions.take(event).iter().for_each(&on_change),
            Err(error) => {
                tracing::error!(kind = %K::kind(&()), error = error_chain(&error), "the watch failed, trying again");
            }
        }
    }
}

/// The versions that were seen last.
#[derive(Debug, Default)]
struct Versions {
    known: HashMap<Key, String>,
    /// Known before a new list began, and not in it so far.
    vanished: HashMap<Key, String>,
}

impl Versions {
    /// The objects that the event says have changed.
    fn take<K: Resource<DynamicType = ()>>(&mut self, event: Event<K>) -> Vec<Key> {
        match event {
            Event::Init => {
                self.vanished.clone_from(&self.known);
                Vec::new()
            }
            Event::InitApply(object) => {
                self.vanished.remove(&key(&object));
                self.apply(&object)
            }
            Event::InitDone => {
                let gone: Vec<Key> = self.vanished.drain().map(|(key, _)| key).collect();
                for key in &gone {
                    self.known.remove(key);
                }
                gone
            }
            Event::Apply(object) => self.apply(&object),
            Event::Delete(object) => {
                let key = key(&object);
                self.known.remove(&key);
                vec![key]
            }
        }
    }

    fn apply<K: Resource<DynamicType = ()>>(&mut self, object: &PartialObjectMeta<K>) -> Vec<Key> {
        let (key, version) = (key(object), object.resource_version().unwrap_or_default());
        if self.known.insert(key.clone(), version.clone()) == Some(version) { Vec::new() } else { vec![key] }
    }
}

fn key<K: Resource<DynamicType = ()>>(object: &PartialObjectMeta<K>) -> Key {
    Key::new(object.namespace().unwrap_or_default(), object.name_any())
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Secret;
    use serde_json::json;

    use super::*;

    fn secret(name: &str, version: &str) -> PartialObjectMeta<Secret> {
        let object = json!({"metadata": {"name": name, "namespace": "apps", "resourceVersion": version}});
        serde_json::from_value(object).expect("the object has the form of metadata")
    }

    #[test]
    fn a_secret_is_told_of_when_its_version_changes_and_not_when_it_is_only_listed_again() {
        let mut versions = Versions::default();
        let table = [
            (Event::Init, vec![]),
            (Event::InitApply(secret("a", "1")), vec!["a"]),
            (Event::InitApply(secret("b", "2")), vec!["b"]),
            (Event::InitDone, vec![]),
            (Event::Apply(secret("a", "3")), vec!["a"]),
            (Event::Apply(secret("c", "4")), vec!["c"]),
            (Event::Delete(secret("c", "5")), vec!["c"]),
            (Event::Init, vec![]),
            (Event::InitApply(secret("a", "3")), vec![]),
            (Event::InitDone, vec!["b"]),
            (Event::Apply(secret("b", "2")), vec!["b"]),
        ];
        for (event, expected) in table {
            let text = format!("{event:?}");
            let names: Vec<String> = versions.take(event).into_iter().map(|key| key.name).collect();
            assert_eq!(names, expected, "{text}");
        }
    }
}
