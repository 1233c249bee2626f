//! `webex`: a message in Markdown to a room.

use serde::Serialize;

use super::RenderError;
use super::post_json::{bearer, request};
use crate::config::ProviderConfig;
use crate::event_text::{by_severity, metadata_lines, object_id};
use crate::notification::Notification;
use crate::request::OutboundRequest;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Payload<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    room_id: &'a str,
    markdown: String,
}

pub(super) fn render(notification: &Notification, config: &ProviderConfig) -> Result<OutboundRequest, RenderError> {
    let event = &notification.event;
    let (emoji, id) = (by_severity(event, "✅", "💣"), object_id(event));
    let metadata = metadata_lines(event, |key, value| format!(">**{key}**: {value}\n"));
    let markdown = format!("{emoji} **{id}**\n{}\n{metadata}", event.message);
    let mut out = request(config, &Payload { room_id: &config.channel, markdown })?;
    // Also without a token: the refusal then says what is missing.
    bearer(&mut out.headers, config.token().unwrap_or_default())?;
    Ok(out)
}
