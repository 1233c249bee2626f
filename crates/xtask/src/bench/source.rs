//! source-controller on real servers: a commit in a large repository against `git clone`, an unchanged remote, a thousand objects.
//!
//! Deliberately every part on a cluster and servers of its own, so that the idle figures of one are not what another left behind, and
//! no part of the way left out: the clocks run from the request (or the creation) to the status that a watch shows.
//!
//! Everything that is written, by the servers, by the controller and by what it is compared with, is below `TMPDIR`: set it to a file system
//! in memory to take the disk out of the comparison.

mod commit;
mod generate;
mod git_objects;
mod oci_objects;
mod report;
mod unchanged;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use sluice_e2e::{Controller, Stack};

use generate::History;

/// How much is measured.
#[derive(Args)]
pub(crate) struct Arguments {
    /// What is measured; all of it when not given.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
    /// A directory with a `source-controller` to measure in place of a release build.
    #[arg(long)]
    programs: Option<PathBuf>,
    /// Files of the large repository.
    #[arg(long, default_value_t = 20_000)]
    files: u32,
    /// Commits of the large repository.
    #[arg(long, default_value_t = 2_000)]
    commits: u32,
    /// Rounds of clone, first fetch and next commit, of which the medians count.
    #[arg(long, default_value_t = 7)]
    rounds: usize,
    /// Reconciles of the unchanged remote.
    #[arg(long, default_value_t = 50)]
    checks: u32,
    /// Objects of a kind.
    #[arg(long, default_value_t = 1_000)]
    objects: usize,
    /// Repositories that the objects share.
    #[arg(long, default_value_t = 20)]
    repositories: usize,
    /// Seconds from one check of a GitRepository of many to its next.
    #[arg(long, default_value_t = 60)]
    interval: u64,
    /// Intervals that are watched.
    #[arg(long, default_value_t = 3)]
    intervals: u32,
    /// The controller's `--concurrent`; its default when not given.
    #[arg(long)]
    concurrent: Option<usize>,
    /// Seconds of quiet before idle memory is read.
    #[arg(long, default_value_t = 10)]
    idle: u64,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// The first fetch and the next commit of a large repository, against `git clone --depth 1` and `tar | gzip`.
    Commit,
    /// Requests and bytes of a remote that has not changed.
    Unchanged,
    /// Many objects of the kind `OCIRepository` on one registry.
    Oci,
    /// Many objects of kind GitRepository on one host.
    Git,
}

impl Arguments {
    fn wants(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// The directory of the program to measure, if it is not to be built.
    pub(crate) fn programs(&self) -> Option<&Path> {
        self.programs.as_deref()
    }

    fn history(&self) -> History {
        History { files: self.files, commits: self.commits }
    }
}

/// Runs the parts that are asked for and prints their figures.
///
/// # Errors
/// When a part does not start, or an object does not get ready in time.
pub(crate) async fn run(programs: PathBuf, arguments: &Arguments) -> anyhow::Result<()> {
    report::print(&format!("the machine's load before: {}", report::load()));
    if arguments.wants(Part::Commit) {
        commit::run(&stack(&programs).await?, arguments).await?;
    }
    if arguments.wants(Part::Unchanged) {
        unchanged::run(&stack(&programs).await?, arguments).await?;
    }
    if arguments.wants(Part::Oci) {
        oci_objects::run(&stack(&programs).await?, arguments).await?;
    }
    if arguments.wants(Part::Git) {
        git_objects::run(&stack(&programs).await?, arguments).await?;
    }
    report::print(&format!("the machine's load after: {}", report::load()));
    Ok(())
}

async fn stack(programs: &Path) -> anyhow::Result<Stack> {
    let mut stack = Stack::start().await?;
    stack.programs = Some(programs.to_owned());
    Ok(stack)
}

async fn start(stack: &Stack, arguments: &Arguments) -> anyhow::Result<Controller> {
    let mut options = stack.source_controller()?;
    if let Some(concurrent) = arguments.concurrent {
        options = options.arg(format!("--concurrent={concurrent}"));
    }
    options.start().await
}
