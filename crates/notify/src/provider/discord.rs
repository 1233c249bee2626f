//! `discord`: Slack's message to the webhook's Slack-compatible side door.

use sluice_http_client::Url;

use super::RenderError;
use super::post_json::{address, request_to};
use super::slack::{payload, sender};
use crate::config::ProviderConfig;
use crate::event_text::by_severity;
use crate::notification::Notification;
use crate::request::OutboundRequest;

pub(super) fn render(notification: &Notification, config: &ProviderConfig) -> Result<OutboundRequest, RenderError> {
    let event = &notification.event;
    let mut body = payload(event, by_severity(event, "good", "danger"));
    body.username = sender(event, config);
    let mut url = address(config)?;
    // The whole address is looked at: one that ends in a query gets a second `/slack`, as it always has.
    if !config.address.expose().ends_with("/slack") {
        add_slack(&mut url);
    }
    request_to(url, &body)
}

/// Appends `/slack` to the path and takes empty segments out of it.
fn add_slack(url: &mut Url) {
    let segments: Vec<&str> = url.path().split('/').filter(|segment| !segment.is_empty()).collect();
    let path: String = segments.into_iter().chain(["slack"]).flat_map(|segment| ["/", segment]).collect();
    url.set_path(&path);
}
