//! An object as kustomize's own language prints it, which it does in front of the reason why an object cannot be written.

use std::fmt::Write as _;

use sluice_yaml::{Mapping, Node, Scalar, Tag, Value};

use crate::error::go_quote;

/// The map of an object, whose keys at the top count as texts; a nil one if one of them is a null.
pub(crate) fn object(node: &Node) -> String {
    let Some(mapping) =
        node.as_mapping().filter(|mapping| mapping.entries().iter().all(|entry| entry.key.tag != Tag::Null))
    else {
        return "map[string]interface {}(nil)".to_owned();
    };
    let mut fields: Vec<_> = mapping.iter().collect();
    fields.sort_unstable_by_key(|(key, _)| *key);
    let fields: Vec<String> =
        fields.into_iter().map(|(key, value)| format!("{}:{}", go_quote(key), text(value))).collect();
    format!("map[string]interface {{}}{{{}}}", fields.join(", "))
}

fn all_strings(mapping: &Mapping) -> bool {
    mapping.entries().iter().all(|entry| entry.key.tag == Tag::Str)
}

fn text(node: &Node) -> String {
    match &node.value {
        Value::Scalar(value) => scalar(value),
        Value::Sequence(items) => {
            let items: Vec<String> = items.iter().map(text).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Mapping(mapping) => {
            let strings = all_strings(mapping);
            let mut entries: Vec<_> = mapping.entries().iter().collect();
            // Numbers come before texts, and each in their order.
            entries.sort_by_key(|entry| {
                let number = entry.key.text.parse::<i64>().ok().filter(|_| entry.key.tag == Tag::Int);
                (number.is_none(), number, entry.key.text.clone())
            });
            let key = |entry: &sluice_yaml::Entry| scalar(&Scalar::new(entry.key.tag, &*entry.key.text));
            let fields: Vec<String> =
                entries.iter().map(|entry| format!("{}:{}", key(entry), text(&entry.value))).collect();
            let kind = if strings { "string" } else { "interface {}" };
            format!("map[{kind}]interface {{}}{{{}}}", fields.join(", "))
        }
    }
}

fn scalar(value: &Scalar) -> String {
    match value.tag {
        Tag::Str | Tag::Timestamp => go_quote(&value.text),
        Tag::Null => "interface {}(nil)".to_owned(),
        Tag::Bool | Tag::Int | Tag::Float => {
            let mut text = String::new();
            match value.to_json() {
                // Writing to a string cannot fail.
                Some(json) => drop(write!(text, "{json}")),
                None if value.text.starts_with('-') => text.push_str("-Inf"),
                None if value.text.eq_ignore_ascii_case(".nan") => text.push_str("NaN"),
                None => text.push_str("+Inf"),
            }
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use sluice_yaml::{Limits, read_documents};

    use super::*;

    #[test]
    fn maps_print_with_their_types() {
        let node = |text: &str| read_documents(text.as_bytes(), &Limits::DEFAULT).unwrap().remove(0);
        assert_eq!(
            object(&node("kind: T\ndata: {1: a, b: [x, null, 2, true]}\n")),
            "map[string]interface {}{\"data\":map[interface {}]interface {}{1:\"a\", \
             \"b\":[]interface {}{\"x\", interface {}(nil), 2, true}}, \"kind\":\"T\"}"
        );
        assert_eq!(object(&node("b: 1\n1: a\n")), "map[string]interface {}{\"1\":\"a\", \"b\":1}");
        assert_eq!(object(&node("~: a\n")), "map[string]interface {}(nil)");
    }
}
