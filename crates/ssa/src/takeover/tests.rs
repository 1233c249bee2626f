use super::*;

const OWN: &str = "kustomize-controller";

fn live(managed: Value, annotations: &Value) -> Object {
    let mut document = json!({"apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "x", "resourceVersion": "7", "annotations": annotations}});
    document["metadata"]["managedFields"] = managed;
    Object::new(document).unwrap()
}

fn entry(manager: &str, operation: &str, fields: &Value) -> Value {
    json!({"manager": manager, "operation": operation, "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": fields})
}

fn managed_after(entries: Value, overridden: &[String]) -> Option<Value> {
    let object = live(entries, &json!(null));
    let patch = patch(&object, &live(json!(null), &json!(null)), Managers { own: OWN, overridden })?;
    assert_eq!(patch.last(), Some(&json!({"op": "replace", "path": "/metadata/resourceVersion", "value": "7"})));
    patch
        .into_iter()
        .find(|operation| operation["path"] == "/metadata/managedFields")
        .map(|found| found["value"].clone())
}

#[test]
fn nothing_to_take_over_makes_no_patch() {
    for entries in [
        json!(null),
        json!([]),
        json!([entry(OWN, "Apply", &json!({"f:data": {}}))]),
        json!([entry("flux-client-side-apply", "Update", &json!({"f:data": {}}))]),
        json!([entry("before-first-apply", "Apply", &json!({"f:data": {}}))]),
        json!([{"manager": "kubectl", "operation": "Update", "subresource": "status", "fieldsV1": {}}]),
    ] {
        assert_eq!(managed_after(entries.clone(), &[]), None, "{entries}");
    }
}

#[test]
fn matched_entries_are_folded_into_our_own() {
    let merged = managed_after(
        json!([
            entry("kubectl-edit", "Update", &json!({"f:data": {"f:a": {}}})),
            entry(OWN, "Apply", &json!({"f:data": {"f:b": {}}})),
            entry("other", "Update", &json!({"f:data": {"f:c": {}}})),
            entry("before-first-apply", "Update", &json!({"f:data": {".": {}, "f:d": {}}})),
        ]),
        &[],
    );
    assert_eq!(
        merged,
        Some(json!([
            entry(OWN, "Apply", &json!({"f:data": {".": {}, "f:a": {}, "f:b": {}, "f:d": {}}})),
            entry("other", "Update", &json!({"f:data": {"f:c": {}}})),
        ]))
    );
}

#[test]
fn without_an_entry_of_our_own_the_first_match_becomes_it() {
    for manager in ["kubectl-client-side-apply", "kubectl", "before-first-apply", "kustomize-controller"] {
        assert_eq!(
            managed_after(json!([entry(manager, "Update", &json!({"f:data": {}}))]), &[]),
            Some(json!([entry(OWN, "Apply", &json!({"f:data": {}}))])),
            "{manager}"
        );
    }
}

#[test]
fn overridden_managers_are_taken_over_by_prefix_for_both_operations() {
    for operation in ["Apply", "Update"] {
        assert_eq!(
            managed_after(json!([entry("helm-x", operation, &json!({"f:data": {}}))]), &["helm".to_owned()]),
            Some(json!([entry(OWN, "Apply", &json!({"f:data": {}}))]))
        );
    }
}

#[test]
fn an_owned_field_stays_owned_when_the_other_side_owns_its_children() {
    let mut fields = json!({"f:spec": {}});
    unite(&mut fields, &json!({"f:spec": {"f:a": {}}}));
    assert_eq!(fields, json!({"f:spec": {".": {}, "f:a": {}}}));
    let mut fields = json!({"f:spec": {"f:a": {}}});
    unite(&mut fields, &json!({"f:spec": {}}));
    assert_eq!(fields, json!({"f:spec": {".": {}, "f:a": {}}}));
}

#[test]
fn legacy_annotations_go_unless_the_manifest_has_them() {
    let annotations = json!({"kubectl.kubernetes.io/last-applied-configuration": "{}", "keep": "1"});
    let object = live(json!(null), &annotations);
    let managers = Managers { own: OWN, overridden: &[] };
    assert_eq!(
        patch(&object, &live(json!(null), &json!(null)), managers),
        Some(vec![
            json!({"op": "remove", "path": "/metadata/annotations/kubectl.kubernetes.io~1last-applied-configuration"}),
            json!({"op": "replace", "path": "/metadata/resourceVersion", "value": "7"}),
        ])
    );
    assert_eq!(patch(&object, &live(json!(null), &annotations), managers), None);
}

#[test]
fn entries_of_other_versions_are_rewritten_with_or_without_a_takeover() {
    let managers = Managers { own: OWN, overridden: &[] };
    let versioned = |mut entry: Value, version: &str| {
        entry["apiVersion"] = json!(version);
        entry
    };
    let own = entry(OWN, "Apply", &json!({"f:a": {}}));
    let other =
        versioned(json!({"manager": "x", "operation": "Update", "subresource": "status", "fieldsV1": {}}), "v0");
    let kubectl = versioned(entry("kubectl", "Update", &json!({"f:b": {}})), "v0");
    let desired = live(json!(null), &json!(null));
    let fields = |managers, entries: &[&Value]| {
        let patch = patch_to_version(&live(json!(entries), &json!(null)), &desired, managers, "v1")?;
        assert_eq!(patch.last(), Some(&json!({"op": "replace", "path": "/metadata/resourceVersion", "value": "7"})));
        assert_eq!(patch.len(), 2, "{patch:?}");
        Some(patch[0]["value"].clone())
    };
    assert_eq!(fields(Some(managers), &[&own]), None);
    assert_eq!(fields(None, &[&own, &versioned(kubectl.clone(), "v1")]), None);
    assert_eq!(fields(None, &[&own, &other]), Some(json!([own, versioned(other.clone(), "v1")])));
    assert_eq!(
        fields(Some(managers), &[&own, &other, &kubectl]),
        Some(json!([entry(OWN, "Apply", &json!({"f:a": {}, "f:b": {}})), versioned(other.clone(), "v1")]))
    );
    assert_eq!(fields(None, &[&kubectl]), Some(json!([versioned(kubectl.clone(), "v1")])));
}
