//! `otel`: a span per event by OTLP over HTTP, in protobuf. Events of one revision that one Alert tells are one trace.
//!
//! Events about Helm repositories are not told: what follows from them is about charts.

use sha2::{Digest as _, Sha256};
use sluice_api::meta::Event;
use sluice_http_client::header::CONTENT_TYPE;
use sluice_http_client::{HeaderValue, Method};

use super::RenderError;
use super::post_json::{address, basic, bearer, set_header};
use crate::config::ProviderConfig;
use crate::event_text::{is_error, object_title, unix_seconds};
use crate::notification::{AlertReference, Notification};
use crate::request::OutboundRequest;
use crate::step::Step;

mod protobuf;

use protobuf::Message;

/// Of the names of the resource's attributes.
const SCHEMA: &str = "https://opentelemetry.io/schemas/1.34.0";
const SCOPE: &str = "flux:notification-controller";

const KIND_INTERNAL: u64 = 1;
const STATUS_OK: u64 = 1;
const STATUS_ERROR: u64 = 2;

pub(super) fn render(notification: &Notification, config: &ProviderConfig) -> Result<Step, RenderError> {
    let mut url = address(config)?;
    if matches!(url.path(), "" | "/") {
        url.set_path("/v1/traces");
    }
    let mut out = OutboundRequest { body: request(notification), ..OutboundRequest::new(Method::POST, url) };
    authorize(&mut out, config)?;
    for (name, value) in &config.headers {
        set_header(&mut out.headers, name, value.expose())?;
    }
    out.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
    let is_told = notification.event.involved_object.kind != "HelmRepository";
    Ok(if is_told { Step::last(out) } else { Step::Done })
}

/// Credentials go out only beside headers, and a header of that name wins.
fn authorize(out: &mut OutboundRequest, config: &ProviderConfig) -> Result<(), RenderError> {
    if config.headers.is_empty() {
        return Ok(());
    }
    let token = config.token().unwrap_or(config.password());
    if !config.username.is_empty() {
        basic(&mut out.headers, &config.username, config.password());
    } else if !token.is_empty() {
        bearer(&mut out.headers, token)?;
    }
    Ok(())
}

/// An `ExportTraceServiceRequest`.
fn request(notification: &Notification) -> Vec<u8> {
    let AlertReference { uid, namespace, name } = &notification.alert;
    let resource = [
        ("service.name", format!("{namespace}/{name}")),
        ("service.namespace", namespace.clone()),
        ("service.instance.id", uid.clone()),
    ];
    let resource = attributes(Message::default(), 1, resource.iter().map(|(key, value)| (*key, value.as_str())));
    let scope_spans = Message::default().message(1, &Message::default().text(1, SCOPE)).message(2, &span(notification));
    let resource_spans = Message::default().message(1, &resource).message(2, &scope_spans).text(3, SCHEMA);
    Message::default().message(1, &resource_spans).into_bytes()
}

fn span(notification: &Notification) -> Message {
    let event = &notification.event;
    let object = &event.involved_object;
    let start = u64::try_from(unix_seconds(event)).unwrap_or(0).saturating_mul(1_000_000_000);
    let end = u64::try_from(notification.now.as_nanosecond()).unwrap_or(0);
    let own = [
        ("object.uid", &object.uid),
        ("object.kind", &object.kind),
        ("object.name", &object.name),
        ("object.namespace", &object.namespace),
    ];
    let metadata = event.metadata.iter().map(|(key, value)| (key.as_str(), value));
    let span = Message::default()
        .bytes(1, &trace_id(event, &notification.alert.uid))
        .bytes(2, &notification.random::<8>(0))
        .text(5, &object_title(event))
        .number(6, KIND_INTERNAL)
        .fixed64(7, start)
        .fixed64(8, end);
    let all = own.into_iter().chain(metadata).map(|(key, value)| (key, value.as_str()));
    attributes(span, 9, all).message(15, &status(event))
}

/// The message is told with an error only.
fn status(event: &Event) -> Message {
    if is_error(event) {
        Message::default().text(2, &event.message).number(3, STATUS_ERROR)
    } else {
        Message::default().number(3, STATUS_OK)
    }
}

/// Appends a repeated `KeyValue` with texts as values.
fn attributes<'a>(message: Message, field: u32, pairs: impl Iterator<Item = (&'a str, &'a str)>) -> Message {
    pairs.fold(message, |message, (key, value)| {
        let value = Message::default().message_always(1, value.as_bytes());
        message.message(field, &Message::default().text(1, key).message(2, &value))
    })
}

fn trace_id(event: &Event, alert_uid: &str) -> [u8; 16] {
    let get = |key| event.metadata.get(key);
    let revision = match (get("app-version"), get("oci-digest"), get("revision")) {
        (Some(version), Some(digest), _) => format!("{version}@{digest}"),
        (_, _, Some(revision)) => revision.clone(),
        _ => "unknown".to_owned(),
    };
    let digest = Sha256::digest(format!("{alert_uid}:{revision}"));
    std::array::from_fn(|i| digest[i])
}
