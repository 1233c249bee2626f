//! What the two servers need from the API server, as ports, and their implementations over a kube client.
//!
//! Objects are touched as metadata only: neither server needs, or should see, a spec. Lists of Alerts, Providers and
//! Receivers are not read here; they come from stores that are kept by watches.

mod error;
mod kube_objects;
mod kube_secrets;
mod resource;

use std::collections::BTreeMap;

use futures::future::BoxFuture;
use kube::api::ObjectMeta;
use sluice_notify::SecretData;

use crate::labels::LabelSelector;

pub use error::{ClusterError, NotSynced};
pub use kube_objects::KubeObjects;
pub use kube_secrets::KubeSecrets;
pub use resource::{ObjectName, Resource, ResourceError, default_api_version};

/// Reads Secrets, at the time of asking.
pub trait Secrets: Send + Sync {
    /// The data of one Secret.
    fn read<'a>(&'a self, namespace: &'a str, name: &'a str) -> BoxFuture<'a, Result<SecretData, ClusterError>>;
}

/// Reads and annotates objects by their metadata.
pub trait Objects: Send + Sync {
    /// The labels of one object.
    fn labels<'a>(
        &'a self,
        resource: &'a Resource,
        object: &'a ObjectName,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, ClusterError>>;

    /// The metadata of one object, without `managedFields`.
    fn metadata<'a>(
        &'a self,
        resource: &'a Resource,
        object: &'a ObjectName,
    ) -> BoxFuture<'a, Result<ObjectMeta, ClusterError>>;

    /// The objects in a namespace that a selector matches: names and metadata, without `managedFields`.
    fn select<'a>(
        &'a self,
        resource: &'a Resource,
        namespace: &'a str,
        selector: &'a LabelSelector,
    ) -> BoxFuture<'a, Result<Vec<(ObjectName, ObjectMeta)>, ClusterError>>;

    /// Sets the annotation that asks the object's controller for a reconcile. `token` must differ from every earlier one.
    fn request_reconcile<'a>(
        &'a self,
        resource: &'a Resource,
        object: &'a ObjectName,
        token: &'a str,
    ) -> BoxFuture<'a, Result<(), ClusterError>>;
}
