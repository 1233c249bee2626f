//! Archives: a reproducible tar.gz writer and a hardened reader.
//!
//! - [`TarGzBuilder`] and [`pack_tree`] write the normalised archive that artifacts are: the same tree always gives the
//!   same bytes.
//! - [`walk_directory`] feeds [`pack_tree`] from a directory; a git tree or anything else can do so as well.
//! - [`unpack`] reads a tar.gz that anybody may have written into an empty directory.
//!
//! Deliberately absent: which paths are left out (the caller's filter decides), digests, download, and where archives
//! are kept.

mod header;
mod pack;
mod unpack;
mod walk;

pub use pack::{
    Content, Entry, EntryType, FileMode, Node, PackError, PackLimits, PackSummary, TarGzBuilder, pack_tree,
};
pub use unpack::{Fault, Limit, Limits, Summary, UnpackError, unpack};
pub use walk::walk_directory;
