//! `sentry`: an error as an error event, everything else as a transaction with one span, each in an envelope.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sluice_api::meta::Event;
use sluice_http_client::header::CONTENT_TYPE;
use sluice_http_client::{HeaderValue, Method, Url};

use super::RenderError;
use super::post_json::set_header;
use crate::config::ProviderConfig;
use crate::event_text::{go_json, is_error, object_title, rfc3339};
use crate::notification::Notification;
use crate::request::OutboundRequest;

const CLIENT: &str = concat!("sluice/", env!("CARGO_PKG_VERSION"));

/// The environment of who names none.
const ENVIRONMENT: &str = "production";

/// A client key as Sentry hands it out: `https://<key>[:<secret>]@<host>[/<path>]/<project>`.
struct Dsn {
    envelopes: Url,
    key: String,
    secret: Option<String>,
}

pub(super) fn render(notification: &Notification, config: &ProviderConfig) -> Result<OutboundRequest, RenderError> {
    let Dsn { envelopes, key, secret } = Dsn::parse(config.address.expose())?;
    let event = &notification.event;
    let id = hex::encode(notification.random::<16>(0));
    let environment = if config.channel.is_empty() { ENVIRONMENT } else { &config.channel };
    let (kind, mut item) =
        if is_error(event) { ("event", error(event)) } else { ("transaction", transaction(event, notification)) };
    for (name, value) in [
        ("event_id", id.as_str()),
        ("environment", environment),
        ("server_name", &event.reporting_controller),
        ("transaction", &object_title(event)),
        ("message", &event.message),
        ("platform", "go"),
    ] {
        item[name] = value.into();
    }
    let item = go_json(&item)?;
    let sent_at = notification.now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let head =
        json!({"event_id": id, "sent_at": sent_at, "sdk": {"name": "sluice", "version": env!("CARGO_PKG_VERSION")}});
    let item_head = json!({"type": kind, "length": item.len()});
    let body = [&go_json(&head)?[..], b"\n", &go_json(&item_head)?, b"\n", &item, b"\n"].concat();
    let mut out = OutboundRequest { body, ..OutboundRequest::new(Method::POST, envelopes) };
    out.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-sentry-envelope"));
    let secret = secret.map(|secret| format!(", sentry_secret={secret}")).unwrap_or_default();
    let auth = format!("Sentry sentry_version=7, sentry_client={CLIENT}, sentry_key={key}{secret}");
    set_header(&mut out.headers, "X-Sentry-Auth", &auth)?;
    Ok(out)
}

fn error(event: &Event) -> Value {
    json!({
        "timestamp": rfc3339(event),
        "level": "error",
        "contexts": {"metadata": event.metadata},
    })
}

fn transaction(event: &Event, notification: &Notification) -> Value {
    let object = &event.involved_object;
    let trace = hex::encode(notification.random::<16>(16));
    let span = hex::encode(notification.random::<8>(8));
    let child = hex::encode(notification.random::<8>(24));
    let mut tags: BTreeMap<&str, &str> = BTreeMap::from([
        ("flux_involved_object_kind", object.kind.as_str()),
        ("flux_involved_object_namespace", object.namespace.as_str()),
        ("flux_involved_object_name", object.name.as_str()),
        ("flux_reporting_controller", event.reporting_controller.as_str()),
        ("flux_reporting_instance", event.reporting_instance.as_str()),
        ("flux_reason", event.reason.as_str()),
    ]);
    tags.extend(event.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let time = rfc3339(event);
    json!({
        "type": "transaction",
        "start_timestamp": time,
        "timestamp": time,
        "contexts": {"trace": {"trace_id": trace, "span_id": span, "op": "event"}},
        "tags": tags,
        "spans": [{
            "trace_id": trace,
            "span_id": child,
            "parent_span_id": span,
            "op": "event",
            "description": event.message,
            "start_timestamp": time,
            "timestamp": time,
        }],
    })
}

impl Dsn {
    fn parse(text: &str) -> Result<Self, RenderError> {
        let invalid = || RenderError::setting("invalid Sentry DSN");
        if text.is_empty() {
            return Err(RenderError::setting("DSN cannot be empty"));
        }
        let mut url = Url::parse(text).map_err(|_| invalid())?;
        let (base, project) = url.path().rsplit_once('/').ok_or_else(invalid)?;
        let fine = matches!(url.scheme(), "http" | "https") && !url.username().is_empty() && !project.is_empty();
        if !fine {
            return Err(invalid());
        }
        let path = format!("{base}/api/{project}/envelope/");
        let (key, secret) = (url.username().to_owned(), url.password().map(str::to_owned));
        url.set_path(&path);
        url.set_query(None);
        url.set_fragment(None);
        url.set_username("").map_err(|()| invalid())?;
        url.set_password(None).map_err(|()| invalid())?;
        Ok(Self { envelopes: url, key, secret })
    }
}
