//! `zoom`: a structured message to an incoming webhook of a chat bot.

use serde_json::{Value, json};

use super::RenderError;
use super::post_json::{address, request_to, set_header};
use crate::config::ProviderConfig;
use crate::event_text::object_id;
use crate::notification::Notification;
use crate::request::OutboundRequest;

pub(super) fn render(notification: &Notification, config: &ProviderConfig) -> Result<OutboundRequest, RenderError> {
    let token = config.token().ok_or(RenderError::setting("empty Zoom token"))?;
    let mut url = address(config)?;
    let format = url.query_pairs().find(|(name, _)| name == "format").map(|(_, value)| value.into_owned());
    if format.is_none_or(|format| format.is_empty()) {
        let others: Vec<(String, String)> =
            url.query_pairs().into_owned().filter(|(name, _)| name != "format").collect();
        url.query_pairs_mut().clear().extend_pairs(others).append_pair("format", "full");
    }
    let event = &notification.event;
    let mut body = vec![json!({"type": "message", "text": event.message})];
    if !event.metadata.is_empty() {
        let items: Vec<Value> = event.metadata.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
        body.push(json!({"type": "fields", "items": items}));
    }
    let head = json!({"text": object_id(event), "sub_head": {"text": event.severity.as_str()}});
    let mut out = request_to(url, &json!({"content": {"head": head, "body": body}}))?;
    set_header(&mut out.headers, "Authorization", token)?;
    Ok(out)
}
