//! What can be wrong with an archive.

use std::io;

/// A failure to unpack, with the entry at which it happened.
#[derive(Debug, thiserror::Error)]
#[error("failed to unpack archive at '{entry}'")]
pub struct UnpackError {
    /// The name of the entry as the archive has it, with escapes for what is not printable ASCII; what follows the last
    /// readable one is `after <name>`. Empty before the first.
    pub entry: String,
    /// What was wrong.
    #[source]
    pub fault: Fault,
}

/// What was wrong.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The destination could not be listed.
    #[error("failed to list destination")]
    Destination(#[source] io::Error),
    /// The destination has something in it that could redirect what is written.
    #[error("destination is not empty")]
    DestinationNotEmpty,
    /// The input failed, is no gzip stream, or that is truncated or corrupt.
    #[error("failed to read archive")]
    Read(#[source] io::Error),
    /// The archive ends in the middle of a header or of content.
    #[error("archive is truncated")]
    Truncated,
    /// The header is damaged or contradicts itself; the text says how.
    #[error("invalid header: {0}")]
    Header(&'static str),
    /// The name could leave the destination or means something else to another reader; the text says how.
    #[error("unsafe name: {0}")]
    Name(&'static str),
    /// A device, pipe, sparse file or unknown type, with its type flag.
    #[error("unsupported entry type '{0}'")]
    Type(char),
    /// One of the limits was exceeded.
    #[error("{0} exceeds the limit of {1}")]
    Limit(Limit, u64),
    /// The name is in use for something else: a file where a directory is needed, or the reverse.
    #[error("name is both a file and a directory")]
    Conflict,
    /// The file system refused.
    #[error("failed to write")]
    Write(#[source] io::Error),
}

/// Which of the limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Limit {
    /// [`super::Limits::entries`].
    #[error("number of entries")]
    Entries,
    /// [`super::Limits::total_bytes`].
    #[error("number of unpacked bytes")]
    TotalBytes,
    /// [`super::Limits::file_bytes`].
    #[error("file size")]
    FileBytes,
    /// [`super::Limits::path_depth`].
    #[error("depth of name")]
    PathDepth,
    /// [`super::Limits::path_bytes`].
    #[error("length of name")]
    PathBytes,
    /// [`super::Limits::compression_ratio`].
    #[error("compression ratio")]
    CompressionRatio,
    /// The bound of one extended header.
    #[error("size of extended header")]
    ExtensionBytes,
}
