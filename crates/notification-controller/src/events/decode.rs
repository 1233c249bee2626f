//! From bytes to a cleaned [`Event`].
//!
//! Types are the only check, and they are the API crate's: field names in any case, unknown fields ignored, `null` as
//! absent. An unknown severity or an over-long message is the sender's affair.

use sluice_api::meta::Event;

use super::cleanup::clean;

/// Decodes one event and removes the metadata that is not let in.
///
/// # Errors
/// Anything but one JSON object (or `null`) with fields of the right types, and nothing after it.
pub fn decode(body: &[u8]) -> Result<Event, serde_json::Error> {
    let mut event = serde_json::from_slice(body)?;
    clean(&mut event);
    Ok(event)
}
