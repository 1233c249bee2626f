//! A Kubernetes object of any kind, as JSON that is known to have an identity.
//!
//! Deliberately not here: knowledge of any one kind (see `normalize`), and any promise about fields other than `apiVersion`, `kind` and
//! `metadata`.

use serde_json::{Map, Value};
use thiserror::Error;

use crate::id::ObjectId;

/// Why a document is not a Kubernetes object.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ObjectError {
    /// The document is a scalar or a sequence.
    #[error("document is not a mapping")]
    NotAMapping,
    /// Fields without which an object has no identity are absent or empty, in reading order, joined by ", ".
    #[error("object {subject} has no {fields}")]
    Missing {
        /// What is known of the object, for the reader to find it.
        subject: String,
        /// The absent fields.
        fields: String,
    },
    /// A field has a type with which it cannot be read or edited.
    #[error("{subject}: {field} is not a {expected}")]
    WrongType {
        /// The object.
        subject: String,
        /// The field's path.
        field: &'static str,
        /// "string" or "mapping".
        expected: &'static str,
    },
    /// Lists inside lists, deeper than [`crate::MAX_LIST_DEPTH`].
    #[error("lists are nested more than {limit} deep")]
    ListsTooDeep {
        /// The bound.
        limit: usize,
    },
}

/// Group, version and kind. The core group is the empty string.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gvk {
    /// API group.
    pub group: String,
    /// API version, such as `v1`.
    pub version: String,
    /// Kind.
    pub kind: String,
}

impl Gvk {
    /// Takes `apiVersion` (`v1` or `apps/v1`) and a kind.
    pub fn new(api_version: &str, kind: &str) -> Self {
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() }
    }

    /// The `apiVersion` form: `v1` or `apps/v1`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// A Kubernetes object: a JSON mapping with `apiVersion`, `kind` and `metadata.name`, whose labels and annotations are mappings.
///
/// `Debug` prints the identity only: the object may be a Secret.
#[derive(Clone, PartialEq)]
pub struct Object {
    fields: Map<String, Value>,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Object({})", self.id())
    }
}

impl Object {
    /// Takes a whole document.
    ///
    /// # Errors
    /// When it is not a mapping, lacks `apiVersion`, `kind` or `metadata.name` (all absent ones are named), or when `metadata`, its
    /// labels, annotations or namespace have a type that no API server accepts.
    pub fn new(document: Value) -> Result<Self, ObjectError> {
        let Value::Object(fields) = document else { return Err(ObjectError::NotAMapping) };
        check_types(&fields)?;
        let absent: Vec<&str> = [
            ("apiVersion", text(&fields, &["apiVersion"])),
            ("kind", text(&fields, &["kind"])),
            ("metadata.name", text(&fields, &["metadata", "name"])),
        ]
        .into_iter()
        .filter(|(_, value)| value.is_empty())
        .map(|(field, _)| field)
        .collect();
        if absent.is_empty() {
            Ok(Self { fields })
        } else {
            Err(ObjectError::Missing { subject: describe(&fields), fields: absent.join(", ") })
        }
    }

    /// The document as it is.
    pub fn as_map(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// The document for edits. Do not remove `apiVersion`, `kind` or `metadata`: an object without them answers with empty strings.
    pub fn as_map_mut(&mut self) -> &mut Map<String, Value> {
        &mut self.fields
    }

    /// Gives the document back.
    pub fn into_value(self) -> Value {
        Value::Object(self.fields)
    }

    /// `apiVersion`.
    pub fn api_version(&self) -> &str {
        text(&self.fields, &["apiVersion"])
    }

    /// `kind`.
    pub fn kind(&self) -> &str {
        text(&self.fields, &["kind"])
    }

    /// API group; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version().rsplit_once('/').map_or("", |(group, _)| group)
    }

    /// API version without the group.
    pub fn version(&self) -> &str {
        let api_version = self.api_version();
        api_version.rsplit_once('/').map_or(api_version, |(_, version)| version)
    }

    /// Group, version and kind.
    pub fn gvk(&self) -> Gvk {
        Gvk::new(self.api_version(), self.kind())
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        text(&self.fields, &["metadata", "name"])
    }

    /// `metadata.namespace`, or the empty string.
    pub fn namespace(&self) -> &str {
        text(&self.fields, &["metadata", "namespace"])
    }

    /// `metadata.uid`: empty in a manifest, set in what a server returned.
    pub fn uid(&self) -> &str {
        text(&self.fields, &["metadata", "uid"])
    }

    /// `metadata.resourceVersion`, or the empty string.
    pub fn resource_version(&self) -> &str {
        text(&self.fields, &["metadata", "resourceVersion"])
    }

    /// Identity without the version.
    pub fn id(&self) -> ObjectId {
        ObjectId {
            group: self.group().to_owned(),
            kind: self.kind().to_owned(),
            namespace: self.namespace().to_owned(),
            name: self.name().to_owned(),
        }
    }

    /// Whether the object is of this group and kind, in any version.
    pub fn is(&self, group: &str, kind: &str) -> bool {
        self.kind() == kind && self.group() == group
    }

    /// `metadata.labels` when there are any.
    pub fn labels(&self) -> Option<&Map<String, Value>> {
        self.metadata_map("labels")
    }

    /// `metadata.annotations` when there are any.
    pub fn annotations(&self) -> Option<&Map<String, Value>> {
        self.metadata_map("annotations")
    }

    /// One label's value.
    pub fn label(&self, key: &str) -> Option<&str> {
        self.labels()?.get(key)?.as_str()
    }

    /// One annotation's value.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations()?.get(key)?.as_str()
    }

    /// Sets or replaces a label.
    pub fn set_label(&mut self, key: &str, value: &str) {
        self.set_in("labels", key, value);
    }

    /// Sets or replaces an annotation.
    pub fn set_annotation(&mut self, key: &str, value: &str) {
        self.set_in("annotations", key, value);
    }

    /// The value at a path of mapping keys.
    pub fn at(&self, path: &[&str]) -> Option<&Value> {
        let (last, parents) = path.split_last()?;
        let mut map = &self.fields;
        for key in parents {
            map = map.get(*key)?.as_object()?;
        }
        map.get(*last)
    }

    /// The value at a path of mapping keys, for edits.
    pub fn at_mut(&mut self, path: &[&str]) -> Option<&mut Value> {
        let (last, parents) = path.split_last()?;
        let mut map = &mut self.fields;
        for key in parents {
            map = map.get_mut(*key)?.as_object_mut()?;
        }
        map.get_mut(*last)
    }

    /// Removes `metadata.namespace`, as a server does for a kind that has no namespaces.
    pub fn clear_namespace(&mut self) {
        if let Some(metadata) = self.fields.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("namespace");
        }
    }

    fn metadata_map(&self, field: &str) -> Option<&Map<String, Value>> {
        self.at(&["metadata", field])?.as_object()
    }

    fn set_in(&mut self, field: &str, key: &str, value: &str) {
        let Some(metadata) = self.fields.get_mut("metadata").and_then(Value::as_object_mut) else { return };
        let slot = metadata.entry(field).or_insert_with(|| Value::Object(Map::new()));
        if slot.is_null() {
            *slot = Value::Object(Map::new());
        }
        if let Some(map) = slot.as_object_mut() {
            map.insert(key.to_owned(), Value::String(value.to_owned()));
        }
    }
}

fn text<'a>(fields: &'a Map<String, Value>, path: &[&str]) -> &'a str {
    let Some((last, parents)) = path.split_last() else { return "" };
    let mut map = fields;
    for key in parents {
        let Some(next) = map.get(*key).and_then(Value::as_object) else { return "" };
        map = next;
    }
    map.get(*last).and_then(Value::as_str).unwrap_or("")
}

/// Refuses shapes that the accessors would read as absent and the setters would silently drop.
fn check_types(fields: &Map<String, Value>) -> Result<(), ObjectError> {
    let wrong = |field, expected| Err(ObjectError::WrongType { subject: describe(fields), field, expected });
    for field in ["apiVersion", "kind"] {
        if fields.get(field).is_some_and(|value| !value.is_string() && !value.is_null()) {
            return wrong(field, "string");
        }
    }
    let metadata = match fields.get("metadata") {
        None | Some(Value::Null) => return Ok(()),
        Some(Value::Object(metadata)) => metadata,
        Some(_) => return wrong("metadata", "mapping"),
    };
    for (key, field) in [("name", "metadata.name"), ("namespace", "metadata.namespace")] {
        if metadata.get(key).is_some_and(|value| !value.is_string() && !value.is_null()) {
            return wrong(field, "string");
        }
    }
    for (key, field) in [("labels", "metadata.labels"), ("annotations", "metadata.annotations")] {
        if metadata.get(key).is_some_and(|value| !value.is_object() && !value.is_null()) {
            return wrong(field, "mapping");
        }
    }
    Ok(())
}

/// `Kind/ns/name` as far as it is known, with `?` for what is not.
fn describe(fields: &Map<String, Value>) -> String {
    let known = |path: &[&str]| match text(fields, path) {
        "" => "?".to_owned(),
        found => found.to_owned(),
    };
    let (kind, name) = (known(&["kind"]), known(&["metadata", "name"]));
    match text(fields, &["metadata", "namespace"]) {
        "" => format!("{kind}/{name}"),
        namespace => format!("{kind}/{namespace}/{name}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document_without_identity_is_refused_and_every_absent_field_is_named() {
        for (document, message) in [
            (json!({}), "object ?/? has no apiVersion, kind, metadata.name"),
            (json!({"apiVersion": "v1", "kind": "ConfigMap"}), "object ConfigMap/? has no metadata.name"),
            (json!({"apiVersion": "v1", "metadata": {"name": "a", "namespace": "n"}}), "object ?/n/a has no kind"),
            (json!({"kind": "Pod", "apiVersion": "", "metadata": {"name": "a"}}), "object Pod/a has no apiVersion"),
            (
                json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "a"}}),
                "object Pod/? has no metadata.name",
            ),
            (json!([]), "document is not a mapping"),
            (json!("text"), "document is not a mapping"),
            (json!({"apiVersion": 1, "kind": "Pod", "metadata": {"name": "a"}}), "Pod/a: apiVersion is not a string"),
            (json!({"apiVersion": "v1", "kind": "Pod", "metadata": []}), "Pod/?: metadata is not a mapping"),
            (
                json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": 7}}),
                "Pod/?: metadata.name is not a string",
            ),
            (
                json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "labels": ["x"]}}),
                "Pod/a: metadata.labels is not a mapping",
            ),
        ] {
            let error = Object::new(document.clone()).expect_err("refused");
            assert_eq!(error.to_string(), message, "{document}");
        }
    }

    #[test]
    fn accessors_read_identity_and_metadata() {
        let object = Object::new(json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "shop", "labels": {"app": "web"}, "annotations": null},
        }))
        .unwrap();
        assert_eq!(object.gvk(), Gvk { group: "apps".into(), version: "v1".into(), kind: "Deployment".into() });
        assert_eq!(object.gvk().api_version(), "apps/v1");
        assert_eq!(object.id().to_string(), "Deployment/shop/web");
        assert_eq!((object.label("app"), object.label("x"), object.annotation("x")), (Some("web"), None, None));
        assert!(object.is("apps", "Deployment") && !object.is("", "Deployment"));
    }

    #[test]
    fn setters_create_the_mapping_when_it_is_absent_or_null() {
        let mut object = Object::new(
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "annotations": null}}),
        )
        .unwrap();
        object.set_label("l", "1");
        object.set_annotation("a", "2");
        assert_eq!(
            object.into_value(),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
                "name": "a", "labels": {"l": "1"}, "annotations": {"a": "2"}}})
        );
    }

    #[test]
    fn debug_output_holds_no_content() {
        let secret = Object::new(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"k": "hunter2"}}),
        )
        .unwrap();
        assert_eq!(format!("{secret:?}"), "Object(Secret/s)");
    }
}
