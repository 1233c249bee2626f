//! What all JSON-over-POST providers share: the address rule and the headers.
//!
//! No body of its own.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use sluice_http_client::header::{AUTHORIZATION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRAILER, TRANSFER_ENCODING};
use sluice_http_client::{HeaderMap, HeaderName, HeaderValue, Method, Url};

use super::RenderError;
use crate::config::ProviderConfig;
use crate::event_text::go_json;
use crate::request::OutboundRequest;

/// Headers that describe the message's framing or its target. Taken from a Secret they would let its author smuggle a
/// second request past a proxy or address another virtual host; the reference's HTTP library drops them too.
const FRAMING: [HeaderName; 4] = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, TRAILER];

/// A POST of `body` as JSON to the config's address, with no header but the content type.
pub(super) fn request<T: Serialize>(config: &ProviderConfig, body: &T) -> Result<OutboundRequest, RenderError> {
    request_to(address(config)?, body)
}

/// The same to another URL.
pub(super) fn request_to<T: Serialize>(url: Url, body: &T) -> Result<OutboundRequest, RenderError> {
    request_by(Method::POST, url, body)
}

/// The same with another method.
pub(super) fn request_by<T: Serialize>(method: Method, url: Url, body: &T) -> Result<OutboundRequest, RenderError> {
    let body = go_json(body)?;
    let mut request = OutboundRequest { body, ..OutboundRequest::new(method, url) };
    request.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(request)
}

/// The address as a URL that can be sent to.
pub(super) fn address(config: &ProviderConfig) -> Result<Url, RenderError> {
    parse_address(config.address.expose())
}

/// The same for a text that is made of the address.
pub(super) fn parse_address(address: &str) -> Result<Url, RenderError> {
    let url = Url::parse(address).map_err(|_| RenderError::ParseAddress)?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() { Ok(url) } else { Err(RenderError::ParseAddress) }
}

/// The address with another path, without query.
pub(super) fn address_with_path(config: &ProviderConfig, path: &str) -> Result<Url, RenderError> {
    let mut url = address(config)?;
    url.set_path(path);
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// Sets a header, replacing an earlier one of that name. Framing headers are left out silently.
pub(super) fn set_header(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), RenderError> {
    let invalid = || RenderError::BuildHeader { name: name.to_owned() };
    let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
    if FRAMING.contains(&key) {
        return Ok(());
    }
    let mut value = HeaderValue::from_str(value.trim_matches([' ', '\t'])).map_err(|_| invalid())?;
    value.set_sensitive(true);
    headers.insert(key, value);
    Ok(())
}

/// `Authorization: Bearer <token>`.
pub(super) fn bearer(headers: &mut HeaderMap, token: &str) -> Result<(), RenderError> {
    set_header(headers, "Authorization", &format!("Bearer {token}"))
}

/// `Authorization: Basic …`.
pub(super) fn basic(headers: &mut HeaderMap, username: &str, password: &str) {
    let credentials = STANDARD.encode(format!("{username}:{password}"));
    let value = HeaderValue::from_str(&format!("Basic {credentials}"));
    let mut value = value.expect("base64 is always a header value");
    value.set_sensitive(true);
    headers.insert(AUTHORIZATION, value);
}
