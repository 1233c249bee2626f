//! What cargo knows about the workspace. Deliberately for all platforms: a licence counts wherever the code is built.

use std::path::Path;

use anyhow::Context as _;
use cargo_metadata::{Metadata, MetadataCommand};

/// Asks cargo about the workspace in `root` as its lock file has it.
///
/// # Errors
/// If cargo cannot be run or refuses, for instance because the lock file is not up to date.
pub(crate) fn load(root: &Path) -> anyhow::Result<Metadata> {
    let mut command = MetadataCommand::new();
    command.manifest_path(root.join("Cargo.toml")).other_options(["--locked".to_owned()]);
    command.exec().context("ask cargo about the workspace")
}
