//! Owner labels, by which an object is known as managed by one Kustomization, and the metadata that a Kustomization adds to all objects.
//!
//! Deliberately not here: the decision what to delete (`policy`, `sluice-ssa`).

use std::collections::BTreeMap;

use crate::object::Object;

/// Label with the managing Kustomization's name.
pub const NAME_LABEL: &str = "kustomize.toolkit.fluxcd.io/name";
/// Label with the managing Kustomization's namespace.
pub const NAMESPACE_LABEL: &str = "kustomize.toolkit.fluxcd.io/namespace";

/// The Kustomization that manages an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Name of the Kustomization.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
}

impl Owner {
    /// Sets both owner labels.
    pub fn stamp(&self, object: &mut Object) {
        object.set_label(NAME_LABEL, &self.name);
        object.set_label(NAMESPACE_LABEL, &self.namespace);
    }

    /// Whether both labels name this owner. Stops a Kustomization from deleting an object that another one has taken over.
    pub fn owns(&self, live: &Object) -> bool {
        live.label(NAME_LABEL) == Some(self.name.as_str())
            && live.label(NAMESPACE_LABEL) == Some(self.namespace.as_str())
    }
}

/// `spec.commonMetadata`: labels and annotations for every object. They replace what is there, owner labels included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommonMetadata {
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    pub annotations: BTreeMap<String, String>,
}

impl CommonMetadata {
    /// Sets all labels and annotations. Call it after [`Owner::stamp`].
    pub fn stamp(&self, object: &mut Object) {
        for (key, value) in &self.labels {
            object.set_label(key, value);
        }
        for (key, value) in &self.annotations {
            object.set_annotation(key, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn owner(name: &str, namespace: &str) -> Owner {
        Owner { name: name.into(), namespace: namespace.into() }
    }

    #[test]
    fn an_object_is_owned_by_whom_both_labels_name() {
        let mut object =
            Object::new(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}})).unwrap();
        assert!(!owner("apps", "flux-system").owns(&object));
        owner("apps", "flux-system").stamp(&mut object);
        assert!(owner("apps", "flux-system").owns(&object));
        assert!(!owner("apps", "other").owns(&object));
        assert!(!owner("other", "flux-system").owns(&object));
    }

    #[test]
    fn common_metadata_replaces_what_is_there() {
        let mut object = Object::new(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {
            "name": "a", "labels": {"team": "x", "keep": "1"}}}))
        .unwrap();
        let common = CommonMetadata {
            labels: BTreeMap::from([("team".into(), "y".into())]),
            annotations: BTreeMap::from([("note".into(), "n".into())]),
        };
        common.stamp(&mut object);
        assert_eq!(
            object.at(&["metadata"]),
            Some(&json!({"name": "a", "labels": {"team": "y", "keep": "1"}, "annotations": {"note": "n"}}))
        );
    }
}
