//! Between [`Node`] and `serde_json::Value`, and the spelling of JSON strings. Not here: other text.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

use crate::error::WriteError;
use crate::node::{Key, Mapping, Node, Value};
use crate::scalar::{Dialect, Parsed, Scalar, Style, Tag, number, resolve};

impl Node {
    /// The JSON value of the tree. The keys of the mapping at its top may have any type but null, since kustomize reads that mapping as one
    /// with texts for keys; `1` is the text of the key as written.
    ///
    /// # Errors
    /// A key is not a string or a number is not finite.
    pub fn to_json(&self) -> Result<Json, WriteError> {
        match &self.value {
            Value::Mapping(mapping) => object(mapping, check_top_key),
            _ => self.to_nested_json(),
        }
    }

    fn to_nested_json(&self) -> Result<Json, WriteError> {
        Ok(match &self.value {
            Value::Scalar(scalar) => scalar.to_json().ok_or_else(|| not_finite(self, scalar))?,
            Value::Sequence(items) => Json::Array(items.iter().map(Self::to_nested_json).collect::<Result<_, _>>()?),
            Value::Mapping(mapping) => object(mapping, check_key)?,
        })
    }

    /// The tree of a JSON value as it is read when it has been printed. It has no positions.
    pub fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::null(),
            Json::Bool(value) => Scalar::new(Tag::Bool, value.to_string()).into(),
            Json::Number(value) => Scalar::plain(crate::writer::go_number(value)).into(),
            Json::String(text) => {
                let style = match text {
                    text if text.contains('\n') => Style::Literal,
                    text if crate::writer::is_plain(text) => Style::Plain,
                    _ => Style::Quoted,
                };
                Scalar { style, ..Scalar::new(Tag::Str, text) }.into()
            }
            Json::Array(items) => items.iter().map(Self::from_json).collect::<Vec<_>>().into(),
            Json::Object(fields) => {
                Value::Mapping(fields.iter().map(|(key, value)| (key.clone(), Self::from_json(value))).collect()).into()
            }
        }
    }
}

/// Appends a JSON string in the spelling of Go's `encoding/json`, which also escapes what HTML would take for its own.
pub fn write_json_string(text: &mut String, value: &str) {
    text.push('"');
    for letter in value.chars() {
        match letter {
            '"' | '\\' => text.extend(['\\', letter]),
            '\n' => text.push_str("\\n"),
            '\r' => text.push_str("\\r"),
            '\t' => text.push_str("\\t"),
            '\u{8}' => text.push_str("\\b"),
            '\u{c}' => text.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                // Writing to a string cannot fail.
                let _ = write!(text, "\\u{:04x}", u32::from(letter));
            }
            other => text.push(other),
        }
    }
    text.push('"');
}

fn object(mapping: &Mapping, check: impl Fn(&Key) -> Result<(), WriteError>) -> Result<Json, WriteError> {
    let mut object = Map::new();
    for entry in mapping.entries() {
        check(&entry.key)?;
        object.insert(entry.key.text.clone(), entry.value.to_nested_json()?);
    }
    Ok(Json::Object(object))
}

/// For the mapping at the top, which is read as one with texts for keys.
pub(crate) fn check_top_key(key: &Key) -> Result<(), WriteError> {
    if key.tag == Tag::Null { check_key(key) } else { Ok(()) }
}

/// A key must be a string; one that is not there at all is written as an empty string.
pub(crate) fn check_key(key: &Key) -> Result<(), WriteError> {
    if key.tag == Tag::Str || (key.tag == Tag::Null && key.text.is_empty()) {
        return Ok(());
    }
    Err(WriteError::KeyNotString { line: key.position.line, key: key.text.clone() })
}

/// Why a scalar has no JSON form.
pub(crate) fn not_finite(node: &Node, scalar: &Scalar) -> WriteError {
    let (line, text) = (node.position.line, scalar.text.clone());
    if number(&text).is_some_and(|value| scalar.tag != Tag::Int || !matches!(value, Parsed::Float(_))) {
        return WriteError::NotFinite { line, text };
    }
    WriteError::Undecodable { line, found: resolve(&text, Dialect::Resource).word(), text, wanted: scalar.tag.word() }
}
