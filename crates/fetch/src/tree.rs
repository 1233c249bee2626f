//! An unpacked artifact on disk.
//!
//! Deliberately not here: reading it; a tree is a path.

use std::path::{Path, PathBuf};

use sluice_artifact::Digest;
use tempfile::TempDir;

/// An unpacked artifact, read-only by convention. It stays on disk as long as somebody holds it or it is among the recent ones.
#[derive(Debug)]
pub struct Tree {
    /// Taken when the tree is dropped.
    dir: Option<TempDir>,
    path: PathBuf,
    digest: Digest,
}

impl Tree {
    /// `dir` is removed with the tree, `path` is the artifact's root inside it.
    pub(crate) fn new(dir: TempDir, path: PathBuf, digest: Digest) -> Self {
        Self { dir: Some(dir), path, digest }
    }

    /// The artifact's root directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The digest of the archive.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // Removing a large tree takes long, and the last holder is usually an async task. What cannot be removed is found at the next start.
        if let (Some(dir), Ok(runtime)) = (self.dir.take(), tokio::runtime::Handle::try_current()) {
            drop(runtime.spawn_blocking(move || drop(dir)));
        }
    }
}
