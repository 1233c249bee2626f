//! Ignored drift, and the migration of API versions, against a real API server.

#[expect(unreachable_pub, dead_code, reason = "shared by several test programs, none of which uses all")]
mod common;

use std::sync::Arc;

use serde_json::{Value, json};
use sluice_ssa::{ApplyOptions, IgnoreRule, IgnoreRules, IgnoreTarget, VersionMigration};

use common::{Cluster, config_map};

fn ignoring(paths: &[&str]) -> ApplyOptions {
    let target = Some(IgnoreTarget { kind: "ConfigMap".into(), ..IgnoreTarget::default() });
    let rule = IgnoreRule { paths: paths.iter().map(ToString::to_string).collect(), target };
    ApplyOptions { ignore: Arc::new(IgnoreRules::compile(&[rule]).expect("a good rule")), ..ApplyOptions::default() }
}

fn two(key: &str, other: &str) -> Value {
    let mut document = config_map("a", key);
    document["data"]["other"] = json!(other);
    document
}

async fn applied(cluster: &Cluster, document: Value, options: &ApplyOptions) -> anyhow::Result<String> {
    let changes = cluster.apply_with(&[document], options).await;
    Ok(changes.map_err(|failure| anyhow::anyhow!(failure.text()))?.full_log())
}

async fn force_apply(cluster: &Cluster, data: Value, manager: &str) -> anyhow::Result<()> {
    let mut document = config_map("a", "");
    document["data"] = data;
    let params = kube::api::PatchParams::apply(manager).force();
    cluster.api("v1", "ConfigMap", "default").patch("a", &params, &kube::api::Patch::Apply(document)).await?;
    Ok(())
}

/// The fields of `data` that our own entry has.
fn owned(live: &Value) -> Vec<String> {
    let entries = live["metadata"]["managedFields"].as_array().expect("managed fields");
    let own = entries.iter().find(|entry| entry["manager"] == "kustomize-controller" && entry["operation"] == "Apply");
    let fields = own.and_then(|own| own["fieldsV1"]["f:data"].as_object()).expect("our own entry");
    fields.keys().filter(|key| *key != ".").cloned().collect()
}

#[tokio::test]
async fn an_ignored_field_that_nobody_else_applies_keeps_its_live_value() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let options = ignoring(&["/data/other"]);
    // Creation sends everything.
    assert_eq!(applied(&cluster, two("1", "ours"), &options).await?, "ConfigMap/default/a created");
    assert_eq!(cluster.config_map("a").await?["data"], json!({"key": "1", "other": "ours"}));
    cluster.edit("a", &json!({"data": {"other": "edited"}}), "somebody").await?;
    assert_eq!(applied(&cluster, two("1", "ours"), &options).await?, "ConfigMap/default/a unchanged");

    assert_eq!(applied(&cluster, two("2", "ours"), &options).await?, "ConfigMap/default/a configured");
    let live = cluster.config_map("a").await?;
    assert_eq!(live["data"], json!({"key": "2", "other": "edited"}));
    assert_eq!(owned(&live), ["f:key", "f:other"]);

    // Without the rule it is drift as any other.
    assert_eq!(applied(&cluster, two("2", "ours"), &ApplyOptions::default()).await?, "ConfigMap/default/a configured");
    assert_eq!(cluster.config_map("a").await?["data"], json!({"key": "2", "other": "ours"}));
    Ok(())
}

#[tokio::test]
async fn an_ignored_field_that_another_manager_applies_is_left_to_it() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let options = ignoring(&["/data/other", "not a pointer", "/data/absent/x"]);
    applied(&cluster, two("1", "ours"), &options).await?;
    force_apply(&cluster, json!({"other": "theirs"}), "scaler").await?;
    assert_eq!(applied(&cluster, two("1", "ours"), &options).await?, "ConfigMap/default/a unchanged");
    assert_eq!(applied(&cluster, two("2", "ours"), &options).await?, "ConfigMap/default/a configured");
    let live = cluster.config_map("a").await?;
    assert_eq!(live["data"], json!({"key": "2", "other": "theirs"}));
    assert_eq!(owned(&live), ["f:key"]);

    // What kubectl applied is taken over, so it is nobody else's.
    force_apply(&cluster, json!({"other": "manual"}), "kubectl").await?;
    force_apply(&cluster, json!({}), "scaler").await?;
    assert_eq!(applied(&cluster, two("2", "ours"), &options).await?, "ConfigMap/default/a configured");
    let live = cluster.config_map("a").await?;
    assert_eq!(
        (&live["data"]["other"], owned(&live)),
        (&json!("manual"), vec!["f:key".to_owned(), "f:other".to_owned()])
    );
    Ok(())
}

#[tokio::test]
async fn entries_of_other_api_versions_are_migrated_when_that_is_asked_for() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let scaler = json!({"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "a", "namespace": "default"},
        "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}}});
    applied(&cluster, scaler.clone(), &ApplyOptions::default()).await?;
    // Another version of the same object, written by somebody else.
    let api = cluster.api("autoscaling/v2beta2", "HorizontalPodAutoscaler", "default");
    let params = kube::api::PatchParams { field_manager: Some("somebody".into()), ..kube::api::PatchParams::default() };
    api.patch("a", &params, &kube::api::Patch::Merge(json!({"spec": {"minReplicas": 2}}))).await?;

    assert!(versions(&cluster).await?.contains(&json!("autoscaling/v2beta2")));
    assert!(applied(&cluster, scaler.clone(), &ApplyOptions::default()).await?.ends_with("unchanged"));
    let rewriting = ApplyOptions { version_migration: VersionMigration::Rewrite, ..ApplyOptions::default() };
    assert!(applied(&cluster, scaler.clone(), &rewriting).await?.ends_with("configured"));
    let migrated = versions(&cluster).await?;
    assert!(migrated.len() > 1 && migrated.iter().all(|version| version == "autoscaling/v1"), "{migrated:?}");
    assert!(applied(&cluster, scaler, &rewriting).await?.ends_with("unchanged"));
    Ok(())
}

async fn versions(cluster: &Cluster) -> anyhow::Result<Vec<Value>> {
    let live = cluster.api("autoscaling/v1", "HorizontalPodAutoscaler", "default").get("a").await?;
    let live = serde_json::to_value(live)?;
    let entries = live["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    Ok(entries.iter().map(|entry| entry["apiVersion"].clone()).collect())
}
