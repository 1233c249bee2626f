//! Health: waits that hold no worker, end as soon as the last object is healthy or one has failed, and say which object is not and why.

use anyhow::Result;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use sluice_api::kustomize::Kustomization;
use sluice_e2e::{NS, Stack, applied, apply, condition, config, deployment, kustomization, ready, repository};

fn healthy(object: &Kustomization) -> String {
    condition(&object.status.clone().unwrap_or_default().conditions, "Healthy")
}

fn is_ready(object: &Kustomization) -> bool {
    ready(object).starts_with("True ReconciliationSucceeded")
}

fn is_waiting(object: &Kustomization) -> bool {
    healthy(object).starts_with("Unknown Progressing: Running health checks for revision main@sha1:")
}

/// What the Deployment controller would write.
async fn set_status(stack: &Stack, name: &str, status: Value) -> Result<()> {
    let api: Api<k8s_openapi::api::apps::v1::Deployment> = Api::namespaced(stack.client(), NS);
    api.patch_status(name, &PatchParams::default(), &Patch::Merge(json!({ "status": status }))).await?;
    Ok(())
}

fn available(generation: i64) -> Value {
    json!({
        "observedGeneration": generation, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
        "conditions": [
            { "type": "Available", "status": "True" },
            { "type": "Progressing", "status": "True", "reason": "NewReplicaSetAvailable" }]
    })
}

#[tokio::test]
async fn whoever_waits_holds_no_worker_and_goes_on_when_its_last_object_is_healthy() -> Result<()> {
    let stack = Stack::start().await?;
    let (slow, sick, quick) = (deployment("slow", 1), deployment("sick", 1), config("quick", "x"));
    stack.repository("app", &[("slow/a.yaml", &slow), ("sick/a.yaml", &sick), ("quick/a.yaml", &quick)])?;
    let _source = stack.source_controller()?.start().await?;
    // One worker: whoever held it while waiting would stop all others.
    let _kustomize = stack.kustomize_controller()?.arg("--concurrent=1").start().await?;
    let client = stack.client();
    apply(&client, repository(&stack, "app")).await?;
    for name in ["slow", "sick"] {
        let spec = json!({ "path": format!("./{name}"), "wait": true, "timeout": "10m" });
        apply(&client, kustomization(name, "app", &spec)).await?;
        stack.kustomization(name, "the wait to be shown", is_waiting).await?;
    }
    apply(&client, kustomization("quick", "app", &json!({ "path": "./quick", "wait": true }))).await?;
    let quick = stack.kustomization("quick", "the one that needs no wait", is_ready).await?;
    assert!(healthy(&quick).starts_with("True Succeeded: Health check passed in "), "{}", healthy(&quick));

    set_status(&stack, "slow", available(1)).await?;
    let slow = stack.kustomization("slow", "the healthy one", is_ready).await?;
    assert!(healthy(&slow).starts_with("True Succeeded: Health check passed in "), "{}", healthy(&slow));
    let event = stack.event("Kustomization", "slow", "ReconciliationSucceeded").await?;
    assert!(event.message.unwrap_or_default().starts_with("Reconciliation finished in "));

    let no_progress = json!({
        "observedGeneration": 1, "replicas": 1, "updatedReplicas": 1, "unavailableReplicas": 1,
        "conditions": [{
            "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded", "message": "no node would take it" }]
    });
    set_status(&stack, "sick", no_progress).await?;
    let failed = |object: &Kustomization| ready(object).starts_with("False HealthCheckFailed: ");
    let sick = stack.kustomization("sick", "the failure", failed).await?;
    let text = "failed early due to stalled resources: [Deployment/apps/sick status: 'Failed'";
    assert!(ready(&sick).contains("health check failed after ") && ready(&sick).contains(text), "{}", ready(&sick));
    assert!(healthy(&sick).starts_with(&format!("False HealthCheckFailed: {text}")), "{}", healthy(&sick));
    assert_eq!(applied(&sick), "", "a revision counts as applied when it is healthy");
    assert_eq!(sick.status.unwrap_or_default().history.len(), 1);

    // The retry finds it healthy.
    set_status(&stack, "sick", available(1)).await?;
    stack.kustomization("sick", "recovery by itself", is_ready).await?;
    Ok(())
}

#[tokio::test]
async fn checks_and_expressions_are_obeyed_and_bad_ones_are_refused_for_good() -> Result<()> {
    let stack = Stack::start().await?;
    stack.repository("app", &[("expr/a.yaml", &config("thing", "x")), ("check/a.yaml", &config("checked", "x"))])?;
    let _source = stack.source_controller()?.start().await?;
    let _kustomize = stack.kustomize_controller()?.start().await?;
    let client = stack.client();
    apply(&client, repository(&stack, "app")).await?;
    let expression = |current: &str| {
        json!({
            "path": "./expr", "wait": true, "timeout": "10m", "healthCheckExprs": [{
                "apiVersion": "v1", "kind": "ConfigMap", "current": current,
                "failed": "has(metadata.annotations) && 'broken' in metadata.annotations" }]
        })
    };
    let good = expression("has(metadata.annotations) && metadata.annotations['done'] == 'yes'");
    apply(&client, kustomization("expr", "app", &good)).await?;
    stack.kustomization("expr", "the wait for the expression", is_waiting).await?;
    let maps: Api<k8s_openapi::api::core::v1::ConfigMap> = Api::namespaced(client.clone(), NS);
    let done = json!({ "metadata": { "annotations": { "done": "yes" } } });
    maps.patch("thing", &PatchParams::default(), &Patch::Merge(done)).await?;
    stack.kustomization("expr", "what the expression says", is_ready).await?;

    apply(&client, kustomization("bad", "app", &expression("has("))).await?;
    let stalled = |object: &Kustomization| ready(object).starts_with("False InvalidCELExpression: ");
    let bad = stack.kustomization("bad", "the refusal", stalled).await?;
    assert!(
        ready(&bad).contains(
            "Reconciliation failed terminally due to configuration error: failed to create custom status evaluator"
        ),
        "{}",
        ready(&bad)
    );
    assert_eq!(bad.status.unwrap_or_default().observed_generation, Some(1));

    // A check of an object that somebody else makes, later.
    let check = json!({
        "path": "./check", "timeout": "10m",
        "healthChecks": [{ "apiVersion": "v1", "kind": "ConfigMap", "name": "foreign", "namespace": NS }]
    });
    apply(&client, kustomization("check", "app", &check)).await?;
    stack.kustomization("check", "the wait for the foreign object", is_waiting).await?;
    let foreign = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "foreign" } });
    apply(&client, foreign).await?;
    stack.kustomization("check", "the foreign object", is_ready).await?;
    Ok(())
}

#[tokio::test]
async fn a_new_revision_cancels_a_wait_where_the_gate_says_so_and_deletion_always_does() -> Result<()> {
    let stack = Stack::start().await?;
    let copy = stack.repository("app", &[("a.yaml", &deployment("web", 1))])?;
    let _source = stack.source_controller()?.start().await?;
    let gate = "--feature-gates=CancelHealthCheckOnNewRevision=true";
    let _kustomize = stack.kustomize_controller()?.arg(gate).start().await?;
    let client = stack.client();
    let git = apply(&client, repository(&stack, "app")).await?;
    let app = apply(&client, kustomization("app", "app", &json!({ "wait": true, "timeout": "10m" }))).await?;
    stack.kustomization("app", "the wait", is_waiting).await?;
    copy.write("a.yaml", config("instead", "x"))?;
    let head = copy.commit("Something that is healthy at once")?;
    copy.push()?;
    git.request("push").await?;
    let event = stack.event("Kustomization", "app", "HealthCheckCanceled").await?;
    assert_eq!(
        event.message.as_deref(),
        Some("Health checks canceled due to new reconciliation triggered by GitRepository/apps/app")
    );
    let moved = |object: &Kustomization| applied(object) == format!("main@sha1:{head}") && is_ready(object);
    stack.kustomization("app", "the new revision", moved).await?;

    copy.write("a.yaml", deployment("web", 1))?.commit("Sick again")?;
    copy.push()?;
    git.request("push again").await?;
    stack.kustomization("app", "the wait again", is_waiting).await?;
    app.delete().await?;
    sluice_testkit::wait::wait_until(sluice_e2e::PATIENCE, "it to go although it waited", async || {
        Ok(app.get().await?.is_none().then_some(()))
    })
    .await
}
