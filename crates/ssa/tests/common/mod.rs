//! What the tests against a real API server share.

use std::sync::Arc;

use anyhow::Context as _;
use kube::api::{Api, DynamicObject, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use sluice_manifest::{Object, normalize};
use sluice_ssa::{Applier, ApplyFailure, ApplyOptions, ChangeSet, Discovery};
use sluice_testkit::control_plane::ControlPlane;

pub struct Cluster {
    plane: ControlPlane,
    pub discovery: Arc<Discovery>,
}

impl Cluster {
    pub async fn start() -> anyhow::Result<Self> {
        let plane = ControlPlane::start().await?;
        let discovery = Arc::new(Discovery::new(plane.client()));
        Ok(Self { plane, discovery })
    }

    pub fn client(&self) -> kube::Client {
        self.plane.client()
    }

    /// An applier that acts as somebody who may do this and nothing else.
    pub async fn restricted(&self, rules: Value) -> anyhow::Result<Applier> {
        let name = json!({"name": "restricted"});
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": name,
            "rules": rules});
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": name,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "restricted"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "restricted"}]});
        self.log(&[role, binding]).await?;
        let mut config = self.plane.config();
        config.auth_info.impersonate = Some("restricted".to_owned());
        let client = kube::Client::try_from(config)?;
        Ok(Applier::new(client, "kustomize-controller", 4).with_discovery(self.discovery.clone()))
    }

    pub fn applier(&self) -> Applier {
        Applier::new(self.client(), "kustomize-controller", 4).with_discovery(self.discovery.clone())
    }

    pub async fn apply(&self, documents: &[Value]) -> Result<ChangeSet, ApplyFailure> {
        self.apply_with(documents, &ApplyOptions::default()).await
    }

    pub async fn apply_with(&self, documents: &[Value], options: &ApplyOptions) -> Result<ChangeSet, ApplyFailure> {
        let objects = documents.iter().map(|document| {
            let mut object = Object::new(document.clone()).expect("tests apply objects");
            normalize(&mut object);
            object
        });
        self.applier().apply(objects.collect(), options).await
    }

    /// The full change log of an apply that must succeed.
    pub async fn log(&self, documents: &[Value]) -> anyhow::Result<String> {
        Ok(self.apply(documents).await.map_err(|failure| anyhow::anyhow!(failure.text()))?.full_log())
    }

    pub fn api(&self, api_version: &str, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
        if namespace.is_empty() {
            Api::all_with(self.client(), &resource)
        } else {
            Api::namespaced_with(self.client(), namespace, &resource)
        }
    }

    pub async fn config_map(&self, name: &str) -> anyhow::Result<Value> {
        let live = self.api("v1", "ConfigMap", "default").get(name).await.with_context(|| name.to_owned())?;
        Ok(serde_json::to_value(live)?)
    }

    pub async fn exists(&self, kind: &str, name: &str) -> anyhow::Result<bool> {
        Ok(self.api("v1", kind, "default").get_opt(name).await?.is_some())
    }

    pub async fn edit(&self, name: &str, patch: &Value, manager: &str) -> anyhow::Result<()> {
        let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        self.api("v1", "ConfigMap", "default").patch(name, &params, &kube::api::Patch::Merge(patch)).await?;
        Ok(())
    }

    pub async fn create(&self, document: Value, manager: &str) -> anyhow::Result<()> {
        let object: DynamicObject = serde_json::from_value(document)?;
        let params = PostParams { dry_run: false, field_manager: Some(manager.to_owned()) };
        self.api("v1", "ConfigMap", "default").create(&params, &object).await?;
        Ok(())
    }
}

pub fn config_map(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"},
        "data": {"key": value}})
}

pub fn annotated(mut document: Value, key: &str, value: &str) -> Value {
    document["metadata"]["annotations"][format!("kustomize.toolkit.fluxcd.io/{key}")] = json!(value);
    document
}
