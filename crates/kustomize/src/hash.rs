//! The name suffix of generated objects: a hash of their content. It does not rename anything.

use serde_json::{Map, Value as Json, json};
use sha2::{Digest, Sha256};
use sluice_yaml::{Node, WriteError, write_json_string};

/// Length of the suffix.
const LENGTH: usize = 10;

/// The suffix of a `ConfigMap` or `Secret`; `None` for other kinds, whose hash depends on the inner form of another program.
pub(crate) fn content_hash(node: &Node) -> Result<Option<String>, WriteError> {
    let field = |name: &str| match node.get(name) {
        None => Ok(json!("")),
        Some(value) => value.text().map_or_else(|| decoded(value), |text| Ok(json!(text))),
    };
    // kustomize looks the name up in a way that never finds it, so that it is always blank.
    let mut content = Map::new();
    content.insert("name".to_owned(), json!(""));
    content.insert("data".to_owned(), field("data")?);
    let (kind, extra) = match node.get("kind").and_then(Node::text) {
        Some("ConfigMap") => ("ConfigMap", "binaryData"),
        Some("Secret") => {
            content.insert("type".to_owned(), field("type")?);
            ("Secret", "stringData")
        }
        _ => return Ok(None),
    };
    content.insert("kind".to_owned(), json!(kind));
    if node.get(extra).is_some_and(|value| value.as_scalar().is_none()) {
        content.insert(extra.to_owned(), field(extra)?);
    }
    let mut text = String::new();
    go_json(&Json::Object(content), &mut text);
    let digest = hex::encode(Sha256::digest(text.as_bytes()));
    // Letters and digits that could form words are exchanged.
    let encoded = digest.chars().take(LENGTH).map(|digit| match digit {
        '0' => 'g',
        '1' => 'h',
        '3' => 'k',
        'a' => 'm',
        'e' => 't',
        other => other,
    });
    Ok(Some(encoded.collect()))
}

/// A field as it is hashed: read once more into a map, which a list leaves blank, and with all numbers as floating point.
fn decoded(value: &Node) -> Result<Json, WriteError> {
    let json = value.to_json()?;
    Ok(if json.is_object() { floating(json) } else { Json::Null })
}

fn floating(json: Json) -> Json {
    match json {
        Json::Number(number) => {
            let float = number.as_f64().and_then(serde_json::Number::from_f64);
            Json::Number(float.unwrap_or(number))
        }
        Json::Array(items) => items.into_iter().map(floating).collect(),
        Json::Object(fields) => fields.into_iter().map(|(key, value)| (key, floating(value))).collect(),
        other => other,
    }
}

/// A floating-point number in Go's JSON: the shortest digits, with an exponent only far from one.
fn go_number(float: f64) -> String {
    if float != 0.0 && !(1e-6..1e21).contains(&float.abs()) {
        let text = format!("{float:e}");
        return if text.contains("e-") { text } else { text.replacen('e', "e+", 1) };
    }
    float.to_string()
}

/// A tree as compact JSON with Go's escapes; blank if it has no JSON form.
pub(crate) fn go_json_text(node: &Node) -> String {
    let mut text = String::new();
    if let Ok(json) = node.to_json() {
        go_json(&json, &mut text);
    }
    text
}

/// Compact JSON with sorted keys and Go's escapes.
pub(crate) fn go_json(value: &Json, text: &mut String) {
    match value {
        Json::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_unstable_by(|left, right| left.0.cmp(right.0));
            text.push('{');
            for (index, (key, value)) in fields.into_iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_json_string(text, key);
                text.push(':');
                go_json(value, text);
            }
            text.push('}');
        }
        Json::Array(items) => {
            text.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                go_json(item, text);
            }
            text.push(']');
        }
        Json::String(string) => write_json_string(text, string),
        Json::Number(number) if number.is_f64() => text.push_str(&go_number(number.as_f64().unwrap_or_default())),
        other => text.push_str(&other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use sluice_yaml::{Limits, read_documents};

    use super::*;

    #[test]
    fn hashes_equal_those_of_kustomize() {
        for (text, hash) in [
            ("kind: ConfigMap\nmetadata: {name: one}\ndata: {b: \"2\", a: \"1\"}\n", Some("7gdc49gk6d")),
            ("kind: ConfigMap\nmetadata: {name: none}\n", Some("6ct58987ht")),
            ("kind: ConfigMap\nbinaryData: {blob.bin: Ymlu/wA=}\n", Some("6k69252cd9")),
            ("kind: ConfigMap\ndata: {k: \"<a&b>é\\L\"}\n", Some("c2km5d6k9b")),
            ("kind: Secret\ntype: Opaque\ndata: {pass: czNjcjN0, user: YWRtaW4=}\n", Some("27b7dg5m6t")),
            ("kind: ConfigMap\ndata: []\n", Some("dk855m5d49")),
            ("kind: ConfigMap\ndata: {z10: 0.000001}\n", Some("k47tdt5bc9")),
            ("kind: Secret\ntype: []\ndata: {}\n", Some("tm5k5695mg")),
            ("kind: Pod\n", None),
        ] {
            let node = read_documents(text.as_bytes(), &Limits::DEFAULT).unwrap().remove(0);
            assert_eq!(content_hash(&node).unwrap().as_deref(), hash, "{text}");
        }
    }
}
