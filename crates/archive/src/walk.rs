//! Walks a directory on disk in the order in which archives are packed.
//!
//! Deliberately absent: following links, and filters. A link is reported as something that is not packed.

use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::pack::{Content, Entry, FileMode, Node};

/// Walks everything below `root` lexically and depth first, a directory before what is in it.
///
/// `max_depth` bounds how many components a path may have: a deeper one is an error, as are a directory that cannot be
/// listed and an entry that vanished. Each directory is listed whole when the walk comes to it, contents are opened
/// only when the entry's `open` is called. The walk ends after the first error.
pub fn walk_directory(root: &Path, max_depth: usize) -> impl Iterator<Item = io::Result<Entry<'static>>> {
    let mut walk = Walk { root: root.to_owned(), max_depth, pending: Vec::new() };
    let mut start = Some(());
    std::iter::from_fn(move || {
        if start.take().is_some()
            && let Err(error) = walk.list(&[], 0)
        {
            return Some(Err(error));
        }
        let step = walk.step();
        if let Some(Err(_)) = step {
            walk.pending.clear();
        }
        step
    })
}

struct Walk {
    root: PathBuf,
    max_depth: usize,
    /// What is still to be visited, the next one last: path below the root, and its number of components.
    pending: Vec<(Vec<u8>, usize)>,
}

impl Walk {
    fn step(&mut self) -> Option<io::Result<Entry<'static>>> {
        let (path, depth) = self.pending.pop()?;
        Some(self.visit(path, depth))
    }

    fn visit(&mut self, path: Vec<u8>, depth: usize) -> io::Result<Entry<'static>> {
        let absolute = self.absolute(&path);
        let metadata = fs::symlink_metadata(&absolute)?;
        let node = if metadata.is_dir() {
            self.list(&path, depth)?;
            Node::Directory
        } else if metadata.is_file() {
            Node::file(FileMode::from_bits(metadata.mode()), move || open(&absolute))
        } else {
            Node::Other
        };
        Ok(Entry { path, node })
    }

    /// Puts the entries of a directory on the stack, the lexically first one on top.
    fn list(&mut self, path: &[u8], depth: usize) -> io::Result<()> {
        let names = fs::read_dir(self.absolute(path))?
            .map(|entry| entry.map(|entry| entry.file_name().into_vec()))
            .collect::<io::Result<Vec<_>>>()?;
        if depth >= self.max_depth && !names.is_empty() {
            return Err(io::Error::other(format!("path deeper than {} components", self.max_depth)));
        }
        let start = self.pending.len();
        self.pending.extend(names.into_iter().map(|name| {
            let child = if path.is_empty() { name } else { [path, b"/", &name].concat() };
            (child, depth + 1)
        }));
        self.pending[start..].sort_unstable_by(|a, b| b.cmp(a));
        Ok(())
    }

    fn absolute(&self, path: &[u8]) -> PathBuf {
        self.root.join(std::ffi::OsString::from_vec(path.to_vec()))
    }
}

fn open(path: &Path) -> io::Result<Content<'static>> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    // A file that became something else since it was listed, such as a link to a device.
    if !metadata.is_file() {
        return Err(io::Error::other("no longer a regular file"));
    }
    Ok(Content::from_reader(metadata.len(), file))
}

#[cfg(test)]
mod tests;
