//! Repository indexes: read from JSON or YAML without ever holding more than one chart version, checked, sorted, and written as the JSON that
//! is served.
//!
//! [`convert`] makes the artifact: each valid version goes to a spill file in its final form, only its place and the key to sort by stay in
//! memory, and a second pass copies the spill in order. [`crate::lookup`] reads indexes of either form by the same way.
//! Deliberately absent: where the bytes come from, digests, and which version is chosen.

mod entry;
mod json;
mod meter;
mod output;
mod read;
mod yaml;

use std::io::{Read, Seek, Write};

pub use entry::{ChartVersion, EntryError};
use output::Spilled;
use read::Collector;
pub(crate) use read::{ChartList, Interest, Sink};
use sluice_yaml::YamlError;

use crate::decode::DecodeError;
use crate::metadata::ValidationError;

/// Bounds on an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the index.
    pub bytes: u64,
    /// Bytes of one chart version, and of any other value outside of the entries.
    pub entry_bytes: usize,
    /// Nodes of one chart version. A node costs up to about 600 bytes while its version is read.
    pub entry_nodes: usize,
    /// Chart versions in all. Each that is kept costs about 64 bytes, and up to twice that while the list grows.
    pub versions: usize,
    /// Bytes of all chart names together.
    pub name_bytes: usize,
}

impl Limits {
    /// 50 MiB, as source-controller has it, in up to 250,000 versions (so many that each has 200 bytes, which no real one gets by with),
    /// 1 MiB and 20,000 nodes for one of them, 8 MiB of names: at worst about 60 MiB of memory, in practice one or two.
    pub const DEFAULT: Self =
        Self { bytes: 50 << 20, entry_bytes: 1 << 20, entry_nodes: 20_000, versions: 250_000, name_bytes: 8 << 20 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Why an index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It has no bytes.
    #[error("empty index.yaml file")]
    Empty,
    /// It does not say which version of the format it has.
    #[error("no API version specified")]
    NoApiVersion,
    /// It is too large.
    #[error("index exceeds the maximum index file size of {0} bytes")]
    TooLarge(u64),
    /// One of its parts is too large, or there are too many.
    #[error("index exceeds the limit of {limit} {what}")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// It is neither JSON nor YAML.
    #[error("error converting YAML to JSON")]
    Yaml(#[source] YamlError),
    /// A mapping has a key twice, which strict YAML forbids.
    #[error("error converting YAML to JSON: yaml: unmarshal errors: line {line}: key {key:?} already set in map")]
    DuplicateKey {
        /// Line of the second one.
        line: u32,
        /// The key.
        key: String,
    },
    /// A value has the wrong type, or strict YAML has a field that is not known.
    #[error("error unmarshaling index")]
    Decode(#[source] DecodeError),
    /// The JSON has another shape than an index.
    #[error("error unmarshaling index: {0}")]
    Shape(String),
    /// The input failed.
    #[error("failed to read index")]
    Read(#[source] std::io::Error),
    /// The spill file failed.
    #[error("failed to use temporary file for index")]
    Spill(#[source] std::io::Error),
    /// The output failed.
    #[error("failed to write index")]
    Write(#[source] std::io::Error),
}

/// A chart version that was left out, and why.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropped<'a> {
    /// The chart, as the index names it.
    pub chart: &'a str,
    /// The version, as far as it was given.
    pub version: &'a str,
    /// What was wrong; `None` for a null.
    pub reason: Option<&'a ValidationError>,
}

/// What an index held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Names of charts, with those that have no valid version.
    pub charts: usize,
    /// Valid versions.
    pub versions: usize,
    /// Versions that were left out.
    pub dropped: usize,
    /// Bytes written.
    pub bytes: u64,
}

/// Reads an index and writes the two-space-indented JSON that is served: charts by name, versions newest first.
///
/// `spill` is empty scratch space (a temporary file) of about the size of the output; it may be left as it is afterwards. The input is
/// read once, and a second time from its start if it is not JSON. Blocks.
///
/// # Errors
/// [`IndexError`]; what was written until then is worthless.
pub fn convert(
    input: impl Read + Seek,
    spill: impl Read + Write + Seek,
    out: &mut dyn Write,
    limits: &Limits,
    dropped: &mut dyn FnMut(Dropped<'_>),
) -> Result<Summary, IndexError> {
    let mut sink = Spilled::new(spill, limits);
    let mut collector = Collector::new(&mut sink, dropped, limits);
    read::read(input, &mut collector)?;
    let (head, left_out) = collector.finish()?;
    let mut summary = sink.write(&head, out)?;
    summary.dropped = left_out;
    Ok(summary)
}

/// Hands the valid versions of one chart to a sink and passes everything else unread, though the whole must be well-formed.
pub(crate) fn visit(input: impl Read + Seek, sink: &mut dyn Sink, limits: &Limits) -> Result<(), IndexError> {
    let mut ignore = |_: Dropped<'_>| {};
    let mut collector = Collector::new(sink, &mut ignore, limits);
    read::read(input, &mut collector)?;
    collector.finish().map(drop)
}

#[cfg(test)]
mod tests;
