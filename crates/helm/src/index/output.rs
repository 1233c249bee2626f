//! Spills versions in their final form and copies them to the output in order. It does not check them.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom, Write};

use semver::Version;

use super::entry::ChartVersion;
use super::read::{ChartList, Head, Interest, Sink};
use super::{IndexError, Limits, Summary};
use crate::ordered::{Fields, Ordered, newline, write_string};

/// A version in the spill file.
struct Placed {
    precedence: Version,
    offset: u64,
    length: u32,
}

struct Chart {
    list: ChartList,
    versions: Vec<Placed>,
}

/// Bytes of versions that are written to the spill file at a time.
const SPILL_BYTES: usize = 64 << 10;
/// The level of a version in the indented text: index, entries, chart.
const VERSION_DEPTH: usize = 3;

/// A sink that spills.
pub(super) struct Spilled<S> {
    spill: S,
    /// Not yet written.
    pending: Vec<u8>,
    /// Bytes in the spill file and pending.
    length: u64,
    charts: BTreeMap<String, Chart>,
    current: String,
    name_bytes: usize,
    limits: Limits,
}

impl<S: Read + Write + Seek> Spilled<S> {
    pub(super) fn new(spill: S, limits: &Limits) -> Self {
        let (pending, charts, current) = (Vec::new(), BTreeMap::new(), String::new());
        Self { spill, pending, length: 0, charts, current, name_bytes: 0, limits: *limits }
    }

    fn flush(&mut self) -> Result<(), IndexError> {
        self.spill.write_all(&self.pending).map_err(IndexError::Spill)?;
        self.pending.clear();
        Ok(())
    }

    /// Writes the whole index.
    pub(super) fn write(mut self, head: &Head, out: &mut dyn Write) -> Result<Summary, IndexError> {
        self.flush()?;
        self.spill.flush().map_err(IndexError::Spill)?;
        let mut out = Counted { out, count: 0, buffer: Vec::new() };
        let mut summary = Summary { charts: self.charts.len(), ..Summary::default() };
        out.buffer.push(b'{');
        let (before, after) = head.fields();
        before.write_inner(0, &mut out.buffer);
        out.buffer.extend_from_slice(b",");
        newline(1, &mut out.buffer);
        write_string("entries", &mut out.buffer);
        out.buffer.extend_from_slice(if head.has_entries { b": {".as_slice() } else { b": null" });
        let mut first = true;
        for (name, chart) in std::mem::take(&mut self.charts) {
            if !std::mem::take(&mut first) {
                out.buffer.push(b',');
            }
            newline(2, &mut out.buffer);
            write_string(&name, &mut out.buffer);
            out.buffer.extend_from_slice(b": ");
            summary.versions += chart.versions.len();
            self.write_chart(chart, &mut out)?;
        }
        if !first {
            newline(1, &mut out.buffer);
        }
        if head.has_entries {
            out.buffer.push(b'}');
        }
        if !after.is_empty() {
            out.buffer.push(b',');
            after.write_inner(0, &mut out.buffer);
        }
        newline(0, &mut out.buffer);
        out.buffer.push(b'}');
        out.flush()?;
        summary.bytes = out.count;
        Ok(summary)
    }

    fn write_chart(&mut self, chart: Chart, out: &mut Counted<'_>) -> Result<(), IndexError> {
        let Chart { list, mut versions } = chart;
        if versions.is_empty() {
            out.buffer.extend_from_slice(if list == ChartList::Null { b"null".as_slice() } else { b"[]" });
            return Ok(());
        }
        // Stable, so that versions that differ in build metadata only stay as the repository has them.
        versions.sort_by(|one, other| other.precedence.cmp_precedence(&one.precedence));
        out.buffer.push(b'[');
        for (index, placed) in versions.iter().enumerate() {
            if index > 0 {
                out.buffer.push(b',');
            }
            newline(VERSION_DEPTH, &mut out.buffer);
            self.copy(placed, &mut out.buffer)?;
            out.flush_when_full()?;
        }
        newline(2, &mut out.buffer);
        out.buffer.push(b']');
        Ok(())
    }

    fn copy(&mut self, placed: &Placed, out: &mut Vec<u8>) -> Result<(), IndexError> {
        let start = out.len();
        out.resize(start + placed.length as usize, 0);
        self.spill.seek(SeekFrom::Start(placed.offset)).map_err(IndexError::Spill)?;
        self.spill.read_exact(&mut out[start..]).map_err(IndexError::Spill)
    }
}

impl<S: Read + Write + Seek> Sink for Spilled<S> {
    fn reset(&mut self) -> Result<(), IndexError> {
        self.pending.clear();
        self.charts.clear();
        (self.length, self.name_bytes) = (0, 0);
        // What the first attempt left behind is written over, and never read where it is not.
        self.spill.rewind().map_err(IndexError::Spill)
    }

    fn chart(&mut self, name: &str, list: ChartList) -> Result<Interest, IndexError> {
        self.name_bytes = self.name_bytes.saturating_add(name.len());
        if self.name_bytes > self.limits.name_bytes {
            return Err(IndexError::Limit { what: "bytes of chart names", limit: self.limits.name_bytes });
        }
        name.clone_into(&mut self.current);
        self.charts.insert(name.to_owned(), Chart { list, versions: Vec::new() });
        Ok(Interest::Versions)
    }

    fn version(&mut self, version: ChartVersion) -> Result<(), IndexError> {
        let start = self.pending.len();
        version.ordered().write(VERSION_DEPTH, &mut self.pending);
        let length = self.pending.len() - start;
        let too_long = IndexError::Limit { what: "bytes in one value", limit: self.limits.entry_bytes };
        let placed = Placed {
            precedence: version.precedence().clone(),
            offset: self.length,
            length: u32::try_from(length).map_err(|_| too_long)?,
        };
        self.length += length as u64;
        if let Some(chart) = self.charts.get_mut(&self.current) {
            chart.versions.push(placed);
        }
        if self.pending.len() >= SPILL_BYTES { self.flush() } else { Ok(()) }
    }
}

impl Head {
    /// The fields before the entries and those behind them.
    fn fields(&self) -> (Fields<'_>, Fields<'_>) {
        let (mut before, mut after) = (Fields::default(), Fields::default());
        if !self.server_info.is_empty() {
            let mut info: Vec<_> = self.server_info.iter().collect();
            info.sort_by_key(|(key, _)| *key);
            let mut fields = Fields::default();
            for (key, value) in info {
                fields.put(key, Ordered::Any(value));
            }
            before.put("serverInfo", Ordered::Object(fields));
        }
        before.put("apiVersion", Ordered::text(&self.api_version));
        before.put("generated", Ordered::text(self.generated.as_str()));
        after.list("publicKeys", Ordered::texts(&self.public_keys));
        after.map("annotations", &self.annotations);
        (before, after)
    }
}

/// The output, buffered and counted.
struct Counted<'o> {
    out: &'o mut dyn Write,
    count: u64,
    buffer: Vec<u8>,
}

impl Counted<'_> {
    fn flush_when_full(&mut self) -> Result<(), IndexError> {
        if self.buffer.len() >= SPILL_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), IndexError> {
        self.out.write_all(&self.buffer).map_err(IndexError::Write)?;
        self.count += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}
