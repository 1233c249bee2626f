//! Strict decoding of configuration structures from YAML trees, with the rules of Go's JSON decoder: field names regardless of
//! case, null means absent, wrong types and unknown fields are errors. The words are Go's; the line is ours.

use std::collections::BTreeMap;

use sluice_yaml::{Mapping, Node, Tag, Value};
use thiserror::Error;

/// Why a structure could not be decoded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// A field that the structure does not have.
    #[error("json: unknown field {}", crate::error::go_quote(field))]
    UnknownField {
        /// Its name.
        field: String,
        /// Its line, from 1.
        line: u32,
    },
    /// A value of another type than the field has.
    #[error("json: cannot unmarshal {found} into Go {} of type {wanted}", place(field))]
    WrongType {
        /// What the file has.
        found: &'static str,
        /// Structure and field.
        field: String,
        /// What the field takes.
        wanted: String,
        /// Line of the value, from 1.
        line: u32,
    },
}

/// A structure's field, or a structure that is nobody's field.
fn place(field: &str) -> String {
    if field.contains('.') { format!("struct field {field}") } else { "value".to_owned() }
}

impl DecodeError {
    /// The line of the field or value, from 1.
    pub fn line(&self) -> u32 {
        let (Self::UnknownField { line, .. } | Self::WrongType { line, .. }) = self;
        *line
    }

    /// The error of a structure that `field` of `outer` holds: the path grows at its front, behind the innermost structure's name.
    fn within(self, outer: &str, name: &str) -> Self {
        match self {
            Self::WrongType { found, field, wanted, line } => {
                let field = match field.split_once('.') {
                    Some((structure, path)) => format!("{structure}.{name}.{path}"),
                    None => format!("{outer}.{name}"),
                };
                Self::WrongType { found, field, wanted, line }
            }
            unknown @ Self::UnknownField { .. } => unknown,
        }
    }
}

/// The fields of one structure, taken one by one.
pub(crate) struct Fields<'n> {
    name: &'static str,
    /// Values and, once taken, nothing.
    entries: Vec<(&'n str, u32, Option<&'n Node>)>,
    any_set: bool,
}

impl<'n> Fields<'n> {
    /// The fields of a mapping (none for a null).
    pub(crate) fn new(node: &'n Node, name: &'static str) -> Result<Self, DecodeError> {
        static EMPTY: std::sync::LazyLock<Mapping> = std::sync::LazyLock::new(Mapping::default);
        let mapping = match &node.value {
            Value::Mapping(mapping) => mapping,
            _ if node.is_null() => &EMPTY,
            _ => return Err(wrong_type(node, name.to_owned(), &format!("types.{name}"))),
        };
        let entries = mapping
            .entries()
            .iter()
            .map(|entry| (entry.key.text.as_str(), entry.key.position.line, Some(&entry.value)))
            .collect();
        Ok(Self { name, entries, any_set: false })
    }

    /// Takes a field; `None` if absent or null. Of several spellings the last wins.
    pub(crate) fn take(&mut self, name: &str) -> Option<&'n Node> {
        let mut found = None;
        for (key, _, value) in &mut self.entries {
            if key.eq_ignore_ascii_case(name)
                && let Some(node) = value.take()
            {
                found = Some(node);
            }
        }
        let found = found.filter(|node| !node.is_null());
        // An empty string is the zero value, an empty list or map is not.
        self.any_set |= found.is_some_and(|node| node.text() != Some(""));
        found
    }

    /// The line of a field that has not been taken.
    pub(crate) fn line_of(&self, name: &str) -> Option<u32> {
        self.entries
            .iter()
            .find(|(key, _, node)| key.eq_ignore_ascii_case(name) && node.is_some_and(|node| !node.is_null()))
            .map(|(_, line, _)| *line)
    }

    /// Whether any field taken so far had a value other than null or an empty string.
    pub(crate) fn any_set(&self) -> bool {
        self.any_set
    }

    /// Forgets that fields were taken, for [`Fields::any_set`].
    pub(crate) fn reset_any_set(&mut self) {
        self.any_set = false;
    }

    fn path(&self, field: &str) -> String {
        format!("{}.{field}", self.name)
    }

    pub(crate) fn string(&mut self, name: &str) -> Result<String, DecodeError> {
        Ok(self.optional_string(name)?.unwrap_or_default())
    }

    pub(crate) fn optional_string(&mut self, name: &str) -> Result<Option<String>, DecodeError> {
        self.take(name).map(|node| text(node, || self.path(name), "string")).transpose()
    }

    pub(crate) fn boolean(&mut self, name: &str) -> Result<bool, DecodeError> {
        let Some(node) = self.take(name) else { return Ok(false) };
        match node.as_scalar() {
            Some(scalar) if scalar.tag == Tag::Bool => Ok(scalar.to_json() == Some(serde_json::Value::Bool(true))),
            _ => Err(wrong_type(node, self.path(name), "bool")),
        }
    }

    pub(crate) fn integer(&mut self, name: &str) -> Result<i64, DecodeError> {
        let Some(node) = self.take(name) else { return Ok(0) };
        node.as_scalar()
            .filter(|scalar| matches!(scalar.tag, Tag::Int | Tag::Float))
            .and_then(|scalar| scalar.to_json()?.as_i64())
            .ok_or_else(|| wrong_type(node, self.path(name), "int64"))
    }

    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        item: impl Fn(&'n Node) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        Ok(self.optional_list(name, item)?.unwrap_or_default())
    }

    /// A list; `None` if the field is absent, which is not the same as empty.
    pub(crate) fn optional_list<T>(
        &mut self,
        name: &str,
        item: impl Fn(&'n Node) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(node) = self.take(name) else { return Ok(None) };
        let items = node.as_sequence().ok_or_else(|| wrong_type(node, self.path(name), element_list(name)))?;
        let items = items.iter().map(|node| item(node).map_err(|error| error.within(self.name, name)));
        items.collect::<Result<_, _>>().map(Some)
    }

    /// A structure in a field.
    pub(crate) fn nested<T>(
        &mut self,
        name: &str,
        decode: impl FnOnce(&'n Node) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        let Some(node) = self.take(name) else { return Ok(None) };
        decode(node).map(Some).map_err(|error| error.within(self.name, name))
    }

    pub(crate) fn strings(&mut self, name: &str) -> Result<Vec<String>, DecodeError> {
        Ok(self.optional_strings(name)?.unwrap_or_default())
    }

    pub(crate) fn optional_strings(&mut self, name: &str) -> Result<Option<Vec<String>>, DecodeError> {
        let Some(node) = self.take(name) else { return Ok(None) };
        let Some(items) = node.as_sequence() else { return Err(wrong_type(node, self.path(name), "[]string")) };
        items.iter().map(|item| text(item, || self.path(name), "string")).collect::<Result<_, _>>().map(Some)
    }

    /// A map of strings; `None` if the field is absent.
    pub(crate) fn string_map(&mut self, name: &str) -> Result<Option<BTreeMap<String, String>>, DecodeError> {
        let Some(node) = self.take(name) else { return Ok(None) };
        let Some(mapping) = node.as_mapping() else {
            return Err(wrong_type(node, self.path(name), "map[string]string"));
        };
        mapping
            .iter()
            .map(|(key, value)| Ok((key.to_owned(), text(value, || self.path(name), "string")?)))
            .collect::<Result<_, _>>()
            .map(Some)
    }

    /// A map of strings in the configuration of a plugin, where numbers and booleans count as their text.
    pub(crate) fn coerced_map(&mut self, name: &str) -> Result<BTreeMap<String, String>, DecodeError> {
        let Some(node) = self.take(name) else { return Ok(BTreeMap::new()) };
        let Some(mapping) = node.as_mapping() else {
            return Err(wrong_type(node, self.path(name), "map[string]string"));
        };
        mapping
            .iter()
            .map(|(key, value)| {
                let text = if value.is_null() { Some("") } else { value.text() };
                let text = text.ok_or_else(|| wrong_type(value, self.path(name), "string"))?;
                Ok((key.to_owned(), text.to_owned()))
            })
            .collect()
    }

    /// Ends a structure all of whose fields are known.
    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        match self.entries.into_iter().find(|(_, _, value)| value.is_some()) {
            Some((field, line, _)) => Err(DecodeError::UnknownField { field: field.to_owned(), line }),
            None => Ok(()),
        }
    }
}

fn text(node: &Node, field: impl Fn() -> String, wanted: &'static str) -> Result<String, DecodeError> {
    if node.is_null() {
        return Ok(String::new());
    }
    node.as_str().map(str::to_owned).ok_or_else(|| wrong_type(node, field(), wanted))
}

/// The type of a list of structures, by the field that holds it.
fn element_list(field: &str) -> &'static str {
    match field {
        "patches" | "patchesJson6902" => "[]types.Patch",
        "images" | "imageTags" => "[]types.Image",
        "labels" => "[]types.Label",
        "replicas" => "[]types.Replica",
        "replacements" => "[]types.ReplacementField",
        "vars" => "[]types.Var",
        "configMapGenerator" => "[]types.ConfigMapArgs",
        "secretGenerator" => "[]types.SecretArgs",
        "targets" => "[]*types.TargetSelector",
        "reject" => "[]*types.Selector",
        _ => "[]types.FieldSpec",
    }
}

fn wrong_type(node: &Node, field: String, wanted: &str) -> DecodeError {
    let found = match &node.value {
        Value::Mapping(_) => "object",
        Value::Sequence(_) => "array",
        Value::Scalar(scalar) => match scalar.tag {
            Tag::Str | Tag::Timestamp => "string",
            Tag::Int | Tag::Float => "number",
            Tag::Bool => "bool",
            Tag::Null => "null",
        },
    };
    DecodeError::WrongType { found, field, wanted: wanted.to_owned(), line: node.position.line }
}
