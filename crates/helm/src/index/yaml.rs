//! Walks a YAML index: strictly, as Helm does. What the parts mean is decided elsewhere.

use std::collections::HashSet;
use std::io::BufRead;

use sluice_yaml::{Key, Node, Start, Stream, Value, YamlError};

use super::IndexError;
use super::meter::Gauge;
use super::read::{ChartList, Collector, ENTRIES, Interest};
use crate::decode::{DecodeError, type_name};

/// Levels below a chart version.
const MAX_DEPTH: usize = 64;

pub(super) fn read(input: impl BufRead, gauge: &Gauge, collector: &mut Collector<'_>) -> Result<(), IndexError> {
    let limits = collector.limits;
    let within = sluice_yaml::Limits { bytes: limits.entry_bytes, depth: MAX_DEPTH, nodes: limits.entry_nodes };
    let mut walk = Walk { stream: Stream::new(input, within), gauge, collector };
    walk.document()
}

struct Walk<'w, 'c, R: BufRead> {
    stream: Stream<R>,
    gauge: &'w Gauge,
    collector: &'w mut Collector<'c>,
}

impl<R: BufRead> Walk<'_, '_, R> {
    fn document(&mut self) -> Result<(), IndexError> {
        if !self.stream.open().map_err(IndexError::Yaml)? {
            return Ok(());
        }
        match self.stream.start().map_err(IndexError::Yaml)? {
            Start::Mapping => self.index()?,
            Start::Node(node) if node.is_null() => {}
            Start::Node(node) => return Err(wrong(type_name(&node), "IndexFile", "v1.IndexFile")),
            Start::Sequence => return Err(wrong("array", "IndexFile", "v1.IndexFile")),
        }
        self.stream.close().map_err(IndexError::Yaml)
    }

    fn index(&mut self) -> Result<(), IndexError> {
        let mut seen = HashSet::new();
        while let Some(key) = self.next_key(&mut seen)? {
            match self.collector.field(&key.text)? {
                Some(ENTRIES) => self.entries()?,
                Some(name) => {
                    let node = self.stream.node().map_err(IndexError::Yaml)?;
                    self.collector.set(name, &node)?;
                }
                None => self.stream.skip().map_err(IndexError::Yaml)?,
            }
        }
        Ok(())
    }

    fn entries(&mut self) -> Result<(), IndexError> {
        const TYPE: &str = "map[string]v1.ChartVersions";
        match self.stream.start().map_err(IndexError::Yaml)? {
            Start::Mapping => {}
            Start::Node(node) => {
                let Value::Mapping(mapping) = &node.value else {
                    return if node.is_null() {
                        Ok(())
                    } else {
                        Err(wrong(type_name(&node), "IndexFile.entries", TYPE))
                    };
                };
                self.collector.entries();
                return mapping.iter().try_for_each(|(name, list)| self.listed(name, list));
            }
            Start::Sequence => return Err(wrong("array", "IndexFile.entries", TYPE)),
        }
        self.collector.entries();
        let mut seen = HashSet::new();
        while let Some(key) = self.next_key(&mut seen)? {
            self.chart(&key.text)?;
        }
        Ok(())
    }

    fn chart(&mut self, name: &str) -> Result<(), IndexError> {
        match self.stream.start().map_err(IndexError::Yaml)? {
            Start::Sequence => {}
            Start::Node(node) => return self.listed(name, &node),
            Start::Mapping => return Err(wrong("object", "IndexFile.entries", "v1.ChartVersions")),
        }
        let interest = self.collector.chart(name, ChartList::Versions)?;
        loop {
            match interest {
                Interest::Versions => self.gauge.hold(),
                Interest::None => self.gauge.pass(),
            }
            if !self.stream.next_item().map_err(IndexError::Yaml)? {
                break;
            }
            if interest == Interest::None {
                self.stream.skip().map_err(IndexError::Yaml)?;
                continue;
            }
            let node = self.stream.node().map_err(IndexError::Yaml)?;
            self.collector.version(name, &node)?;
        }
        self.gauge.hold();
        Ok(())
    }

    /// A chart whose list is not walked: a null, or what an alias stands for.
    fn listed(&mut self, name: &str, list: &Node) -> Result<(), IndexError> {
        if list.is_null() {
            return self.collector.chart(name, ChartList::Null).map(drop);
        }
        let Value::Sequence(items) = &list.value else {
            return Err(wrong(type_name(list), "IndexFile.entries", "v1.ChartVersions"));
        };
        match self.collector.chart(name, ChartList::Versions)? {
            Interest::Versions => items.iter().try_for_each(|item| self.collector.version(name, item)),
            Interest::None => Ok(()),
        }
    }

    /// The next key, which must be new.
    fn next_key(&mut self, seen: &mut HashSet<String>) -> Result<Option<Key>, IndexError> {
        self.gauge.hold();
        let key = match self.stream.next_key() {
            Ok(key) => key,
            Err(YamlError::DuplicateKey { line, key, .. }) => return Err(IndexError::DuplicateKey { line, key }),
            Err(error) => return Err(IndexError::Yaml(error)),
        };
        if let Some(Key { text, position, .. }) = &key
            && !seen.insert(text.clone())
        {
            return Err(IndexError::DuplicateKey { line: position.line, key: text.clone() });
        }
        Ok(key)
    }
}

fn wrong(found: &'static str, field: &str, wanted: &'static str) -> IndexError {
    IndexError::Decode(DecodeError::Type { found, field: field.to_owned(), wanted })
}
