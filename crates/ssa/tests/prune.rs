//! Prune against a real API server.

#[expect(unreachable_pub, dead_code, reason = "shared by several test programs, none of which uses all")]
mod common;

use serde_json::{Value, json};
use sluice_manifest::{Entry, Inventory, NAME_LABEL, NAMESPACE_LABEL, Owner};
use sluice_ssa::prune;

use common::{Cluster, annotated, config_map};

fn owner() -> Owner {
    Owner { name: "apps".into(), namespace: "flux-system".into() }
}

fn owned(mut document: Value) -> Value {
    document["metadata"]["labels"] = json!({NAME_LABEL: "apps", NAMESPACE_LABEL: "flux-system"});
    document
}

#[tokio::test]
async fn only_owned_objects_without_an_opt_out_are_deleted() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let mut foreign = owned(config_map("foreign", "1"));
    foreign["metadata"]["labels"][NAME_LABEL] = json!("other");
    let secret = owned(json!({"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "s", "namespace": "default"}}));
    cluster
        .log(&[
            owned(config_map("plain", "1")),
            owned(config_map("live-disabled", "1")),
            annotated(owned(config_map("disabled", "1")), "prune", "Disabled"),
            annotated(owned(config_map("once", "1")), "ssa", "IfNotPresent"),
            foreign,
            config_map("unlabelled", "1"),
            secret,
        ])
        .await?;
    let opt_out = json!({"metadata": {"annotations": {"kustomize.toolkit.fluxcd.io/ssa": "Ignore"}}});
    cluster.edit("live-disabled", &opt_out, "somebody").await?;

    let old = Inventory::parse([
        ("default_disabled__ConfigMap", "v1"),
        ("default_foreign__ConfigMap", "v1"),
        ("default_gone__ConfigMap", "v1"),
        ("default_kept__ConfigMap", "v1"),
        ("default_live-disabled__ConfigMap", "v1"),
        ("default_once__ConfigMap", "v1"),
        ("default_plain__ConfigMap", "v1"),
        ("default_unlabelled__ConfigMap", "v1"),
        ("default_s__Secret", "v1"),
        ("_ghost_nowhere.io_Ghost", "v1"),
    ])?;
    let new = Inventory::parse([("default_kept__ConfigMap", "v1")])?;
    let outcome = prune(cluster.client(), &cluster.discovery, &old.stale(&new), &owner()).await;
    assert_eq!(
        outcome.changes.full_log(),
        "Ghost/ghost deleted\n\
         Secret/default/s deleted\n\
         ConfigMap/default/unlabelled skipped\n\
         ConfigMap/default/plain deleted\n\
         ConfigMap/default/once deleted\n\
         ConfigMap/default/live-disabled skipped\n\
         ConfigMap/default/gone deleted\n\
         ConfigMap/default/foreign skipped\n\
         ConfigMap/default/disabled skipped"
    );
    assert_eq!((outcome.error_text(), outcome.keep), (None, vec![]));
    for (name, expected) in [
        ("plain", false),
        ("once", false),
        ("live-disabled", true),
        ("disabled", true),
        ("foreign", true),
        ("unlabelled", true),
    ] {
        assert_eq!(cluster.exists("ConfigMap", name).await?, expected, "{name}");
    }
    assert!(!cluster.exists("Secret", "s").await?);
    Ok(())
}

#[tokio::test]
async fn an_accepted_deletion_that_a_finalizer_holds_up_counts_as_deleted() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    cluster.log(&[owned(config_map("held", "1"))]).await?;
    cluster.edit("held", &json!({"metadata": {"finalizers": ["example.com/hold"]}}), "somebody").await?;
    let stale = [Entry::parse("default_held__ConfigMap", "v1")?];
    let outcome = prune(cluster.client(), &cluster.discovery, &stale, &owner()).await;
    assert_eq!(outcome.changes.full_log(), "ConfigMap/default/held deleted");
    assert!(cluster.config_map("held").await?["metadata"]["deletionTimestamp"].is_string());
    Ok(())
}

#[tokio::test]
async fn an_object_is_found_although_its_version_is_no_longer_served() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    cluster
        .log(&[owned(json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
                "spec": {"containers": [{"name": "c", "image": "x", "ports": [{"containerPort": 80}]}]}}}}))])
        .await?;
    let stale = [Entry::parse("default_web_apps_Deployment", "v1beta1")?];
    let outcome = prune(cluster.client(), &cluster.discovery, &stale, &owner()).await;
    assert_eq!(outcome.changes.full_log(), "Deployment/default/web deleted");
    assert!(cluster.api("apps/v1", "Deployment", "default").get_opt("web").await?.is_none());
    Ok(())
}

#[tokio::test]
async fn an_error_keeps_its_object_and_does_not_stop_the_others() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    cluster.log(&[owned(config_map("a", "1")), owned(config_map("z", "1"))]).await?;
    let stale = [
        Entry::parse("default_a__ConfigMap", "v1")?,
        Entry::parse("default_b/c__ConfigMap", "v1")?,
        Entry::parse("default_z__ConfigMap", "v1")?,
    ];
    let outcome = prune(cluster.client(), &cluster.discovery, &stale, &owner()).await;
    assert_eq!(outcome.changes.full_log(), "ConfigMap/default/z deleted\nConfigMap/default/a deleted");
    assert_eq!(outcome.keep, stale[1..2]);
    assert_eq!(
        outcome.error_text().as_deref(),
        Some(r#"delete failed, errors: ConfigMap/default/b/c query failed: "b/c" cannot be part of a request path;"#)
    );
    Ok(())
}
