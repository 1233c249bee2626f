//! A look at a pack as it comes in: how large its objects are when they are whole.
//!
//! libgit2 puts objects together from deltas in memory and has no bound for them, and a delta of a kilobyte can stand for gigabytes: whoever
//! may push to a repository could end the process. So every entry's sizes are read here first, which means to inflate the entries once
//! more: nothing else tells where one ends and the next begins.
//!
//! Deliberately checks no hashes and resolves no deltas; the indexer does.

use zlib_rs::{Inflate, InflateFlush, Status};

/// Magic, version, number of objects.
const HEADER: usize = 12;

/// A delta to an object named by its hash.
const REF_DELTA: u8 = 7;

/// A delta to an earlier entry, named by its distance.
const OFS_DELTA: u8 = 6;

/// The largest window of deflate, which git uses.
const WINDOW_BITS: u8 = 15;

/// Inflated at a time.
const BUFFER: usize = 32 << 10;

/// A pack that is not let through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ScanError {
    #[error("an object is larger than {0} bytes")]
    TooLarge(u64),
    #[error("the pack is damaged")]
    Damaged,
}

/// Where in the pack the next byte stands.
enum At {
    Header(usize),
    /// An entry's type and size: seven bits in each byte after the first.
    Entry {
        kind: u8,
        size: u64,
        shift: u32,
    },
    /// The distance of an [`OFS_DELTA`], of no interest.
    Distance {
        size: u64,
    },
    /// The base of a [`REF_DELTA`], of no interest.
    Base {
        left: usize,
        size: u64,
    },
    Data(Data),
    Trailer,
}

struct Data {
    /// As the entry announces it.
    size: u64,
    inflated: u64,
    /// The two sizes at the beginning of a delta, as far as they are read.
    delta: Option<DeltaSizes>,
}

/// Sizes of base and result.
#[derive(Default)]
struct DeltaSizes {
    read: usize,
    value: u64,
    shift: u32,
}

/// Reads a pack in pieces.
pub(crate) struct PackScan {
    at: At,
    left: u32,
    count: [u8; 4],
    limit: u64,
    inflate: Inflate,
    buffer: Vec<u8>,
}

impl PackScan {
    /// No object may have more than `limit` bytes, alone or as the result of a delta.
    pub(crate) fn new(limit: u64) -> Self {
        let inflate = Inflate::new(true, WINDOW_BITS);
        Self { at: At::Header(0), left: 0, count: [0; 4], limit, inflate, buffer: vec![0; BUFFER] }
    }

    /// Looks at the next piece.
    pub(crate) fn push(&mut self, mut piece: &[u8]) -> Result<(), ScanError> {
        while let Some((first, rest)) = piece.split_first() {
            let data = match &mut self.at {
                At::Trailer => return Ok(()),
                At::Data(_) => {
                    piece = self.data(piece)?;
                    continue;
                }
                At::Header(seen) => {
                    if let Some(place) = seen.checked_sub(HEADER - 4) {
                        self.count[place] = *first;
                    }
                    *seen += 1;
                    if *seen == HEADER {
                        self.left = u32::from_be_bytes(self.count);
                        self.at = next_entry(self.left);
                    }
                    None
                }
                At::Entry { kind, size, shift } => {
                    let (low, width) = if *shift == 0 { (first & 0x0f, 4) } else { (first & 0x7f, 7) };
                    if *shift == 0 {
                        *kind = first >> 4 & 7;
                    }
                    *size |= shifted(low, *shift)?;
                    *shift += width;
                    let (kind, size) = (*kind, *size);
                    if first & 0x80 == 0 { self.after_entry(kind, size)? } else { None }
                }
                At::Distance { size } => (first & 0x80 == 0).then_some((*size, true)),
                At::Base { left, size } => {
                    *left -= 1;
                    (*left == 0).then_some((*size, true))
                }
            };
            if let Some((size, is_delta)) = data {
                self.inflate.reset(true);
                self.at = At::Data(Data { size, inflated: 0, delta: is_delta.then(DeltaSizes::default) });
            }
            piece = rest;
        }
        Ok(())
    }

    /// What follows an entry's type and size; size and whether it is a delta when it is the data.
    fn after_entry(&mut self, kind: u8, size: u64) -> Result<Option<(u64, bool)>, ScanError> {
        if size > self.limit {
            return Err(ScanError::TooLarge(self.limit));
        }
        match kind {
            1..=4 => return Ok(Some((size, false))),
            OFS_DELTA => self.at = At::Distance { size },
            REF_DELTA => self.at = At::Base { left: 20, size },
            _ => return Err(ScanError::Damaged),
        }
        Ok(None)
    }

    /// Inflates a part of an entry; returns what it did not take.
    fn data<'a>(&mut self, piece: &'a [u8]) -> Result<&'a [u8], ScanError> {
        let At::Data(data) = &mut self.at else { return Ok(piece) };
        let before = (self.inflate.total_in(), self.inflate.total_out());
        let step = self.inflate.decompress(piece, &mut self.buffer, InflateFlush::NoFlush);
        // No more than the two slices have, so that these are sizes.
        let consumed = usize::try_from(self.inflate.total_in() - before.0).map_err(|_| ScanError::Damaged)?;
        let written = usize::try_from(self.inflate.total_out() - before.1).map_err(|_| ScanError::Damaged)?;
        data.inflated += written as u64;
        if data.inflated > data.size {
            return Err(ScanError::Damaged);
        }
        if let Some(sizes) = &mut data.delta {
            for byte in &self.buffer[..written] {
                if sizes.read < 2 && sizes.take(*byte)? > self.limit {
                    return Err(ScanError::TooLarge(self.limit));
                }
            }
        }
        match step {
            Ok(Status::StreamEnd) => {
                self.left -= 1;
                self.at = next_entry(self.left);
            }
            // Without progress it would go on for ever.
            Ok(Status::Ok | Status::BufError) if consumed + written > 0 => {}
            Ok(_) | Err(_) => return Err(ScanError::Damaged),
        }
        Ok(&piece[consumed..])
    }
}

impl DeltaSizes {
    /// Takes a byte; returns the size as far as it is known.
    fn take(&mut self, byte: u8) -> Result<u64, ScanError> {
        self.value |= shifted(byte & 0x7f, self.shift)?;
        self.shift += 7;
        let value = self.value;
        if byte & 0x80 == 0 {
            *self = Self { read: self.read + 1, ..Self::default() };
        }
        Ok(value)
    }
}

fn next_entry(left: u32) -> At {
    if left == 0 { At::Trailer } else { At::Entry { kind: 0, size: 0, shift: 0 } }
}

/// A size of more than 64 bits is none.
fn shifted(bits: u8, shift: u32) -> Result<u64, ScanError> {
    if shift > 57 { Err(ScanError::Damaged) } else { Ok(u64::from(bits) << shift) }
}

#[cfg(test)]
mod tests {
    use zlib_rs::{Deflate, DeflateFlush};

    use super::*;

    const LIMIT: u64 = 1000;

    fn varint(mut value: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        loop {
            let more = value > 0x7f;
            bytes.push(u8::try_from(value & 0x7f).unwrap() | if more { 0x80 } else { 0 });
            value >>= 7;
            if !more {
                return bytes;
            }
        }
    }

    fn deflated(content: &[u8]) -> Vec<u8> {
        let mut deflate = Deflate::new(6, true, WINDOW_BITS);
        let mut bytes = vec![0; content.len() + 100];
        assert_eq!(deflate.compress(content, &mut bytes, DeflateFlush::Finish), Ok(Status::StreamEnd));
        bytes.truncate(usize::try_from(deflate.total_out()).unwrap());
        bytes
    }

    /// An entry of an announced size, whatever its content is.
    fn entry(kind: u8, size: u64, between: &[u8], content: &[u8]) -> Vec<u8> {
        let more = size > 0x0f;
        let mut bytes = vec![kind << 4 | u8::try_from(size & 0x0f).unwrap() | if more { 0x80 } else { 0 }];
        if more {
            bytes.extend(varint(size >> 4));
        }
        bytes.extend_from_slice(between);
        bytes.extend(deflated(content));
        bytes
    }

    fn delta(base: u64, result: u64) -> Vec<u8> {
        [varint(base), varint(result), vec![0x90, 1]].concat()
    }

    fn scan(entries: &[Vec<u8>], piece: usize) -> Result<bool, ScanError> {
        let count = u32::try_from(entries.len()).unwrap().to_be_bytes();
        let pack = [b"PACK\0\0\0\x02".to_vec(), count.to_vec(), entries.concat(), vec![0xab; 20]].concat();
        let mut scan = PackScan::new(LIMIT);
        for piece in pack.chunks(piece) {
            scan.push(piece)?;
        }
        Ok(matches!(scan.at, At::Trailer))
    }

    #[test]
    fn entries_of_every_kind_are_told_apart_however_the_pack_is_cut() {
        let (reference, distance) = (delta(600, 700), delta(700, 1000));
        let entries = [
            entry(1, 3, &[], b"one"),
            entry(3, 600, &[], &[7; 600]),
            entry(REF_DELTA, reference.len() as u64, &[9; 20], &reference),
            entry(OFS_DELTA, distance.len() as u64, &[0x81, 0x02], &distance),
            entry(4, 0, &[], b""),
        ];
        for piece in [1, 2, 3, 7, 50, 10_000] {
            assert_eq!(scan(&entries, piece), Ok(true), "pieces of {piece}");
        }
        assert_eq!(scan(&[], 1), Ok(true));
    }

    #[test]
    fn objects_that_would_be_too_large_are_refused_however_small_they_come() {
        let (result, base) = (delta(10, 1 << 40), delta(1 << 33, 10));
        for entries in [
            vec![entry(3, 1001, &[], b"announced")],
            vec![entry(3, 1, &[], b"x"), entry(REF_DELTA, result.len() as u64, &[0; 20], &result)],
            vec![entry(OFS_DELTA, base.len() as u64, &[5], &base)],
        ] {
            assert_eq!(scan(&entries, 4), Err(ScanError::TooLarge(LIMIT)));
        }
    }

    #[test]
    fn damage_is_an_error_not_a_panic() {
        let endless = [vec![0xb0 | 0x80], vec![0xff; 12]].concat();
        for entry in [
            entry(3, 1, &[], b"more than announced"),
            entry(5, 1, &[], b"x"),
            entry(0, 1, &[], b"x"),
            endless,
            vec![0x31, 0xff, 0xff, 0xff, 0xff],
        ] {
            assert_eq!(scan(&[entry], 3), Err(ScanError::Damaged));
        }
    }
}
