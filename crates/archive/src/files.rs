//! Writes a tar.gz of plain files for formats that fix the order, modes and times of entries and what the gzip header says.
//!
//! Headers are USTAR, with a PAX record only for a name that USTAR cannot hold; owners are zero. Deliberately absent: directories, links, any
//! check of the order, and a limit on what is written, which the caller holds in memory already.

use std::ffi::CString;
use std::io::Write;

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use crate::header::{BLOCK_BYTES, Header, MAX_CONTENT_BYTES, TypeFlag};
use crate::pack::{DEFLATE_LEVEL, PackError, UNKNOWN_SYSTEM, printable};

/// The last second that the header's eleven octal digits can state (in the year 2242).
const MAX_TIME: u64 = 0o777_7777_7777;

/// What the gzip header carries besides its fixed fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GzipTag {
    /// The "extra" field, with its subfield headers; none if empty.
    pub extra: Vec<u8>,
    /// The comment; none if empty.
    pub comment: CString,
}

/// A file that is to be written.
#[derive(Clone, Copy, Debug)]
pub struct FileEntry<'a> {
    /// Components joined by `/`: relative, none of them empty, `.` or `..`.
    pub path: &'a [u8],
    /// Permission bits.
    pub mode: u32,
    /// Time of the last change in seconds since 1970; written as the last one that fits if it does not.
    pub modified: u64,
}

/// Writes files one after the other.
pub struct FilesBuilder<W: Write> {
    out: GzEncoder<W>,
    buffer: Vec<u8>,
}

impl<W: Write> FilesBuilder<W> {
    /// Starts an archive.
    ///
    /// # Errors
    /// [`PackError::Write`].
    pub fn new(out: W, tag: &GzipTag) -> Result<Self, PackError> {
        let mut header = GzBuilder::new().mtime(0).operating_system(UNKNOWN_SYSTEM);
        if !tag.extra.is_empty() {
            header = header.extra(tag.extra.clone());
        }
        if !tag.comment.is_empty() {
            header = header.comment(tag.comment.clone());
        }
        Ok(Self { out: header.write(out, Compression::new(DEFLATE_LEVEL)), buffer: Vec::new() })
    }

    /// Writes a file.
    ///
    /// # Errors
    /// [`PackError::Path`] for a path that is not as [`FileEntry::path`] says, [`PackError::TooManyBytes`] for more than 8 GiB,
    /// [`PackError::Write`].
    pub fn file(&mut self, entry: &FileEntry<'_>, content: &[u8]) -> Result<(), PackError> {
        let mut components = entry.path.split(|byte| *byte == b'/');
        // A name that would leave the directory of whoever unpacks it.
        if entry.path.contains(&0) || components.any(|component| matches!(component, b"" | b"." | b"..")) {
            return Err(PackError::Path(printable(entry.path)));
        }
        let size = content.len() as u64;
        if size > MAX_CONTENT_BYTES {
            return Err(PackError::TooManyBytes(MAX_CONTENT_BYTES));
        }
        let FileEntry { path, mode, modified } = *entry;
        let header =
            Header { path, kind: TypeFlag::Regular, mode: mode & 0o777, size, modified: modified.min(MAX_TIME) };
        self.buffer.clear();
        header.append_to(&mut self.buffer);
        self.out.write_all(&self.buffer).map_err(PackError::Write)?;
        self.out.write_all(content).map_err(PackError::Write)?;
        let padding = content.len().next_multiple_of(BLOCK_BYTES) - content.len();
        self.out.write_all(&[0; BLOCK_BYTES][..padding]).map_err(PackError::Write)
    }

    /// Ends the archive and returns the output, which is not flushed.
    ///
    /// # Errors
    /// [`PackError::Write`].
    pub fn finish(mut self) -> Result<W, PackError> {
        self.out.write_all(&[0; 2 * BLOCK_BYTES]).map_err(PackError::Write)?;
        self.out.finish().map_err(PackError::Write)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn the_gzip_header_carries_the_tag_and_entries_their_own_mode_and_time() {
        let tag = GzipTag { extra: b"xy\x02\0ab".to_vec(), comment: c"Note".to_owned() };
        let mut builder = FilesBuilder::new(Vec::new(), &tag).unwrap();
        builder.file(&FileEntry { path: b"z/f", mode: 0o644, modified: 0o1234 }, b"content").unwrap();
        builder.file(&FileEntry { path: b"a", mode: 0o600, modified: u64::MAX }, b"").unwrap();
        let bytes = builder.finish().unwrap();
        assert_eq!(&bytes[..10], b"\x1f\x8b\x08\x14\0\0\0\0\0\xff");
        assert_eq!(&bytes[10..23], b"\x06\0xy\x02\0abNote\0");
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut plain).unwrap();
        assert_eq!(plain.len(), 5 * BLOCK_BYTES);
        assert_eq!(&plain[100..108], b"0000644\0");
        assert_eq!(&plain[136..148], b"00000001234\0");
        assert_eq!(&plain[BLOCK_BYTES..BLOCK_BYTES + 7], b"content");
        assert_eq!(&plain[2 * BLOCK_BYTES + 136..2 * BLOCK_BYTES + 148], b"77777777777\0");
    }

    #[test]
    fn paths_that_lead_elsewhere_are_refused() {
        let mut builder = FilesBuilder::new(Vec::new(), &GzipTag::default()).unwrap();
        for path in ["", "/a", "a//b", "a/../b", "./a", "a/", "a\0"] {
            let entry = FileEntry { path: path.as_bytes(), mode: 0o644, modified: 0 };
            assert!(matches!(builder.file(&entry, b"").unwrap_err(), PackError::Path(_)), "{path:?}");
        }
    }
}
