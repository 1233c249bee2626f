//! Tasks of the repository, run as `cargo xtask NAME`: what generates files, and what checks that they are up to date.
//!
//! Deliberately nothing that a controller needs, and no task that belongs to one module only: this file is the dispatcher, each
//! command is a module.

mod arch;
mod bench;
mod crds;
mod kustomize_diff;
mod metadata;
mod tidy;

use std::path::{Path, PathBuf};

use clap::{Parser, Subcommand};

/// Tasks of the repository.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes the custom resource definitions to config/crd.
    Crds(crds::Arguments),
    /// Compares the crates with the table in docs/architecture.md.
    Arch,
    /// Measures the real programs, and prints what it measured.
    Bench {
        #[command(subcommand)]
        bench: bench::Bench,
    },
    /// Compares random builds of our kustomize library with kustomize itself.
    KustomizeDiff(kustomize_diff::Arguments),
    /// Checks the repository's own rules: module docs, leftovers, dependencies, licences, scripts.
    Tidy,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Crds(arguments) => crds::run(&repository_root(), &arguments),
        Command::Arch => arch::run(&repository_root()),
        Command::Bench { bench } => bench::run(&repository_root(), &bench),
        Command::KustomizeDiff(arguments) => kustomize_diff::run(&arguments),
        Command::Tidy => tidy::run(&repository_root()),
    }
}

/// The root of the repository that this program was built in.
fn repository_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}
