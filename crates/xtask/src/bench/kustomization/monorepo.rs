//! Many Kustomizations on one repository, and a push that touches the path of one: when that one is applied, what the others cost, and when
//! all show the new revision.
//!
//! Deliberately the whole way from the webhook on, with all three controllers.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::api::DynamicObject;
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::{Value, json};
use sluice_e2e::{NS, Stack, apply, post};

use super::api_requests::Counts;
use super::{Common, Measured, PATIENCE, at, print, stack};
use crate::bench::ready::{Watch, api, create, is_ready};

/// What kustomize-controller counts builds by.
const BUILDS: &str = "sluice_kustomization_builds_total";

/// How much is measured.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Kustomizations, each with a path of its own.
    #[arg(long, default_value_t = 1_000)]
    objects: usize,
    /// Pushes, each to the path of another one.
    #[arg(long, default_value_t = 5)]
    pushes: usize,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Runs the benchmark and prints its figures.
///
/// # Errors
/// When a part does not start, or an object does not get ready in time.
pub(crate) async fn run(programs: PathBuf, arguments: &Arguments) -> anyhow::Result<()> {
    let stack = stack(&programs).await?;
    let files: Vec<(String, String)> = (0..arguments.objects).map(|number| (path(number), config(number, 0))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let copy = stack.repository("mono", &files)?;
    let mut controllers = Measured::both(&stack, &arguments.common).await?;
    let notification = stack.notification_controller()?.start().await?;
    let hook = set_up(&stack).await?;
    let kustomizations = api(stack.client(), "kustomize", "Kustomization", "kustomizations");
    let mut watch = Watch::open(kustomizations.clone());
    let started = Instant::now();
    create(&kustomizations, (0..arguments.objects).map(kustomization).collect()).await?;
    let times = watch.all_ready(arguments.objects, started, PATIENCE).await?;
    print(&format!("{} Kustomizations on one repository, all ready after {} ms", arguments.objects, at(&times, 100)));
    for push in 1..=arguments.pushes {
        let number = push * 7 % arguments.objects;
        copy.write(&path(number), config(number, push))?.commit(&format!("Change {number}"))?;
        copy.push()?;
        one_push(&stack, &hook, (number, push, arguments.objects), &mut controllers).await?;
    }
    drop(notification);
    Ok(())
}

async fn one_push(
    stack: &Stack,
    hook: &str,
    (number, push, count): (usize, usize, usize),
    controllers: &mut [Measured],
) -> anyhow::Result<()> {
    let maps: Api<ConfigMap> = Api::namespaced(stack.client(), NS);
    let config = watcher::Config::default().fields(&format!("metadata.name={}", name(number)));
    let mut changes = std::pin::pin!(watcher(maps, config).applied_objects());
    changes.try_next().await?;
    let mut watch = Watch::open(api(stack.client(), "kustomize", "Kustomization", "kustomizations"));
    let known = revision(stack).await?;
    let requests = Counts::read(&stack.client()).await?;
    let builds = builds(controllers).await?;
    controllers.iter_mut().try_for_each(Measured::begin)?;
    let started = Instant::now();
    let status = post(&format!("{}{hook}", stack.webhook_base()), "{}").await?;
    anyhow::ensure!(status == 200, "the webhook answered {status}");
    let wanted = push.to_string();
    let applied = async {
        while let Some(map) = changes.try_next().await? {
            if map.data.as_ref().and_then(|data| data.get("version")) == Some(&wanted) {
                return Ok(started.elapsed());
            }
        }
        anyhow::bail!("the watch ended")
    };
    let moved = |object: &DynamicObject| {
        let applied = object.data.pointer("/status/lastAppliedRevision").and_then(Value::as_str);
        is_ready(object) && applied.is_some_and(|applied| applied != known)
    };
    let (applied, times): (Duration, Vec<Duration>) =
        tokio::try_join!(applied, watch.all(count, started, PATIENCE, moved))?;
    let after = Counts::read(&stack.client()).await?;
    let writes = |name: &str| {
        ["PATCH", "POST", "PUT", "DELETE"].iter().any(|verb| name.starts_with(verb)) && name.contains(" configmaps")
    };
    print(&format!(
        "push {push}: applied after {} ms, all {count} show the revision after {} ms; builds {}, requests that write the managed kind {}",
        applied.as_millis(),
        at(&times, 100),
        self::builds(controllers).await? - builds,
        after.total_since(&requests, writes),
    ));
    for controller in controllers.iter() {
        print(&controller.line()?);
    }
    Ok(())
}

async fn builds(controllers: &[Measured]) -> anyhow::Result<u64> {
    let kustomize = controllers.iter().find(|one| one.name == "kustomize-controller").context("the controller")?;
    let metrics = kustomize.controller.metrics().await?;
    let line = metrics.lines().find(|line| line.starts_with(BUILDS));
    let value = line.and_then(|line| line.rsplit(' ').next()).with_context(|| format!("no metric {BUILDS}"))?;
    value.parse().with_context(|| format!("{BUILDS} is {value}"))
}

async fn revision(stack: &Stack) -> anyhow::Result<String> {
    let source = stack.git_repository("mono", "an artifact", |object| object.status.is_some()).await?;
    let artifact = source.status.and_then(|status| status.artifact).context("an artifact")?;
    Ok(artifact.revision)
}

async fn set_up(stack: &Stack) -> anyhow::Result<String> {
    let client = stack.client();
    apply(
        &client,
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "hook" }, "stringData": { "token": "t" } }),
    )
    .await?;
    apply(
        &client,
        json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": { "name": "mono" },
            "spec": { "url": stack.repository_url("mono"), "interval": "1h", "ref": { "branch": "main" } }
        }),
    )
    .await?;
    apply(&client, json!({
        "apiVersion": "notification.toolkit.fluxcd.io/v1", "kind": "Receiver", "metadata": { "name": "push" },
        "spec": { "type": "generic", "secretRef": { "name": "hook" }, "resources": [{ "kind": "GitRepository", "name": "mono" }] }
    }))
    .await?;
    stack.webhook_path("push").await
}

fn name(number: usize) -> String {
    format!("app-{number}")
}

fn path(number: usize) -> String {
    format!("apps/{}/config.yaml", name(number))
}

fn config(number: usize, version: usize) -> String {
    let name = name(number);
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  version: \"{version}\"\n")
}

fn kustomization(number: usize) -> Value {
    json!({
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": { "name": name(number) },
        "spec": {
            "interval": "1h", "prune": true, "wait": true, "targetNamespace": NS, "path": format!("./apps/{}", name(number)),
            "sourceRef": { "kind": "GitRepository", "name": "mono" }
        }
    })
}
