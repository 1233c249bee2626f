//! `msteams`: an Adaptive Card for a workflow's address, a connector card for the connectors that are being retired.

use serde_json::{Value, json};
use sluice_api::meta::Event;

use super::RenderError;
use super::post_json::{address, request_to};
use crate::config::ProviderConfig;
use crate::event_text::{by_severity, is_error, object_id};
use crate::notification::Notification;
use crate::request::OutboundRequest;

/// Hosts of the connectors.
const CONNECTORS: &str = ".webhook.office.com";

pub(super) fn render(notification: &Notification, config: &ProviderConfig) -> Result<OutboundRequest, RenderError> {
    let event = &notification.event;
    let url = address(config)?;
    let is_connector = url.host_str().unwrap_or_default().ends_with(CONNECTORS);
    let body = if is_connector { connector_card(event) } else { adaptive_card(event) };
    request_to(url, &body)
}

fn connector_card(event: &Event) -> Value {
    let facts: Vec<Value> = event.metadata.iter().map(|(name, value)| json!({"name": name, "value": value})).collect();
    json!({
        "@type": "MessageCard",
        "@context": "http://schema.org/extensions",
        "themeColor": by_severity(event, "0076D7", "FF0000"),
        "summary": object_id(event),
        "sections": [{"activityTitle": event.message, "activitySubtitle": object_id(event), "facts": facts}],
    })
}

fn adaptive_card(event: &Event) -> Value {
    let mut message = json!({"type": "TextBlock", "text": event.message, "wrap": true});
    if is_error(event) {
        message["color"] = "attention".into();
    }
    let title =
        json!({"type": "TextBlock", "text": object_id(event), "size": "large", "weight": "bolder", "wrap": true});
    let mut facts: Vec<_> = event.metadata.iter().collect();
    facts.sort_by_key(|(key, _)| (*key != "summary", *key));
    let facts: Vec<Value> = facts.into_iter().map(|(key, value)| json!({"title": key, "value": value})).collect();
    let mut fact_set = json!({"type": "FactSet"});
    if !facts.is_empty() {
        fact_set["facts"] = facts.into();
    }
    let content = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": {"width": "Full"},
        "body": [{"type": "Container", "items": [title, message, fact_set]}],
    });
    let attachment = json!({"contentType": "application/vnd.microsoft.card.adaptive", "content": content});
    json!({"type": "message", "attachments": [attachment]})
}
