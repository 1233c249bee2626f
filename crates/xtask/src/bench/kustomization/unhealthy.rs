//! Kustomizations of which some never become healthy, with few workers: what the others wait. Then how soon a dependant starts, and what
//! a quiet interval costs.
//!
//! Deliberately the same objects without the sick ones first, in the same run: the difference is what a worker that waits would cost.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams};
use serde_json::{Value, json};
use sluice_e2e::{NS, Stack, apply};

use super::api_requests::Counts;
use super::objects::manifests;
use super::{Common, Measured, PATIENCE, at, print, stack};
use crate::bench::ready::{Watch, api, create, is_ready};

/// How much is measured.
#[derive(Args)]
pub(crate) struct Arguments {
    /// All Kustomizations.
    #[arg(long, default_value_t = 128)]
    objects: usize,
    /// How many of them have a Deployment that never becomes available.
    #[arg(long, default_value_t = 11)]
    sick: usize,
    /// Seconds of the quiet interval.
    #[arg(long, default_value_t = 60)]
    quiet: u64,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Runs the benchmark and prints its figures.
///
/// # Errors
/// When a part does not start, or an object does not get ready in time.
pub(crate) async fn run(programs: PathBuf, arguments: &Arguments) -> anyhow::Result<()> {
    let stack = stack(&programs).await?;
    let files: Vec<(String, String)> = (0..arguments.objects).map(|number| (path(number), app(number))).collect();
    let mut files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let sick: Vec<(String, String)> = (0..arguments.sick).map(|number| (sick_path(number), sick_app(number))).collect();
    files.extend(sick.iter().map(|(path, text)| (path.as_str(), text.as_str())));
    stack.repository("apps", &files)?;
    let _controllers = Measured::both(&stack, &arguments.common).await?;
    apply(
        &stack.client(),
        json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": { "name": "apps" },
            "spec": { "url": stack.repository_url("apps"), "interval": "1h", "ref": { "branch": "main" } }
        }),
    )
    .await?;
    stack
        .git_repository("apps", "an artifact", |object| {
            object.status.as_ref().is_some_and(|status| status.artifact.is_some())
        })
        .await?;
    let well = arguments.objects - arguments.sick;
    let alone = round(&stack, well, 0).await?;
    remove_all(&stack).await?;
    let among = round(&stack, well, arguments.sick).await?;
    print(&format!(
        "{well} Kustomizations ready, ms: alone half {}, all {}; among {} that never are half {}, all {} ({:.2} times)",
        at(&alone, 50),
        at(&alone, 100),
        arguments.sick,
        at(&among, 50),
        at(&among, 100),
        seconds(&among) / seconds(&alone)
    ));
    dependant(&stack).await?;
    quiet(&stack, arguments).await
}

fn seconds(times: &[Duration]) -> f64 {
    times.last().copied().unwrap_or_default().as_secs_f64()
}

/// Creates the sick ones first, as they would be found first, then the others, and waits for those.
async fn round(stack: &Stack, well: usize, sick: usize) -> anyhow::Result<Vec<Duration>> {
    let kustomizations = api(stack.client(), "kustomize", "Kustomization", "kustomizations");
    let mut watch = Watch::open(kustomizations.clone());
    create(&kustomizations, (0..sick).map(|number| kustomization(&sick_name(number))).collect()).await?;
    let started = Instant::now();
    create(&kustomizations, (0..well).map(|number| kustomization(&name(number))).collect()).await?;
    let is_well = |object: &DynamicObject| {
        is_ready(object) && object.metadata.name.as_deref().is_some_and(|name| name.starts_with("app-"))
    };
    watch.all(well, started, PATIENCE, is_well).await
}

async fn remove_all(stack: &Stack) -> anyhow::Result<()> {
    let kustomizations = api(stack.client(), "kustomize", "Kustomization", "kustomizations");
    kustomizations.delete_collection(&DeleteParams::default(), &ListParams::default()).await?;
    sluice_testkit::wait::wait_until(PATIENCE, "all to be gone", async || {
        Ok(kustomizations.list(&ListParams::default()).await?.items.is_empty().then_some(()))
    })
    .await
}

/// A Kustomization that depends on one which becomes ready a while after it was looked at.
async fn dependant(stack: &Stack) -> anyhow::Result<()> {
    let kustomizations: Api<DynamicObject> = api(stack.client(), "kustomize", "Kustomization", "kustomizations");
    let mut watch = Watch::open(kustomizations.clone());
    let mut second = kustomization("app-dependant");
    second["spec"]["path"] = json!("./apps/app-0");
    second["spec"]["namePrefix"] = json!("dependant-");
    second["spec"]["dependsOn"] = json!([{ "name": "app-dependency" }]);
    let mut first = kustomization("app-dependency");
    first["spec"]["path"] = json!("./apps/app-0");
    first["spec"]["namePrefix"] = json!("dependency-");
    create(&kustomizations, vec![second]).await?;
    let started = Instant::now();
    let waits = |object: &DynamicObject| {
        let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
        conditions.is_some_and(|all| all.iter().any(|one| one["reason"] == "DependencyNotReady"))
    };
    watch.all(1, started, PATIENCE, waits).await?;
    create(&kustomizations, vec![first]).await?;
    let named = |name: &'static str| {
        move |object: &DynamicObject| object.metadata.name.as_deref() == Some(name) && is_ready(object)
    };
    let ready = watch.all(1, started, PATIENCE, named("app-dependency")).await?;
    let after = watch.all(1, started, PATIENCE, named("app-dependant")).await?;
    print(&format!(
        "from the dependency's being ready to its dependant's being ready: {} ms",
        after.last().copied().unwrap_or_default().saturating_sub(ready.last().copied().unwrap_or_default()).as_millis()
    ));
    Ok(())
}

async fn quiet(stack: &Stack, arguments: &Arguments) -> anyhow::Result<()> {
    let before = Counts::read(&stack.client()).await?;
    tokio::time::sleep(Duration::from_secs(arguments.quiet)).await;
    let after = Counts::read(&stack.client()).await?;
    print(&format!("requests at the API server within {} quiet seconds, of everybody:", arguments.quiet));
    for line in after.since(&before, 1).into_iter().take(8) {
        print(&format!("  {line}"));
    }
    Ok(())
}

fn name(number: usize) -> String {
    format!("app-{number}")
}

fn sick_name(number: usize) -> String {
    format!("sick-{number}")
}

fn path(number: usize) -> String {
    format!("apps/{}/app.yaml", name(number))
}

fn sick_path(number: usize) -> String {
    format!("apps/{}/app.yaml", sick_name(number))
}

fn app(number: usize) -> String {
    manifests(&name(number), 1)
}

/// A replica that no node will ever run.
fn sick_app(number: usize) -> String {
    manifests(&sick_name(number), 1).replace("\"replicas\":0", "\"replicas\":1")
}

fn kustomization(name: &str) -> Value {
    json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": { "name": name },
        "spec": {
            "interval": "1h", "prune": true, "wait": true, "timeout": "10m", "targetNamespace": NS,
            "path": format!("./apps/{name}"), "sourceRef": { "kind": "GitRepository", "name": "apps" }
        }
    })
}
