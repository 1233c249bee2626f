//! Values whose fields have an order, written as Go's `json.MarshalIndent` writes structs with two spaces. It reads nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Number, Value as Json};
use sluice_yaml::{Node, Value};

/// A value that knows the order of its fields.
#[derive(Clone, Debug)]
pub(crate) enum Ordered<'a> {
    Null,
    Bool(bool),
    Text(Cow<'a, str>),
    /// Any value; the keys of its objects are sorted.
    Any(&'a Json),
    List(Vec<Ordered<'a>>),
    Object(Fields<'a>),
}

/// Fields in the order of their struct, without those that are left out when empty.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields<'a>(Vec<(&'a str, Ordered<'a>)>);

impl<'a> Fields<'a> {
    /// A field that is always there.
    pub(crate) fn put(&mut self, name: &'a str, value: Ordered<'a>) {
        self.0.push((name, value));
    }

    /// A string that is left out when empty.
    pub(crate) fn text(&mut self, name: &'a str, text: &'a str) {
        if !text.is_empty() {
            self.put(name, Ordered::text(text));
        }
    }

    /// A boolean that is left out when false.
    pub(crate) fn flag(&mut self, name: &'a str, flag: bool) {
        if flag {
            self.put(name, Ordered::Bool(true));
        }
    }

    /// A list that is left out when empty.
    pub(crate) fn list(&mut self, name: &'a str, items: Vec<Ordered<'a>>) {
        if !items.is_empty() {
            self.put(name, Ordered::List(items));
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Appends the lines between the braces of an object at `depth`.
    pub(crate) fn write_inner(&self, depth: usize, out: &mut Vec<u8>) {
        for (index, (name, value)) in self.0.iter().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            newline(depth + 1, out);
            write_string(name, out);
            out.extend_from_slice(b": ");
            value.write(depth + 1, out);
        }
    }

    /// A map of strings that is left out when empty.
    pub(crate) fn map(&mut self, name: &'a str, map: &'a BTreeMap<String, String>) {
        if !map.is_empty() {
            self.put(
                name,
                Ordered::Object(Fields(map.iter().map(|(key, value)| (&**key, Ordered::text(value))).collect())),
            );
        }
    }
}

impl<'a> Ordered<'a> {
    pub(crate) fn text(text: &'a str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }

    pub(crate) fn texts(texts: &'a [String]) -> Vec<Self> {
        texts.iter().map(|text| Self::text(text)).collect()
    }

    /// Appends the JSON text; lines after the first are indented for a value at `depth`.
    pub(crate) fn write(&self, depth: usize, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
            Self::Text(text) => write_string(text, out),
            Self::Any(json) => write_any(json, depth, out),
            Self::List(items) => write_items((b'[', b']'), depth, items, out, |item, out| item.write(depth + 1, out)),
            Self::Object(fields) => {
                out.push(b'{');
                fields.write_inner(depth, out);
                if !fields.is_empty() {
                    newline(depth, out);
                }
                out.push(b'}');
            }
        }
    }

    /// The same value for the YAML writer, which sorts keys itself.
    pub(crate) fn to_node(&self) -> Node {
        match self {
            Self::Null => Node::null(),
            Self::Bool(value) => Node::from_json(&Json::Bool(*value)),
            Self::Text(text) => Node::from_json(&Json::String(text.to_string())),
            Self::Any(json) => Node::from_json(json),
            Self::List(items) => items.iter().map(Self::to_node).collect::<Vec<_>>().into(),
            Self::Object(Fields(fields)) => {
                let entries = fields.iter().map(|(name, value)| ((*name).to_owned(), value.to_node()));
                Value::Mapping(entries.collect()).into()
            }
        }
    }
}

/// Starts a line at `depth`.
pub(crate) fn newline(depth: usize, out: &mut Vec<u8>) {
    out.push(b'\n');
    out.resize(out.len() + 2 * depth, b' ');
}

fn write_items<T>(
    (open, close): (u8, u8),
    depth: usize,
    items: impl IntoIterator<Item = T>,
    out: &mut Vec<u8>,
    mut write: impl FnMut(T, &mut Vec<u8>),
) {
    out.push(open);
    let mut empty = true;
    for item in items {
        if !empty {
            out.push(b',');
        }
        empty = false;
        newline(depth + 1, out);
        write(item, out);
    }
    if !empty {
        newline(depth, out);
    }
    out.push(close);
}

fn write_any(json: &Json, depth: usize, out: &mut Vec<u8>) {
    match json {
        Json::Null => out.extend_from_slice(b"null"),
        Json::Bool(value) => out.extend_from_slice(value.to_string().as_bytes()),
        Json::Number(number) => out.extend_from_slice(number_text(number).as_bytes()),
        Json::String(text) => write_string(text, out),
        Json::Array(items) => {
            write_items((b'[', b']'), depth, items, out, |item, out| write_any(item, depth + 1, out));
        }
        Json::Object(fields) => {
            let sorted: BTreeMap<_, _> = fields.iter().collect();
            write_items((b'{', b'}'), depth, sorted, out, |(name, value), out| {
                write_string(name, out);
                out.extend_from_slice(b": ");
                write_any(value, depth + 1, out);
            });
        }
    }
}

/// A number as Go prints the float that it reads every untyped number as.
fn number_text(number: &Number) -> String {
    let Some(value) = number.as_f64() else { return number.to_string() };
    let magnitude = value.abs();
    if magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
        return value.to_string();
    }
    let scientific = format!("{value:e}");
    match scientific.split_once('e') {
        Some((mantissa, exponent)) if !exponent.starts_with('-') => format!("{mantissa}e+{exponent}"),
        _ => scientific,
    }
}

/// A JSON string with the escapes of Go, which keeps what would end a script element out of it.
pub(crate) fn write_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    for letter in text.chars() {
        match letter {
            '"' => out.extend_from_slice(b"\\\""),
            '\\' => out.extend_from_slice(b"\\\\"),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\u{8}' => out.extend_from_slice(b"\\b"),
            '\u{c}' => out.extend_from_slice(b"\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                out.extend_from_slice(format!("\\u{:04x}", u32::from(letter)).as_bytes());
            }
            _ => out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(value: &Ordered<'_>) -> String {
        let mut out = Vec::new();
        value.write(0, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn fields_keep_their_order_and_maps_are_sorted() {
        let any = json!({"z": [1, {}], "a": [], "m": {"k": null}});
        let map = BTreeMap::from([("k".to_owned(), "v".to_owned())]);
        let mut fields = Fields::default();
        fields.text("zeta", "1");
        fields.text("absent", "");
        fields.put("alpha", Ordered::Any(&any));
        fields.flag("flag", true);
        fields.flag("off", false);
        fields.list("none", Vec::new());
        fields.map("map", &map);
        let expected = "{\n  \"zeta\": \"1\",\n  \"alpha\": {\n    \"a\": [],\n    \"m\": {\n      \"k\": null\n    },\n    \"z\": [\n      1,\n      {}\n    ]\n  },\n  \"flag\": true,\n  \"map\": {\n    \"k\": \"v\"\n  }\n}";
        assert_eq!(written(&Ordered::Object(fields)), expected);
    }

    #[test]
    fn strings_and_numbers_are_spelt_as_go_spells_them() {
        assert_eq!(
            written(&Ordered::text("<a & \"b\">\u{2028}\u{1}\u{7f}\u{8}\né\\")),
            "\"\\u003ca \\u0026 \\\"b\\\"\\u003e\\u2028\\u0001\u{7f}\\b\\né\\\\\""
        );
        for (number, text) in [
            (json!(1), "1"),
            (json!(-1.5), "-1.5"),
            (json!(1e21), "1e+21"),
            (json!(1e20), "100000000000000000000"),
            (json!(1.5e-7), "1.5e-7"),
            (json!(9_007_199_254_740_993_u64), "9007199254740992"),
        ] {
            assert_eq!(written(&Ordered::Any(&number)), text);
        }
    }
}
