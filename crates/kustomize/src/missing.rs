//! What a build says of paths that lead nowhere. The words are kustomize's, down to the first part of a path that is missing.

use crate::build::Engine;
use crate::error::{BuildError, describe};
use crate::options::LoadRestrictor;
use crate::path::RelPath;
use crate::tree::{EntryKind, FileTree as _, ReadError};

impl Engine<'_> {
    /// Whether a directory stands at a path, which messages call `name`.
    pub(crate) fn check_directory(&self, dir: &RelPath, name: &str) -> Result<(), BuildError> {
        let problem = match self.tree.kind(dir) {
            Some(EntryKind::Dir) => return Ok(()),
            Some(EntryKind::File) => format!("'{name}': file is not directory"),
            None => format!("not a valid directory: {}", self.unresolved(dir, name)),
        };
        Err(BuildError::NotADirectory { problem })
    }

    /// Why a path leads nowhere: its first part that is missing.
    fn unresolved(&self, path: &RelPath, name: &str) -> String {
        let mount = path.split_mount();
        let within = mount.as_ref().map_or(path, |(_, within)| within);
        let mut below = RelPath::root().mounted_as(path);
        let mut problem = "no such file or directory";
        for part in within.as_str().split('/') {
            let parent = self.tree.kind(&below);
            let Ok(next) = below.join(part) else { break };
            below = next;
            if parent == Some(EntryKind::File) {
                problem = "not a directory";
                break;
            }
            if self.tree.kind(&below).is_none() {
                break;
            }
        }
        format!("evalsymlink failure on '{name}' : lstat {}: {problem}", self.shown(&below))
    }

    /// What kustomize says of a file that cannot be read.
    pub(crate) fn unreadable(&self, path: &RelPath, error: &ReadError) -> String {
        let shown = self.shown(path);
        match (self.options.load_restrictor, error) {
            (LoadRestrictor::RootOnly, ReadError::NotFound { .. }) => self.unresolved(path, &shown),
            (LoadRestrictor::RootOnly, ReadError::NotAFile { .. }) => format!("'{shown}' must resolve to a file"),
            (LoadRestrictor::None, ReadError::NotFound { .. }) => format!("open {shown}: no such file or directory"),
            (LoadRestrictor::None, ReadError::NotAFile { .. }) => format!("read {shown}: is a directory"),
            (_, other) => describe(other),
        }
    }
}
