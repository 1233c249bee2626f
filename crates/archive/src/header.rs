//! Tar headers as the normalised archive has them: USTAR with everything that varies between machines zeroed, and a
//! PAX record before a header whose name USTAR cannot hold.
//!
//! Deliberately absent: links, devices, owners, and times and sizes that need more than the eleven octal digits.

/// The unit of tar: headers are one block, content is padded to whole ones.
pub(crate) const BLOCK_BYTES: usize = 512;

/// The largest content that eleven octal digits can state.
pub(crate) const MAX_CONTENT_BYTES: u64 = 0o777_7777_7777;

const NAME_BYTES: usize = 100;
const PREFIX_BYTES: usize = 155;

/// The type flags that are written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum TypeFlag {
    Regular,
    Directory,
}

impl TypeFlag {
    const fn byte(self) -> u8 {
        match self {
            Self::Regular => b'0',
            Self::Directory => b'5',
        }
    }
}

/// What one header states.
pub(crate) struct Header<'a> {
    pub(crate) path: &'a [u8],
    pub(crate) kind: TypeFlag,
    pub(crate) mode: u32,
    pub(crate) size: u64,
    /// Seconds since 1970; the normalised archive has zero.
    pub(crate) modified: u64,
}

impl Header<'_> {
    /// Appends the header's blocks: one, or three and more when a PAX record goes before it.
    pub(crate) fn append_to(&self, out: &mut Vec<u8>) {
        if let Some((prefix, name)) = ustar_name(self.path) {
            self.append_block(prefix, name, out);
            return;
        }
        append_pax_path(self.path, out);
        self.append_block(b"", &ascii_name(self.path), out);
    }

    fn append_block(&self, prefix: &[u8], name: &[u8], out: &mut Vec<u8>) {
        let mut block = Block::new(name, self.kind.byte());
        block.octal(MODE, u64::from(self.mode));
        block.octal(SIZE, self.size);
        block.octal(MODIFIED, self.modified);
        block.octal(DEVICE_MAJOR, 0);
        block.octal(DEVICE_MINOR, 0);
        block.bytes(PREFIX_AT, prefix);
        out.extend_from_slice(&block.sealed());
    }
}

/// Splits a path into USTAR's prefix and name; `None` when it needs a PAX record.
fn ustar_name(path: &[u8]) -> Option<(&[u8], &[u8])> {
    if !path.is_ascii() {
        return None;
    }
    if path.len() <= NAME_BYTES {
        return Some((b"", path));
    }
    // The rightmost slash that leaves a prefix of permitted length.
    let window = &path[..path.len().min(PREFIX_BYTES + 1)];
    let slash = window.iter().rposition(|byte| *byte == b'/')?;
    let name = &path[slash + 1..];
    (slash > 0 && !name.is_empty() && name.len() <= NAME_BYTES).then_some((&path[..slash], name))
}

/// The name in a header whose real one is in a PAX record, for readers that do not know PAX: cut off, without what is
/// not ASCII, and without a final slash, which some take for a directory's.
fn ascii_name(path: &[u8]) -> Vec<u8> {
    let mut name: Vec<u8> = path.iter().copied().filter(u8::is_ascii).collect();
    if name.len() > NAME_BYTES {
        name.truncate(NAME_BYTES);
        while name.last() == Some(&b'/') {
            name.pop();
        }
    }
    name
}

/// Appends the blocks of a PAX extended header that has only the record `path`.
fn append_pax_path(path: &[u8], out: &mut Vec<u8>) {
    let record = pax_record(b"path", path);
    let split = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
    let (dir, file) = path.split_at(split);
    let mut name: Vec<u8> = [dir, b"PaxHeaders.0/", file].concat();
    name.retain(u8::is_ascii);
    name.truncate(NAME_BYTES);
    while name.last() == Some(&b'/') {
        name.pop();
    }
    let mut block = Block::new(&name, b'x');
    block.octal(MODE, 0);
    block.octal(SIZE, record.len() as u64);
    out.extend_from_slice(&block.sealed());
    out.extend_from_slice(&record);
    out.resize(out.len().next_multiple_of(BLOCK_BYTES), 0);
}

/// `<length> <key>=<value>\n`, where the length counts the whole record with itself.
fn pax_record(key: &[u8], value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    [length.to_string().as_bytes(), b" ", key, b"=", value, b"\n"].concat()
}

/// A field of octal digits: where it is and how long, with the NUL that ends it.
type Field = (usize, usize);
const MODE: Field = (100, 8);
const UID: Field = (108, 8);
const GID: Field = (116, 8);
const SIZE: Field = (124, 12);
const MODIFIED: Field = (136, 12);
const CHECKSUM: Field = (148, 7);
const TYPE_AT: usize = 156;
const MAGIC_AT: usize = 257;
const DEVICE_MAJOR: Field = (329, 8);
const DEVICE_MINOR: Field = (337, 8);
const PREFIX_AT: usize = 345;

struct Block([u8; BLOCK_BYTES]);

impl Block {
    fn new(name: &[u8], type_flag: u8) -> Self {
        let mut block = Self([0; BLOCK_BYTES]);
        block.bytes(0, name);
        block.octal(UID, 0);
        block.octal(GID, 0);
        block.octal(MODIFIED, 0);
        block.0[TYPE_AT] = type_flag;
        block.bytes(MAGIC_AT, b"ustar\x0000");
        block
    }

    fn bytes(&mut self, at: usize, bytes: &[u8]) {
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Zero-padded octal digits and a final NUL. Every value that reaches this fits its field.
    fn octal(&mut self, (at, length): Field, value: u64) {
        let digits = format!("{value:0width$o}", width = length - 1);
        self.bytes(at, digits.as_bytes());
    }

    /// The block with its checksum: the sum of all bytes with the checksum's own taken as spaces, in six digits, a NUL
    /// and a space.
    fn sealed(mut self) -> [u8; BLOCK_BYTES] {
        let (at, length) = CHECKSUM;
        self.0[at..=at + length].fill(b' ');
        let sum = self.0.iter().map(|byte| u64::from(*byte)).sum();
        self.0[at + length - 1] = 0;
        self.octal(CHECKSUM, sum);
        self.0
    }
}
