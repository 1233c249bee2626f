//! Fetched repositories beside the tree that is built, each under a mount that no path of a manifest can spell.
//!
//! The build asks one [`FileTree`] for everything; a path knows by its mount which tree it belongs to. What is read of a repository is
//! not in the record of reads, which is about the caller's tree. It fetches through the caller's [`crate::RemoteSource`] only.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::build::Engine;
use crate::error::{BuildError, Cause};
use crate::path::RelPath;
use crate::remote::{Remote, RepoSpec, may_be_file};
use crate::tree::{EntryKind, FileTree, ReadError, ReadSet, Recorder};

/// A fetched repository at one reference.
struct Repository {
    spec: RepoSpec,
    tree: Box<dyn FileTree>,
}

/// The tree that is built and what was fetched meanwhile.
pub(crate) struct Mounts<'t> {
    home: Recorder<'t>,
    repositories: RefCell<Vec<Rc<Repository>>>,
    fetched: RefCell<Vec<String>>,
    fetches: Cell<usize>,
}

impl<'t> Mounts<'t> {
    pub(crate) fn new(home: &'t dyn FileTree) -> Self {
        Self {
            home: Recorder::new(home),
            repositories: RefCell::default(),
            fetched: RefCell::default(),
            fetches: Cell::default(),
        }
    }

    /// What was looked at in the tree, and what was fetched.
    pub(crate) fn into_record(self) -> (ReadSet, Vec<String>) {
        (self.home.into_read_set(), self.fetched.into_inner())
    }

    /// The repository of a path, and the path within.
    fn at(&self, path: &RelPath) -> Option<(Rc<Repository>, RelPath)> {
        let (mount, within) = path.split_mount()?;
        Some((self.repositories.borrow().get(mount).cloned()?, within))
    }

    /// How a path of a repository is shown in messages; `None` for a path of the tree that is built.
    pub(crate) fn shown(&self, path: &RelPath) -> Option<String> {
        let (repository, within) = self.at(path)?;
        let label = repository.spec.label();
        Some(if within.as_str().is_empty() { label } else { format!("{label}//{within}") })
    }

    fn count(&self, url: &str, limit: usize) -> Result<(), BuildError> {
        self.fetches.set(self.fetches.get() + 1);
        if self.fetches.get() > limit {
            return Err(BuildError::TooLarge { what: "remote resources", limit });
        }
        self.fetched.borrow_mut().push(url.to_owned());
        Ok(())
    }
}

impl FileTree for Mounts<'_> {
    fn read(&self, path: &RelPath) -> Result<Cow<'_, [u8]>, ReadError> {
        match self.at(path) {
            Some((repository, within)) => repository.tree.read(&within).map(|content| Cow::Owned(content.into_owned())),
            None => self.home.read(path),
        }
    }

    fn kind(&self, path: &RelPath) -> Option<EntryKind> {
        match self.at(path) {
            Some((repository, within)) => repository.tree.kind(&within),
            None => self.home.kind(path),
        }
    }

    fn list(&self, path: &RelPath) -> Result<Vec<(String, EntryKind)>, ReadError> {
        match self.at(path) {
            Some((repository, within)) => repository.tree.list(&within),
            None => self.home.list(path),
        }
    }

    fn real_path(&self, path: &RelPath) -> RelPath {
        match self.at(path) {
            Some((repository, within)) => repository.tree.real_path(&within).mounted_as(path),
            None => self.home.real_path(path),
        }
    }
}

impl Engine<'_> {
    /// Fetches a file that a kustomization names by URL.
    pub(crate) fn fetch_file(&self, url: &str) -> Result<Vec<u8>, BuildError> {
        let Remote::Fetch(source) = &self.options.remote else {
            return Err(BuildError::Remote { path: url.to_owned() });
        };
        let fail = |source: Cause| BuildError::Fetch { url: url.to_owned(), source };
        if !may_be_file(url) {
            return Err(fail("URL is a git repository".into()));
        }
        self.tree.count(url, self.options.limits.remotes)?;
        let content = source.file(url, self.bytes_left()).map_err(fail)?;
        self.count_bytes(content.len())?;
        Ok(content)
    }

    /// The directory that a kustomization names by the URL of its repository; each repository and reference is fetched once.
    pub(crate) fn fetch_directory(&self, url: &str) -> Result<RelPath, BuildError> {
        let Remote::Fetch(source) = &self.options.remote else {
            return Err(BuildError::Remote { path: url.to_owned() });
        };
        let spec = RepoSpec::parse(url).map_err(BuildError::RemoteSpec)?;
        let known = self.tree.repositories.borrow().iter().position(|known| known.spec.same_tree(&spec));
        let mount = if let Some(known) = known {
            known
        } else {
            self.tree.count(url, self.options.limits.remotes)?;
            let fail = |source: Cause| BuildError::Fetch { url: url.to_owned(), source };
            let tree = source.repository(&spec).map_err(fail)?;
            let mut repositories = self.tree.repositories.borrow_mut();
            repositories.push(Rc::new(Repository { spec: spec.clone(), tree }));
            repositories.len() - 1
        };
        let dir = self.tree.real_path(&spec.path.mounted(mount));
        let problem = match self.tree.kind(&dir) {
            Some(EntryKind::Dir) => return Ok(dir),
            Some(EntryKind::File) => format!("'{}': file is not directory", self.shown(&dir)),
            None => format!("'{}' does not exist", self.shown(&dir)),
        };
        Err(BuildError::NotADirectory { problem })
    }
}
