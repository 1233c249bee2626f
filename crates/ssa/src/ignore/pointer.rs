//! JSON pointers (RFC 6901) into objects, and into the field sets of `managedFields`.
//!
//! Deliberately lenient: a pointer that leads nowhere reads as absent, and removing or setting there does nothing.

use serde_json::{Map, Value};

/// A pointer with at least one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pointer {
    first: String,
    rest: Vec<String>,
}

impl Pointer {
    /// Reads a pointer; `None` for what is none, and for the one to the whole document.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut steps = text.strip_prefix('/')?.split('/').map(|step| step.replace("~1", "/").replace("~0", "~"));
        Some(Self { first: steps.next()?, rest: steps.collect() })
    }

    /// Whether it is about what makes an object the one that it is, or about all of `metadata`, which the server keeps.
    pub(super) fn is_identity(&self) -> bool {
        match (self.first.as_str(), self.rest.as_slice()) {
            ("apiVersion" | "kind", _) | ("metadata", []) => true,
            ("metadata", [field, ..]) => matches!(field.as_str(), "name" | "namespace" | "uid" | "resourceVersion"),
            _ => false,
        }
    }

    /// The value it points to.
    pub(super) fn get<'a>(&self, document: &'a Map<String, Value>) -> Option<&'a Value> {
        self.rest.iter().try_fold(document.get(&self.first)?, |at, step| child(at, step))
    }

    /// Removes the value it points to. Later items of a list move up.
    pub(super) fn remove(&self, document: &mut Map<String, Value>) {
        let Some((last, parents)) = self.rest.split_last() else {
            document.remove(&self.first);
            return;
        };
        match descend(document, &self.first, parents) {
            Some(Value::Object(parent)) => {
                parent.remove(last);
            }
            Some(Value::Array(parent)) => {
                if let Some(at) = index(last).filter(|at| *at < parent.len()) {
                    parent.remove(at);
                }
            }
            _ => {}
        }
    }

    /// Sets the value it points to. A field may be new, but what it is in, or an item of a list, must be there.
    pub(super) fn set(&self, document: &mut Map<String, Value>, value: Value) {
        let Some((last, parents)) = self.rest.split_last() else {
            document.insert(self.first.clone(), value);
            return;
        };
        match descend(document, &self.first, parents) {
            Some(Value::Object(parent)) => {
                parent.insert(last.clone(), value);
            }
            Some(Value::Array(parent)) => {
                if let Some(item) = index(last).and_then(|at| parent.get_mut(at)) {
                    *item = value;
                }
            }
            _ => {}
        }
    }

    /// Whether a field set (`fieldsV1`) of the live object has what it points to, or something in it.
    ///
    /// A field set names the items of a list by their keys, so an index is looked up in the live list first.
    pub(super) fn is_owned(&self, fields: &Value, live: &Map<String, Value>) -> bool {
        let Some(mut set) = fields.get(format!("f:{}", self.first)) else { return false };
        let mut value = live.get(&self.first);
        for step in &self.rest {
            let next = match value {
                Some(Value::Array(items)) => {
                    index(step).and_then(|at| items.get(at)).and_then(|item| member(set, item))
                }
                _ => set.get(format!("f:{step}")),
            };
            let Some(next) = next else { return false };
            set = next;
            value = value.and_then(|value| child(value, step));
        }
        true
    }
}

fn child<'a>(at: &'a Value, step: &str) -> Option<&'a Value> {
    match at {
        Value::Object(fields) => fields.get(step),
        Value::Array(items) => items.get(index(step)?),
        _ => None,
    }
}

fn descend<'a>(document: &'a mut Map<String, Value>, first: &str, parents: &[String]) -> Option<&'a mut Value> {
    parents.iter().try_fold(document.get_mut(first)?, |at, step| match at {
        Value::Object(fields) => fields.get_mut(step),
        Value::Array(items) => items.get_mut(index(step)?),
        _ => None,
    })
}

/// An index as the RFC has it: no sign, no leading zero.
fn index(step: &str) -> Option<usize> {
    let is_canonical = step == "0" || !step.starts_with(['0', '+']);
    is_canonical.then(|| step.parse().ok()).flatten()
}

/// The part of a list's field set that is about one item: `k:` with fields that the item has, or `v:` with the item itself.
fn member<'a>(set: &'a Value, item: &Value) -> Option<&'a Value> {
    let is_about = |key: &str| match key.split_once(':') {
        Some(("k", keys)) => serde_json::from_str::<Map<String, Value>>(keys)
            .is_ok_and(|keys| keys.iter().all(|(key, value)| item.get(key) == Some(value))),
        Some(("v", value)) => serde_json::from_str::<Value>(value).is_ok_and(|value| value == *item),
        _ => false,
    };
    set.as_object()?.iter().find(|(key, _)| is_about(key)).map(|(_, part)| part)
}
