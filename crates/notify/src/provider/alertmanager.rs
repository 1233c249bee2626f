//! `alertmanager`: one alert that fires, whatever the severity; Alertmanager itself resolves it when nothing repeats it.

use std::collections::BTreeMap;

use serde::Serialize;
use sluice_api::meta::Event;

use super::RenderError;
use super::post_json::{basic, bearer, request};
use crate::config::ProviderConfig;
use crate::event_text::rfc3339;
use crate::notification::Notification;
use crate::request::OutboundRequest;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert<'a> {
    status: &'static str,
    labels: BTreeMap<&'a str, String>,
    annotations: BTreeMap<&'static str, &'a str>,
    starts_at: String,
    ends_at: &'static str,
}

pub(super) fn render(notification: &Notification, config: &ProviderConfig) -> Result<OutboundRequest, RenderError> {
    let event = &notification.event;
    let mut annotations = BTreeMap::from([("message", event.message.as_str())]);
    if let Some(summary) = event.metadata.get("summary") {
        annotations.insert("summary", summary);
    }
    let alert = Alert {
        status: "firing",
        labels: labels(event),
        annotations,
        starts_at: rfc3339(event),
        // Alertmanager takes this for a time that is not given.
        ends_at: "0001-01-01T00:00:00Z",
    };
    let mut out = request(config, &[alert])?;
    if !config.username.is_empty() && !config.password().is_empty() {
        basic(&mut out.headers, &config.username, config.password());
    } else if let Some(token) = config.token() {
        bearer(&mut out.headers, token)?;
    }
    Ok(out)
}

fn labels(event: &Event) -> BTreeMap<&str, String> {
    let metadata = event.metadata.iter().filter(|(key, _)| *key != "summary");
    let mut labels: BTreeMap<&str, String> = metadata.map(|(key, value)| (key.as_str(), value.clone())).collect();
    let object = &event.involved_object;
    labels.insert("alertname", format!("Flux{}{}", object.kind, title_case(&event.reason)));
    for (name, value) in [
        ("severity", event.severity.as_str()),
        ("reason", &event.reason),
        ("kind", &object.kind),
        ("name", &object.name),
        ("namespace", &object.namespace),
        ("reportingcontroller", &event.reporting_controller),
    ] {
        labels.insert(name, value.to_owned());
    }
    labels
}

/// The first letter of each word upper case, all others lower: `HealthCheckFailed` is one word.
fn title_case(text: &str) -> String {
    let mut inside = false;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if inside {
            out.extend(c.to_lowercase());
        } else {
            out.extend(c.to_uppercase());
        }
        inside = c.is_alphanumeric() || c == '_';
    }
    out
}
