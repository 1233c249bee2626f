//! Runs both engines over one set of files.
//!
//! Deliberately no judgement: what counts as equal is decided by the caller.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context as _;
use sluice_kustomize::{
    Attempt, LoadRestrictor, MemoryTree, Options, RelPath, Reorder, attempt, build, describe, yaml_of,
};

use super::layers::TOP;
use super::tree::{Files, file_text};

/// The orders that are compared, with the oracle's word for each.
pub(super) const ORDERS: [(Reorder, &str); 2] = [(Reorder::None, "none"), (Reorder::Legacy, "legacy")];

/// What a build printed, or why it failed.
pub(super) type Outcome = Result<String, String>;

/// The program to compare with, and a directory for its inputs.
pub(super) struct Oracle<'p> {
    program: &'p Path,
    dir: PathBuf,
}

impl<'p> Oracle<'p> {
    /// An oracle that writes its inputs below `dir`, which is its own.
    pub(super) fn new(program: &'p Path, dir: PathBuf) -> Self {
        Self { program, dir }
    }

    /// The directory as messages name it.
    pub(super) fn root(&self) -> String {
        self.dir.display().to_string()
    }

    /// Writes the files, in place of those before.
    ///
    /// # Errors
    /// If the directory cannot be written.
    pub(super) fn prepare(&self, files: &Files) -> anyhow::Result<()> {
        if self.dir.exists() {
            fs::remove_dir_all(&self.dir).context("remove the files before")?;
        }
        fs::create_dir_all(self.dir.join(TOP)).context("create the directory to build")?;
        for (path, content) in files {
            let path = self.dir.join(path);
            fs::create_dir_all(path.parent().unwrap_or(&self.dir)).context("create a directory")?;
            fs::write(&path, file_text(content)).with_context(|| format!("write {}", path.display()))?;
        }
        Ok(())
    }

    /// Builds the files that were prepared.
    ///
    /// # Errors
    /// If the program cannot be started.
    #[expect(clippy::disallowed_methods, reason = "the task is to compare with a program")]
    pub(super) fn build(&self, order: &str) -> anyhow::Result<Outcome> {
        let reorder = format!("--reorder={order}");
        let output = Command::new(self.program)
            .args(["build", TOP, &reorder])
            .current_dir(&self.dir)
            .output()
            .with_context(|| format!("run {}", self.program.display()))?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) })
    }
}

/// Builds the files with our library. A panic is a failure like others, and says so.
pub(super) fn ours(files: &Files, reorder: Reorder, root: &str) -> Outcome {
    let attempt = || -> Outcome {
        let (tree, options) = (memory(files)?, Options { root_label: root.to_owned(), reorder, ..options() });
        let top = RelPath::new(TOP).map_err(|error| error.to_string())?;
        let Attempt { result, warnings, .. } = attempt(&tree, (TOP, &top), &options);
        let built = result.map_err(|error| describe(&error));
        built.and_then(|resources| yaml_of(&resources).map_err(|error| describe(&error))).map_err(|error| {
            let mut lines = warnings.clone();
            lines.push(format!("Error: {error}\n"));
            lines.join("\n")
        })
    };
    catch_unwind(AssertUnwindSafe(attempt)).unwrap_or_else(|_| Err("the library panicked".to_owned()))
}

/// The objects of one directory, built with our library; nothing if that fails.
pub(super) fn tried(files: &Files, dir: &str) -> Option<Vec<serde_json::Value>> {
    let attempt = || {
        let tree = memory(files).ok()?;
        let built = build(&tree, &RelPath::new(dir).ok()?, &options()).ok()?;
        built.resources.iter().map(|resource| resource.to_json().ok()).collect()
    };
    catch_unwind(AssertUnwindSafe(attempt)).ok().flatten()
}

fn memory(files: &Files) -> Result<MemoryTree, String> {
    let mut tree = MemoryTree::new();
    for (path, content) in files {
        tree.insert(RelPath::new(path).map_err(|error| error.to_string())?, file_text(content));
    }
    Ok(tree)
}

fn options() -> Options {
    Options { load_restrictor: LoadRestrictor::RootOnly, reorder: Reorder::None, ..Options::default() }
}
