//! Health and drift by watch, against a real API server.

#[expect(unreachable_pub, reason = "a module of its own for the harness")]
mod observed;

use std::sync::Arc;
use std::time::Duration;

use kube::api::DeleteParams;
use serde_json::{Value, json};
use sluice_expressions::{HealthCheck, HealthChecks};
use sluice_kstatus::State;
use sluice_manifest::GroupKind;
use sluice_ssa::{
    Access, Drift, DriftKind, FailFast, HealthOptions, HealthTarget, IfAbsent, ReaderOrder, wait_until_healthy,
};

use observed::{
    Cable, PATIENCE, World, config_map, deployment_status, named, options, ours, owner, target, until, watched,
    workload,
};

#[tokio::test]
async fn a_deployment_turns_healthy_by_its_event_without_being_read() -> anyhow::Result<()> {
    let world = World::start().await?;
    // Who may not read one object can only know its health from the watch.
    let client = world.restricted("watcher", "apps", "deployments", &["list", "watch"]).await?;
    let (observer, _drifts) = world.watching(client, "apps/v1", "Deployment").await?;
    let web = world.apply(ours(workload("Deployment", "web"))).await?;
    let waiting = tokio::spawn(wait_until_healthy(watched(&observer), vec![target(&web)], options(PATIENCE)));
    until("the event of the apply", || observer.state(&web.id()).is_some()).await?;
    world.set_status(&web, deployment_status(1, 0)).await?;
    until("the event of the status", || {
        observer.state(&web.id()).is_some_and(|state| state.health.message.starts_with("Available: 0/1"))
    })
    .await?;
    assert!(!waiting.is_finished());

    world.set_status(&web, deployment_status(1, 1)).await?;
    waiting.await??;
    let state = observer.state(&web.id()).expect("seen");
    assert_eq!((state.health.state, state.generation), (State::Current, Some(1)));
    assert_eq!((&*state.uid, state.owner.as_deref()), (web.uid(), Some(&owner())));

    // A change that has not been observed makes it unhealthy again, and an older health does not count.
    let mut scaled = ours(workload("Deployment", "web"));
    scaled["spec"]["replicas"] = json!(0);
    let scaled = world.apply(scaled).await?;
    let failure =
        wait_until_healthy(watched(&observer), vec![target(&scaled)], options(Duration::from_millis(300))).await;
    assert_eq!(
        failure.unwrap_err().to_string(),
        "timeout waiting for: [Deployment/default/web status: 'InProgress': \
         Deployment generation is 2, but latest observed generation is 1]"
    );
    Ok(())
}

#[tokio::test]
async fn failures_end_a_wait_early_and_are_the_only_ones_named() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (observer, _drifts) = world.watching(world.plane.client(), "apps/v1", "Deployment").await?;
    let (web, api) = (
        world.apply(ours(workload("Deployment", "web"))).await?,
        world.apply(ours(workload("Deployment", "api"))).await?,
    );
    let targets = vec![target(&web), target(&api)];
    let fast = tokio::spawn(wait_until_healthy(watched(&observer), targets.clone(), options(PATIENCE)));
    let patient = HealthOptions { fail_fast: FailFast::No, ..options(PATIENCE) };
    let patient = tokio::spawn(wait_until_healthy(watched(&observer), targets, patient));
    let mut failed = deployment_status(1, 0);
    failed["conditions"] = json!([{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]);
    world.set_status(&web, failed).await?;
    let text = "failed early due to stalled resources: \
        [Deployment/default/web status: 'Failed': Progress deadline exceeded]";
    assert_eq!(fast.await?.unwrap_err().to_string(), text);

    assert!(!patient.is_finished(), "it waits for the other one");
    world.set_status(&api, deployment_status(1, 1)).await?;
    assert_eq!(patient.await?.unwrap_err().to_string(), text);
    Ok(())
}

#[tokio::test]
async fn a_stateful_set_fails_by_its_pods() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (observer, _drifts) = world.watching(world.plane.client(), "apps/v1", "StatefulSet").await?;
    let mut document = ours(workload("StatefulSet", "db"));
    document["spec"]["serviceName"] = json!("db");
    let set = world.apply(document).await?;
    let waiting = tokio::spawn(wait_until_healthy(watched(&observer), vec![target(&set)], options(PATIENCE)));
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "db-0", "namespace": "default",
        "labels": {"app": "db"}}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}});
    let pod = world.apply(pod).await?;
    world
        .set_status(
            &pod,
            json!({"phase": "Running", "containerStatuses": [{"name": "app", "image": "app:1", "imageID": "",
            "ready": false, "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}),
        )
        .await?;
    assert_eq!(
        waiting.await?.unwrap_err().to_string(),
        "failed early due to stalled resources: [StatefulSet/default/db status: 'Failed': \
         1 pods have failed: db-0: Containers in CrashLoop state: app]"
    );
    Ok(())
}

#[tokio::test]
async fn a_timeout_tells_what_is_wrong_with_the_pods() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (observer, _drifts) = world.watching(world.plane.client(), "apps/v1", "Deployment").await?;
    let web = world.apply(ours(workload("Deployment", "web"))).await?;
    world.set_status(&web, deployment_status(1, 0)).await?;
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1", "namespace": "default",
        "labels": {"app": "web"}}, "spec": {"containers": [{"name": "app", "image": "app:1"}]}});
    let pod = world.apply(pod).await?;
    let waiting = json!({"reason": "ImagePullBackOff", "message": "Back-off pulling image \"app:1\""});
    let container = json!({"name": "app", "image": "app:1", "imageID": "", "ready": false, "restartCount": 0,
        "state": {"waiting": waiting}});
    world.set_status(&pod, json!({"phase": "Pending", "containerStatuses": [container]})).await?;
    let failure = wait_until_healthy(watched(&observer), vec![target(&web)], options(Duration::from_millis(500))).await;
    assert_eq!(
        failure.unwrap_err().to_string(),
        "timeout waiting for: [Deployment/default/web status: 'InProgress': Available: 0/1; \
         pod web-1: app: ImagePullBackOff: Back-off pulling image \"app:1\"]"
    );
    Ok(())
}

#[tokio::test]
async fn drift_is_what_changes_our_fields_and_nothing_else() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (observer, mut drifts) = world.watching(world.plane.client(), "apps/v1", "Deployment").await?;
    let document = ours(workload("Deployment", "web"));
    let (web, desired) = world.apply_recorded(&observer, document.clone()).await?;
    let id = web.id();
    until("the echo", || observer.in_step(&id, desired)).await?;

    // Neither a status nor a foreign field is ours.
    world.set_status(&web, deployment_status(1, 1)).await?;
    world.edit(&web, "autoscaler", &json!({"spec": {"replicas": 3}})).await?;
    let version = world.edit(&web, "someone", &json!({"metadata": {"annotations": {"note": "1"}}})).await?;
    let has_seen = |version| observer.state(&id).is_some_and(|state| state.resource_version >= version);
    until("these events", || has_seen(version)).await?;
    assert!(observer.in_step(&id, desired));

    let image = json!({"spec": {"template": {"spec": {"containers": [{"name": "app", "image": "other:1"}]}}}});
    world.edit(&web, "kubectl-edit", &image).await?;
    let expected = |kind, managers: &[&str]| Drift {
        owner: owner(),
        id: id.clone(),
        kind,
        managers: managers.iter().map(ToString::to_string).collect(),
    };
    assert_eq!(drifts.recv().await, Some(expected(DriftKind::Changed, &["kubectl-edit"])));
    assert!(!observer.in_step(&id, desired));

    // Our own correction is no drift, whichever comes first, its event or its record.
    let (corrected, desired) = world.apply_recorded(&observer, document.clone()).await?;
    let version = corrected.resource_version().parse()?;
    until("the echo of the correction", || has_seen(version)).await?;
    assert!(observer.in_step(&id, desired));

    // Taken from us without a trace: the field is just gone.
    world.edit(&web, "cleaner", &json!({"metadata": {"labels": {"app": null}}})).await?;
    let drift = drifts.recv().await.expect("told");
    assert_eq!((drift.kind, &drift.id), (DriftKind::Changed, &id));
    assert!(!observer.in_step(&id, desired));

    let (_, desired) = world.apply_recorded(&observer, document.clone()).await?;
    until("the echo", || observer.in_step(&id, desired)).await?;
    world.api(&web).delete("web", &DeleteParams::default()).await?;
    assert_eq!(drifts.recv().await, Some(expected(DriftKind::Deleted, &[])));
    assert!(!observer.in_step(&id, desired) && observer.state(&id).is_none());

    // What we delete ourselves is no drift.
    let (_, desired) = world.apply_recorded(&observer, document).await?;
    until("the echo", || observer.in_step(&id, desired)).await?;
    observer.forget(&id);
    world.api(&web).delete("web", &DeleteParams::default()).await?;
    until("the deletion", || observer.state(&id).is_none()).await?;
    assert!(drifts.try_recv().is_err());
    Ok(())
}

#[tokio::test]
async fn an_object_that_loses_its_owner_label_has_changed_and_is_not_gone() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (observer, mut drifts) = world.watching(world.plane.client(), "v1", "ConfigMap").await?;
    let (live, desired) = world.apply_recorded(&observer, ours(config_map("a", "1"))).await?;
    until("the echo", || observer.in_step(&live.id(), desired)).await?;
    let unlabelled =
        json!({"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/name": null}, "annotations": {"x": "1"}}});
    world.edit(&live, "thief", &unlabelled).await?;
    let drift = drifts.recv().await.expect("told");
    assert_eq!((drift.kind, drift.managers), (DriftKind::Changed, vec!["thief".to_owned()]));
    // Its health is still known, by reading it.
    wait_until_healthy(watched(&observer), vec![named("ConfigMap", "a")], options(PATIENCE)).await?;
    Ok(())
}

#[tokio::test]
async fn what_was_applied_before_the_watch_began_is_in_step_once_it_is_synced() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (observer, mut drifts) = world.observer(world.plane.client());
    let (live, desired) = world.apply_recorded(&observer, ours(config_map("a", "1"))).await?;
    let (gone, _) = world.apply_recorded(&observer, ours(config_map("b", "1"))).await?;
    world.api(&gone).delete("b", &DeleteParams::default()).await?;
    assert!(!observer.in_step(&live.id(), desired));
    observer.watch(&world.discovery.resolve(&live.gvk()).await?);
    until("the list", || observer.in_step(&live.id(), desired)).await?;
    let drift = drifts.recv().await.expect("told");
    assert_eq!((drift.kind, drift.id), (DriftKind::Deleted, gone.id()));
    Ok(())
}

#[tokio::test]
async fn a_cut_connection_is_known_and_mends() -> anyhow::Result<()> {
    let world = World::start().await?;
    let cable = Cable::new(&world.plane).await?;
    let (observer, mut drifts) = world.watching(cable.client.clone(), "v1", "ConfigMap").await?;
    let of = GroupKind { group: String::new(), kind: "ConfigMap".into() };
    let (changed, desired) = world.apply_recorded(&observer, ours(config_map("a", "1"))).await?;
    let (kept, kept_desired) = world.apply_recorded(&observer, ours(config_map("b", "1"))).await?;
    until("the echoes", || observer.in_step(&changed.id(), desired) && observer.in_step(&kept.id(), kept_desired))
        .await?;

    cable.cut();
    until("the cut to be noticed", || !observer.is_watched(&of)).await?;
    assert!(!observer.in_step(&kept.id(), kept_desired));
    world.edit(&changed, "kubectl-edit", &json!({"data": {"key": "2"}})).await?;
    let waiting = vec![named("ConfigMap", "a"), named("ConfigMap", "late")];
    let waiting = tokio::spawn(wait_until_healthy(watched(&observer), waiting, options(PATIENCE)));

    cable.mend();
    assert_eq!(drifts.recv().await.map(|drift| drift.managers), Some(vec!["kubectl-edit".to_owned()]));
    until("the watch to go on", || observer.in_step(&kept.id(), kept_desired)).await?;
    assert!(!observer.in_step(&changed.id(), desired));
    world.apply(ours(config_map("late", "1"))).await?;
    waiting.await??;
    Ok(())
}

#[tokio::test]
async fn a_kind_that_may_not_be_watched_is_polled() -> anyhow::Result<()> {
    let world = World::start().await?;
    let reader = world.restricted("reader", "apps", "deployments", &["get"]).await?;
    let (observer, _drifts) = world.observer(reader);
    let (web, desired) = world.apply_recorded(&observer, ours(workload("Deployment", "web"))).await?;
    observer.watch(&world.discovery.resolve(&web.gvk()).await?);
    let waiting = tokio::spawn(wait_until_healthy(watched(&observer), vec![target(&web)], options(PATIENCE)));
    world.set_status(&web, deployment_status(1, 1)).await?;
    waiting.await??;
    let of = GroupKind { group: "apps".into(), kind: "Deployment".into() };
    assert!(!observer.is_watched(&of) && !observer.in_step(&web.id(), desired));

    // Who may read the object but not its replica sets cannot tell, under an identity that is not ours.
    let client = world.restricted("reader", "apps", "deployments", &["get"]).await?;
    let polled = Access::Polled { client, discovery: Arc::clone(&world.discovery) };
    let failure =
        wait_until_healthy(polled, vec![target(&web)], options(Duration::from_millis(400))).await.unwrap_err();
    let text = failure.to_string();
    assert!(
        text.starts_with(
            "timeout waiting for: [Deployment/default/web status: 'Unknown': replicasets.apps is forbidden"
        ),
        "{text}"
    );
    Ok(())
}

#[tokio::test]
async fn polls_judge_as_the_watch_does() -> anyhow::Result<()> {
    let world = World::start().await?;
    let polled = || Access::Polled { client: world.plane.client(), discovery: Arc::clone(&world.discovery) };
    let web = world.apply(workload_in_default()).await?;
    let absent = HealthTarget { if_absent: IfAbsent::Healthy, ..named("ConfigMap", "done") };
    let waiting = tokio::spawn(wait_until_healthy(polled(), vec![target(&web), absent.clone()], options(PATIENCE)));
    world.set_status(&web, deployment_status(1, 1)).await?;
    waiting.await??;

    let missing = vec![absent, named("ConfigMap", "missing"), named("Nonsense", "x")];
    let failure = wait_until_healthy(polled(), missing, options(Duration::from_millis(300))).await.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "timeout waiting for: [ConfigMap/default/missing status: 'NotFound', Nonsense/default/x status: 'Unknown': \
         no matches for kind \"Nonsense\" in version \"v1\"]"
    );
    let mut nowhere = named("ConfigMap", "a");
    nowhere.id.namespace.clear();
    let failure = wait_until_healthy(polled(), vec![nowhere], options(PATIENCE)).await.unwrap_err();
    assert_eq!(failure.to_string(), "resource ConfigMap a is namespace scoped, but namespace is not set");
    wait_until_healthy(polled(), Vec::new(), options(Duration::ZERO)).await?;
    Ok(())
}

fn workload_in_default() -> Value {
    let mut document = workload("Deployment", "web");
    document["metadata"]["namespace"] = json!("default");
    document
}

#[tokio::test]
async fn expressions_judge_by_event_and_by_poll() -> anyhow::Result<()> {
    let world = World::start().await?;
    let check = HealthCheck {
        api_version: "v1",
        kind: "ConfigMap",
        current: "data.key == 'ready'",
        failed: "data.key == 'broken'",
        ..HealthCheck::default()
    };
    let checks = Arc::new(HealthChecks::new(&[check])?);
    let options = |timeout| HealthOptions { checks: Arc::clone(&checks), ..options(timeout) };
    // Reading once is allowed: an expression needs the object, which the watch did not keep.
    let (observer, _drifts) = world.watching(world.plane.client(), "v1", "ConfigMap").await?;
    let live = world.apply(ours(config_map("a", "no"))).await?;
    until("the event", || observer.state(&live.id()).is_some()).await?;
    let other = HealthOptions { order: ReaderOrder::ExpressionsFirst, ..options(PATIENCE) };
    let polled = Access::Polled { client: world.plane.client(), discovery: Arc::clone(&world.discovery) };
    for (access, options) in [(watched(&observer), options(PATIENCE)), (polled, other)] {
        let live = world.apply(ours(config_map("a", "no"))).await?;
        let waiting = tokio::spawn(wait_until_healthy(access, vec![target(&live)], options));
        world.edit(&live, "operator", &json!({"data": {"key": "nearly"}})).await?;
        world.edit(&live, "operator", &json!({"data": {"key": "ready"}})).await?;
        waiting.await??;
    }
    let live = world.apply(ours(config_map("a", "broken"))).await?;
    let failure = wait_until_healthy(watched(&observer), vec![target(&live)], options(PATIENCE)).await.unwrap_err();
    assert_eq!(failure.to_string(), "failed early due to stalled resources: [ConfigMap/default/a status: 'Failed']");
    assert_eq!(failure.unhealthy().len(), 1);
    let mut document = ours(config_map("a", "no"));
    document["data"] = json!({"other": "1"});
    let live = world.apply(document).await?;
    let failure =
        wait_until_healthy(watched(&observer), vec![target(&live)], options(Duration::from_millis(400))).await;
    let text = failure.unwrap_err().to_string();
    assert!(
        text.starts_with("timeout waiting for: [ConfigMap/default/a status: 'Unknown': failed to evaluate the CEL"),
        "{text}"
    );
    Ok(())
}

#[tokio::test]
async fn dropping_the_observer_ends_its_watches() -> anyhow::Result<()> {
    let world = World::start().await?;
    let (observer, mut drifts) = world.watching(world.plane.client(), "v1", "ConfigMap").await?;
    let waiting =
        tokio::spawn(wait_until_healthy(watched(&observer), vec![named("ConfigMap", "never")], options(PATIENCE)));
    tokio::task::yield_now().await;
    waiting.abort();
    assert!(waiting.await.unwrap_err().is_cancelled());
    drop(observer);
    // The channel's sender is in the settings, which the watches hold.
    assert_eq!(tokio::time::timeout(PATIENCE, drifts.recv()).await?, None);
    Ok(())
}
