//! Alerts, Providers and Receivers from memory: the servers' ports over caches that watches keep current on every replica.
//!
//! Deliberately not the dispatcher's cache of Receivers, which only the leader fills.

use std::collections::BTreeMap;
use std::sync::Arc;

use sluice_api::notification::{Alert, Provider, Receiver};
use sluice_runtime::cache::{Cache, Cached};
use sluice_runtime::queue::Key;
use sluice_runtime::recorder::{Involved, Notice, Recorder, Severity};

use crate::cluster::NotSynced;
use crate::events::ports::{AlertEvents, Catalog};
use crate::webhook::ReceiverIndex;

/// The three caches. Clones share the content.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Alerts.
    pub alerts: Cache<Alert>,
    /// Providers.
    pub providers: Cache<Provider>,
    /// Receivers, by the paths of their webhooks.
    pub receivers: Cache<Receiver>,
}

impl Default for Stores {
    fn default() -> Self {
        Self { alerts: Cache::default(), providers: Cache::default(), receivers: Cache::with_index(webhook_paths) }
    }
}

/// The path that a Receiver answers at; one without a path must not be found under the empty one.
fn webhook_paths(receiver: &Receiver) -> Vec<String> {
    let path = receiver.status.as_ref().and_then(|status| status.webhook_path.clone());
    path.filter(|path| !path.is_empty()).into_iter().collect()
}

fn synced<K: Cached>(cache: &Cache<K>) -> Result<&Cache<K>, NotSynced> {
    if cache.is_synced() { Ok(cache) } else { Err(NotSynced) }
}

impl Catalog for Stores {
    fn alerts(&self) -> Result<Vec<Arc<Alert>>, NotSynced> {
        Ok(synced(&self.alerts)?.all())
    }

    fn provider(&self, namespace: &str, name: &str) -> Result<Option<Arc<Provider>>, NotSynced> {
        Ok(synced(&self.providers)?.get(&Key::new(namespace, name)))
    }
}

impl ReceiverIndex for Stores {
    fn by_path(&self, path: &str) -> Result<Option<Arc<Receiver>>, NotSynced> {
        Ok(synced(&self.receivers)?.indexed(path).into_iter().next())
    }
}

/// Warnings on Alerts as Kubernetes events.
#[derive(Clone, Debug)]
pub struct AlertWarnings(Recorder);

impl AlertWarnings {
    /// Warnings through this recorder.
    pub fn new(recorder: Recorder) -> Self {
        Self(recorder)
    }
}

impl AlertEvents for AlertWarnings {
    fn warn(&self, alert: &Alert, reason: &str, message: &str, annotations: &BTreeMap<String, String>) {
        let notice = Notice::new(Severity::Error, reason, message).with_metadata(annotations.clone());
        self.0.record(&Involved::of(alert), None, notice);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sluice_runtime::cache::Entry;

    use super::*;
    use crate::fakes::object;

    #[test]
    fn nothing_is_known_before_the_first_list() {
        let stores = Stores::default();
        assert_eq!(stores.alerts().err(), Some(NotSynced));
        assert_eq!(stores.provider("apps", "chat").err(), Some(NotSynced));
        assert_eq!(stores.by_path("/hook/ab").err(), Some(NotSynced));
    }

    #[test]
    fn a_receiver_is_listed_under_its_path_and_never_under_an_empty_one() {
        let receivers = Stores::default().receivers;
        for (name, path) in [("web", json!("/hook/ab")), ("empty", json!("")), ("none", json!(null))] {
            let receiver: Receiver = object(json!({
                "apiVersion": "notification.toolkit.fluxcd.io/v1",
                "kind": "Receiver",
                "metadata": {"name": name, "namespace": "apps"},
                "spec": {"type": "generic", "resources": []},
                "status": {"webhookPath": path},
            }));
            receivers.put(&Key::new("apps", name), &Entry::Decoded(Arc::new(receiver)));
        }
        let names = |path: &str| -> Vec<Option<String>> {
            receivers.indexed(path).iter().map(|receiver| receiver.metadata.name.clone()).collect()
        };
        assert_eq!(names("/hook/ab"), [Some("web".to_owned())]);
        assert_eq!(names(""), []);
    }
}
