//! Content types, read by the rules of Go's `mime` package: the senders' tests ran against those.
//!
//! Only the type is kept; parameters must be well formed and are otherwise nobody's business here.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// The media type of a `Content-Type` in lower case; `None` when the header is malformed in any part.
pub fn parse(value: &str) -> Option<String> {
    let (essence, parameters) = match value.find(';') {
        Some(at) => value.split_at(at),
        None => (value, ""),
    };
    let essence = essence.trim().to_ascii_lowercase();
    let well_formed = match essence.split_once('/') {
        Some((kind, subtype)) => is_token(kind) && is_token(subtype),
        None => is_token(&essence),
    };
    (well_formed && are_parameters(parameters)).then_some(essence)
}

/// Whether the body is announced as JSON: some element of the list, up to the first malformed one, is `application/json`.
pub fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(',').map_while(parse).any(|media_type| media_type == "application/json")
}

/// The media type of a request; `None` when there is none or it is malformed.
pub(super) fn of(headers: &HeaderMap) -> Option<String> {
    parse(headers.get(CONTENT_TYPE)?.to_str().ok()?)
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// `; name=value` any number of times, no name twice; a semicolon at the end is fine.
fn are_parameters(mut rest: &str) -> bool {
    let mut names: Vec<String> = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() || rest.trim() == ";" {
            return true;
        }
        let Some((name, after)) = parameter(rest) else { return false };
        if names.contains(&name) {
            return false;
        }
        names.push(name);
        rest = after;
    }
}

/// The name of the first parameter, in lower case, and what follows it.
fn parameter(text: &str) -> Option<(String, &str)> {
    let text = text.strip_prefix(';')?.trim_start();
    let (name, rest) = token(text)?;
    let rest = rest.trim_start().strip_prefix('=')?.trim_start();
    let rest = match rest.strip_prefix('"') {
        Some(quoted) => after_quote(quoted)?,
        None => token(rest)?.1,
    };
    Some((name.to_ascii_lowercase(), rest))
}

fn token(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().position(|byte| !is_token_byte(byte)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// What follows the closing quotation mark.
fn after_quote(text: &str) -> Option<&str> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return text.get(at + 1..),
            b'\r' | b'\n' => return None,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_is_read_without_its_parameters_and_malformed_ones_are_refused() {
        for (value, expected) in [
            ("application/json", Some("application/json")),
            (" Application/JSON ; charset=utf-8", Some("application/json")),
            ("application/json;", Some("application/json")),
            ("application/json; a=\"b;\\\"c\"; d=e", Some("application/json")),
            ("text", Some("text")),
            ("", None),
            ("/json", None),
            ("application/", None),
            ("application/json/x", None),
            ("application/json, text/plain", None),
            ("application/json; charset", None),
            ("application/json; =utf-8", None),
            ("application/json; a=", None),
            ("application/json; a=\"b", None),
            ("application/json; a=b; A=c", None),
            ("application/json charset=utf-8", None),
        ] {
            assert_eq!(parse(value).as_deref(), expected, "{value:?}");
        }
    }

    #[test]
    fn json_is_one_of_the_list_before_anything_malformed() {
        for (value, expected) in [
            ("application/json", true),
            ("text/plain, application/json; charset=utf-8", true),
            ("application/json,;", true),
            (";,application/json", false),
            ("application/cloudevents+json", false),
            ("application/x-www-form-urlencoded", false),
            ("", false),
        ] {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, value.parse().unwrap())]);
            assert_eq!(is_json(&headers), expected, "{value:?}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
