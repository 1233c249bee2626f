//! The order of the output: as accumulated, or the older one by kind. It moves resources and changes nothing in them.

use std::collections::HashMap;

use crate::id::ResId;
use crate::resmap::ResMap;

/// Kinds that come first, in this order.
pub(crate) const FIRST: &[&str] = &[
    "Namespace",
    "ResourceQuota",
    "StorageClass",
    "CustomResourceDefinition",
    "ServiceAccount",
    "PodSecurityPolicy",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "ClusterRoleBinding",
    "ConfigMap",
    "Secret",
    "Endpoints",
    "Service",
    "LimitRange",
    "PriorityClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Deployment",
    "StatefulSet",
    "CronJob",
    "PodDisruptionBudget",
];

/// Kinds that come last, in this order.
pub(crate) const LAST: &[&str] = &["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"];

/// The rank of a kind in the built-in order: negative for those that come first, positive for those that come last.
pub(crate) fn rank(kind: &str) -> isize {
    rank_in(kind, FIRST, LAST)
}

fn rank_in<T: AsRef<str>>(kind: &str, first: &[T], last: &[T]) -> isize {
    let find =
        |kinds: &[T]| kinds.iter().position(|name| name.as_ref() == kind).and_then(|at| isize::try_from(at).ok());
    if let Some(at) = find(last) {
        return 1 + at;
    }
    find(first).map_or(0, |at| at - isize::try_from(first.len()).unwrap_or(isize::MAX))
}

/// Sorts by kind, then by group, version and kind, then by namespace and name.
pub(crate) fn sort_legacy<T: AsRef<str>>(resources: &mut ResMap, first: &[T], last: &[T]) {
    let mut ranks: HashMap<String, isize> = HashMap::new();
    resources.sort_by_cached_key(|id: &ResId| {
        let kind = id.gvk.kind.clone();
        let rank = *ranks.entry(kind).or_insert_with_key(|kind| rank_in(kind, first, last));
        let or = |text: &str, blank: &str| if text.is_empty() { blank.to_owned() } else { text.to_owned() };
        let tail = format!("{}|{}|{}", id.gvk, or(&id.namespace, "~X"), or(&id.name, "~N"));
        // Of all that is called Namespace, the core one comes first although its group is blank. Only where they have a rank of their own:
        // between other kinds it stands by its text.
        let core = rank != 0 && id.gvk.kind == "Namespace" && id.gvk.group.is_empty();
        (rank, if core { String::new() } else { id.gvk.sort_text() }, tail)
    });
}
