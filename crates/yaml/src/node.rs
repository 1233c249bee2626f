//! The tree: [`Node`], [`Mapping`] and where each came from. It does not read or write text.

use std::mem;

use crate::blocks::{is_unreadable, refold, tab_error};
use crate::error::YamlError;
use crate::scalar::{Scalar, Style, Tag};

/// A place in the text, 1-based; zero for a node that was made, not read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// One node of a document, with the place where it was read. Equality ignores the place.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// What the node holds.
    pub value: Value,
    /// Where it was read.
    pub position: Position,
}

/// The three kinds of node.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A scalar: text and type.
    Scalar(Scalar),
    /// A sequence.
    Sequence(Vec<Node>),
    /// A mapping.
    Mapping(Mapping),
}

impl Default for Value {
    fn default() -> Self {
        Self::Scalar(Scalar::null())
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        Self { value, position: Position::default() }
    }
}

impl From<Mapping> for Node {
    fn from(mapping: Mapping) -> Self {
        Value::Mapping(mapping).into()
    }
}

impl From<Vec<Node>> for Node {
    fn from(items: Vec<Node>) -> Self {
        Value::Sequence(items).into()
    }
}

impl From<Scalar> for Node {
    fn from(scalar: Scalar) -> Self {
        Value::Scalar(scalar).into()
    }
}

impl Node {
    /// A string scalar, whatever its text looks like.
    pub fn string(text: impl Into<String>) -> Self {
        Scalar::string(text).into()
    }

    /// A null.
    pub fn null() -> Self {
        Self::default()
    }

    /// An empty mapping.
    pub fn mapping() -> Self {
        Mapping::default().into()
    }

    /// Takes the node out, leaving a null.
    pub fn take(&mut self) -> Self {
        mem::take(self)
    }

    /// The mapping, if it is one.
    pub fn as_mapping(&self) -> Option<&Mapping> {
        if let Value::Mapping(mapping) = &self.value { Some(mapping) } else { None }
    }

    /// The mapping, if it is one.
    pub fn as_mapping_mut(&mut self) -> Option<&mut Mapping> {
        if let Value::Mapping(mapping) = &mut self.value { Some(mapping) } else { None }
    }

    /// The items, if it is a sequence.
    pub fn as_sequence(&self) -> Option<&[Node]> {
        if let Value::Sequence(items) = &self.value { Some(items) } else { None }
    }

    /// The items, if it is a sequence.
    pub fn as_sequence_mut(&mut self) -> Option<&mut Vec<Node>> {
        if let Value::Sequence(items) = &mut self.value { Some(items) } else { None }
    }

    /// The scalar, if it is one.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        if let Value::Scalar(scalar) = &self.value { Some(scalar) } else { None }
    }

    /// The text of a scalar of any type (`"1"` for the number one), as transformers see it.
    pub fn text(&self) -> Option<&str> {
        self.as_scalar().map(|scalar| scalar.text.as_str())
    }

    /// The text of a string scalar only.
    pub fn as_str(&self) -> Option<&str> {
        self.as_scalar().filter(|scalar| scalar.tag == Tag::Str).map(|scalar| scalar.text.as_str())
    }

    /// Whether it is a null.
    pub fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(|scalar| scalar.tag == Tag::Null)
    }

    /// Whether it is a null, an empty mapping or an empty sequence: what kustomize treats as a missing field.
    pub fn is_null_or_empty(&self) -> bool {
        match &self.value {
            Value::Scalar(scalar) => scalar.tag == Tag::Null,
            Value::Sequence(items) => items.is_empty(),
            Value::Mapping(mapping) => mapping.is_empty(),
        }
    }

    /// The field of a mapping.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_mapping()?.get(key)
    }

    /// The field of a mapping.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.as_mapping_mut()?.get_mut(key)
    }

    /// Follows mapping fields.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        path.iter().try_fold(self, |node, key| node.get(key))
    }

    /// Calls `change` for every scalar that is a value, in the order of the text.
    pub fn each_scalar(&mut self, change: &mut dyn FnMut(&mut Scalar)) {
        match &mut self.value {
            Value::Scalar(scalar) => change(scalar),
            Value::Sequence(items) => items.iter_mut().for_each(|item| item.each_scalar(change)),
            Value::Mapping(mapping) => mapping.values_mut().for_each(|value| value.each_scalar(change)),
        }
    }

    /// Calls `change` for every scalar within a mapping in braces.
    fn each_scalar_in_braces(&mut self, change: &mut dyn FnMut(&mut Scalar)) {
        match &mut self.value {
            Value::Scalar(_) => {}
            Value::Sequence(items) => items.iter_mut().for_each(|item| item.each_scalar_in_braces(change)),
            Value::Mapping(mapping) if mapping.flow => {
                mapping.values_mut().for_each(|value| value.each_scalar(change));
            }
            Value::Mapping(mapping) => {
                mapping.values_mut().for_each(|value| value.each_scalar_in_braces(change));
            }
        }
    }

    /// Writes and reads blocks once, as kustomize does before it prints, hashes or patches an object: folded ones get more line breaks, and
    /// one that starts with a tab cannot be read again.
    ///
    /// # Errors
    /// A block starts with a tab. The line is that of kustomize, which counts in what it wrote.
    pub fn refold(&mut self) -> Result<(), YamlError> {
        let mut unreadable = false;
        self.each_scalar_in_braces(&mut |scalar| {
            if matches!(scalar.style, Style::Folded | Style::Literal) {
                scalar.style = Style::Quoted;
            } else if scalar.style == Style::Untyped && scalar.text.is_empty() {
                *scalar = Scalar { shared: scalar.shared, ..Scalar::string("") };
            }
        });
        self.each_scalar(&mut |scalar| {
            if scalar.tag != Tag::Str {
                scalar.tag = scalar.spelt_tag();
                if scalar.tag != Tag::Str && scalar.style != Style::Untyped {
                    scalar.style = Style::Plain;
                }
            }
            if is_unreadable(scalar) {
                unreadable = true;
            } else if scalar.style == Style::Folded && scalar.tag == Tag::Str {
                scalar.text = refold(&scalar.text);
                scalar.style = Style::Quoted;
            }
        });
        if unreadable { Err(tab_error(self)) } else { Ok(()) }
    }

    /// The kind in the words of go-yaml, for messages.
    pub fn kind_name(&self) -> &'static str {
        match self.value {
            Value::Scalar(_) => "ScalarNode",
            Value::Sequence(_) => "SequenceNode",
            Value::Mapping(_) => "MappingNode",
        }
    }
}

/// A mapping key with the type that its spelling has; only string keys have a JSON form.
#[derive(Debug, Clone)]
pub struct Key {
    /// The text.
    pub text: String,
    /// Its type: [`Tag::Str`] unless the text reads as something else.
    pub tag: Tag,
    /// Where it was read.
    pub position: Position,
}

impl Key {
    /// A string key that was not read from a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), tag: Tag::Str, position: Position::default() }
    }

    /// A key without quotes, which a text such as `10` does not survive as a string.
    pub fn plain(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { tag: Scalar::plain(text.as_str()).tag, text, position: Position::default() }
    }
}

/// A key with its value.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The key.
    pub key: Key,
    /// The value.
    pub value: Node,
}

/// Keys and values in the order of the text; no key occurs twice. Equality ignores the order.
///
/// Look-ups scan: the maps of a manifest have a handful of keys. Code that joins large maps builds its own index.
#[derive(Debug, Clone, Default)]
pub struct Mapping {
    entries: Vec<Entry>,
    /// Whether it was written in braces, in which no block can stand when kustomize writes it.
    flow: bool,
}

/// How a mapping is spelt. It is not kept in the output, but no block survives in braces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spelling {
    /// One key a line.
    Block,
    /// In braces.
    Flow,
}

impl PartialEq for Mapping {
    fn eq(&self, other: &Self) -> bool {
        let same = |left: &Entry, right: &Entry| left.key.text == right.key.text && left.value == right.value;
        if self.len() != other.len() {
            return false;
        }
        // The order does not count, but is the same as a rule.
        let in_step = self.entries.iter().zip(&other.entries).all(|(left, right)| left.key.text == right.key.text);
        if in_step {
            return self.entries.iter().zip(&other.entries).all(|(left, right)| same(left, right));
        }
        let sorted = |mapping: &'_ Self| {
            let mut order: Vec<usize> = (0..mapping.len()).collect();
            order.sort_by(|left, right| mapping.entries[*left].key.text.cmp(&mapping.entries[*right].key.text));
            order
        };
        let pairs = sorted(self).into_iter().zip(sorted(other));
        pairs.into_iter().all(|(left, right)| same(&self.entries[left], &other.entries[right]))
    }
}

impl Mapping {
    /// A mapping of entries whose keys the caller knows to differ.
    pub fn from_distinct(entries: Vec<Entry>) -> Self {
        Self { entries, flow: false }
    }

    /// The same mapping, spelt in braces or not.
    #[must_use]
    pub fn spelt(self, braces: Spelling) -> Self {
        Self { flow: braces == Spelling::Flow, ..self }
    }

    /// How it is spelt.
    pub fn spelling(&self) -> Spelling {
        if self.flow { Spelling::Flow } else { Spelling::Block }
    }

    /// Number of keys.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entries in order; keys must stay distinct.
    pub fn entries_mut(&mut self) -> &mut [Entry] {
        &mut self.entries
    }

    /// The entries, given up.
    pub fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// Keys and values in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.entries.iter().map(|entry| (entry.key.text.as_str(), &entry.value))
    }

    /// Values in order.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Node> {
        self.entries.iter_mut().map(|entry| &mut entry.value)
    }

    fn index(&self, key: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.key.text == key)
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|entry| entry.key.text == key).map(|entry| &entry.value)
    }

    /// The value of a key.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|entry| entry.key.text == key).map(|entry| &mut entry.value)
    }

    /// Sets a key, in place if it is there and at the end if not; returns what it replaced.
    pub fn insert(&mut self, key: &str, value: Node) -> Option<Node> {
        if let Some(old) = self.get_mut(key) {
            return Some(mem::replace(old, value));
        }
        self.entries.push(Entry { key: Key::new(key), value });
        None
    }

    /// Sets a key, which is written without quotes if it is new.
    pub fn insert_plain(&mut self, key: &str, value: Node) {
        if let Some(old) = self.get_mut(key) {
            *old = value;
        } else {
            self.entries.push(Entry { key: Key::plain(key), value });
        }
    }

    /// Removes a key; the order of the others stays.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        let index = self.index(key)?;
        Some(self.entries.remove(index).value)
    }

    /// The value of a key, made by `make` at the end if the key is missing.
    pub fn get_or_insert_with(&mut self, key: &str, make: impl FnOnce() -> Node) -> &mut Node {
        let index = self.index(key).unwrap_or_else(|| {
            self.entries.push(Entry { key: Key::new(key), value: make() });
            self.entries.len() - 1
        });
        &mut self.entries[index].value
    }
}

impl FromIterator<(String, Node)> for Mapping {
    /// Later values of a repeated key win.
    fn from_iter<I: IntoIterator<Item = (String, Node)>>(pairs: I) -> Self {
        let mut seen = std::collections::HashMap::new();
        let mut entries: Vec<Entry> = Vec::new();
        for (key, value) in pairs {
            if let Some(&index) = seen.get(&key) {
                let entry: &mut Entry = &mut entries[index];
                entry.value = value;
            } else {
                seen.insert(key.clone(), entries.len());
                entries.push(Entry { key: Key::new(key), value });
            }
        }
        Self { entries, flow: false }
    }
}
