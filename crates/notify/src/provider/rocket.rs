//! `rocket`: Slack's message in Rocket.Chat's colours, under the configured name only.

use super::RenderError;
use super::post_json::request;
use super::slack::payload;
use crate::config::ProviderConfig;
use crate::event_text::by_severity;
use crate::notification::Notification;
use crate::request::OutboundRequest;

pub(super) fn render(notification: &Notification, config: &ProviderConfig) -> Result<OutboundRequest, RenderError> {
    let event = &notification.event;
    let mut body = payload(event, by_severity(event, "#0076D7", "#FF0000"));
    body.channel = &config.channel;
    body.username = &config.username;
    request(config, &body)
}
