//! The one field that a forge's form post carries.

use std::borrow::Cow;

/// The value of `payload` in a form, `Some` and empty when the form has no such field; `None` when the form is
/// malformed (a broken escape, or a semicolon as separator, which parsers understand differently).
pub(super) fn payload(body: &[u8]) -> Option<Cow<'_, [u8]>> {
    if body.contains(&b';') || !has_whole_escapes(body) {
        return None;
    }
    let found = url::form_urlencoded::parse(body).find(|(name, _)| name == "payload");
    Some(found.map_or(Cow::Borrowed(&[]), |(_, value)| Cow::Owned(value.into_owned().into_bytes())))
}

fn has_whole_escapes(body: &[u8]) -> bool {
    let mut rest = body;
    while let Some(at) = rest.iter().position(|b| *b == b'%') {
        rest = &rest[at + 1..];
        if rest.len() < 2 || !rest[..2].iter().all(u8::is_ascii_hexdigit) {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::payload;

    #[test]
    fn the_payload_is_unescaped_and_a_malformed_form_is_refused() {
        for (body, expected) in [
            ("payload=%7B%22a%22%3A1%7D", Some("{\"a\":1}")),
            ("x=1&payload=a+b", Some("a b")),
            ("x=1", Some("")),
            ("", Some("")),
            ("payload=%7", None),
            ("payload=%zz", None),
            ("a=1;payload=2", None),
        ] {
            assert_eq!(payload(body.as_bytes()).as_deref(), expected.map(str::as_bytes), "{body}");
        }
    }
}
