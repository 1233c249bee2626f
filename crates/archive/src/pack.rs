//! The reproducible tar.gz writer.
//!
//! The normalised form, in which the same tree gives the same bytes on every machine: a root entry `.` first, then the
//! entries in the order of a lexical depth-first walk; names relative, without `./` and without a final slash;
//! directories 0750, files 0600, files that anybody may execute 0700; owner, group and time zero; two zero blocks at
//! the end; a gzip header without name, time or system.
//!
//! The bytes also depend on the deflate implementation, so a new version of that library may change every digest once.
//! Deliberately absent: links and special files, which an artifact never has, and the filter itself.

use std::io::{self, Read, Write};

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use crate::header::{BLOCK_BYTES, Header, MAX_CONTENT_BYTES, TypeFlag};

/// The usual level of deflate. Stated as a number, since it is part of what makes the bytes reproducible.
pub(crate) const DEFLATE_LEVEL: u32 = 6;

/// The gzip header's "unknown operating system", so that the bytes do not tell on which one they were written.
pub(crate) const UNKNOWN_SYSTEM: u8 = 255;

const DIRECTORY_MODE: u32 = 0o750;

/// Bytes of content read at a time.
const COPY_BUFFER_BYTES: usize = 64 * 1024;

/// How much one archive may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackLimits {
    /// The most entries, with the root.
    pub entries: u64,
    /// The most bytes of content in all files together, before compression.
    pub content_bytes: u64,
}

impl Default for PackLimits {
    /// What [`crate::Limits::default`] lets a consumer unpack.
    fn default() -> Self {
        let limits = crate::Limits::default();
        Self { entries: limits.entries, content_bytes: limits.total_bytes }
    }
}

/// What was packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PackSummary {
    /// Entries with the root.
    pub entries: u64,
    /// Those of them that are files.
    pub files: u64,
    /// Bytes of content before compression.
    pub content_bytes: u64,
}

/// Why an archive could not be written. Names are printed with escapes for what is not printable ASCII.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The source of entries failed.
    #[error("failed to list entries")]
    List(#[source] io::Error),
    /// The path is empty, absolute, or has a component that is empty, `.` or `..`, or a NUL.
    #[error("invalid entry path '{0}'")]
    Path(String),
    /// The path does not follow the one before it in the order of a lexical walk, or repeats it. Writing it would make
    /// the bytes depend on the order of listing.
    #[error("entry '{0}' is out of order")]
    Order(String),
    /// The content could not be opened or read.
    #[error("failed to read '{path}'")]
    Read {
        /// The entry.
        path: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The content has not the size that was stated.
    #[error("size of '{0}' changed while it was read")]
    Size(String),
    /// More entries than [`PackLimits::entries`].
    #[error("more than {0} entries")]
    TooManyEntries(u64),
    /// More content than [`PackLimits::content_bytes`].
    #[error("content exceeds {0} bytes")]
    TooManyBytes(u64),
    /// The output failed.
    #[error("failed to write archive")]
    Write(#[source] io::Error),
}

/// The part of a file's mode that the normalised form keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileMode {
    /// Written as 0600.
    Plain,
    /// Some execute bit is set; written as 0700.
    Executable,
}

impl FileMode {
    /// The mode of a file on disk: executable when anybody may execute it.
    pub const fn from_bits(mode: u32) -> Self {
        if mode & 0o111 == 0 { Self::Plain } else { Self::Executable }
    }

    const fn bits(self) -> u32 {
        match self {
            Self::Plain => 0o600,
            Self::Executable => 0o700,
        }
    }
}

/// A file's content: a reader, and the number of bytes that it yields.
pub struct Content<'a> {
    size: u64,
    reader: Box<dyn Read + 'a>,
}

impl<'a> Content<'a> {
    /// Content that is read while it is packed.
    pub fn from_reader(size: u64, reader: impl Read + 'a) -> Self {
        Self { size, reader: Box::new(reader) }
    }

    /// Content in memory, owned or borrowed.
    pub fn from_bytes(bytes: impl AsRef<[u8]> + 'a) -> Self {
        let size = bytes.as_ref().len() as u64;
        Self::from_reader(size, io::Cursor::new(bytes))
    }
}

/// Whether an entry that is to be packed is a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryType {
    /// A directory.
    Directory,
    /// A regular file.
    File,
}

/// What is at a path.
pub enum Node<'a> {
    /// A directory. Its entries follow it.
    Directory,
    /// A regular file.
    File {
        /// Plain or executable.
        mode: FileMode,
        /// Opens the content; called only when the file is packed, so that a filtered one costs nothing.
        open: Box<dyn FnOnce() -> io::Result<Content<'a>> + 'a>,
    },
    /// A symbolic link, socket, device or pipe: silently left out.
    Other,
}

impl<'a> Node<'a> {
    /// A file node.
    pub fn file(mode: FileMode, open: impl FnOnce() -> io::Result<Content<'a>> + 'a) -> Self {
        Self::File { mode, open: Box::new(open) }
    }
}

/// One step of a walk.
pub struct Entry<'a> {
    /// Components below the root, joined by `/`. Bytes, since neither git nor the file system promises UTF-8.
    pub path: Vec<u8>,
    /// What is there.
    pub node: Node<'a>,
}

/// Packs a walk: everything that `keep` accepts. `entries` come in lexical depth-first order without the root.
///
/// A directory that is not kept is **not pruned**: `keep` is asked about everything below it, and what it keeps is
/// packed without that directory's entry.
///
/// # Errors
/// [`PackError`]; what was written until then is worthless.
pub fn pack_tree<'a, W: Write>(
    out: W,
    limits: PackLimits,
    entries: impl IntoIterator<Item = io::Result<Entry<'a>>>,
    mut keep: impl FnMut(&[u8], EntryType) -> bool,
) -> Result<(W, PackSummary), PackError> {
    let mut archive = TarGzBuilder::new(out, limits)?;
    for entry in entries {
        let Entry { path, node } = entry.map_err(PackError::List)?;
        match node {
            Node::Directory if keep(&path, EntryType::Directory) => archive.directory(&path)?,
            Node::File { mode, open } if keep(&path, EntryType::File) => {
                let content = open().map_err(|source| PackError::Read { path: printable(&path), source })?;
                archive.file(&path, mode, content)?;
            }
            Node::Directory | Node::File { .. } | Node::Other => {}
        }
    }
    archive.finish()
}

/// Writes a normalised archive, entry by entry and without holding any content.
pub struct TarGzBuilder<W: Write>(TarBuilder<GzEncoder<W>>);

impl<W: Write> TarGzBuilder<W> {
    /// Starts an archive with its root entry.
    ///
    /// # Errors
    /// [`PackError::Write`], or [`PackError::TooManyEntries`] when not even the root is permitted.
    pub fn new(out: W, limits: PackLimits) -> Result<Self, PackError> {
        TarBuilder::new(encoder(out), limits).map(Self)
    }

    /// Adds a directory.
    ///
    /// # Errors
    /// As [`TarBuilder::directory`].
    pub fn directory(&mut self, path: impl AsRef<[u8]>) -> Result<(), PackError> {
        self.0.directory(path)
    }

    /// Adds a file.
    ///
    /// # Errors
    /// As [`TarBuilder::file`].
    pub fn file(&mut self, path: impl AsRef<[u8]>, mode: FileMode, content: Content<'_>) -> Result<(), PackError> {
        self.0.file(path, mode, content)
    }

    /// Ends the archive and returns the output and what was packed. The output is not flushed.
    ///
    /// # Errors
    /// [`PackError::Write`].
    pub fn finish(self) -> Result<(W, PackSummary), PackError> {
        let (out, summary) = self.0.finish()?;
        Ok((out.finish().map_err(PackError::Write)?, summary))
    }
}

/// The compression that is part of the normalised form.
pub(crate) fn encoder<W: Write>(out: W) -> GzEncoder<W> {
    GzBuilder::new().mtime(0).operating_system(UNKNOWN_SYSTEM).write(out, Compression::new(DEFLATE_LEVEL))
}

/// Writes the tar of a normalised archive, in blocks of one size, to what compresses it.
pub struct TarBuilder<W: Write> {
    out: Blocks<W>,
    limits: PackLimits,
    summary: PackSummary,
    /// The path of the entry before, to check the order; empty for the root.
    previous: Vec<u8>,
    /// Reused for headers.
    buffer: Vec<u8>,
    /// Reused for content; always [`COPY_BUFFER_BYTES`] long, since to fill it anew for each of many small files takes longer than they do.
    content: Box<[u8]>,
}

impl<W: Write> TarBuilder<W> {
    pub(crate) fn new(out: W, limits: PackLimits) -> Result<Self, PackError> {
        let (summary, content) = (PackSummary::default(), vec![0; COPY_BUFFER_BYTES].into());
        let (previous, buffer) = (Vec::new(), Vec::new());
        let mut archive = Self { out: Blocks::new(out), limits, summary, previous, buffer, content };
        archive.header(&Header {
            path: b".",
            kind: TypeFlag::Directory,
            mode: DIRECTORY_MODE,
            size: 0,
            modified: 0,
        })?;
        Ok(archive)
    }

    /// Adds a directory.
    ///
    /// # Errors
    /// [`PackError`], for a path that is wrong or out of order, a limit, and a failing output.
    pub fn directory(&mut self, path: impl AsRef<[u8]>) -> Result<(), PackError> {
        let path = path.as_ref();
        self.advance(path)?;
        self.header(&Header { path, kind: TypeFlag::Directory, mode: DIRECTORY_MODE, size: 0, modified: 0 })
    }

    /// Adds a file.
    ///
    /// # Errors
    /// [`PackError`], as for a directory, and for content that cannot be read or has not the size that it stated.
    pub fn file(&mut self, path: impl AsRef<[u8]>, mode: FileMode, content: Content<'_>) -> Result<(), PackError> {
        let (path, Content { size, reader }) = (path.as_ref(), content);
        self.advance(path)?;
        self.summary.content_bytes = self.summary.content_bytes.saturating_add(size);
        let most = self.limits.content_bytes.min(MAX_CONTENT_BYTES);
        if self.summary.content_bytes > most {
            return Err(PackError::TooManyBytes(most));
        }
        self.header(&Header { path, kind: TypeFlag::Regular, mode: mode.bits(), size, modified: 0 })?;
        self.content(path, size, reader)?;
        self.summary.files += 1;
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Result<(W, PackSummary), PackError> {
        self.out.write_all(&[0; 2 * BLOCK_BYTES]).map_err(PackError::Write)?;
        let out = self.out.finish().map_err(PackError::Write)?;
        Ok((out, self.summary))
    }

    /// Checks that a path may come next and remembers it.
    fn advance(&mut self, path: &[u8]) -> Result<(), PackError> {
        let components = || path.split(|byte| *byte == b'/');
        if path.contains(&0) || components().any(|component| matches!(component, b"" | b"." | b"..")) {
            return Err(PackError::Path(printable(path)));
        }
        if !self.previous.is_empty() && self.previous.split(|byte| *byte == b'/').cmp(components()).is_ge() {
            return Err(PackError::Order(printable(path)));
        }
        path.clone_into(&mut self.previous);
        Ok(())
    }

    fn header(&mut self, header: &Header<'_>) -> Result<(), PackError> {
        self.summary.entries += 1;
        if self.summary.entries > self.limits.entries {
            return Err(PackError::TooManyEntries(self.limits.entries));
        }
        self.buffer.clear();
        header.append_to(&mut self.buffer);
        self.out.write_all(&self.buffer).map_err(PackError::Write)
    }

    /// Copies exactly `size` bytes and the padding after them. A file that shrank or grew since it was listed is an
    /// error: a short one would shift every header behind it, a long one would be cut in silence.
    fn content(&mut self, path: &[u8], size: u64, mut reader: Box<dyn Read + '_>) -> Result<(), PackError> {
        let mut left = size;
        loop {
            let count = match reader.read(&mut self.content) {
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(PackError::Read { path: printable(path), source }),
            };
            match left.checked_sub(count as u64) {
                Some(0) if count == 0 => break,
                Some(rest) if count > 0 => left = rest,
                _ => return Err(PackError::Size(printable(path))),
            }
            self.out.write_all(&self.content[..count]).map_err(PackError::Write)?;
        }
        let padding = size.next_multiple_of(BLOCK_BYTES as u64) - size;
        let zeros = [0; BLOCK_BYTES];
        let padding = usize::try_from(padding).unwrap_or_default();
        self.out.write_all(&zeros[..padding]).map_err(PackError::Write)
    }
}

/// Hands on blocks of one size: what deflate makes of a stream depends on the pieces that it is given, and those on how content is read.
struct Blocks<W: Write> {
    out: W,
    block: Vec<u8>,
}

impl<W: Write> Blocks<W> {
    fn new(out: W) -> Self {
        Self { out, block: Vec::with_capacity(COPY_BUFFER_BYTES) }
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while self.block.len() + bytes.len() >= COPY_BUFFER_BYTES {
            let (now, later) = bytes.split_at(COPY_BUFFER_BYTES - self.block.len());
            self.block.extend_from_slice(now);
            self.out.write_all(&self.block)?;
            self.block.clear();
            bytes = later;
        }
        self.block.extend_from_slice(bytes);
        Ok(())
    }

    /// Hands on what is left.
    fn finish(mut self) -> io::Result<W> {
        self.out.write_all(&self.block)?;
        Ok(self.out)
    }
}

/// A path for a message: what is not printable ASCII is escaped, so that a name cannot forge a log line.
pub(crate) fn printable(path: &[u8]) -> String {
    path.escape_ascii().to_string()
}

#[cfg(test)]
mod tests;
