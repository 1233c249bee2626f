//! `telegram`: a bot's message in Telegram's dialect of Markdown, to a chat or one of its threads.

use serde::Serialize;

use super::RenderError;
use super::post_json::{parse_address, request_to};
use crate::config::ProviderConfig;
use crate::event_text::{by_severity, metadata_lines};
use crate::notification::Notification;
use crate::request::OutboundRequest;

/// The characters that mean something; a backslash before one makes it plain.
const SPECIAL: &str = r"\.-_[]()~>`#+=|{}!*";

#[derive(Serialize)]
struct Payload<'a> {
    chat_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_thread_id: Option<&'a str>,
    text: String,
    parse_mode: &'static str,
}

pub(super) fn render(notification: &Notification, config: &ProviderConfig) -> Result<OutboundRequest, RenderError> {
    if config.channel.is_empty() {
        return Err(RenderError::setting("empty Telegram channel"));
    }
    let token = config.token().ok_or(RenderError::setting("empty Telegram token"))?;
    let url = parse_address(&format!("https://api.telegram.org/bot{token}/sendMessage"))?;
    let (chat_id, thread) = match config.channel.split_once(':') {
        Some((chat, thread)) => (chat, Some(thread)),
        None => (config.channel.as_str(), None),
    };
    let event = &notification.event;
    let object = &event.involved_object;
    let id = format!("{}/{}/{}", object.kind.to_lowercase(), object.name, object.namespace);
    let heading = escape(&format!("{} {id}", by_severity(event, "💫", "🚨")));
    let metadata = metadata_lines(event, |key, value| format!("\\- *{}*: {}\n", escape(key), escape(value)));
    let text = format!("*{heading}*\n{}\n{metadata}", escape(&event.message));
    request_to(url, &Payload { chat_id, message_thread_id: thread, text, parse_mode: "MarkdownV2" })
}

fn escape(text: &str) -> String {
    text.chars().flat_map(|c| SPECIAL.contains(c).then_some('\\').into_iter().chain([c])).collect()
}
