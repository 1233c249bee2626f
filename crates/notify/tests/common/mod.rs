//! A delivery from the objects on, as the controller makes it, against a real server.

use std::time::Duration;

use serde_json::{Value, json};
use sluice_api::meta::Event;
use sluice_api::notification::Provider;
use sluice_http_client::RetryPolicy;
use sluice_notify::secret::resolve;
use sluice_notify::{AlertReference, Clients, Context, Notification, SecretData, Secrets, prepare};

const DEADLINE: Duration = Duration::from_secs(20);

/// An event of the Kustomization `apps/web` with its merged metadata.
pub(crate) fn event(severity: &str, reason: &str, message: &str) -> Event {
    serde_json::from_value(json!({
        "involvedObject": {
            "kind": "Kustomization", "namespace": "apps", "name": "web", "uid": "u-1",
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        },
        "severity": severity,
        "timestamp": "2026-01-02T03:04:05Z",
        "message": message,
        "reason": reason,
        "metadata": {"revision": "main@sha1:abc", "summary": "prod <eu>"},
        "reportingController": "kustomize-controller",
    }))
    .unwrap()
}

/// Delivers an event through a Provider with this spec and this Secret. The error is the chain's text.
pub(crate) async fn deliver(spec: &Value, secret: &[(&str, &str)], event: Event) -> Result<(), String> {
    let provider: Provider = serde_json::from_value(json!({
        "apiVersion": "notification.toolkit.fluxcd.io/v1beta3",
        "kind": "Provider",
        "metadata": {"name": "p", "namespace": "apps", "uid": "p-1"},
        "spec": spec,
    }))
    .unwrap();
    let secret: SecretData = secret.iter().copied().collect();
    let secrets = Secrets { secret: Some(secret), ..Secrets::default() };
    let config = resolve(&provider, &secrets).map_err(|error| chain(&error))?;
    let client = Clients::default().get(&config).map_err(|error| chain(&error))?;
    let context = Context { client: &client, identity: None, retry: &RetryPolicy::NEVER };
    let prepared = prepare(config, &context).await.map_err(|error| chain(&error))?;
    let now = "2026-01-02T03:04:06Z".parse().unwrap();
    let notification = Notification::new(event, AlertReference::default(), now, [7; 32]);
    let delivery = prepared.deliver(&notification).map_err(|error| chain(&error))?;
    let masks = delivery.masks().clone();
    delivery.send(&RetryPolicy::NEVER, DEADLINE).await.map_err(|error| masks.apply(&chain(&error)))
}

fn chain(error: &dyn std::error::Error) -> String {
    let texts = std::iter::successors(Some(error), |&error| error.source()).map(ToString::to_string);
    texts.collect::<Vec<_>>().join(": ")
}
