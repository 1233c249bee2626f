//! Which requests an apply makes, what becomes of failing ones, and what it tells its caller, against a real API server.

#[expect(unreachable_pub, dead_code, reason = "shared by several test programs, none of which uses all")]
mod common;
#[expect(unreachable_pub, reason = "a module of this test program")]
mod tap;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::BoxFuture;
use serde_json::{Value, json};
use sluice_manifest::{Entry, Object, ObjectId, normalize};
use sluice_ssa::{
    Applier, ApplyFailure, ApplyOptions, ChangeSet, DesiredDigest, Force, Known, NoJournal, NoRest, NothingKnown,
    Origin, Ports, Resource, Rest, StillThere, wait_until_gone,
};

use common::{Cluster, annotated, config_map};
use tap::{Failure, Tap};

struct Tapped {
    cluster: Cluster,
    tap: Tap,
}

impl Tapped {
    async fn start() -> anyhow::Result<Self> {
        let cluster = Cluster::start().await?;
        let tap = Tap::new(cluster.client());
        // What discovery asks goes past the tap.
        Ok(Self { cluster, tap })
    }

    fn applier(&self) -> Applier {
        Applier::new(self.tap.client(), "kustomize-controller", 4).with_discovery(self.cluster.discovery.clone())
    }

    async fn apply(&self, documents: &[Value], options: &ApplyOptions) -> Result<ChangeSet, ApplyFailure> {
        self.apply_with(documents, options, Ports::NONE).await
    }

    async fn apply_with<R: Rest>(
        &self,
        documents: &[Value],
        options: &ApplyOptions,
        ports: Ports<'_, NoJournal, R>,
    ) -> Result<ChangeSet, ApplyFailure> {
        self.applier().apply_with(objects(documents), options, ports).await
    }

    /// The change log and the requests of an apply that must succeed.
    async fn seen(&self, documents: &[Value]) -> anyhow::Result<(String, Vec<String>)> {
        self.tap.take();
        let applied = self.apply(documents, &ApplyOptions::default()).await;
        Ok((applied.map_err(|failure| anyhow::anyhow!(failure.text()))?.full_log(), self.tap.take()))
    }
}

fn objects(documents: &[Value]) -> Vec<Object> {
    let object = |document: &Value| {
        let mut object = Object::new(document.clone()).expect("tests apply objects");
        normalize(&mut object);
        object
    };
    documents.iter().map(object).collect()
}

fn ok(applied: Result<ChangeSet, ApplyFailure>) -> anyhow::Result<String> {
    Ok(applied.map_err(|failure| anyhow::anyhow!(failure.text()))?.full_log())
}

fn storage_class() -> Value {
    json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
        "metadata": {"name": "fast", "namespace": "default"}, "provisioner": "example.com/none"})
}

#[tokio::test]
async fn each_case_makes_the_fewest_requests() -> anyhow::Result<()> {
    let tapped = Tapped::start().await?;
    let once = annotated(config_map("a", "9"), "ssa", "IfNotPresent");
    let fresh = annotated(config_map("b", "9"), "ssa", "IfNotPresent");
    let ignored = annotated(config_map("a", "9"), "ssa", "Ignore");
    for (document, action, requests) in [
        (config_map("a", "1"), "a created", &["PATCH a dry-run", "PATCH a"][..]),
        (config_map("a", "1"), "a unchanged", &["PATCH a dry-run", "GET a"]),
        (config_map("a", "2"), "a configured", &["PATCH a dry-run", "GET a", "PATCH a"]),
        (once, "a skipped", &["GET a"]),
        (ignored, "a skipped", &["GET a"]),
        (fresh, "b created", &["GET b", "PATCH b dry-run", "PATCH b"]),
    ] {
        let (log, seen) = tapped.seen(&[document]).await?;
        assert_eq!(
            (log, seen),
            (format!("ConfigMap/default/{action}"), requests.iter().map(ToString::to_string).collect())
        );
    }
    // The live object's wish counts although the dry-run comes first.
    let opt_out = json!({"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/reconcile": "Disabled"}}});
    tapped.cluster.edit("a", &opt_out, "somebody").await?;
    let (log, _) = tapped.seen(&[config_map("a", "3")]).await?;
    assert_eq!(log, "ConfigMap/default/a skipped");
    // Even when the dry-run is refused.
    let mut invalid = config_map("a", "3");
    invalid["data"]["not a key!"] = json!("x");
    let (log, _) = tapped.seen(&[invalid]).await?;
    assert_eq!(log, "ConfigMap/default/a skipped");
    Ok(())
}

#[tokio::test]
async fn all_refusals_of_a_stage_are_listed_with_where_the_objects_came_from() -> anyhow::Result<()> {
    let tapped = Tapped::start().await?;
    let invalid = |name: &str| {
        let mut document = config_map(name, "1");
        document["data"] = json!({"not a key!": "1"});
        document
    };
    let mut lost = config_map("d", "1");
    lost["metadata"]["namespace"] = json!("nowhere");
    let unknown =
        json!({"apiVersion": "nowhere.io/v1", "kind": "Ghost", "metadata": {"name": "g", "namespace": "default"}});
    let set = [config_map("a", "1"), invalid("b"), config_map("c", "1"), lost, unknown, invalid("e")];
    let origin = |name: &str, namespace: &str, line| {
        let id =
            ObjectId { group: String::new(), kind: "ConfigMap".into(), namespace: namespace.into(), name: name.into() };
        (id, Origin { file: format!("apps/{name}.yaml"), line })
    };
    let origins = Arc::new(HashMap::from([
        origin("a", "default", None),
        origin("b", "default", Some(7)),
        origin("d", "nowhere", None),
    ]));
    let options = ApplyOptions { origins, ..ApplyOptions::default() };
    let failure = tapped.apply(&set, &options).await.unwrap_err();
    let text = failure.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(lines[0].starts_with("ConfigMap/default/b dry-run failed (Invalid): "), "{text}");
    assert!(lines[0].ends_with(" (from apps/b.yaml, line 7)"), "{text}");
    assert!(lines[1].starts_with("ConfigMap/default/e dry-run failed (Invalid): "), "{text}");
    assert!(!lines[1].contains("(from"), "{text}");
    assert_eq!(lines[2], r#"ConfigMap/nowhere/d not found: namespaces "nowhere" not found (from apps/d.yaml)"#);
    assert_eq!(lines[3], r#"Ghost/default/g dry-run failed: no matches for kind "Ghost" in version "nowhere.io/v1""#);
    assert_eq!((failure.others.len(), failure.unlisted), (3, 0));
    for name in ["a", "c"] {
        assert!(!tapped.cluster.exists("ConfigMap", name).await?, "{name}");
    }
    Ok(())
}

#[tokio::test]
async fn what_fails_for_a_moment_is_tried_again() -> anyhow::Result<()> {
    let tapped = Tapped::start().await?;
    let race = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Conflict", "code": 409,
        "message": "the object has been modified"})
    .to_string();
    for (request, failure) in [
        ("PATCH a dry-run", Failure::Answer(429, Some("1"), "Too many requests".into())),
        ("PATCH a dry-run", Failure::Answer(409, None, race.clone())),
        ("PATCH a", Failure::Answer(503, None, "apiserver is shutting down".into())),
        ("PATCH a", Failure::Broken),
        ("GET a", Failure::Answer(502, None, "<html>".into())),
    ] {
        tapped.tap.fail(request, 1, failure);
    }
    tapped.cluster.log(&[config_map("a", "1")]).await?;
    let before = tapped.cluster.config_map("a").await?["metadata"]["uid"].clone();
    let force = ApplyOptions { force: Force::Recreate, ..ApplyOptions::default() };
    let started = Instant::now();
    assert_eq!(ok(tapped.apply(&[config_map("a", "2")], &force).await)?, "ConfigMap/default/a configured");
    assert!(started.elapsed() >= Duration::from_secs(1), "Retry-After is kept to");
    assert_eq!(
        tapped.tap.take(),
        ["PATCH a dry-run", "PATCH a dry-run", "PATCH a dry-run", "GET a", "GET a", "PATCH a", "PATCH a", "PATCH a"]
    );
    let live = tapped.cluster.config_map("a").await?;
    assert_eq!(
        (&live["metadata"]["uid"], &live["data"]),
        (&before, &json!({"key": "2"})),
        "a lost race recreates nothing"
    );
    Ok(())
}

#[tokio::test]
async fn a_server_that_goes_on_failing_ends_the_stage_and_the_error_says_what_was_tried() -> anyhow::Result<()> {
    let tapped = Tapped::start().await?;
    let busy = Failure::Answer(503, None, "apiserver is shutting down".into());
    tapped.tap.fail("PATCH b dry-run", 100, busy);
    let set: Vec<Value> = ["a", "b", "c", "d", "e", "f", "g", "h", "i"].map(|name| config_map(name, "1")).into();
    let failure = tapped.apply(&set, &ApplyOptions::default()).await.unwrap_err();
    assert_eq!(failure.text(), "ConfigMap/default/b dry-run failed: apiserver is shutting down (tried 4 times)");
    assert!(!tapped.cluster.exists("ConfigMap", "a").await?);
    let seen = tapped.tap.take();
    assert!(!seen.contains(&"PATCH i dry-run".to_owned()), "the rest is not asked about: {seen:?}");

    // A plain 500 may be about the object: the others are still looked at.
    let broken = json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "InternalError", "code": 500,
        "message": "failed calling webhook"});
    tapped.tap.fail("PATCH a dry-run", 100, Failure::Answer(500, None, broken.to_string()));
    let mut invalid = config_map("z", "1");
    invalid["data"]["not a key!"] = json!("x");
    let failure = tapped.apply(&[config_map("a", "1"), invalid], &ApplyOptions::default()).await.unwrap_err();
    let text = failure.text();
    assert!(
        text.starts_with(
            "ConfigMap/default/a dry-run failed (InternalError): failed calling webhook (tried 2 times)\n"
        ),
        "{text}"
    );
    assert!(text.contains("\nConfigMap/default/z dry-run failed (Invalid): "), "{text}");
    Ok(())
}

/// Knows what it was told, and how ready it is.
#[derive(Default)]
struct Told {
    applied: Mutex<HashMap<ObjectId, DesiredDigest>>,
    kinds: Mutex<Vec<String>>,
    forgotten: Mutex<Vec<String>>,
    is_ready: AtomicBool,
}

impl Known for Told {
    fn in_step(&self, id: &ObjectId, desired: DesiredDigest) -> bool {
        self.applied.lock().expect("no holder panics").get(id) == Some(&desired)
    }

    fn is_ready(&self, _: &ObjectId) -> bool {
        self.is_ready.load(Ordering::Relaxed)
    }

    fn uses(&self, resource: &Resource) {
        self.kinds.lock().expect("no holder panics").push(resource.gvk.kind.clone());
    }

    fn applied(&self, id: &ObjectId, live: &Object, desired: DesiredDigest) {
        assert!(!live.resource_version().is_empty(), "{id} is live");
        self.applied.lock().expect("no holder panics").insert(id.clone(), desired);
    }

    fn forget(&self, id: &ObjectId) {
        self.forgotten.lock().expect("no holder panics").push(id.to_string());
    }
}

#[tokio::test]
async fn objects_that_are_known_to_be_in_step_make_no_request() -> anyhow::Result<()> {
    let tapped = Tapped::start().await?;
    let options = ApplyOptions::default();
    let told = Told::default();
    // The class is cluster-scoped although its manifest has a namespace, and its stage is waited for.
    let set = [config_map("a", "1"), config_map("b", "1"), storage_class()];
    let ports = |known| Ports { known, ..Ports::NONE };
    let first = ok(tapped.apply_with(&set, &options, ports(&told)).await)?;
    assert_eq!(first, "StorageClass/fast created\nConfigMap/default/a created\nConfigMap/default/b created");
    assert_eq!(*told.kinds.lock().unwrap(), ["StorageClass", "ConfigMap", "ConfigMap"]);

    tapped.tap.take();
    let applied =
        tapped.apply_with(&set, &options, ports(&told)).await.map_err(|failure| anyhow::anyhow!(failure.text()))?;
    assert_eq!(
        applied.full_log(),
        "StorageClass/fast unchanged\nConfigMap/default/a unchanged\nConfigMap/default/b unchanged"
    );
    assert_eq!(tapped.tap.take(), ["PATCH fast dry-run", "GET fast"], "it is not known to be ready");
    told.is_ready.store(true, Ordering::Relaxed);
    assert_eq!(tapped.apply_with(&set, &options, ports(&told)).await.ok().as_ref(), Some(&applied));
    assert_eq!(tapped.tap.take(), [""; 0]);
    let digests: HashMap<ObjectId, DesiredDigest> =
        applied.changes().iter().filter_map(|change| Some((change.entry.id.clone(), change.desired?))).collect();
    assert_eq!(digests, *told.applied.lock().unwrap());

    // One that changed is looked at, the others are not.
    let changed = [config_map("a", "2"), annotated(config_map("b", "1"), "ssa", "Ignore"), storage_class()];
    let log = ok(tapped.apply_with(&changed, &options, ports(&told)).await)?;
    assert_eq!(log, "StorageClass/fast unchanged\nConfigMap/default/a configured\nConfigMap/default/b skipped");
    assert_eq!(tapped.tap.take().iter().filter(|line| line.contains(" fast")).count(), 0);
    assert_eq!(*told.forgotten.lock().unwrap(), ["ConfigMap/default/b"]);
    Ok(())
}

#[derive(Default)]
struct Counted(AtomicUsize);

impl Rest for Counted {
    fn release(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn resume(&self) -> BoxFuture<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

#[tokio::test]
async fn the_worker_rests_only_while_there_is_something_to_wait_for() -> anyhow::Result<()> {
    let tapped = Tapped::start().await?;
    let rest = Counted::default();
    let options = ApplyOptions { force: Force::Recreate, ..ApplyOptions::default() };
    let ports = Ports { journal: &NoJournal, known: &NothingKnown, rest: &rest };
    let mut first = config_map("a", "1");
    first["immutable"] = json!(true);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "early"}});
    ok(tapped.apply_with(&[first.clone(), namespace], &options, ports).await)?;
    assert_eq!(rest.0.load(Ordering::Relaxed), 0);
    first["data"]["key"] = json!("2");
    assert_eq!(ok(tapped.apply_with(&[first], &options, ports).await)?, "ConfigMap/default/a created");
    assert_eq!(rest.0.load(Ordering::Relaxed), 1);
    Ok(())
}

#[tokio::test]
async fn a_deletion_is_waited_for_until_the_last_finalizer_goes() -> anyhow::Result<()> {
    let tapped = Tapped::start().await?;
    let cluster = &tapped.cluster;
    cluster.log(&[config_map("held", "1"), config_map("other", "1")]).await?;
    cluster.edit("held", &json!({"metadata": {"finalizers": ["example.com/hold"]}}), "somebody").await?;
    cluster.api("v1", "ConfigMap", "default").delete("held", &kube::api::DeleteParams::default()).await?;
    let entries = [
        Entry::parse("default_gone__ConfigMap", "v1")?,
        Entry::parse("default_held__ConfigMap", "v1")?,
        // Made anew by somebody after its deletion.
        Entry::parse("default_other__ConfigMap", "v1")?,
        Entry::parse("_ghost_nowhere.io_Ghost", "v1")?,
    ];
    let wait = |timeout| wait_until_gone(cluster.client(), &cluster.discovery, &entries, timeout, &NoRest);
    let still_there = wait(Duration::from_millis(300)).await.unwrap_err();
    assert_eq!(still_there, StillThere { objects: vec![entries[1].id.clone()] });
    assert_eq!(still_there.to_string(), "timeout waiting for termination of: [ConfigMap/default/held]");

    let release = json!({"metadata": {"finalizers": null}});
    let (gone, released) = tokio::join!(wait(Duration::from_secs(30)), cluster.edit("held", &release, "somebody"));
    released?;
    assert_eq!(gone, Ok(()));
    Ok(())
}

/// Takes requests and never answers.
struct Silent;

impl tower_service::Service<http::Request<kube::client::Body>> for Silent {
    type Response = http::Response<kube::client::Body>;
    type Error = kube::Error;
    type Future = std::future::Pending<Result<Self::Response, kube::Error>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), kube::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<kube::client::Body>) -> Self::Future {
        std::future::pending()
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_ends_the_apply_after_one_bound() {
    let started = tokio::time::Instant::now();
    let applier = Applier::new(kube::Client::new(Silent, "default"), "kustomize-controller", 4);
    let set: Vec<Value> = (0..100).map(|number| config_map(&format!("a{number}"), "1")).collect();
    let failure = applier.apply(objects(&set), &ApplyOptions::default()).await.unwrap_err();
    assert_eq!(failure.text(), "ConfigMap/default/a0 dry-run failed: no answer from the API server in 30s");
    assert_eq!(started.elapsed().as_secs(), 30);
}
