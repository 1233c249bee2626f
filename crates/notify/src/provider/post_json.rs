//! What all JSON-over-POST providers share: the address rule and the headers.

use serde::Serialize;
use sluice_http_client::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, TRAILER, TRANSFER_ENCODING};
use sluice_http_client::{HeaderMap, HeaderName, HeaderValue, Method, Url};

use super::RenderError;
use crate::config::ProviderConfig;
use crate::request::{Acceptance, OutboundRequest};

/// Headers that describe the message's framing or its target. Taken from a Secret they would let its author smuggle a
/// second request past a proxy or address another virtual host; the reference's HTTP library drops them too.
const FRAMING: [HeaderName; 4] = [HOST, CONTENT_LENGTH, TRANSFER_ENCODING, TRAILER];

/// A POST of `body` as JSON to the config's address, with no header but the content type.
pub(super) fn request<T: Serialize>(config: &ProviderConfig, body: &T) -> Result<OutboundRequest, RenderError> {
    let body = escape(&serde_json::to_string(body).map_err(RenderError::EncodeBody)?).into_bytes();
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(OutboundRequest {
        method: Method::POST,
        url: parse_address(config.address.expose())?,
        headers,
        body,
        acceptance: Acceptance::Success2xx,
    })
}

/// Escapes what Go's encoder escapes beyond JSON's own rules, so that the bytes are the ones that receivers know. These characters occur in
/// JSON's strings only, where an escape means the same.
fn escape(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for c in json.chars() {
        match c {
            '<' => out.push_str(r"\u003c"),
            '>' => out.push_str(r"\u003e"),
            '&' => out.push_str(r"\u0026"),
            '\u{2028}' => out.push_str(r"\u2028"),
            '\u{2029}' => out.push_str(r"\u2029"),
            _ => out.push(c),
        }
    }
    out
}

/// The address as a URL that can be sent to.
fn parse_address(address: &str) -> Result<Url, RenderError> {
    let url = Url::parse(address).map_err(|_| RenderError::ParseAddress)?;
    if matches!(url.scheme(), "http" | "https") && url.has_host() { Ok(url) } else { Err(RenderError::ParseAddress) }
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
