//! Where a build reads from: [`FileTree`], a tree in memory, an overlay of generated files, and the record of what was read.
//!
//! Nothing here touches a disk; see [`crate::dir_tree`] for the one module that does.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use thiserror::Error;

use crate::path::RelPath;

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file.
    File,
    /// A directory.
    Dir,
}

/// A read-only tree of files. Symbolic links are followed by the implementation, which never leaves its root.
pub trait FileTree {
    /// The content of a file.
    ///
    /// # Errors
    /// There is no such file, it may not be read, or it is too large.
    fn read(&self, path: &RelPath) -> Result<Cow<'_, [u8]>, ReadError>;

    /// What stands at a path; `None` if nothing does or it may not be looked at.
    fn kind(&self, path: &RelPath) -> Option<EntryKind>;

    /// The names in a directory, sorted by their bytes.
    ///
    /// # Errors
    /// There is no such directory or it may not be read.
    fn list(&self, path: &RelPath) -> Result<Vec<(String, EntryKind)>, ReadError>;

    /// The path without symbolic links; the path itself if there are none, if it leads nowhere, or if the tree is a fence by
    /// itself. Relative paths and the load restriction are judged by it.
    fn real_path(&self, path: &RelPath) -> RelPath {
        path.clone()
    }
}

/// Why a file could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// Nothing is there.
    #[error("lstat {path}: no such file or directory")]
    NotFound {
        /// The path.
        path: RelPath,
    },
    /// A directory stands where a file was asked for.
    #[error("'{path}' must resolve to a file")]
    NotAFile {
        /// The path.
        path: RelPath,
    },
    /// A file stands where a directory was asked for.
    #[error("'{path}': file is not directory")]
    NotADirectory {
        /// The path.
        path: RelPath,
    },
    /// A symbolic link leads out of the tree.
    #[error("fs-security-constraint {path}: path '{path}' is not in or below the root")]
    Outside {
        /// The path.
        path: RelPath,
    },
    /// The file is larger than the tree allows.
    #[error("{path} is larger than {limit} bytes")]
    TooLarge {
        /// The path.
        path: RelPath,
        /// The limit in bytes.
        limit: u64,
    },
    /// The medium failed.
    #[error("reading {path}")]
    Io {
        /// The path.
        path: RelPath,
        /// The cause.
        source: std::io::Error,
    },
}

/// A tree in memory. Directories are there because a file lies below them.
#[derive(Debug, Clone, Default)]
pub struct MemoryTree {
    files: BTreeMap<RelPath, Vec<u8>>,
}

impl MemoryTree {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a file.
    pub fn insert(&mut self, path: RelPath, content: impl Into<Vec<u8>>) {
        self.files.insert(path, content.into());
    }

    /// Paths and contents in order.
    pub fn files(&self) -> impl Iterator<Item = (&RelPath, &[u8])> {
        self.files.iter().map(|(path, content)| (path, content.as_slice()))
    }

    fn below<'s>(&'s self, path: &'s RelPath) -> impl Iterator<Item = &'s RelPath> {
        // The files below a directory are neighbours in the order of paths, but for names such as `a-b` beside `a/`.
        self.files
            .range(path..)
            .map(|(file, _)| file)
            .take_while(move |file| file.as_str().starts_with(path.as_str()))
            .filter(move |file| *file != path && file.is_within(path))
    }
}

impl FileTree for MemoryTree {
    fn read(&self, path: &RelPath) -> Result<Cow<'_, [u8]>, ReadError> {
        match self.files.get(path) {
            Some(content) => Ok(Cow::Borrowed(content)),
            None if self.kind(path).is_some() => Err(ReadError::NotAFile { path: path.clone() }),
            None => Err(ReadError::NotFound { path: path.clone() }),
        }
    }

    fn kind(&self, path: &RelPath) -> Option<EntryKind> {
        if self.files.contains_key(path) {
            return Some(EntryKind::File);
        }
        (path == &RelPath::root() || self.below(path).next().is_some()).then_some(EntryKind::Dir)
    }

    fn list(&self, path: &RelPath) -> Result<Vec<(String, EntryKind)>, ReadError> {
        match self.kind(path) {
            Some(EntryKind::Dir) => {}
            Some(EntryKind::File) => return Err(ReadError::NotADirectory { path: path.clone() }),
            None => return Err(ReadError::NotFound { path: path.clone() }),
        }
        let skip = if path == &RelPath::root() { 0 } else { path.as_str().len() + 1 };
        let entries: BTreeMap<String, EntryKind> = self
            .below(path)
            .map(|file| match file.as_str()[skip..].split_once('/') {
                Some((name, _)) => (name.to_owned(), EntryKind::Dir),
                None => (file.as_str()[skip..].to_owned(), EntryKind::File),
            })
            .collect();
        Ok(entries.into_iter().collect())
    }
}

/// A few files laid over another tree: a generated top file, decrypted files. The tree below is never written to.
pub struct OverlayTree<'t> {
    below: &'t dyn FileTree,
    above: MemoryTree,
}

impl<'t> OverlayTree<'t> {
    /// Lays `above` over `below`; a file of `above` hides whatever stands at its path.
    pub fn new(below: &'t dyn FileTree, above: MemoryTree) -> Self {
        Self { below, above }
    }

    /// Adds or replaces a file of the overlay.
    pub fn insert(&mut self, path: RelPath, content: impl Into<Vec<u8>>) {
        self.above.insert(path, content);
    }

    /// The files of the overlay.
    pub fn overlay(&self) -> &MemoryTree {
        &self.above
    }
}

impl FileTree for OverlayTree<'_> {
    fn read(&self, path: &RelPath) -> Result<Cow<'_, [u8]>, ReadError> {
        if self.above.files.contains_key(path) { self.above.read(path) } else { self.below.read(path) }
    }

    fn kind(&self, path: &RelPath) -> Option<EntryKind> {
        if self.above.files.contains_key(path) {
            return Some(EntryKind::File);
        }
        self.below.kind(path).or_else(|| self.above.kind(path))
    }

    fn list(&self, path: &RelPath) -> Result<Vec<(String, EntryKind)>, ReadError> {
        let above = self.above.list(path).unwrap_or_default();
        let mut entries: BTreeMap<String, EntryKind> = match self.below.list(path) {
            Ok(entries) => entries.into_iter().collect(),
            Err(_) if !above.is_empty() => BTreeMap::new(),
            Err(error) => return Err(error),
        };
        entries.extend(above);
        Ok(entries.into_iter().collect())
    }

    fn real_path(&self, path: &RelPath) -> RelPath {
        // What is laid over a link's own path would not be found behind the link.
        if self.above.kind(path).is_some() { path.clone() } else { self.below.real_path(path) }
    }
}

/// Everything that a build looked at. Another revision of the tree builds the same if every file has the same content, every
/// directory is still a directory, every listed directory has the same names, everything absent is
/// still absent, and every link leads where it led.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReadSet {
    /// Files whose content was read, or whose presence alone mattered.
    pub files: BTreeSet<RelPath>,
    /// Paths that were found to be directories.
    pub dirs: BTreeSet<RelPath>,
    /// Directories whose names were listed.
    pub listed: BTreeSet<RelPath>,
    /// Paths that were looked up in vain.
    pub absent: BTreeSet<RelPath>,
    /// Paths that symbolic links lead elsewhere, and where; what was read there is named by where it is.
    pub links: BTreeMap<RelPath, RelPath>,
}

impl ReadSet {
    /// Adds what another set has.
    pub fn extend(&mut self, other: Self) {
        self.files.extend(other.files);
        self.dirs.extend(other.dirs);
        self.listed.extend(other.listed);
        self.absent.extend(other.absent);
        self.links.extend(other.links);
    }
}

/// A tree that records every look at it.
pub(crate) struct Recorder<'t> {
    tree: &'t dyn FileTree,
    seen: RefCell<ReadSet>,
}

impl<'t> Recorder<'t> {
    pub(crate) fn new(tree: &'t dyn FileTree) -> Self {
        Self { tree, seen: RefCell::default() }
    }

    pub(crate) fn into_read_set(self) -> ReadSet {
        self.seen.into_inner()
    }
}

impl FileTree for Recorder<'_> {
    fn read(&self, path: &RelPath) -> Result<Cow<'_, [u8]>, ReadError> {
        let result = self.tree.read(path);
        let mut seen = self.seen.borrow_mut();
        let set = match &result {
            Ok(_) | Err(ReadError::TooLarge { .. } | ReadError::Io { .. }) => &mut seen.files,
            Err(ReadError::NotAFile { .. }) => &mut seen.dirs,
            Err(_) => &mut seen.absent,
        };
        set.insert(path.clone());
        result
    }

    fn kind(&self, path: &RelPath) -> Option<EntryKind> {
        let kind = self.tree.kind(path);
        let mut seen = self.seen.borrow_mut();
        let set = match kind {
            Some(EntryKind::File) => &mut seen.files,
            Some(EntryKind::Dir) => &mut seen.dirs,
            None => &mut seen.absent,
        };
        set.insert(path.clone());
        kind
    }

    fn list(&self, path: &RelPath) -> Result<Vec<(String, EntryKind)>, ReadError> {
        self.seen.borrow_mut().listed.insert(path.clone());
        self.tree.list(path)
    }

    fn real_path(&self, path: &RelPath) -> RelPath {
        let real = self.tree.real_path(path);
        if real != *path {
            self.seen.borrow_mut().links.insert(path.clone(), real.clone());
        }
        real
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    fn tree() -> MemoryTree {
        let mut tree = MemoryTree::new();
        for name in ["a-b", "a/x", "a/y/z", "b"] {
            tree.insert(path(name), name);
        }
        tree
    }

    #[test]
    fn a_memory_tree_has_the_directories_that_its_files_imply() {
        let tree = tree();
        assert_eq!(tree.kind(&path("a")), Some(EntryKind::Dir));
        assert_eq!(tree.kind(&path("a/y/z")), Some(EntryKind::File));
        assert_eq!(tree.kind(&path("c")), None);
        assert_eq!(
            tree.list(&path("a")).unwrap(),
            [("x".to_owned(), EntryKind::File), ("y".to_owned(), EntryKind::Dir)]
        );
        assert_eq!(tree.list(&path("")).unwrap().len(), 3);
        assert!(matches!(tree.read(&path("a")), Err(ReadError::NotAFile { .. })));
    }

    #[test]
    fn an_overlay_hides_and_adds_without_changing_what_is_below() {
        let below = tree();
        let mut overlay = OverlayTree::new(&below, MemoryTree::new());
        overlay.insert(path("b"), "new");
        overlay.insert(path("c/d"), "d");
        assert_eq!(&*overlay.read(&path("b")).unwrap(), b"new");
        assert_eq!(&*overlay.read(&path("a/x")).unwrap(), b"a/x");
        assert_eq!(overlay.kind(&path("c")), Some(EntryKind::Dir));
        assert_eq!(overlay.list(&path("")).unwrap().len(), 4);
        assert_eq!(&*below.read(&path("b")).unwrap(), b"b");
    }

    #[test]
    fn every_look_is_recorded_the_vain_ones_too() {
        let tree = tree();
        let recorder = Recorder::new(&tree);
        let _ = (recorder.read(&path("b")), recorder.read(&path("nope")), recorder.kind(&path("a")));
        let _ = recorder.list(&path("a"));
        let set = |names: &[&str]| names.iter().map(|name| path(name)).collect::<BTreeSet<_>>();
        let expected = ReadSet {
            files: set(&["b"]),
            dirs: set(&["a"]),
            listed: set(&["a"]),
            absent: set(&["nope"]),
            ..ReadSet::default()
        };
        assert_eq!(recorder.into_read_set(), expected);
    }
}
