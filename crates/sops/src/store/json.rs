//! JSON, with the order of its keys kept and, written, in Go's spelling with a tab for each level.
//!
//! Deliberately as lenient as SOPS is: equal keys stay, and what follows the object is not looked at.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use sluice_yaml::write_json_string;

use super::{StoreError, numbers};
use crate::tree::{Branch, Item, Key, Value};

/// Reads an object. `serde_json` refuses more than 128 levels by itself.
pub(super) fn load(document: &[u8]) -> Result<Branch, StoreError> {
    let mut reader = serde_json::Deserializer::from_slice(document);
    let Root(branch) = Root::deserialize(&mut reader)
        .map_err(|error| StoreError::Json { line: error.line(), column: error.column() })?;
    Ok(branch)
}

struct Root(Branch);

impl<'de> Deserialize<'de> for Root {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Map(branch) => Ok(Self(branch)),
            _ => Err(D::Error::custom("not an object")),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Values)
    }
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Value, E> {
        Ok(Value::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Int(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        #[expect(clippy::cast_precision_loss, reason = "as SOPS has it: what no signed integer holds is a float")]
        let float = || Value::Float(number as f64);
        Ok(i64::try_from(number).map_or_else(|_| float(), Value::Int))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(value) = items.next_element()? {
            list.push(value);
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut branch = Branch::new();
        while let Some((key, value)) = entries.next_entry::<String, Value>()? {
            branch.push(Item::new(key, value));
        }
        Ok(Value::Map(branch))
    }
}

/// Writes an object and a line break. Comments have no place in it.
pub(super) fn emit(branch: &Branch) -> Result<Vec<u8>, StoreError> {
    let mut text = String::new();
    map(&mut text, branch, 0)?;
    text.push('\n');
    Ok(text.into_bytes())
}

fn map(text: &mut String, branch: &Branch, level: usize) -> Result<(), StoreError> {
    let mut open = false;
    for item in branch {
        let Key::Text(key) = &item.key else { continue };
        begin(text, (&mut open, '{'), level);
        write_json_string(text, key);
        text.push_str(": ");
        value(text, &item.value, level + 1)?;
    }
    end(text, open, ('{', '}'), level);
    Ok(())
}

fn value(text: &mut String, value: &Value, level: usize) -> Result<(), StoreError> {
    match value {
        Value::Map(branch) => return map(text, branch, level),
        Value::List(list) => return self::list(text, list, level),
        Value::Null | Value::Comment(_) => text.push_str("null"),
        Value::Bool(truth) => text.push_str(if *truth { "true" } else { "false" }),
        Value::Int(number) => text.push_str(&number.to_string()),
        Value::Unsigned(number) => text.push_str(&number.to_string()),
        Value::Float(number) => text.push_str(&numbers::json(*number).ok_or(StoreError::NotFinite)?),
        Value::Time(time) => write_json_string(text, time),
        Value::Text(bytes) => write_json_string(text, &String::from_utf8_lossy(bytes)),
        Value::Bytes(bytes) => write_json_string(text, &STANDARD.encode(bytes)),
    }
    Ok(())
}

fn list(text: &mut String, items: &[Value], level: usize) -> Result<(), StoreError> {
    let mut open = false;
    for item in items.iter().filter(|item| !matches!(item, Value::Comment(_))) {
        begin(text, (&mut open, '['), level);
        value(text, item, level + 1)?;
    }
    end(text, open, ('[', ']'), level);
    Ok(())
}

fn begin(text: &mut String, (open, bracket): (&mut bool, char), level: usize) {
    text.push(if std::mem::replace(open, true) { ',' } else { bracket });
    line(text, level + 1);
}

fn end(text: &mut String, open: bool, (left, right): (char, char), level: usize) {
    if open {
        line(text, level);
    } else {
        text.push(left);
    }
    text.push(right);
}

fn line(text: &mut String, level: usize) {
    text.push('\n');
    text.extend(std::iter::repeat_n('\t', level));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> String {
        String::from_utf8(emit(&load(text.as_bytes()).unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn an_object_is_written_with_tabs_in_the_order_of_its_keys() {
        let text = r#"{"b": {"y": [1, "two", {"c": null}], "x": []}, "a": {}, "f": 1.50, "big": 18446744073709551615,
            "html": "<a&b>\n\u0001"} trailing"#;
        let expected = "{\n\t\"b\": {\n\t\t\"y\": [\n\t\t\t1,\n\t\t\t\"two\",\n\t\t\t{\n\t\t\t\t\"c\": null\n\t\t\t}\n\t\t],\n\t\t\"x\": []\n\t},\n\t\"a\": {},\n\t\"f\": 1.5,\n\t\"big\": 18446744073709552000,\n\t\"html\": \"\\u003ca\\u0026b\\u003e\\n\\u0001\"\n}\n";
        assert_eq!(again(text), expected);
    }

    #[test]
    fn what_is_no_object_is_refused_by_its_place() {
        let deep = format!("{{\"a\": {}", "[".repeat(200));
        for text in ["", "[]", "1", "{\"a\": }", "{\"a\": \"\u{1}\"}", "{", &deep, "\u{feff}{}"] {
            assert!(matches!(load(text.as_bytes()), Err(StoreError::Json { .. })), "{text}");
        }
        assert!(load(b"{\"a\": \"\xff\"}").is_err());
    }
}
