//! `datadog`: an event in the event stream. Sent once: a repetition would be a second event.

use serde_json::json;

use super::RenderError;
use super::post_json::{address_with_path, request_to, set_header};
use crate::config::ProviderConfig;
use crate::event_text::{by_severity, unix_seconds};
use crate::notification::Notification;
use crate::request::{OutboundRequest, Retry};

pub(super) fn render(notification: &Notification, config: &ProviderConfig) -> Result<OutboundRequest, RenderError> {
    let token = config.token().ok_or(RenderError::setting("empty Datadog API key"))?;
    let event = &notification.event;
    let object = &event.involved_object;
    let own = [
        ("flux_reporting_controller", &event.reporting_controller),
        ("flux_reason", &event.reason),
        ("kube_kind", &object.kind),
        ("kube_name", &object.name),
        ("kube_namespace", &object.namespace),
    ];
    let metadata = event.metadata.iter().map(|(key, value)| (key.as_str(), value));
    let tags: Vec<String> =
        own.into_iter().chain(metadata).map(|(key, value)| format!("{key}:{value}").to_lowercase()).collect();
    let body = json!({
        "title": format!("Events from the {} {}/{}", object.kind, object.name, object.namespace),
        "text": event.message,
        "source_type_name": "fluxcd",
        "date_happened": unix_seconds(event),
        "alert_type": by_severity(event, "info", "error"),
        "tags": tags,
    });
    let mut out = request_to(address_with_path(config, "/api/v1/events")?, &body)?;
    out.retry = Retry::Never;
    set_header(&mut out.headers, "DD-API-KEY", token)?;
    Ok(out)
}
