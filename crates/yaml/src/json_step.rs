//! The step through JSON before text is written: kustomize makes each document one line of JSON and reads that as YAML again, which
//! changes or refuses the few characters that JSON leaves as they are and YAML does not take so. Not here: any other document, which
//! the step does not change.

use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::error::{WriteError, YamlError};
use crate::node::{Node, Value};
use crate::reader::{Limits, read_config};
use crate::writer::go_number;

/// Keys from this length on, in bytes of JSON, are too long for a key that stands on one line with its value.
const LONG_KEY: usize = 1000;

/// The document after the step; `None` if it is the same as before.
///
/// # Errors
/// The document has no JSON form, or the JSON is not the YAML that the step takes.
pub(crate) fn reread(node: &Node) -> Result<Option<Node>, WriteError> {
    if !is_affected(node) {
        return Ok(None);
    }
    let mut text = String::new();
    encode(&node.to_json()?, &mut text);
    // What is already in memory needs no bound.
    let limits = Limits { bytes: usize::MAX, depth: usize::MAX, nodes: usize::MAX };
    read_config(text.as_bytes(), &limits).map_err(|error| {
        let (line, problem) = match error {
            YamlError::Syntax { shown, problem, .. } => (shown, problem),
            other => (0, other.to_string()),
        };
        WriteError::Unreadable { line, problem }
    })
}

fn is_affected(node: &Node) -> bool {
    match &node.value {
        Value::Scalar(scalar) => is_odd(&scalar.text),
        Value::Sequence(items) => items.iter().any(is_affected),
        Value::Mapping(mapping) => {
            mapping.iter().any(|(key, value)| key.len() > LONG_KEY / 6 || is_odd(key) || is_affected(value))
        }
    }
}

/// Whether a text has a character that JSON does not escape and YAML does not take for what it is: the delete character, the second set
/// of control characters (with the line break among them), and the two last code points of the basic plane.
fn is_odd(text: &str) -> bool {
    if text.is_ascii() {
        return text.as_bytes().contains(&0x7f);
    }
    text.chars().any(|letter| matches!(letter, '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}'))
}

/// JSON as Go's encoder writes it, as far as a reader can tell.
fn encode(json: &Json, out: &mut String) {
    match json {
        Json::Null => out.push_str("null"),
        Json::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Json::Number(number) => out.push_str(&go_number(number)),
        Json::String(text) => encode_string(text, out),
        Json::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                encode(item, out);
            }
            out.push(']');
        }
        Json::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (index, (key, value)) in fields.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                encode_string(key, out);
                out.push(':');
                encode(value, out);
            }
            out.push('}');
        }
    }
}

fn encode_string(text: &str, out: &mut String) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' | '\\' => out.extend(['\\', letter]),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..='\u{1f}' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(letter));
            }
            _ => out.push(letter),
        }
    }
    out.push('"');
}
