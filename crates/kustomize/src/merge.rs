//! Strategic merge: a patch document onto a resource, with the quirks of kustomize's walker.
//!
//! New list elements go to the front; a list without a merge key is replaced; null deletes. `$retainKeys`, `$setElementOrder` and
//! `$deleteFromPrimitiveList` are ordinary fields here as there. It does not look up targets or guard identity.

use std::cell::Cell;
use std::collections::{HashMap, HashSet};

use sluice_yaml::{Entry, Mapping, Node, Scalar, Style, Value};
use thiserror::Error;

use crate::custom_schema::CustomSchema;
use crate::primitive_set::merge_set;
use crate::schema::{Type, type_of};

const DIRECTIVE: &str = "$patch";
/// Elements of a list with several keys from which on it is merged by hash.
const LONG_LIST: usize = 512;

/// Why a patch does not fit.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum MergeError {
    #[error("unknown patch strategy '{0}'")]
    UnknownStrategy(String),
    #[error("wrong node kind: expected {expected} but got {found}: node contents:\n{contents}")]
    WrongKind { expected: &'static str, found: &'static str, contents: String, line: u32 },
}

impl MergeError {
    /// The node is not of the kind that the place wants.
    pub(crate) fn wrong_kind(expected: &'static str, node: &Node) -> Self {
        let contents = sluice_yaml::write(node).unwrap_or_default();
        Self::WrongKind { expected, found: node.kind_name(), contents, line: node.position.line }
    }
}

enum Directive {
    Merge,
    Replace,
    Delete,
}

/// Merges a patch into a resource; `None` if nothing is left of it. `custom` is the user's own schema, if there is one.
pub(crate) fn strategic_merge(
    target: Node,
    patch: Node,
    custom: Option<&CustomSchema>,
    shares: &Shares,
) -> Result<Option<Node>, MergeError> {
    merge(target, patch, Kind { custom, known: None, shares })
}

/// Numbers for the values of elements that a merge puts into a list more than once, see [`Scalar::shared`]. They begin where those of a
/// resource, for which the caller changes them, never come.
pub(crate) struct Shares(Cell<u32>);

impl Shares {
    /// The first number.
    pub(crate) const FIRST: u32 = 1 << 31;

    pub(crate) fn new() -> Self {
        Self(Cell::new(Self::FIRST))
    }

    /// Whether any was used.
    pub(crate) fn any(&self) -> bool {
        self.0.get() != Self::FIRST
    }

    /// Marks the values of copies of one element.
    pub(crate) fn mark<'n>(&self, copies: impl Iterator<Item = &'n mut Node>) {
        let first = self.0.get();
        for copy in copies {
            let mut next = first;
            copy.each_scalar(&mut |scalar| {
                if scalar.shared == 0 {
                    scalar.shared = next;
                    next = next.saturating_add(1);
                }
            });
            self.0.set(self.0.get().max(next));
        }
    }
}

/// What is known of a node's type, and where to look up that of an object.
#[derive(Clone, Copy)]
struct Kind<'s> {
    custom: Option<&'s CustomSchema>,
    known: Option<Type<'s>>,
    shares: &'s Shares,
}

impl Kind<'_> {
    fn field(self, name: &str) -> Self {
        Self { known: self.known.map(|kind| kind.field(name)), ..self }
    }

    fn is_merged_list(self) -> bool {
        self.known.is_some_and(|kind| kind.list().is_some())
    }
}

/// The type of a node: what its parent says, or what it says itself if it is an object.
fn typed<'s>(kind: Kind<'s>, node: &Node) -> Kind<'s> {
    let look_up = || {
        let text = |field| node.get(field).filter(|value| !value.is_null()).and_then(Node::text);
        type_of(text("apiVersion")?, text("kind")?, kind.custom)
    };
    Kind { known: kind.known.or_else(look_up), ..kind }
}

/// Both sides are present; the patch may be null.
fn merge(dest: Node, mut patch: Node, kind: Kind<'_>) -> Result<Option<Node>, MergeError> {
    if dest.is_null() {
        return adopt(patch, kind);
    }
    if patch.is_null() {
        return Ok(None);
    }
    let kind = typed(typed(kind, &dest), &patch);
    if dest.kind_name() != patch.kind_name() {
        return Err(MergeError::wrong_kind(dest.kind_name(), &patch));
    }
    match (dest.value, &mut patch.value) {
        (Value::Scalar(old), Value::Scalar(new)) => {
            *new = std::mem::replace(new, Scalar::null()).in_place_of(&old);
            new.written = true;
            Ok(Some(patch))
        }
        (Value::Mapping(fields), Value::Mapping(changes)) => match take_directive(changes)? {
            Directive::Delete => Ok(None),
            Directive::Replace => adopt(patch, kind),
            Directive::Merge => {
                let Value::Mapping(changes) = patch.value else { return Ok(None) };
                let merged = merge_fields(fields, changes, kind)?;
                Ok(Some(Node { value: Value::Mapping(merged), position: dest.position }))
            }
        },
        (Value::Sequence(items), Value::Sequence(changes)) => {
            if !kind.is_merged_list() {
                return Ok(Some(patch));
            }
            match take_list_directive(changes)? {
                Directive::Delete => Ok(None),
                Directive::Replace => adopt(patch, kind),
                Directive::Merge => {
                    let items = merge_lists(items, std::mem::take(changes), kind)?;
                    Ok(Some(Node { value: Value::Sequence(items), position: dest.position }))
                }
            }
        }
        // Kinds are equal by now.
        _ => Ok(Some(patch)),
    }
}

fn merge_fields(fields: Mapping, changes: Mapping, kind: Kind<'_>) -> Result<Mapping, MergeError> {
    // An empty mapping takes the spelling of the patch.
    let spelling = if fields.is_empty() { changes.spelling() } else { fields.spelling() };
    let mut changes: HashMap<String, Entry> =
        changes.into_entries().into_iter().map(|entry| (entry.key.text.clone(), entry)).collect();
    let mut merged = Vec::with_capacity(fields.len() + changes.len());
    for Entry { key, value } in fields.into_entries() {
        let below = kind.field(&key.text);
        let value = match changes.remove(&key.text) {
            Some(change) => merge(value, change.value, below)?,
            None => untouched(value, below)?,
        };
        merged.extend(value.map(|value| Entry { key, value }));
    }
    // The order of fields is not visible in the output, but must not depend on the hash map.
    let mut added: Vec<Entry> = changes.into_values().collect();
    added.sort_unstable_by(|left, right| left.key.text.cmp(&right.key.text));
    for Entry { key, value } in added {
        let below = kind.field(&key.text);
        merged.extend(adopt(value, below)?.map(|value| Entry { key, value }));
    }
    Ok(Mapping::from_distinct(merged).spelt(spelling))
}

/// A part of the resource that the patch does not mention. The walk still visits it: a field without any value is dropped
/// (one that spells its null out stays), and repeated elements of keyed lists are joined.
fn untouched(mut node: Node, kind: Kind<'_>) -> Result<Option<Node>, MergeError> {
    if let Value::Scalar(scalar) = &mut node.value {
        scalar.settle();
        // A field that was made blank has no type, so that it is no null.
        if scalar.style == Style::Untyped && scalar.text.is_empty() {
            return Ok(Some(node));
        }
    }
    if node.is_null() {
        return Ok(node.text().is_some_and(|text| !text.is_empty()).then_some(node));
    }
    let kind = typed(kind, &node);
    let position = node.position;
    let value = match node.value {
        Value::Mapping(fields) => Value::Mapping(merge_fields(fields, Mapping::default(), kind)?),
        Value::Sequence(items) if kind.is_merged_list() => Value::Sequence(merge_lists(items, Vec::new(), kind)?),
        value => value,
    };
    Ok(Some(Node { value, position }))
}

/// A part of the patch that the resource lacks: nulls and deletions vanish, directives are obeyed or removed. The walker takes it for both
/// sides from there on, so that what is below is merged with itself.
fn adopt(mut node: Node, kind: Kind<'_>) -> Result<Option<Node>, MergeError> {
    if node.is_null() {
        return Ok(None);
    }
    let kind = typed(kind, &node);
    match &mut node.value {
        Value::Scalar(_) => {}
        Value::Mapping(fields) => {
            // An unknown word is an error only where there is something to merge with.
            if matches!(take_directive(fields), Ok(Directive::Delete)) {
                return Ok(None);
            }
            *fields = fold_fields(std::mem::take(fields), kind)?;
        }
        Value::Sequence(items) => {
            if kind.is_merged_list() {
                *items = fold_list(std::mem::take(items), kind)?;
            }
        }
    }
    Ok(Some(node))
}

/// A part of the patch, merged with itself.
fn fold(mut node: Node, kind: Kind<'_>) -> Result<Option<Node>, MergeError> {
    if node.is_null() {
        return Ok(None);
    }
    let kind = typed(kind, &node);
    match &mut node.value {
        Value::Scalar(_) => {}
        Value::Mapping(fields) => {
            if matches!(take_directive(fields)?, Directive::Delete) {
                return Ok(None);
            }
            *fields = fold_fields(std::mem::take(fields), kind)?;
        }
        Value::Sequence(items) => {
            if kind.is_merged_list() {
                if matches!(take_list_directive(items)?, Directive::Delete) {
                    return Ok(None);
                }
                *items = fold_list(std::mem::take(items), kind)?;
            }
        }
    }
    Ok(Some(node))
}

fn fold_fields(fields: Mapping, kind: Kind<'_>) -> Result<Mapping, MergeError> {
    let spelling = fields.spelling();
    let mut folded = Vec::with_capacity(fields.len());
    for Entry { key, value } in fields.into_entries() {
        let below = kind.field(&key.text);
        folded.extend(fold(value, below)?.map(|value| Entry { key, value }));
    }
    Ok(Mapping::from_distinct(folded).spelt(spelling))
}

/// A list merged with itself, which shows where elements lack a key or share one.
fn fold_list(items: Vec<Node>, kind: Kind<'_>) -> Result<Vec<Node>, MergeError> {
    let Some((keys, element)) = kind.known.and_then(Type::list).filter(|(keys, _)| !keys.is_empty()) else {
        let element = Kind { known: Some(Type::Plain), ..kind };
        return merge_set(items, None, &|existing, _| existing.map_or(Ok(None), |existing| fold(existing, element)));
    };
    let mut seen = HashSet::new();
    let plain = items.iter().all(|item| key_text(item, keys[0]).is_some_and(|text| seen.insert(text)));
    let element = Kind { known: Some(element), ..kind };
    if keys.len() == 1 && plain {
        let mut folded = Vec::with_capacity(items.len());
        for item in items {
            folded.extend(fold(item, element)?.filter(|item| !item.as_mapping().is_some_and(Mapping::is_empty)));
        }
        return Ok(folded);
    }
    if items.len() > LONG_LIST {
        return merge_lists(Vec::new(), items, kind);
    }
    crate::multikey::merge_walked((items, None), &keys, kind.shares, &|existing, _| match existing {
        Some(existing) => fold(existing, element),
        None => Ok(None),
    })
}

fn walk_element(existing: Option<Node>, change: Option<Node>, element: Kind<'_>) -> Result<Option<Node>, MergeError> {
    match (existing, change) {
        (existing, Some(change)) => merge_element(existing, change, element),
        (Some(existing), None) => untouched(existing, element),
        (None, None) => Ok(None),
    }
}

fn take_directive(fields: &mut Mapping) -> Result<Directive, MergeError> {
    let Some(word) = fields.get(DIRECTIVE) else { return Ok(Directive::Merge) };
    let directive = parse_directive(word)?;
    fields.remove(DIRECTIVE);
    Ok(directive)
}

/// A directive for a whole list is an element with nothing else in it, if it is the first that has a directive. With it go all elements that
/// have the same one, and those that are empty.
fn take_list_directive(items: &mut Vec<Node>) -> Result<Directive, MergeError> {
    let first = items.iter().find_map(|item| item.as_mapping().filter(|fields| fields.get(DIRECTIVE).is_some()));
    let Some(word) = first.filter(|fields| fields.len() == 1).and_then(|fields| fields.get(DIRECTIVE)) else {
        return Ok(Directive::Merge);
    };
    let (directive, word) = (parse_directive(word)?, word.text().unwrap_or_default().to_owned());
    items.retain(|item| match &item.value {
        Value::Mapping(fields) => {
            !fields.is_empty() && fields.get(DIRECTIVE).and_then(Node::text) != Some(word.as_str())
        }
        _ => !item.is_null(),
    });
    Ok(directive)
}

/// Removes the directive of an element that the walk has been at: it is read once only.
pub(crate) fn drop_directive(element: &mut Node) {
    if let Some(fields) = element.as_mapping_mut() {
        // An unknown word stays.
        let _known = take_directive(fields);
    }
}

fn parse_directive(word: &Node) -> Result<Directive, MergeError> {
    match word.text() {
        Some("delete") => Ok(Directive::Delete),
        Some("replace") => Ok(Directive::Replace),
        Some("merge") => Ok(Directive::Merge),
        other => Err(MergeError::UnknownStrategy(other.unwrap_or_default().to_owned())),
    }
}

fn merge_lists(dest: Vec<Node>, patch: Vec<Node>, kind: Kind<'_>) -> Result<Vec<Node>, MergeError> {
    let (keys, element) = kind.known.and_then(Type::list).unwrap_or_default();
    let element = Kind { known: Some(element), ..kind };
    match keys.as_slice() {
        [] => merge_set(dest, Some(patch), &|existing, change| walk_element(existing, change, element)),
        [key] if dest.iter().chain(&patch).all(|item| key_text(item, key).is_some()) => {
            merge_keyed(dest, patch, key, element)
        }
        keys => merge_walking(dest, patch, keys, element),
    }
}

pub(crate) fn key_text(item: &Node, key: &str) -> Option<String> {
    item.get(key)
        .filter(|value| !value.is_null_or_empty())
        .and_then(Node::text)
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
}

/// One key: elements that the patch names come first and in its order, the rest of the resource's follow.
fn merge_keyed(dest: Vec<Node>, patch: Vec<Node>, key: &str, element: Kind<'_>) -> Result<Vec<Node>, MergeError> {
    let mut changes: Vec<(Option<String>, Node)> = patch.into_iter().map(|item| (key_text(&item, key), item)).collect();
    // The first change of a name counts, as does the first element.
    let mut seen = HashSet::new();
    changes.retain(|(name, _)| name.as_ref().is_none_or(|name| seen.insert(name.clone())));
    // Of elements that share a name the last one stands, in the place of the first and without what a patch did to that.
    let mut elements: HashMap<String, (Node, Option<Node>)> = HashMap::new();
    let mut rest: Vec<Node> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for item in dest {
        let Some(name) = key_text(&item, key) else {
            rest.push(item);
            continue;
        };
        if seen.contains(&name) {
            match elements.get_mut(&name) {
                Some((_, last)) => *last = Some(item),
                None => drop(elements.insert(name, (item, None))),
            }
        } else if let Some(&place) = places.get(&name) {
            rest[place] = item;
        } else {
            places.insert(name, rest.len());
            rest.push(item);
        }
    }
    let mut merged = Vec::new();
    for (name, change) in changes {
        merged.extend(match name.and_then(|name| elements.remove(&name)) {
            Some((first, last)) => {
                let merged = merge_element(Some(first), change, element)?;
                // A deletion takes all that share the name.
                merged.filter(|item| !item.is_null_or_empty()).map(|merged| last.unwrap_or(merged))
            }
            None => merge_element(None, change, element)?,
        });
    }
    for item in rest {
        merged.extend(untouched(item, element)?);
    }
    merged.retain(|item| !item.as_mapping().is_some_and(Mapping::is_empty));
    Ok(merged)
}

fn merge_element(existing: Option<Node>, mut change: Node, element: Kind<'_>) -> Result<Option<Node>, MergeError> {
    let Some(existing) = existing else { return adopt(change, element) };
    // `$patch: replace` on an element does nothing: the walker computes the replacement and then puts the old element back.
    if let Some(fields) = change.as_mapping_mut()
        && fields.get(DIRECTIVE).and_then(Node::text) == Some("replace")
    {
        return Ok(Some(existing));
    }
    merge(existing, change, element)
}

/// Several keys (ports), or elements that lack the only one. The walker's steps for elements that lack a key are quadratic, so that long lists take a shorter way,
/// which differs only for elements without all keys.
fn merge_walking(dest: Vec<Node>, patch: Vec<Node>, keys: &[&str], element: Kind<'_>) -> Result<Vec<Node>, MergeError> {
    if dest.len() + patch.len() > LONG_LIST {
        return match keys {
            [key] => merge_keyed(dest, patch, key, element),
            _ => merge_long(dest, patch, keys, element),
        };
    }
    crate::multikey::merge_walked((dest, Some(patch)), keys, element.shares, &|existing, change| {
        walk_element(existing, change, element)
    })
}

/// New elements first, then the resource's in their order. A key that one side lacks matches any value.
fn merge_long(dest: Vec<Node>, patch: Vec<Node>, keys: &[&str], element: Kind<'_>) -> Result<Vec<Node>, MergeError> {
    let values = |item: &Node| -> Vec<Option<String>> { keys.iter().map(|key| key_text(item, key)).collect() };
    let mut by_first: HashMap<Option<String>, Vec<usize>> = HashMap::new();
    let mut slots: Vec<Option<Node>> = Vec::with_capacity(dest.len());
    for item in dest {
        by_first.entry(key_text(&item, keys[0])).or_default().push(slots.len());
        slots.push(Some(item));
    }
    let mut touched = HashSet::new();
    let mut added = Vec::new();
    for change in patch {
        let wanted = values(&change);
        let found = wanted[0].as_ref().and_then(|_| {
            by_first.get(&wanted[0])?.iter().copied().find(|&slot| {
                slots[slot].as_ref().is_some_and(|item| {
                    values(item)
                        .iter()
                        .zip(&wanted)
                        .all(|(have, want)| have == want || have.is_none() || want.is_none())
                })
            })
        });
        match found {
            Some(slot) => {
                touched.insert(slot);
                let existing = slots[slot].take();
                slots[slot] = merge_element(existing, change, element)?;
            }
            None => added.extend(adopt(change, element)?),
        }
    }
    for (slot, item) in slots.into_iter().enumerate() {
        match item {
            Some(item) if touched.contains(&slot) => added.push(item),
            Some(item) => added.extend(untouched(item, element)?),
            None => {}
        }
    }
    added.retain(|item| !item.as_mapping().is_some_and(Mapping::is_empty));
    // Of elements that agree in all keys the last one stays.
    let mut seen = HashSet::new();
    added.reverse();
    added.retain(|item| {
        let values = values(item);
        values[0].is_none() || seen.insert(values)
    });
    added.reverse();
    Ok(added)
}

#[cfg(test)]
mod tests;
