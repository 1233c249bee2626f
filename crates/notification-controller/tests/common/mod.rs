//! The built controller beside a control plane, and what a test does to both.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic as tests may")]

use std::path::PathBuf;
use std::time::Duration;

use k8s_openapi::api::core::v1::Event;
use kube::api::{ApiResource, DynamicObject, ListParams, PostParams};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::{Value, json};
use sluice_http_client::{ClientConfig, HttpClient, Proxy, Request};
use sluice_testkit::controller::Options;
use sluice_testkit::wait::free_ports;
use sluice_testkit::{ControlPlane, Controller, wait_until};

/// Far more than anything here takes, also beside a compiler.
pub(crate) const SOON: Duration = Duration::from_secs(30);
pub(crate) const NAMESPACE: &str = "apps";
pub(crate) const NOTIFICATION_V1: &str = "notification.toolkit.fluxcd.io/v1";
pub(crate) const NOTIFICATION_BETA: &str = "notification.toolkit.fluxcd.io/v1beta3";
pub(crate) const SOURCE_V1: &str = "source.toolkit.fluxcd.io/v1";

/// A control plane with the definitions and two namespaces.
pub(crate) async fn control_plane() -> ControlPlane {
    let cluster = ControlPlane::start().await.unwrap();
    cluster.install_crds().await.unwrap();
    for namespace in [NAMESPACE, "flux-system"] {
        cluster.create_namespace(namespace).await.unwrap();
    }
    cluster
}

/// A running notification-controller.
pub(crate) struct Replica {
    pub(crate) controller: Controller,
    events: u16,
    webhooks: u16,
    http: HttpClient,
}

impl Replica {
    /// Starts one with these further arguments and waits until it is ready.
    pub(crate) async fn start(cluster: &ControlPlane, arguments: &[&str]) -> Self {
        let [events, webhooks] = free_ports().unwrap();
        let path = PathBuf::from(env!("CARGO_BIN_EXE_notification-controller"));
        let mut options = Options::new("notification-controller", path, cluster.kubeconfig_path())
            .unwrap()
            .arg(format!("--events-addr=127.0.0.1:{events}"))
            .arg(format!("--receiverAddr=127.0.0.1:{webhooks}"));
        for argument in arguments {
            options = options.arg(*argument);
        }
        let controller = options.start().await.unwrap();
        let config = ClientConfig { proxy: Proxy::Direct, ..ClientConfig::default() };
        Self { controller, events, webhooks, http: HttpClient::new(&config).unwrap() }
    }

    /// The status code of a POST to the event server.
    pub(crate) async fn post_event(&self, event: &Value) -> u16 {
        self.post(self.events, "/", event).await
    }

    /// The status code of a POST to the webhook server.
    pub(crate) async fn post_webhook(&self, path: &str) -> u16 {
        self.post(self.webhooks, path, &json!({})).await
    }

    async fn post(&self, port: u16, path: &str, body: &Value) -> u16 {
        let url = format!("http://127.0.0.1:{port}{path}").parse().unwrap();
        self.http.send(&Request::post(url, body.to_string())).await.unwrap().status().as_u16()
    }

    /// Waits until a POST to `path` has this status: the caches follow the API server with a delay.
    pub(crate) async fn webhook_answers(&self, path: &str, status: u16) {
        let what = format!("{path} to answer {status}");
        wait_until(SOON, &what, async || Ok((self.post_webhook(path).await == status).then_some(()))).await.unwrap();
    }
}

/// The API of a kind in the tests' namespace.
pub(crate) fn api(client: &Client, api_version: &str, kind: &str) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind));
    Api::namespaced_with(client.clone(), NAMESPACE, &resource)
}

/// Creates an object; `more` is everything beside its name, such as `spec`.
pub(crate) async fn create(client: &Client, api_version: &str, kind: &str, name: &str, more: Value) -> DynamicObject {
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name}});
    merge(&mut object, more);
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    api(client, api_version, kind).create(&PostParams::default(), &object).await.unwrap()
}

fn merge(into: &mut Value, more: Value) {
    match (into, more) {
        (Value::Object(into), Value::Object(more)) => {
            for (key, value) in more {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, more) => *into = more,
    }
}

/// A Secret with this token, labelled so that its changes count at once.
pub(crate) async fn create_secret(client: &Client, name: &str, token: &str) {
    let labels = json!({"reconcile.fluxcd.io/watch": "Enabled"});
    create(client, "v1", "Secret", name, json!({"metadata": {"labels": labels}, "stringData": {"token": token}})).await;
}

/// Waits until the object satisfies `wanted`, and returns it.
pub(crate) async fn wait_for(
    api: &Api<DynamicObject>,
    name: &str,
    what: &str,
    wanted: impl Fn(&DynamicObject) -> bool,
) -> DynamicObject {
    let found = wait_until(SOON, what, async || {
        let object = api.get(name).await?;
        anyhow::ensure!(wanted(&object), "it is {}", serde_json::to_string(&object)?);
        Ok(Some(object))
    });
    found.await.unwrap()
}

/// Waits until the object is gone.
pub(crate) async fn wait_gone(api: &Api<DynamicObject>, name: &str) {
    let gone = wait_until(SOON, "the object to go", async || Ok(api.get_opt(name).await?.is_none().then_some(())));
    gone.await.unwrap();
}

/// Waits for a Kubernetes event about an object; returns its type and message.
pub(crate) async fn wait_for_event(client: &Client, kind: &str, name: &str, reason: &str) -> (String, String) {
    let api: Api<Event> = Api::namespaced(client.clone(), NAMESPACE);
    let fields = format!("involvedObject.kind={kind},involvedObject.name={name},reason={reason}");
    let what = format!("the event {reason}");
    let found = wait_until(SOON, &what, async || {
        let found = api.list(&ListParams::default().fields(&fields)).await?;
        Ok(found.items.into_iter().next())
    });
    let event = found.await.unwrap();
    assert_eq!(event.reporting_component.as_deref(), Some("notification-controller"));
    (event.type_.unwrap_or_default(), event.message.unwrap_or_default())
}

/// The object's `status.conditions` as type, status, reason and message.
pub(crate) fn conditions(object: &DynamicObject) -> Vec<[String; 4]> {
    let list = object.data.pointer("/status/conditions").and_then(Value::as_array).cloned().unwrap_or_default();
    let text = |condition: &Value, field: &str| condition[field].as_str().unwrap_or_default().to_owned();
    list.iter().map(|condition| ["type", "status", "reason", "message"].map(|field| text(condition, field))).collect()
}
