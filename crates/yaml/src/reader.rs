//! Text to [`Node`]s, over the event parser of libyaml-safer, with the document rules of kustomize.
//!
//! Every input is hostile: bytes, nesting, nodes and the text that aliases multiply are bounded by [`Limits`], and a panic of
//! the parser is an error. It does not recover from errors and does not keep comments, anchors or tags.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use libyaml_safer::{Event, EventData, MappingStyle, Mark, Parser, ScalarStyle};

use crate::bytes::{BYTE_ORDER_MARK, bad_character, prepare, unix_lines, without_inner_marks};
use crate::error::YamlError;
use crate::node::{Entry, Key, Mapping, Node, Position, Spelling, Value};
use crate::scalar::{Dialect, Parsed, Scalar, Style, Tag, is_true, number, resolve, timestamp};
use crate::writer::go_float32;

/// Bounds on one input. The defaults are far above what an API server would accept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the input, and again of all scalars after aliases are expanded.
    pub bytes: usize,
    /// Nesting depth. Code that walks a tree recurses this deep.
    pub depth: usize,
    /// Nodes of all documents after aliases are expanded.
    pub nodes: usize,
}

impl Limits {
    /// 64 MiB of text, 256 levels, two million nodes (about 200 MiB of memory).
    pub const DEFAULT: Self = Self { bytes: 64 << 20, depth: 256, nodes: 2_000_000 };
}

impl Default for Limits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// From this many keys on a mapping is checked for duplicates with a hash map instead of a scan.
const INDEXED_FROM: usize = 16;

/// Reads the documents of a resource file. Empty documents are left out.
///
/// As in kustomize, documents are split at lines that start with `---`, which may carry nothing but a comment, and what follows
/// a `...` line is ignored. Aliases and `<<` are expanded.
///
/// # Errors
/// The text is not YAML, has a duplicate key, or exceeds `limits`.
pub fn read_documents(text: &[u8], limits: &Limits) -> Result<Vec<Node>, YamlError> {
    check_size(text, limits)?;
    let text = unix_lines(text);
    let mut budget = Budget { nodes: limits.nodes, bytes: limits.bytes };
    let mut documents = Vec::new();
    for (base, chunk) in split(&text)? {
        if let Some(node) = read_one(chunk, base, Dialect::Resource, (limits, &mut budget))?
            && !node.is_null()
        {
            documents.push(node);
        }
    }
    Ok(documents)
}

/// Reads the first document of a configuration file (a kustomization file, a JSON patch) with YAML 1.1 types: `yes` is a
/// boolean, the last of several equal keys wins, every key is a string. `None` if there is no document.
///
/// # Errors
/// The text is not YAML or exceeds `limits`.
pub fn read_config(text: &[u8], limits: &Limits) -> Result<Option<Node>, YamlError> {
    check_size(text, limits)?;
    let mut budget = Budget { nodes: limits.nodes, bytes: limits.bytes };
    read_one(text, 0, Dialect::Config, (limits, &mut budget))
}

/// Whether a text holds nothing but blanks, comments and document marks.
pub fn is_blank(text: &[u8]) -> bool {
    text.split(|&byte| byte == b'\n').all(|line| {
        let line = line.trim_ascii();
        line.is_empty() || line.starts_with(b"#") || line == b"---"
    })
}

fn check_size(text: &[u8], limits: &Limits) -> Result<(), YamlError> {
    if text.len() > limits.bytes {
        return Err(YamlError::LimitExceeded { line: 0, what: "bytes", limit: limits.bytes });
    }
    Ok(())
}

/// The chunks between separator lines, each with the number of lines before it.
fn split(text: &[u8]) -> Result<Vec<(u32, &[u8])>, YamlError> {
    let mut chunks = Vec::new();
    let (mut start, mut base, mut line, mut at) = (0, 0, 0_u32, 0);
    while let Some(offset) = text[at..].iter().position(|&byte| byte == b'\n') {
        let end = at + offset + 1;
        if at > start && text[at..].starts_with(b"---") {
            let after = text[at + 3..end].trim_ascii();
            if !after.is_empty() && !after.starts_with(b"#") {
                let text = String::from_utf8_lossy(text[at..end].trim_ascii()).into_owned();
                return Err(YamlError::BadSeparator { line: line + 1, text });
            }
            chunks.push((base, &text[start..at]));
            (start, base) = (end, line + 1);
        }
        line += 1;
        at = end;
    }
    chunks.push((base, &text[start..]));
    Ok(chunks)
}

/// What is left of the limits while aliases are expanded.
struct Budget {
    nodes: usize,
    bytes: usize,
}

struct Reader<'t> {
    parser: Parser<&'t [u8]>,
    dialect: Dialect,
    base: u32,
    limits: &'t Limits,
    budget: &'t mut Budget,
    anchors: HashMap<String, Node>,
    /// Where the text ends if a newline was added to it, as the parser counts.
    added_end: Option<u64>,
    /// What stands for a byte order mark within the text.
    stand_in: Option<char>,
    /// The line up to which the parser came.
    reached: u32,
}

fn read_one(
    text: &[u8],
    base: u32,
    dialect: Dialect,
    (limits, budget): (&Limits, &mut Budget),
) -> Result<Option<Node>, YamlError> {
    let (text, stand_in) = without_inner_marks(text);
    let (terminated, added) = prepare(&text);
    let mark = if terminated.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let added_end = added.then(|| (terminated.len() - mark) as u64);
    let mut parser = Parser::new();
    let input: &[u8] = &terminated;
    parser.set_input(input);
    let mut reader = Reader {
        parser,
        dialect,
        base,
        limits,
        budget,
        anchors: HashMap::new(),
        added_end,
        stand_in,
        reached: base + 1,
    };
    // The parser has internal assertions; should hostile text break one, that text is refused and nothing else suffers.
    let result = catch_unwind(AssertUnwindSafe(|| reader.document())).unwrap_or_else(|_| {
        let (line, problem) = (reader.reached, "unknown problem parsing YAML content".to_owned());
        Err(YamlError::Syntax { line, shown: line, problem })
    });
    result.map_err(|error| match error {
        YamlError::Syntax { line: 0, shown, problem } => bad_character(&text, base, shown, problem),
        error => error,
    })
}

impl Reader<'_> {
    fn next(&mut self) -> Result<Event, YamlError> {
        let event = self.parser.parse().map_err(|error| self.syntax(&error))?;
        self.reached = self.position(event.end_mark).line;
        Ok(event)
    }

    fn syntax(&self, error: &libyaml_safer::Error) -> YamlError {
        let scanner = error.kind() == libyaml_safer::ErrorKind::Scanner;
        let of = |mark: Option<Mark>| mark.map_or(0, |mark| u32::try_from(mark.line).unwrap_or(u32::MAX - 1));
        let (context, problem) = (of(error.context_mark()), of(error.problem_mark()));
        // The two libraries of Go differ in which of the two places they name.
        let (base, add) = match self.dialect {
            Dialect::Resource if context != 0 => (context, scanner),
            Dialect::Config if problem == 0 => (context, false),
            _ => (problem, scanner),
        };
        let shown = if base == 0 { 0 } else { self.base + base + u32::from(add) };
        let line = error.problem_mark().map_or(0, |_| self.base + problem + 1);
        YamlError::Syntax { line, shown, problem: error.problem().to_owned() }
    }

    fn position(&self, mark: Mark) -> Position {
        let number = |value: u64| u32::try_from(value + 1).unwrap_or(u32::MAX);
        Position { line: number(mark.line).saturating_add(self.base), column: number(mark.column) }
    }

    fn document(&mut self) -> Result<Option<Node>, YamlError> {
        loop {
            match self.next()?.data {
                EventData::StreamStart { .. } => {}
                EventData::DocumentStart { .. } => break,
                _ => return Ok(None),
            }
        }
        let event = self.next()?;
        let node = self.node(event, 0)?;
        // The end of the document shows trailing garbage, which go-yaml reports too.
        self.next()?;
        Ok(Some(node))
    }

    fn spend(&mut self, line: u32, nodes: usize, bytes: usize) -> Result<(), YamlError> {
        let exceeded = |what, limit| YamlError::LimitExceeded { line, what, limit };
        self.budget.nodes = self.budget.nodes.checked_sub(nodes).ok_or_else(|| exceeded("nodes", self.limits.nodes))?;
        self.budget.bytes = self.budget.bytes.checked_sub(bytes).ok_or_else(|| exceeded("bytes", self.limits.bytes))?;
        Ok(())
    }

    fn node(&mut self, event: Event, depth: usize) -> Result<Node, YamlError> {
        let position = self.position(event.start_mark);
        if depth > self.limits.depth {
            let limit = self.limits.depth;
            return Err(YamlError::LimitExceeded { line: position.line, what: "levels", limit });
        }
        let (anchor, value) = match event.data {
            EventData::Alias { anchor } => return self.alias(&anchor, position),
            EventData::Scalar { anchor, tag, mut value, style, .. } => {
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                // The newline that was added is not the author's.
                if block && self.added_end == Some(event.end_mark.index) && value.ends_with('\n') {
                    value.pop();
                }
                if let Some(stand_in) = self.stand_in {
                    value = value.replace(stand_in, "\u{feff}");
                }
                self.spend(position.line, 1, value.len())?;
                let plain = matches!(style, ScalarStyle::Plain | ScalarStyle::Any);
                let mut scalar = self.scalar(tag.as_deref(), value, plain, position)?;
                scalar.style = match style {
                    // A stated type is kept as a statement, so that what is put in its place keeps its own, too.
                    _ if tag.is_some() => Style::Plain,
                    ScalarStyle::Plain | ScalarStyle::Any => Style::Plain,
                    ScalarStyle::Folded => Style::Folded,
                    ScalarStyle::Literal => Style::Literal,
                    _ => Style::Quoted,
                };
                (anchor, Value::Scalar(scalar))
            }
            EventData::SequenceStart { anchor, .. } => {
                self.spend(position.line, 1, 0)?;
                (anchor, Value::Sequence(self.sequence(depth)?))
            }
            EventData::MappingStart { anchor, style, .. } => {
                self.spend(position.line, 1, 0)?;
                let spelling = if style == MappingStyle::Flow { Spelling::Flow } else { Spelling::Block };
                (anchor, Value::Mapping(self.mapping(depth)?.spelt(spelling)))
            }
            _ => {
                let problem = "did not find expected node content".to_owned();
                return Err(YamlError::Syntax { line: position.line, shown: position.line, problem });
            }
        };
        let node = Node { value, position };
        if let Some(anchor) = anchor {
            let (nodes, bytes) = size(&node);
            self.spend(position.line, nodes, bytes)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: &str, position: Position) -> Result<Node, YamlError> {
        let Some(node) = self.anchors.get(anchor) else {
            return Err(YamlError::UnknownAnchor { line: position.line, name: anchor.to_owned() });
        };
        // Nested aliases multiply: each expansion pays for all that it copies before it is copied.
        let (nodes, bytes) = size(node);
        let node = node.clone();
        self.spend(position.line, nodes, bytes)?;
        Ok(node)
    }

    fn scalar(&self, tag: Option<&str>, text: String, plain: bool, position: Position) -> Result<Scalar, YamlError> {
        let resolved = || if plain { resolve(&text, self.dialect) } else { Tag::Str };
        let wanted = match tag.and_then(|tag| tag.strip_prefix("tag:yaml.org,2002:")) {
            None if tag == Some("!") => Tag::Str,
            Some("str") => Tag::Str,
            Some("binary") => return binary(&text, position),
            Some("int") => Tag::Int,
            Some("float") => Tag::Float,
            Some("bool") => Tag::Bool,
            Some("null") => Tag::Null,
            Some("timestamp") => Tag::Timestamp,
            // No tag, or one of the user's own, which kustomize drops.
            None | Some(_) => resolved(),
        };
        let fits = match wanted {
            Tag::Str => true,
            Tag::Int | Tag::Float => number(&text).is_some(),
            Tag::Timestamp => timestamp(&text).is_some(),
            Tag::Bool | Tag::Null => resolve(&text, self.dialect) == wanted,
        };
        if !fits {
            let tag = tag.unwrap_or_default().replace("tag:yaml.org,2002:", "!!");
            return Err(YamlError::BadTag { line: position.line, text, tag });
        }
        // YAML 1.1 readers of Go keep dates as strings when the target is untyped.
        let tag = if wanted == Tag::Timestamp && self.dialect == Dialect::Config { Tag::Str } else { wanted };
        Ok(Scalar::new(tag, text))
    }

    fn sequence(&mut self, depth: usize) -> Result<Vec<Node>, YamlError> {
        let mut items = Vec::new();
        loop {
            let event = self.next()?;
            if matches!(event.data, EventData::SequenceEnd) {
                return Ok(items);
            }
            items.push(self.node(event, depth + 1)?);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Mapping, YamlError> {
        let mut building = Building::default();
        let mut merges: Vec<(u32, Node)> = Vec::new();
        loop {
            let event = self.next()?;
            if matches!(event.data, EventData::MappingEnd) {
                break;
            }
            let plain = matches!(&event.data, EventData::Scalar { style: ScalarStyle::Plain, .. });
            let node = self.node(event, depth + 1)?;
            let position = node.position;
            let Value::Scalar(Scalar { tag, text, .. }) = node.value else {
                return Err(YamlError::ComplexKey { line: position.line });
            };
            let event = self.next()?;
            let value = self.node(event, depth + 1)?;
            if plain && text == "<<" {
                merges.push((position.line, value));
                continue;
            }
            let (tag, text) =
                if self.dialect == Dialect::Config { (Tag::Str, config_key(tag, text)) } else { (tag, text) };
            building.add(Entry { key: Key { text, tag, position }, value }, self.dialect)?;
        }
        for (line, value) in merges {
            building.merge(line, value)?;
        }
        Ok(Mapping::from_distinct(building.entries))
    }
}

/// A mapping while it is read: entries, and an index once there are many.
#[derive(Default)]
struct Building {
    entries: Vec<Entry>,
    index: HashMap<String, usize>,
}

impl Building {
    fn find(&mut self, key: &str) -> Option<usize> {
        if self.entries.len() < INDEXED_FROM {
            return self.entries.iter().position(|entry| entry.key.text == key);
        }
        if self.index.is_empty() {
            self.index =
                self.entries.iter().enumerate().map(|(index, entry)| (entry.key.text.clone(), index)).collect();
        }
        self.index.get(key).copied()
    }

    fn push(&mut self, entry: Entry) {
        if !self.index.is_empty() {
            self.index.insert(entry.key.text.clone(), self.entries.len());
        }
        self.entries.push(entry);
    }

    fn add(&mut self, entry: Entry, dialect: Dialect) -> Result<(), YamlError> {
        match self.find(&entry.key.text) {
            None => self.push(entry),
            Some(index) if dialect == Dialect::Config => self.entries[index] = entry,
            Some(index) => {
                return Err(YamlError::DuplicateKey {
                    line: entry.key.position.line,
                    first: self.entries[index].key.position.line,
                    key: entry.key.text,
                });
            }
        }
        Ok(())
    }

    /// `<<`: adds the fields that are not there; the earlier of several sources wins.
    fn merge(&mut self, line: u32, value: Node) -> Result<(), YamlError> {
        let sources = match value.value {
            Value::Mapping(mapping) => vec![mapping],
            Value::Sequence(items) => items
                .into_iter()
                .map(|item| match item.value {
                    Value::Mapping(mapping) => Ok(mapping),
                    _ => Err(YamlError::BadMerge { line }),
                })
                .collect::<Result<_, _>>()?,
            Value::Scalar(_) => return Err(YamlError::BadMerge { line }),
        };
        for entry in sources.into_iter().flat_map(Mapping::into_entries) {
            if self.find(&entry.key.text).is_none() {
                self.push(entry);
            }
        }
        Ok(())
    }
}

/// A key of a configuration file as the step to JSON writes it: numbers and booleans lose their notation.
fn config_key(tag: Tag, text: String) -> String {
    match (tag, number(&text)) {
        (Tag::Bool, _) => is_true(&text).to_string(),
        (Tag::Int, Some(Parsed::Signed(value))) => value.to_string(),
        (Tag::Float, Some(Parsed::Float(value))) if value.is_finite() => go_float32(value),
        (Tag::Float, Some(Parsed::Float(value))) if value.is_nan() => ".nan".to_owned(),
        (Tag::Float, Some(Parsed::Float(value))) => if value > 0.0 { ".inf" } else { "-.inf" }.to_owned(),
        _ => text,
    }
}

/// Nodes and scalar bytes of a tree.
fn size(node: &Node) -> (usize, usize) {
    let sum = |(nodes, bytes): (usize, usize), child: &Node| {
        let (more, text) = size(child);
        (nodes + more, bytes + text)
    };
    match &node.value {
        Value::Scalar(scalar) => (1, scalar.text.len()),
        Value::Sequence(items) => items.iter().fold((1, 0), sum),
        Value::Mapping(mapping) => mapping.iter().fold((1, 0), |total, (key, value)| {
            let (nodes, bytes) = sum(total, value);
            (nodes + 1, bytes + key.len())
        }),
    }
}

fn binary(text: &str, position: Position) -> Result<Scalar, YamlError> {
    let compact: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    decode_base64(&compact)
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .map(|text| Scalar::new(Tag::Str, text))
        .ok_or_else(|| YamlError::BadTag { line: position.line, text: text.to_owned(), tag: "!!binary".to_owned() })
}

fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if !text.len().is_multiple_of(4) {
        return None;
    }
    let padding = text.iter().rev().take_while(|&&byte| byte == b'=').count();
    if padding > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let body = &text[..text.len() - padding];
    for group in body.chunks(4) {
        let mut bits = 0_u32;
        for &byte in group {
            bits = bits << 6 | u32::try_from(ALPHABET.iter().position(|&letter| letter == byte)?).ok()?;
        }
        bits <<= 6 * (4 - group.len());
        let [_, first, second, third] = bits.to_be_bytes();
        bytes.extend_from_slice(&[first, second, third][..group.len() - 1]);
    }
    Some(bytes)
}
