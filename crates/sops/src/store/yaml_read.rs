//! YAML to trees, its comments with it: each before what it is about, as SOPS has them.
//!
//! Scalars have the types of go-yaml; aliases are expanded, within a budget. Deliberately not exact where only a hand-made document could
//! differ: a comment behind a flow collection belongs to what follows it.

use std::collections::HashMap;
use std::panic::catch_unwind;

use libyaml_safer::{Event, EventData, Mark, Parser, ScalarStyle};
use serde_json::Value as Json;
use sluice_yaml::{Scalar, Tag};

use super::StoreError;
use super::yaml_comments::{Found, Scanner};
use crate::tree::{Branch, Comment, Item, Key, MAX_DEPTH, Value};

/// Nodes of all documents, and again after aliases are expanded: a megabyte of them may stand for terabytes.
const MAX_NODES: usize = 500_000;

/// Bytes of scalars after aliases are expanded.
const MAX_BYTES: usize = 64 << 20;

/// Reads all documents.
pub(super) fn load(document: &[u8]) -> Result<Vec<Branch>, StoreError> {
    let text = std::str::from_utf8(document).map_err(|_| StoreError::NotText)?;
    // The parser refuses a block scalar that ends with the text.
    let added = !text.is_empty() && !text.ends_with('\n');
    let mut whole = text.to_owned();
    if added {
        whole.push('\n');
    }
    let events = events(&whole)?;
    let mut scanner = Scanner::of(&whole);
    let mut comments = Vec::new();
    let mut reached = (0, 0);
    for event in &events {
        scanner.comments(reached, place(event.start_mark), &mut comments);
        reached = reached.max(place(event.end_mark));
    }
    let last_line = added.then(|| events.last().map_or(0, |event| event.end_mark.line));
    Reader {
        events: events.into_iter(),
        comments: comments.into_iter().peekable(),
        anchors: HashMap::new(),
        nodes: MAX_NODES,
        bytes: MAX_BYTES,
        added_end: last_line,
    }
    .documents()
}

fn place(mark: Mark) -> (u64, u64) {
    (mark.line, mark.column)
}

fn place_of(found: &Found<'_>) -> (u64, u64) {
    (found.line, found.column)
}

fn refused(mark: Mark, problem: impl Into<String>) -> StoreError {
    StoreError::Yaml { line: mark.line + 1, problem: problem.into() }
}

fn events(text: &str) -> Result<Vec<Event>, StoreError> {
    // The parser has internal assertions; should hostile text break one, that text is refused and nothing else suffers.
    let parsed = catch_unwind(|| {
        let mut parser = Parser::new();
        parser.set_input(text.as_bytes());
        let (mut events, mut depth) = (Vec::new(), 0_usize);
        loop {
            let event = parser.parse().map_err(|error| StoreError::Yaml {
                line: error.problem_mark().map_or(0, |mark| mark.line + 1),
                problem: error.problem().to_owned(),
            })?;
            match event.data {
                EventData::MappingStart { .. } | EventData::SequenceStart { .. } => depth += 1,
                EventData::MappingEnd | EventData::SequenceEnd => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth > MAX_DEPTH {
                return Err(StoreError::Depth);
            }
            if events.len() > MAX_NODES {
                return Err(refused(event.start_mark, "too many nodes"));
            }
            let end = matches!(event.data, EventData::StreamEnd);
            events.push(event);
            if end {
                return Ok(events);
            }
        }
    });
    parsed.unwrap_or_else(|_| Err(StoreError::Yaml { line: 0, problem: "the parser gave up".to_owned() }))
}

struct Reader<'t, E: Iterator<Item = Event>, C: Iterator<Item = Found<'t>>> {
    events: E,
    comments: std::iter::Peekable<C>,
    anchors: HashMap<String, Value>,
    nodes: usize,
    bytes: usize,
    /// The line at the end of a text that lacks the last line break.
    added_end: Option<u64>,
}

impl<'t, E: Iterator<Item = Event>, C: Iterator<Item = Found<'t>>> Reader<'t, E, C> {
    fn next(&mut self) -> Result<Event, StoreError> {
        self.events.next().ok_or(StoreError::Yaml { line: 0, problem: "unexpected end".to_owned() })
    }

    fn documents(mut self) -> Result<Vec<Branch>, StoreError> {
        let mut branches = Vec::new();
        loop {
            let event = self.next()?;
            match event.data {
                EventData::StreamStart { .. } => {}
                EventData::DocumentStart { .. } => branches.push(self.document()?),
                _ => return Ok(branches),
            }
        }
    }

    fn document(&mut self) -> Result<Branch, StoreError> {
        self.anchors.clear();
        let event = self.next()?;
        let mark = event.start_mark;
        let mut branch = match event.data {
            EventData::MappingStart { .. } => match self.node(event)? {
                Value::Map(branch) => branch,
                _ => Branch::new(),
            },
            EventData::Scalar { .. } => match self.node(event)? {
                Value::Null => Branch::new(),
                _ => return Err(refused(mark, "YAML documents that are values are not supported")),
            },
            _ => return Err(refused(mark, "YAML documents that are sequences are not supported")),
        };
        let end = self.next()?;
        self.comments(&mut branch, |found| place_of(found) < place(end.start_mark));
        Ok(branch)
    }

    /// Takes comments as long as they are `wanted`.
    fn comments(&mut self, branch: &mut Branch, wanted: impl Fn(&Found<'_>) -> bool) {
        while let Some(found) = self.comments.next_if(|found| wanted(found)) {
            branch.push(Item::comment(found.text, false));
        }
    }

    /// The same around a value that is a scalar: those before it, and the one behind it on its line.
    fn scalar_comments(&mut self, start: Mark, end: Mark) -> Vec<Comment> {
        let mut taken = Vec::new();
        while let Some(found) =
            self.comments.next_if(|found| found.line < start.line || (found.behind && found.line <= end.line))
        {
            taken.push(Comment { text: found.text.to_owned(), inline: found.behind });
        }
        taken
    }

    fn spend(&mut self, mark: Mark, (nodes, bytes): (usize, usize)) -> Result<(), StoreError> {
        match (self.nodes.checked_sub(nodes), self.bytes.checked_sub(bytes)) {
            (Some(nodes), Some(bytes)) => {
                (self.nodes, self.bytes) = (nodes, bytes);
                Ok(())
            }
            _ => Err(refused(mark, "document contains excessive aliasing")),
        }
    }

    fn node(&mut self, event: Event) -> Result<Value, StoreError> {
        let mark = event.start_mark;
        let (anchor, value) = match event.data {
            EventData::Alias { anchor } => {
                let value = self.anchors.get(&anchor).cloned();
                let value = value.ok_or_else(|| refused(mark, "unknown anchor referenced"))?;
                // The copy is paid for before it is made again: nested aliases multiply.
                self.spend(mark, size(&value))?;
                return Ok(value);
            }
            EventData::Scalar { anchor, tag, mut value, style, .. } => {
                self.spend(mark, (1, value.len()))?;
                let block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded);
                // The line break that was added is not the author's.
                if block && self.added_end == Some(event.end_mark.line) && value.ends_with('\n') {
                    value.pop();
                }
                (
                    anchor,
                    scalar(tag.as_deref(), value, style)
                        .ok_or_else(|| refused(mark, "a scalar that is not of its type"))?,
                )
            }
            EventData::SequenceStart { anchor, .. } => {
                self.spend(mark, (1, 0))?;
                (anchor, Value::List(self.sequence(mark.column)?))
            }
            EventData::MappingStart { anchor, .. } => {
                self.spend(mark, (1, 0))?;
                (anchor, Value::Map(self.mapping(mark.column)?))
            }
            _ => return Err(refused(mark, "did not find expected node content")),
        };
        if let Some(anchor) = anchor {
            self.spend(mark, size(&value))?;
            self.anchors.insert(anchor, value.clone());
        }
        Ok(value)
    }

    fn mapping(&mut self, column: u64) -> Result<Branch, StoreError> {
        let mut branch = Branch::new();
        let mut seen = std::collections::HashSet::new();
        loop {
            let event = self.next()?;
            let (mark, key_end) = (event.start_mark, event.end_mark);
            if matches!(event.data, EventData::MappingEnd) {
                self.comments(&mut branch, |found| found.line < mark.line && found.column >= column);
                return Ok(branch);
            }
            self.comments(&mut branch, |found| found.line < mark.line);
            let key = match self.node(event)? {
                Value::Text(text) => {
                    let text = String::from_utf8(text).map_err(|_| StoreError::NotText)?;
                    if !seen.insert(text.clone()) {
                        return Err(refused(mark, format!("mapping key {text:?} already defined")));
                    }
                    Key::Text(text)
                }
                Value::Map(_) | Value::List(_) => return Err(refused(mark, "invalid map key")),
                other => Key::Other(other.kind()),
            };
            let event = self.next()?;
            let (start, end) = (event.start_mark, event.end_mark);
            if matches!(event.data, EventData::Scalar { .. } | EventData::Alias { .. }) {
                let value = self.node(event)?;
                for comment in self.scalar_comments(start, end) {
                    branch.push(Item { key: Key::Comment(comment), value: Value::Null });
                }
                branch.push(Item { key, value });
            } else {
                self.comments(&mut branch, |found| {
                    found.behind && found.line == key_end.line && place_of(found) < place(start)
                });
                let value = self.node(event)?;
                branch.push(Item { key, value });
            }
        }
    }

    fn sequence(&mut self, column: u64) -> Result<Vec<Value>, StoreError> {
        let mut list = Vec::new();
        loop {
            let event = self.next()?;
            let (start, end) = (event.start_mark, event.end_mark);
            let closed = matches!(event.data, EventData::SequenceEnd);
            let mut before = Branch::new();
            self.comments(&mut before, |found| found.line < start.line && (!closed || found.column >= column));
            list.extend(before.into_iter().filter_map(|item| match item.key {
                Key::Comment(comment) => Some(Value::Comment(comment)),
                Key::Text(_) | Key::Other(_) => None,
            }));
            if closed {
                return Ok(list);
            }
            let leaf = matches!(event.data, EventData::Scalar { .. } | EventData::Alias { .. });
            let value = self.node(event)?;
            if leaf {
                list.extend(self.scalar_comments(start, end).into_iter().map(Value::Comment));
            }
            list.push(value);
        }
    }
}

/// The value of a scalar; `None` if its tag says what its text is not.
fn scalar(tag: Option<&str>, text: String, style: ScalarStyle) -> Option<Value> {
    let plain = matches!(style, ScalarStyle::Plain | ScalarStyle::Any);
    let wanted = tag.and_then(|tag| tag.strip_prefix("tag:yaml.org,2002:"));
    match wanted {
        Some("str") => return Some(Value::text(text)),
        Some("binary") => {
            use base64::Engine as _;
            let clean: String = text.split_ascii_whitespace().collect();
            return base64::engine::general_purpose::STANDARD.decode(clean).ok().map(Value::Text);
        }
        Some("int" | "float" | "bool" | "null" | "timestamp") => {}
        _ if !plain || tag == Some("!") => return Some(Value::text(text)),
        _ => {}
    }
    let scalar = Scalar::plain(text);
    let value = match (scalar.tag, scalar.to_json()) {
        (Tag::Str, _) => Value::text(scalar.text.clone()),
        (Tag::Null, _) => Value::Null,
        (Tag::Timestamp, Some(Json::String(time))) => Value::Time(time),
        (Tag::Bool, Some(Json::Bool(truth))) => Value::Bool(truth),
        (Tag::Float, Some(Json::Number(number))) => Value::Float(number.as_f64()?),
        (Tag::Int, Some(Json::Number(number))) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::Int(number),
            (None, Some(number)) => Value::Unsigned(number),
            (None, None) => Value::Float(number.as_f64()?),
        },
        (Tag::Float, None) => match scalar.text.trim_start_matches(['+', '-']).to_ascii_lowercase().as_str() {
            ".nan" => Value::Float(f64::NAN),
            _ if scalar.text.starts_with('-') => Value::Float(f64::NEG_INFINITY),
            _ => Value::Float(f64::INFINITY),
        },
        _ => return None,
    };
    let fits = match wanted {
        Some("int") => matches!(value, Value::Int(_) | Value::Unsigned(_)),
        Some("float") => matches!(value, Value::Int(_) | Value::Float(_)),
        Some("bool") => matches!(value, Value::Bool(_)),
        Some("null") => matches!(value, Value::Null),
        Some("timestamp") => matches!(value, Value::Time(_)),
        _ => true,
    };
    fits.then_some(value)
}

/// Nodes and scalar bytes of a tree.
fn size(value: &Value) -> (usize, usize) {
    let add = |left: (usize, usize), right: (usize, usize)| (left.0 + right.0, left.1 + right.1);
    match value {
        Value::Text(text) | Value::Bytes(text) => (1, text.len()),
        Value::List(list) => list.iter().map(size).fold((1, 0), add),
        Value::Map(branch) => branch.iter().map(|item| size(&item.value)).fold((1, 0), add),
        _ => (1, 0),
    }
}
