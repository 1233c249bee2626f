//! Fields that a built-in kind does not have: dropped from the manifest, as the contract has it, by what the server says of them.
//!
//! Asking the server rather than compiled-in types keeps fields that are newer than this program. Deliberately not for custom resources,
//! whose authors want to hear of such fields, and not for RBAC roles.

use serde_json::{Map, Value};
use sluice_manifest::Object;

/// Follows the path of each such field in a server's message.
const MARK: &str = ": field not declared in schema";

/// Paths taken from one message. A message that names more leads to another round.
const MAX_PATHS: usize = 64;

/// Groups of built-in kinds. Others that end in `.k8s.io` belong to custom resources.
const BUILT_IN: [&str; 24] = [
    "",
    "admissionregistration.k8s.io",
    "apiextensions.k8s.io",
    "apiregistration.k8s.io",
    "apps",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "coordination.k8s.io",
    "discovery.k8s.io",
    "events.k8s.io",
    "extensions",
    "flowcontrol.apiserver.k8s.io",
    "internal.apiserver.k8s.io",
    "networking.k8s.io",
    "node.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "resource.k8s.io",
    "scheduling.k8s.io",
    "storage.k8s.io",
    "storagemigration.k8s.io",
];

/// Whether unknown fields of this object are dropped rather than refused.
pub(crate) fn applies_to(object: &Object) -> bool {
    let role = object.is("rbac.authorization.k8s.io", "Role") || object.is("rbac.authorization.k8s.io", "ClusterRole");
    BUILT_IN.contains(&object.group()) && !role
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// `.field`
    Field(String),
    /// `[3]`
    Index(usize),
    /// `[name="x",port=80]`: the item with these values.
    Keys(Map<String, Value>),
}

/// Reads the paths of undeclared fields from a server's message. What is no such path is passed over.
pub(crate) fn paths(message: &str) -> Vec<Vec<Step>> {
    let before_marks = message.lines().filter_map(|line| line.strip_suffix(MARK));
    // The path is the last thing before the mark; a prefix such as "failed to ...: " stands before it.
    before_marks
        .filter_map(|text| parse(text.rsplit_once(": ").map_or(text, |(_, path)| path).trim()))
        .take(MAX_PATHS)
        .collect()
}

fn parse(mut text: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    while !text.is_empty() {
        if let Some(rest) = text.strip_prefix('.') {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            steps.push(Step::Field(rest.get(..end).filter(|name| !name.is_empty())?.to_owned()));
            text = &rest[end..];
        } else {
            let (inner, rest) = text.strip_prefix('[')?.split_once(']')?;
            steps.push(parse_item(inner)?);
            text = rest;
        }
    }
    matches!(steps.last(), Some(Step::Field(_))).then_some(steps)
}

fn parse_item(inner: &str) -> Option<Step> {
    if let Ok(index) = inner.parse() {
        return Some(Step::Index(index));
    }
    let pair = |text: &str| {
        let (key, value) = text.split_once('=')?;
        Some((key.to_owned(), serde_json::from_str(value).ok()?))
    };
    inner.split(',').map(pair).collect::<Option<Map<_, _>>>().map(Step::Keys)
}

/// Removes the fields. Returns whether there were any.
pub(crate) fn remove(object: &mut Object, paths: &[Vec<Step>]) -> bool {
    let mut removed = false;
    for path in paths {
        let Some((Step::Field(last), parents)) = path.split_last() else { continue };
        let Some((Step::Field(first), rest)) = parents.split_first() else {
            // A top-level field; those that make the object one are declared everywhere.
            removed |= !matches!(last.as_str(), "apiVersion" | "kind" | "metadata")
                && object.as_map_mut().remove(last).is_some();
            continue;
        };
        let parent = rest.iter().try_fold(object.as_map_mut().get_mut(first), |at, step| Some(descend(at?, step)));
        if let Some(Some(Value::Object(parent))) = parent {
            removed |= parent.remove(last).is_some();
        }
    }
    removed
}

fn descend<'a>(at: &'a mut Value, step: &Step) -> Option<&'a mut Value> {
    match step {
        Step::Field(name) => at.get_mut(name),
        Step::Index(index) => at.get_mut(index),
        Step::Keys(keys) => {
            let has_keys = |item: &&mut Value| keys.iter().all(|(key, value)| item.get(key) == Some(value));
            at.as_array_mut()?.iter_mut().find(has_keys)
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cleaned(message: &str, document: Value) -> Option<Value> {
        let mut object = Object::new(document).unwrap();
        remove(&mut object, &paths(message)).then(|| object.into_value())
    }

    fn deployment(container: &Value, extra: &Value) -> Value {
        let mut document = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"},
            "spec": {"template": {"spec": {"containers": [{"name": "other"}, container]}}}});
        document["spec"].as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        document
    }

    #[test]
    fn the_fields_that_the_server_names_go() {
        let clean = deployment(&json!({"name": "c", "ports": [{"containerPort": 80, "protocol": "TCP"}]}), &json!({}));
        for (message, container, extra) in [
            (
                "failed to create typed patch object (n/a; apps/v1, Kind=Deployment): .spec.bogus: field not declared in schema",
                json!({"name": "c", "ports": [{"containerPort": 80, "protocol": "TCP"}]}),
                json!({"bogus": 1}),
            ),
            (
                "failed to create typed patch object: errors:\n  \
                 .spec.bogus: field not declared in schema\n  \
                 .spec.template.spec.containers[name=\"c\"].wrong: field not declared in schema\n  \
                 .spec.template.spec.containers[name=\"c\"].ports[containerPort=80,protocol=\"TCP\"].x: field not declared in schema",
                json!({"name": "c", "wrong": true, "ports": [{"containerPort": 80, "protocol": "TCP", "x": 1}]}),
                json!({"bogus": {}}),
            ),
        ] {
            assert_eq!(cleaned(message, deployment(&container, &extra)), Some(clean.clone()), "{message}");
        }
    }

    #[test]
    fn a_message_about_something_else_removes_nothing() {
        let document = deployment(&json!({"name": "c"}), &json!({"bogus": 1}));
        for message in [
            "",
            "field not declared in schema",
            ".spec.bogus: expected string",
            ".spec.absent: field not declared in schema",
            ".spec.template[0].x: field not declared in schema",
            ".spec[: field not declared in schema",
            ".spec.template.spec.containers[name=\"c\"]: field not declared in schema",
            ".kind: field not declared in schema",
            ".metadata: field not declared in schema",
            "..: field not declared in schema",
        ] {
            assert_eq!(cleaned(message, document.clone()), None, "{message}");
        }
    }

    #[test]
    fn custom_resources_and_roles_keep_their_fields() {
        for (api_version, kind, expected) in [
            ("v1", "Secret", true),
            ("apps/v1", "Deployment", true),
            ("rbac.authorization.k8s.io/v1", "RoleBinding", true),
            ("rbac.authorization.k8s.io/v1", "Role", false),
            ("rbac.authorization.k8s.io/v1", "ClusterRole", false),
            ("gateway.networking.k8s.io/v1", "Gateway", false),
            ("example.com/v1", "Thing", false),
        ] {
            let object = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}});
            assert_eq!(applies_to(&Object::new(object).unwrap()), expected, "{api_version} {kind}");
        }
    }
}
