//! What changes the digest, and what does not.

use serde_json::{Value, json};
use sluice_manifest::Object;

use super::{DesiredDigest, OwnedDigest, authors, owned_digest, writers};

const MANAGER: &str = "kustomize-controller";

fn live() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {
            "name": "web", "namespace": "shop", "uid": "u-1", "resourceVersion": "5", "generation": 1,
            "labels": {"app": "web", "kustomize.toolkit.fluxcd.io/name": "apps"},
            "annotations": {"foreign": "1"},
            "managedFields": [
                {"manager": MANAGER, "operation": "Apply", "apiVersion": "apps/v1", "time": "2024-01-01T00:00:00Z",
                 "fieldsType": "FieldsV1", "fieldsV1": {
                    "f:metadata": {"f:labels": {".": {}, "f:app": {}, "f:kustomize.toolkit.fluxcd.io/name": {}}},
                    "f:spec": {
                        "f:template": {"f:spec": {"f:containers": {
                            r#"k:{"name":"a"}"#: {".": {}, "f:image": {}, "f:name": {},
                                "f:ports": {r#"k:{"containerPort":80,"protocol":"TCP"}"#: {"f:name": {}}}}}}},
                        "f:finalizers": {r#"v:"x""#: {}}, "f:args": {"i:1": {}}, "f:atomic": {}}}},
                {"manager": "hpa", "operation": "Update", "time": "2024-01-01T00:00:01Z",
                 "fieldsV1": {"f:spec": {"f:replicas": {}}}},
            ],
        },
        "spec": {
            "replicas": 3, "args": ["0", "1"], "finalizers": ["x", "y"], "atomic": {"a": 1},
            "template": {"spec": {"containers": [
                {"name": "b", "image": "b:1"},
                {"name": "a", "image": "a:1", "ports": [
                    {"containerPort": 80, "protocol": "UDP", "name": "udp"},
                    {"containerPort": 80, "protocol": "TCP", "name": "tcp"}]}]}},
        },
        "status": {"readyReplicas": 1},
    })
}

fn digest(document: Value) -> OwnedDigest {
    owned_digest(&Object::new(document).unwrap(), MANAGER, &["legacy".to_owned()])
}

fn edited(pointer: &str, value: Value) -> OwnedDigest {
    let mut document = live();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = document.pointer_mut(parent).unwrap();
    match parent {
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        _ => parent[key.replace("~1", "/")] = value,
    }
    digest(document)
}

#[test]
fn what_is_not_ours_does_not_change_the_digest() {
    for (pointer, value) in [
        ("/status", json!({"readyReplicas": 3})),
        ("/metadata/resourceVersion", json!("6")),
        ("/metadata/generation", json!(2)),
        ("/metadata/managedFields/0/time", json!("2025-01-01T00:00:00Z")),
        ("/metadata/managedFields/1/time", json!("2025-01-01T00:00:00Z")),
        ("/metadata/managedFields/-", json!({"manager": "other", "operation": "Update", "fieldsV1": {"f:data": {}}})),
        (
            "/metadata/managedFields/-",
            json!({"manager": "kubectl-edit", "operation": "Update", "subresource": "status"}),
        ),
        ("/metadata/labels/foreign", json!("1")),
        ("/metadata/annotations/foreign", json!("2")),
        ("/spec/replicas", json!(4)),
        ("/spec/args/0", json!("changed")),
        ("/spec/finalizers/1", json!("z")),
        ("/spec/template/spec/containers/0/image", json!("b:2")),
        ("/spec/template/spec/containers/1/tty", json!(true)),
        ("/spec/template/spec/containers/1/ports/0/name", json!("other")),
    ] {
        assert_eq!(edited(pointer, value), digest(live()), "{pointer}");
    }
}

#[test]
fn what_is_ours_changes_the_digest() {
    for (pointer, value) in [
        ("/metadata/uid", json!("u-2")),
        ("/metadata/deletionTimestamp", json!("2024-01-01T00:00:00Z")),
        ("/metadata/labels", json!({"kustomize.toolkit.fluxcd.io/name": "apps"})),
        ("/metadata/labels/app", json!("other")),
        ("/metadata/labels/kustomize.toolkit.fluxcd.io~1prune", json!("disabled")),
        ("/metadata/annotations/kustomize.toolkit.fluxcd.io~1ssa", json!("Ignore")),
        ("/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration", json!("{}")),
        ("/metadata/labels/fluxcd.io~1sync-gc-mark", json!("x")),
        ("/metadata/managedFields/0/manager", json!("someone-else")),
        ("/metadata/managedFields/0/fieldsV1", json!({"f:metadata": {"f:labels": {"f:app": {}}}})),
        (
            "/metadata/managedFields/-",
            json!({"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:data": {}}}),
        ),
        ("/metadata/managedFields/-", json!({"manager": MANAGER, "operation": "Update", "fieldsV1": {}})),
        ("/metadata/managedFields/-", json!({"manager": "legacy-tool", "operation": "Apply", "fieldsV1": {}})),
        ("/spec/args/1", json!("changed")),
        ("/spec/finalizers", json!(["y"])),
        ("/spec/atomic/b", json!(2)),
        ("/spec/template/spec/containers/1/image", json!("a:2")),
        ("/spec/template/spec/containers/1/ports/1/name", json!("other")),
        ("/spec/template/spec/containers/1/name", json!("c")),
    ] {
        assert_ne!(edited(pointer, value), digest(live()), "{pointer}");
    }
}

#[test]
fn the_order_of_list_items_does_not_count() {
    let mut document = live();
    document["spec"]["template"]["spec"]["containers"].as_array_mut().unwrap().reverse();
    document["metadata"]["managedFields"].as_array_mut().unwrap().reverse();
    assert_eq!(digest(document), digest(live()));
}

#[test]
fn malformed_field_sets_are_no_reason_to_fail() {
    for fields in [
        json!(null),
        json!("text"),
        json!({"f:spec": 1, "g": {}, "k:{": {}, "": {"": {}}}),
        json!({"f:spec": {"k:{\"a\":1}": {}, "v:": {}, "i:x": {}, "i:99999999999999999999": {}, "f:args": {"k:[]": {}}}}),
    ] {
        let mut document = live();
        document["metadata"]["managedFields"][0]["fieldsV1"] = fields.clone();
        assert_eq!(digest(document.clone()), digest(document), "{fields}");
    }
}

#[test]
fn the_last_writers_are_named_when_they_wrote_after_us() {
    let entry = |manager: &str, time: &str, fields: Value| json!({"manager": manager, "operation": "Update", "time": time, "fieldsV1": fields});
    let own =
        json!({"manager": MANAGER, "operation": "Apply", "time": "2024-01-01T00:00:05Z", "fieldsV1": {"f:spec": {}}});
    for (entries, expected) in [
        (
            json!([
                own,
                entry("kubectl-edit", "2024-01-01T00:00:06Z", json!({"f:spec": {}})),
                entry("old", "2024-01-01T00:00:01Z", json!({"f:spec": {}}))
            ]),
            vec!["kubectl-edit"],
        ),
        (json!([own, entry("old", "2024-01-01T00:00:04Z", json!({"f:spec": {}}))]), vec![]),
        (
            json!([
                own,
                entry("controller", "2024-01-01T00:00:09Z", json!({"f:status": {}})),
                entry("b", "2024-01-01T00:00:07Z", json!({"f:spec": {}})),
                entry("a", "2024-01-01T00:00:07Z", json!({"f:data": {}}))
            ]),
            vec!["a", "b"],
        ),
        (json!([entry("a", "2024-01-01T00:00:07Z", json!({"f:data": {}}))]), vec!["a"]),
        (json!("odd"), vec![]),
    ] {
        let mut document = live();
        document["metadata"]["managedFields"] = entries.clone();
        assert_eq!(authors(&Object::new(document).unwrap(), MANAGER, None), expected, "{entries}");
    }
}

#[test]
fn a_manifest_has_a_digest_of_all_its_content() {
    let of = |document: Value| DesiredDigest::of(&Object::new(document).unwrap());
    let plain = |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data});
    let base = of(plain(json!({"a": "1", "b": "2"})));
    assert_eq!(of(plain(json!({"b": "2", "a": "1"}))), base);
    for other in [
        json!({"a": "1"}),
        json!({"a": "1b", "": "2"}),
        json!({"a": 1, "b": "2"}),
        json!({"a": "1", "b": ["2"]}),
        json!(null),
    ] {
        assert_ne!(of(plain(other.clone())), base, "{other}");
    }
}

#[test]
fn who_wrote_since_a_former_look_is_told_from_who_wrote_in_the_same_second() {
    let before = writers(&Object::new(live()).unwrap());
    let names = |document: Value| authors(&Object::new(document).unwrap(), MANAGER, Some(&before));
    assert_eq!(names(live()), [""; 0]);
    let mut document = live();
    let time = "2024-01-01T00:00:01Z";
    let entries = document["metadata"]["managedFields"].as_array_mut().unwrap();
    entries[0]["fieldsV1"]["f:spec"] = json!({});
    entries.push(json!({"manager": "kubectl-edit", "operation": "Update", "time": time, "fieldsV1": {"f:spec": {}}}));
    entries.push(json!({"manager": "observer", "operation": "Update", "time": time, "fieldsV1": {"f:status": {}}}));
    assert_eq!(names(document.clone()), ["kubectl-edit"]);
    document["metadata"]["managedFields"][1]["fieldsV1"] = json!({"f:spec": {"f:paused": {}}});
    assert_eq!(names(document), ["hpa", "kubectl-edit"]);
}
