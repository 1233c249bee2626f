//! The hardened tar.gz reader: unpacks what anybody may have written into an empty directory.
//!
//! Every fault ends the unpacking with an error that names the entry; what was written until then stays, and the caller
//! removes the directory. Symbolic and hard links are skipped in silence, as consumers of artifacts have always done.
//! Nothing is ever written through a link: the directory is empty at the start, links are not created, files are
//! created exclusively.
//!
//! Deliberately absent: owners, times, sparse files, extended attributes, and the digest of the input, which is checked
//! before it comes here.

mod entries;
mod fault;
mod inflate;
mod name;
mod reader;
mod tree;

use std::io::Read;
use std::path::Path;

pub use entries::{Entries, RawEntry, RawKind};
pub use fault::{Fault, Limit, UnpackError};
use reader::{Kind, TarReader};
use tree::Tree;

/// How much an archive may make us read, write and remember.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most headers read plus directories created, so that neither empty entries nor deep names exhaust inodes.
    pub entries: u64,
    /// The most bytes after decompression, with headers and padding.
    pub total_bytes: u64,
    /// The most bytes in one file.
    pub file_bytes: u64,
    /// The most components of a name.
    pub path_depth: usize,
    /// The most bytes of a name.
    pub path_bytes: usize,
    /// The most bytes that one compressed byte may become, after a first MiB that is free. Stops a small input from
    /// demanding all of [`Limits::total_bytes`].
    pub compression_ratio: u64,
}

impl Default for Limits {
    /// Far above what a repository of manifests needs, far below what harms a pod: 200,000 entries at up to 4 KiB of
    /// bookkeeping, 2 GiB of content (a large monorepo), names as long as the kernel takes. Small files compress up to
    /// about 100 times, since each is padded to whole blocks; deflate's own bound is 1032 times.
    fn default() -> Self {
        Self {
            entries: 200_000,
            total_bytes: 2 << 30,
            file_bytes: 1 << 30,
            path_depth: 128,
            path_bytes: 4096,
            compression_ratio: 400,
        }
    }
}

/// What was unpacked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Files written. A name that came twice counts twice.
    pub files: u64,
    /// Directories created, with those that only a file's name implied.
    pub directories: u64,
    /// Bytes of content written.
    pub content_bytes: u64,
    /// Symbolic and hard links that were skipped.
    pub skipped_links: u64,
}

/// Unpacks a tar.gz into `destination`, which must be an existing empty directory that nobody else writes to.
///
/// Files keep the permission bits of their header (never set-uid, set-gid or sticky) and are always readable and
/// writable for the owner; directories are always accessible to the owner. When a name comes twice the later file
/// replaces the earlier one; a name that is both a file and a directory is an error.
///
/// The input is read to its end, so that a truncated or altered gzip trailer is found. Blocks; stop it by making the
/// reader fail.
///
/// # Errors
/// [`UnpackError`].
pub fn unpack(reader: impl Read, destination: &Path, limits: &Limits) -> Result<Summary, UnpackError> {
    let at_start = |fault| UnpackError { entry: String::new(), fault };
    let mut tree = Tree::new(destination, limits).map_err(at_start)?;
    let mut archive = TarReader::new(reader, *limits);
    let mut summary = Summary::default();
    loop {
        match step(&mut archive, &mut tree, &mut summary) {
            Ok(true) => {}
            Ok(false) => break,
            Err(fault) => return Err(UnpackError { entry: archive.position(), fault }),
        }
    }
    summary.directories = tree.directories();
    Ok(summary)
}

/// Handles one entry; false at the end of the archive.
fn step(archive: &mut TarReader<impl Read>, tree: &mut Tree, summary: &mut Summary) -> Result<bool, Fault> {
    let Some(member) = archive.next_member(tree.directories())? else {
        return Ok(false);
    };
    match member.kind {
        // Not created at all: a later entry could be written through a link, and a reader of the tree would follow it
        // out of the tree.
        Kind::Link => summary.skipped_links += 1,
        Kind::Directory => tree.directory(&member.path, member.mode)?,
        Kind::File => {
            let mut file = tree.file(&member.path, member.mode)?;
            archive.copy_content(member.size, &mut file)?;
            summary.files += 1;
            summary.content_bytes += member.size;
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
