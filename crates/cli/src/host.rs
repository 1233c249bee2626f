//! [`HostTree`]: the whole file system as a tree, for a person at a command line. It only reads, and it does not fence anything in:
//! the load restriction of the build does.

use std::borrow::Cow;
use std::path::Path;

use sluice_kustomize::{DirTree, EntryKind, FileTree, ReadError, RelPath};

/// Bytes of the largest file that is read.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// The file system. Paths are absolute ones without their first slash.
#[derive(Debug, Clone)]
pub struct HostTree(DirTree);

impl HostTree {
    /// The file system.
    ///
    /// # Errors
    /// `/` cannot be looked at.
    pub fn new() -> Result<Self, std::io::Error> {
        DirTree::new(Path::new("/"), MAX_FILE_BYTES).map(Self)
    }
}

impl FileTree for HostTree {
    fn read(&self, path: &RelPath) -> Result<Cow<'_, [u8]>, ReadError> {
        self.0.read(path)
    }

    fn kind(&self, path: &RelPath) -> Option<EntryKind> {
        self.0.kind(path)
    }

    fn list(&self, path: &RelPath) -> Result<Vec<(String, EntryKind)>, ReadError> {
        self.0.list(path)
    }

    /// Links are followed, so that a link out of a kustomization's directory is seen by the load restriction.
    fn real_path(&self, path: &RelPath) -> RelPath {
        self.0.real_path(path)
    }
}
