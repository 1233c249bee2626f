//! What goes into a pass beside the files: variables, other identities, other clusters, dependencies' expressions; and what is left out because
//! nothing of it has changed.

use anyhow::{Context as _, Result};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;
use sluice_api::kustomize::Kustomization;
use sluice_e2e::{Controller, NS, PATIENCE, Stack, applied, apply, config, kustomization, ready, repository};
use sluice_testkit::control_plane::ControlPlane;
use sluice_testkit::wait::wait_until;

fn is_ready(object: &Kustomization) -> bool {
    ready(object).starts_with("True ReconciliationSucceeded")
}

async fn counter(controller: &Controller, name: &str) -> Result<u64> {
    let metrics = controller.metrics().await?;
    let line =
        metrics.lines().find(|line| line.starts_with(&format!("{name} "))).with_context(|| format!("no {name}"))?;
    Ok(line.rsplit(' ').next().unwrap_or_default().parse()?)
}

#[tokio::test]
async fn variables_are_put_in_and_their_change_is_applied_at_once() -> Result<()> {
    let stack = Stack::start().await?;
    let template =
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: out\ndata:\n  key: ${greeting}-${name:=nobody}\n";
    stack.repository("app", &[("a.yaml", template)])?;
    let _source = stack.source_controller()?.start().await?;
    let _kustomize = stack.kustomize_controller()?.start().await?;
    let client = stack.client();
    apply(&client, repository(&stack, "app")).await?;
    let spec = json!({ "postBuild": {
        "substitute": { "greeting": "hello" },
        "substituteFrom": [
            { "kind": "ConfigMap", "name": "absent", "optional": true },
            { "kind": "ConfigMap", "name": "vars" }] } });
    apply(&client, kustomization("app", "app", &spec)).await?;
    let missing = |object: &Kustomization| {
        ready(object).starts_with("False BuildFailed: substitute from 'ConfigMap/vars' error: ")
    };
    stack.kustomization("app", "the missing variables to be named", missing).await?;

    let vars = |name: &str| {
        json!({ "apiVersion": "v1", "kind": "ConfigMap", "data": { "name": name, "greeting": "overridden" },
            "metadata": { "name": "vars", "labels": { "reconcile.fluxcd.io/watch": "Enabled" } } })
    };
    apply(&client, vars("world")).await?;
    stack.config_value("out", "key", "hello-world").await?;
    stack.kustomization("app", "ready", is_ready).await?;
    apply(&client, vars("moon")).await?;
    stack.config_value("out", "key", "hello-moon").await?;
    Ok(())
}

#[tokio::test]
async fn a_service_account_may_do_what_it_may_and_errors_name_it() -> Result<()> {
    let stack = Stack::start().await?;
    let copy = stack.repository("app", &[("a.yaml", &config("tenant", "one"))])?;
    let _source = stack.source_controller()?.start().await?;
    let _kustomize = stack.kustomize_controller()?.arg("--default-service-account=tenant").start().await?;
    let client = stack.client();
    let git = apply(&client, repository(&stack, "app")).await?;
    let app = apply(&client, kustomization("app", "app", &json!({ "wait": true }))).await?;
    let forbidden = |object: &Kustomization| {
        ready(object).starts_with("False ReconciliationFailed: ")
            && ready(object).contains("system:serviceaccount:apps:tenant")
            && ready(object).contains("Forbidden")
    };
    stack.kustomization("app", "the refusal to name the account", forbidden).await?;

    apply(&client, json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "tenant" } })).await?;
    let rights = json!([{ "apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"] }]);
    apply(&client, json!({ "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": { "name": "tenant" }, "rules": rights }))
        .await?;
    apply(
        &client,
        json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": { "name": "tenant" },
            "roleRef": { "apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "tenant" },
            "subjects": [{ "kind": "ServiceAccount", "name": "tenant", "namespace": NS }]
        }),
    )
    .await?;
    stack.kustomization("app", "the rights to be enough", is_ready).await?;
    stack.config_value("tenant", "key", "one").await?;
    copy.write("a.yaml", config("tenant", "two"))?;
    copy.commit("Two")?;
    copy.push()?;
    git.request("push").await?;
    stack.config_value("tenant", "key", "two").await?;
    app.delete().await?;
    stack.config_gone("tenant").await
}

#[tokio::test]
async fn a_kubeconfig_leads_to_another_cluster_for_apply_health_prune_and_deletion() -> Result<()> {
    let stack = Stack::start().await?;
    let other = ControlPlane::start().await?;
    other.create_namespace(NS).await?;
    let copy = stack.repository("app", &[("a.yaml", &config("far", "one")), ("b.yaml", &config("gone", "x"))])?;
    let _source = stack.source_controller()?.start().await?;
    let _kustomize = stack.kustomize_controller()?.start().await?;
    let client = stack.client();
    let git = apply(&client, repository(&stack, "app")).await?;
    let spec = json!({ "wait": true, "kubeConfig": { "secretRef": { "name": "other" } } });
    let app = apply(&client, kustomization("app", "app", &spec)).await?;
    let missing = |object: &Kustomization| {
        ready(object).starts_with("False ReconciliationFailed: ") && ready(object).contains("apps/other")
    };
    stack.kustomization("app", "the missing Secret to be named", missing).await?;
    let kubeconfig = std::fs::read_to_string(other.kubeconfig_path())?;
    apply(&client, json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "other" }, "stringData": { "value": kubeconfig } }))
        .await?;
    stack.kustomization("app", "the other cluster", is_ready).await?;
    let there: Api<ConfigMap> = Api::namespaced(other.client(), NS);
    assert!(there.get_opt("far").await?.is_some());
    assert!(!stack.has_config("far").await?, "nothing is applied here");

    copy.write("a.yaml", config("far", "two"))?.remove("b.yaml")?;
    let head = copy.commit("Two")?;
    copy.push()?;
    git.request("push").await?;
    let moved = |object: &Kustomization| applied(object) == format!("main@sha1:{head}") && is_ready(object);
    stack.kustomization("app", "the second revision", moved).await?;
    assert!(there.get_opt("gone").await?.is_none(), "what left is pruned there");
    app.delete().await?;
    wait_until(PATIENCE, "the object there to go", async || Ok(there.get_opt("far").await?.is_none().then_some(())))
        .await
}

#[tokio::test]
async fn a_revision_that_changes_nothing_of_a_path_builds_and_writes_nothing_there() -> Result<()> {
    let stack = Stack::start().await?;
    let files = [("one/a.yaml", config("one", "x")), ("two/a.yaml", config("two", "x"))];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let copy = stack.repository("app", &files)?;
    let _source = stack.source_controller()?.start().await?;
    let kustomize = stack.kustomize_controller()?.start().await?;
    let client = stack.client();
    let git = apply(&client, repository(&stack, "app")).await?;
    let mut apps = Vec::new();
    for name in ["one", "two"] {
        let spec = json!({ "path": format!("./{name}"), "wait": true });
        apps.push(apply(&client, kustomization(name, "app", &spec)).await?);
    }
    for name in ["one", "two"] {
        stack.kustomization(name, "ready", is_ready).await?;
    }
    // The watches have seen everything when a requested pass builds nothing.
    wait_until(PATIENCE, "a pass that finds everything in step", async || {
        let before = counter(&kustomize, "sluice_kustomization_builds_total").await?;
        for app in &apps {
            app.request_and_wait(&format!("settle {before} {}", jiff_now())).await?;
        }
        Ok((counter(&kustomize, "sluice_kustomization_builds_total").await? == before).then_some(()))
    })
    .await?;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NS);
    let version = maps.get("two").await?.metadata.resource_version;
    let before = counter(&kustomize, "sluice_kustomization_builds_total").await?;
    copy.write("one/a.yaml", config("one", "y"))?;
    let head = copy.commit("Change one")?;
    copy.push()?;
    git.request("push").await?;
    for name in ["one", "two"] {
        let moved = |object: &Kustomization| applied(object) == format!("main@sha1:{head}") && is_ready(object);
        stack.kustomization(name, "the new revision", moved).await?;
    }
    stack.config_value("one", "key", "y").await?;
    assert_eq!(
        counter(&kustomize, "sluice_kustomization_builds_total").await?,
        before + 1,
        "only the changed path is built"
    );
    assert_eq!(maps.get("two").await?.metadata.resource_version, version);

    // A new file in the directory is a change, although no file that was read has changed.
    copy.write("two/b.yaml", config("three", "x"))?.commit("Add a file")?;
    copy.push()?;
    git.request("push again").await?;
    stack.config_value("three", "key", "x").await?;
    Ok(())
}

/// A token that no request had before.
fn jiff_now() -> String {
    format!("{:?}", std::time::SystemTime::now())
}

#[tokio::test]
async fn drift_is_corrected_at_once_where_that_is_asked_for_and_only_told_of_where_that_is() -> Result<()> {
    let stack = Stack::start().await?;
    stack.repository("app", &[("one/a.yaml", &config("one", "right")), ("two/a.yaml", &config("two", "right"))])?;
    let _source = stack.source_controller()?.start().await?;
    let _kustomize = stack.kustomize_controller()?.arg("--drift=correct").start().await?;
    let client = stack.client();
    apply(&client, repository(&stack, "app")).await?;
    apply(&client, kustomization("one", "app", &json!({ "path": "./one" }))).await?;
    let mut two = kustomization("two", "app", &json!({ "path": "./two" }));
    two["metadata"]["annotations"] = json!({ "sluice.dev/drift": "report" });
    apply(&client, two).await?;
    for name in ["one", "two"] {
        stack.kustomization(name, "ready", is_ready).await?;
    }
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NS);
    let by = PatchParams { field_manager: Some("somebody".into()), ..PatchParams::default() };
    for name in ["two", "one"] {
        maps.patch(name, &by, &Patch::Merge(json!({ "data": { "key": "wrong" } }))).await?;
    }
    // The interval is an hour: only the watch can have told.
    stack.config_value("one", "key", "right").await?;
    let event = stack.event("Kustomization", "two", "DriftDetected").await?;
    assert_eq!(event.message.as_deref(), Some("Drift detected: ConfigMap/apps/two was changed by somebody"));
    stack.config_value("two", "key", "wrong").await?;
    maps.delete("one", &kube::api::DeleteParams::default()).await?;
    stack.config_value("one", "key", "right").await?;
    Ok(())
}

#[tokio::test]
async fn an_expression_over_a_dependency_decides_and_a_bad_one_is_refused_for_good() -> Result<()> {
    let stack = Stack::start().await?;
    stack.repository("app", &[("base/a.yaml", &config("base", "x")), ("top/a.yaml", &config("top", "x"))])?;
    let _source = stack.source_controller()?.start().await?;
    let _kustomize = stack.kustomize_controller()?.start().await?;
    let client = stack.client();
    apply(&client, repository(&stack, "app")).await?;
    let base = apply(&client, kustomization("base", "app", &json!({ "path": "./base" }))).await?;
    let top = |expression: &str| json!({ "path": "./top", "dependsOn": [{ "name": "base", "readyExpr": expression }] });
    let wants = "has(dep.metadata.annotations) && dep.metadata.annotations['go'] == self.metadata.name";
    apply(&client, kustomization("top", "app", &top(wants))).await?;
    let held_back = |object: &Kustomization| {
        ready(object) == "False DependencyNotReady: dependency 'apps/base' is not ready according to readyExpr eval"
    };
    stack.kustomization("top", "the expression to hold it back", held_back).await?;
    base.patch(json!({ "metadata": { "annotations": { "go": "top" } } })).await?;
    stack.kustomization("top", "the expression to let it go", is_ready).await?;

    apply(&client, kustomization("bad", "app", &top("dep.metadata.annotations['go']"))).await?;
    let stalled = |object: &Kustomization| ready(object).starts_with("False InvalidCELExpression: ");
    let bad = stack.kustomization("bad", "the refusal", stalled).await?;
    assert!(
        ready(&bad).contains(
            "Reconciliation failed terminally due to configuration error: failed to evaluate dependency base"
        ),
        "{}",
        ready(&bad)
    );
    Ok(())
}

#[tokio::test]
async fn deletion_policies_and_the_order_of_a_set_that_goes_together() -> Result<()> {
    let stack = Stack::start().await?;
    let held = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: held\n  finalizers: [example.com/hold]\n";
    let files =
        [("held/a.yaml", held.to_owned()), ("kept/a.yaml", config("kept", "x")), ("base/a.yaml", config("base", "x"))];
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (*path, text.as_str())).collect();
    stack.repository("app", &files)?;
    let _source = stack.source_controller()?.start().await?;
    let _kustomize = stack.kustomize_controller()?.start().await?;
    let client = stack.client();
    apply(&client, repository(&stack, "app")).await?;
    let kept =
        apply(&client, kustomization("kept", "app", &json!({ "path": "./kept", "deletionPolicy": "Orphan" }))).await?;
    let base = apply(&client, kustomization("base", "app", &json!({ "path": "./base" }))).await?;
    let held = json!({
        "path": "./held", "prune": false, "deletionPolicy": "WaitForTermination", "timeout": "10m", "dependsOn": [{ "name": "base" }] });
    let held = apply(&client, kustomization("held", "app", &held)).await?;
    for name in ["kept", "base", "held"] {
        stack.kustomization(name, "ready", is_ready).await?;
    }
    kept.delete().await?;
    wait_until(PATIENCE, "the orphaning one to go", async || Ok(kept.get().await?.is_none().then_some(()))).await?;
    assert!(stack.has_config("kept").await?, "its object stays");

    held.delete().await?;
    base.delete().await?;
    let maps: Api<ConfigMap> = Api::namespaced(client.clone(), NS);
    wait_until(PATIENCE, "the held object to be deleted", async || {
        Ok(maps.get("held").await?.metadata.deletion_timestamp.map(|_| ()))
    })
    .await?;
    assert!(held.get().await?.is_some(), "it waits for its object's termination");
    assert!(stack.has_config("base").await?, "what it depends on waits for it");
    maps.patch("held", &PatchParams::default(), &Patch::Merge(json!({ "metadata": { "finalizers": null } }))).await?;
    wait_until(PATIENCE, "both to go", async || {
        Ok((held.get().await?.is_none() && base.get().await?.is_none()).then_some(()))
    })
    .await?;
    assert!(!stack.has_config("base").await?);
    Ok(())
}
