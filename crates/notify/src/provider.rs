//! One module per provider, each a pure function from event and config to a request.
//!
//! Nothing here sends, and nothing here decides whether an event should be sent.

mod generic;
mod post_json;
mod slack;

use sluice_api::meta::Event;
use thiserror::Error;

use crate::config::{Kind, ProviderConfig};
use crate::request::OutboundRequest;

/// Why an event could not be turned into a request. No message repeats an address, a token or a header's value.
#[derive(Debug, Error)]
pub enum RenderError {
    /// The address is not an absolute http or https URL.
    #[error("invalid address: not an absolute http or https URL")]
    ParseAddress,
    /// No token for a type that signs with it.
    #[error("HMAC key is empty")]
    EmptyHmacKey,
    /// A header cannot be sent as it is.
    #[error("header '{name}' has a name or a value that HTTP does not allow")]
    BuildHeader {
        /// The header's name as configured.
        name: String,
    },
    /// The body could not be written.
    #[error("failed to encode the message")]
    EncodeBody(#[source] serde_json::Error),
}

/// Renders `event` (its metadata already merged) for the provider in `config`.
///
/// # Errors
/// A setting that the provider's type cannot work with.
pub fn render(event: &Event, config: &ProviderConfig) -> Result<OutboundRequest, RenderError> {
    match config.kind {
        Kind::Generic => generic::render(event, config),
        Kind::GenericHmac => generic::render_signed(event, config),
        Kind::Slack => slack::render(event, config),
    }
}

#[cfg(test)]
mod tests;
