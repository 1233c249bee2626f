//! `opsgenie`: an alert per event; those of one object and reason are one alert there.

use std::collections::BTreeMap;

use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::RenderError;
use super::post_json::{request, set_header};
use crate::config::ProviderConfig;
use crate::event_text::object_path;
use crate::notification::Notification;
use crate::request::OutboundRequest;

#[derive(Serialize)]
struct Alert<'a> {
    message: String,
    alias: String,
    description: &'a str,
    details: BTreeMap<&'a str, &'a str>,
}

pub(super) fn render(notification: &Notification, config: &ProviderConfig) -> Result<OutboundRequest, RenderError> {
    let token = config.token().ok_or(RenderError::setting("empty opsgenie apikey/token"))?;
    let event = &notification.event;
    let object = &event.involved_object;
    let mut details: BTreeMap<&str, &str> =
        event.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    details.insert("severity", event.severity.as_str());
    let alert = Alert {
        message: format!("{}/{}", object.kind, object.name),
        alias: hex::encode(Sha256::digest(format!("{}/{}/{}", config.uid, object_path(event), event.reason))),
        description: &event.message,
        details,
    };
    let mut out = request(config, &alert)?;
    set_header(&mut out.headers, "Authorization", &format!("GenieKey {token}"))?;
    Ok(out)
}
