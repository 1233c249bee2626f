//! `lark`: an interactive card to a bot's webhook. The answer's body is not looked at.

use serde_json::json;

use super::RenderError;
use super::post_json::request;
use crate::config::ProviderConfig;
use crate::event_text::{by_severity, metadata_lines, object_id};
use crate::notification::Notification;
use crate::request::OutboundRequest;

pub(super) fn render(notification: &Notification, config: &ProviderConfig) -> Result<OutboundRequest, RenderError> {
    let event = &notification.event;
    let (emoji, template) = by_severity(event, ("💫", "turquoise"), ("🚨", "red"));
    let metadata = metadata_lines(event, |key, value| format!("{key}: {value}\n"));
    let content = format!("**{}**\n\n{metadata}", event.message);
    let title = json!({"tag": "plain_text", "content": format!("{emoji} {}", object_id(event))});
    let card = json!({
        "config": {"wide_screen_mode": true},
        "header": {"title": title, "template": template},
        "elements": [{"tag": "div", "text": {"tag": "lark_md", "content": content}}],
    });
    request(config, &json!({"msg_type": "interactive", "card": card}))
}
