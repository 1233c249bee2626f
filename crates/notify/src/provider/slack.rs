//! `slack`: one attachment per event, for an incoming webhook or for the Web API's `chat.postMessage`.
//!
//! The struct's fields are all written, the empty icons too: consumers of Slack-compatible webhooks rely on them.

use serde::Serialize;
use sluice_api::meta::Event;

use super::RenderError;
use super::post_json::{bearer, request};
use crate::config::ProviderConfig;
use crate::event_text::{by_severity, first_line, object_id};
use crate::notification::Notification;
use crate::request::{Acceptance, OutboundRequest};

/// The one address whose answer says `ok` in the body; compared as written.
const WEB_API: &str = "https://slack.com/api/chat.postMessage";

/// A message, in the form that Slack's webhooks and their imitators take.
#[derive(Serialize)]
pub(super) struct Payload<'a> {
    pub(super) channel: &'a str,
    pub(super) username: &'a str,
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

pub(super) fn render(notification: &Notification, config: &ProviderConfig) -> Result<OutboundRequest, RenderError> {
    let event = &notification.event;
    let mut body = payload(event, by_severity(event, "good", "danger"));
    body.channel = &config.channel;
    body.username = sender(event, config);
    body.attachments[0].fallback = format!("{}: {}", object_id(event), first_line(&event.message));
    let mut out = request(config, &body)?;
    if let Some(token) = config.token() {
        bearer(&mut out.headers, token)?;
    }
    if config.address.expose() == WEB_API {
        out.acceptance = Acceptance::SlackOk;
    }
    Ok(out)
}

/// The configured user, else the controller.
pub(super) fn sender<'a>(event: &'a Event, config: &'a ProviderConfig) -> &'a str {
    if config.username.is_empty() { &event.reporting_controller } else { &config.username }
}

/// The message without channel, user and fallback.
pub(super) fn payload<'a>(event: &'a Event, color: &'static str) -> Payload<'a> {
    let fields = event.metadata.iter().map(|(title, value)| Field { title, value, short: false });
    Payload {
        channel: "",
        username: "",
        icon_url: "",
        icon_emoji: "",
        attachments: [Attachment {
            fallback: String::new(),
            color,
            author_name: object_id(event),
            text: &event.message,
            mrkdwn_in: ["text"],
            fields: fields.collect(),
        }],
    }
}
