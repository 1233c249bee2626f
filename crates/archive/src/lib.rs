//! Archives: a reproducible tar.gz writer and a hardened reader.
//!
//! - [`TarGzBuilder`] and [`pack_tree`] write the normalised archive that artifacts are: the same tree always gives the
//!   same bytes.
//! - [`pack_beside`] writes the same with two threads.
//! - [`walk_directory`] feeds [`pack_tree`] from a directory; a git tree or anything else can do so as well.
//! - [`FilesBuilder`] writes files with their own modes and times, in the order given, for formats that demand it.
//! - [`Entries`] reads a tar.gz entry by entry for a caller with its own rules for names.
//! - [`unpack`] reads a tar.gz that anybody may have written into an empty directory.
//!
//! Deliberately absent: which paths are left out (the caller's filter decides), digests, download, and where archives
//! are kept.

mod beside;
mod files;
mod header;
mod pack;
mod unpack;
mod walk;

pub use beside::{BlockSender, pack_beside};
pub use files::{FileEntry, FilesBuilder, GzipTag};
pub use pack::{
    Content, Entry, EntryType, FileMode, Node, PackError, PackLimits, PackSummary, TarBuilder, TarGzBuilder, pack_tree,
};
pub use unpack::{Entries, Fault, Limit, Limits, RawEntry, RawKind, Summary, UnpackError, unpack};
pub use walk::walk_directory;
