//! [`Resource`]: one object with the history that the build needs. It does not know the other resources.

use serde_json::Value as Json;
use sluice_yaml::{Mapping, Node, WriteError};

use crate::id::{Gvk, IdKey, ResId, split_api_version};
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

    /// Remembers the present id before it changes.
    pub(crate) fn store_past_id(&mut self) {
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
        let map: Mapping = pairs.into_iter().map(|(key, value)| (key, Node::string(value))).collect();
        metadata_mut(&mut self.node).insert(field, map.into());
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.node.is_null_or_empty()
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
    metadata_mut(node).insert(field, Node::string(text));
}
