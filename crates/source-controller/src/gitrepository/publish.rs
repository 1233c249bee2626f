//! Phases: read the ignore rules of the commit's tree, and pack it, with what is included, into the storage.
//!
//! Deliberately no work tree: entries stream from the mirror's packs into tar, gzip, digest and file.

use std::collections::HashSet;
use std::collections::btree_map::IntoIter;
use std::io::Write;
use std::iter::Peekable;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use sluice_api::meta::Artifact;
use sluice_api::source::GitRepository;
use sluice_archive::{BlockSender, Content, FileMode, PackError, PackLimits, TarBuilder, pack_beside};
use sluice_git::{Entry, EntryKind, Mirror, SparsePaths, StoreError, Tree, Visit, VisitError, WalkError, WalkLimits};
use sluice_sourceignore::{Builtin, EntryKind as IgnoreKind, IGNORE_FILE, Matcher, MatcherBuilder, SourceIgnoreError};
use sluice_storage::{PublishError, Storage};

use super::fetch::FetchedCommit;
use super::overlay::{Components, Include, Included, Overlay, Taken};
use crate::source::{self, PublishFailed};

/// Directories within each other. The deepest public repositories stay below 50.
const MAX_DEPTH: usize = 256;

/// The commit could not be packed or stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreFailed {
    /// The mirror has not what was just fetched.
    #[error("unable to archive artifact to storage")]
    Mirror(#[source] StoreError),
    /// A directory of `spec.sparseCheckout` is not there.
    #[error("failed to sparse checkout directories : {0}")]
    Sparse(WalkError),
    /// The tree has an entry that is refused, or is too large.
    #[error("unable to archive artifact to storage")]
    Tree(#[source] WalkError),
    /// The ignore rules are too many.
    #[error("failed to read ignore rules")]
    Ignore(#[source] SourceIgnoreError),
    /// The storage refused, or the archive could not be written into it.
    #[error(transparent)]
    Publish(#[from] PublishFailed<PackFailed>),
    /// The work was abandoned because the process ends.
    #[error("the work was abandoned")]
    Abandoned,
}

impl StoreFailed {
    /// Whether what was fetched cannot be read back: the mirror has to be made anew.
    pub(crate) fn is_damaged_mirror(&self) -> bool {
        let unreadable = |error: &WalkError| matches!(error, WalkError::Read { .. });
        match self {
            Self::Mirror(_) => true,
            Self::Tree(error)
            | Self::Publish(PublishFailed::Storage(PublishError::Content(PackFailed::Tree(error)))) => {
                unreadable(error)
            }
            Self::Publish(_) | Self::Sparse(_) | Self::Ignore(_) | Self::Abandoned => false,
        }
    }
}

/// The archive of a tree could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PackFailed {
    /// The tree has an entry that is refused, or is too large.
    #[error(transparent)]
    Tree(WalkError),
    /// The archive cannot be written.
    #[error(transparent)]
    Archive(#[from] PackError),
}

/// A commit's tree, looked through once.
#[derive(Debug)]
pub(crate) struct Checkout {
    tree: Tree,
    sparse: SparsePaths,
    /// `.sourceignore` files by directory.
    ignore_files: Vec<(Components, Vec<u8>)>,
    /// What is at the places of includes.
    pub(super) taken: Taken,
}

/// Looks through the tree: the ignore files, and what is where includes are to go.
pub(crate) async fn checkout(
    object: &GitRepository,
    mirror: &Mirror,
    fetched: &FetchedCommit,
    includes: &[Include],
) -> Result<Checkout, StoreFailed> {
    let tree = fetched.tree(mirror).await.map_err(StoreFailed::Mirror)?;
    let directories = object.spec.sparse_checkout.clone();
    let sparse = SparsePaths::new(&directories);
    let places: HashSet<Components> = includes.iter().flat_map(|include| include.places().map(<[_]>::to_vec)).collect();
    let reading = tokio::task::spawn_blocking(move || {
        let (mut ignore_files, mut taken) = (Vec::new(), Taken::new());
        tree.walk_within(&sparse, walk_limits(), &mut |entry: &Entry<'_>| {
            let mut components = components(entry);
            if places.contains(&components) {
                taken.insert(components.clone(), entry.kind());
            }
            let is_file = matches!(entry.kind(), EntryKind::File | EntryKind::Executable);
            if is_file && components.last().is_some_and(|name| name == IGNORE_FILE.as_bytes()) {
                components.pop();
                ignore_files.push((components, entry.with_content(<[u8]>::to_vec)?));
            }
            Ok(Visit::Continue)
        })
        .map_err(|error| match error {
            WalkError::Absent { path } => {
                StoreFailed::Sparse(WalkError::Absent { path: as_written(&directories, path) })
            }
            error => StoreFailed::Tree(error),
        })?;
        Ok(Checkout { tree, sparse, ignore_files, taken })
    });
    reading.await.unwrap_or(Err(StoreFailed::Abandoned))
}

/// A directory as the user wrote it.
fn as_written(directories: &[String], path: String) -> String {
    let trimmed = |written: &&String| written.strip_prefix("./").unwrap_or(written).trim_end_matches('/') == path;
    directories.iter().find(trimmed).cloned().unwrap_or(path)
}

/// Packs the tree with what is included and publishes the archive.
pub(crate) async fn publish(
    storage: &Arc<Storage>,
    object: &GitRepository,
    fetched: &FetchedCommit,
    checkout: Checkout,
    overlay: Overlay,
) -> Result<Artifact, StoreFailed> {
    let matcher = matcher(&checkout, &overlay, object.spec.ignore.as_deref())?;
    let file = format!("{}.tar.gz", fetched.fetched().commit.id);
    let write = move |out: &mut dyn Write| pack(checkout, overlay, &matcher, out);
    Ok(source::publish(storage, object, (&file, fetched.revision()), write).await?)
}

fn walk_limits() -> WalkLimits {
    let limits = PackLimits::default();
    WalkLimits {
        entries: usize::try_from(limits.entries).unwrap_or(usize::MAX),
        depth: MAX_DEPTH,
        bytes: limits.content_bytes,
    }
}

/// All `.sourceignore` files, the root's first, then `spec.ignore`. Those of includes count where they are put.
fn matcher(checkout: &Checkout, overlay: &Overlay, spec: Option<&str>) -> Result<Matcher, StoreFailed> {
    let mut files: Vec<&(Components, Vec<u8>)> = checkout.ignore_files.iter().collect();
    // One that an include replaces is not there any more.
    files.retain(|(dir, _)| !overlay.ignore_files.iter().any(|(other, _)| other == dir));
    files.extend(&overlay.ignore_files);
    // A directory's own file comes before those of the directories in it, whatever they are called.
    files.sort_by(|one, other| one.0.cmp(&other.0));
    let mut builder = MatcherBuilder::default();
    for (domain, text) in files {
        builder = builder.add(domain, text).map_err(StoreFailed::Ignore)?;
    }
    if let Some(text) = spec {
        builder = builder.add(&[] as &[&[u8]], text).map_err(StoreFailed::Ignore)?;
    }
    Ok(builder.build(Builtin::VersionControlAndExtras))
}

/// Writes every entry that is not ignored. A directory that is ignored is still looked into: what is below may be included again.
///
/// Objects are read on a thread of their own: inflating them takes about as long as compressing them again.
fn pack(checkout: Checkout, overlay: Overlay, matcher: &Matcher, out: &mut dyn Write) -> Result<(), PackFailed> {
    let read = move |archive: &mut TarBuilder<BlockSender>| {
        let mut packing = Packing { archive, matcher, pending: overlay.nodes.into_iter().peekable() };
        let walked = checkout.tree.walk_within(&checkout.sparse, walk_limits(), &mut |entry: &Entry<'_>| {
            let components = components(entry);
            if !packing.add_included(Some(&components))? {
                packing.add_own(entry, &components)?;
            }
            Ok(Visit::Continue)
        });
        walked.map_err(PackFailed::Tree)?;
        packing.add_included(None)?;
        Ok(())
    };
    pack_beside(out, PackLimits::default(), read).map(drop)
}

/// One lexical walk over the commit's tree and what is included.
struct Packing<'p> {
    archive: &'p mut TarBuilder<BlockSender>,
    matcher: &'p Matcher,
    pending: Peekable<IntoIter<Components, Included>>,
}

impl Packing<'_> {
    /// Adds what is included up to this place, or all that is left; true when something is included at the place itself.
    fn add_included(&mut self, place: Option<&Components>) -> Result<bool, PackError> {
        while let Some((next, node)) = self.pending.next_if(|(next, _)| place.is_none_or(|place| next <= place)) {
            let path = next.join(&b'/');
            match node {
                Included::Directory if self.keeps(&next, IgnoreKind::Directory) => self.archive.directory(&path)?,
                Included::File { mode, path: file } if self.keeps(&next, IgnoreKind::Other) => {
                    let read = |source| PackError::Read { path: path.escape_ascii().to_string(), source };
                    self.archive.file(&path, mode, Included::open(&file).map_err(read)?)?;
                }
                Included::Directory | Included::File { .. } => {}
            }
            if place == Some(&next) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn add_own(&mut self, entry: &Entry<'_>, components: &Components) -> Result<(), VisitError> {
        let path = entry.path().as_os_str().as_bytes();
        let mode = match entry.kind() {
            EntryKind::Directory => {
                if self.keeps(components, IgnoreKind::Directory) {
                    self.archive.directory(path)?;
                }
                return Ok(());
            }
            EntryKind::File => FileMode::Plain,
            EntryKind::Executable => FileMode::Executable,
            // Links could point anywhere once unpacked; they are left out, and so are submodules that were not asked for, as in Flux.
            EntryKind::Symlink | EntryKind::Submodule => return Ok(()),
        };
        if self.keeps(components, IgnoreKind::Other) {
            entry.with_content(|bytes| self.archive.file(path, mode, Content::from_bytes(bytes)))??;
        }
        Ok(())
    }

    fn keeps(&self, components: &Components, kind: IgnoreKind) -> bool {
        !self.matcher.is_ignored(components, kind)
    }
}

fn components(entry: &Entry<'_>) -> Components {
    entry.path().components().map(|component| component.as_os_str().as_bytes().to_vec()).collect()
}
