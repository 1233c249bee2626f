//! Many objects of kind GitRepository on one host: time until all are ready, then what an interval without a change costs server and controller.
//!
//! Deliberately more objects than repositories: a platform team's repository is the source of many.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sluice_e2e::{Controller, Stack};

use super::generate::History;
use super::report::print;
use super::{Arguments, start};
use crate::bench::peak;
use crate::bench::process::{Usage, mib, usage};
use crate::bench::ready::{Watch, api, create};

/// The longest that all objects together may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(900);
/// A small repository.
const HISTORY: History = History { files: 20, commits: 10 };

/// Measures and prints.
///
/// # Errors
/// When a part does not start, or the objects are not all ready in time.
pub(super) async fn run(stack: &Stack, arguments: &Arguments) -> anyhow::Result<()> {
    let repositories = arguments.repositories.max(1);
    for repository in 0..repositories {
        let name = format!("app-{repository}");
        stack.git.create_repo(&name)?;
        HISTORY.create(&stack.git.repo_path(&name))?;
    }
    let controller = start(stack, arguments).await?;
    tokio::time::sleep(Duration::from_secs(arguments.idle)).await;
    let idle = usage(controller.pid())?;
    peak::forget(controller.pid())?;
    let kind = api(stack.client(), "source", "GitRepository", "gitrepositories");
    let mut watch = Watch::open(kind.clone());
    let url = |number: usize| stack.repository_url(&format!("app-{}", number % repositories));
    let objects = (0..arguments.objects).map(|number| object(number, &url(number), arguments.interval)).collect();
    let started = Instant::now();
    create(&kind, objects).await?;
    let created = started.elapsed();
    let times = watch.all_ready(arguments.objects, started, PATIENCE).await?;
    drop(watch);
    print(&format!(
        "{} GitRepositories of {repositories} repositories on one host, created within {} ms:",
        arguments.objects,
        created.as_millis()
    ));
    let requests = stack.git.take_requests().len();
    let ready = format!("all ready after {} ms", times.last().copied().unwrap_or_default().as_millis());
    print(&format!(
        "  {ready}; {requests} requests over {} connections; peak {:.1} MiB above {:.1} idle",
        stack.git.connections(),
        mib(peak::resident(controller.pid())?.saturating_sub(idle.resident)),
        mib(idle.resident)
    ));
    intervals(stack, arguments, &controller, idle).await
}

async fn intervals(stack: &Stack, arguments: &Arguments, controller: &Controller, idle: Usage) -> anyhow::Result<()> {
    let mut before = usage(controller.pid())?;
    let count = f64::from(u32::try_from(arguments.objects.max(1))?);
    let per_object = |cpu: f64| cpu * 1000.0 / count;
    print(&format!(
        "  CPU until then {:.2} s, {:.1} ms for each",
        before.cpu - idle.cpu,
        per_object(before.cpu - idle.cpu)
    ));
    for interval in 1..=arguments.intervals {
        let connections = stack.git.connections();
        tokio::time::sleep(Duration::from_secs(arguments.interval)).await;
        let (now, requests) = (usage(controller.pid())?, stack.git.take_requests());
        let bytes: u64 = requests.iter().map(|request| request.sent).sum();
        let cpu = now.cpu - before.cpu;
        print(&format!(
            "  interval {interval} of {} s: {} requests, {bytes} bytes, {} connections opened, CPU {cpu:.2} s ({:.2} ms for each), \
             {:.1} MiB",
            arguments.interval,
            requests.len(),
            stack.git.connections() - connections,
            per_object(cpu),
            mib(now.resident)
        ));
        before = now;
    }
    Ok(())
}

fn object(number: usize, url: &str, interval: u64) -> Value {
    json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository",
        "metadata": { "name": format!("app-{number}") },
        "spec": { "url": url, "interval": format!("{interval}s"), "ref": { "branch": "main" } }
    })
}
