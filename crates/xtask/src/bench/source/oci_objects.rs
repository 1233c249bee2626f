//! Many objects of the kind `OCIRepository` on one registry, created at once: time until all are ready, memory above idle, CPU.
//!
//! Deliberately a controller that runs already: its idle memory is what the peak is compared with.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};
use sluice_e2e::Stack;
use sluice_testkit::registry::{Image, Registry, RegistryOptions};

use super::report::print;
use super::{Arguments, start};
use crate::bench::peak;
use crate::bench::process::{mib, usage};
use crate::bench::ready::{Watch, api, create};

/// The longest that all objects together may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(900);
/// Tags of a repository, each an image of its own.
const TAGS: usize = 5;
/// Lines of the one manifest in an image: some 4 KiB.
const LINES: usize = 128;

/// Measures and prints.
///
/// # Errors
/// When a part does not start, or the objects are not all ready in time.
pub(super) async fn run(stack: &Stack, arguments: &Arguments) -> anyhow::Result<()> {
    let registry = Registry::start(RegistryOptions::default())?;
    let repositories = arguments.repositories.max(1);
    for repository in 0..repositories {
        for tag in 0..TAGS {
            registry.push_image(&repository_name(repository), &tag_name(tag), &image(repository, tag)?)?;
        }
    }
    let controller = start(stack, arguments).await?;
    tokio::time::sleep(Duration::from_secs(arguments.idle)).await;
    let idle = usage(controller.pid())?;
    peak::forget(controller.pid())?;
    let kind = api(stack.client(), "source", "OCIRepository", "ocirepositories");
    let mut watch = Watch::open(kind.clone());
    let objects = (0..arguments.objects).map(|number| object(&registry, number, repositories)).collect();
    let started = Instant::now();
    create(&kind, objects).await?;
    let created = started.elapsed();
    let times = watch.all_ready(arguments.objects, started, PATIENCE).await?;
    let (after, most) = (usage(controller.pid())?, peak::resident(controller.pid())?);
    let cpu = after.cpu - idle.cpu;
    let count = f64::from(u32::try_from(arguments.objects.max(1))?);
    print(&format!(
        "{} OCIRepositories on one registry ({repositories} repositories of {TAGS} tags), created within {} ms:",
        arguments.objects,
        created.as_millis()
    ));
    print(&format!(
        "  all ready after {} ms, half of them after {} ms",
        times.last().copied().unwrap_or_default().as_millis(),
        times.get(times.len() / 2).copied().unwrap_or_default().as_millis()
    ));
    print(&format!(
        "  resident MiB: idle {:.1}, peak {:.1} ({:.1} above), at the end {:.1}",
        mib(idle.resident),
        mib(most),
        mib(most.saturating_sub(idle.resident)),
        mib(after.resident)
    ));
    print(&format!("  CPU {cpu:.2} s, {:.1} ms for each", cpu * 1000.0 / count));
    print(&format!("  {} requests at the registry", registry.take_requests().len()));
    Ok(())
}

fn repository_name(repository: usize) -> String {
    format!("team/app-{repository}")
}

fn tag_name(tag: usize) -> String {
    format!("1.{tag}.0")
}

fn object(registry: &Registry, number: usize, repositories: usize) -> Value {
    let repository = repository_name(number % repositories);
    let tag = tag_name(number / repositories % TAGS);
    json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "OCIRepository",
        "metadata": { "name": format!("app-{number}") },
        "spec": { "url": registry.oci_url(&repository), "interval": "1h", "insecure": true, "ref": { "tag": tag } }
    })
}

/// An image as `flux push artifact` makes one, of one manifest; packed by the system's `tar`, not by ourselves.
#[expect(clippy::disallowed_methods, reason = "a task of the repository; the images are not to be of our making")]
fn image(repository: usize, tag: usize) -> anyhow::Result<Image> {
    let dir = tempfile::tempdir().context("a directory for the image")?;
    let entry = |line: usize| format!("  key-{repository}-{tag}-{line}: value of line {line}\n");
    let data: String = (0..LINES).map(entry).collect();
    let manifest = format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app-{repository}\ndata:\n{data}");
    std::fs::write(dir.path().join("config.yaml"), manifest).context("write the image's file")?;
    let mut tar = std::process::Command::new("tar");
    let output = tar.arg("-C").arg(dir.path()).args(["-czf", "-", "."]).output().context("run tar")?;
    anyhow::ensure!(output.status.success(), "tar: {}", String::from_utf8_lossy(&output.stderr));
    Ok(Image::flux(output.stdout))
}
