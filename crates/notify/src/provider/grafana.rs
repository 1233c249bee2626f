//! `grafana`: an annotation through the API in Graphite's form.

use serde_json::json;

use super::RenderError;
use super::post_json::{basic, bearer, request};
use crate::config::ProviderConfig;
use crate::event_text::{object_id, unix_seconds};
use crate::notification::Notification;
use crate::request::OutboundRequest;

pub(super) fn render(notification: &Notification, config: &ProviderConfig) -> Result<OutboundRequest, RenderError> {
    let event = &notification.event;
    let object = &event.involved_object;
    // Grafana shows what is before a colon as the name of a tag.
    let plain = |text: &str| text.replace(':', "|");
    let mut tags = vec!["flux".to_owned(), event.reporting_controller.clone()];
    tags.extend(event.metadata.iter().map(|(key, value)| format!("{}: {}", plain(key), plain(value))));
    tags.extend(
        [("kind", &object.kind), ("name", &object.name), ("namespace", &object.namespace)]
            .map(|(name, value)| format!("{name}: {value}")),
    );
    let mut out = request(config, &json!({"when": unix_seconds(event), "text": object_id(event), "tags": tags}))?;
    if let Some(token) = config.token() {
        bearer(&mut out.headers, token)?;
    } else if !config.username.is_empty() && !config.password().is_empty() {
        basic(&mut out.headers, &config.username, config.password());
    }
    Ok(out)
}
