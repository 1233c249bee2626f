//! A commit's tree, entry by entry, read from the mirror's packs: no work tree, no file of a repository's own naming on disk.
//!
//! Submodules that were fetched appear as the directories that they are; others, and symbolic links, are reported as what they are.
//! Deliberately no ignore rules and no archive.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;

use git2::{ObjectType, Odb, Repository};
use tokio::sync::OwnedRwLockReadGuard;

use crate::sparse::{Place, SparsePaths};
use crate::{ObjectId, StoreError, object};

/// What a visitor may fail with.
pub type VisitError = Box<dyn std::error::Error + Send + Sync>;

/// The bounds of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalkLimits {
    /// Entries of all kinds. Trees may share subtrees, so that a few kilobytes name billions.
    pub entries: usize,
    /// Directories within each other.
    pub depth: usize,
    /// Bytes of the contents that are read, all together: what nobody looks at costs nothing.
    pub bytes: u64,
}

/// The kind of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A plain file.
    File,
    /// A file with the executable bit.
    Executable,
    /// A directory; its entries follow.
    Directory,
    /// A symbolic link; its content is the link's target.
    Symlink,
    /// Another repository's commit that was not fetched. It has no content here.
    Submodule,
}

/// Whether a walk goes into the directory just visited. Of no meaning for other kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visit {
    /// Go on with what comes next.
    Continue,
    /// Leave out what is in this directory.
    Skip,
}

/// Why a walk ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WalkError {
    /// A name with which a file could end up elsewhere than below the root, or in a repository's own directory.
    #[error("refused path '{path}' in the tree: {reason}")]
    Path {
        /// The path, with what is not printable replaced.
        path: String,
        /// What is wrong with its last component.
        reason: &'static str,
    },
    /// A path to which the walk was restricted.
    #[error("sparse checkout dir '{path}' does not exist in repository: no such file or directory")]
    Absent {
        /// The path.
        path: String,
    },
    /// One of the limits.
    #[error("the tree has more than {limit} {what}")]
    Limit {
        /// What there are too many of.
        what: &'static str,
        /// The limit.
        limit: u64,
    },
    /// The mirror is damaged: reset it and fetch again.
    #[error("failed to read '{path}' from the mirror")]
    Read {
        /// The path.
        path: String,
        /// The cause.
        #[source]
        source: git2::Error,
    },
    /// The visitor's own failure.
    #[error("failed to process '{path}'")]
    Visitor {
        /// The path.
        path: String,
        /// The cause.
        #[source]
        source: VisitError,
    },
}

/// The tree of one commit. Reading blocks: use it on a thread that may.
pub struct Tree {
    /// The repository itself, then its submodules'.
    sources: Vec<Source>,
    /// Submodules by their path from the root of all.
    modules: BTreeMap<Vec<u8>, usize>,
    _guard: OwnedRwLockReadGuard<()>,
}

struct Source {
    repository: Repository,
    root: git2::Oid,
}

impl Source {
    fn open(dir: &Path, commit: ObjectId) -> Result<Self, StoreError> {
        let read = |source| StoreError::Read { id: commit, source };
        let repository = object::open(dir).map_err(read)?;
        let root = {
            let id = commit.to_git2().map_err(read)?;
            repository.odb().and_then(|odb| object::read(&odb, id).map(drop)).map_err(read)?;
            let object = repository.find_object(id, None).map_err(read)?;
            object.as_commit().ok_or(StoreError::NotACommit(commit))?.tree_id()
        };
        Ok(Self { repository, root })
    }
}

impl std::fmt::Debug for Tree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.sources.iter().map(|source| source.root)).finish()
    }
}

/// One entry, alive while it is visited.
pub struct Entry<'a> {
    path: &'a [u8],
    kind: EntryKind,
    id: git2::Oid,
    odb: &'a Odb<'a>,
    budget: &'a Budget,
}

/// Bytes of content read so far, and how many may be.
struct Budget {
    spent: Cell<u64>,
    limit: u64,
}

impl Budget {
    fn spend(&self, bytes: usize) -> Result<(), WalkError> {
        let spent = self.spent.get().saturating_add(bytes as u64);
        self.spent.set(spent);
        if spent > self.limit {
            return Err(WalkError::Limit { what: "bytes", limit: self.limit });
        }
        Ok(())
    }
}

impl std::fmt::Debug for Entry<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entry({:?} {})", self.kind, lossy(self.path))
    }
}

impl Entry<'_> {
    /// The path below the root: relative, with plain components only, in the bytes that the repository has.
    pub fn path(&self) -> &Path {
        use std::os::unix::ffi::OsStrExt as _;
        Path::new(std::ffi::OsStr::from_bytes(self.path))
    }

    /// The kind.
    pub fn kind(&self) -> EntryKind {
        self.kind
    }

    /// The object: the blob, the tree, or the submodule's commit.
    pub fn id(&self) -> ObjectId {
        self.id.into()
    }

    /// Reads the content and hands it to `use_content`: a file's bytes, a link's target. Empty for directories and submodules.
    ///
    /// The content is in memory as a whole: no object of a mirror is larger than the remote's limit for one.
    ///
    /// # Errors
    /// [`WalkError::Read`], and [`WalkError::Limit`] when the contents read are too large together.
    pub fn with_content<T>(&self, use_content: impl FnOnce(&[u8]) -> T) -> Result<T, WalkError> {
        match self.kind {
            EntryKind::Directory | EntryKind::Submodule => Ok(use_content(&[])),
            EntryKind::File | EntryKind::Executable | EntryKind::Symlink => {
                let blob = object::read(self.odb, self.id).map_err(|source| read_error(self.path, source))?;
                if blob.kind() != ObjectType::Blob {
                    return Err(read_error(self.path, git2::Error::from_str("a file's object is not a blob")));
                }
                self.budget.spend(blob.len())?;
                Ok(use_content(blob.data()))
            }
        }
    }
}

impl Tree {
    pub(crate) fn open(dir: &Path, commit: ObjectId, guard: OwnedRwLockReadGuard<()>) -> Result<Self, StoreError> {
        Ok(Self { sources: vec![Source::open(dir, commit)?], modules: BTreeMap::new(), _guard: guard })
    }

    /// Puts a submodule's tree at its path.
    pub(crate) fn add(&mut self, path: Vec<u8>, dir: &Path, commit: ObjectId) -> Result<(), StoreError> {
        self.modules.insert(path, self.sources.len());
        self.sources.push(Source::open(dir, commit)?);
        Ok(())
    }

    /// Visits every entry, directories before what is in them, each directory's entries in the order of their names' bytes. The root itself
    /// is not visited.
    ///
    /// # Errors
    /// See [`WalkError`]; nothing is visited after an error, and no refused entry is ever visited.
    pub fn walk(
        &self,
        limits: WalkLimits,
        visitor: &mut dyn FnMut(&Entry<'_>) -> Result<Visit, VisitError>,
    ) -> Result<(), WalkError> {
        self.walk_within(&SparsePaths::default(), limits, visitor)
    }

    /// [`Tree::walk`] of the paths alone, with the directories that lead there. Nothing else is counted or looked into, and submodules are
    /// not followed, as in a sparse checkout. Without any path, all is walked.
    ///
    /// # Errors
    /// As [`Tree::walk`], and [`WalkError::Absent`] before anything is visited.
    pub fn walk_within(
        &self,
        paths: &SparsePaths,
        limits: WalkLimits,
        visitor: &mut dyn FnMut(&Entry<'_>) -> Result<Visit, VisitError>,
    ) -> Result<(), WalkError> {
        let mut odbs = Vec::with_capacity(self.sources.len());
        for source in &self.sources {
            odbs.push(source.repository.odb().map_err(|source| read_error(b"", source))?);
        }
        let budget = Budget { spent: Cell::new(0), limit: limits.bytes };
        let mut walk = Walk { tree: self, odbs: &odbs, paths, limits, budget: &budget, entries: 0, visitor };
        for path in paths.iter() {
            if !self.exists(path)? {
                return Err(WalkError::Absent { path: lossy(path) });
            }
        }
        walk.directory(0, self.sources.first().map_or(git2::Oid::ZERO_SHA1, |source| source.root), &mut Vec::new(), 0)
    }

    fn exists(&self, path: &[u8]) -> Result<bool, WalkError> {
        let Some(source) = self.sources.first() else { return Ok(false) };
        let mut id = source.root;
        let mut components = path.split(|byte| *byte == b'/').peekable();
        while let Some(component) = components.next() {
            let tree = source.repository.find_tree(id).map_err(|source| read_error(path, source))?;
            let found = tree.iter().find(|entry| entry.name_bytes() == component);
            match found.map(|entry| (entry.id(), kind(&entry))) {
                Some(_) if components.peek().is_none() => return Ok(true),
                Some((next, Some(EntryKind::Directory))) => id = next,
                Some(_) | None => return Ok(false),
            }
        }
        Ok(true)
    }
}

struct Walk<'a> {
    tree: &'a Tree,
    odbs: &'a [Odb<'a>],
    paths: &'a SparsePaths,
    limits: WalkLimits,
    budget: &'a Budget,
    entries: usize,
    visitor: &'a mut dyn FnMut(&Entry<'_>) -> Result<Visit, VisitError>,
}

impl Walk<'_> {
    /// Recursion is as deep as the limit allows, no deeper.
    fn directory(&mut self, source: usize, id: git2::Oid, path: &mut Vec<u8>, depth: usize) -> Result<(), WalkError> {
        if depth > self.limits.depth {
            return Err(WalkError::Limit { what: "levels of directories", limit: self.limits.depth as u64 });
        }
        let repository = &self.tree.sources[source].repository;
        object::read(&self.odbs[source], id).map_err(|source| read_error(path, source))?;
        let tree = repository.find_tree(id).map_err(|source| read_error(path, source))?;
        let mut children: Vec<_> = tree.iter().collect();
        // Git has a directory `a` where `a/` would stand, behind `a.txt`; an archive has it before.
        children.sort_by(|one, other| one.name_bytes().cmp(other.name_bytes()));
        let parent = path.len();
        for child in children {
            if parent > 0 {
                path.push(b'/');
            }
            path.extend_from_slice(child.name_bytes());
            self.entry(source, &child, path, depth)?;
            path.truncate(parent);
        }
        Ok(())
    }

    fn entry(
        &mut self,
        source: usize,
        child: &git2::TreeEntry<'_>,
        path: &mut Vec<u8>,
        depth: usize,
    ) -> Result<(), WalkError> {
        let place = self.paths.place(path);
        if place == Place::Outside {
            return Ok(());
        }
        check_name(child.name_bytes()).map_err(|reason| WalkError::Path { path: lossy(path), reason })?;
        let kind = kind(child).ok_or_else(|| WalkError::Path { path: lossy(path), reason: "unknown kind of entry" })?;
        if place == Place::OnTheWay && kind != EntryKind::Directory {
            return Ok(());
        }
        self.entries += 1;
        if self.entries > self.limits.entries {
            return Err(WalkError::Limit { what: "entries", limit: self.limits.entries as u64 });
        }
        let tree = self.tree;
        let module = tree.modules.get(&path[..]).filter(|_| kind == EntryKind::Submodule && self.paths.is_empty());
        let (kind, source, id) = match module {
            Some(module) => (EntryKind::Directory, *module, tree.sources[*module].root),
            None => (kind, source, child.id()),
        };
        let entry = Entry { path, kind, id, odb: &self.odbs[source], budget: self.budget };
        let visit = (self.visitor)(&entry).map_err(|source| visit_error(path, source))?;
        if kind == EntryKind::Directory && visit == Visit::Continue {
            self.directory(source, id, path, depth + 1)?;
        }
        Ok(())
    }
}

pub(crate) fn kind(entry: &git2::TreeEntry<'_>) -> Option<EntryKind> {
    match entry.filemode_raw() & 0o170_000 {
        0o040_000 => Some(EntryKind::Directory),
        0o120_000 => Some(EntryKind::Symlink),
        0o160_000 => Some(EntryKind::Submodule),
        // Old repositories have modes such as 100664.
        0o100_000 if entry.filemode_raw() & 0o100 != 0 => Some(EntryKind::Executable),
        0o100_000 => Some(EntryKind::File),
        _ => None,
    }
}

/// Refuses what is not a plain file name. A tree is data: nothing keeps its author from writing any bytes as a name.
fn check_name(name: &[u8]) -> Result<(), &'static str> {
    match name {
        b"" => Err("empty name"),
        // Would climb out of the root, or name a directory twice.
        b"." | b".." => Err("'.' and '..' are not file names"),
        // Would plant hooks and settings where a Git client later looks for them; case does not matter to some file systems.
        _ if name.eq_ignore_ascii_case(b".git") => Err("'.git' is reserved"),
        // An absolute path, or one that steps over the walk's own check of each component.
        _ if name.contains(&b'/') => Err("'/' in a name"),
        _ if name.contains(&0) => Err("NUL in a name"),
        _ => Ok(()),
    }
}

pub(crate) fn lossy(path: &[u8]) -> String {
    String::from_utf8_lossy(path).chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// A visitor that hands on why an entry could not be read is not what failed.
fn visit_error(path: &[u8], source: VisitError) -> WalkError {
    match source.downcast::<WalkError>() {
        Ok(own) => *own,
        Err(source) => WalkError::Visitor { path: lossy(path), source },
    }
}

fn read_error(path: &[u8], source: git2::Error) -> WalkError {
    WalkError::Read { path: lossy(path), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_could_leave_the_root_are_refused() {
        for name in [&b""[..], b".", b"..", b".git", b".GIT", b".GiT", b"/etc/passwd", b"a/b", b"../a", b"a\0b"] {
            assert!(check_name(name).is_err(), "{}", lossy(name));
        }
        // A backslash separates nothing here, and systemd's unit files have it in their names.
        for name in
            [&b"a"[..], b"foo\\x2dbar", b"..\\a", b"...", b".gitignore", b".github", b"a b", b"\xff", "ä".as_bytes()]
        {
            assert_eq!(check_name(name), Ok(()), "{}", lossy(name));
        }
    }
}
