//! Lists of scalars that are merged as sets (finalizers), step by step as kustomize's walker does it, with what follows where an element
//! is no scalar. Not here: lists whose elements have keys.

use std::collections::HashSet;

use sluice_yaml::{Mapping, Node, Scalar, Style, Tag};

use crate::merge::{MergeError, drop_directive};
use crate::multikey::MergeOne;

/// Elements from which on a list is merged the short way, as the walker's steps are quadratic.
const LONG_LIST: usize = 512;

/// The merged set: the patch's elements first, each once. Without a patch the list is merged with itself.
pub(crate) fn merge_set(
    mut dest: Vec<Node>,
    mut patch: Option<Vec<Node>>,
    merge_one: MergeOne<'_>,
) -> Result<Vec<Node>, MergeError> {
    let all = || patch.iter().flatten().chain(&dest);
    let only_values = all().all(|item| item.as_scalar().is_some_and(|scalar| scalar.tag != Tag::Null));
    if only_values || all().count() > LONG_LIST {
        return simple(patch.unwrap_or_default().into_iter().chain(dest));
    }
    let mut seen = HashSet::new();
    let values: Vec<String> = all().map(text).filter(|text| seen.insert(*text)).map(str::to_owned).collect();
    let mut items = Vec::new();
    for value in &values {
        let find = |items: &[Node]| items.iter().position(|item| text(item) == value);
        let at = find(&dest);
        let from = patch.as_deref().map_or(at, find);
        let change = from.map(|index| patch.as_deref().unwrap_or(&dest)[index].clone());
        let merged = merge_one(at.map(|index| dest[index].clone()), change)?;
        if let Some(index) = from {
            drop_directive(&mut patch.as_mut().unwrap_or(&mut dest)[index]);
        }
        match merged.filter(|node| !is_skipped(node)) {
            Some(merged) => set(&mut items, value, Some(made(merged)))?,
            None => set(&mut dest, value, None)?,
        }
    }
    for element in dest {
        let value = text(&element).to_owned();
        set(&mut items, &value, Some(element))?;
    }
    Ok(items)
}

/// Scalars only: each once. What is empty is no element.
fn simple(items: impl Iterator<Item = Node>) -> Result<Vec<Node>, MergeError> {
    let mut seen = HashSet::new();
    let mut distinct = Vec::new();
    for item in items.filter(|item| !is_skipped(item)) {
        if item.as_scalar().is_none() {
            return Err(MergeError::wrong_kind("ScalarNode", &item));
        }
        if seen.insert(text(&item).to_owned()) {
            distinct.push(made(item));
        }
    }
    Ok(distinct)
}

/// The text of a scalar; all others have none.
fn text(node: &Node) -> &str {
    node.text().unwrap_or_default()
}

/// Each item is made anew from its text, in the style that it had.
fn made(node: Node) -> Node {
    match node.as_scalar() {
        Some(scalar) if matches!(scalar.style, Style::Plain | Style::Untyped) && !scalar.text.is_empty() => {
            Scalar::untyped(scalar.text.as_str()).into()
        }
        _ => node,
    }
}

/// Whether the walker takes a node for none.
fn is_skipped(node: &Node) -> bool {
    node.is_null() || node.as_mapping().is_some_and(Mapping::is_empty)
}

/// Replaces (or deletes) the elements with a text; appends the new one if there is none.
fn set(elements: &mut Vec<Node>, value: &str, new: Option<Node>) -> Result<(), MergeError> {
    let mut found = false;
    for element in std::mem::take(elements) {
        if is_skipped(&element) {
            continue;
        }
        if element.as_scalar().is_none() {
            return Err(MergeError::wrong_kind("ScalarNode", &element));
        }
        if text(&element) == value {
            found = true;
            elements.extend(new.clone());
        } else {
            elements.push(element);
        }
    }
    if !found {
        elements.extend(new.filter(|new| !is_skipped(new)));
    }
    Ok(())
}
