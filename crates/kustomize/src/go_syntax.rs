//! An object as kustomize's own language prints it, which it does in front of the reason why an object cannot be written.

use std::cmp::Ordering;
use std::fmt::Write as _;

use sluice_yaml::{Key, Mapping, Node, Scalar, Tag, Value};

use crate::error::go_quote;
use crate::vars::go_short;

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
            entries.sort_by(|left, right| {
                sort_key(&left.key).partial_cmp(&sort_key(&right.key)).unwrap_or(Ordering::Equal)
            });
            let key = |entry: &sluice_yaml::Entry| scalar(&Scalar::new(entry.key.tag, &*entry.key.text));
            let fields: Vec<String> =
                entries.iter().map(|entry| format!("{}:{}", key(entry), text(&entry.value))).collect();
            let kind = if strings { "string" } else { "interface {}" };
            format!("map[{kind}]interface {{}}{{{}}}", fields.join(", "))
        }
    }
}

/// Keys are in the order of their types in the program, then of their values.
fn sort_key(key: &Key) -> (u8, f64, &str) {
    let infinite = if key.text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY };
    let value = |tag| Scalar::new(tag, &*key.text).to_json().and_then(|json| json.as_f64()).unwrap_or(infinite);
    match key.tag {
        Tag::Null => (0, 0.0, ""),
        Tag::Str => (1, 0.0, &key.text),
        Tag::Int => (2, value(Tag::Int), ""),
        Tag::Float => (3, value(Tag::Float), ""),
        Tag::Bool => (4, 0.0, &key.text),
        Tag::Timestamp => (5, 0.0, &key.text),
    }
}

/// A point in time, if it is in UTC.
fn date(value: &Scalar) -> Option<String> {
    const MONTHS: [&str; 12] = [
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ];
    let json = value.to_json()?;
    let (day, time) = json.as_str()?.strip_suffix('Z')?.split_once('T')?;
    let number = |text: &str| text.parse::<usize>().ok();
    let mut day = day.split('-').filter_map(number);
    let (year, month, day) = (day.next()?, MONTHS.get(day.next()?.checked_sub(1)?)?, day.next()?);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.split(':').filter_map(number);
    let (hour, minute, second) = (time.next()?, time.next()?, time.next()?);
    let nanos = number(&format!("{fraction:0<9}"))?;
    Some(format!("time.Date({year}, time.{month}, {day}, {hour}, {minute}, {second}, {nanos}, time.UTC)"))
}

fn scalar(value: &Scalar) -> String {
    match value.spelt_tag() {
        Tag::Timestamp => date(value).unwrap_or_else(|| go_quote(&value.text)),
        Tag::Str => go_quote(&value.text),
        Tag::Null => "interface {}(nil)".to_owned(),
        Tag::Bool | Tag::Int | Tag::Float => {
            let mut text = String::new();
            match value.to_json() {
                // Writing to a string cannot fail.
                Some(json) if value.tag == Tag::Float => text = go_short(json.as_f64().unwrap_or_default()),
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
            "map[string]interface {}{\"data\":map[interface {}]interface {}{\"b\":[]interface {}{\"x\", interface {}(nil), 2, true}, \
             1:\"a\"}, \"kind\":\"T\"}"
        );
        assert_eq!(
            object(&node("m: {k: 1, 5: 2, true: 3, 1.5: 4, 2020-01-01: 5, 30: 7, a: 8}\n")),
            "map[string]interface {}{\"m\":map[interface {}]interface {}{\"a\":8, \"k\":1, 5:2, 30:7, 1.5:4, true:3, \
             time.Date(2020, time.January, 1, 0, 0, 0, 0, time.UTC):5}}"
        );
        assert_eq!(object(&node("b: 1\n1: a\n")), "map[string]interface {}{\"1\":\"a\", \"b\":1}");
        assert_eq!(object(&node("~: a\n")), "map[string]interface {}(nil)");
    }
}
