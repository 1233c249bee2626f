//! `pagerduty`: an error triggers an alert, everything else resolves it; an info is a change event as well. What only says that something is under
//! way is not told.

use serde_json::{Value, json};
use sluice_api::meta::{Event, EventSeverity};

use super::RenderError;
use super::post_json::{address_with_path, request_to};
use crate::config::ProviderConfig;
use crate::event_text::{by_severity, is_error, is_progressing, rfc3339, words};
use crate::notification::Notification;
use crate::step::Step;

pub(super) fn render(notification: &Notification, config: &ProviderConfig) -> Result<Step, RenderError> {
    let event = &notification.event;
    let alerts = address_with_path(config, "/v2/enqueue")?;
    if is_progressing(event) {
        return Ok(Step::Done);
    }
    let mut requests = vec![request_to(alerts, &alert(event, &config.channel))?];
    if event.severity == EventSeverity::Info {
        let changes = address_with_path(config, "/v2/change/enqueue")?;
        requests.push(request_to(changes, &json!({"routing_key": config.channel, "payload": payload(event)}))?);
    }
    Ok(Step::in_order(requests))
}

fn alert(event: &Event, routing_key: &str) -> Value {
    let object = &event.involved_object;
    let mut alert = json!({"routing_key": routing_key, "event_action": by_severity(event, "resolve", "trigger")});
    if !object.uid.is_empty() {
        alert["dedup_key"] = object.uid.as_str().into();
    }
    if is_error(event) {
        let mut payload = payload(event);
        payload["severity"] = event.severity.as_str().into();
        payload["component"] = object.name.as_str().into();
        payload["group"] = object.kind.as_str().into();
        alert["payload"] = payload;
    }
    alert
}

/// What both requests say.
fn payload(event: &Event) -> Value {
    let object = &event.involved_object;
    let metadata = (!event.metadata.is_empty()).then_some(&event.metadata);
    json!({
        "summary": format!("{}: {}/{}", words(&event.reason), object.kind.to_lowercase(), object.name),
        "source": format!("Flux {}", event.reporting_controller),
        "timestamp": rfc3339(event),
        "custom_details": {"message": event.message, "metadata": metadata},
    })
}
