//! Mean time to production, in the manner of Flux's published benchmark: as many sources as Kustomizations with `wait: true`, all created at
//! once, and then all changed at once.
//!
//! Deliberately from the creation of the first object to the status of the last one.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use sluice_e2e::{NS, Stack};
use sluice_testkit::registry::{Registry, RegistryOptions};

use super::api_requests::Counts;
use super::objects::image;
use super::{Common, Measured, PATIENCE, at, floor, print, stack};
use crate::bench::ready::{Watch, api, create, is_ready};

/// Where the floor is measured.
const FLOOR_NAMESPACE: &str = "floor";
/// Requests named in the output came at least this often.
const OFTEN: u64 = 20;

/// How much is measured.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Sources, and as many Kustomizations.
    #[arg(long, default_value_t = 1_000)]
    objects: usize,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Runs the benchmark and prints its figures.
///
/// # Errors
/// When a part does not start, or an object does not get ready in time.
pub(crate) async fn run(programs: PathBuf, arguments: &Arguments) -> anyhow::Result<()> {
    let stack = stack(&programs).await?;
    stack.cluster.create_namespace(FLOOR_NAMESPACE).await?;
    let registry = Registry::start(RegistryOptions::default())?;
    for number in 0..arguments.objects {
        for version in [1, 2] {
            let name = name(number);
            registry.push_image(&name, &tag(version), &image(&name, version)?)?;
        }
    }
    let floor = floor::measure(&stack.client(), FLOOR_NAMESPACE, arguments.objects).await?;
    let least = floor.dry_runs + floor.writes;
    print(&format!(
        "the floor, {} objects: dry-runs {} ms, writes {} ms",
        arguments.objects * 4,
        floor.dry_runs.as_millis(),
        floor.writes.as_millis()
    ));
    let mut controllers = Measured::both(&stack, &arguments.common).await?;
    create_all(&stack, &registry, &mut controllers, arguments.objects, least).await?;
    change_all(&stack, &mut controllers, arguments.objects, least).await
}

async fn create_all(
    stack: &Stack,
    registry: &Registry,
    controllers: &mut [Measured],
    count: usize,
    floor: Duration,
) -> anyhow::Result<()> {
    let sources = api(stack.client(), "source", "OCIRepository", "ocirepositories");
    let kustomizations = api(stack.client(), "kustomize", "Kustomization", "kustomizations");
    let mut watches = (Watch::open(sources.clone()), Watch::open(kustomizations.clone()));
    let requests = Counts::read(&stack.client()).await?;
    controllers.iter_mut().try_for_each(Measured::begin)?;
    let started = Instant::now();
    let both = tokio::try_join!(
        create(&sources, (0..count).map(|number| source(registry, number)).collect()),
        create(&kustomizations, (0..count).map(kustomization).collect()),
    );
    both?;
    let created = started.elapsed();
    let (published, ready) =
        tokio::try_join!(watches.0.all_ready(count, started, PATIENCE), watches.1.all_ready(count, started, PATIENCE))?;
    print(&format!("{count} sources and {count} Kustomizations, created within {} ms:", created.as_millis()));
    tell(stack, controllers, (&published, &ready), &requests, floor).await
}

async fn change_all(stack: &Stack, controllers: &mut [Measured], count: usize, floor: Duration) -> anyhow::Result<()> {
    let sources = api(stack.client(), "source", "OCIRepository", "ocirepositories");
    let kustomizations = api(stack.client(), "kustomize", "Kustomization", "kustomizations");
    let mut watches = (Watch::open(sources.clone()), Watch::open(kustomizations));
    let requests = Counts::read(&stack.client()).await?;
    controllers.iter_mut().try_for_each(Measured::begin)?;
    let started = Instant::now();
    for number in 0..count {
        let patch = json!({ "spec": { "ref": { "tag": tag(2) } } });
        sources.patch(&name(number), &PatchParams::default(), &Patch::Merge(patch)).await?;
    }
    let changed = started.elapsed();
    let (published, ready) = tokio::try_join!(
        watches.0.all(count, started, PATIENCE, |object| shows(object, "/status/artifact/revision")),
        watches.1.all(count, started, PATIENCE, |object| shows(object, "/status/lastAppliedRevision"))
    )?;
    print(&format!("all changed within {} ms:", changed.as_millis()));
    tell(stack, controllers, (&published, &ready), &requests, floor).await
}

async fn tell(
    stack: &Stack,
    controllers: &[Measured],
    (published, ready): (&[Duration], &[Duration]),
    requests: &Counts,
    floor: Duration,
) -> anyhow::Result<()> {
    let last = ready.last().copied().unwrap_or_default();
    print(&format!(
        "  sources ready, ms: half {}, 90% {}, all {}",
        at(published, 50),
        at(published, 90),
        at(published, 100)
    ));
    print(&format!(
        "  Kustomizations ready, ms: half {}, 90% {}, all {}; ratio to the floor {:.2}",
        at(ready, 50),
        at(ready, 90),
        at(ready, 100),
        last.as_secs_f64() / floor.as_secs_f64()
    ));
    for controller in controllers {
        print(&controller.line()?);
    }
    print("  requests at the API server:");
    for line in Counts::read(&stack.client()).await?.since(requests, OFTEN) {
        print(&format!("  {line}"));
    }
    Ok(())
}

/// Whether the object is ready with the second version.
fn shows(object: &DynamicObject, revision: &str) -> bool {
    let revision = object.data.pointer(revision).and_then(Value::as_str);
    is_ready(object) && revision.is_some_and(|revision| revision.starts_with(&tag(2)))
}

fn name(number: usize) -> String {
    format!("app-{number}")
}

fn tag(version: usize) -> String {
    format!("{version}.0.0")
}

fn source(registry: &Registry, number: usize) -> Value {
    json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "OCIRepository", "metadata": { "name": name(number) },
        "spec": { "url": registry.oci_url(&name(number)), "interval": "1h", "insecure": true, "ref": { "tag": tag(1) } }
    })
}

fn kustomization(number: usize) -> Value {
    json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": { "name": name(number) },
        "spec": {
            "interval": "1h", "prune": true, "wait": true, "timeout": "10m", "targetNamespace": NS,
            "sourceRef": { "kind": "OCIRepository", "name": name(number) }
        }
    })
}
