//! Phase: the layer becomes an artifact in the storage, unpacked and packed anew, or as it is.
//!
//! Deliberately by way of a directory on disk: entries of an archive come in any order, those of an artifact in one order only.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sluice_api::meta::Artifact;
use sluice_api::source::OCIRepository;
use sluice_archive::{EntryType, Limits, Node, PackError, PackLimits, UnpackError, pack_tree, unpack, walk_directory};
use sluice_sourceignore::{
    Builtin, EntryKind, IGNORE_FILE, MAX_TEXT_BYTES, Matcher, MatcherBuilder, SourceIgnoreError,
};
use sluice_storage::Storage;

use super::pull::{Operation, Pulled};
use super::resolve::Resolved;
use crate::source::{self, PublishFailed};

/// A directory whose patterns and content never count.
const GIT_DIR: &[u8] = b".git";

/// The directory of the unpacked layer.
const TREE_DIR: &str = "tree";

/// The layer could not be made an artifact.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreFailed {
    /// The layer is no archive, or one that is refused.
    #[error("failed to extract layer contents from artifact")]
    Extract(#[source] UnpackError),
    /// There is no directory to unpack it to.
    #[error("failed to create a temporary directory")]
    Temporary(#[source] io::Error),
    /// The unpacked layer cannot be read back.
    #[error("failed to read ignore rules")]
    Read(#[source] io::Error),
    /// The ignore rules are too many.
    #[error("failed to read ignore rules")]
    Ignore(#[source] SourceIgnoreError),
    /// The storage refused, or the archive could not be written into it.
    #[error(transparent)]
    Publish(#[from] PublishFailed<WriteFailed>),
    /// The work was abandoned because the process ends.
    #[error("the work was abandoned")]
    Abandoned,
}

/// The content could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteFailed {
    /// The archive.
    #[error(transparent)]
    Archive(PackError),
    /// The layer as it is.
    #[error("failed to copy the layer")]
    Copy(#[source] io::Error),
}

/// Stores the layer.
pub(crate) async fn publish(
    storage: &Arc<Storage>,
    object: &OCIRepository,
    resolved: &Resolved,
    mut pulled: Pulled,
) -> Result<Artifact, StoreFailed> {
    // The colon is part of the name, as in Flux.
    let file = format!("{}.tar.gz", resolved.digest);
    let name = (file.as_str(), resolved.revision());
    let annotations = std::mem::take(&mut pulled.annotations);
    let artifact = match pulled.operation {
        Operation::Copy => {
            source::publish(storage, object, name, move |out| copy(&pulled.layer(), out).map_err(WriteFailed::Copy))
                .await?
        }
        Operation::Extract => {
            let ignore = object.spec.ignore.clone();
            let extracting = tokio::task::spawn_blocking(move || extract(pulled, ignore.as_deref()));
            let tree = extracting.await.unwrap_or(Err(StoreFailed::Abandoned))?;
            source::publish(storage, object, name, move |out| tree.pack(out).map_err(WriteFailed::Archive)).await?
        }
    };
    Ok(Artifact { metadata: annotations, ..artifact })
}

fn copy(layer: &Path, out: &mut dyn Write) -> io::Result<()> {
    io::copy(&mut File::open(layer)?, out).map(drop)
}

/// An unpacked layer and what of it is left out.
struct Tree {
    root: PathBuf,
    matcher: Matcher,
    /// Keeps the directory until the tree has been packed.
    _pulled: Pulled,
}

/// Unpacks a layer into its directory.
fn extract(pulled: Pulled, ignore: Option<&str>) -> Result<Tree, StoreFailed> {
    let root = pulled.dir.path().join(TREE_DIR);
    std::fs::create_dir(&root).map_err(StoreFailed::Temporary)?;
    let layer = File::open(pulled.layer()).map_err(StoreFailed::Temporary)?;
    unpack(io::BufReader::new(layer), &root, &Limits::default()).map_err(StoreFailed::Extract)?;
    let matcher = read_ignore_files(&root, ignore)?;
    Ok(Tree { root, matcher, _pulled: pulled })
}

impl Tree {
    /// Writes every entry that is not ignored. A directory that is ignored is still looked into: what is below may be included again.
    fn pack(&self, out: &mut dyn Write) -> Result<(), PackError> {
        let keep = |path: &[u8], type_: EntryType| {
            let components: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
            let kind = match type_ {
                EntryType::Directory => EntryKind::Directory,
                EntryType::File => EntryKind::Other,
            };
            !self.matcher.is_ignored(&components, kind)
        };
        pack_tree(out, PackLimits::default(), walk_directory(&self.root, Limits::default().path_depth), keep).map(drop)
    }
}

/// All `.sourceignore` files of the tree, the root's first, then `spec.ignore`.
fn read_ignore_files(root: &Path, spec: Option<&str>) -> Result<Matcher, StoreFailed> {
    let mut files: Vec<(Vec<Vec<u8>>, Vec<u8>)> = Vec::new();
    let mut left = MAX_TEXT_BYTES as u64;
    for entry in walk_directory(root, Limits::default().path_depth) {
        let entry = entry.map_err(StoreFailed::Read)?;
        let Node::File { .. } = entry.node else { continue };
        let mut components: Vec<Vec<u8>> = entry.path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect();
        let is_ignore_file = components.pop().is_some_and(|name| name == IGNORE_FILE.as_bytes());
        if !is_ignore_file || components.iter().any(|directory| directory == GIT_DIR) {
            continue;
        }
        let path = components.iter().fold(root.to_owned(), |path, name| path.join(as_name(name))).join(IGNORE_FILE);
        let mut text = Vec::new();
        // One byte more than there may be, so that too much is noticed by the one who counts.
        File::open(path).and_then(|file| file.take(left + 1).read_to_end(&mut text)).map_err(StoreFailed::Read)?;
        left = left.saturating_sub(text.len() as u64);
        files.push((components, text));
    }
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

fn as_name(bytes: &[u8]) -> &std::ffi::OsStr {
    use std::os::unix::ffi::OsStrExt as _;
    std::ffi::OsStr::from_bytes(bytes)
}

#[cfg(test)]
mod tests;
