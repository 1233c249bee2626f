//! Field specifications: which field of which kinds a transformer changes, and the walk to it.
//!
//! Paths are separated by `/`, cross lists by themselves, and may be told to make what is missing. What is done at the end of
//! the walk is the caller's.

use std::borrow::Cow;

use sluice_yaml::{Node, Scalar, Style, Value};
use thiserror::Error;

use crate::id::{Gvk, ResId};

/// How messages about a node of another kind than expected start.
const WRONG_KIND: &str = "wrong node kind";

/// One row of a transformer's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldSpec {
    /// Kinds to which it applies; blank parts match anything.
    pub(crate) gvk: Gvk,
    /// The path as written, for messages and for telling rows apart.
    pub(crate) path: String,
    /// Whether missing maps on the way, and the field itself, are made.
    pub(crate) create: bool,
}

/// What an absent field is made as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Create {
    /// Nothing: an absent field is left alone, whatever the row says.
    Never,
    /// An empty mapping.
    Mapping,
    /// An empty scalar.
    Scalar,
}

/// Why a walk failed.
#[derive(Debug, Error)]
pub(crate) enum FieldError {
    #[error("considering field '{path}' of object {id}: {problem}")]
    At { path: String, id: String, problem: String },
    #[error("conflicting fieldspecs")]
    Conflict,
    #[error("{act}")]
    During { act: &'static str, source: Box<FieldError> },
    #[error("{0}")]
    Other(String),
}

impl FieldError {
    /// Whether a node of another kind than expected is the cause.
    pub(crate) fn is_wrong_kind(&self) -> bool {
        matches!(self, Self::At { problem, .. } if problem.contains(WRONG_KIND))
    }
}

impl FieldSpec {
    pub(crate) fn new(gvk: Gvk, path: &str, create: bool) -> Self {
        Self { gvk, path: path.to_owned(), create }
    }

    /// Two rows say the same if one's kinds include the other's and the paths are equal.
    fn covers(&self, other: &Self) -> bool {
        self.gvk.is_selected_by(&other.gvk) && self.path == other.path
    }

    /// Calls `change` for every field that the row reaches in the resource with this id.
    pub(crate) fn visit(
        &self,
        node: &mut Node,
        id: &ResId,
        create: Create,
        change: &mut dyn FnMut(&mut Node) -> Result<(), String>,
    ) -> Result<(), FieldError> {
        if id.gvk.is_selected_by(&self.gvk) { self.reach(node, id, create, change) } else { Ok(()) }
    }

    /// As [`FieldSpec::visit`], whatever kind the row is for.
    pub(crate) fn reach(
        &self,
        node: &mut Node,
        id: &ResId,
        create: Create,
        change: &mut dyn FnMut(&mut Node) -> Result<(), String>,
    ) -> Result<(), FieldError> {
        let create = if self.create { create } else { Create::Never };
        if create == Create::Never && self.leads_nowhere(node) {
            return Ok(());
        }
        let segments = split_path(&self.path, '/');
        walk(node, &segments, create, change).map_err(|problem| FieldError::At {
            path: self.path.clone(),
            id: id.to_string(),
            problem,
        })
    }
}

impl FieldSpec {
    /// Whether not even the first field of the path is there: most rows are for kinds that this object is not, and end here.
    fn leads_nowhere(&self, node: &Node) -> bool {
        let path = self.path.strip_prefix('/').unwrap_or(&self.path);
        let first = path.split('/').next().unwrap_or_default();
        let name = first.strip_suffix("[]").unwrap_or(first);
        let plain = !name.is_empty() && !name.ends_with('\\');
        plain && node.as_mapping().is_some_and(|mapping| mapping.get(name).is_none())
    }
}

/// Adds the rows that are not covered yet.
pub(crate) fn merge_specs(into: &mut Vec<FieldSpec>, from: &[FieldSpec]) -> Result<(), FieldError> {
    for spec in from {
        match into.iter().find(|have| have.covers(spec)) {
            Some(have) if have.create != spec.create => return Err(FieldError::Conflict),
            Some(_) => {}
            None => into.push(spec.clone()),
        }
    }
    Ok(())
}

fn walk(
    node: &mut Node,
    path: &[Cow<'_, str>],
    create: Create,
    change: &mut dyn FnMut(&mut Node) -> Result<(), String>,
) -> Result<(), String> {
    let Some((segment, rest)) = path.split_first() else { return change(node) };
    if node.is_null() {
        return Ok(());
    }
    match &mut node.value {
        Value::Sequence(items) => items
            .iter_mut()
            .try_for_each(|item| walk(item, path, create, change))
            .map_err(|problem| format!("visit traversal on path: [{}]: {problem}", path.join(" "))),
        Value::Scalar(_) => Err("expected sequence or mapping node".to_owned()),
        Value::Mapping(mapping) => {
            let (name, is_list) = segment.strip_suffix("[]").map_or((&**segment, false), |name| (name, true));
            if name.is_empty() {
                return Err("cannot set or create an empty field name".to_owned());
            }
            let make = || match create {
                Create::Scalar if rest.is_empty() => Scalar::new(sluice_yaml::Tag::Str, "").into(),
                _ => Node::mapping(),
            };
            let field = if create == Create::Never || is_list {
                let Some(field) = mapping.get_mut(name) else { return Ok(()) };
                if is_list && field.is_null() {
                    *field = Vec::new().into();
                }
                field
            } else {
                let field = mapping.get_or_insert_with(name, make);
                if field.is_null() {
                    *field = make();
                }
                field
            };
            walk(field, rest, create, change)
        }
    }
}

/// Splits a path at a separator that is not escaped by a backslash; one leading separator is allowed.
pub(crate) fn split_path(path: &str, separator: char) -> Vec<Cow<'_, str>> {
    let path = path.strip_prefix(separator).unwrap_or(path);
    let mut parts: Vec<Cow<'_, str>> = Vec::new();
    for part in path.split(separator) {
        match parts.last_mut() {
            Some(last) if last.ends_with('\\') => {
                let last = last.to_mut();
                last.pop();
                last.push(separator);
                last.push_str(part);
            }
            _ => parts.push(Cow::Borrowed(part)),
        }
    }
    parts
}

/// Sets a string on a scalar field.
pub(crate) fn set_text(node: &mut Node, text: &str) -> Result<(), String> {
    expect_scalar(node)?;
    node.value = Node::string(text).value;
    Ok(())
}

/// Sets an entry of a mapping field. `shared` is the number of new entries with this value, see [`Scalar::shared`].
pub(crate) fn set_entry(node: &mut Node, key: &str, value: &str, shared: u32) -> Result<(), String> {
    if node.as_mapping().is_none() {
        return Err(wrong_kind(node, "MappingNode"));
    }
    if let Some(mapping) = node.as_mapping_mut() {
        match mapping.get_mut(key) {
            Some(old) => {
                let made = Scalar::string(value);
                let old_scalar = old.as_scalar();
                let shared = old_scalar.map_or(0, |scalar| scalar.shared);
                // The spelling of before stays; several lines without one become a block.
                let style = match old_scalar.map(|scalar| scalar.style) {
                    Some(Style::Plain | Style::Untyped) if made.style != Style::Literal => Style::Plain,
                    None | Some(Style::Plain | Style::Untyped) => made.style,
                    Some(style) => style,
                };
                old.value = Value::Scalar(Scalar { shared, style, ..made });
            }
            None => mapping.insert_plain(key, Scalar { shared, ..Scalar::string(value) }.into()),
        }
    }
    Ok(())
}

pub(crate) fn expect_scalar(node: &Node) -> Result<(), String> {
    if node.as_scalar().is_some() {
        return Ok(());
    }
    Err(wrong_kind(node, "ScalarNode"))
}

fn wrong_kind(node: &Node, expected: &str) -> String {
    let contents = sluice_yaml::write(node).unwrap_or_default();
    format!("{WRONG_KIND}: expected {expected} but got {}: node contents:\n{contents}", node.kind_name())
}

#[cfg(test)]
mod tests {
    use sluice_yaml::{Limits, read_documents, write};

    use super::*;

    fn changed(document: &str, path: &str, create: bool) -> String {
        let mut node = read_documents(document.as_bytes(), &Limits::DEFAULT).unwrap().remove(0);
        let spec = FieldSpec::new(Gvk::default(), path, create);
        spec.visit(&mut node, &ResId::default(), Create::Mapping, &mut |field| set_entry(field, "k", "v", 0)).unwrap();
        write(&node).unwrap()
    }

    #[test]
    fn lists_are_crossed_and_missing_maps_are_made_only_when_asked() {
        assert_eq!(
            changed("a:\n- b: {}\n- b: {x: z}\n- c: 1\n", "a/b", false),
            "a:\n- b:\n    k: v\n- b:\n    k: v\n    x: z\n- c: 1\n"
        );
        assert_eq!(changed("x: w\n", "a/b", true), "a:\n  b:\n    k: v\nx: w\n");
        assert_eq!(changed("x: w\n", "a/b", false), "x: w\n");
        assert_eq!(changed("a: null\n", "a/b", true), "a:\n  b:\n    k: v\n");
        assert_eq!(changed("x: w\n", "a[]/b", true), "x: w\n");
    }

    #[test]
    fn separators_can_be_escaped() {
        assert_eq!(split_path(r"metadata/annotations/a.b\/c", '/'), ["metadata", "annotations", "a.b/c"]);
        assert_eq!(split_path("/a/b", '/'), ["a", "b"]);
    }

    #[test]
    fn rows_that_differ_only_in_create_conflict() {
        let row = |create| FieldSpec::new(Gvk::default(), "a", create);
        let mut rows = vec![row(true)];
        assert!(merge_specs(&mut rows, &[row(true)]).is_ok());
        assert!(matches!(merge_specs(&mut rows, &[row(false)]), Err(FieldError::Conflict)));
        assert_eq!(rows.len(), 1);
    }
}
