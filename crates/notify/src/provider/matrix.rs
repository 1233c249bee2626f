//! `matrix`: a text message to a room. The transaction id is made of the event, so the homeserver takes a repetition for what it is.

use serde_json::json;
use sha1::{Digest as _, Sha1};
use sluice_http_client::Method;

use super::RenderError;
use super::post_json::{bearer, parse_address, request_by};
use crate::config::ProviderConfig;
use crate::event_text::{by_severity, go_json, metadata_lines, object_id};
use crate::notification::Notification;
use crate::request::OutboundRequest;

pub(super) fn render(notification: &Notification, config: &ProviderConfig) -> Result<OutboundRequest, RenderError> {
    let event = &notification.event;
    let transaction = hex::encode(Sha1::digest(go_json(event)?));
    let (address, room) = (config.address.expose(), &config.channel);
    let url = parse_address(&format!("{address}/_matrix/client/r0/rooms/{room}/send/m.room.message/{transaction}"))?;
    let metadata = metadata_lines(event, |key, value| format!("- {key}: {value}\n"));
    let body = format!("{} {}\n{}\n{metadata}", by_severity(event, "💫", "🚨"), object_id(event), event.message);
    let mut out = request_by(Method::PUT, url, &json!({"body": body, "msgtype": "m.text"}))?;
    if let Some(token) = config.token() {
        bearer(&mut out.headers, token)?;
    }
    Ok(out)
}
