//! What the tests share: a management cluster with its objects, and questions to a target.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use kustomize_controller::cluster::{Clusters, Settings, Target, TargetError, TlsPolicy};
use prometheus_client::registry::Registry;
use serde_json::{Value, json};
use sluice_api::kustomize::Kustomization;
use sluice_cloud_identity::{Clock, Environment, Files, Platform};
use sluice_ssa::Discovery;
use sluice_testkit::control_plane::ControlPlane;
use sluice_workload_identity::{Identities, ServiceAccountIdentity, TokenMetrics};

pub(crate) const NAMESPACE: &str = "apps";

/// The controller, as far as it decides where to apply.
pub(crate) struct Rig {
    pub(crate) client: Client,
    pub(crate) discovery: Arc<Discovery>,
    pub(crate) clusters: Clusters,
    registry: Registry,
}

/// What a test sets.
pub(crate) struct Options {
    pub(crate) default_account: &'static str,
    pub(crate) default_kubeconfig_account: &'static str,
    pub(crate) gate: ServiceAccountIdentity,
    /// The token of the controller's own pod.
    pub(crate) own_token: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            default_account: "",
            default_kubeconfig_account: "",
            gate: ServiceAccountIdentity::Permitted,
            own_token: String::new(),
        }
    }
}

struct OwnToken(String);

impl Files for OwnToken {
    fn read(&self, _: &Path, _: usize) -> std::io::Result<Vec<u8>> {
        if self.0.is_empty() { Err(std::io::ErrorKind::NotFound.into()) } else { Ok(self.0.clone().into_bytes()) }
    }
}

impl Rig {
    pub(crate) fn new(plane: &ControlPlane, options: Options) -> anyhow::Result<Self> {
        let client = plane.client();
        let mut registry = Registry::default();
        let metrics = TokenMetrics::register(&mut registry);
        let platform = Platform::new(Environment::default(), Arc::new(OwnToken(options.own_token)), Clock::system());
        let identity = sluice_workload_identity::Settings {
            permission: options.gate,
            cache_size: 100,
            cache_duration: Duration::from_secs(3600),
        };
        let identities = Identities::new(client.clone(), platform, identity, metrics);
        let discovery = Arc::new(Discovery::new(client.clone()));
        let settings = Settings {
            default_service_account: options.default_account.to_owned(),
            default_kubeconfig_service_account: options.default_kubeconfig_account.to_owned(),
            tls: TlsPolicy::AlwaysVerify,
        };
        let clusters = Clusters::new(client.clone(), Arc::clone(&discovery), identities, settings)?;
        Ok(Self { client, discovery, clusters, registry })
    }

    pub(crate) async fn target(&self, spec: Value) -> Result<Target, TargetError> {
        self.clusters.target(&kustomization(spec)).await
    }

    /// The error that the object would show.
    pub(crate) async fn error(&self, spec: Value) -> String {
        match self.target(spec).await {
            Ok(target) => format!("no error but {target:?}"),
            Err(error) => chain(&error),
        }
    }

    /// The lines of the token cache's metrics per object.
    pub(crate) fn token_events(&self) -> Vec<String> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &self.registry).expect("metrics are text");
        text.lines().filter(|line| line.starts_with("gotk_token_cache_events_total")).map(str::to_owned).collect()
    }
}

/// A Kustomization with this besides what it must have.
pub(crate) fn kustomization(spec: Value) -> Kustomization {
    let mut full = json!({"interval": "1m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "s"}});
    if let Value::Object(spec) = spec {
        full.as_object_mut().expect("an object").extend(spec);
    }
    let object = json!({"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
        "metadata": {"name": "web", "namespace": NAMESPACE}, "spec": full});
    serde_json::from_value(object).expect("a Kustomization")
}

pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

/// Applies an object, with all rights.
pub(crate) async fn put(client: &Client, object: Value) -> anyhow::Result<()> {
    let object: DynamicObject = serde_json::from_value(object)?;
    let types = object.types.clone().context("types")?;
    let (group, version) = types.api_version.rsplit_once('/').unwrap_or(("", &types.api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, &types.kind));
    let name = object.metadata.name.clone().context("name")?;
    let api: Api<DynamicObject> = match &object.metadata.namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    api.patch(&name, &PatchParams::apply("test").force(), &Patch::Apply(&object)).await.context(name)?;
    Ok(())
}

/// A service account that may write `ConfigMap`s in the namespace.
pub(crate) async fn put_account(client: &Client, name: &str) -> anyhow::Result<()> {
    let metadata = json!({"name": name, "namespace": NAMESPACE});
    let group = "rbac.authorization.k8s.io";
    put(client, json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})).await?;
    let rules =
        json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["get", "create", "patch", "delete"]}]);
    put(client, json!({"apiVersion": format!("{group}/v1"), "kind": "Role", "metadata": metadata, "rules": rules}))
        .await?;
    let binding = json!({"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "Role", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": NAMESPACE}]});
    put(client, binding).await
}

/// A Secret of the own cluster with text.
pub(crate) async fn put_secret(client: &Client, name: &str, data: &[(&str, &str)]) -> anyhow::Result<()> {
    let data: serde_json::Map<String, Value> =
        data.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    let secrets: Api<Secret> = Api::namespaced(client.clone(), NAMESPACE);
    // Replaced as a whole, so that no key of an earlier one stays.
    let _ = secrets.delete(name, &kube::api::DeleteParams::default()).await;
    put(
        client,
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": NAMESPACE}, "stringData": data}),
    )
    .await
}

/// What becomes of writing a `ConfigMap` and then a Secret there: for each, `written`, or what the server says.
pub(crate) async fn writes(target: &Target) -> [String; 2] {
    let metadata = json!({"name": "written", "namespace": NAMESPACE});
    let mut said = [String::new(), String::new()];
    for (said, kind) in said.iter_mut().zip(["ConfigMap", "Secret"]) {
        let object = json!({"apiVersion": "v1", "kind": kind, "metadata": metadata});
        *said = match put(&target.client, object).await {
            Ok(()) => "written".to_owned(),
            Err(error) => match error.downcast_ref::<kube::Error>() {
                Some(kube::Error::Api(status)) => status.message.clone(),
                _ => format!("{error:#}"),
            },
        };
    }
    said
}

/// Whether the `ConfigMap` of [`writes`] is there.
pub(crate) async fn is_written(client: &Client) -> anyhow::Result<bool> {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), NAMESPACE);
    Ok(api.get_opt("written").await?.is_some())
}
