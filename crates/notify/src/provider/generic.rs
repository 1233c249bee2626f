//! `generic` and `generic-hmac`: the event itself as JSON, the second with a signature over exactly the bytes sent.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::RenderError;
use super::post_json::{request, set_header};
use crate::config::ProviderConfig;
use crate::notification::Notification;
use crate::request::OutboundRequest;

pub(super) fn render(notification: &Notification, config: &ProviderConfig) -> Result<OutboundRequest, RenderError> {
    let event = &notification.event;
    let mut out = request(config, event)?;
    set_header(&mut out.headers, "gotk-component", &event.reporting_controller)?;
    for (name, value) in &config.headers {
        set_header(&mut out.headers, name, value.expose())?;
    }
    Ok(out)
}

pub(super) fn render_signed(
    notification: &Notification,
    config: &ProviderConfig,
) -> Result<OutboundRequest, RenderError> {
    let key = config.token().ok_or(RenderError::EmptyHmacKey)?;
    let mut out = render(notification, config)?;
    let signature = sign(key.as_bytes(), &out.body);
    // After the configured headers: none of them may stand in for the signature.
    set_header(&mut out.headers, "X-Signature", &signature)?;
    Ok(out)
}

fn sign(key: &[u8], body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}
