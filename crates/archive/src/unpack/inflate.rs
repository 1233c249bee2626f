//! Decompression that counts: how much came in, how much goes out, and their ratio.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::Limits;
use super::fault::{Fault, Limit};

/// Bytes that may come out before the ratio is looked at, so that small archives of zeros, which are harmless, pass.
const RATIO_FREE_BYTES: u64 = 1 << 20;

/// A gzip stream with its counters.
pub(super) struct Inflate<R: Read> {
    decoder: MultiGzDecoder<BufReader<Counting<R>>>,
    produced: u64,
    total_bytes: u64,
    ratio: u64,
}

impl<R: Read> Inflate<R> {
    pub(super) fn new(reader: R, limits: &Limits) -> Self {
        let decoder = MultiGzDecoder::new(BufReader::new(Counting { reader, count: 0 }));
        Self { decoder, produced: 0, total_bytes: limits.total_bytes, ratio: limits.compression_ratio }
    }

    /// Reads some bytes; zero at the end of the stream, when the trailer's checksum and length have been checked too.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        let count = loop {
            match self.decoder.read(buffer) {
                Ok(count) => break count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(Fault::Read(error)),
            }
        };
        self.produced += count as u64;
        // A decompression bomb that fills the disk.
        if self.produced > self.total_bytes {
            return Err(Fault::Limit(Limit::TotalBytes, self.total_bytes));
        }
        // A decompression bomb that stays below that but costs its sender nothing.
        let consumed = self.decoder.get_ref().get_ref().count;
        if self.produced > RATIO_FREE_BYTES && self.produced / self.ratio.max(1) > consumed {
            return Err(Fault::Limit(Limit::CompressionRatio, self.ratio));
        }
        Ok(count)
    }

    /// Fills the buffer unless the stream ends first; returns how many bytes there were.
    pub(super) fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Fault> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read(&mut buffer[filled..])? {
                0 => break,
                count => filled += count,
            }
        }
        Ok(filled)
    }
}

struct Counting<R> {
    reader: R,
    count: u64,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}
