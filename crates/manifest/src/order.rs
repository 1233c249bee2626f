//! Apply stages and the order of objects inside a stage; deletion goes through one list of all objects in the reverse order.
//!
//! Deliberately not here: waiting between stages (`sluice-ssa`).

use std::cmp::Ordering;
use std::collections::HashSet;
use std::hash::BuildHasher;

use crate::id::{GroupKind, ObjectId};
use crate::object::Object;

/// Kinds that come first, in this order. Matching is by kind name whatever the group, as users of such kinds expect.
const FIRST: [&str; 23] = [
    "CustomResourceDefinition",
    "Namespace",
    "ClusterRole",
    "ClusterClass",
    "RuntimeClass",
    "PriorityClass",
    "StorageClass",
    "VolumeSnapshotClass",
    "IngressClass",
    "GatewayClass",
    "ClusterRoleBinding",
    "ResourceQuota",
    "ServiceAccount",
    "Role",
    "RoleBinding",
    "ConfigMap",
    "Secret",
    "Service",
    "LimitRange",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// Kinds that come last: a webhook that is registered before its backend runs rejects everything.
const LAST: [&str; 2] = ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// A group of objects that is applied completely before the next one. The order of the variants is the order of the stages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// CRDs, namespaces and cluster roles: what others refer to. Waited for.
    Definitions,
    /// Kinds whose name ends in `Class`. Waited for.
    Classes,
    /// Kinds that the operator named with `--custom-apply-stage-kinds`. Not waited for.
    Custom,
    /// Everything else.
    Rest,
}

impl Stage {
    /// The stage of a group and kind.
    pub fn of<S: BuildHasher>(group: &str, kind: &str, custom: &HashSet<GroupKind, S>) -> Self {
        match (group, kind) {
            ("apiextensions.k8s.io", "CustomResourceDefinition")
            | ("", "Namespace")
            | ("rbac.authorization.k8s.io", "ClusterRole") => Self::Definitions,
            _ if kind.ends_with("Class") => Self::Classes,
            _ if !custom.is_empty()
                && custom.contains(&GroupKind { group: group.to_owned(), kind: kind.to_owned() }) =>
            {
                Self::Custom
            }
            _ => Self::Rest,
        }
    }

    /// Whether the next stage starts only when this one's objects are ready.
    pub fn is_waited_for(self) -> bool {
        matches!(self, Self::Definitions | Self::Classes)
    }
}

/// The apply order of two objects: by kind, then group, namespace and name. Kinds without a place of their own sort by group first.
pub fn apply_order(a: &ObjectId, b: &ObjectId) -> Ordering {
    let key = |id: &ObjectId| rank(&id.kind);
    key(a)
        .cmp(&key(b))
        .then_with(|| (&a.group, &a.kind, &a.namespace, &a.name).cmp(&(&b.group, &b.kind, &b.namespace, &b.name)))
}

fn rank(kind: &str) -> usize {
    let place = |kinds: &[&str]| kinds.iter().position(|known| *known == kind);
    place(&FIRST).or_else(|| place(&LAST).map(|at| FIRST.len() + 1 + at)).unwrap_or(FIRST.len())
}

/// Splits objects into their stages, each in apply order. Empty stages are left out.
pub fn stages<S: BuildHasher>(objects: Vec<Object>, custom: &HashSet<GroupKind, S>) -> Vec<(Stage, Vec<Object>)> {
    let mut keyed: Vec<(Stage, ObjectId, Object)> = objects
        .into_iter()
        .map(|object| (Stage::of(object.group(), object.kind(), custom), object.id(), object))
        .collect();
    keyed.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| apply_order(&a.1, &b.1)));
    let mut stages: Vec<(Stage, Vec<Object>)> = Vec::new();
    for (stage, _, object) in keyed {
        match stages.last_mut() {
            Some((last, members)) if *last == stage => members.push(object),
            _ => stages.push((stage, vec![object])),
        }
    }
    stages
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(text: &str) -> Object {
        let parts: Vec<&str> = text.split(' ').collect();
        let mut document = json!({"apiVersion": parts[0], "kind": parts[1], "metadata": {"name": parts[2]}});
        if let Some(namespace) = parts.get(3) {
            document["metadata"]["namespace"] = json!(namespace);
        }
        Object::new(document).unwrap()
    }

    #[test]
    fn objects_go_through_their_stages_in_kind_order() {
        let custom = HashSet::from([GroupKind { group: "rbac.authorization.k8s.io".into(), kind: "Role".into() }]);
        let input = [
            "admissionregistration.k8s.io/v1 ValidatingWebhookConfiguration v",
            "admissionregistration.k8s.io/v1 MutatingWebhookConfiguration m",
            "serving.knative.dev/v1 Service k n",
            "v1 Service s n",
            "z.io/v1 Alpha a n",
            "a.io/v1 Zeta z n",
            "a.io/v1 Beta b n",
            "apps/v1 Deployment d n",
            "v1 Secret s n",
            "v1 ConfigMap b n",
            "v1 ConfigMap a z",
            "v1 ConfigMap a n",
            "rbac.authorization.k8s.io/v1 Role r n",
            "rbac.authorization.k8s.io/v1 RoleBinding r n",
            "storage.k8s.io/v1 StorageClass fast",
            "x.io/v1 QueueClass q n",
            "rbac.authorization.k8s.io/v1 ClusterRole c",
            "v1 Namespace n",
            "x.io/v1 Namespace odd n",
            "apiextensions.k8s.io/v1 CustomResourceDefinition things.x.io",
        ];
        let result: Vec<(Stage, Vec<String>)> = stages(input.iter().map(|text| object(text)).collect(), &custom)
            .into_iter()
            .map(|(stage, members)| (stage, members.iter().map(|o| format!("{} {}", o.group(), o.id())).collect()))
            .collect();
        let expected = |stage: Stage, ids: &[&str]| (stage, ids.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(
            result,
            [
                expected(
                    Stage::Definitions,
                    &[
                        "apiextensions.k8s.io CustomResourceDefinition/things.x.io",
                        " Namespace/n",
                        "rbac.authorization.k8s.io ClusterRole/c",
                    ]
                ),
                expected(Stage::Classes, &["storage.k8s.io StorageClass/fast", "x.io QueueClass/n/q"]),
                expected(Stage::Custom, &["rbac.authorization.k8s.io Role/n/r"]),
                expected(
                    Stage::Rest,
                    &[
                        "x.io Namespace/n/odd",
                        "rbac.authorization.k8s.io RoleBinding/n/r",
                        " ConfigMap/n/a",
                        " ConfigMap/n/b",
                        " ConfigMap/z/a",
                        " Secret/n/s",
                        " Service/n/s",
                        "serving.knative.dev Service/n/k",
                        "apps Deployment/n/d",
                        "a.io Beta/n/b",
                        "a.io Zeta/n/z",
                        "z.io Alpha/n/a",
                        "admissionregistration.k8s.io MutatingWebhookConfiguration/m",
                        "admissionregistration.k8s.io ValidatingWebhookConfiguration/v",
                    ]
                ),
            ]
        );
    }

    #[test]
    fn no_objects_make_no_stage() {
        assert_eq!(stages(Vec::new(), &HashSet::<GroupKind>::new()), []);
    }

    #[test]
    fn only_definitions_and_classes_are_waited_for() {
        let waited = [Stage::Definitions, Stage::Classes, Stage::Custom, Stage::Rest].map(Stage::is_waited_for);
        assert_eq!(waited, [true, true, false, false]);
    }
}
