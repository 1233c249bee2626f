//! Between [`Node`] and `serde_json::Value`. Not here: text.

use serde_json::{Map, Value as Json};

use crate::error::WriteError;
use crate::node::{Key, Node, Value};
use crate::scalar::{Dialect, Scalar, Style, Tag, number, resolve};

impl Node {
    /// The JSON value of the tree.
    ///
    /// # Errors
    /// A key is not a string or a number is not finite.
    pub fn to_json(&self) -> Result<Json, WriteError> {
        Ok(match &self.value {
            Value::Scalar(scalar) => scalar.to_json().ok_or_else(|| not_finite(self, scalar))?,
            Value::Sequence(items) => Json::Array(items.iter().map(Self::to_json).collect::<Result<_, _>>()?),
            Value::Mapping(mapping) => {
                let mut object = Map::new();
                for entry in mapping.entries() {
                    check_key(&entry.key)?;
                    object.insert(entry.key.text.clone(), entry.value.to_json()?);
                }
                Json::Object(object)
            }
        })
    }

    /// The tree of a JSON value as it is read when it has been printed. It has no positions.
    pub fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::null(),
            Json::Bool(value) => Scalar::new(Tag::Bool, value.to_string()).into(),
            Json::Number(value) => Scalar::plain(crate::writer::go_number(value)).into(),
            Json::String(text) => {
                let style = if crate::writer::is_plain(text) { Style::Plain } else { Style::Quoted };
                Scalar { style, ..Scalar::new(Tag::Str, text) }.into()
            }
            Json::Array(items) => items.iter().map(Self::from_json).collect::<Vec<_>>().into(),
            Json::Object(fields) => {
                Value::Mapping(fields.iter().map(|(key, value)| (key.clone(), Self::from_json(value))).collect()).into()
            }
        }
    }
}

pub(crate) fn check_key(key: &Key) -> Result<(), WriteError> {
    if key.tag == Tag::Str {
        return Ok(());
    }
    Err(WriteError::KeyNotString { line: key.position.line, key: key.text.clone() })
}

/// Why a scalar has no JSON form.
pub(crate) fn not_finite(node: &Node, scalar: &Scalar) -> WriteError {
    let (line, text) = (node.position.line, scalar.text.clone());
    if number(&text).is_some() {
        return WriteError::NotFinite { line, text };
    }
    WriteError::Undecodable { line, found: resolve(&text, Dialect::Resource).word(), text, wanted: scalar.tag.word() }
}
