//! `googlechat`: a card with the message and, in a section of its own, the metadata.

use serde_json::{Value, json};

use super::RenderError;
use super::post_json::request;
use crate::config::ProviderConfig;
use crate::event_text::{is_error, object_id};
use crate::notification::Notification;
use crate::request::OutboundRequest;

pub(super) fn render(notification: &Notification, config: &ProviderConfig) -> Result<OutboundRequest, RenderError> {
    let event = &notification.event;
    let text = if is_error(event) {
        format!("<font color=\"#ff0000\">{}</font>", event.message)
    } else {
        event.message.clone()
    };
    let message = json!({"textParagraph": {"text": text}, "keyValue": null});
    let mut sections = vec![json!({"header": "", "widgets": [message]})];
    if !event.metadata.is_empty() {
        let widgets: Vec<Value> = event.metadata.iter().map(|(key, value)| widget(key, value)).collect();
        sections.push(json!({"header": "", "widgets": widgets}));
    }
    let header = json!({
        "title": object_id(event),
        "subtitle": event.reporting_controller,
        "imageUrl": null,
        "imageStyle": null,
    });
    request(config, &json!({"cards": [{"header": header, "sections": sections}]}))
}

fn widget(key: &str, value: &str) -> Value {
    let key_value =
        json!({"topLabel": key, "content": value, "contentMultiline": false, "bottomLabel": null, "icon": null});
    json!({"textParagraph": null, "keyValue": key_value})
}
