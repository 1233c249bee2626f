//! [`LinkTree`]: a tree in memory that has symbolic links, such as the tree of a Git commit. No link leaves its root, and no chain of
//! links is followed for long.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::path::RelPath;
use crate::tree::{EntryKind, FileTree, MemoryTree, ReadError};

/// Links followed for one path, as in Linux.
const MAX_LINKS: usize = 40;

/// Files and symbolic links in memory. Directories are there because something lies below them.
#[derive(Debug, Clone, Default)]
pub struct LinkTree {
    files: MemoryTree,
    links: BTreeMap<RelPath, String>,
    /// Directories that hold links, which the files alone do not imply.
    link_dirs: BTreeSet<RelPath>,
}

impl LinkTree {
    /// An empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a file.
    pub fn insert(&mut self, path: RelPath, content: impl Into<Vec<u8>>) {
        self.files.insert(path, content.into());
    }

    /// Adds or replaces a symbolic link. Its target is not looked at before the link is followed.
    pub fn link(&mut self, path: RelPath, target: impl Into<String>) {
        let mut dir = path.parent();
        while let Some(parent) = dir {
            dir = parent.parent();
            self.link_dirs.insert(parent);
        }
        self.links.insert(path, target.into());
    }

    /// The path without links. A link out of the root is an attempt to read what is not in the tree.
    fn resolve(&self, path: &RelPath) -> Result<RelPath, ReadError> {
        let mut left = MAX_LINKS;
        let mut todo: Vec<String> = path.as_str().rsplit('/').map(str::to_owned).collect();
        let mut done = RelPath::root();
        while let Some(part) = todo.pop() {
            let outside = |_| ReadError::Outside { path: path.clone() };
            let next = done.join(&part).map_err(outside)?;
            let Some(target) = self.links.get(&next).filter(|_| part != "..") else {
                done = next;
                continue;
            };
            left = left.checked_sub(1).ok_or_else(|| ReadError::NotFound { path: path.clone() })?;
            if target.starts_with('/') || target.contains('\0') {
                return Err(ReadError::Outside { path: path.clone() });
            }
            todo.extend(target.rsplit('/').map(str::to_owned));
        }
        Ok(done)
    }
}

impl FileTree for LinkTree {
    fn read(&self, path: &RelPath) -> Result<Cow<'_, [u8]>, ReadError> {
        self.files.read(&self.resolve(path)?)
    }

    fn kind(&self, path: &RelPath) -> Option<EntryKind> {
        let path = self.resolve(path).ok()?;
        self.files.kind(&path).or_else(|| self.link_dirs.contains(&path).then_some(EntryKind::Dir))
    }

    fn list(&self, path: &RelPath) -> Result<Vec<(String, EntryKind)>, ReadError> {
        let dir = self.resolve(path)?;
        let files = match self.files.list(&dir) {
            Err(_) if self.link_dirs.contains(&dir) => Vec::new(),
            other => other?,
        };
        let mut entries: BTreeMap<String, EntryKind> = files.into_iter().collect();
        let names = self.links.keys().chain(&self.link_dirs);
        for child in names.filter(|link| link.parent().as_ref() == Some(&dir)) {
            // A link to nowhere is not there.
            if let Some(kind) = self.kind(child) {
                entries.insert(child.file_name().to_owned(), kind);
            }
        }
        Ok(entries.into_iter().collect())
    }

    fn real_path(&self, path: &RelPath) -> RelPath {
        self.resolve(path).unwrap_or_else(|_| path.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> RelPath {
        RelPath::new(text).unwrap()
    }

    #[test]
    fn links_are_followed_within_the_root_and_not_for_ever() {
        let mut tree = LinkTree::new();
        tree.insert(path("d/e/f"), "content");
        for (link, target) in [
            ("file", "d/e/f"),
            ("dir", "d/./e"),
            ("d/up", "../dir"),
            ("only/link", "../file"),
            ("loop", "loop"),
            ("out", "../etc/passwd"),
            ("d/out", "../../etc"),
            ("absolute", "/etc/passwd"),
            ("dangling", "nope"),
        ] {
            tree.link(path(link), target);
        }
        for name in ["d/e/f", "file", "dir/f", "d/up/f", "only/link"] {
            assert_eq!(&*tree.read(&path(name)).unwrap(), b"content", "{name}");
        }
        assert_eq!((tree.real_path(&path("d/up/f")), tree.real_path(&path("d/up"))), (path("d/e/f"), path("d/e")));
        for name in ["out", "d/out", "absolute", "d/out/x"] {
            assert!(matches!(tree.read(&path(name)), Err(ReadError::Outside { .. })), "{name}");
        }
        for name in ["loop", "loop/x", "dangling"] {
            assert!(matches!(tree.read(&path(name)), Err(ReadError::NotFound { .. })), "{name}");
        }
        let names = |dir| tree.list(&path(dir)).unwrap().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(""), ["d", "dir", "file", "only"]);
        assert_eq!(
            (names("only"), names("dir"), names("d")),
            (vec!["link".into()], vec!["f".into()], vec!["e".into(), "up".into()])
        );
    }

    #[test]
    fn doubling_chains_of_links_end() {
        let mut tree = LinkTree::new();
        for level in 1..60 {
            let below = level - 1;
            tree.link(path(&format!("l{level}")), format!("l{below}/../l{below}"));
        }
        tree.link(path("l0"), ".");
        assert_eq!(tree.kind(&path("l59")), None);
    }
}
