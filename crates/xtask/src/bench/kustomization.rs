//! Kustomizations by the hundreds, with the real controllers in the release profile on a real API server.
//!
//! Deliberately one cluster per run, everything on the same machine: what the API server, the registry and this program take is not there for
//! the controllers. Ratios to a floor measured in the same run say how much of the time is the controllers' own.

mod api_requests;
mod floor;
pub(crate) mod monorepo;
pub(crate) mod mttp;
mod objects;
pub(crate) mod unhealthy;

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use sluice_e2e::{Controller, Stack};

use super::peak;
use super::process::{Usage, mib, usage};

/// The longest that all objects together may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(1800);

/// What all of these have in common.
#[derive(Args)]
pub(crate) struct Common {
    /// A directory with the controllers to measure in place of a release build.
    #[arg(long)]
    pub(crate) programs: Option<PathBuf>,
    /// The controllers' `--concurrent`; their default when not given.
    #[arg(long)]
    concurrent: Option<usize>,
    /// Seconds of quiet before idle figures are read.
    #[arg(long, default_value_t = 10)]
    idle: u64,
}

async fn stack(programs: &Path) -> anyhow::Result<Stack> {
    let mut stack = Stack::start_managed().await?;
    stack.programs = Some(programs.to_owned());
    Ok(stack)
}

/// A controller under measurement.
struct Measured {
    name: &'static str,
    controller: Controller,
    before: Usage,
}

impl Measured {
    /// Starts the source-controller and the kustomize-controller.
    async fn both(stack: &Stack, common: &Common) -> anyhow::Result<Vec<Self>> {
        let with = |options: sluice_testkit::controller::Options| match common.concurrent {
            Some(concurrent) => options.arg(format!("--concurrent={concurrent}")),
            None => options,
        };
        let source = with(stack.source_controller()?).start().await?;
        let kustomize = with(stack.kustomize_controller()?).start().await?;
        tokio::time::sleep(Duration::from_secs(common.idle)).await;
        let measured = |name, controller: Controller| {
            let before = usage(controller.pid())?;
            Ok::<_, anyhow::Error>(Self { name, controller, before })
        };
        Ok(vec![measured("source-controller", source)?, measured("kustomize-controller", kustomize)?])
    }

    /// Begins a part of the measurement.
    fn begin(&mut self) -> anyhow::Result<()> {
        peak::forget(self.controller.pid())?;
        self.before = usage(self.controller.pid())?;
        Ok(())
    }

    /// What the part took, as a line.
    fn line(&self) -> anyhow::Result<String> {
        let now = usage(self.controller.pid())?;
        let most = peak::resident(self.controller.pid())?;
        Ok(format!(
            "  {:<22} CPU {:>6.2} s   resident MiB: before {:>5.1}, peak {:>5.1}, after {:>5.1}",
            self.name,
            now.cpu - self.before.cpu,
            mib(self.before.resident),
            mib(most),
            mib(now.resident)
        ))
    }
}

/// Prints a line of the benchmark's output.
#[expect(clippy::print_stdout, reason = "the figures are the program's output")]
fn print(line: &str) {
    println!("{line}");
}

/// Milliseconds of a sorted list of times at this share of it.
fn at(times: &[Duration], share: usize) -> u128 {
    let index = (times.len() * share / 100).min(times.len().saturating_sub(1));
    times.get(index).copied().unwrap_or_default().as_millis()
}
