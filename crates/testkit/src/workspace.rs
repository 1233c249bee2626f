//! Where things are in this repository: its root and the programs that cargo built.
//!
//! Deliberately no building: whoever runs the tests builds the programs first.

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// The repository's root directory.
///
/// # Panics
/// Never in a checkout: this crate lies two directories below the root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the crate lies in <root>/crates/testkit")
}

/// A program of this workspace, in the profile directory that the running test comes from (`target/debug/deps/x` finds `target/debug/name`).
///
/// # Errors
/// If it has not been built.
pub fn program(name: &str) -> anyhow::Result<PathBuf> {
    let current = std::env::current_exe().context("find the running program")?;
    current
        .ancestors()
        .skip(1)
        .take(2)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
        .with_context(|| format!("{name} is not built (cargo build --bin {name}); looked beside {}", current.display()))
}
