//! `incident.io`: an alert event that fires with an error and resolves with anything else. What only says that something is under way is not told.

use std::collections::BTreeMap;

use serde::Serialize;

use super::RenderError;
use super::post_json::{bearer, request};
use crate::config::ProviderConfig;
use crate::event_text::{by_severity, is_progressing, object_id};
use crate::notification::Notification;
use crate::step::Step;

#[derive(Serialize)]
struct Alert<'a> {
    title: String,
    status: &'static str,
    deduplication_key: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    metadata: BTreeMap<&'a str, &'a str>,
}

pub(super) fn render(notification: &Notification, config: &ProviderConfig) -> Result<Step, RenderError> {
    let token = config.token().ok_or(RenderError::setting("empty incident.io token"))?;
    let event = &notification.event;
    let mut metadata: BTreeMap<&str, &str> =
        event.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    metadata.insert("severity", event.severity.as_str());
    metadata.insert("reason", &event.reason);
    if !event.reporting_controller.is_empty() {
        metadata.insert("reportingController", &event.reporting_controller);
    }
    let alert = Alert {
        title: format!("{}: {}", object_id(event), event.reason),
        status: by_severity(event, "resolved", "firing"),
        deduplication_key: &event.involved_object.uid,
        description: &event.message,
        metadata,
    };
    let mut out = request(config, &alert)?;
    bearer(&mut out.headers, token)?;
    Ok(if is_progressing(event) { Step::Done } else { Step::last(out) })
}
