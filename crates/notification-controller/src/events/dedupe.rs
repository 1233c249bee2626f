//! The identity of an event for the duplicate check.
//!
//! Severity, reason, uid, apiVersion and most metadata are deliberately not part of it.

use sha2::{Digest, Sha256};
use sluice_api::meta::Event;

use super::cleanup::controller_value;

/// Identity of an event: SHA-256 over its name, namespace, kind, message, and the revision keys that it carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DedupeKey([u8; 32]);

impl DedupeKey {
    /// The key as the reference prints it: 64 lower-case hexadecimal digits.
    pub fn to_hex(self) -> String {
        hex::encode(self.0)
    }
}

/// The key of a cleaned event.
pub fn key(event: &Event) -> DedupeKey {
    let object = &event.involved_object;
    let mut text = format!(
        "event/name={}/namespace={}/kind={}/message={}",
        object.name, object.namespace, object.kind, event.message,
    );
    for name in ["originRevision", "revision", "token"] {
        if let Some(value) = controller_value(event, name) {
            text.extend(["/", name, "=", value]);
        }
    }
    DedupeKey(Sha256::digest(text).into())
}

#[cfg(test)]
mod tests;
