//! Whether values of a JSON patch are spelt as the Go library spells those of the object: its `test` compares the spelling of texts and
//! numbers, so that `"<"` or `1.0` in a patch that is JSON is never what an object has. Not here: patches in YAML, which Go spells itself.

use std::collections::HashMap;

use serde_json::Value as Json;
use serde_json::value::RawValue;

use crate::hash::go_json;

/// For each operation of a patch that is JSON, whether its value is spelt in a way of its own; nothing if it is no list of objects.
pub(crate) fn odd_values(text: &str) -> Vec<bool> {
    let operations: Vec<HashMap<String, &RawValue>> = serde_json::from_str(text).unwrap_or_default();
    operations.iter().map(|operation| operation.get("value").is_some_and(|value| is_odd(value.get()))).collect()
}

/// The JSON parser bounds the depth.
fn is_odd(text: &str) -> bool {
    match text.as_bytes().first() {
        Some(b'{') => {
            let fields: HashMap<String, &RawValue> = serde_json::from_str(text).unwrap_or_default();
            fields.values().any(|value| is_odd(value.get()))
        }
        Some(b'[') => {
            let items: Vec<&RawValue> = serde_json::from_str(text).unwrap_or_default();
            items.iter().any(|value| is_odd(value.get()))
        }
        _ => serde_json::from_str::<Json>(text).is_ok_and(|value| {
            let mut spelt = String::new();
            go_json(&value, &mut spelt);
            spelt != text
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_go_would_write_in_another_way_is_odd() {
        let text = r#"[{"op": "test", "path": "/a", "value": "<"}, {"value": "\u003c"}, {"value": [1, {"a": 1.0}]},
            {"value": {"b": [0.5, null, "é"]}}, {"path": "/a"}, {"value": 1e3}]"#;
        assert_eq!(odd_values(text), [true, false, true, false, false, true]);
        assert!(odd_values("[1]").is_empty() && odd_values("{}").is_empty());
    }
}
