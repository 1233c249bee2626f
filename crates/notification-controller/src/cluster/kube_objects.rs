//! Metadata of objects through a kube client.

use std::collections::BTreeMap;

use futures::FutureExt;
use futures::future::BoxFuture;
use kube::api::{DynamicObject, ListParams, ObjectMeta, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use sluice_api::constants::annotation::REQUESTED_AT;

use super::{ClusterError, ObjectName, Objects, Resource};
use crate::labels::LabelSelector;

/// Objects per list page.
const PAGE: u32 = 500;

/// Most objects that one selector may match: one webhook call must not become an unbounded number of patches.
const MAX_SELECTED: usize = 5_000;

/// Objects at the API server.
#[derive(Clone)]
pub struct KubeObjects(Client);

impl KubeObjects {
    /// Reads and patches with this client's rights.
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    fn api(&self, resource: &Resource, namespace: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.0.clone(), namespace, resource.api_resource())
    }

    async fn list(
        &self,
        resource: &Resource,
        namespace: &str,
        selector: &LabelSelector,
    ) -> Result<Vec<(ObjectName, ObjectMeta)>, ClusterError> {
        let api = self.api(resource, namespace);
        let mut params = ListParams::default().labels(&selector.to_query()).limit(PAGE);
        let mut found = Vec::new();
        loop {
            let page = api.list_metadata(&params).await?;
            for object in page.items {
                let name = object.metadata.name.as_deref().unwrap_or_default();
                let name =
                    ObjectName::parse(namespace, name).map_err(|error| ClusterError::Request(error.to_string()))?;
                found.push((name, slim(object.metadata)));
            }
            if found.len() > MAX_SELECTED {
                return Err(ClusterError::BoundList(MAX_SELECTED));
            }
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => params = params.continue_token(&token),
                None => return Ok(found),
            }
        }
    }
}

/// Metadata without the part that is larger than all the rest and that nobody looks at: thousands of objects may be held at once.
fn slim(mut metadata: ObjectMeta) -> ObjectMeta {
    metadata.managed_fields = None;
    metadata
}

impl Objects for KubeObjects {
    fn labels<'a>(
        &'a self,
        resource: &'a Resource,
        object: &'a ObjectName,
    ) -> BoxFuture<'a, Result<BTreeMap<String, String>, ClusterError>> {
        async move {
            let found = self.api(resource, object.namespace()).get_metadata(object.name()).await?;
            Ok(found.metadata.labels.unwrap_or_default())
        }
        .boxed()
    }

    fn metadata<'a>(
        &'a self,
        resource: &'a Resource,
        object: &'a ObjectName,
    ) -> BoxFuture<'a, Result<ObjectMeta, ClusterError>> {
        async move { Ok(slim(self.api(resource, object.namespace()).get_metadata(object.name()).await?.metadata)) }
            .boxed()
    }

    fn select<'a>(
        &'a self,
        resource: &'a Resource,
        namespace: &'a str,
        selector: &'a LabelSelector,
    ) -> BoxFuture<'a, Result<Vec<(ObjectName, ObjectMeta)>, ClusterError>> {
        self.list(resource, namespace, selector).boxed()
    }

    fn request_reconcile<'a>(
        &'a self,
        resource: &'a Resource,
        object: &'a ObjectName,
        token: &'a str,
    ) -> BoxFuture<'a, Result<(), ClusterError>> {
        async move {
            let patch = Patch::Merge(json!({"metadata": {"annotations": {REQUESTED_AT: token}}}));
            let api = self.api(resource, object.namespace());
            api.patch_metadata(object.name(), &PatchParams::default(), &patch).await?;
            Ok(())
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests;
