//! Reads tar entry by entry: USTAR, the old form, and of the extensions PAX `path` and GNU long names.
//!
//! Whatever would let another reader see other entries than we do is an error: a size on an entry without content, a
//! size in an extended header, a sparse file.

use std::io::{Read, Write};

use tar::{EntryType, Header};

use super::Limits;
use super::fault::{Fault, Limit};
use super::inflate::Inflate;
use super::name::SafePath;
use crate::header::BLOCK_BYTES;
use crate::pack::printable;

/// The largest extended header: many times the longest name, little memory.
const MAX_EXTENSION_BYTES: u64 = 1 << 20;

/// Bytes of content copied at a time.
const COPY_BUFFER_BYTES: usize = 64 * 1024;

/// The most bytes of a name that an error repeats.
const MAX_SHOWN_BYTES: usize = 256;

/// What an entry is, as far as it is unpacked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Directory,
    Link,
}

/// An entry. Its content follows in the stream.
pub(super) struct Member {
    pub(super) path: SafePath,
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) size: u64,
}

/// An entry whose name nobody has looked at yet: [`TarReader::name`] has it.
pub(super) struct RawMember {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) size: u64,
    /// Seconds since 1970.
    pub(super) modified: u64,
}

/// The stream of entries.
pub(super) struct TarReader<R: Read> {
    input: Inflate<R>,
    limits: Limits,
    /// Headers read.
    headers: u64,
    /// The name of the entry that is being read, for errors.
    current: Option<Vec<u8>>,
    /// The name of the last one that was read whole.
    finished: Option<Vec<u8>>,
    buffer: Vec<u8>,
}

impl<R: Read> TarReader<R> {
    pub(super) fn new(reader: R, limits: Limits) -> Self {
        let input = Inflate::new(reader, &limits);
        Self { input, limits, headers: 0, current: None, finished: None, buffer: vec![0; COPY_BUFFER_BYTES] }
    }

    /// Where the stream is, for an error.
    pub(super) fn position(&self) -> String {
        let shown = |name: &[u8]| printable(&name[..name.len().min(MAX_SHOWN_BYTES)]);
        match (&self.current, &self.finished) {
            (Some(name), _) => shown(name),
            (None, Some(name)) => format!("after {}", shown(name)),
            (None, None) => String::new(),
        }
    }

    /// The next entry; `None` at the end, when the whole input has been read. The content of the one before must have
    /// been copied. `directories` is how many directories exist by now: they count as entries.
    pub(super) fn next_member(&mut self, directories: u64) -> Result<Option<Member>, Fault> {
        let Some(RawMember { kind, mode, size, .. }) = self.next_raw(directories)? else { return Ok(None) };
        let path = SafePath::parse(self.name(), &self.limits)?;
        if kind == Kind::File && path.components().is_empty() {
            return Err(Fault::Name("names the root"));
        }
        Ok(Some(Member { path, kind, mode, size }))
    }

    /// The name of the entry that was just returned, as the archive has it.
    pub(super) fn name(&self) -> &[u8] {
        self.current.as_deref().unwrap_or_default()
    }

    /// As [`TarReader::next_member`], for a caller that has its own rules for names.
    pub(super) fn next_raw(&mut self, directories: u64) -> Result<Option<RawMember>, Fault> {
        if let Some(name) = self.current.take() {
            self.finished = Some(name);
        }
        let mut long_name = None;
        let mut pax_name = None;
        while let Some(header) = self.header(directories)? {
            let size = header.entry_size().map_err(|_| Fault::Header("size is no number"))?;
            match header.entry_type() {
                EntryType::XHeader => pax_name = pax_path(&self.extension(size)?)?.or(pax_name),
                EntryType::GNULongName => long_name = Some(until_nul(self.extension(size)?)),
                // The target of a link, which is skipped; a comment of the whole archive, as git writes it.
                EntryType::GNULongLink | EntryType::XGlobalHeader => drop(self.extension(size)?),
                kind => {
                    let name = pax_name.or(long_name).unwrap_or_else(|| header.path_bytes().into_owned());
                    return self.member(&header, kind, size, name).map(Some);
                }
            }
        }
        if pax_name.is_some() || long_name.is_some() {
            return Err(Fault::Truncated);
        }
        Ok(None)
    }

    /// Copies the content of the entry that was just returned and skips its padding.
    pub(super) fn copy_content(&mut self, size: u64, out: &mut impl Write) -> Result<(), Fault> {
        let mut left = size;
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
            let count = self.input.read(&mut self.buffer[..want])?;
            if count == 0 {
                return Err(Fault::Truncated);
            }
            out.write_all(&self.buffer[..count]).map_err(Fault::Write)?;
            left -= count as u64;
        }
        let padding = usize::try_from(size.next_multiple_of(BLOCK_BYTES as u64) - size).unwrap_or_default();
        if self.input.fill(&mut self.buffer[..padding])? < padding {
            return Err(Fault::Truncated);
        }
        Ok(())
    }

    fn member(&mut self, header: &Header, kind: EntryType, size: u64, name: Vec<u8>) -> Result<RawMember, Fault> {
        let name = self.current.insert(name);
        // The form before USTAR has no type for directories and ends their names with a slash.
        let old_directory = header.as_bytes()[TYPE_AT] == 0 && name.ends_with(b"/");
        let kind = match kind {
            EntryType::Regular if old_directory => Kind::Directory,
            EntryType::Regular => Kind::File,
            EntryType::Directory => Kind::Directory,
            EntryType::Symlink | EntryType::Link => Kind::Link,
            // Devices and pipes: opening one blocks or reaches the host. Sparse files: a few bytes that read as
            // terabytes. Anything else: not known to be harmless.
            other => return Err(Fault::Type(char::from(other.as_byte()))),
        };
        // Some readers skip such content, others take it for the next header and see entries that we do not.
        if kind != Kind::File && size != 0 {
            return Err(Fault::Header("content in an entry that has none"));
        }
        // One file that fills the disk.
        if size > self.limits.file_bytes {
            return Err(Fault::Limit(Limit::FileBytes, self.limits.file_bytes));
        }
        let mode = header.mode().map_err(|_| Fault::Header("mode is no number"))?;
        // Nothing depends on the time, and some writers leave it empty.
        let modified = header.mtime().unwrap_or_default();
        Ok(RawMember { kind, mode, size, modified })
    }

    /// The next header; `None` at the end of the archive.
    fn header(&mut self, directories: u64) -> Result<Option<Header>, Fault> {
        let mut block = [0; BLOCK_BYTES];
        match self.input.fill(&mut block)? {
            0 => return Ok(None),
            BLOCK_BYTES => {}
            _ => return Err(Fault::Truncated),
        }
        if block == [0; BLOCK_BYTES] {
            self.drain()?;
            return Ok(None);
        }
        // Millions of empty entries, which cost inodes and time rather than bytes.
        self.headers += 1;
        if self.headers.saturating_add(directories) > self.limits.entries {
            return Err(Fault::Limit(Limit::Entries, self.limits.entries));
        }
        let header = Header::from_byte_slice(&block).clone();
        let stated = header.cksum().map_err(|_| Fault::Header("checksum is no number"))?;
        if !checksums(&block).contains(&i64::from(stated)) {
            return Err(Fault::Header("checksum does not match"));
        }
        Ok(Some(header))
    }

    /// Reads on to the end of the input: only there does gzip's checksum show whether anything was altered. A second
    /// zero block must follow the first one; what comes after both is padding, or ignored.
    fn drain(&mut self) -> Result<(), Fault> {
        let mut block = [0; BLOCK_BYTES];
        let count = self.input.fill(&mut block)?;
        // Entries after a lone zero block, which only some readers go on to.
        if block[..count].iter().any(|byte| *byte != 0) {
            return Err(Fault::Header("entries after the end"));
        }
        let mut buffer = std::mem::take(&mut self.buffer);
        while self.input.read(&mut buffer)? > 0 {}
        self.buffer = buffer;
        Ok(())
    }

    /// The whole content of an extended header.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, Fault> {
        // A header of gigabytes that has to be held in memory.
        if size > MAX_EXTENSION_BYTES {
            return Err(Fault::Limit(Limit::ExtensionBytes, MAX_EXTENSION_BYTES));
        }
        let mut content = Vec::new();
        self.copy_content(size, &mut content)?;
        Ok(content)
    }
}

const TYPE_AT: usize = 156;
const CHECKSUM: std::ops::Range<usize> = 148..156;

/// The sums that a correct header may state: of unsigned bytes, or of signed ones as some old writers had it. The
/// checksum's own field counts as spaces.
fn checksums(block: &[u8; BLOCK_BYTES]) -> [i64; 2] {
    let bytes = || block.iter().enumerate().map(|(at, byte)| if CHECKSUM.contains(&at) { b' ' } else { *byte });
    [bytes().map(i64::from).sum(), bytes().map(|byte| i64::from(byte.cast_signed())).sum()]
}

fn until_nul(mut name: Vec<u8>) -> Vec<u8> {
    if let Some(end) = name.iter().position(|byte| *byte == 0) {
        name.truncate(end);
    }
    name
}

/// The `path` of a PAX extended header: records of `<length> <key>=<value>\n`, where the length counts the whole record.
/// Taken apart by length, never by line: a value may contain line feeds, and a reader that splits at them can be shown
/// records that are not there.
fn pax_path(mut records: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
    const BROKEN: Fault = Fault::Header("broken extended header");
    let mut path = None;
    while !records.is_empty() {
        let space = records.iter().position(|byte| *byte == b' ').ok_or(BROKEN)?;
        let length = std::str::from_utf8(&records[..space]).ok().and_then(|digits| digits.parse::<usize>().ok());
        let (record, rest) = length.and_then(|length| records.split_at_checked(length)).ok_or(BROKEN)?;
        let record = record.get(space + 1..).and_then(|record| record.strip_suffix(b"\n")).ok_or(BROKEN)?;
        let equals = record.iter().position(|byte| *byte == b'=').ok_or(BROKEN)?;
        match (&record[..equals], &record[equals + 1..]) {
            (b"path", value) => path = Some(value.to_vec()),
            // The header states another size, and a reader that ignores this one goes on elsewhere in the stream.
            (b"size", _) => return Err(Fault::Header("size in an extended header")),
            (key, _) if key.starts_with(b"GNU.sparse.") => return Err(Fault::Type('S')),
            _ => {}
        }
        records = rest;
    }
    Ok(path)
}
