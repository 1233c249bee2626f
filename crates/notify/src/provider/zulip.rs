//! `zulip`: a message in Markdown to a topic of a stream, as a form.

use sluice_http_client::header::CONTENT_TYPE;
use sluice_http_client::{HeaderValue, Method};
use url::form_urlencoded;

use super::RenderError;
use super::post_json::{address, basic};
use crate::config::ProviderConfig;
use crate::event_text::markdown;
use crate::notification::Notification;
use crate::request::OutboundRequest;

pub(super) fn render(notification: &Notification, config: &ProviderConfig) -> Result<OutboundRequest, RenderError> {
    let (stream, topic) = config.channel.split_once('/').ok_or_else(|| {
        let channel = &config.channel;
        RenderError::setting(format!("invalid Zulip channel format, expected <channel>/<topic>, got '{channel}'"))
    })?;
    let mut url = address(config)?;
    url.set_path("/api/v1/messages");
    let content = markdown(&notification.event);
    let form = [("content", content.as_str()), ("to", stream), ("topic", topic), ("type", "stream")];
    let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let mut out = OutboundRequest { body: form.into_bytes(), ..OutboundRequest::new(Method::POST, url) };
    out.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    if !config.username.is_empty() || !config.password().is_empty() {
        basic(&mut out.headers, &config.username, config.password());
    }
    Ok(out)
}
