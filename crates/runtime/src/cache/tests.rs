use futures::stream;
use k8s_openapi::api::core::v1::ConfigMap;
use serde_json::json;
use std::cell::RefCell;

use super::*;

fn config_map(name: &str, version: u64, value: &str) -> DynamicObject {
    object(name, version, json!({ "data": { "value": value } }))
}

fn object(name: &str, version: u64, mut rest: serde_json::Value) -> DynamicObject {
    rest["apiVersion"] = "v1".into();
    rest["kind"] = "ConfigMap".into();
    rest["metadata"] = json!({
        "name": name, "namespace": "apps", "resourceVersion": version.to_string(), "managedFields": [{ "manager": "kubectl" }]
    });
    serde_json::from_value(rest).expect("a valid dynamic object")
}

/// Runs the events through a cache and returns it with what was told, as `<name> <old version>-><new version>`.
async fn play(events: Vec<watcher::Event<DynamicObject>>) -> (Cache<ConfigMap>, Vec<String>) {
    let cache = Cache::with_index(|object: &ConfigMap| object.data.clone().unwrap_or_default().into_values().collect());
    let told = RefCell::new(Vec::new());
    let version = |entry: &Option<Entry<ConfigMap>>| {
        entry.as_ref().map_or("-".into(), |entry| entry.meta().resource_version.clone().unwrap_or_default())
    };
    follow(stream::iter(events.into_iter().map(Ok)), &cache, |change| {
        told.borrow_mut().push(format!("{} {}->{}", change.key.name, version(&change.old), version(&change.new)));
    })
    .await;
    (cache, told.into_inner())
}

use watcher::Event::{Apply, Delete, Init, InitApply, InitDone};

#[tokio::test]
async fn changes_are_told_with_both_sides() {
    let (cache, told) = play(vec![
        Init,
        InitApply(config_map("a", 1, "x")),
        InitDone,
        Apply(config_map("a", 2, "y")),
        Delete(config_map("a", 3, "y")),
    ])
    .await;
    assert_eq!(told, ["a -->1", "a 1->2", "a 2->-"]);
    assert!(cache.all().is_empty());
    cache.synced().await;
}

#[tokio::test]
async fn an_object_that_vanished_while_the_watch_was_down_is_told_as_deleted() {
    let (_, told) = play(vec![
        Init,
        InitApply(config_map("a", 1, "x")),
        InitApply(config_map("b", 2, "x")),
        InitDone,
        Init,
        InitApply(config_map("b", 2, "x")),
        InitDone,
    ])
    .await;
    assert_eq!(told, ["a -->1", "b -->2", "a 1->-"]);
}

#[tokio::test]
async fn an_older_state_never_replaces_a_newer_one() {
    let (cache, _) = play(vec![Init, InitApply(config_map("a", 5, "x")), InitDone]).await;
    let key = Key::new("apps", "a");
    assert!(cache.put(&key, &Entry::decode(config_map("a", 4, "old"))).is_none());
    assert!(cache.put(&key, &Entry::decode(config_map("a", 6, "new"))).is_some());
    let data = cache.get(&key).and_then(|object| object.data.clone()).unwrap_or_default();
    assert_eq!(data.get("value").map(String::as_str), Some("new"));
}

#[tokio::test]
async fn an_object_that_does_not_decode_is_kept_with_the_field_named_and_its_siblings_work() {
    let bad = object("bad", 1, json!({ "data": { "value": 7 } }));
    let (cache, told) = play(vec![Init, InitApply(bad), InitApply(config_map("good", 2, "x")), InitDone]).await;
    assert_eq!(told, ["bad -->1", "good -->2"]);
    let Some(Entry::Undecodable(bad)) = cache.entry(&Key::new("apps", "bad")) else { panic!("it must not decode") };
    assert!(bad.error.starts_with("data"), "{}", bad.error);
    assert_eq!(cache.all().len(), 1);
}

#[tokio::test]
async fn the_index_follows_the_objects() {
    let (cache, _) = play(vec![
        Init,
        InitApply(config_map("a", 1, "x")),
        InitApply(config_map("b", 2, "x")),
        InitDone,
        Apply(config_map("a", 3, "y")),
        Delete(config_map("b", 4, "x")),
    ])
    .await;
    let names = |value| cache.indexed(value).iter().map(|object| object.name_any()).collect::<Vec<_>>();
    assert_eq!(names("y"), ["a"]);
    assert!(names("x").is_empty());
}

#[test]
fn managed_fields_are_not_kept() {
    let entry = Entry::<ConfigMap>::decode(config_map("a", 1, "x"));
    assert_eq!(entry.meta().managed_fields, None);
}
