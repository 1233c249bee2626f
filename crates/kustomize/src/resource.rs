//! [`Resource`]: one object with the history that the build needs. It does not know the other resources.

use serde_json::Value as Json;
use sluice_yaml::{Mapping, Node, Scalar, Tag, Value, WriteError};

use crate::id::{Gvk, IdKey, ResId, split_api_version};
use crate::id_index::Fingerprint;
use crate::merge::Shares;
use crate::origin::Origin;

/// What a generated resource does when its id is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Behavior {
    #[default]
    Unspecified,
    Create,
    Replace,
    Merge,
}

impl Behavior {
    /// Unknown words mean nothing in particular, as in kustomize.
    pub(crate) fn parse(text: &str) -> Self {
        match text {
            "create" => Self::Create,
            "replace" => Self::Replace,
            "merge" => Self::Merge,
            _ => Self::Unspecified,
        }
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Create => "create",
            Self::Replace => "replace",
            Self::Merge => "merge",
        }
    }
}

/// An id that a resource had before; group and version are always the present ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PastId {
    pub(crate) kind: String,
    pub(crate) name: String,
    /// The effective namespace.
    pub(crate) namespace: String,
}

/// One object of the build.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "marks that do not depend on each other, as kustomize keeps them")]
pub struct Resource {
    pub(crate) node: Node,
    pub(crate) id: ResId,
    pub(crate) past: Vec<PastId>,
    pub(crate) prefixes: Vec<String>,
    pub(crate) suffixes: Vec<String>,
    pub(crate) behavior: Behavior,
    pub(crate) needs_hash: bool,
    pub(crate) allow_name_change: bool,
    pub(crate) allow_kind_change: bool,
    pub(crate) var_names: Vec<String>,
    pub(crate) origin: Option<Origin>,
    pub(crate) transformations: Vec<Origin>,
    /// Values that several fields share, by their number less one.
    pub(crate) shared: Vec<String>,
    /// Whether kustomize's own annotations were last written when the object had labels, so that they stand behind those.
    pub(crate) noted_behind_labels: bool,
    /// Past ids that were given up in the change that is under way: the index still has them.
    pub(crate) forgotten: Vec<PastId>,
}

impl Resource {
    pub(crate) fn new(node: Node) -> Self {
        let id = read_id(&node);
        Self { node, id, ..Self::default() }
    }

    /// The object's tree.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The object's tree, given up.
    pub fn into_node(self) -> Node {
        self.node
    }

    /// The present id.
    pub fn id(&self) -> &ResId {
        &self.id
    }

    /// The object as JSON.
    ///
    /// # Errors
    /// It has a key that is not a string or a number that is not finite.
    pub fn to_json(&self) -> Result<Json, WriteError> {
        self.node.to_json()
    }

    /// Re-reads the id after the tree has changed.
    pub(crate) fn refresh(&mut self) {
        if !same_id(&self.node, &self.id) {
            self.id = read_id(&self.node);
        }
    }

    /// The first id it had.
    pub(crate) fn original(&self) -> (Gvk, &str, &str) {
        match self.past.first() {
            Some(past) => (self.past_gvk(past), &past.name, &past.namespace),
            None => (self.id.gvk.clone(), &self.id.name, self.id.effective_namespace()),
        }
    }

    pub(crate) fn past_gvk(&self, past: &PastId) -> Gvk {
        Gvk { kind: past.kind.clone(), ..self.id.gvk.clone() }
    }

    /// What stands for a past id in look-ups.
    pub(crate) fn past_fingerprint(&self, past: &PastId) -> Fingerprint {
        self.id.gvk.fingerprint_of(&past.kind, &past.name, &past.namespace)
    }

    /// What stands for each present and past id and its name in look-ups.
    pub(crate) fn fingerprints(&self) -> impl Iterator<Item = (Fingerprint, Fingerprint)> {
        let name = |name: &str| Fingerprint::of(&name);
        let past = self.past.iter().map(move |past| (self.past_fingerprint(past), name(&past.name)));
        std::iter::once((self.id.fingerprint(), name(&self.id.name))).chain(past)
    }

    /// Present and past ids in the form in which they are looked up; each once.
    pub(crate) fn keys(&self) -> Vec<IdKey> {
        let mut keys = vec![self.id.key()];
        for past in &self.past {
            let key = IdKey { gvk: self.past_gvk(past), name: past.name.clone(), namespace: past.namespace.clone() };
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        keys
    }

    /// Numbers for values that may go into several fields; gives the first.
    pub(crate) fn share<'v>(&mut self, values: impl Iterator<Item = &'v String>) -> u32 {
        let first = u32::try_from(self.shared.len() + 1).unwrap_or(u32::MAX);
        self.shared.extend(values.cloned());
        first
    }

    /// Gives numbers of its own to the values that a merge found to be shared.
    pub(crate) fn take_shares(&mut self) {
        let (shared, mut taken) = (&mut self.shared, std::collections::HashMap::new());
        self.node.each_scalar(&mut |scalar| {
            if scalar.shared >= Shares::FIRST {
                scalar.shared = *taken.entry(scalar.shared).or_insert_with(|| {
                    shared.push(scalar.text.clone());
                    u32::try_from(shared.len()).unwrap_or(u32::MAX)
                });
            }
        });
    }

    /// Carries what was written to one of the fields that share a value to the others.
    pub(crate) fn settle_shared(&mut self) {
        if self.shared.is_empty() {
            return;
        }
        let place = |number: u32| (number as usize).checked_sub(1);
        let (shared, mut changed) = (&mut self.shared, std::collections::BTreeMap::new());
        // Of several that were written to, the last one counts; a merge goes through fields in their order.
        each_in_order(&mut self.node, &mut |scalar| {
            if let Some(text) = place(scalar.shared).and_then(|place| shared.get_mut(place))
                && (*text != scalar.text || scalar.written)
            {
                scalar.written = false;
                changed.insert(scalar.shared, scalar.clone());
            }
        });
        if changed.is_empty() {
            return;
        }
        self.node.each_scalar(&mut |scalar| {
            if let Some(new) = changed.get(&scalar.shared) {
                scalar.clone_from(new);
            }
        });
        for (number, scalar) in changed {
            if let Some(text) = place(number).and_then(|place| self.shared.get_mut(place)) {
                *text = scalar.text;
            }
        }
    }

    /// Makes the annotations anew, as kustomize does when it notes there where an object comes from: all values become texts of their own.
    pub(crate) fn remake_annotations(&mut self) {
        if self.has_history() {
            self.note();
        }
        let pairs = self.string_map("annotations");
        if !pairs.is_empty() {
            self.set_string_map("annotations", pairs);
        }
    }

    /// Whether kustomize would keep annotations of its own on the resource.
    pub(crate) fn has_history(&self) -> bool {
        !self.past.is_empty()
            || !self.prefixes.is_empty()
            || !self.suffixes.is_empty()
            || self.needs_hash
            || self.origin.is_some()
    }

    /// Forgets all that kustomize keeps in annotations of its own, because a patch took the annotations away.
    pub(crate) fn forget_history(&mut self) {
        self.forgotten.append(&mut self.past);
        self.prefixes.clear();
        self.suffixes.clear();
        self.behavior = Behavior::default();
        self.needs_hash = false;
        self.noted_behind_labels = false;
        self.origin = None;
        self.transformations.clear();
    }

    /// Remembers that kustomize writes annotations of its own now, which then are the last part of the metadata.
    pub(crate) fn note(&mut self) {
        self.noted_behind_labels = self.node.at(&["metadata", "labels"]).is_some();
    }

    /// Remembers the present id before it changes.
    pub(crate) fn store_past_id(&mut self) {
        self.note();
        self.past.push(PastId {
            kind: self.id.gvk.kind.clone(),
            name: self.id.name.clone(),
            namespace: self.id.effective_namespace().to_owned(),
        });
    }

    pub(crate) fn set_name(&mut self, name: &str) {
        set_metadata(&mut self.node, "name", name);
        name.clone_into(&mut self.id.name);
    }

    /// Sets the namespace; a blank one removes the field.
    pub(crate) fn set_namespace(&mut self, namespace: &str) {
        if namespace.is_empty() {
            if let Some(metadata) = self.node.get_mut("metadata").and_then(Node::as_mapping_mut) {
                metadata.remove("namespace");
            }
        } else {
            set_metadata(&mut self.node, "namespace", namespace);
        }
        namespace.clone_into(&mut self.id.namespace);
    }

    /// Puts the namespace of before back after a merge; a blank one removes the field. The value has no type of its own then, so that a
    /// date becomes a point in time.
    pub(crate) fn restore_namespace(&mut self, namespace: &str) {
        let old = self.node.at(&["metadata", "namespace"]).and_then(Node::as_scalar).cloned();
        self.set_namespace(namespace);
        let made = Scalar::untyped(namespace);
        if made.tag == Tag::Timestamp {
            let scalar = old.map_or_else(|| made.clone(), |old| made.clone().in_place_of(&old));
            metadata_mut(&mut self.node).insert("namespace", scalar.into());
        }
        namespace.clone_into(&mut self.id.namespace);
    }

    /// `labels` or `annotations`, with values of any type as text.
    pub(crate) fn string_map(&self, field: &str) -> Vec<(String, String)> {
        let Some(mapping) = self.node.at(&["metadata", field]).and_then(Node::as_mapping) else { return Vec::new() };
        mapping.iter().map(|(key, value)| (key.to_owned(), value.text().unwrap_or_default().to_owned())).collect()
    }

    /// Replaces `labels` or `annotations`; an empty map removes the field.
    pub(crate) fn set_string_map(&mut self, field: &str, pairs: Vec<(String, String)>) {
        if pairs.is_empty() {
            if let Some(metadata) = self.node.get_mut("metadata").and_then(Node::as_mapping_mut) {
                metadata.remove(field);
            }
            return;
        }
        // Made anew, keys lose their quotes; one that reads as a number is then refused at the end.
        let mut map = Mapping::default();
        for (key, value) in pairs {
            map.insert_plain(&key, Node::string(value));
        }
        // It moves behind the other fields, which a validator can see.
        let metadata = metadata_mut(&mut self.node);
        metadata.remove(field);
        metadata.insert(field, map.into());
    }

    /// The object as messages may show it: the values of a Secret end up in conditions, events and logs otherwise.
    pub(crate) fn masked(&self) -> Node {
        let mut node = self.node.clone();
        if self.id.gvk.kind == "Secret" {
            for field in ["data", "stringData"] {
                let Some(values) = node.get_mut(field).and_then(Node::as_mapping_mut) else { continue };
                values.values_mut().for_each(|value| *value = Node::string("***"));
            }
        }
        node
    }

    /// The object with its history as annotations, which is how kustomize keeps it and how some of its messages show it.
    pub(crate) fn annotated(&self) -> Node {
        let mut copy = Self { node: self.masked(), ..Self::default() };
        let mut pairs = self.string_map("annotations");
        let mut add = |name: &str, values: Vec<&str>| {
            if !values.is_empty() {
                pairs.push((format!("internal.config.kubernetes.io/{name}"), values.join(",")));
            }
        };
        add("prefixes", self.prefixes.iter().map(String::as_str).collect());
        add("suffixes", self.suffixes.iter().map(String::as_str).collect());
        add("previousKinds", self.past.iter().map(|past| past.kind.as_str()).collect());
        add("previousNames", self.past.iter().map(|past| past.name.as_str()).collect());
        add("previousNamespaces", self.past.iter().map(|past| past.namespace.as_str()).collect());
        copy.set_string_map("annotations", pairs);
        copy.node
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.node.is_null_or_empty()
    }
}

/// Calls `visit` with every scalar, fields by name.
fn each_in_order(node: &mut Node, visit: &mut dyn FnMut(&mut Scalar)) {
    match &mut node.value {
        Value::Scalar(scalar) => visit(scalar),
        Value::Sequence(items) => items.iter_mut().for_each(|item| each_in_order(item, visit)),
        Value::Mapping(mapping) => {
            let mut entries: Vec<_> = mapping.entries_mut().iter_mut().collect();
            entries.sort_unstable_by(|left, right| left.key.text.cmp(&right.key.text));
            for entry in entries {
                each_in_order(&mut entry.value, visit);
            }
        }
    }
}

pub(crate) fn metadata_text<'n>(node: &'n Node, field: &str) -> &'n str {
    node.at(&["metadata", field]).filter(|value| !value.is_null()).and_then(Node::text).unwrap_or_default()
}

fn top_text<'n>(node: &'n Node, field: &str) -> &'n str {
    node.get(field).filter(|value| !value.is_null()).and_then(Node::text).unwrap_or_default()
}

fn same_id(node: &Node, id: &ResId) -> bool {
    let (group, version) = split_api_version(top_text(node, "apiVersion"));
    id.gvk.group == group
        && id.gvk.version == version
        && id.gvk.kind == top_text(node, "kind")
        && id.name == metadata_text(node, "name")
        && id.namespace == metadata_text(node, "namespace")
}

/// The id that a document states.
pub(crate) fn read_id(node: &Node) -> ResId {
    let (group, version) = split_api_version(top_text(node, "apiVersion"));
    ResId {
        gvk: Gvk::new(group, version, top_text(node, "kind")),
        name: metadata_text(node, "name").to_owned(),
        namespace: metadata_text(node, "namespace").to_owned(),
    }
}

fn metadata_mut(node: &mut Node) -> &mut Mapping {
    let object = as_mapping(node);
    as_mapping(object.get_or_insert_with("metadata", Node::mapping))
}

/// The mapping that a node is, made one if it is something else.
fn as_mapping(node: &mut Node) -> &mut Mapping {
    if node.as_mapping().is_none() {
        *node = Node::mapping();
    }
    node.as_mapping_mut().expect("the node was just made a mapping")
}

fn set_metadata(node: &mut Node, field: &str, text: &str) {
    metadata_mut(node).insert(field, Scalar::made(text).into());
}
