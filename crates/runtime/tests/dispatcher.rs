//! The dispatcher on a real API server, with a reconciler that does what the test tells it to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;
use sluice_api::source::{GitRepository, GitRepositorySpec, GitRepositoryStatus};
use sluice_conditions::{Stamp, mark_true};
use sluice_runtime::cache::{Cache, Scope};
use sluice_runtime::dispatcher::{Dispatcher, Finalized, Next, Outcome, Pass, Reconciler, Settings};
use sluice_runtime::metrics::Metrics;
use sluice_runtime::recorder::{Notice, Recorder, Severity};
use sluice_testkit::control_plane::ControlPlane;
use sluice_testkit::wait::wait_until;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(60);

/// What a pass over an object shall do, by the object's `spec.url`.
struct Scripted {
    passes: Arc<Mutex<Vec<String>>>,
    finalized: Arc<AtomicUsize>,
    /// A pass over `https://slow` waits for this.
    gate: Arc<tokio::sync::Semaphore>,
}

impl Reconciler for Scripted {
    type Object = GitRepository;

    async fn reconcile(&self, pass: Pass<GitRepository>) -> Outcome<GitRepositoryStatus> {
        self.passes.lock().expect("not poisoned").push(pass.key.name.clone());
        let mut status = pass.object.status.clone().unwrap_or_default();
        match pass.object.spec.url.as_str() {
            #[expect(clippy::panic, reason = "the point of the test")]
            "https://panics" => panic!("the script says so"),
            "https://slow" => drop(self.gate.acquire().await),
            _ => {}
        }
        let stamp = Stamp { generation: pass.object.metadata.generation.unwrap_or(0), now: pass.now };
        mark_true(&mut status.conditions, stamp, "Ready", "Succeeded", "done");
        status.observed_generation = pass.object.metadata.generation;
        let notices = vec![Notice::new(Severity::Info, "Done", "a pass was made")];
        Outcome { status, notices, next: Next::Never }
    }

    async fn finalize(&self, _pass: Pass<GitRepository>) -> Finalized {
        if self.finalized.fetch_add(1, Ordering::SeqCst) == 0 {
            Finalized::Failed(Vec::new())
        } else {
            Finalized::Done(Vec::new())
        }
    }

    fn settle_suspended(&self, _object: &GitRepository, _status: &mut GitRepositoryStatus) -> Vec<Notice> {
        Vec::new()
    }
}

struct Bench {
    cluster: ControlPlane,
    api: Api<GitRepository>,
    passes: Arc<Mutex<Vec<String>>>,
    gate: Arc<tokio::sync::Semaphore>,
    stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl Bench {
    async fn start() -> Result<Self> {
        let cluster = ControlPlane::start().await?;
        cluster.install_crds().await?;
        cluster.create_namespace("apps").await?;
        let client: Client = cluster.client();
        let metrics = Metrics::register(&mut prometheus_client::registry::Registry::default());
        let (recorder, _sinks) = Recorder::start(client.clone(), "test-controller", "here", "", metrics.clone())?;
        let passes = Arc::new(Mutex::new(Vec::new()));
        let gate = Arc::new(tokio::sync::Semaphore::new(0));
        let script = Scripted { passes: Arc::clone(&passes), finalized: Arc::default(), gate: Arc::clone(&gate) };
        let settings = Settings {
            concurrent: 2,
            scope: Scope::default(),
            field_manager: "test-controller",
            min_retry_delay: Duration::from_millis(100),
            max_retry_delay: Duration::from_secs(1),
            jitter_percentage: 0,
            drain: PATIENCE,
        };
        let dispatcher = Dispatcher::new(script, client.clone(), Cache::default(), recorder, metrics, settings);
        let stop = CancellationToken::new();
        let running = tokio::spawn(dispatcher.run(stop.clone()));
        Ok(Self { api: Api::namespaced(client, "apps"), cluster, passes, gate, stop, running })
    }

    async fn create(&self, name: &str, url: &str) -> Result<()> {
        let spec = GitRepositorySpec { url: url.into(), interval: "1h".parse()?, ..GitRepositorySpec::default() };
        self.api.create(&PostParams::default(), &GitRepository::new(name, spec)).await?;
        Ok(())
    }

    async fn wait(&self, name: &str, what: &str, holds: impl Fn(&GitRepository) -> bool) -> Result<GitRepository> {
        wait_until(PATIENCE, what, async || Ok(self.api.get_opt(name).await?.filter(|object| holds(object)))).await
    }

    fn passes_over(&self, name: &str) -> usize {
        self.passes.lock().expect("not poisoned").iter().filter(|pass| *pass == name).count()
    }
}

fn ready(object: &GitRepository) -> String {
    let conditions = object.status.clone().unwrap_or_default().conditions;
    let ready = conditions.iter().find(|condition| condition.type_ == "Ready");
    ready.map(|ready| format!("{} {}", ready.status, ready.reason)).unwrap_or_default()
}

#[tokio::test]
async fn one_pass_per_change_adds_the_finalizer_and_writes_a_status_that_does_not_trigger_another() -> Result<()> {
    let bench = Bench::start().await?;
    bench.create("one", "https://a").await?;
    let object = bench.wait("one", "a status", |object| ready(object) == "True Succeeded").await?;
    assert_eq!(object.finalizers(), ["finalizers.fluxcd.io"]);
    let request = json!({ "metadata": { "annotations": { "reconcile.fluxcd.io/requestedAt": "now" } } });
    bench.api.patch("one", &PatchParams::default(), &Patch::Merge(request)).await?;
    let handled = |object: &GitRepository| {
        object.status.as_ref().and_then(|status| status.last_handled_reconcile_at.as_deref()) == Some("now")
    };
    bench.wait("one", "the request to be handled", handled).await?;
    assert_eq!(bench.passes_over("one"), 2, "one pass for the creation, one for the request, none for our own writes");

    // Labels are nobody's business here, and a pass that changes nothing writes nothing.
    bench
        .api
        .patch("one", &PatchParams::default(), &Patch::Merge(json!({ "metadata": { "labels": { "a": "b" } } })))
        .await?;
    bench.create("two", "https://a").await?;
    bench.wait("two", "a later object", |object| ready(object) == "True Succeeded").await?;
    assert_eq!(bench.passes_over("one"), 2);
    Ok(())
}

#[tokio::test]
async fn a_panic_is_shown_on_its_object_and_tried_again_while_the_others_go_on() -> Result<()> {
    let bench = Bench::start().await?;
    bench.create("bad", "https://panics").await?;
    let object = bench.wait("bad", "the panic on the object", |object| ready(object) == "False InternalError").await?;
    let message = object.status.unwrap_or_default().conditions.remove(0).message;
    assert!(message.ends_with("the script says so"), "{message}");
    bench.create("good", "https://a").await?;
    bench.wait("good", "another object", |object| ready(object) == "True Succeeded").await?;
    wait_until(PATIENCE, "more tries", async || Ok((bench.passes_over("bad") >= 3).then_some(()))).await?;
    let mended = json!({ "spec": { "url": "https://mended" } });
    bench.api.patch("bad", &PatchParams::default(), &Patch::Merge(mended)).await?;
    bench.wait("bad", "the mended object", |object| ready(object) == "True Succeeded").await?;
    Ok(())
}

#[tokio::test]
async fn a_change_during_a_pass_is_not_lost_and_somebody_elses_write_stays() -> Result<()> {
    let bench = Bench::start().await?;
    bench.create("slow", "https://slow").await?;
    wait_until(PATIENCE, "the pass to begin", async || Ok((bench.passes_over("slow") == 1).then_some(()))).await?;
    // The status write of the running pass meets a newer resource version and a newer generation.
    let change = json!({ "metadata": { "labels": { "kept": "yes" } }, "spec": { "timeout": "30s" } });
    bench.api.patch("slow", &PatchParams::default(), &Patch::Merge(change)).await?;
    bench.gate.add_permits(10);
    let observed =
        |object: &GitRepository| object.status.as_ref().and_then(|status| status.observed_generation) == Some(2);
    let object = bench.wait("slow", "the second generation", observed).await?;
    assert_eq!(object.labels().get("kept").map(String::as_str), Some("yes"));
    assert_eq!(bench.passes_over("slow"), 2);
    Ok(())
}

#[tokio::test]
async fn a_deleted_object_keeps_its_finalizer_until_finalizing_succeeds() -> Result<()> {
    let bench = Bench::start().await?;
    bench.create("one", "https://a").await?;
    bench.wait("one", "a status", |object| ready(object) == "True Succeeded").await?;
    bench.api.delete("one", &kube::api::DeleteParams::default()).await?;
    // The script fails the first time.
    wait_until(PATIENCE, "the object to go", async || Ok(bench.api.get_opt("one").await?.is_none().then_some(())))
        .await?;
    Ok(())
}

#[tokio::test]
async fn the_end_waits_for_a_running_pass() -> Result<()> {
    let bench = Bench::start().await?;
    bench.create("slow", "https://slow").await?;
    wait_until(PATIENCE, "the pass to begin", async || Ok((bench.passes_over("slow") == 1).then_some(()))).await?;
    bench.stop.cancel();
    bench.gate.add_permits(1);
    tokio::time::timeout(PATIENCE, bench.running).await??;
    let object = bench.api.get("slow").await?;
    assert_eq!(ready(&object), "True Succeeded", "the pass got to its end and wrote its status");
    assert_eq!(bench.cluster.ended(), None);
    Ok(())
}
