//! From a tree to typed fields, with the conversions that Go's YAML and JSON readers make and the faults that they find.
//!
//! A null leaves a field as it is, names match whatever their case, and a number or boolean becomes a string only where the YAML reader knows
//! that a string is wanted. Deliberately absent: which fields there are.

use std::collections::BTreeMap;

use sluice_yaml::{Mapping, Node, Scalar, Tag, Value};

use crate::time::Time;

/// A value that does not fit its field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It has the wrong type.
    #[error("json: cannot unmarshal {found} into Go struct field {field} of type {wanted}")]
    Type {
        /// Its type in JSON.
        found: &'static str,
        /// Where it is.
        field: String,
        /// What Go would hold there.
        wanted: &'static str,
    },
    /// There is no such field, and the format is strict.
    #[error("json: unknown field \"{0}\"")]
    UnknownField(String),
    /// The text is no time.
    #[error("parsing time \"{0}\" as \"2006-01-02T15:04:05Z07:00\": cannot parse")]
    Time(String),
}

/// Whether scalars become strings where a string is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalars {
    /// Numbers and booleans do, as the YAML reader has it for fields that it sees.
    Coerced,
    /// A string must be one: JSON, and fields of an embedded struct, which the YAML reader does not see.
    Exact,
}

/// What happens to fields that are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    Ignored,
    Refused,
}

/// How a struct is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Rules {
    pub(crate) scalars: Scalars,
    pub(crate) unknown: Unknown,
}

/// One field that is read: its value, its name for errors, the rules.
#[derive(Clone, Copy)]
pub(crate) struct Field<'n> {
    pub(crate) node: &'n Node,
    /// `Struct.field`, without the struct where the caller adds none.
    pub(crate) of: &'static str,
    pub(crate) name: &'static str,
    pub(crate) rules: Rules,
}

impl<'n> Field<'n> {
    /// Sets a string.
    pub(crate) fn string(&self, target: &mut String) -> Result<(), DecodeError> {
        if let Some(text) = self.text(self.node)? {
            *target = text;
        }
        Ok(())
    }

    /// Sets a boolean.
    pub(crate) fn boolean(&self, target: &mut bool) -> Result<(), DecodeError> {
        if self.node.is_null() {
            return Ok(());
        }
        match self.node.to_json() {
            Ok(serde_json::Value::Bool(value)) => {
                *target = value;
                Ok(())
            }
            _ => Err(self.wrong(self.node, "bool")),
        }
    }

    /// Sets a list of strings; a null inside is an empty one, a null outside is no list.
    pub(crate) fn strings(&self, target: &mut Option<Vec<String>>) -> Result<(), DecodeError> {
        let Some(items) = self.list("[]string")? else {
            *target = None;
            return Ok(());
        };
        *target = Some(items.iter().map(|item| Ok(self.text(item)?.unwrap_or_default())).collect::<Result<_, _>>()?);
        Ok(())
    }

    /// Adds to a map of strings.
    pub(crate) fn string_map(&self, target: &mut BTreeMap<String, String>) -> Result<(), DecodeError> {
        let Some(mapping) = self.mapping("map[string]string")? else {
            target.clear();
            return Ok(());
        };
        for (key, value) in mapping.iter() {
            target.insert(key.to_owned(), self.text(value)?.unwrap_or_default());
        }
        Ok(())
    }

    /// The items of a list; `None` for a null.
    pub(crate) fn list(&self, wanted: &'static str) -> Result<Option<&'n [Node]>, DecodeError> {
        match &self.node.value {
            Value::Sequence(items) => Ok(Some(items)),
            _ if self.node.is_null() => Ok(None),
            _ => Err(self.wrong(self.node, wanted)),
        }
    }

    /// The entries of a mapping; `None` for a null.
    pub(crate) fn mapping(&self, wanted: &'static str) -> Result<Option<&'n Mapping>, DecodeError> {
        match &self.node.value {
            Value::Mapping(mapping) => Ok(Some(mapping)),
            _ if self.node.is_null() => Ok(None),
            _ => Err(self.wrong(self.node, wanted)),
        }
    }

    /// Sets a time.
    pub(crate) fn time(&self, target: &mut Time) -> Result<(), DecodeError> {
        if self.node.is_null() {
            return Ok(());
        }
        let text = self.node.text().unwrap_or_default();
        *target = self
            .node
            .as_str()
            .and_then(Time::parse)
            .ok_or_else(|| DecodeError::Time(text.chars().take(MAX_SHOWN).collect()))?;
        Ok(())
    }

    /// A value of any type as JSON.
    pub(crate) fn any(&self, node: &Node) -> Result<serde_json::Value, DecodeError> {
        node.to_json().map_err(|_| self.wrong(node, "interface {}"))
    }

    fn text(&self, node: &Node) -> Result<Option<String>, DecodeError> {
        let Value::Scalar(scalar) = &node.value else { return Err(self.wrong(node, "string")) };
        match scalar.tag {
            Tag::Null => Ok(None),
            Tag::Str | Tag::Timestamp => Ok(Some(scalar.text.clone())),
            Tag::Int | Tag::Float | Tag::Bool if self.rules.scalars == Scalars::Coerced => Ok(Some(as_string(scalar))),
            Tag::Int | Tag::Float | Tag::Bool => Err(self.wrong(node, "string")),
        }
    }

    fn wrong(&self, node: &Node, wanted: &'static str) -> DecodeError {
        DecodeError::Type { found: type_name(node), field: format!("{}.{}", self.of, self.name), wanted }
    }
}

/// The most characters of a value that an error repeats.
const MAX_SHOWN: usize = 64;

/// The known name that a key stands for: itself, else one that differs in case only. A key that is not known is refused or has none.
pub(crate) fn known(key: &str, names: &[&'static str], unknown: Unknown) -> Result<Option<&'static str>, DecodeError> {
    let exact = names.iter().find(|name| **name == key);
    match exact.or_else(|| names.iter().find(|name| name.eq_ignore_ascii_case(key))) {
        Some(name) => Ok(Some(name)),
        None if unknown == Unknown::Refused => Err(DecodeError::UnknownField(key.chars().take(MAX_SHOWN).collect())),
        None => Ok(None),
    }
}

/// The name of a node's type in Go's messages about JSON.
pub(crate) fn type_name(node: &Node) -> &'static str {
    match &node.value {
        Value::Mapping(_) => "object",
        Value::Sequence(_) => "array",
        Value::Scalar(scalar) => match scalar.tag {
            Tag::Bool => "bool",
            Tag::Int | Tag::Float => "number",
            Tag::Str | Tag::Timestamp => "string",
            Tag::Null => "null",
        },
    }
}

/// A number or boolean as the string that the YAML reader makes of it.
fn as_string(scalar: &Scalar) -> String {
    match scalar.to_json() {
        Some(serde_json::Value::Bool(value)) => value.to_string(),
        Some(serde_json::Value::Number(number)) if scalar.tag == Tag::Int => number.to_string(),
        Some(serde_json::Value::Number(number)) => number.as_f64().map_or_else(|| scalar.text.clone(), go_float),
        // Not finite.
        _ => match scalar.text.trim_start_matches(['+', '-']).to_ascii_lowercase().as_str() {
            ".inf" if scalar.text.starts_with('-') => "-Inf".to_owned(),
            ".inf" => "+Inf".to_owned(),
            _ => "NaN".to_owned(),
        },
    }
}

/// A float with as few digits as tell it from other floats of 32 bits (sic), in exponent form below 1e-4 and from 1e6 on.
fn go_float(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "Go formats these with 32 bits")]
    let value = value as f32;
    let scientific = format!("{value:e}");
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return value.to_string();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}
