//! The metadata keys of an event that are let in, and the one that is only for the duplicate check.
//!
//! A key counts when its prefix says that it comes from the object's own controller (`<API group>/`) or from the
//! object's annotations (`event.toolkit.fluxcd.io/`); anything else could forge a controller's statement.

use sluice_api::constants::annotation::EVENT_PREFIX;
use sluice_api::meta::Event;

/// The bare name of a key that the object's controller has set; `None` for other keys.
pub fn controller_key<'a>(event: &Event, key: &'a str) -> Option<&'a str> {
    let group = event.involved_object.group();
    // Without a group the prefix would be a bare slash, which no controller sets.
    if group.is_empty() { None } else { key.strip_prefix(group)?.strip_prefix('/') }
}

/// The bare name of a key that comes from the object's annotations; `None` for other keys.
pub fn annotation_key(key: &str) -> Option<&str> {
    key.strip_prefix(EVENT_PREFIX)
}

/// The controller's own metadata value for `key` (a bare name).
pub fn controller_value<'a>(event: &'a Event, key: &str) -> Option<&'a str> {
    let group = event.involved_object.group();
    if group.is_empty() { None } else { event.metadata.get(&format!("{group}/{key}")).map(String::as_str) }
}

/// The value for `key` (a bare name) from the object's annotations.
pub fn annotation_value<'a>(event: &'a Event, key: &str) -> Option<&'a str> {
    event.metadata.get(&format!("{EVENT_PREFIX}{key}")).map(String::as_str)
}

/// Removes keys with a foreign prefix, and the controller's `checksum` and `digest` in any case.
pub fn clean(event: &mut Event) {
    let metadata = std::mem::take(&mut event.metadata);
    event.metadata = metadata.into_iter().filter(|(key, _)| is_let_in(event, key)).collect();
}

fn is_let_in(event: &Event, key: &str) -> bool {
    let group = event.involved_object.group();
    let is_content_key = ["checksum", "digest"].iter().any(|name| key.eq_ignore_ascii_case(&format!("{group}/{name}")));
    !is_content_key && (annotation_key(key).is_some() || controller_key(event, key).is_some())
}

/// Removes the controller's `token`, which exists only to tell otherwise equal events apart.
pub fn drop_token(event: &mut Event) {
    let key = format!("{}/token", event.involved_object.group());
    event.metadata.remove(&key);
}

#[cfg(test)]
mod tests;
