//! Whether the live object is what an apply would make of it.
//!
//! Deliberately not here: which fields differ, and ignore rules. Finalizers and owner references are others' business and do not count.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::object::Object;

/// Compares the server's dry-run result with the live object: labels, annotations (none equals empty), and everything but `metadata` and
/// `status`.
pub fn differs(dry_run: &Object, live: &Object) -> bool {
    !same_map(dry_run.labels(), live.labels())
        || !same_map(dry_run.annotations(), live.annotations())
        || content_differs(dry_run, live)
}

fn same_map(a: Option<&Map<String, Value>>, b: Option<&Map<String, Value>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => a == b,
        (None, None) => true,
        (Some(one), None) | (None, Some(one)) => one.is_empty(),
    }
}

fn content_differs(a: &Object, b: &Object) -> bool {
    let autoscaler = a.is("autoscaling", "HorizontalPodAutoscaler") && a.version().starts_with("v2");
    let same = |key: &str, a: &Value, b: &Value| {
        if autoscaler && key == "spec" { distinct_metrics(a.clone()) == distinct_metrics(b.clone()) } else { a == b }
    };
    content(a).count() != content(b).count()
        || content(a).any(|(key, a)| b.as_map().get(key).is_none_or(|b| !same(key, a, b)))
}

/// All fields but `metadata` and `status`.
fn content(object: &Object) -> impl Iterator<Item = (&String, &Value)> {
    object.as_map().iter().filter(|(key, _)| !matches!(key.as_str(), "metadata" | "status"))
}

/// Removes empty and repeated metrics: a dry-run merges the manifest's list into what the server made of it earlier, so an autoscaler
/// would otherwise differ from itself for ever.
fn distinct_metrics(mut spec: Value) -> Value {
    if let Some(Value::Array(metrics)) = spec.get_mut("metrics") {
        let mut seen = HashSet::new();
        metrics.retain(|metric| {
            let empty = metric.is_null() || metric.as_object().is_some_and(Map::is_empty);
            !empty && seen.insert(metric.to_string())
        });
    }
    spec
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(metadata: &Value, rest: &Value) -> Object {
        let mut document = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata});
        for (key, value) in rest.as_object().unwrap() {
            document[key] = value.clone();
        }
        Object::new(document).unwrap()
    }

    #[test]
    fn only_labels_annotations_and_content_count() {
        let base = json!({"name": "a"});
        for (metadata, rest, expected) in [
            (json!({"name": "a"}), json!({"data": {"k": "v"}}), false),
            (json!({"name": "a", "labels": {}, "annotations": null}), json!({"data": {"k": "v"}}), false),
            (json!({"name": "a", "finalizers": ["x"], "resourceVersion": "7"}), json!({"data": {"k": "v"}}), false),
            (json!({"name": "a"}), json!({"data": {"k": "v"}, "status": {"x": 1}}), false),
            (json!({"name": "a", "labels": {"l": "1"}}), json!({"data": {"k": "v"}}), true),
            (json!({"name": "a", "annotations": {"l": "1"}}), json!({"data": {"k": "v"}}), true),
            (json!({"name": "a"}), json!({"data": {"k": "w"}}), true),
            (json!({"name": "a"}), json!({"data": {}}), true),
            (json!({"name": "a"}), json!({}), true),
            (json!({"name": "a"}), json!({"data": {"k": "v"}, "immutable": true}), true),
        ] {
            let (a, b) = (object(&base, &json!({"data": {"k": "v"}})), object(&metadata, &rest));
            assert_eq!(differs(&a, &b), expected, "{metadata} {rest}");
            assert_eq!(differs(&b, &a), expected, "{metadata} {rest}");
        }
    }

    #[test]
    fn repeated_and_empty_autoscaler_metrics_do_not_count() {
        let hpa = |metrics: Value| {
            Object::new(json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
                "metadata": {"name": "a"}, "spec": {"maxReplicas": 3, "metrics": metrics}}))
            .unwrap()
        };
        let cpu = json!({"type": "Resource", "resource": {"name": "cpu"}});
        let memory = json!({"type": "Resource", "resource": {"name": "memory"}});
        assert!(!differs(&hpa(json!([cpu, {}, cpu, null])), &hpa(json!([cpu]))));
        assert!(differs(&hpa(json!([cpu, memory])), &hpa(json!([cpu]))));
    }
}
