//! Packing on two threads: one reads what is packed, the other compresses and writes it.
//!
//! Both take about as long where content comes out of packs or a page cache. The bytes are those of [`crate::TarGzBuilder`]: the compressor gets
//! the same blocks in the same order, only from elsewhere. Deliberately not more threads: compressing parts side by side would make other bytes.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::Builder;

use crate::pack::{PackError, PackLimits, PackSummary, TarBuilder, encoder};

/// Blocks on their way: with 64 KiB each, half a MiB evens out that one side is sometimes faster, sometimes slower.
const BLOCKS_IN_FLIGHT: usize = 8;

/// The way of blocks from one thread to the other.
pub struct BlockSender {
    full: SyncSender<Vec<u8>>,
    /// Blocks that were written, to be filled again.
    empty: Receiver<Vec<u8>>,
}

impl Write for BlockSender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut block = self.empty.try_recv().unwrap_or_default();
        block.clear();
        block.extend_from_slice(bytes);
        self.full.send(block).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Packs what `produce` adds, which runs on a thread of its own, while the calling thread compresses and writes to `out`.
///
/// # Errors
/// What `produce` fails with, and [`PackError`] for a failing output; what was written until then is worthless.
///
/// # Panics
/// When `produce` does.
pub fn pack_beside<W, E>(
    out: W,
    limits: PackLimits,
    produce: impl FnOnce(&mut TarBuilder<BlockSender>) -> Result<(), E> + Send,
) -> Result<(W, PackSummary), E>
where
    W: Write,
    E: From<PackError> + Send,
{
    let (full, blocks) = sync_channel::<Vec<u8>>(BLOCKS_IN_FLIGHT);
    let (written, empty) = sync_channel(BLOCKS_IN_FLIGHT);
    let producer = move || -> Result<PackSummary, E> {
        let mut archive = TarBuilder::new(BlockSender { full, empty }, limits)?;
        produce(&mut archive)?;
        let (_, summary) = archive.finish()?;
        Ok(summary)
    };
    std::thread::scope(|scope| {
        let producing = Builder::new().name("pack".to_owned()).spawn_scoped(scope, producer);
        let producing = producing.map_err(PackError::Write)?;
        let mut out = encoder(out);
        let mut failed = None;
        for block in blocks {
            if let Err(error) = out.write_all(&block) {
                // Leaving the loop closes the channel, which ends the producer.
                failed = Some(error);
                break;
            }
            // Nobody misses a block that finds no place.
            let _ = written.try_send(block);
        }
        let outcome = producing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        if let Some(error) = failed {
            return Err(PackError::Write(error).into());
        }
        let summary = outcome?;
        Ok((out.finish().map_err(PackError::Write)?, summary))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::{Content, FileMode, TarGzBuilder};

    const NO_LIMIT: PackLimits = PackLimits { entries: u64::MAX, content_bytes: u64::MAX };

    fn content(seed: u32, size: usize) -> Vec<u8> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 28) as u8
        };
        (0..size).map(|_| next()).collect()
    }

    /// Sizes around those of blocks, and more in all than what is in flight.
    const SIZES: [usize; 8] = [0, 1, 511, 65_535, 65_536, 131_072, 300_000, 700_000];

    #[test]
    fn the_bytes_are_those_of_one_thread() {
        let mut alone = TarGzBuilder::new(Vec::new(), NO_LIMIT).unwrap();
        for (seed, size) in (0..).zip(SIZES) {
            alone.file(format!("{seed}"), FileMode::Plain, Content::from_bytes(content(seed, size))).unwrap();
        }
        let beside = pack_beside(Vec::new(), NO_LIMIT, |archive| {
            for (seed, size) in (0..).zip(SIZES) {
                archive.file(format!("{seed}"), FileMode::Plain, Content::from_bytes(content(seed, size)))?;
            }
            Ok::<_, PackError>(())
        });
        assert_eq!(beside.unwrap(), alone.finish().unwrap());
    }

    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_failing_output_ends_both_threads_and_says_why() {
        let endless = |archive: &mut TarBuilder<BlockSender>| {
            for seed in 0.. {
                archive.file(format!("{seed:09}"), FileMode::Plain, Content::from_bytes(content(seed, 100_000)))?;
            }
            Ok::<_, PackError>(())
        };
        let failed = pack_beside(Full(1_000_000), NO_LIMIT, endless).map(drop).unwrap_err();
        assert!(matches!(&failed, PackError::Write(error) if error.kind() == io::ErrorKind::StorageFull), "{failed:?}");
    }

    #[test]
    fn a_producer_that_fails_is_heard() {
        let failed = pack_beside(Vec::new(), NO_LIMIT, |archive| archive.directory("../up")).unwrap_err();
        assert!(matches!(&failed, PackError::Path(path) if path == "../up"), "{failed:?}");
        let limits = PackLimits { entries: 0, ..NO_LIMIT };
        let failed = pack_beside(Vec::new(), limits, |_| Ok::<_, PackError>(())).unwrap_err();
        assert!(matches!(failed, PackError::TooManyEntries(0)), "{failed:?}");
    }
}
