//! Reads a tar.gz entry by entry without unpacking it, for formats with rules of their own for names.
//!
//! The counting, the checks of headers and the refusal of devices and sparse files are those of [`super::unpack`]. Deliberately absent: any
//! check of the name, which is the caller's, and anything on disk.

use std::io::{self, Read};

use super::Limits;
use super::fault::{Fault, UnpackError};
use super::reader::{Kind, TarReader};

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic or hard link. It has no content, and its target is not told.
    Link,
}

/// An entry as the archive has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEntry {
    /// The name, not checked: it may be absolute, climb, or hold any byte.
    pub name: Vec<u8>,
    /// What it is.
    pub kind: RawKind,
    /// Bytes of content, at most [`Limits::file_bytes`].
    pub size: u64,
    /// Time of the last change in seconds since 1970.
    pub modified: u64,
}

/// The entries of a tar.gz, one after the other. [`Limits::path_depth`] and [`Limits::path_bytes`] are not looked at.
pub struct Entries<R: Read> {
    archive: TarReader<R>,
    /// Bytes of the current entry that were not read.
    pending: u64,
}

impl<R: Read> Entries<R> {
    /// Starts to read. Nothing is read yet.
    pub fn new(reader: R, limits: &Limits) -> Self {
        Self { archive: TarReader::new(reader, *limits), pending: 0 }
    }

    /// The next entry; `None` when the whole input has been read and its checksum was right. Content that was not asked for is passed.
    ///
    /// # Errors
    /// [`UnpackError`]; no more can be read then.
    pub fn next_entry(&mut self) -> Result<Option<RawEntry>, UnpackError> {
        self.pass().map_err(|fault| self.failed(fault))?;
        let Some(member) = self.archive.next_raw(0).map_err(|fault| self.failed(fault))? else { return Ok(None) };
        self.pending = member.size;
        let kind = match member.kind {
            Kind::File => RawKind::File,
            Kind::Directory => RawKind::Directory,
            Kind::Link => RawKind::Link,
        };
        let name = self.archive.name().to_vec();
        Ok(Some(RawEntry { name, kind, size: member.size, modified: member.modified }))
    }

    /// The content of the entry that [`Entries::next_entry`] returned; empty when asked again.
    ///
    /// # Errors
    /// [`UnpackError`]; no more can be read then.
    pub fn content(&mut self) -> Result<Vec<u8>, UnpackError> {
        let mut content = Vec::new();
        let size = std::mem::take(&mut self.pending);
        self.archive.copy_content(size, &mut content).map_err(|fault| self.failed(fault))?;
        Ok(content)
    }

    fn pass(&mut self) -> Result<(), Fault> {
        let size = std::mem::take(&mut self.pending);
        self.archive.copy_content(size, &mut io::sink())
    }

    fn failed(&self, fault: Fault) -> UnpackError {
        UnpackError { entry: self.archive.position(), fault }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FileEntry, FilesBuilder, GzipTag};

    fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = FilesBuilder::new(Vec::new(), &GzipTag::default()).unwrap();
        for (path, content) in files {
            builder.file(&FileEntry { path: path.as_bytes(), mode: 0o644, modified: 7 }, content).unwrap();
        }
        builder.finish().unwrap()
    }

    #[test]
    fn entries_come_with_their_names_unchecked_and_content_only_when_asked() {
        let long = format!("d/{}", "n".repeat(150));
        let bytes = archive(&[("a:b", b"one"), (&long, b"two"), ("c\\d", b"three")]);
        let mut entries = Entries::new(bytes.as_slice(), &Limits::default());
        let mut seen = Vec::new();
        while let Some(entry) = entries.next_entry().unwrap() {
            let content = if entry.size == 3 { entries.content().unwrap() } else { Vec::new() };
            seen.push((String::from_utf8(entry.name).unwrap(), entry.kind, entry.modified, content));
        }
        let file = RawKind::File;
        assert_eq!(
            seen,
            [
                ("a:b".to_owned(), file, 7, b"one".to_vec()),
                (long, file, 7, b"two".to_vec()),
                ("c\\d".to_owned(), file, 7, Vec::new()),
            ]
        );
    }

    #[test]
    fn limits_hold_and_damage_is_found() {
        let bytes = archive(&[("a", &[0; 5000]), ("b", &[1; 10])]);
        let walk = |bytes: &[u8], limits: &Limits| {
            let mut entries = Entries::new(bytes, limits);
            while entries.next_entry()?.is_some() {}
            Ok::<_, UnpackError>(())
        };
        walk(&bytes, &Limits::default()).unwrap();
        for limits in [
            Limits { file_bytes: 4999, ..Limits::default() },
            Limits { total_bytes: 5000, ..Limits::default() },
            Limits { entries: 1, ..Limits::default() },
        ] {
            assert!(matches!(walk(&bytes, &limits).unwrap_err().fault, Fault::Limit(..)));
        }
        assert!(walk(&bytes[..bytes.len() - 9], &Limits::default()).is_err());
    }
}
