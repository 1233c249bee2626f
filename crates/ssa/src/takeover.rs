//! Takes over what other tools left on a live object: their field ownership and their bookkeeping annotations.
//!
//! A field that kubectl owns survives a server-side apply that does not mention it. Moving such fields into our own entry of
//! `managedFields` makes the following apply remove them, so the cluster converges on the manifest. Deliberately not here: sending the
//! patch, and the decision to keep foreign fields (`sluice_manifest::keeps_foreign_fields`).

use serde_json::{Map, Value, json};
use sluice_manifest::Object;

const LEGACY_ANNOTATIONS: [&str; 3] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    "kustomize.toolkit.fluxcd.io/checksum",
    "fluxcd.io/sync-checksum",
];
const MANAGED_FIELDS: &str = "/metadata/managedFields";
const LEGACY_LABELS: [&str; 1] = ["fluxcd.io/sync-gc-mark"];

/// Who takes over, and from whom beyond the usual ones.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Managers<'a> {
    /// Our own field manager.
    pub(crate) own: &'a str,
    /// Name prefixes of further managers (`--override-manager`).
    pub(crate) overridden: &'a [String],
}

impl Managers<'_> {
    /// Whether an entry of `managedFields` is another Apply manager's, and stays so.
    pub(crate) fn is_foreign_apply(&self, entry: &Value) -> bool {
        let text = |key| entry.get(key).and_then(Value::as_str).unwrap_or("");
        text("operation") == "Apply"
            && text("subresource").is_empty()
            && text("manager") != self.own
            && !self.takes_over(entry)
    }

    /// Whether an entry of `managedFields` is to be taken over.
    fn takes_over(&self, entry: &Value) -> bool {
        let text = |key| entry.get(key).and_then(Value::as_str).unwrap_or("");
        let (manager, operation) = (text("manager"), text("operation"));
        if !text("subresource").is_empty() {
            return false;
        }
        manager.starts_with("kubectl")
            || (operation == "Update" && (manager.starts_with("before-first-apply") || manager.starts_with(self.own)))
            || self.overridden.iter().any(|prefix| manager.starts_with(prefix))
    }
}

/// The JSON patch that takes the live object over, or `None` when there is nothing to take over.
///
/// The patch names the resource version that it was made for: a change in between makes it fail with a conflict rather than undo it.
pub(crate) fn patch(live: &Object, desired: &Object, managers: Managers<'_>) -> Option<Vec<Value>> {
    at_version(live, changes(live, desired, managers))
}

/// As [`patch`], and brings all entries of field managers to an API version. With `managers` absent it does that alone.
pub(crate) fn patch_to_version(
    live: &Object,
    desired: &Object,
    managers: Option<Managers<'_>>,
    api_version: &str,
) -> Option<Vec<Value>> {
    let mut operations = managers.map_or_else(Vec::new, |managers| changes(live, desired, managers));
    if has_other_versions(live, api_version) {
        let merged = operations.iter().position(|operation| operation["path"] == MANAGED_FIELDS);
        let entries = merged.map(|at| operations.swap_remove(at)["value"].take());
        let mut entries =
            entries.unwrap_or_else(|| live.at(&["metadata", "managedFields"]).cloned().unwrap_or_default());
        for entry in entries.as_array_mut().into_iter().flatten() {
            entry["apiVersion"] = json!(api_version);
        }
        operations.push(json!({"op": "replace", "path": MANAGED_FIELDS, "value": entries}));
    }
    at_version(live, operations)
}

/// Whether any field manager's entry, of whatever subresource, is of another API version.
fn has_other_versions(live: &Object, api_version: &str) -> bool {
    let entries = live.at(&["metadata", "managedFields"]).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    entries.iter().any(|entry| entry.get("apiVersion").and_then(Value::as_str) != Some(api_version))
}

fn at_version(live: &Object, mut operations: Vec<Value>) -> Option<Vec<Value>> {
    if operations.is_empty() {
        return None;
    }
    operations.push(json!({"op": "replace", "path": "/metadata/resourceVersion", "value": live.resource_version()}));
    Some(operations)
}

fn changes(live: &Object, desired: &Object, managers: Managers<'_>) -> Vec<Value> {
    let mut operations = Vec::new();
    // A manifest that itself has such a key would get it back with every apply, so it is left alone.
    for key in LEGACY_ANNOTATIONS.into_iter().filter(|key| live.annotation(key).is_some()) {
        if desired.annotation(key).is_none() {
            operations.push(json!({"op": "remove", "path": format!("/metadata/annotations/{}", escape(key))}));
        }
    }
    for key in LEGACY_LABELS.into_iter().filter(|key| live.label(key).is_some()) {
        if desired.label(key).is_none() {
            operations.push(json!({"op": "remove", "path": format!("/metadata/labels/{}", escape(key))}));
        }
    }
    let entries = live.at(&["metadata", "managedFields"]).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    if let Some(merged) = merge_entries(entries, managers) {
        operations.push(json!({"op": "replace", "path": MANAGED_FIELDS, "value": merged}));
    }
    operations
}

/// Unites all entries to be taken over with our own Apply entry; `None` when there is none of them.
fn merge_entries(entries: &[Value], managers: Managers<'_>) -> Option<Vec<Value>> {
    let (taken, kept): (Vec<&Value>, Vec<&Value>) = entries.iter().partition(|entry| managers.takes_over(entry));
    let first = taken.first()?;
    let is_own = |entry: &Value| {
        entry.get("manager").and_then(Value::as_str) == Some(managers.own)
            && entry.get("operation").and_then(Value::as_str) == Some("Apply")
            && entry.get("subresource").and_then(Value::as_str).unwrap_or("").is_empty()
    };
    let position = kept.iter().position(|entry| is_own(entry));
    let mut own = position.map_or_else(|| (*first).clone(), |at| kept[at].clone());
    own["manager"] = json!(managers.own);
    own["operation"] = json!("Apply");
    let mut fields = own.get("fieldsV1").cloned().unwrap_or_else(|| json!({}));
    for entry in &taken {
        unite(&mut fields, entry.get("fieldsV1").unwrap_or(&Value::Null));
    }
    own["fieldsV1"] = fields;
    let mut merged: Vec<Value> = kept.into_iter().cloned().collect();
    match position {
        Some(at) => merged[at] = own,
        None => merged.push(own),
    }
    Some(merged)
}

/// The union of two field sets in their nested form. An empty mapping is a field that is owned; a mapping with children is owned itself
/// only if it has the child ".".
fn unite(into: &mut Value, from: &Value) {
    let (Some(into), Some(from)) = (into.as_object_mut(), from.as_object()) else { return };
    for (key, theirs) in from {
        match into.get_mut(key) {
            None => {
                into.insert(key.clone(), theirs.clone());
            }
            Some(ours) if ours != theirs => {
                let is_leaf = |value: &Value| value.as_object().is_some_and(Map::is_empty);
                let owned_leaf = is_leaf(ours) || is_leaf(theirs);
                unite(ours, theirs);
                if let (true, Some(ours)) = (owned_leaf, ours.as_object_mut()) {
                    ours.insert(".".to_owned(), json!({}));
                }
            }
            Some(_) => {}
        }
    }
}

/// Escapes a key for a JSON pointer.
fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests;
