//! Object identity and its two written forms: the inventory's `<ns>_<name>_<group>_<kind>` and the reader's `Kind/ns/name`.
//!
//! Deliberately not here: the version, which is no part of an identity (an object survives a move to another API version).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

const RBAC_GROUP: &str = "rbac.authorization.k8s.io";

/// A group and kind in any version.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GroupKind {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind.
    pub kind: String,
}

/// Which object: group, kind, namespace (empty for cluster-scoped) and name.
///
/// `Display` is the form of messages and events: `Kind/ns/name`, or `Kind/name` without a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// API group; empty for the core group.
    pub group: String,
    /// Kind.
    pub kind: String,
    /// Namespace; empty for a cluster-scoped object.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// Why a text is no inventory id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("inventory id {text:?} is not <namespace>_<name>_<group>_<kind>")]
pub struct IdError {
    text: String,
}

impl ObjectId {
    /// The inventory's form. A `:` in an RBAC object's name is written `__`, because status consumers know no `:` there.
    pub fn to_inventory(&self) -> String {
        let name = if self.is_rbac() { self.name.replace(':', "__") } else { self.name.clone() };
        format!("{}_{}_{}_{}", self.namespace, name, self.group, self.kind)
    }

    fn is_rbac(&self) -> bool {
        self.group == RBAC_GROUP
            && matches!(self.kind.as_str(), "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding")
    }
}

impl FromStr for ObjectId {
    type Err = IdError;

    /// Reads the inventory's form: the namespace ends at the first `_`, the kind starts after the last one, the group after the last
    /// remaining one, and what is left is the name, in which `__` stands for `:` whatever the kind.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let parse = || {
            let (namespace, rest) = text.split_once('_')?;
            let (rest, kind) = rest.rsplit_once('_')?;
            let (name, group) = rest.rsplit_once('_')?;
            (!name.is_empty() && !kind.is_empty()).then(|| Self {
                group: group.to_owned(),
                kind: kind.to_owned(),
                namespace: namespace.to_owned(),
                name: name.replace("__", ":"),
            })
        };
        parse().ok_or_else(|| IdError { text: text.to_owned() })
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            write!(f, "{}/{}", self.kind, self.name)
        } else {
            write!(f, "{}/{}/{}", self.kind, self.namespace, self.name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(namespace: &str, name: &str, group: &str, kind: &str) -> ObjectId {
        ObjectId { group: group.into(), kind: kind.into(), namespace: namespace.into(), name: name.into() }
    }

    #[test]
    fn inventory_ids_are_written_and_read_back() {
        for (id, text, human) in [
            (id("", "flux-system", "", "Namespace"), "_flux-system__Namespace", "Namespace/flux-system"),
            (id("ns", "cm", "", "ConfigMap"), "ns_cm__ConfigMap", "ConfigMap/ns/cm"),
            (id("ns", "web", "apps", "Deployment"), "ns_web_apps_Deployment", "Deployment/ns/web"),
            (
                id("", "system:basic", RBAC_GROUP, "ClusterRole"),
                "_system__basic_rbac.authorization.k8s.io_ClusterRole",
                "ClusterRole/system:basic",
            ),
            (
                id("ns", "a:b:c", RBAC_GROUP, "RoleBinding"),
                "ns_a__b__c_rbac.authorization.k8s.io_RoleBinding",
                "RoleBinding/ns/a:b:c",
            ),
            (id("", "a:b", "example.com", "Thing"), "_a:b_example.com_Thing", "Thing/a:b"),
        ] {
            assert_eq!(id.to_inventory(), text);
            assert_eq!(text.parse::<ObjectId>(), Ok(id.clone()), "{text}");
            assert_eq!(id.to_string(), human);
        }
    }

    #[test]
    fn a_doubled_underscore_reads_as_a_colon_for_any_kind() {
        assert_eq!("_a__b_example.com_Thing".parse(), Ok(id("", "a:b", "example.com", "Thing")));
    }

    #[test]
    fn what_is_no_inventory_id_is_refused() {
        for text in ["", "a", "a_b", "a_b_c", "ns__g_Kind", "ns_name_group_"] {
            let error = text.parse::<ObjectId>().expect_err(text);
            assert!(error.to_string().contains("is not <namespace>_<name>_<group>_<kind>"));
        }
    }
}
