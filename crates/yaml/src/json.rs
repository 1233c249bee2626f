//! Between [`Node`] and `serde_json::Value`. Not here: text.

use serde_json::{Map, Value as Json};

use crate::error::WriteError;
use crate::node::{Key, Node, Value};
use crate::scalar::{Scalar, Tag};

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

    /// The tree of a JSON value. It has no positions.
    pub fn from_json(json: &Json) -> Self {
        match json {
            Json::Null => Self::null(),
            Json::Bool(value) => Scalar::new(Tag::Bool, value.to_string()).into(),
            Json::Number(value) => {
                let tag = if value.is_f64() { Tag::Float } else { Tag::Int };
                Scalar::new(tag, value.to_string()).into()
            }
            Json::String(text) => Self::string(text),
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

pub(crate) fn not_finite(node: &Node, scalar: &Scalar) -> WriteError {
    WriteError::NotFinite { line: node.position.line, text: scalar.text.clone() }
}
