//! Phases: fetch the commit into the mirror, and pack its tree into the storage.
//!
//! Deliberately no work tree: entries stream from the mirror's packs into tar, gzip, digest and file.

use std::os::unix::ffi::OsStrExt as _;
use std::sync::Arc;

use sluice_api::meta::Artifact;
use sluice_api::source::GitRepository;
use sluice_archive::{Content, FileMode, PackError, PackLimits, TarGzBuilder};
use sluice_git::{
    Entry, EntryKind, FetchError, Fetched, Mirror, Remote, Resolved, StoreError, Tree, Visit, WalkError, WalkLimits,
};
use sluice_sourceignore::{Builtin, EntryKind as IgnoreKind, IGNORE_FILE, Matcher, MatcherBuilder, SourceIgnoreError};
use sluice_storage::{PublishError, Storage};

use crate::source::{self, PublishFailed};

/// Directories within each other. The deepest public repositories stay below 50.
const MAX_DEPTH: usize = 256;

/// The commit could not be fetched.
#[derive(Debug, thiserror::Error)]
#[error("failed to checkout and determine revision: unable to clone '{url}'")]
pub(crate) struct FetchFailed {
    url: String,
    #[source]
    source: FetchError,
}

/// The commit could not be packed or stored.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreFailed {
    /// The mirror has not what was just fetched.
    #[error("unable to archive artifact to storage")]
    Mirror(#[source] StoreError),
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
            Self::Publish(_) | Self::Ignore(_) | Self::Abandoned => false,
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
    Archive(PackError),
}

/// A commit in the mirror.
#[derive(Debug)]
pub(crate) struct FetchedCommit(Fetched);

impl FetchedCommit {
    /// The artifact's revision.
    pub(crate) fn revision(&self) -> String {
        self.0.target.revision()
    }

    /// The first line of the commit's message.
    pub(crate) fn subject(&self) -> String {
        self.0.commit.subject.clone()
    }
}

/// Fetches what is missing.
pub(crate) async fn fetch(
    mirror: &Mirror,
    remote: &Remote,
    resolved: &Resolved,
    url: &str,
) -> Result<FetchedCommit, FetchFailed> {
    let fetched = mirror.fetch(remote, resolved).await;
    let fetched = fetched.map_err(|source| FetchFailed { url: sluice_http_client::mask_url_text(url), source })?;
    if let Some(transfer) = fetched.transfer {
        tracing::debug!(objects = transfer.objects, bytes = transfer.bytes, "fetched");
    }
    Ok(FetchedCommit(fetched))
}

/// Packs the commit and publishes the archive.
pub(crate) async fn publish(
    storage: &Arc<Storage>,
    object: &GitRepository,
    mirror: &Mirror,
    fetched: &FetchedCommit,
) -> Result<Artifact, StoreFailed> {
    let commit = fetched.0.commit.id;
    let tree = mirror.tree(commit).await.map_err(StoreFailed::Mirror)?;
    let ignore = object.spec.ignore.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let matcher = read_ignore_files(&tree, ignore.as_deref())?;
        Ok((tree, matcher))
    });
    let (tree, matcher) = reading.await.unwrap_or(Err(StoreFailed::Abandoned))?;
    let file = format!("{commit}.tar.gz");
    let write = move |out: &mut dyn std::io::Write| pack(&tree, &matcher, out);
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

/// All `.sourceignore` files of the tree, the root's first, then `spec.ignore`.
fn read_ignore_files(tree: &Tree, spec: Option<&str>) -> Result<Matcher, StoreFailed> {
    let mut files: Vec<(Vec<Vec<u8>>, Vec<u8>)> = Vec::new();
    tree.walk(walk_limits(), &mut |entry: &Entry<'_>| {
        let mut components = components(entry);
        let is_file = matches!(entry.kind(), EntryKind::File | EntryKind::Executable);
        if is_file && components.last().is_some_and(|name| name == IGNORE_FILE.as_bytes()) {
            components.pop();
            files.push((components, entry.with_content(<[u8]>::to_vec)?));
        }
        Ok(Visit::Continue)
    })
    .map_err(StoreFailed::Tree)?;
    // A directory's own file comes before those of the directories in it, whatever they are called.
    files.sort_by(|one, other| one.0.cmp(&other.0));
    let mut builder = MatcherBuilder::default();
    for (domain, text) in files {
        builder = builder.add(&domain, text).map_err(StoreFailed::Ignore)?;
    }
    if let Some(text) = spec {
        builder = builder.add(&[] as &[&[u8]], text).map_err(StoreFailed::Ignore)?;
    }
    Ok(builder.build(Builtin::VersionControlAndExtras))
}

/// Writes every entry that is not ignored. A directory that is ignored is still looked into: what is below may be included again.
fn pack(tree: &Tree, matcher: &Matcher, out: &mut dyn std::io::Write) -> Result<(), PackFailed> {
    let mut archive = TarGzBuilder::new(out, PackLimits::default()).map_err(PackFailed::Archive)?;
    tree.walk(walk_limits(), &mut |entry: &Entry<'_>| {
        let components = components(entry);
        let path = entry.path().as_os_str().as_bytes();
        match entry.kind() {
            EntryKind::Directory if !matcher.is_ignored(&components, IgnoreKind::Directory) => {
                archive.directory(path)?;
            }
            EntryKind::File if !matcher.is_ignored(&components, IgnoreKind::Other) => {
                entry.with_content(|bytes| archive.file(path, FileMode::Plain, Content::from_bytes(bytes)))??;
            }
            EntryKind::Executable if !matcher.is_ignored(&components, IgnoreKind::Other) => {
                entry.with_content(|bytes| archive.file(path, FileMode::Executable, Content::from_bytes(bytes)))??;
            }
            // Links could point anywhere once unpacked; they are left out, and so are submodules, as in Flux.
            EntryKind::Directory
            | EntryKind::File
            | EntryKind::Executable
            | EntryKind::Symlink
            | EntryKind::Submodule => {}
        }
        Ok(Visit::Continue)
    })
    .map_err(PackFailed::Tree)?;
    archive.finish().map_err(PackFailed::Archive)?;
    Ok(())
}

fn components(entry: &Entry<'_>) -> Vec<Vec<u8>> {
    entry.path().components().map(|component| component.as_os_str().as_bytes().to_vec()).collect()
}
