//! Identity of resources: group, version and kind, the id, the text forms that messages use, and which kinds are cluster-wide.
//! It knows nothing of documents.

use std::fmt;

use crate::id_index::Fingerprint;

/// Group, version and kind; blank parts are unknown or, in selectors, match anything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gvk {
    /// The API group, blank for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The kind.
    pub kind: String,
}

impl Gvk {
    /// From its parts.
    pub fn new(group: &str, version: &str, kind: &str) -> Self {
        Self { group: group.to_owned(), version: version.to_owned(), kind: kind.to_owned() }
    }

    /// Whether every part that `selector` names is equal.
    pub fn is_selected_by(&self, selector: &Self) -> bool {
        let matches = |wanted: &str, have: &str| wanted.is_empty() || wanted == have;
        matches(&selector.group, &self.group)
            && matches(&selector.version, &self.version)
            && matches(&selector.kind, &self.kind)
    }

    /// Whether the built-in schema says that objects of this kind have no namespace. Unknown kinds have one.
    pub fn is_cluster_scoped(&self) -> bool {
        CLUSTER_SCOPED.iter().any(|(group, versions, kinds)| {
            *group == self.group && versions.contains(&self.version.as_str()) && kinds.contains(&self.kind.as_str())
        })
    }

    /// What stands in look-ups for an id of this group and version.
    pub(crate) fn fingerprint_of(&self, kind: &str, name: &str, effective_namespace: &str) -> Fingerprint {
        Fingerprint::of(&(&*self.group, &*self.version, kind, name, effective_namespace))
    }

    /// The value of `apiVersion`.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The key by which tables and the legacy order sort what they do not name: blank parts after letters.
    pub fn sort_text(&self) -> String {
        let or = |text: &str, blank: &str| if text.is_empty() { blank.to_owned() } else { text.to_owned() };
        format!("{}_{}_{}", or(&self.group, "~G"), or(&self.version, "~V"), or(&self.kind, "~K"))
    }
}

/// Splits `apiVersion` into group and version.
pub(crate) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

impl fmt::Display for Gvk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = |text: &str, blank: &'static str| if text.is_empty() { blank.to_owned() } else { text.to_owned() };
        write!(f, "{}.{}.{}", or(&self.kind, "[noKind]"), or(&self.version, "[noVer]"), or(&self.group, "[noGrp]"))
    }
}

/// The id of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ResId {
    /// Group, version and kind.
    pub gvk: Gvk,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.namespace` as written.
    pub namespace: String,
}

/// Stands in for the namespace of cluster-wide objects.
pub(crate) const NOT_A_NAMESPACE: &str = "_non_namespaceable_";

impl ResId {
    /// The namespace that counts: `default` for a blank one, a mark of its own for cluster-wide kinds.
    pub fn effective_namespace(&self) -> &str {
        if self.gvk.is_cluster_scoped() {
            NOT_A_NAMESPACE
        } else if self.namespace.is_empty() {
            "default"
        } else {
            &self.namespace
        }
    }

    /// As kustomize's own language writes the value, which some of its messages do.
    pub(crate) fn go_syntax(&self) -> String {
        let quoted = crate::error::go_quote;
        format!(
            "resid.ResId{{Gvk:resid.Gvk{{Group:{}, Version:{}, Kind:{}, isClusterScoped:{}}}, Name:{}, Namespace:{}}}",
            quoted(&self.gvk.group),
            quoted(&self.gvk.version),
            quoted(&self.gvk.kind),
            self.gvk.is_cluster_scoped(),
            quoted(&self.name),
            quoted(&self.namespace)
        )
    }

    /// What stands for the id in look-ups.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        self.gvk.fingerprint_of(&self.gvk.kind, &self.name, self.effective_namespace())
    }

    /// The form in which ids are equal and are looked up.
    pub(crate) fn key(&self) -> IdKey {
        IdKey { gvk: self.gvk.clone(), name: self.name.clone(), namespace: self.effective_namespace().to_owned() }
    }
}

impl fmt::Display for ResId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or = |text: &str, blank: &'static str| if text.is_empty() { blank.to_owned() } else { text.to_owned() };
        write!(f, "{}/{}.{}", self.gvk, or(&self.name, "[noName]"), or(&self.namespace, "[noNs]"))
    }
}

/// An id with its effective namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct IdKey {
    pub(crate) gvk: Gvk,
    pub(crate) name: String,
    pub(crate) namespace: String,
}

/// Cluster-wide kinds of the Kubernetes 1.21 API, which kustomize's built-in schema describes.
const CLUSTER_SCOPED: &[(&str, &[&str], &[&str])] = &[
    ("", &["v1"], &["ComponentStatus", "Namespace", "Node", "PersistentVolume"]),
    (
        "admissionregistration.k8s.io",
        &["v1", "v1beta1"],
        &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"],
    ),
    ("apiextensions.k8s.io", &["v1", "v1beta1"], &["CustomResourceDefinition"]),
    ("apiregistration.k8s.io", &["v1", "v1beta1"], &["APIService"]),
    ("certificates.k8s.io", &["v1", "v1beta1"], &["CertificateSigningRequest"]),
    ("flowcontrol.apiserver.k8s.io", &["v1beta1"], &["FlowSchema", "PriorityLevelConfiguration"]),
    ("networking.k8s.io", &["v1", "v1beta1"], &["IngressClass"]),
    ("node.k8s.io", &["v1", "v1beta1"], &["RuntimeClass"]),
    ("policy", &["v1beta1"], &["PodSecurityPolicy"]),
    ("rbac.authorization.k8s.io", &["v1", "v1beta1"], &["ClusterRole", "ClusterRoleBinding"]),
    ("scheduling.k8s.io", &["v1", "v1beta1"], &["PriorityClass"]),
    ("storage.k8s.io", &["v1", "v1beta1"], &["CSIDriver", "CSINode", "StorageClass", "VolumeAttachment"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_as_kustomize_prints_them() {
        let id = ResId { gvk: Gvk::new("apps", "v1", "Deployment"), name: "d".to_owned(), namespace: String::new() };
        assert_eq!(id.to_string(), "Deployment.v1.apps/d.[noNs]");
        assert_eq!(ResId::default().to_string(), "[noKind].[noVer].[noGrp]/[noName].[noNs]");
    }

    #[test]
    fn a_blank_namespace_is_default_and_cluster_wide_kinds_have_none() {
        let id = |group, kind, namespace: &str| ResId {
            gvk: Gvk::new(group, "v1", kind),
            name: "x".to_owned(),
            namespace: namespace.to_owned(),
        };
        assert_eq!(id("apps", "Deployment", "").key(), id("apps", "Deployment", "default").key());
        assert_eq!(id("", "Namespace", "a").key(), id("", "Namespace", "").key());
        assert_ne!(id("example.org", "Thing", "a").key(), id("example.org", "Thing", "").key());
    }
}
