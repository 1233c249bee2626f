//! The ports in memory, for tests: what they hold is public, what was done to them is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use kube::api::ObjectMeta;
use sluice_api::meta::{Event, EventSeverity, ObjectReference};
use sluice_api::notification::{Alert, Provider, Receiver};
use sluice_notify::SecretData;

use crate::cluster::{ClusterError, NotSynced, ObjectName, Objects, Resource, Secrets};
use crate::events::ports::{AlertEvents, Catalog};
use crate::labels::LabelSelector;
use crate::webhook::ReceiverIndex;

/// A warning: alert, reason, message, annotations.
pub(crate) type Warning = (String, String, String, BTreeMap<String, String>);

/// Everything behind the ports. A path is `Kind/namespace/name`.
#[derive(Default)]
pub(crate) struct Cluster {
    pub(crate) alerts: Vec<Arc<Alert>>,
    pub(crate) providers: Vec<Arc<Provider>>,
    pub(crate) receivers: Vec<Arc<Receiver>>,
    pub(crate) is_synced: bool,
    /// By `namespace/name`.
    pub(crate) secrets: BTreeMap<String, SecretData>,
    /// Labels by path.
    pub(crate) objects: BTreeMap<String, BTreeMap<String, String>>,
    /// Paths whose patch fails.
    pub(crate) broken: BTreeSet<String>,
    pub(crate) warnings: Mutex<Vec<Warning>>,
    pub(crate) annotated: Mutex<Vec<String>>,
    pub(crate) label_reads: Mutex<usize>,
}

impl Cluster {
    pub(crate) fn warnings(&self) -> Vec<Warning> {
        self.warnings.lock().unwrap().clone()
    }

    pub(crate) fn annotated(&self) -> Vec<String> {
        self.annotated.lock().unwrap().clone()
    }
}

impl Catalog for Cluster {
    fn alerts(&self) -> Result<Vec<Arc<Alert>>, NotSynced> {
        if self.is_synced { Ok(self.alerts.clone()) } else { Err(NotSynced) }
    }

    fn provider(&self, namespace: &str, name: &str) -> Result<Option<Arc<Provider>>, NotSynced> {
        let is_it = |provider: &&Arc<Provider>| {
            provider.metadata.namespace.as_deref() == Some(namespace) && provider.metadata.name.as_deref() == Some(name)
        };
        Ok(self.providers.iter().find(is_it).cloned())
    }
}

impl AlertEvents for Cluster {
    fn warn(&self, alert: &Alert, reason: &str, message: &str, annotations: &BTreeMap<String, String>) {
        let name = alert.metadata.name.clone().unwrap_or_default();
        self.warnings.lock().unwrap().push((name, reason.to_owned(), message.to_owned(), annotations.clone()));
    }
}

impl ReceiverIndex for Cluster {
    fn by_path(&self, path: &str) -> Result<Option<Arc<Receiver>>, NotSynced> {
        if !self.is_synced {
            return Err(NotSynced);
        }
        let path_of = |receiver: &Receiver| receiver.status.as_ref().and_then(|status| status.webhook_path.clone());
        Ok(self.receivers.iter().find(|receiver| path_of(receiver).as_deref() == Some(path)).cloned())
    }
}

impl Secrets for Cluster {
    fn read<'a>(&'a self, namespace: &'a str, name: &'a str) -> BoxFuture<'a, Result<SecretData, ClusterError>> {
        let found = self.secrets.get(&format!("{namespace}/{name}")).cloned();
        let missing = move || ClusterError::Find(format!("secrets \"{name}\" not found"));
        async move { found.ok_or_else(missing) }.boxed()
    }
}

impl Objects for Cluster {
    fn labels<'a>(
        &'a self,
        resource: &'a Resource,
        object: &'a ObjectName,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, ClusterError>> {
        *self.label_reads.lock().unwrap() += 1;
        let found = self.objects.get(&path(resource, object)).cloned();
        async move { found.ok_or_else(|| ClusterError::Find("not found".to_owned())) }.boxed()
    }

    fn metadata<'a>(
        &'a self,
        resource: &'a Resource,
        object: &'a ObjectName,
    ) -> BoxFuture<'a, Result<ObjectMeta, ClusterError>> {
        let found = self.objects.get(&path(resource, object)).map(|labels| metadata(object, labels));
        async move { found.ok_or_else(|| ClusterError::Find("not found".to_owned())) }.boxed()
    }

    fn select<'a>(
        &'a self,
        resource: &'a Resource,
        namespace: &'a str,
        selector: &'a LabelSelector,
    ) -> BoxFuture<'a, Result<Vec<(ObjectName, ObjectMeta)>, ClusterError>> {
        let prefix = format!("{}/{namespace}/", resource.kind());
        let found = self.objects.iter().filter(|(_, labels)| selector.matches(labels)).filter_map(|(path, labels)| {
            let name = ObjectName::parse(namespace, path.strip_prefix(&prefix)?).unwrap();
            let metadata = metadata(&name, labels);
            Some((name, metadata))
        });
        let found = found.collect();
        async move { Ok(found) }.boxed()
    }

    fn request_reconcile<'a>(
        &'a self,
        resource: &'a Resource,
        object: &'a ObjectName,
        _token: &'a str,
    ) -> BoxFuture<'a, Result<(), ClusterError>> {
        let path = path(resource, object);
        let outcome = if !self.objects.contains_key(&path) {
            Err(ClusterError::Find(format!("{path} not found")))
        } else if self.broken.contains(&path) {
            Err(ClusterError::Request("denied".to_owned()))
        } else {
            self.annotated.lock().unwrap().push(format!("{} {path}", resource.api_version()));
            Ok(())
        };
        async move { outcome }.boxed()
    }
}

fn metadata(object: &ObjectName, labels: &BTreeMap<String, String>) -> ObjectMeta {
    ObjectMeta {
        name: Some(object.name().to_owned()),
        namespace: Some(object.namespace().to_owned()),
        labels: Some(labels.clone()),
        ..ObjectMeta::default()
    }
}

fn path(resource: &Resource, object: &ObjectName) -> String {
    format!("{}/{}/{}", resource.kind(), object.namespace(), object.name())
}

pub(crate) fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// An object from its JSON form.
pub(crate) fn object<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// An event of the Kustomization `apps/web`.
pub(crate) fn event(metadata: &[(&str, &str)]) -> Event {
    Event {
        involved_object: ObjectReference {
            kind: "Kustomization".to_owned(),
            namespace: "apps".to_owned(),
            name: "web".to_owned(),
            api_version: "kustomize.toolkit.fluxcd.io/v1".to_owned(),
            ..ObjectReference::default()
        },
        severity: EventSeverity::Info,
        message: "applied".to_owned(),
        reason: "ReconciliationSucceeded".to_owned(),
        metadata: map(metadata),
        reporting_controller: "kustomize-controller".to_owned(),
        ..Event::default()
    }
}
