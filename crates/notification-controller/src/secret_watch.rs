//! Which Secrets changed: their names and versions, from a watch that asks for metadata only.
//!
//! Deliberately not a [`sluice_runtime::cache::Cache`]: no Secret's data is fetched, let alone kept.

use std::collections::HashMap;

use futures::StreamExt;
use k8s_openapi::api::core::v1::Secret;
use kube::core::PartialObjectMeta;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Client, ResourceExt};
use sluice_runtime::cache::Scope;
use sluice_runtime::logging::error_chain;
use sluice_runtime::queue::Key;
use tokio_util::sync::CancellationToken;

type Event = watcher::Event<PartialObjectMeta<Secret>>;

/// Calls `on_change` for every Secret in `scope` that appears, changes its version or goes, until `stop` is cancelled.
///
/// The Secrets that exist at the start are told of too: one may have changed before the watch stood. Errors of the API server are logged
/// and tried again with growing pauses.
pub(crate) async fn watch(client: Client, scope: Scope, on_change: impl Fn(&Key) + Send, stop: CancellationToken) {
    let api: Api<PartialObjectMeta<Secret>> = match &scope.namespace {
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
            Err(error) => tracing::error!(error = error_chain(&error), "the watch of Secrets failed, trying again"),
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
    /// The Secrets that the event says have changed.
    fn take(&mut self, event: Event) -> Vec<Key> {
        match event {
            Event::Init => {
                self.vanished.clone_from(&self.known);
                Vec::new()
            }
            Event::InitApply(secret) => {
                self.vanished.remove(&key(&secret));
                self.apply(&secret)
            }
            Event::InitDone => {
                let gone: Vec<Key> = self.vanished.drain().map(|(key, _)| key).collect();
                for key in &gone {
                    self.known.remove(key);
                }
                gone
            }
            Event::Apply(secret) => self.apply(&secret),
            Event::Delete(secret) => {
                let key = key(&secret);
                self.known.remove(&key);
                vec![key]
            }
        }
    }

    fn apply(&mut self, secret: &PartialObjectMeta<Secret>) -> Vec<Key> {
        let (key, version) = (key(secret), secret.resource_version().unwrap_or_default());
        if self.known.insert(key.clone(), version.clone()) == Some(version) { Vec::new() } else { vec![key] }
    }
}

fn key(secret: &PartialObjectMeta<Secret>) -> Key {
    Key::new(secret.namespace().unwrap_or_default(), secret.name_any())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fakes::object;

    fn secret(name: &str, version: &str) -> PartialObjectMeta<Secret> {
        object(json!({"metadata": {"name": name, "namespace": "apps", "resourceVersion": version}}))
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
