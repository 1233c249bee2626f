//! What we own of a live object, as a digest, and who else wrote to it.
//!
//! The digest covers the fields of our own Apply entry in `managedFields` with their live values, whether other entries or old bookkeeping
//! wait to be taken over, the policy labels and annotations, the uid and whether deletion has begun. A write to the status or to a field of
//! somebody else does not change it; one to a field of ours does, since the field then leaves our entry. Deliberately not covered: resource
//! version, generation and times. Digests are 128 bits of SHA-256, so that nobody can craft a change that keeps one.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use sluice_manifest::Object;

use crate::takeover::{self, Managers};

/// The prefix of the labels and annotations that say how an object is to be treated.
const POLICY_PREFIX: &str = "kustomize.toolkit.fluxcd.io/";

/// Managers that one drift names at most.
const MAX_AUTHORS: usize = 5;

/// Entries of `managedFields` that are told apart later. More than a few are rare.
const MAX_WRITERS: usize = 32;

/// Stands for what we own of a live object.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct OwnedDigest([u8; 16]);

/// Stands for a manifest as it was applied.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DesiredDigest([u8; 16]);

impl DesiredDigest {
    /// The digest of a manifest. The order of its keys does not count.
    pub fn of(manifest: &Object) -> Self {
        let mut hash = Canonical::default();
        hash.map(manifest.as_map());
        Self(hash.finish())
    }
}

impl fmt::Debug for OwnedDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OwnedDigest({:032x})", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for DesiredDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DesiredDigest({:032x})", u128::from_be_bytes(self.0))
    }
}

/// The digest of what `manager` owns of a live object; `override_managers` are name prefixes of managers that it takes over.
pub fn owned_digest(live: &Object, manager: &str, override_managers: &[String]) -> OwnedDigest {
    let mut hash = Canonical::default();
    hash.text(live.uid());
    hash.flag(live.at(&["metadata", "deletionTimestamp"]).is_some_and(|value| !value.is_null()));
    hash.flag(is_to_be_taken_over(live, Managers { own: manager, overridden: override_managers }));
    for map in [live.labels(), live.annotations()] {
        let policies = sorted(map).filter(|(key, _)| key.starts_with(POLICY_PREFIX));
        for (key, value) in policies {
            hash.text(key);
            hash.value(value);
        }
        hash.end();
    }
    let own = entries(live).iter().filter(|entry| is_own(entry, manager));
    for fields in own.filter_map(|entry| entry.get("fieldsV1")?.as_object()) {
        for (key, children) in sorted(Some(fields)) {
            hash.text(key);
            let value = key.strip_prefix("f:").and_then(|name| live.as_map().get(name));
            owned_fields(&mut hash, children, value);
        }
        hash.end();
    }
    OwnedDigest(hash.finish())
}

/// Stands for the entries of `managedFields` at one time, to know those that are new later.
pub(super) fn writers(live: &Object) -> Box<[u64]> {
    entries(live).iter().take(MAX_WRITERS).map(fingerprint).collect()
}

/// The managers, other than `manager`, that wrote to something else than the status since `before`; if that is not known, those that wrote
/// last, if not before `manager` itself.
pub(super) fn authors(live: &Object, manager: &str, before: Option<&[u64]>) -> Vec<String> {
    let is_foreign = |entry: &&Value| !is_own(entry, manager) && writes_more_than_status(entry);
    let foreign: Vec<&Value> = entries(live).iter().filter(is_foreign).collect();
    let mut names: Vec<String> = match before {
        Some(before) => {
            foreign.iter().filter(|entry| !before.contains(&fingerprint(entry))).map(|entry| name(entry)).collect()
        }
        None => latest(live, manager, &foreign).map(name).collect(),
    };
    names.sort_unstable();
    names.dedup();
    names.truncate(MAX_AUTHORS);
    names
}

fn latest<'a>(live: &Object, manager: &str, foreign: &[&'a Value]) -> impl Iterator<Item = &'a Value> + use<'a> {
    // Times are RFC 3339 in UTC with seconds, whose order is that of their texts.
    let time = |entry: &Value| text(entry, "time").to_owned();
    let own = entries(live).iter().filter(|entry| is_own(entry, manager)).map(time).max().unwrap_or_default();
    let latest = foreign.iter().map(|entry| time(entry)).max().filter(|latest| *latest >= own);
    let of_latest: Vec<&'a Value> =
        foreign.iter().filter(|entry| latest.as_ref() == Some(&time(entry))).copied().collect();
    of_latest.into_iter()
}

fn fingerprint(entry: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    entry.hash(&mut hasher);
    hasher.finish()
}

fn name(entry: &Value) -> String {
    text(entry, "manager").to_owned()
}

fn is_to_be_taken_over(live: &Object, managers: Managers<'_>) -> bool {
    // Any identity will do: it stands for a manifest that has none of the old labels and annotations itself.
    let bare = json!({"apiVersion": "v1", "kind": "Bare", "metadata": {"name": "bare"}});
    Object::new(bare).is_ok_and(|bare| takeover::patch(live, &bare, managers).is_some())
}

fn entries(live: &Object) -> &[Value] {
    live.at(&["metadata", "managedFields"]).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn text<'a>(entry: &'a Value, key: &str) -> &'a str {
    entry.get(key).and_then(Value::as_str).unwrap_or("")
}

fn is_own(entry: &Value, manager: &str) -> bool {
    text(entry, "manager") == manager && text(entry, "operation") == "Apply" && text(entry, "subresource").is_empty()
}

fn writes_more_than_status(entry: &Value) -> bool {
    text(entry, "subresource").is_empty()
        && entry
            .get("fieldsV1")
            .and_then(Value::as_object)
            .is_some_and(|fields| fields.keys().any(|key| key != "f:status"))
}

/// Takes in a field set and the live values that it stands for. `.` says that the field itself is owned, and an empty set that all of its
/// value is. The parser's own bound on depth is this function's.
fn owned_fields(hash: &mut Canonical, fields: &Value, value: Option<&Value>) {
    let Some(fields) = fields.as_object().filter(|fields| !fields.is_empty()) else {
        return hash.optional(value);
    };
    let mut items = Items::default();
    for (key, children) in sorted(Some(fields)) {
        hash.text(key);
        if key == "." {
            hash.flag(value.is_some());
        } else {
            owned_fields(hash, children, value.and_then(|value| items.find(value, key)));
        }
    }
    hash.end();
}

/// The items of one list, by the fields that identify them. Made once per list: a scan per key would be quadratic.
#[derive(Default)]
struct Items<'a> {
    by_keys: HashMap<Vec<String>, HashMap<String, &'a Value>>,
    by_value: Option<HashMap<String, &'a Value>>,
}

impl<'a> Items<'a> {
    /// Takes one step of a field path: a field's name, a list item's key fields, a set's value, or an index.
    fn find(&mut self, value: &'a Value, step: &str) -> Option<&'a Value> {
        let (what, rest) = step.split_once(':')?;
        match what {
            "f" => value.get(rest),
            "i" => value.get(rest.parse::<usize>().ok()?),
            "k" => self.keyed(value, &serde_json::from_str(rest).ok()?),
            "v" => {
                let wanted: Value = serde_json::from_str(rest).ok()?;
                let list = value.as_array()?;
                let index = || list.iter().map(|item| (item.to_string(), item)).collect();
                self.by_value.get_or_insert_with(index).get(&wanted.to_string()).copied()
            }
            _ => None,
        }
    }

    fn keyed(&mut self, value: &'a Value, wanted: &Map<String, Value>) -> Option<&'a Value> {
        let list = value.as_array()?;
        let mut names: Vec<String> = wanted.keys().cloned().collect();
        names.sort_unstable();
        let identity = |item: &dyn Fn(&str) -> Option<String>| -> String {
            names.iter().map(|name| item(name).unwrap_or_default() + "\n").collect()
        };
        let key = identity(&|name| wanted.get(name).map(Value::to_string));
        if !self.by_keys.contains_key(&names) {
            let items =
                list.iter().map(|item| (identity(&|name| item.get(name).map(Value::to_string)), item)).collect();
            self.by_keys.insert(names.clone(), items);
        }
        self.by_keys.get(&names)?.get(&key).copied()
    }
}

fn sorted(map: Option<&Map<String, Value>>) -> impl Iterator<Item = (&String, &Value)> {
    let mut pairs: Vec<(&String, &Value)> = map.into_iter().flatten().collect();
    pairs.sort_unstable_by_key(|(key, _)| *key);
    pairs.into_iter()
}

/// Takes in values so that different ones never look alike: every part has a tag, and texts their length.
#[derive(Default)]
struct Canonical(Sha256);

impl Canonical {
    fn text(&mut self, text: &str) {
        self.0.update(b"s");
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text);
    }

    fn flag(&mut self, flag: bool) {
        self.0.update(if flag { b"t" } else { b"f" });
    }

    fn end(&mut self) {
        self.0.update(b"e");
    }

    fn optional(&mut self, value: Option<&Value>) {
        match value {
            None => self.0.update(b"-"),
            Some(value) => self.value(value),
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.0.update(b"0"),
            Value::Bool(flag) => self.flag(*flag),
            Value::Number(number) => {
                self.0.update(b"n");
                self.text(&number.to_string());
            }
            Value::String(text) => self.text(text),
            Value::Array(items) => {
                self.0.update(b"[");
                for item in items {
                    self.value(item);
                }
                self.end();
            }
            Value::Object(map) => self.map(map),
        }
    }

    fn map(&mut self, map: &Map<String, Value>) {
        self.0.update(b"{");
        for (key, value) in sorted(Some(map)) {
            self.text(key);
            self.value(value);
        }
        self.end();
    }

    fn finish(self) -> [u8; 16] {
        let digest = self.0.finalize();
        std::array::from_fn(|index| digest[index])
    }
}

#[cfg(test)]
mod tests;
