//! What both forms of an index have in common: which parts there are, what is checked, and who receives the versions.

use std::collections::BTreeMap;
use std::io::{BufReader, Read, Seek, SeekFrom};

use serde_json::Value as Json;
use sluice_yaml::Node;

use super::entry::{ChartVersion, EntryError};
use super::meter::{BUFFER_BYTES, Gauge, Meter};
use super::{Dropped, IndexError, Limits, json, yaml};
use crate::decode::{DecodeError, Field, Rules, Scalars, Unknown, known};
use crate::time::Time;

/// Everything but the charts.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) server_info: serde_json::Map<String, Json>,
    pub(super) api_version: String,
    pub(super) generated: Time,
    pub(super) public_keys: Vec<String>,
    pub(super) annotations: BTreeMap<String, String>,
    /// Whether there are entries, if none.
    pub(super) has_entries: bool,
}

/// The fields of an index; the charts are read apart from the others.
pub(super) const ENTRIES: &str = "entries";
const FIELDS: [&str; 6] = ["serverInfo", "apiVersion", "generated", ENTRIES, "publicKeys", "annotations"];

/// Whether a chart has a list of versions or a null in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChartList {
    Null,
    Versions,
}

/// What a sink wants of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    Versions,
    None,
}

/// Who receives the charts.
pub(crate) trait Sink {
    /// Forgets all: the text turned out to have the other form and is read anew.
    fn reset(&mut self) -> Result<(), IndexError>;
    /// A chart begins.
    fn chart(&mut self, name: &str, list: ChartList) -> Result<Interest, IndexError>;
    /// A valid version of that chart.
    fn version(&mut self, version: ChartVersion) -> Result<(), IndexError>;
}

/// Checks what is read and hands it on.
pub(super) struct Collector<'c> {
    head: Head,
    sink: &'c mut dyn Sink,
    dropped: &'c mut dyn FnMut(Dropped<'_>),
    pub(super) limits: Limits,
    rules: Rules,
    seen: usize,
    left_out: usize,
}

impl<'c> Collector<'c> {
    pub(super) fn new(sink: &'c mut dyn Sink, dropped: &'c mut dyn FnMut(Dropped<'_>), limits: &Limits) -> Self {
        let (head, rules) = (Head::default(), JSON);
        Self { head, sink, dropped, limits: *limits, rules, seen: 0, left_out: 0 }
    }

    fn reset(&mut self, rules: Rules) -> Result<(), IndexError> {
        (self.head, self.rules, self.seen, self.left_out) = (Head::default(), rules, 0, 0);
        self.sink.reset()
    }

    /// The head, if it says what it must, and how many versions were left out.
    pub(super) fn finish(self) -> Result<(Head, usize), IndexError> {
        if self.head.api_version.is_empty() {
            return Err(IndexError::NoApiVersion);
        }
        Ok((self.head, self.left_out))
    }

    /// The field that a key of the index stands for.
    pub(super) fn field(&self, key: &str) -> Result<Option<&'static str>, IndexError> {
        known(key, &FIELDS, self.rules.unknown).map_err(IndexError::Decode)
    }

    /// Any field but the entries.
    pub(super) fn set(&mut self, name: &'static str, node: &Node) -> Result<(), IndexError> {
        let field = Field { node, of: "IndexFile", name, rules: self.rules };
        let head = &mut self.head;
        match name {
            "serverInfo" => server_info(field, &mut head.server_info),
            "apiVersion" => field.string(&mut head.api_version),
            "generated" => field.time(&mut head.generated),
            "publicKeys" => {
                let mut keys = None;
                let read = field.strings(&mut keys);
                head.public_keys = keys.unwrap_or_default();
                read
            }
            _ => field.string_map(&mut head.annotations),
        }
        .map_err(IndexError::Decode)
    }

    /// There are entries.
    pub(super) fn entries(&mut self) {
        self.head.has_entries = true;
    }

    /// A chart begins.
    pub(super) fn chart(&mut self, name: &str, list: ChartList) -> Result<Interest, IndexError> {
        self.sink.chart(name, list)
    }

    /// A version of the chart that began last.
    pub(super) fn version(&mut self, chart: &str, node: &Node) -> Result<(), IndexError> {
        self.seen += 1;
        if self.seen > self.limits.versions {
            return Err(IndexError::Limit { what: "chart versions", limit: self.limits.versions });
        }
        if node.is_null() {
            self.left_out += 1;
            (self.dropped)(Dropped { chart, version: "", reason: None });
            return Ok(());
        }
        match ChartVersion::read(node, self.rules) {
            Ok(version) => self.sink.version(version),
            Err(EntryError::Decode(error)) => Err(IndexError::Decode(error)),
            Err(EntryError::Invalid { version, reason }) => {
                self.left_out += 1;
                (self.dropped)(Dropped { chart, version: &version, reason: Some(&reason) });
                Ok(())
            }
        }
    }
}

const JSON: Rules = Rules { scalars: Scalars::Exact, unknown: Unknown::Ignored };
const YAML: Rules = Rules { scalars: Scalars::Coerced, unknown: Unknown::Refused };

/// Reads an index of either form: as JSON, and if that it is not, as YAML.
pub(super) fn read(mut input: impl Read + Seek, collector: &mut Collector<'_>) -> Result<(), IndexError> {
    let limits = collector.limits;
    if input.seek(SeekFrom::End(0)).map_err(IndexError::Read)? == 0 {
        return Err(IndexError::Empty);
    }
    input.rewind().map_err(IndexError::Read)?;
    collector.reset(JSON)?;
    let gauge = Gauge::new(&limits);
    let metered = BufReader::with_capacity(BUFFER_BYTES, Meter::new(&mut input, gauge.clone()));
    match json::read(metered, &gauge, collector) {
        json::Outcome::Read => return Ok(()),
        json::Outcome::Failed(error) => return Err(gauge.take_fault().unwrap_or(error)),
        json::Outcome::NotJson => {}
    }
    if let Some(fault) = gauge.take_fault() {
        return Err(fault);
    }
    input.rewind().map_err(IndexError::Read)?;
    collector.reset(YAML)?;
    let gauge = Gauge::new(&limits);
    let metered = BufReader::with_capacity(BUFFER_BYTES, Meter::new(&mut input, gauge.clone()));
    yaml::read(metered, &gauge, collector).map_err(|error| gauge.take_fault().unwrap_or(error))
}

fn server_info(field: Field<'_>, target: &mut serde_json::Map<String, Json>) -> Result<(), DecodeError> {
    let Some(mapping) = field.mapping("map[string]interface {}")? else {
        target.clear();
        return Ok(());
    };
    for (key, node) in mapping.iter() {
        target.insert(key.to_owned(), field.any(node)?);
    }
    Ok(())
}
