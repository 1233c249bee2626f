//! `slack`: one attachment per event, for an incoming webhook or for the Web API's `chat.postMessage`.
//!
//! The struct's fields are all written, the empty icons too: consumers of Slack-compatible webhooks rely on them.

use serde::Serialize;
use sluice_api::meta::{Event, EventSeverity};

use super::RenderError;
use super::post_json::{request, set_header};
use crate::config::ProviderConfig;
use crate::event_text::{first_line, object_id};
use crate::request::{Acceptance, OutboundRequest};

/// The one address whose answer says `ok` in the body; compared as written.
const WEB_API: &str = "https://slack.com/api/chat.postMessage";

#[derive(Serialize)]
struct Payload<'a> {
    channel: &'a str,
    username: &'a str,
    icon_url: &'static str,
    icon_emoji: &'static str,
    attachments: [Attachment<'a>; 1],
}

#[derive(Serialize)]
struct Attachment<'a> {
    fallback: String,
    color: &'static str,
    author_name: String,
    text: &'a str,
    mrkdwn_in: [&'static str; 1],
    fields: Vec<Field<'a>>,
}

#[derive(Serialize)]
struct Field<'a> {
    title: &'a str,
    value: &'a str,
    short: bool,
}

pub(super) fn render(event: &Event, config: &ProviderConfig) -> Result<OutboundRequest, RenderError> {
    let mut out = request(config, &payload(event, config))?;
    if let Some(token) = config.token.as_ref().filter(|token| !token.expose().is_empty()) {
        set_header(&mut out.headers, "Authorization", &format!("Bearer {}", token.expose()))?;
    }
    if config.address.expose() == WEB_API {
        out.acceptance = Acceptance::SlackOk;
    }
    Ok(out)
}

fn payload<'a>(event: &'a Event, config: &'a ProviderConfig) -> Payload<'a> {
    let id = object_id(event);
    let username = if config.username.is_empty() { &event.reporting_controller } else { &config.username };
    Payload {
        channel: &config.channel,
        username,
        icon_url: "",
        icon_emoji: "",
        attachments: [Attachment {
            fallback: format!("{id}: {}", first_line(&event.message)),
            color: if event.severity == EventSeverity::Error { "danger" } else { "good" },
            author_name: id,
            text: &event.message,
            mrkdwn_in: ["text"],
            fields: fields(event),
        }],
    }
}

fn fields(event: &Event) -> Vec<Field<'_>> {
    event.metadata.iter().map(|(title, value)| Field { title, value, short: false }).collect()
}
