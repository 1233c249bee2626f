//! JSON bodies as the senders' usual counterpart, a program in Go with typed structs, reads them.
//!
//! Names match without case, unknown fields are skipped, null leaves a field as it was, a field of another type is an error, and what
//! follows the first value may be ignored. What is kept is only what a [`Shape`] asks for, so a hostile body costs no more than itself.
//! Deliberately no values in errors: a body may hold secrets, and the errors are logged.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use thiserror::Error;

/// Most elements of a list that are kept; more is an error.
const MAX_ELEMENTS: usize = 10_000;

/// What is wanted of a value.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// A text.
    Text,
    /// A text that is a time by RFC 3339.
    Time,
    /// Anything; only what kind of value it is gets kept.
    Any,
    /// A list whose elements all have this shape.
    List(Box<Shape>),
    /// An object with these fields, each of which may be missing.
    Object(Vec<(&'static str, Shape)>),
}

/// What a body had of a [`Shape`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Decoded {
    /// Nothing, or null.
    #[default]
    Absent,
    /// A text or a time, as written.
    Text(String),
    /// An element per element.
    List(Vec<Decoded>),
    /// The wanted fields, under their names in the shape.
    Object(Vec<(&'static str, Decoded)>),
    /// A value of shape [`Shape::Any`] that is neither text nor object.
    Other,
}

impl Decoded {
    /// The text; empty if there is none.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            _ => "",
        }
    }

    /// A field; absent if there is none.
    pub(super) fn field(&self, name: &str) -> &Self {
        let Self::Object(fields) = self else { return &Self::Absent };
        fields.iter().find(|(known, _)| *known == name).map_or(&Self::Absent, |(_, value)| value)
    }

    /// The elements; none if it is no list.
    pub(super) fn elements(&self) -> &[Self] {
        match self {
            Self::List(elements) => elements,
            _ => &[],
        }
    }
}

/// Whether something may follow the first value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trailing {
    /// It is not looked at.
    Ignored,
    /// Only white space.
    Refused,
}

/// A body that does not fit. Names the place and not what is there.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("malformed JSON body at line {line} column {column}: {reason}")]
pub struct JsonError {
    line: usize,
    column: usize,
    reason: &'static str,
}

impl From<&serde_json::Error> for JsonError {
    fn from(error: &serde_json::Error) -> Self {
        let reason = match error.classify() {
            serde_json::error::Category::Eof => "unexpected end",
            serde_json::error::Category::Data => "a field has the wrong type",
            serde_json::error::Category::Io | serde_json::error::Category::Syntax => "invalid syntax",
        };
        Self { line: error.line(), column: error.column(), reason }
    }
}

/// Reads what `shape` wants of `body`.
///
/// # Errors
/// Invalid JSON, and fields of another type.
pub(super) fn decode(body: &[u8], shape: &Shape, trailing: Trailing) -> Result<Decoded, JsonError> {
    // As in Go, bytes that are not UTF-8 count as the replacement character, which is only valid inside of texts.
    let text = String::from_utf8_lossy(body);
    let mut reader = serde_json::Deserializer::from_str(&text);
    let mut decoded = Decoded::Absent;
    let read = Slot { shape, into: &mut decoded }.deserialize(&mut reader);
    let ended = read.and_then(|()| if trailing == Trailing::Refused { reader.end() } else { Ok(()) });
    ended.map(|()| decoded).map_err(|error| JsonError::from(&error))
}

/// The first value of a body as an object, everything in it; what follows is not looked at.
///
/// # Errors
/// Invalid JSON, nesting of more than 128 levels, and every value that is no object.
pub(super) fn object(body: &[u8]) -> Result<serde_json::Value, JsonError> {
    let text = String::from_utf8_lossy(body);
    let mut reader = serde_json::Deserializer::from_str(&text);
    let fields: Result<serde_json::Map<String, serde_json::Value>, _> = serde::Deserialize::deserialize(&mut reader);
    fields.map(serde_json::Value::Object).map_err(|error| JsonError::from(&error))
}

/// Where the next value goes.
struct Slot<'a> {
    shape: &'a Shape,
    into: &'a mut Decoded,
}

impl<'de> DeserializeSeed<'de> for Slot<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Slot<'_> {
    fn other<E: serde::de::Error>(self) -> Result<(), E> {
        if matches!(self.shape, Shape::Any) {
            *self.into = Decoded::Other;
            return Ok(());
        }
        Err(E::custom("wrong type"))
    }
}

impl<'de> Visitor<'de> for Slot<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of the wanted shape")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.other()
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.other()
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.other()
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.other()
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        let fits = match self.shape {
            Shape::Text | Shape::Any => true,
            Shape::Time => text.parse::<jiff::Timestamp>().is_ok(),
            Shape::List(_) | Shape::Object(_) => false,
        };
        if !fits {
            return Err(E::custom("wrong type"));
        }
        *self.into = Decoded::Text(text.to_owned());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<(), A::Error> {
        match self.shape {
            Shape::Any => {
                while elements.next_element::<IgnoredAny>()?.is_some() {}
                *self.into = Decoded::Other;
            }
            Shape::List(shape) => {
                let mut list = Vec::new();
                loop {
                    let mut element = Decoded::Absent;
                    if elements.next_element_seed(Slot { shape, into: &mut element })?.is_none() {
                        break;
                    }
                    if list.len() == MAX_ELEMENTS {
                        return Err(A::Error::custom("too long"));
                    }
                    list.push(element);
                }
                *self.into = Decoded::List(list);
            }
            Shape::Text | Shape::Time | Shape::Object(_) => return Err(A::Error::custom("wrong type")),
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<(), A::Error> {
        let wanted = match self.shape {
            Shape::Any => &[][..],
            Shape::Object(wanted) => wanted.as_slice(),
            Shape::Text | Shape::Time | Shape::List(_) => return Err(A::Error::custom("wrong type")),
        };
        // A repeated object adds to what an earlier one had.
        let mut found = match std::mem::take(self.into) {
            Decoded::Object(found) => found,
            _ => wanted.iter().map(|(name, _)| (*name, Decoded::Absent)).collect(),
        };
        while let Some(key) = fields.next_key::<String>()? {
            let exact = wanted.iter().position(|(name, _)| *name == key);
            match exact.or_else(|| wanted.iter().position(|(name, _)| name.eq_ignore_ascii_case(&key))) {
                Some(at) => fields.next_value_seed(Slot { shape: &wanted[at].1, into: &mut found[at].1 })?,
                None => fields.next_value::<IgnoredAny>().map(drop)?,
            }
        }
        *self.into = Decoded::Object(found);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape() -> Shape {
        let inner = Shape::Object(vec![("tag", Shape::Text), ("at", Shape::Time)]);
        Shape::Object(vec![
            ("push_data", inner),
            ("tags", Shape::List(Box::new(Shape::Text))),
            ("extra", Shape::Any),
            ("name", Shape::Text),
        ])
    }

    fn read(body: &str) -> Result<Decoded, &'static str> {
        decode(body.as_bytes(), &shape(), Trailing::Ignored).map_err(|error| error.reason)
    }

    #[test]
    fn names_match_without_case_and_the_last_value_counts() {
        let decoded =
            read(r#"{"Push_Data":{"TAG":"a"},"push_data":{"at":"2026-01-01T00:00:00.5Z"},"NAME":"x","name":"y"}"#);
        let decoded = decoded.unwrap();
        assert_eq!(decoded.field("push_data").field("tag").text(), "a");
        assert_eq!(decoded.field("push_data").field("at").text(), "2026-01-01T00:00:00.5Z");
        assert_eq!(decoded.field("name").text(), "y");
        assert_eq!(decoded.field("tags"), &Decoded::Absent);
    }

    #[test]
    fn null_and_unknown_fields_are_skipped_and_kinds_are_told_apart() {
        assert_eq!(read("null"), Ok(Decoded::Absent));
        let decoded = read(r#"{"name":null,"other":[{"deep":[1]}],"extra":[1],"tags":["a",null]}"#).unwrap();
        assert_eq!(decoded.field("name"), &Decoded::Absent);
        assert_eq!(decoded.field("extra"), &Decoded::Other);
        assert_eq!(decoded.field("tags").elements(), [Decoded::Text("a".to_owned()), Decoded::Absent]);
        assert_eq!(read(r#"{"extra":{"a":1}}"#).unwrap().field("extra"), &Decoded::Object(Vec::new()));
    }

    #[test]
    fn what_does_not_fit_is_refused_without_a_word_of_it() {
        let wrong = "a field has the wrong type";
        for (body, reason) in [
            ("", "unexpected end"),
            ("{", "unexpected end"),
            ("{\"name\":\"x\"", "unexpected end"),
            ("x", "invalid syntax"),
            ("{name:1}", "invalid syntax"),
            ("[]", wrong),
            ("1", wrong),
            ("\"secret\"", wrong),
            ("{\"name\":1}", wrong),
            ("{\"name\":{}}", wrong),
            ("{\"tags\":\"a\"}", wrong),
            ("{\"tags\":[1]}", wrong),
            ("{\"push_data\":\"secret\"}", wrong),
            ("{\"push_data\":{\"at\":\"\"}}", wrong),
            ("{\"push_data\":{\"at\":\"yesterday\"}}", wrong),
        ] {
            assert_eq!(read(body), Err(reason), "{body}");
        }
        let long = format!("{{\"tags\":[{}\"\"]}}", "\"\",".repeat(MAX_ELEMENTS));
        assert_eq!(read(&long), Err(wrong));
        let error = decode(b"{\"name\":{\"secret\":1}}", &shape(), Trailing::Ignored).unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
    }

    #[test]
    fn what_follows_the_first_value_is_ignored_or_refused() {
        for (body, strict) in [("{} ", true), ("{}{}", false), ("{}garbage", false)] {
            assert!(decode(body.as_bytes(), &shape(), Trailing::Ignored).is_ok(), "{body}");
            assert_eq!(decode(body.as_bytes(), &shape(), Trailing::Refused).is_ok(), strict, "{body}");
        }
    }

    #[test]
    fn nesting_is_skipped_where_nothing_is_wanted_and_refused_where_all_is() {
        let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(read(&deep).is_ok());
        assert_eq!(object(deep.as_bytes()).map_err(|error| error.reason), Err("invalid syntax"));
        assert_eq!(object(b"{\"a\":[1]}x"), Ok(serde_json::json!({"a": [1]})));
        for body in ["", "null", "[]", "1", "{"] {
            assert!(object(body.as_bytes()).is_err(), "{body}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        let decoded = decode(b"{\"name\":\"a\xff\"}", &shape(), Trailing::Refused).unwrap();
        assert_eq!(decoded.field("name").text(), "a\u{fffd}");
        assert!(decode(b"{\xff}", &shape(), Trailing::Refused).is_err());
    }
}
