//! Server-side apply against a real API server.

#[expect(unreachable_pub, reason = "shared by several test programs")]
mod common;

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_manifest::Object;
use sluice_ssa::{ApplyOptions, Force};

use common::{Cluster, annotated, config_map};

fn crd(plural: &str, kind: &str) -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.example.com")},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"kind": kind, "plural": plural},
            "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}}]}})
}

#[tokio::test]
async fn an_object_is_created_then_left_alone_then_configured() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    assert_eq!(cluster.log(&[config_map("a", "1")]).await?, "ConfigMap/default/a created");
    let created = cluster.config_map("a").await?;

    assert_eq!(cluster.log(&[config_map("a", "1")]).await?, "ConfigMap/default/a unchanged");
    assert_eq!(cluster.config_map("a").await?["metadata"], created["metadata"], "nothing was written");

    assert_eq!(cluster.log(&[config_map("a", "2")]).await?, "ConfigMap/default/a configured");
    let configured = cluster.config_map("a").await?;
    assert_eq!(configured["data"], json!({"key": "2"}));
    assert_eq!(configured["metadata"]["managedFields"][0]["manager"], "kustomize-controller");
    assert_eq!(configured["metadata"]["managedFields"][0]["operation"], "Apply");
    Ok(())
}

#[tokio::test]
async fn a_stage_with_one_invalid_object_is_not_applied_at_all() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "early"}});
    let mut invalid = config_map("b", "1");
    invalid["data"] = json!({"not a key!": "1"});
    let failure = cluster.apply(&[config_map("a", "1"), invalid, config_map("c", "1"), namespace]).await.unwrap_err();
    let text = failure.text();
    assert!(text.starts_with("ConfigMap/default/b dry-run failed (Invalid): "), "{text}");
    assert!(text.ends_with("\nNamespace/early created"), "{text}");
    assert!(!cluster.exists("ConfigMap", "a").await? && !cluster.exists("ConfigMap", "c").await?);
    Ok(())
}

#[tokio::test]
async fn a_namespace_and_its_content_go_in_one_set() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let mut content = config_map("a", "1");
    content["metadata"]["namespace"] = json!("shop");
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}});
    assert_eq!(cluster.log(&[content, namespace]).await?, "Namespace/shop created\nConfigMap/shop/a created");
    Ok(())
}

#[tokio::test]
async fn a_definition_and_its_objects_go_in_one_set() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let thing = |name: &str| {
        json!({"apiVersion": "example.com/v1", "kind": "Thing", "metadata": {"name": name, "namespace": "default"},
            "spec": {"size": 3}})
    };
    // The group is known without the kind first, so that a remembered miss would show.
    let failure = cluster.apply(&[thing("a")]).await.unwrap_err();
    assert_eq!(
        failure.text(),
        r#"Thing/default/a dry-run failed: no matches for kind "Thing" in version "example.com/v1""#
    );
    let set = [thing("b"), crd("things", "Thing"), thing("a")];
    assert_eq!(
        cluster.log(&set).await?,
        "CustomResourceDefinition/things.example.com created\nThing/default/a created\nThing/default/b created"
    );
    assert_eq!(
        cluster.log(&set).await?,
        "CustomResourceDefinition/things.example.com unchanged\nThing/default/a unchanged\nThing/default/b unchanged"
    );
    // A second kind of a group that is remembered already.
    let other =
        json!({"apiVersion": "example.com/v1", "kind": "Other", "metadata": {"name": "o", "namespace": "default"}});
    assert_eq!(
        cluster.log(&[other, crd("others", "Other")]).await?,
        "CustomResourceDefinition/others.example.com created\nOther/default/o created"
    );
    Ok(())
}

#[tokio::test]
async fn a_definition_whose_names_are_taken_stops_the_apply_after_its_stage() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    cluster.log(&[crd("things", "Thing")]).await?;
    // It may recover, so the whole time is given.
    let options = ApplyOptions { stage_timeout: Duration::from_secs(2), ..ApplyOptions::default() };
    let set = [crd("things2", "Thing"), config_map("a", "1")];
    let failure = cluster.apply_with(&set, &options).await.unwrap_err();
    assert_eq!(
        failure.text(),
        "timeout waiting for: [CustomResourceDefinition/things2.example.com status: 'Failed']\n\
         CustomResourceDefinition/things2.example.com created"
    );
    assert!(!cluster.exists("ConfigMap", "a").await?);
    Ok(())
}

#[tokio::test]
async fn what_is_not_ready_in_time_is_named() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let mut class = crd("queueclasses", "QueueClass");
    class["spec"]["versions"][0]["schema"] = json!({"openAPIV3Schema": {
        "type": "object", "x-kubernetes-preserve-unknown-fields": true}});
    cluster.log(&[class]).await?;
    let unready = json!({"apiVersion": "example.com/v1", "kind": "QueueClass",
        "metadata": {"name": "q", "namespace": "default"}});
    cluster.log(std::slice::from_ref(&unready)).await?;
    let api = cluster.api("example.com/v1", "QueueClass", "default");
    let status = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    api.patch("q", &kube::api::PatchParams::default(), &kube::api::Patch::Merge(&status)).await?;

    let options = ApplyOptions { stage_timeout: Duration::from_millis(300), ..ApplyOptions::default() };
    let failure = cluster.apply_with(std::slice::from_ref(&unready), &options).await.unwrap_err();
    assert_eq!(failure.text(), "timeout waiting for: [QueueClass/default/q status: 'InProgress']");

    // The watch sees it getting ready.
    let applying = cluster.apply(std::slice::from_ref(&unready));
    let ready = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    let merge = kube::api::Patch::Merge(&ready);
    let params = kube::api::PatchParams::default();
    let (applied, patched) = tokio::join!(applying, api.patch("q", &params, &merge));
    patched?;
    assert_eq!(
        applied.map_err(|failure| anyhow::anyhow!(failure.text()))?.full_log(),
        "QueueClass/default/q unchanged"
    );
    Ok(())
}

#[tokio::test]
async fn drift_is_corrected_and_other_managers_fields_stay() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    cluster.log(&[config_map("a", "1")]).await?;
    cluster.edit("a", &json!({"data": {"key": "edited", "theirs": "x"}}), "somebody").await?;
    assert_eq!(cluster.log(&[config_map("a", "1")]).await?, "ConfigMap/default/a configured");
    assert_eq!(cluster.config_map("a").await?["data"], json!({"key": "1", "theirs": "x"}));
    Ok(())
}

#[tokio::test]
async fn fields_of_kubectl_are_taken_over_unless_merge_is_asked_for() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let mut manual = config_map("a", "1");
    manual["data"]["manual"] = json!("x");
    manual["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": "{}"});
    cluster.create(manual, "kubectl-client-side-apply").await?;

    let merging = annotated(config_map("a", "1"), "ssa", "Merge");
    cluster.log(&[merging]).await?;
    assert_eq!(cluster.config_map("a").await?["data"], json!({"key": "1", "manual": "x"}));

    // The annotation goes with the manifest that had it, but only with the apply after the one that still sees it live.
    assert_eq!(cluster.log(&[config_map("a", "1")]).await?, "ConfigMap/default/a configured");
    assert_eq!(cluster.log(&[config_map("a", "1")]).await?, "ConfigMap/default/a configured");
    let live = cluster.config_map("a").await?;
    assert_eq!(live["data"], json!({"key": "1"}));
    assert_eq!(live["metadata"]["annotations"], Value::Null);
    let managers: Vec<&Value> =
        live["metadata"]["managedFields"].as_array().unwrap().iter().map(|entry| &entry["manager"]).collect();
    assert_eq!(managers, ["kustomize-controller"]);
    assert_eq!(cluster.log(&[config_map("a", "1")]).await?, "ConfigMap/default/a unchanged");
    Ok(())
}

#[tokio::test]
async fn objects_that_opt_out_are_skipped_and_stay_in_the_inventory() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let present = annotated(config_map("present", "1"), "ssa", "IfNotPresent");
    let unknown = annotated(
        json!({"apiVersion": "nowhere.io/v1", "kind": "Ghost", "metadata": {"name": "g"}}),
        "reconcile",
        "disabled",
    );
    assert_eq!(cluster.log(std::slice::from_ref(&present)).await?, "ConfigMap/default/present created");
    cluster.log(&[config_map("live", "1")]).await?;
    let opted_out = json!({"metadata": {"annotations": {"kustomize.toolkit.fluxcd.io/reconcile": "disabled"}}});
    cluster.edit("live", &opted_out, "somebody").await?;
    let set = [present, config_map("live", "2"), annotated(config_map("ignored", "1"), "ssa", "ignore"), unknown];
    let changes = cluster.apply(&set).await.map_err(|failure| anyhow::anyhow!(failure.text()))?;
    assert_eq!(
        changes.full_log(),
        "ConfigMap/default/ignored skipped\nConfigMap/default/live skipped\nConfigMap/default/present skipped\nGhost/g skipped"
    );
    assert_eq!(changes.inventory().len(), 4);
    assert!(!cluster.exists("ConfigMap", "ignored").await?);
    assert_eq!(cluster.config_map("live").await?["data"], json!({"key": "1"}));
    Ok(())
}

#[tokio::test]
async fn identities_come_from_the_server() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let class = json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": "fast", "namespace": "default"}, "provisioner": "example.com/none"});
    let changes = cluster.apply(&[class]).await.map_err(|failure| anyhow::anyhow!(failure.text()))?;
    assert_eq!(changes.full_log(), "StorageClass/fast created");
    assert_eq!(changes.changes()[0].entry.id.to_inventory(), "_fast_storage.k8s.io_StorageClass");
    assert_eq!(changes.changes()[0].entry.version, "v1");
    Ok(())
}

#[tokio::test]
async fn a_missing_namespace_is_told_from_an_unspecified_one() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let mut object = config_map("a", "1");
    object["metadata"]["namespace"] = json!("nowhere");
    let failure = cluster.apply(std::slice::from_ref(&object)).await.unwrap_err();
    assert_eq!(failure.text(), r#"ConfigMap/nowhere/a not found: namespaces "nowhere" not found"#);
    object["metadata"]["namespace"] = Value::Null;
    let failure = cluster.apply(std::slice::from_ref(&object)).await.unwrap_err();
    assert_eq!(failure.text(), "ConfigMap/a namespace not specified: the server could not find the requested resource");
    Ok(())
}

#[tokio::test]
async fn a_name_cannot_reach_another_path() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    for name in ["../secrets/x", "..", "a?dryRun=All", "a/status", "a%2Fb"] {
        let failure = cluster.apply(&[config_map(name, "1")]).await.unwrap_err();
        assert!(failure.changes.changes().is_empty(), "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn errors_about_secrets_do_not_quote_them() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let secret = |fields: Value| {
        let mut document = json!({"apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "s", "namespace": "default"}});
        document.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        document
    };
    let mut refused = 0;
    for fields in [
        json!({"data": {"k": "hunter2 is not base64"}}),
        json!({"data": {"k": {"hunter2": true}}}),
        json!({"stringData": {"k": ["hunter2"]}}),
        json!({"data": {"hunter2!": "aHVudGVyMg=="}, "type": "hunter2"}),
        json!({"hunter2": "hunter2"}),
        json!({"type": "kubernetes.io/tls", "stringData": {"tls.crt": "hunter2"}}),
    ] {
        // A server may drop a field that it does not know instead of refusing it.
        let Err(failure) = cluster.apply(&[secret(fields.clone())]).await else { continue };
        refused += 1;
        let text = failure.text();
        assert!(text.starts_with("Secret/default/s dry-run failed"), "{text}");
        assert!(text.contains("withheld"), "{text}");
        let quoted = text.replace("data[hunter2!]", "");
        assert!(!quoted.contains("hunter2") && !quoted.contains("aHVudGVyMg"), "{fields}: {text}");
        assert!(!format!("{failure:?}").replace("data[hunter2!]", "").contains("hunter2"), "{failure:?}");
    }
    assert!(refused >= 4, "{refused}");
    Ok(())
}

#[tokio::test]
async fn an_impossible_change_fails_or_recreates_as_asked() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let immutable = |value: &str| {
        let mut document = config_map("a", value);
        document["immutable"] = json!(true);
        document
    };
    cluster.log(&[immutable("1")]).await?;
    let failure = cluster.apply(&[immutable("2")]).await.unwrap_err();
    assert!(failure.text().starts_with("ConfigMap/default/a dry-run failed (Invalid): "), "{}", failure.text());

    let before = cluster.config_map("a").await?["metadata"]["uid"].clone();
    let force = ApplyOptions { force: Force::Recreate, ..ApplyOptions::default() };
    let changes = cluster.apply_with(&[immutable("2")], &force).await.map_err(|f| anyhow::anyhow!(f.text()))?;
    assert_eq!(changes.full_log(), "ConfigMap/default/a created");
    let live = cluster.config_map("a").await?;
    assert_ne!(live["metadata"]["uid"], before);
    assert_eq!(live["data"], json!({"key": "2"}));

    // By the object's own annotation.
    let own = annotated(immutable("3"), "force", "Enabled");
    assert_eq!(cluster.log(&[own]).await?, "ConfigMap/default/a created");

    // A manifest that is wrong in itself does not cost the live object.
    let mut wrong = immutable("4");
    wrong["data"]["not a key!"] = json!("x");
    let failure = cluster.apply_with(&[wrong], &force).await.unwrap_err();
    assert!(failure.text().contains("dry-run failed (Invalid)"), "{}", failure.text());
    assert_eq!(cluster.config_map("a").await?["data"], json!({"key": "3"}));
    Ok(())
}

#[tokio::test]
async fn recreation_waits_for_finalizers_within_its_bound() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let mut first = config_map("a", "1");
    first["immutable"] = json!(true);
    let mut second = first.clone();
    second["data"]["key"] = json!("2");
    cluster.log(&[first]).await?;
    cluster.edit("a", &json!({"metadata": {"finalizers": ["example.com/hold"]}}), "somebody").await?;

    let recreate_timeout = Duration::from_millis(300);
    let force = ApplyOptions { force: Force::Recreate, recreate_timeout, ..ApplyOptions::default() };
    let failure = cluster.apply_with(std::slice::from_ref(&second), &force).await.unwrap_err();
    assert_eq!(failure.text(), "ConfigMap/default/a delete failed: still there after 0s");

    let force = ApplyOptions { force: Force::Recreate, ..ApplyOptions::default() };
    let release = json!({"metadata": {"finalizers": null}});
    let released = cluster.edit("a", &release, "somebody");
    let (applied, released) = tokio::join!(cluster.apply_with(std::slice::from_ref(&second), &force), released);
    released?;
    assert_eq!(applied.map_err(|f| anyhow::anyhow!(f.text()))?.full_log(), "ConfigMap/default/a created");
    Ok(())
}

#[tokio::test]
async fn unknown_fields_of_built_in_kinds_are_dropped() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"bogus": 1, "selector": {"matchLabels": {"a": "b"}}, "template": {"metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "x", "wrong": {"x": 1},
                "ports": [{"containerPort": 80, "odd": true}]}]}}}});
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "hunter2": "x",
        "metadata": {"name": "s", "namespace": "default"}});
    let set = [deployment, secret];
    assert_eq!(cluster.log(&set).await?, "Secret/default/s created\nDeployment/default/web created");
    assert_eq!(cluster.log(&set).await?, "Secret/default/s unchanged\nDeployment/default/web unchanged");
    Ok(())
}

#[tokio::test]
async fn whoever_may_only_patch_can_apply_and_what_is_not_allowed_is_named() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let rules = json!([{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["patch", "create"]}]);
    let applier = cluster.restricted(rules).await?;
    let options = ApplyOptions::default();
    let apply = async |document: Value| applier.apply(vec![Object::new(document).unwrap()], &options).await;
    // RBAC reaches the authorizer a moment after it is stored.
    let deadline = Instant::now() + Duration::from_secs(10);
    let created = loop {
        match apply(config_map("a", "1")).await {
            Err(failure) if failure.text().contains("Forbidden") && Instant::now() < deadline => {}
            outcome => break outcome,
        }
    };
    assert_eq!(created.map_err(|failure| anyhow::anyhow!(failure.text()))?.full_log(), "ConfigMap/default/a created");
    let again = apply(config_map("a", "2")).await.map_err(|failure| anyhow::anyhow!(failure.text()))?;
    assert_eq!(again.full_log(), "ConfigMap/default/a configured");

    let account =
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "x", "namespace": "default"}});
    let text = apply(account).await.unwrap_err().text();
    assert!(
        text.starts_with("ServiceAccount/default/x dry-run failed (Forbidden): serviceaccounts \"x\" is forbidden"),
        "{text}"
    );
    Ok(())
}

#[tokio::test]
async fn a_stage_is_waited_for_without_the_right_to_watch() -> anyhow::Result<()> {
    let cluster = Cluster::start().await?;
    let rules = json!([{"apiGroups": ["apiextensions.k8s.io"], "resources": ["customresourcedefinitions"],
        "verbs": ["get", "patch", "create"]}]);
    let applier = cluster.restricted(rules).await?;
    let deadline = Instant::now() + Duration::from_secs(10);
    let outcome = loop {
        let definition = Object::new(crd("things", "Thing"))?;
        match applier.apply(vec![definition], &ApplyOptions::default()).await {
            Err(failure) if failure.text().contains("Forbidden") && Instant::now() < deadline => {}
            ended => break ended,
        }
    };
    assert_eq!(
        outcome.map_err(|failure| anyhow::anyhow!(failure.text()))?.full_log(),
        "CustomResourceDefinition/things.example.com created"
    );
    Ok(())
}
