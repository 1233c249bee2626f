//! From a webhook to the changed object, with the three release binaries on a real API server and a real Git server.
//!
//! Deliberately includes everything that a user waits for after Git has the commit: webhook, listing, fetch, packing, download, build,
//! dry-run, apply. Not the push itself.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use clap::Args;
use futures::TryStreamExt as _;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::json;
use sluice_e2e::{Applied, NS, Stack, apply, post};

use super::process::{Usage, mib, usage};

/// How much is measured.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Pushes whose latency is measured.
    #[arg(long, default_value_t = 50)]
    pushes: usize,
    /// Reconciles of a GitRepository and a Kustomization each, for the flatness of memory and CPU.
    #[arg(long, default_value_t = 500)]
    reconciles: usize,
    /// Seconds of quiet before idle memory is read.
    #[arg(long, default_value_t = 10)]
    idle: u64,
}

struct Running {
    name: &'static str,
    controller: sluice_e2e::Controller,
}

/// Runs the benchmark and prints its figures.
///
/// # Errors
/// When a part does not start, or a change does not arrive within a minute.
pub(crate) async fn run(programs: PathBuf, arguments: &Arguments) -> anyhow::Result<()> {
    let mut stack = Stack::start().await?;
    stack.programs = Some(programs);
    let copy = stack.repository("app", &[("config.yaml", &config(0))])?;
    let running = [
        Running { name: "source-controller", controller: stack.source_controller()?.start().await? },
        Running { name: "kustomize-controller", controller: stack.kustomize_controller()?.start().await? },
        Running { name: "notification-controller", controller: stack.notification_controller()?.start().await? },
    ];
    let objects = objects(&stack).await?;
    let hook = stack.webhook_path("push").await?;
    stack.config_value("value", "key", "v0").await?;

    tokio::time::sleep(Duration::from_secs(arguments.idle)).await;
    print("idle memory (resident, of which the process's own), MiB:");
    for Running { name, controller } in &running {
        let Usage { resident, anonymous, .. } = usage(controller.pid())?;
        print(&format!("  {name:<24} {:6.1}  {:6.1}", mib(resident), mib(anonymous)));
    }

    let mut latencies = Vec::new();
    for number in 1..=arguments.pushes {
        copy.write("config.yaml", config(number))?.commit(&format!("Change {number}"))?;
        copy.push()?;
        latencies.push(one_push(&stack, &hook, number).await?);
    }
    latencies.sort();
    let at = |share: f64| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index"
        )]
        let index = ((latencies.len() as f64 * share).ceil() as usize).clamp(1, latencies.len());
        latencies[index - 1].as_millis()
    };
    print(&format!(
        "webhook to changed object, {} pushes, ms: median {}  p95 {}  max {}",
        latencies.len(),
        at(0.5),
        at(0.95),
        at(1.0)
    ));

    flatness(&running, &objects, arguments.reconciles).await
}

async fn one_push(stack: &Stack, hook: &str, number: usize) -> anyhow::Result<Duration> {
    let maps: Api<ConfigMap> = Api::namespaced(stack.client(), NS);
    let mut changes =
        std::pin::pin!(watcher(maps, watcher::Config::default().fields("metadata.name=value")).applied_objects());
    // The watch is open before the clock starts.
    changes.try_next().await?;
    let wanted = format!("v{number}");
    let started = Instant::now();
    let status = post(&format!("{}{hook}", stack.webhook_base()), "{}").await?;
    anyhow::ensure!(status == 200, "the webhook answered {status}");
    let arrival = async {
        while let Some(map) = changes.try_next().await? {
            if map.data.as_ref().and_then(|data| data.get("key")) == Some(&wanted) {
                return Ok(started.elapsed());
            }
        }
        anyhow::bail!("the watch ended")
    };
    tokio::time::timeout(sluice_e2e::PATIENCE, arrival)
        .await
        .with_context(|| format!("change {number} did not arrive"))?
}

/// Asks for one reconcile after the other and prints what each process uses after every fifth of them.
async fn flatness(running: &[Running], objects: &[Applied], reconciles: usize) -> anyhow::Result<()> {
    print(&format!(
        "over {reconciles} reconciles of each object: resident MiB, and CPU ms per reconcile since the line before:"
    ));
    let step = (reconciles / 5).max(1);
    let mut before: Vec<Usage> = running.iter().map(|one| usage(one.controller.pid())).collect::<Result<_, _>>()?;
    for number in 1..=reconciles {
        for object in objects {
            object.request_and_wait(&format!("flat {number}")).await?;
        }
        if number % step != 0 {
            continue;
        }
        let mut line = format!("  {number:>5}");
        for (one, before) in running.iter().zip(&mut before) {
            let now = usage(one.controller.pid())?;
            #[expect(clippy::cast_precision_loss, reason = "a small count")]
            let per_reconcile = (now.cpu - before.cpu) * 1000.0 / step as f64;
            // Writing to a string does not fail.
            let _ = write!(line, "  {} {:.1} MiB {per_reconcile:.1} ms", one.name, mib(now.resident));
            *before = now;
        }
        print(&line);
    }
    Ok(())
}

async fn objects(stack: &Stack) -> anyhow::Result<Vec<Applied>> {
    let client = stack.client();
    apply(
        &client,
        json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "hook" }, "stringData": { "token": "t" } }),
    )
    .await?;
    let git = apply(
        &client,
        json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": { "name": "app" },
            "spec": { "url": stack.repository_url("app"), "interval": "1h", "ref": { "branch": "main" } }
        }),
    )
    .await?;
    let app = apply(
        &client,
        json!({
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": { "name": "app" },
            "spec": {
                "interval": "1h", "prune": true, "path": "./", "targetNamespace": NS,
                "sourceRef": { "kind": "GitRepository", "name": "app" }
            }
        }),
    )
    .await?;
    apply(&client, json!({
        "apiVersion": "notification.toolkit.fluxcd.io/v1", "kind": "Receiver", "metadata": { "name": "push" },
        "spec": { "type": "generic", "secretRef": { "name": "hook" }, "resources": [{ "kind": "GitRepository", "name": "app" }] }
    }))
    .await?;
    Ok(vec![git, app])
}

fn config(number: usize) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: value\ndata:\n  key: v{number}\n")
}

#[expect(clippy::print_stdout, reason = "the figures are the program's output")]
fn print(line: &str) {
    println!("{line}");
}
