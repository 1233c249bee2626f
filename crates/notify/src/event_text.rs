//! Small texts that several providers derive from an event. No formatting that belongs to one provider only.

use sluice_api::meta::Event;

/// `lower(kind)/name.namespace`.
pub(crate) fn object_id(event: &Event) -> String {
    let object = &event.involved_object;
    format!("{}/{}.{}", object.kind.to_lowercase(), object.name, object.namespace)
}

/// The message up to its first line feed.
pub(crate) fn first_line(message: &str) -> &str {
    message.split('\n').next().unwrap_or_default()
}
