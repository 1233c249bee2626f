use serde_json::Value;

use super::*;
use crate::fakes::object;

fn entry<K: StaticKind>(kind: &str, finalizers: &[&str], deleting: bool, spec: &Value) -> Entry<K> {
    let mut metadata = json!({"name": "a", "namespace": "apps", "finalizers": finalizers});
    if deleting {
        metadata["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    }
    let version = K::api_version(&());
    Entry::decode(object(json!({"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec})))
}

#[test]
fn a_provider_carries_the_finalizer_while_it_lives() {
    let good = json!({"type": "generic"});
    let bad = json!({"type": 7});
    for (finalizers, deleting, spec, expected) in [
        (vec![], false, &good, Some(Edit::Add)),
        (vec!["other"], false, &good, Some(Edit::Add)),
        (vec![FINALIZER], false, &good, None),
        (vec![FINALIZER], true, &good, Some(Edit::Remove)),
        (vec!["other"], true, &good, None),
        (vec![], false, &bad, Some(Edit::Add)),
        (vec![FINALIZER], true, &bad, Some(Edit::Remove)),
        (vec![], false, &json!({"type": "generic", "suspend": true}), Some(Edit::Add)),
        (vec![FINALIZER], true, &json!({"type": "generic", "suspend": true}), Some(Edit::Remove)),
    ] {
        let entry = entry::<Provider>("Provider", &finalizers, deleting, spec);
        assert_eq!(Provider::edit(&entry), expected, "{finalizers:?} {deleting} {spec}");
    }
}

#[test]
fn an_alert_only_ever_loses_it_unless_it_is_suspended_and_alive() {
    let live = json!({"providerRef": {"name": "chat"}, "eventSources": []});
    let suspended = json!({"providerRef": {"name": "chat"}, "eventSources": [], "suspend": true});
    let bad_and_suspended = json!({"providerRef": 7, "suspend": true});
    for (finalizers, deleting, spec, expected) in [
        (vec![], false, &live, None),
        (vec!["other"], true, &live, None),
        (vec![FINALIZER], false, &live, Some(Edit::Remove)),
        (vec![FINALIZER], true, &live, Some(Edit::Remove)),
        (vec![FINALIZER], false, &suspended, None),
        (vec![FINALIZER], true, &suspended, Some(Edit::Remove)),
        (vec![FINALIZER], false, &bad_and_suspended, None),
        (vec![FINALIZER], true, &bad_and_suspended, Some(Edit::Remove)),
        (vec![FINALIZER], false, &json!({"providerRef": 7}), Some(Edit::Remove)),
    ] {
        let entry = entry::<Alert>("Alert", &finalizers, deleting, spec);
        assert_eq!(Alert::edit(&entry), expected, "{finalizers:?} {deleting} {spec}");
    }
}

#[test]
fn an_edit_leaves_the_finalizers_of_others_in_their_order() {
    let meta = |finalizers: &[&str]| ObjectMeta {
        finalizers: Some(finalizers.iter().map(|&name| name.to_owned()).collect()),
        ..ObjectMeta::default()
    };
    assert_eq!(edited(&ObjectMeta::default(), Edit::Add), [FINALIZER]);
    assert_eq!(edited(&meta(&["b", "a"]), Edit::Add), ["b", "a", FINALIZER]);
    assert_eq!(edited(&meta(&["b", FINALIZER, "a"]), Edit::Remove), ["b", "a"]);
    assert_eq!(edited(&meta(&[FINALIZER]), Edit::Remove), [""; 0]);
}

#[test]
fn only_the_migration_of_an_alert_is_told() {
    let notice = Alert::notice(Edit::Remove).unwrap();
    let expected = "removed finalizer from Alert to migrate to static Alert";
    assert_eq!(notice, Notice::new(Severity::Info, "Migration", expected));
    assert_eq!(Provider::notice(Edit::Add), None);
    assert_eq!(Provider::notice(Edit::Remove), None);
}
