//! The generator's model of a directory and how it is written as YAML: JSON values with marks for how a node is spelt.
//!
//! Deliberately not a general YAML writer, and not the engine's: a fault there must not hide itself by being used on both sides.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

/// A string that begins with this is written as it stands, without the mark.
const RAW: char = '\u{1}';
/// A string that begins with this is a block scalar: its header, a line break, its text.
const BLOCK: char = '\u{2}';
/// The only key of a mapping that stands for a text which is YAML itself: the value is a list of documents.
const EMBEDDED: &str = "\u{3}";
/// The only key of a mapping whose value is written in flow style.
const FLOW: &str = "\u{4}";

/// Files by path: a list is a file of documents, a string is the file's text.
pub(super) type Files = BTreeMap<String, Value>;

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    Key(String),
    Index(usize),
}

/// A scalar written as it stands.
pub(super) fn raw(text: &str) -> Value {
    Value::String(format!("{RAW}{text}"))
}

/// A block scalar, `header` being `|`, `>-` and so on.
pub(super) fn block(header: &str, text: &str) -> Value {
    Value::String(format!("{BLOCK}{header}\n{text}"))
}

/// A text that holds documents.
pub(super) fn embedded(documents: Vec<Value>) -> Value {
    Value::Object(Map::from_iter([(EMBEDDED.to_owned(), Value::Array(documents))]))
}

/// `value` in flow style, unless something in it needs a line of its own.
pub(super) fn flow(value: Value) -> Value {
    if fits_flow(&value) { Value::Object(Map::from_iter([(FLOW.to_owned(), value)])) } else { value }
}

/// The value within marks for flow style and embedded documents.
pub(super) fn unmarked(value: &Value) -> &Value {
    value.get(FLOW).or_else(|| value.get(EMBEDDED)).unwrap_or(value)
}

/// Whether a node is a plain mapping of the document, not a mark.
pub(super) fn is_plain_map(value: &Value) -> bool {
    value.as_object().is_some_and(|map| !map.contains_key(FLOW) && !map.contains_key(EMBEDDED))
}

fn fits_flow(value: &Value) -> bool {
    match value {
        Value::String(text) => {
            let special = text.starts_with(RAW) && text.contains(['#', '&', '*', ',', '{', '[']);
            !text.starts_with(BLOCK) && !special
        }
        Value::Array(items) => items.iter().all(fits_flow),
        Value::Object(map) => is_plain_map(value) && map.iter().all(|(key, value)| key != "<<" && fits_flow(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => true,
    }
}

/// The text of a file.
pub(super) fn file_text(file: &Value) -> String {
    match file {
        Value::Array(documents) => documents_text(documents),
        Value::String(text) => text.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => String::new(),
    }
}

fn documents_text(documents: &[Value]) -> String {
    documents.iter().map(document).collect::<Vec<_>>().join("---\n")
}

fn document(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() && is_plain_map(value) => mapping(map, 0, &mut out),
        Value::Array(items) if !items.is_empty() => sequence(items, 0, &mut out),
        _ => {
            after_indicator(value, 0, &mut out);
            out = out.trim_start().to_owned();
        }
    }
    out
}

fn mapping(map: &Map<String, Value>, indent: usize, out: &mut String) {
    for (key, value) in map {
        let _ = write!(out, "{:indent$}{}:", "", scalar(key));
        after_indicator(value, indent, out);
    }
}

fn sequence(items: &[Value], indent: usize, out: &mut String) {
    for item in items {
        match item {
            Value::Object(map) if !map.is_empty() && is_plain_map(item) => {
                let mut inner = String::new();
                mapping(map, indent + 2, &mut inner);
                inner.replace_range(indent..indent + 2, "- ");
                out.push_str(&inner);
            }
            _ => {
                let _ = write!(out, "{:indent$}-", "");
                after_indicator(item, indent, out);
            }
        }
    }
}

/// What follows `key:` or `-` at an indentation, with its line break.
fn after_indicator(value: &Value, indent: usize, out: &mut String) {
    match value {
        Value::Object(map) if map.contains_key(EMBEDDED) => {
            let documents = map.get(EMBEDDED).and_then(Value::as_array).map_or(&[] as &[Value], Vec::as_slice);
            out.push_str(" |\n");
            indented(&documents_text(documents), indent + 2, out);
        }
        Value::Object(map) if map.contains_key(FLOW) => {
            out.push(' ');
            in_flow(unmarked(value), out);
            out.push('\n');
        }
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            mapping(map, indent + 2, out);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            sequence(items, indent + 2, out);
        }
        Value::String(text) if text.starts_with(BLOCK) => {
            let (header, text) = text.trim_start_matches(BLOCK).split_once('\n').unwrap_or(("|", ""));
            let _ = writeln!(out, " {header}");
            indented(text, indent + 2, out);
        }
        _ => {
            out.push(' ');
            in_flow(value, out);
            out.push('\n');
        }
    }
}

fn indented(text: &str, indent: usize, out: &mut String) {
    for line in text.lines() {
        if line.is_empty() {
            out.push('\n');
        } else {
            let _ = writeln!(out, "{:indent$}{line}", "");
        }
    }
}

fn in_flow(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                in_flow(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            out.push('{');
            for (index, (key, value)) in map.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                let _ = write!(out, "{}: ", scalar(key));
                in_flow(value, out);
            }
            out.push('}');
        }
        Value::String(text) => out.push_str(&scalar(text)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {
            let _ = write!(out, "{value}");
        }
    }
}

/// A string as a scalar: plain if that is certainly read as the same string, otherwise quoted.
fn scalar(text: &str) -> String {
    if let Some(text) = text.strip_prefix(RAW) {
        return text.to_owned();
    }
    let first = text.chars().next().is_some_and(|first| first.is_ascii_alphabetic() || first == '$' || first == '.');
    let rest = text.chars().all(|other| other.is_ascii_alphanumeric() || "./-_$()".contains(other));
    let word = !["y", "n", "yes", "no", "on", "off", "true", "false", "null"].contains(&text.to_lowercase().as_str());
    let number = text.starts_with('.') && !text.starts_with("..");
    if (first && rest && word && !number) || text == "<<" { text.to_owned() } else { Value::from(text).to_string() }
}

/// Every node below a value, parents first.
pub(super) fn paths(value: &Value) -> Vec<Vec<Step>> {
    let mut found = Vec::new();
    collect(value, &mut Vec::new(), &mut found);
    found
}

fn collect(value: &Value, at: &mut Vec<Step>, found: &mut Vec<Vec<Step>>) {
    let mut visit = |step: Step, child: &Value| {
        at.push(step);
        found.push(at.clone());
        collect(child, at, found);
        at.pop();
    };
    match value {
        Value::Array(items) => items.iter().enumerate().for_each(|(index, item)| visit(Step::Index(index), item)),
        Value::Object(map) => map.iter().for_each(|(key, item)| visit(Step::Key(key.clone()), item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The node at a path.
pub(super) fn at<'v>(value: &'v Value, path: &[Step]) -> Option<&'v Value> {
    path.iter().try_fold(value, |node, step| match step {
        Step::Key(key) => node.get(key),
        Step::Index(index) => node.get(index),
    })
}

/// The node at a path, to change.
pub(super) fn at_mut<'v>(value: &'v mut Value, path: &[Step]) -> Option<&'v mut Value> {
    path.iter().try_fold(value, |node, step| match step {
        Step::Key(key) => node.get_mut(key),
        Step::Index(index) => node.get_mut(index),
    })
}

/// Takes the node at a path out; false if it is not there or is a mark's content.
pub(super) fn remove(value: &mut Value, path: &[Step]) -> bool {
    let Some((last, parents)) = path.split_last() else { return false };
    match (at_mut(value, parents), last) {
        (Some(Value::Object(map)), Step::Key(key)) if key != FLOW && key != EMBEDDED => map.remove(key).is_some(),
        (Some(Value::Array(items)), Step::Index(index)) if *index < items.len() => {
            items.remove(*index);
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_mark_is_written_as_what_it_stands_for() {
        let value = json!([{
            "a": raw("0x1F # c"),
            "b": block("|-", "x\n\n y"),
            "c": embedded(vec![json!({"k": "v"}), json!([1])]),
            "d": flow(json!({"p": ["q", "yes"]})),
            "e": [{"f": "1", "g": {}}, [2]],
        }]);
        let text = "a: 0x1F # c\nb: |-\n  x\n\n   y\nc: |\n  k: v\n  ---\n  - 1\nd: {p: [q, \"yes\"]}\ne:\n  - f: \"1\"\n    g: {}\n  -\n    - 2\n";
        assert_eq!(file_text(&value), text);
    }
}
