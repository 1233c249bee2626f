//! Expansion of `List` documents into their items.
//!
//! Deliberately not here: any other reading of documents, and removal of duplicates.

use serde_json::Value;

use crate::object::{Object, ObjectError};

/// How deep lists may nest. Real ones do not nest; the bound stops a document that is nothing but lists.
pub const MAX_LIST_DEPTH: usize = 8;

/// Turns a document into objects: a `List` (or `<Kind>List` with an `items` sequence) into its items, anything else into one object.
///
/// Items of a `<Kind>List` may leave out `apiVersion` and `kind`, as servers do.
///
/// # Errors
/// When an item or the document is no object, or lists nest deeper than [`MAX_LIST_DEPTH`].
pub fn expand(document: Value) -> Result<Vec<Object>, ObjectError> {
    let mut objects = Vec::new();
    expand_into(document, MAX_LIST_DEPTH, &mut objects)?;
    Ok(objects)
}

fn expand_into(mut document: Value, depth: usize, objects: &mut Vec<Object>) -> Result<(), ObjectError> {
    let Some(item_kind) = list_item_kind(&document) else {
        objects.push(Object::new(document)?);
        return Ok(());
    };
    let depth = depth.checked_sub(1).ok_or(ObjectError::ListsTooDeep { limit: MAX_LIST_DEPTH })?;
    let api_version = document.get("apiVersion").cloned();
    let items = match document.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    for mut item in items {
        if let (false, Some(fields)) = (item_kind.is_empty(), item.as_object_mut()) {
            fields.entry("kind").or_insert_with(|| Value::String(item_kind.clone()));
            if let Some(api_version) = &api_version {
                fields.entry("apiVersion").or_insert_with(|| api_version.clone());
            }
        }
        expand_into(item, depth, objects)?;
    }
    Ok(())
}

/// The kind of a list's items (empty for the plain `List`), or `None` when the document is no list.
fn list_item_kind(document: &Value) -> Option<String> {
    let item_kind = document.get("kind")?.as_str()?.strip_suffix("List")?;
    let is_list = match document.get("items") {
        Some(Value::Array(_)) => true,
        // An empty list as Go writes it. A named object of a kind that happens to end in List is not one.
        None | Some(Value::Null) => item_kind.is_empty() && document.pointer("/metadata/name").is_none(),
        Some(_) => false,
    };
    is_list.then(|| item_kind.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(document: Value) -> Vec<String> {
        expand(document).unwrap().iter().map(|object| object.id().to_string()).collect()
    }

    #[test]
    fn lists_become_their_items_and_other_documents_themselves() {
        let cm = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}});
        for (document, expected) in [
            (cm("a"), vec!["ConfigMap/a"]),
            (
                json!({"apiVersion": "v1", "kind": "List", "items": [cm("a"), cm("b")]}),
                vec!["ConfigMap/a", "ConfigMap/b"],
            ),
            (json!({"apiVersion": "v1", "kind": "List", "items": null}), vec![]),
            (
                json!({"apiVersion": "v1", "kind": "ConfigMapList", "items": [{"metadata": {"name": "c"}}, cm("d")]}),
                vec!["ConfigMap/c", "ConfigMap/d"],
            ),
            (
                json!({"apiVersion": "v1", "kind": "List", "items": [
                    {"apiVersion": "v1", "kind": "List", "items": [cm("e")]}, cm("f")]}),
                vec!["ConfigMap/e", "ConfigMap/f"],
            ),
            (json!({"apiVersion": "x/v1", "kind": "AllowList", "metadata": {"name": "g"}}), vec!["AllowList/g"]),
        ] {
            assert_eq!(names(document), expected);
        }
    }

    #[test]
    fn an_item_that_is_no_object_is_an_error() {
        for item in [json!(1), json!({}), json!({"apiVersion": "v1", "kind": "ConfigMap"})] {
            expand(json!({"apiVersion": "v1", "kind": "List", "items": [item]})).expect_err("refused");
        }
    }

    #[test]
    fn lists_nested_too_deep_are_refused() {
        let mut document = json!({"apiVersion": "v1", "kind": "List", "items": []});
        for _ in 0..MAX_LIST_DEPTH {
            document = json!({"apiVersion": "v1", "kind": "List", "items": [document]});
        }
        assert_eq!(expand(document).unwrap_err(), ObjectError::ListsTooDeep { limit: MAX_LIST_DEPTH });
    }
}
