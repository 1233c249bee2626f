//! One page of a list, read item by item: no more than one object is decoded at a time.
//!
//! Deliberately not here: requests.

use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;

/// What a list says of itself.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub(super) struct PageMetadata {
    /// The version of the whole list.
    #[serde(default)]
    pub(super) resource_version: String,
    /// Where the next page begins; empty on the last one.
    #[serde(default, rename = "continue")]
    pub(super) next: String,
}

/// Reads a page, handing each item to `each` and forgetting it then.
///
/// # Errors
/// When the text is no list. Items that came before the fault have been handed over.
pub(super) fn read_page(text: &str, each: impl FnMut(Value)) -> Result<PageMetadata, serde_json::Error> {
    let mut json = serde_json::Deserializer::from_str(text);
    let metadata = Page(each).deserialize(&mut json)?;
    json.end()?;
    Ok(metadata)
}

struct Page<F>(F);

impl<'de, F: FnMut(Value)> DeserializeSeed<'de> for Page<F> {
    type Value = PageMetadata;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<PageMetadata, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: FnMut(Value)> Visitor<'de> for Page<F> {
    type Value = PageMetadata;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of objects")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<PageMetadata, A::Error> {
        let mut metadata = None;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "metadata" => metadata = Some(map.next_value()?),
                "items" => map.next_value_seed(Items(&mut self.0))?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        metadata.ok_or_else(|| A::Error::missing_field("metadata"))
    }
}

struct Items<'f, F>(&'f mut F);

impl<'de, F: FnMut(Value)> DeserializeSeed<'de> for Items<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, F: FnMut(Value)> Visitor<'de> for Items<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a sequence of objects or null")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        while let Some(item) = sequence.next_element()? {
            (self.0)(item);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> (Result<PageMetadata, String>, Vec<Value>) {
        let mut items = Vec::new();
        let metadata = read_page(text, |item| items.push(item)).map_err(|error| error.to_string());
        (metadata, items)
    }

    #[test]
    fn items_come_in_order_wherever_the_metadata_stands() {
        let metadata = |next: &str| Ok(PageMetadata { resource_version: "7".into(), next: next.into() });
        for (text, expected) in [
            (
                r#"{"kind":"L","metadata":{"resourceVersion":"7","continue":"x","remainingItemCount":3},"items":[1,{"a":2}]}"#,
                (metadata("x"), vec![json!(1), json!({"a": 2})]),
            ),
            (r#"{"items":[],"metadata":{"resourceVersion":"7"}}"#, (metadata(""), vec![])),
            (r#"{"items":null,"metadata":{"resourceVersion":"7"}}"#, (metadata(""), vec![])),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_list_is_refused() {
        for text in [
            "",
            "[]",
            "{}",
            "7",
            r#"{"metadata":{},"items":{}}"#,
            r#"{"metadata":{},"items":[1}"#,
            r#"{"metadata":{}}x"#,
        ] {
            read(text).0.expect_err(text);
        }
    }
}
