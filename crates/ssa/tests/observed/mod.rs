//! A control plane with a watched, labelled set of objects.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::{ApiResource, GroupVersionKind};
use serde_json::{Value, json};
use sluice_manifest::{GroupKind, Gvk, Object, ObjectId, Owner};
use sluice_ssa::{
    Access, DesiredDigest, Discovery, Drift, FailFast, HealthOptions, HealthTarget, IfAbsent, Observer,
    ObserverSettings,
};
use sluice_testkit::control_plane::ControlPlane;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

pub const MANAGER: &str = "kustomize-controller";

pub struct World {
    pub plane: ControlPlane,
    pub discovery: Arc<Discovery>,
}

impl World {
    pub async fn start() -> anyhow::Result<Self> {
        let plane = ControlPlane::start().await?;
        let discovery = Arc::new(Discovery::new(plane.client()));
        Ok(Self { plane, discovery })
    }

    pub fn observer(&self, client: kube::Client) -> (Observer, mpsc::UnboundedReceiver<Drift>) {
        let (send, drifts) = mpsc::unbounded_channel();
        let on_drift = Arc::new(move |drift| drop(send.send(drift)));
        let settings = ObserverSettings { on_drift, ..ObserverSettings::new(MANAGER) };
        (Observer::new(client, Arc::clone(&self.discovery), settings), drifts)
    }

    /// An observer of one kind whose watch is synced.
    pub async fn watching(
        &self,
        client: kube::Client,
        api_version: &str,
        kind: &str,
    ) -> anyhow::Result<(Observer, mpsc::UnboundedReceiver<Drift>)> {
        let (observer, drifts) = self.observer(client);
        let gvk = Gvk::new(api_version, kind);
        observer.watch(&self.discovery.resolve(&gvk).await?);
        let of = GroupKind { group: gvk.group, kind: gvk.kind };
        until("the watch to be synced", || observer.is_watched(&of)).await?;
        Ok((observer, drifts))
    }

    /// A client that may do this and nothing else.
    pub async fn restricted(
        &self,
        user: &str,
        group: &str,
        resource: &str,
        verbs: &[&str],
    ) -> anyhow::Result<kube::Client> {
        let rbac = "rbac.authorization.k8s.io";
        self.apply(json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRole", "metadata": {"name": user},
            "rules": [{"apiGroups": [group], "resources": [resource], "verbs": verbs}]}))
            .await?;
        self.apply(
            json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRoleBinding", "metadata": {"name": user},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": user},
            "subjects": [{"apiGroup": rbac, "kind": "User", "name": user}]}),
        )
        .await?;
        let mut config = self.plane.config();
        config.auth_info.impersonate = Some(user.to_owned());
        Ok(kube::Client::try_from(config)?)
    }

    pub fn api(&self, object: &Object) -> Api<DynamicObject> {
        let gvk = object.gvk();
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(&gvk.group, &gvk.version, &gvk.kind));
        match object.namespace() {
            "" => Api::all_with(self.plane.client(), &resource),
            namespace => Api::namespaced_with(self.plane.client(), namespace, &resource),
        }
    }

    /// Applies as we do, and returns what the server made of it.
    pub async fn apply(&self, document: Value) -> anyhow::Result<Object> {
        let object = Object::new(document)?;
        let params = PatchParams::apply(MANAGER).force();
        let live = self.api(&object).patch(object.name(), &params, &Patch::Apply(object.as_map())).await;
        Ok(Object::new(serde_json::to_value(live.with_context(|| object.id().to_string())?)?)?)
    }

    /// Applies and records it.
    pub async fn apply_recorded(
        &self,
        observer: &Observer,
        document: Value,
    ) -> anyhow::Result<(Object, DesiredDigest)> {
        let desired = DesiredDigest::of(&Object::new(document.clone())?);
        let _writing = observer.writing(&owner());
        let live = self.apply(document).await?;
        observer.applied(&live.id(), &live, desired);
        Ok((live, desired))
    }

    /// Edits as somebody else does. Returns the version that this made.
    pub async fn edit(&self, object: &Object, manager: &str, patch: &Value) -> anyhow::Result<u64> {
        let params = PatchParams { field_manager: Some(manager.to_owned()), ..PatchParams::default() };
        let live = self.api(object).patch(object.name(), &params, &Patch::Merge(patch)).await?;
        Ok(live.metadata.resource_version.context("no version")?.parse()?)
    }

    pub async fn set_status(&self, object: &Object, status: Value) -> anyhow::Result<()> {
        let params =
            PatchParams { field_manager: Some("kube-controller-manager".to_owned()), ..PatchParams::default() };
        self.api(object).patch_status(object.name(), &params, &Patch::Merge(&json!({"status": status}))).await?;
        Ok(())
    }
}

pub fn owner() -> Owner {
    Owner { name: "apps".into(), namespace: "flux-system".into() }
}

/// The document with the owner's labels, in the namespace `default`.
pub fn ours(mut document: Value) -> Value {
    document["metadata"]["namespace"] = json!("default");
    document["metadata"]["labels"] = json!({"app": "web", "kustomize.toolkit.fluxcd.io/name": "apps",
        "kustomize.toolkit.fluxcd.io/namespace": "flux-system"});
    document
}

pub fn config_map(name: &str, value: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"key": value}})
}

pub fn workload(kind: &str, name: &str) -> Value {
    let labels = json!({"app": name});
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": {
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}}}})
}

pub fn deployment_status(generation: i64, ready: i64) -> Value {
    json!({"observedGeneration": generation, "replicas": 1, "updatedReplicas": 1, "readyReplicas": ready,
        "availableReplicas": ready, "conditions": [
            {"type": "Available", "status": "True", "reason": "MinimumReplicasAvailable"},
            {"type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable"}]})
}

pub fn target(live: &Object) -> HealthTarget {
    HealthTarget {
        id: live.id(),
        version: live.version().to_owned(),
        min_resource_version: live.resource_version().parse().ok(),
        if_absent: IfAbsent::Wait,
    }
}

pub fn named(kind: &str, name: &str) -> HealthTarget {
    let id = ObjectId { group: String::new(), kind: kind.into(), namespace: "default".into(), name: name.into() };
    HealthTarget { id, version: "v1".into(), min_resource_version: None, if_absent: IfAbsent::Wait }
}

pub fn options(timeout: Duration) -> HealthOptions {
    HealthOptions {
        timeout,
        fail_fast: FailFast::Yes,
        checks: Arc::default(),
        order: sluice_ssa::ReaderOrder::JobFirst,
    }
}

pub fn watched(observer: &Observer) -> Access {
    Access::Watched(observer.clone())
}

/// Long enough for a machine that is busy with other things.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub async fn until(what: &str, mut condition: impl FnMut() -> bool) -> anyhow::Result<()> {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.with_context(|| format!("wait for {what}"))
}

/// A connection to the API server that can be cut, as by a restart of the server.
pub struct Cable {
    pub client: kube::Client,
    is_cut: Arc<AtomicBool>,
    server: tokio::task::JoinHandle<()>,
}

impl Cable {
    pub async fn new(plane: &ControlPlane) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let mut config = plane.config();
        config.cluster_url = format!("https://{}", listener.local_addr()?).parse()?;
        let upstream = plane.url().trim_start_matches("https://").to_owned();
        let is_cut = Arc::new(AtomicBool::new(false));
        let cut = Arc::clone(&is_cut);
        let server = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                let (cut, upstream) = (Arc::clone(&cut), upstream.clone());
                connections.spawn(async move {
                    if cut.load(Ordering::SeqCst) {
                        return;
                    }
                    let Ok(mut far) = TcpStream::connect(upstream).await else { return };
                    let is_cut = async {
                        while !cut.load(Ordering::SeqCst) {
                            tokio::time::sleep(Duration::from_millis(5)).await;
                        }
                    };
                    tokio::select! {
                        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                        () = is_cut => {}
                    }
                });
            }
        });
        Ok(Self { client: kube::Client::try_from(config)?, is_cut, server })
    }

    pub fn cut(&self) {
        self.is_cut.store(true, Ordering::SeqCst);
    }

    pub fn mend(&self) {
        self.is_cut.store(false, Ordering::SeqCst);
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.server.abort();
    }
}
