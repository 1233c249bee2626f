//! source-controller and kustomize-controller on a real API server: from a push to objects, and back to nothing.

use anyhow::Result;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use sluice_api::kustomize::Kustomization;
use sluice_e2e::{NS, PATIENCE, Stack, applied, apply, condition, config, kustomization, ready, repository};
use sluice_testkit::wait::wait_until;

fn is_applied(commit: &str) -> impl Fn(&Kustomization) -> bool {
    let revision = format!("main@sha1:{commit}");
    move |object| applied(object) == revision && ready(object).starts_with("True ReconciliationSucceeded")
}

#[tokio::test]
async fn a_push_is_applied_a_change_changes_it_a_removal_prunes_it_and_deletion_leaves_nothing() -> Result<()> {
    let stack = Stack::start().await?;
    let (one, two) = (config("one", "first"), config("two", "first"));
    let copy = stack.repository("app", &[("one.yaml", &one), ("sub/two.yaml", &two)])?;
    let first = copy.run(&["rev-parse", "HEAD"])?.trim().to_owned();
    let _source = stack.source_controller()?.start().await?;
    let _kustomize = stack.kustomize_controller()?.start().await?;
    let client = stack.client();
    let git = apply(&client, repository(&stack, "app")).await?;
    let app = apply(&client, kustomization("app", "app", &json!({}))).await?;

    let object = stack.kustomization("app", "the first revision", is_applied(&first)).await?;
    assert_eq!(ready(&object), format!("True ReconciliationSucceeded: Applied revision: main@sha1:{first}"));
    let status = object.status.unwrap_or_default();
    let entries: Vec<String> = status
        .inventory
        .unwrap_or_default()
        .entries
        .into_iter()
        .map(|entry| format!("{} {}", entry.id, entry.v))
        .collect();
    assert_eq!(entries, ["apps_one__ConfigMap v1", "apps_two__ConfigMap v1"]);
    assert_eq!(status.observed_generation, Some(1));
    assert_eq!(status.last_attempted_revision, Some(format!("main@sha1:{first}")));
    assert_eq!(status.history.len(), 1);
    let map = stack.config_value("one", "key", "first").await?;
    let labels = map.metadata.labels.unwrap_or_default();
    assert_eq!(labels.get("kustomize.toolkit.fluxcd.io/name").map(String::as_str), Some("app"));
    assert_eq!(labels.get("kustomize.toolkit.fluxcd.io/namespace").map(String::as_str), Some(NS));
    let event = stack.event("Kustomization", "app", "Progressing").await?;
    assert_eq!(event.message.as_deref(), Some("ConfigMap/apps/one created\nConfigMap/apps/two created"));

    copy.write("one.yaml", config("one", "second"))?.remove("sub/two.yaml")?;
    let second = copy.commit("Change one, remove two")?;
    copy.push()?;
    git.request("push").await?;
    stack.kustomization("app", "the second revision", is_applied(&second)).await?;
    stack.config_value("one", "key", "second").await?;
    assert!(!stack.has_config("two").await?, "what left the source is pruned before Ready");

    app.delete().await?;
    wait_until(PATIENCE, "the Kustomization to go", async || Ok(app.get().await?.is_none().then_some(()))).await?;
    assert!(!stack.has_config("one").await?, "its objects went before its finalizer");
    Ok(())
}

#[tokio::test]
async fn drift_is_corrected_at_the_next_interval_and_not_while_suspended() -> Result<()> {
    let stack = Stack::start().await?;
    let one = config("one", "right");
    let copy = stack.repository("app", &[("one.yaml", &one)])?;
    let head = copy.run(&["rev-parse", "HEAD"])?.trim().to_owned();
    let _source = stack.source_controller()?.start().await?;
    let _kustomize = stack.kustomize_controller()?.start().await?;
    let client = stack.client();
    apply(&client, repository(&stack, "app")).await?;
    let app = apply(&client, kustomization("app", "app", &json!({ "interval": "2s" }))).await?;
    stack.kustomization("app", "the revision", is_applied(&head)).await?;

    let maps: Api<k8s_openapi::api::core::v1::ConfigMap> = Api::namespaced(client.clone(), NS);
    let drift = json!({ "data": { "key": "wrong", "extra": "field" } });
    let as_kubectl = PatchParams { field_manager: Some("kubectl-edit".into()), ..PatchParams::default() };
    maps.patch("one", &as_kubectl, &Patch::Merge(&drift)).await?;
    let map = stack.config_value("one", "key", "right").await?;
    assert_eq!(map.data.unwrap_or_default().len(), 1, "the field that kubectl added is gone");

    app.patch(json!({ "spec": { "suspend": true } })).await?;
    app.request("while suspended").await?;
    let acknowledged = |object: &Kustomization| {
        object.status.clone().unwrap_or_default().last_handled_reconcile_at.as_deref() == Some("while suspended")
    };
    stack.kustomization("app", "the request to be acknowledged", acknowledged).await?;
    maps.patch("one", &as_kubectl, &Patch::Merge(&drift)).await?;
    app.request("still suspended").await?;
    let again = |object: &Kustomization| {
        object.status.clone().unwrap_or_default().last_handled_reconcile_at.as_deref() == Some("still suspended")
    };
    stack.kustomization("app", "the second request to be acknowledged", again).await?;
    stack.config_value("one", "key", "wrong").await?;

    app.patch(json!({ "spec": { "suspend": false } })).await?;
    stack.config_value("one", "key", "right").await?;
    Ok(())
}

#[tokio::test]
async fn bad_input_is_named_on_its_object_and_others_go_on() -> Result<()> {
    let stack = Stack::start().await?;
    let good = config("good", "x");
    let broken = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: broken\n data: [\n";
    let staged =
        [config("in-stage", "x"), "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: Not_A_Name\n".to_owned()]
            .join("---\n");
    let nested = "resources:\n- sub\n";
    let misspelt = "namePrefix: x-\nresorces:\n- a.yaml\n";
    let files = [
        ("nested/kustomization.yaml", nested),
        ("nested/sub/kustomization.yaml", misspelt),
        ("good/a.yaml", good.as_str()),
        ("broken/bad.yaml", broken),
        ("refused/all.yaml", &staged),
    ];
    let copy = stack.repository("app", &files)?;
    let head = copy.run(&["rev-parse", "HEAD"])?.trim().to_owned();
    let _source = stack.source_controller()?.start().await?;
    let _kustomize = stack.kustomize_controller()?.start().await?;
    let client = stack.client();
    apply(&client, repository(&stack, "app")).await?;
    apply(&client, kustomization("broken", "app", &json!({ "path": "./broken" }))).await?;
    apply(&client, kustomization("refused", "app", &json!({ "path": "./refused" }))).await?;
    apply(&client, kustomization("nested", "app", &json!({ "path": "./nested" }))).await?;
    apply(&client, kustomization("no-path", "app", &json!({ "path": "./absent" }))).await?;
    let gated = json!({ "path": "./good", "decryption": { "provider": "sops", "serviceAccountName": "x" } });
    apply(&client, kustomization("gated", "app", &gated)).await?;
    apply(&client, kustomization("no-source", "absent", &json!({}))).await?;
    apply(&client, kustomization("good", "app", &json!({ "path": "./good" }))).await?;

    stack.kustomization("good", "the good one to be applied", is_applied(&head)).await?;
    let cases = [
        ("broken", "BuildFailed", vec!["broken/bad.yaml", "line 4: did not find expected key"]),
        ("refused", "ReconciliationFailed", vec!["ConfigMap/apps/Not_A_Name dry-run failed (Invalid)"]),
        ("nested", "BuildFailed", vec!["resorces", "(in nested/sub/kustomization.yaml, line 2)"]),
        ("no-path", "ArtifactFailed", vec!["kustomization path not found: stat", "absent"]),
        ("gated", "FeatureGateDisabled", vec!["please enable the ObjectLevelWorkloadIdentity feature gate"]),
    ];
    for (name, reason, texts) in cases {
        let failed = |object: &Kustomization| ready(object).starts_with(&format!("False {reason}: "));
        let object = stack.kustomization(name, "Ready=False", failed).await?;
        for text in texts {
            assert!(ready(&object).contains(text), "{name}: {}", ready(&object));
        }
        let event = stack.event("Kustomization", name, reason).await?;
        assert_eq!(event.type_.as_deref(), Some("Warning"), "{name}");
    }
    let missing = |object: &Kustomization| ready(object).starts_with("False ArtifactFailed: ");
    let object = stack.kustomization("no-source", "the missing source", missing).await?;
    assert!(
        ready(&object).contains("gitrepositories.source.toolkit.fluxcd.io \"absent\" not found"),
        "{}",
        ready(&object)
    );
    assert!(!stack.has_config("in-stage").await?, "nothing of the refused stage was applied");
    Ok(())
}

#[tokio::test]
async fn an_artifact_that_is_not_what_its_digest_says_is_refused_and_a_corrected_one_heals() -> Result<()> {
    let stack = Stack::start().await?;
    let one = config("one", "x");
    let copy = stack.repository("app", &[("one.yaml", &one)])?;
    let head = copy.run(&["rev-parse", "HEAD"])?.trim().to_owned();
    let _source = stack.source_controller()?.start().await?;
    let client = stack.client();
    apply(&client, repository(&stack, "app")).await?;
    let published = |object: &sluice_api::source::GitRepository| sluice_e2e::published(object).ends_with(&head);
    let source = stack.git_repository("app", "the artifact", published).await?;
    let artifact = source.status.unwrap_or_default().artifact.expect("published");
    let file = stack.data.path().join("storage").join(&artifact.path);
    let original = std::fs::read(&file)?;
    let mut tampered = original.clone();
    tampered.extend_from_slice(b"tampered");
    std::fs::write(&file, &tampered)?;

    let _kustomize = stack.kustomize_controller()?.start().await?;
    apply(&client, kustomization("app", "app", &json!({}))).await?;
    let failed = |object: &Kustomization| ready(object).starts_with("False ArtifactFailed: ");
    let object = stack.kustomization("app", "the refusal", failed).await?;
    let expected = format!("failed to verify archive: computed digest doesn't match provided '{}'", artifact.digest);
    assert!(ready(&object).contains(&expected), "{}", ready(&object));
    assert!(!stack.has_config("one").await?);

    std::fs::write(&file, &original)?;
    stack.kustomization("app", "the corrected artifact to be applied", is_applied(&head)).await?;
    Ok(())
}

#[tokio::test]
async fn a_kustomization_that_does_not_decode_says_so_and_its_siblings_go_on() -> Result<()> {
    let stack = Stack::start().await?;
    let one = config("one", "x");
    let copy = stack.repository("app", &[("one.yaml", &one)])?;
    let head = copy.run(&["rev-parse", "HEAD"])?.trim().to_owned();
    let client = stack.client();
    // A value that an older schema let through: the interval is no duration. The schema is loosened, as it once was, to store it.
    let crds: Api<k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition> =
        Api::all(client.clone());
    let loosened = json!([{
        "op": "remove", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/interval/pattern"
    }]);
    let patch: Patch<()> = Patch::Json(serde_json::from_value(loosened)?);
    crds.patch("kustomizations.kustomize.toolkit.fluxcd.io", &PatchParams::default(), &patch).await?;
    let bad = wait_until(PATIENCE, "the loosened schema to be served", async || {
        apply(&client, kustomization("bad", "app", &json!({ "interval": "soon" }))).await.map(Some)
    })
    .await?;

    let _source = stack.source_controller()?.start().await?;
    let kustomize = stack.kustomize_controller()?.start().await?;
    apply(&client, repository(&stack, "app")).await?;
    apply(&client, kustomization("good", "app", &json!({}))).await?;
    stack.kustomization("good", "the good one to be applied", is_applied(&head)).await?;

    let shown = wait_until(PATIENCE, "the reason on the bad one", async || {
        let object = bad.get().await?.expect("it is there");
        let conditions = object.data.pointer("/status/conditions").cloned().unwrap_or_default();
        let conditions: Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition> =
            serde_json::from_value(conditions).unwrap_or_default();
        Ok(Some(condition(&conditions, "Ready")).filter(|ready| !ready.is_empty()))
    })
    .await?;
    assert!(
        shown.starts_with("False InvalidObject: the stored Kustomization does not decode: spec.interval"),
        "{shown}"
    );
    stack.event("Kustomization", "bad", "InvalidObject").await?;
    assert_eq!(kustomize.exit_code(), None);
    bad.patch(json!({ "spec": { "interval": "1h" } })).await?;
    stack.kustomization("bad", "the corrected one to be applied", is_applied(&head)).await?;
    Ok(())
}

#[tokio::test]
async fn a_dependency_holds_back_and_its_success_wakes_the_dependant() -> Result<()> {
    let stack = Stack::start().await?;
    let one = config("one", "x");
    let copy = stack.repository("app", &[("base/one.yaml", &one), ("top/two.yaml", &config("two", "x"))])?;
    let head = copy.run(&["rev-parse", "HEAD"])?.trim().to_owned();
    let _source = stack.source_controller()?.start().await?;
    // Far longer than the test may take: only being woken can make it pass.
    let _kustomize = stack.kustomize_controller()?.arg("--requeue-dependency=1h").start().await?;
    let client = stack.client();
    let top = json!({ "path": "./top", "dependsOn": [{ "name": "base" }] });
    apply(&client, kustomization("top", "app", &top)).await?;
    apply(&client, repository(&stack, "app")).await?;
    let waiting = |object: &Kustomization| {
        ready(object).starts_with("False DependencyNotReady: dependency 'apps/base' not found")
    };
    stack.kustomization("top", "the wait for its dependency", waiting).await?;
    apply(&client, kustomization("base", "app", &json!({ "path": "./base" }))).await?;
    stack.kustomization("top", "being woken", is_applied(&head)).await?;
    Ok(())
}

#[tokio::test]
async fn what_a_broken_off_apply_created_is_pruned_when_the_next_revision_no_longer_has_it() -> Result<()> {
    let stack = Stack::start().await?;
    let role = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata:\n  name: early\nrules: []\n";
    let bad = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: Not_A_Name\n";
    let copy = stack.repository("app", &[("role.yaml", role), ("map.yaml", bad)])?;
    let _source = stack.source_controller()?.start().await?;
    let _kustomize = stack.kustomize_controller()?.start().await?;
    let client = stack.client();
    let git = apply(&client, repository(&stack, "app")).await?;
    apply(&client, kustomization("app", "app", &json!({}))).await?;
    let failed = |object: &Kustomization| ready(object).starts_with("False ReconciliationFailed: ");
    stack.kustomization("app", "the refusal of the second stage", failed).await?;
    let roles: Api<k8s_openapi::api::rbac::v1::ClusterRole> = Api::all(client.clone());
    assert!(roles.get_opt("early").await?.is_some(), "the first stage was applied");

    copy.remove("role.yaml")?.write("map.yaml", config("good", "x"))?;
    let head = copy.commit("Neither the role nor the bad name")?;
    copy.push()?;
    git.request("push").await?;
    stack.kustomization("app", "the good revision", is_applied(&head)).await?;
    assert!(roles.get_opt("early").await?.is_none(), "the role of the broken-off apply is pruned");
    Ok(())
}
