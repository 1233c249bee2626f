//! `cargo xtask bench NAME`: programs that measure the real controllers in the release profile and print figures.
//!
//! Deliberately no thresholds: a benchmark tells, a person judges.

mod kustomization;
mod kustomize;
mod peak;
mod process;
mod push;
mod ready;
mod source;

use std::path::Path;
use std::process::Command;

use anyhow::Context as _;
use clap::Subcommand;

/// What can be measured.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// The time from a webhook to the changed object, the idle memory, and memory and CPU over many reconciles.
    Push(push::Arguments),
    /// Many sources and Kustomizations at once: time until all are ready, requests, CPU, memory, and the ratio to the bare writes.
    Mttp(kustomization::mttp::Arguments),
    /// Many Kustomizations on one repository: a push that touches one of their paths.
    Monorepo(kustomization::monorepo::Arguments),
    /// Kustomizations of which some never become healthy: the others' time.
    Unhealthy(kustomization::unhealthy::Arguments),
    /// The time of a build from a thousand to fifty thousand resources.
    Kustomize(kustomize::Arguments),
    /// Sources: a commit of a large repository against `git clone`, an unchanged remote, a thousand objects.
    Source(source::Arguments),
}

/// Builds the controllers in the release profile and runs a benchmark.
///
/// # Errors
/// When a build or a part of the set-up fails.
pub(crate) fn run(root: &Path, bench: &Bench) -> anyhow::Result<()> {
    match bench {
        Bench::Push(arguments) => {
            let programs =
                build_release(root, &["source-controller", "kustomize-controller", "notification-controller"])?;
            let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
            runtime.block_on(push::run(programs, arguments))
        }
        Bench::Source(arguments) => {
            let programs = match arguments.programs() {
                Some(programs) => std::path::absolute(programs).context("the directory of the programs")?,
                None => build_release(root, &["source-controller"])?,
            };
            let runtime = tokio::runtime::Runtime::new().context("start the runtime")?;
            runtime.block_on(source::run(programs, arguments))
        }
        Bench::Mttp(arguments) => block_on(kustomization::mttp::run(programs(root, &arguments.common)?, arguments)),
        Bench::Monorepo(arguments) => {
            block_on(kustomization::monorepo::run(programs(root, &arguments.common)?, arguments))
        }
        Bench::Unhealthy(arguments) => {
            block_on(kustomization::unhealthy::run(programs(root, &arguments.common)?, arguments))
        }
        // The library is a part of this program, which is to be run in the release profile itself.
        Bench::Kustomize(arguments) => kustomize::run(arguments),
    }
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::runtime::Runtime::new().context("start the runtime")?.block_on(work)
}

/// The controllers that are measured: those that are named, or a release build.
fn programs(root: &Path, common: &kustomization::Common) -> anyhow::Result<std::path::PathBuf> {
    match &common.programs {
        Some(programs) => std::path::absolute(programs).context("the directory of the programs"),
        None => build_release(root, &["source-controller", "kustomize-controller", "notification-controller"]),
    }
}

#[expect(clippy::disallowed_methods, reason = "a task of the repository runs cargo")]
fn build_release(root: &Path, packages: &[&str]) -> anyhow::Result<std::path::PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["build", "--release", "--locked"]);
    for package in packages {
        cargo.args(["--package", package]);
    }
    anyhow::ensure!(cargo.status().context("run cargo")?.success(), "cargo build --release failed");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), Into::into);
    Ok(target.join("release"))
}
