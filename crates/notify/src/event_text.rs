//! Small texts that several providers derive from an event. No formatting that belongs to one provider only.

use sluice_api::meta::{Event, EventSeverity};

use crate::provider::RenderError;

/// Seconds from 1970 of the first instant of year 1: what Go writes for a time that is not there.
const ZERO_SECONDS: i64 = -62_135_596_800;

/// The same as text.
const ZERO_TEXT: &str = "0001-01-01T00:00:00Z";

/// `lower(kind)/name.namespace`.
pub(crate) fn object_id(event: &Event) -> String {
    let object = &event.involved_object;
    format!("{}/{}.{}", object.kind.to_lowercase(), object.name, object.namespace)
}

/// `Kind/namespace/name`.
pub(crate) fn object_path(event: &Event) -> String {
    let object = &event.involved_object;
    format!("{}/{}/{}", object.kind, object.namespace, object.name)
}

/// `Kind: namespace/name`.
pub(crate) fn object_title(event: &Event) -> String {
    let object = &event.involved_object;
    format!("{}: {}/{}", object.kind, object.namespace, object.name)
}

/// The message up to its first line feed.
pub(crate) fn first_line(message: &str) -> &str {
    message.split('\n').next().unwrap_or_default()
}

/// The first of two for everything but an error, the second for an error.
pub(crate) fn by_severity<T>(event: &Event, other: T, error: T) -> T {
    if is_error(event) { error } else { other }
}

pub(crate) fn is_error(event: &Event) -> bool {
    event.severity == EventSeverity::Error
}

/// Whether the event only says that something is under way.
pub(crate) fn is_progressing(event: &Event) -> bool {
    event.reason == "Progressing"
}

/// Seconds from 1970.
pub(crate) fn unix_seconds(event: &Event) -> i64 {
    event.timestamp.as_ref().map_or(ZERO_SECONDS, |time| time.0.as_second())
}

/// RFC 3339 in whole seconds, UTC.
pub(crate) fn rfc3339(event: &Event) -> String {
    event
        .timestamp
        .as_ref()
        .map_or_else(|| ZERO_TEXT.to_owned(), |time| time.0.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
}

/// `prefix key separator value suffix` for each entry of the metadata.
pub(crate) fn metadata_lines(event: &Event, line: impl Fn(&str, &str) -> String) -> String {
    event.metadata.iter().map(|(key, value)| line(key, value)).collect()
}

/// The event as Markdown, for topics and change requests.
pub(crate) fn markdown(event: &Event) -> String {
    let (emoji, path) = (by_severity(event, "ℹ️", "⚠️"), object_path(event));
    let mut text = format!("## Flux Status\n\n{emoji} {path}\n\n{}\n\nMetadata:\n", event.message);
    for (key, value) in event.metadata.iter().filter(|(key, _)| *key != "change_request") {
        text.extend(["* `", key, "`: ", value, "\n"]);
    }
    text
}

/// The words of a name in camel case in lower case, with spaces between: a word ends where letters become upper case, and before and after digits
/// and other characters; of a run of upper-case letters the last one begins the next word.
pub(crate) fn words(name: &str) -> String {
    let class = |c: char| match c {
        c if c.is_lowercase() => 0,
        c if c.is_uppercase() => 1,
        c if c.is_numeric() => 2,
        _ => 3,
    };
    let mut words: Vec<String> = Vec::new();
    let mut previous = None;
    for c in name.chars() {
        match words.last_mut() {
            Some(word) if previous == Some(class(c)) => word.push(c),
            Some(word) if previous == Some(1) && class(c) == 0 => {
                let head = word.pop().map(String::from).unwrap_or_default();
                if word.is_empty() {
                    words.pop();
                }
                words.push(head + &c.to_string());
            }
            _ => words.push(c.to_string()),
        }
        previous = Some(class(c));
    }
    words.join(" ").to_lowercase()
}

/// A value as JSON in the bytes that Go's encoder writes.
///
/// # Errors
/// [`RenderError::EncodeBody`].
pub(crate) fn go_json<T: serde::Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, RenderError> {
    Ok(escape(&serde_json::to_string(value).map_err(RenderError::EncodeBody)?).into_bytes())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_in_camel_case_becomes_words() {
        for (name, expected) in [
            ("ReconciliationSucceeded", "reconciliation succeeded"),
            ("HTTPServerError", "http server error"),
            ("Stage2Done", "stage 2 done"),
            ("lower", "lower"),
            ("A", "a"),
            ("", ""),
            ("OCIArtifact", "oci artifact"),
            ("with_underscore", "with _ underscore"),
        ] {
            assert_eq!(words(name), expected, "{name}");
        }
    }

    #[test]
    fn an_event_without_a_time_has_the_first_instant_of_year_1() {
        let event = Event::default();
        assert_eq!((unix_seconds(&event), rfc3339(&event).as_str()), (-62_135_596_800, "0001-01-01T00:00:00Z"));
    }

    #[test]
    fn markdown_sorts_the_metadata_and_hides_the_change_request() {
        let mut event = Event { message: "done".to_owned(), ..Event::default() };
        event.involved_object.kind = "Kustomization".to_owned();
        event.involved_object.namespace = "apps".to_owned();
        event.involved_object.name = "web".to_owned();
        let plain = "## Flux Status\n\nℹ️ Kustomization/apps/web\n\ndone\n\nMetadata:\n";
        assert_eq!(markdown(&event), plain);
        event.severity = EventSeverity::Error;
        event.metadata = [("b", "2"), ("change_request", "7"), ("a", "1")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        let expected = "## Flux Status\n\n⚠️ Kustomization/apps/web\n\ndone\n\nMetadata:\n* `a`: 1\n* `b`: 2\n";
        assert_eq!(markdown(&event), expected);
    }
}
