//! YAML node by node from a reader, for documents too large to hold as a tree: the caller walks the outer collections and takes the inner
//! ones whole.
//!
//! Types are those of configuration files (YAML 1.1), equal keys in one mapping are an error, and only the first document is read.
//! Deliberately absent: `<<` and anchors on collections that the caller walks itself. A walked mapping hands `<<` out as a key like any
//! other, and an alias of a walked collection names no known anchor.

use std::collections::HashMap;
use std::io::BufRead;
use std::panic::{AssertUnwindSafe, catch_unwind};

use libyaml_safer::{Event, EventData, Mark, Parser, ScalarStyle};

use crate::error::YamlError;
use crate::node::{Entry, Key, Mapping, Node, Position, Value};
use crate::reader::Limits;
use crate::scalar::{Dialect, Scalar, Style, Tag, resolve};

/// How the next node begins.
#[derive(Debug)]
pub enum Start {
    /// A mapping: take its keys with [`Stream::next_key`].
    Mapping,
    /// A sequence: ask for its items with [`Stream::next_item`].
    Sequence,
    /// A scalar, or what an alias stands for, which may be any node.
    Node(Node),
}

/// A document that is read piece by piece.
///
/// The limits hold for each node that is taken whole: its bytes and nodes after aliases are expanded, its depth. All nodes with anchors
/// together are held to the same limits once more, since they are kept.
pub struct Stream<R: BufRead> {
    parser: Parser<R>,
    limits: Limits,
    peeked: Option<Event>,
    anchors: HashMap<String, Node>,
    kept: Budget,
    left: Budget,
    reached: u32,
}

#[derive(Clone, Copy)]
struct Budget {
    nodes: usize,
    bytes: usize,
}

impl Budget {
    fn of(limits: &Limits) -> Self {
        Self { nodes: limits.nodes, bytes: limits.bytes }
    }

    fn spend(&mut self, line: u32, (nodes, bytes): (usize, usize), limits: &Limits) -> Result<(), YamlError> {
        let exceeded = |what, limit| YamlError::LimitExceeded { line, what, limit };
        self.nodes = self.nodes.checked_sub(nodes).ok_or_else(|| exceeded("nodes", limits.nodes))?;
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| exceeded("bytes", limits.bytes))?;
        Ok(())
    }
}

impl<R: BufRead> Stream<R> {
    /// Starts to read. The input should end in a line break: the parser refuses a block scalar that ends with the text.
    pub fn new(input: R, limits: Limits) -> Self {
        let mut parser = Parser::new();
        parser.set_input(input);
        let (kept, left) = (Budget::of(&limits), Budget::of(&limits));
        Self { parser, limits, peeked: None, anchors: HashMap::new(), kept, left, reached: 1 }
    }

    /// Goes to the root of the first document; false if there is no document.
    ///
    /// # Errors
    /// The text is not YAML.
    pub fn open(&mut self) -> Result<bool, YamlError> {
        loop {
            match self.event()?.data {
                EventData::StreamStart { .. } => {}
                EventData::DocumentStart { .. } => return Ok(true),
                _ => return Ok(false),
            }
        }
    }

    /// Reads to the end of the document, so that what is wrong behind its root is seen.
    ///
    /// # Errors
    /// The text is not YAML.
    pub fn close(&mut self) -> Result<(), YamlError> {
        self.event().map(drop)
    }

    /// Enters the next node.
    ///
    /// # Errors
    /// The text is not YAML, or a limit is exceeded.
    pub fn start(&mut self) -> Result<Start, YamlError> {
        let event = self.event()?;
        match event.data {
            EventData::MappingStart { .. } => Ok(Start::Mapping),
            EventData::SequenceStart { .. } => Ok(Start::Sequence),
            _ => {
                self.left = Budget::of(&self.limits);
                self.build(event, 0).map(Start::Node)
            }
        }
    }

    /// The next key of a mapping that was entered; `None` at its end. Its value must be taken, entered or skipped next.
    ///
    /// # Errors
    /// The text is not YAML, or the key is no scalar.
    pub fn next_key(&mut self) -> Result<Option<Key>, YamlError> {
        let event = self.event()?;
        if matches!(event.data, EventData::MappingEnd) {
            return Ok(None);
        }
        self.left = Budget::of(&self.limits);
        self.key(event, 0).map(|(key, _)| Some(key))
    }

    /// Whether a sequence that was entered has another item, which must be taken, entered or skipped next.
    ///
    /// # Errors
    /// The text is not YAML.
    pub fn next_item(&mut self) -> Result<bool, YamlError> {
        let event = self.event()?;
        if matches!(event.data, EventData::SequenceEnd) {
            return Ok(false);
        }
        self.peeked = Some(event);
        Ok(true)
    }

    /// Takes the next node whole.
    ///
    /// # Errors
    /// The text is not YAML, a key occurs twice, or a limit is exceeded.
    pub fn node(&mut self) -> Result<Node, YamlError> {
        self.left = Budget::of(&self.limits);
        let event = self.event()?;
        self.build(event, 0)
    }

    /// Passes the next node without keeping it, except for what has an anchor. Equal keys in it are not looked for.
    ///
    /// # Errors
    /// The text is not YAML, or a limit is exceeded.
    pub fn skip(&mut self) -> Result<(), YamlError> {
        let mut open = 0_usize;
        loop {
            let event = self.event()?;
            let anchored = match &event.data {
                EventData::Scalar { anchor, .. }
                | EventData::SequenceStart { anchor, .. }
                | EventData::MappingStart { anchor, .. } => anchor.is_some(),
                _ => false,
            };
            match &event.data {
                _ if anchored => {
                    self.left = Budget::of(&self.limits);
                    self.build(event, open)?;
                }
                EventData::SequenceStart { .. } | EventData::MappingStart { .. } => open += 1,
                EventData::SequenceEnd | EventData::MappingEnd => open = open.saturating_sub(1),
                EventData::Scalar { .. } | EventData::Alias { .. } => {}
                _ => return Err(unexpected(event.start_mark)),
            }
            if open == 0 {
                return Ok(());
            }
            // The parser keeps a state for each level.
            if open > self.limits.depth {
                let limit = self.limits.depth;
                return Err(YamlError::LimitExceeded { line: self.reached, what: "levels", limit });
            }
        }
    }

    /// The line that was reached, from 1.
    pub fn line(&self) -> u32 {
        self.reached
    }

    fn event(&mut self) -> Result<Event, YamlError> {
        if let Some(event) = self.peeked.take() {
            return Ok(event);
        }
        let parser = &mut self.parser;
        // The parser has internal assertions; should hostile text break one, that text is refused and nothing else suffers.
        let event = match catch_unwind(AssertUnwindSafe(|| parser.parse())) {
            Ok(Ok(event)) => event,
            Ok(Err(error)) => {
                let line = error.problem_mark().map_or(0, line_of);
                return Err(YamlError::Syntax { line, shown: line, problem: error.problem().to_owned() });
            }
            Err(_) => {
                let (line, problem) = (self.reached, "unknown problem parsing YAML content".to_owned());
                return Err(YamlError::Syntax { line, shown: line, problem });
            }
        };
        self.reached = line_of(event.end_mark);
        Ok(event)
    }

    fn build(&mut self, event: Event, depth: usize) -> Result<Node, YamlError> {
        let position = position(event.start_mark);
        if depth > self.limits.depth {
            return Err(YamlError::LimitExceeded { line: position.line, what: "levels", limit: self.limits.depth });
        }
        let (anchor, value) = match event.data {
            EventData::Alias { anchor } => return self.alias(&anchor, position),
            EventData::Scalar { anchor, tag, value, style, .. } => {
                self.left.spend(position.line, (1, value.len()), &self.limits)?;
                (anchor, Value::Scalar(scalar(tag.as_deref(), value, style)))
            }
            EventData::SequenceStart { anchor, .. } => {
                self.left.spend(position.line, (1, 0), &self.limits)?;
                (anchor, Value::Sequence(self.sequence(depth)?))
            }
            EventData::MappingStart { anchor, .. } => {
                self.left.spend(position.line, (1, 0), &self.limits)?;
                (anchor, Value::Mapping(self.mapping(depth)?))
            }
            _ => return Err(unexpected(event.start_mark)),
        };
        let node = Node { value, position };
        if let Some(anchor) = anchor {
            self.kept.spend(position.line, size(&node), &self.limits)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: &str, position: Position) -> Result<Node, YamlError> {
        let Some(node) = self.anchors.get(anchor) else {
            return Err(YamlError::UnknownAnchor { line: position.line, name: anchor.to_owned() });
        };
        // Nested aliases multiply: each expansion pays for all that it copies before it is copied.
        self.left.spend(position.line, size(node), &self.limits)?;
        Ok(node.clone())
    }

    fn sequence(&mut self, depth: usize) -> Result<Vec<Node>, YamlError> {
        let mut items = Vec::new();
        loop {
            let event = self.event()?;
            if matches!(event.data, EventData::SequenceEnd) {
                return Ok(items);
            }
            items.push(self.build(event, depth + 1)?);
        }
    }

    fn key(&mut self, event: Event, depth: usize) -> Result<(Key, bool), YamlError> {
        let plain = matches!(&event.data, EventData::Scalar { style: ScalarStyle::Plain, .. });
        let node = self.build(event, depth + 1)?;
        let position = node.position;
        let Value::Scalar(Scalar { text, .. }) = node.value else {
            return Err(YamlError::ComplexKey { line: position.line });
        };
        let merge = plain && text == "<<";
        Ok((Key { text, tag: Tag::Str, position }, merge))
    }

    fn mapping(&mut self, depth: usize) -> Result<Mapping, YamlError> {
        let (mut entries, mut merges) = (Vec::<Entry>::new(), Vec::new());
        let mut seen: HashMap<String, u32> = HashMap::new();
        loop {
            let event = self.event()?;
            if matches!(event.data, EventData::MappingEnd) {
                break;
            }
            let (key, merge) = self.key(event, depth)?;
            let event = self.event()?;
            let value = self.build(event, depth + 1)?;
            if merge {
                merges.push((key.position.line, value));
                continue;
            }
            let line = key.position.line;
            if let Some(first) = seen.insert(key.text.clone(), line) {
                return Err(YamlError::DuplicateKey { line, first, key: key.text });
            }
            entries.push(Entry { key, value });
        }
        for (line, value) in merges {
            for source in merge_sources(line, value)? {
                for entry in source.into_entries() {
                    if !seen.contains_key(&entry.key.text) {
                        seen.insert(entry.key.text.clone(), line);
                        entries.push(entry);
                    }
                }
            }
        }
        Ok(Mapping::from_distinct(entries))
    }
}

/// The mappings that a `<<` names, first the one that wins.
fn merge_sources(line: u32, value: Node) -> Result<Vec<Mapping>, YamlError> {
    match value.value {
        Value::Mapping(mapping) => Ok(vec![mapping]),
        Value::Sequence(items) => items
            .into_iter()
            .map(|item| match item.value {
                Value::Mapping(mapping) => Ok(mapping),
                _ => Err(YamlError::BadMerge { line }),
            })
            .collect(),
        Value::Scalar(_) => Err(YamlError::BadMerge { line }),
    }
}

fn scalar(tag: Option<&str>, text: String, style: ScalarStyle) -> Scalar {
    let plain = matches!(style, ScalarStyle::Plain | ScalarStyle::Any);
    let quoted = tag.is_some_and(|tag| tag == "!" || tag == "tag:yaml.org,2002:str");
    let resolved = if plain && !quoted { resolve(&text, Dialect::Config) } else { Tag::Str };
    // Go's readers of YAML 1.1 keep dates as strings when the target is untyped.
    let tag = if resolved == Tag::Timestamp { Tag::Str } else { resolved };
    Scalar { style: if plain { Style::Plain } else { Style::Quoted }, ..Scalar::new(tag, text) }
}

/// Nodes and scalar bytes of a tree.
fn size(node: &Node) -> (usize, usize) {
    let add = |(nodes, bytes): (usize, usize), child: &Node| {
        let (more, text) = size(child);
        (nodes + more, bytes + text)
    };
    match &node.value {
        Value::Scalar(scalar) => (1, scalar.text.len()),
        Value::Sequence(items) => items.iter().fold((1, 0), add),
        Value::Mapping(mapping) => mapping.iter().fold((1, 0), |total, (key, value)| {
            let (nodes, bytes) = add(total, value);
            (nodes + 1, bytes + key.len())
        }),
    }
}

fn unexpected(mark: Mark) -> YamlError {
    let (line, problem) = (line_of(mark), "did not find expected node content".to_owned());
    YamlError::Syntax { line, shown: line, problem }
}

fn line_of(mark: Mark) -> u32 {
    u32::try_from(mark.line.saturating_add(1)).unwrap_or(u32::MAX)
}

fn position(mark: Mark) -> Position {
    Position { line: line_of(mark), column: u32::try_from(mark.column.saturating_add(1)).unwrap_or(u32::MAX) }
}

#[cfg(test)]
mod tests;
