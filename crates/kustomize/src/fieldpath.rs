//! Field paths of replacements and variables: parts joined by dots, with list elements chosen by `[key=value]`, index or `*`.

use std::borrow::Cow;

use sluice_yaml::{Mapping, Node, Scalar, Value};

use crate::fieldspec::split_path;
use crate::merge::MergeError;
use crate::selector::compile;

/// Splits a path at dots that are neither escaped nor in brackets. Brackets without `=` only protect dots.
pub(crate) fn split_field_path(path: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut pieces = split_path_keeping_first(path).into_iter();
    while let Some(piece) = pieces.next() {
        if !piece.starts_with('[') || piece.ends_with(']') {
            parts.push(piece);
            continue;
        }
        let mut bracketed = piece;
        for piece in pieces.by_ref() {
            bracketed.push('.');
            bracketed.push_str(&piece);
            if piece.ends_with(']') {
                break;
            }
        }
        parts.push(if bracketed.contains('=') { bracketed } else { bracketed.trim_matches(['[', ']']).to_owned() });
    }
    parts
}

fn split_path_keeping_first(path: &str) -> Vec<String> {
    split_path(path, '.').into_iter().map(Cow::into_owned).collect()
}

/// Turns `ports[0]` into `ports` and `0`.
pub(crate) fn split_indices(parts: Vec<String>) -> Vec<String> {
    parts
        .into_iter()
        .flat_map(|part| {
            let index = part.strip_suffix(']').and_then(|inner| inner.rsplit_once('['));
            match index {
                Some((name, digits)) if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                    let mut split = Vec::new();
                    if !name.is_empty() {
                        split.push(name.to_owned());
                    }
                    split.push(digits.to_owned());
                    split
                }
                _ => vec![part],
            }
        })
        .collect()
}

fn element_match(part: &str) -> Option<(&str, &str)> {
    part.strip_prefix('[')?.strip_suffix(']')?.split_once('=')
}

/// The one node that a path without wildcards leads to.
pub(crate) fn lookup<'n>(node: &'n Node, path: &[String]) -> Option<&'n Node> {
    path.iter().filter(|part| !part.trim().is_empty()).try_fold(node, |node, part| {
        if node.is_null() {
            return None;
        }
        if let Ok(index) = part.parse::<usize>() {
            return node.as_sequence()?.get(index);
        }
        if part == "-" {
            return node.as_sequence()?.last();
        }
        if let Some((key, value)) = element_match(part) {
            return node.as_sequence()?.iter().find(|item| {
                if key.is_empty() {
                    item.text() == Some(value)
                } else {
                    item.get(key).and_then(Node::text) == Some(value)
                }
            });
        }
        node.get(part)
    })
}

/// What a missing leaf is made as; `None` makes nothing.
pub(crate) type Leaf<'v> = Option<&'v Node>;

/// Calls `change` for every node that a path leads to and returns how many there were.
pub(crate) fn for_each(
    node: &mut Node,
    path: &[String],
    create: Leaf<'_>,
    change: &mut dyn FnMut(&mut Node) -> Result<(), String>,
) -> Result<usize, String> {
    let Some((part, rest)) = path.split_first() else { return change(node).map(|()| 1) };
    if let Ok(index) = part.parse::<usize>() {
        return at_index(node, index, rest, (create, change));
    }
    if element_match(part).is_some() {
        return at_elements(node, part, rest, (create, change));
    }
    if part == "*" {
        let Value::Sequence(items) = &mut node.value else {
            return Err(MergeError::wrong_kind("SequenceNode", node).to_string());
        };
        return items.iter_mut().try_fold(0, |count, item| Ok(count + for_each(item, rest, create, change)?));
    }
    if node.is_null() && create.is_none() {
        return Ok(0);
    }
    if node.is_null() {
        *node = Node::mapping();
    }
    if node.as_mapping().is_none() {
        return Err(MergeError::wrong_kind("MappingNode", node).to_string());
    }
    let Some(mapping) = node.as_mapping_mut() else { return Ok(0) };
    match (mapping.get_mut(part), create) {
        (Some(field), _) => for_each(field, rest, create, change),
        (None, None) => Ok(0),
        (None, Some(leaf)) => for_each(mapping.get_or_insert_with(part, || missing(rest, leaf)), rest, create, change),
    }
}

/// What stands in for a missing part: a list if the next part picks an element, a map if it names a field, else the leaf.
fn missing(rest: &[String], leaf: &Node) -> Node {
    match rest.first() {
        None => match &leaf.value {
            Value::Scalar(_) => Scalar::untyped("").into(),
            Value::Sequence(_) => Vec::new().into(),
            Value::Mapping(_) => Node::mapping(),
        },
        Some(next) if element_match(next).is_some() || next.parse::<usize>().is_ok() => Vec::new().into(),
        Some(_) => Node::mapping(),
    }
}

type Action<'a, 'v> = (Leaf<'v>, &'a mut dyn FnMut(&mut Node) -> Result<(), String>);

fn at_index(node: &mut Node, index: usize, rest: &[String], (create, change): Action<'_, '_>) -> Result<usize, String> {
    if node.as_sequence().is_none() {
        return Err(MergeError::wrong_kind("SequenceNode", node).to_string());
    }
    let Some(items) = node.as_sequence_mut() else { return Ok(0) };
    if let Some(leaf) = create
        && index == items.len()
    {
        items.push(missing(rest, leaf));
    }
    let found = items.len();
    match items.get_mut(index) {
        Some(item) => for_each(item, rest, create, change),
        None => Err(format!("index {index} specified but only {found} elements found")),
    }
}

fn at_elements(
    node: &mut Node,
    part: &str,
    rest: &[String],
    (create, change): Action<'_, '_>,
) -> Result<usize, String> {
    let (key, value) = element_match(part).unwrap_or_default();
    let pattern = compile(value).map_err(|error| error.to_string())?;
    if node.as_sequence().is_none() {
        return Err(MergeError::wrong_kind("SequenceNode", node).to_string());
    }
    let Some(items) = node.as_sequence_mut() else { return Ok(0) };
    let matches = |item: &Node| {
        let field = if key.is_empty() { Some(item) } else { item.get(key) };
        field.and_then(Node::text).is_some_and(|text| pattern.is_match(text))
    };
    let mut count = 0;
    for item in items.iter_mut().filter(|item| matches(item)) {
        count +=
            if key.is_empty() { for_each(item, &[], create, change)? } else { for_each(item, rest, create, change)? };
    }
    if count > 0 || create.is_none() {
        return Ok(count);
    }
    let mut made: Node = if key.is_empty() {
        Scalar::untyped(value).into()
    } else {
        [(key.to_owned(), Node::from(Scalar::untyped(value)))].into_iter().collect::<Mapping>().into()
    };
    let count = for_each(&mut made, if key.is_empty() { &[] } else { rest }, create, change)?;
    items.push(made);
    Ok(count)
}

#[cfg(test)]
mod tests {
    use sluice_yaml::{Limits, read_documents, write};

    use super::*;

    #[test]
    fn paths_split_at_free_dots_only() {
        assert_eq!(split_field_path("a.b"), ["a", "b"]);
        assert_eq!(split_field_path(r"metadata.annotations.a\.b"), ["metadata", "annotations", "a.b"]);
        assert_eq!(split_field_path("c.[name=a.b].image"), ["c", "[name=a.b]", "image"]);
        assert_eq!(split_field_path("metadata.annotations.[a.b/c]"), ["metadata", "annotations", "a.b/c"]);
        assert_eq!(split_indices(split_field_path("spec.ports[0].port")), ["spec", "ports", "0", "port"]);
    }

    fn set(document: &str, path: &str, create: bool) -> Result<(usize, String), String> {
        let mut node = read_documents(document.as_bytes(), &Limits::DEFAULT).unwrap().remove(0);
        let leaf = Node::string("");
        let count = for_each(&mut node, &split_field_path(path), create.then_some(&leaf), &mut |field| {
            *field = Node::string("X");
            Ok(())
        })?;
        Ok((count, write(&node).unwrap()))
    }

    #[test]
    fn elements_are_found_by_key_index_and_wildcard_and_made_when_asked() {
        let list = "l:\n- n: a\n- n: b\n";
        assert_eq!(set(list, "l.[n=b].v", true), Ok((1, "l:\n- \"n\": a\n- \"n\": b\n  v: X\n".to_owned())));
        assert_eq!(set(list, "l.*.n", false), Ok((2, "l:\n- \"n\": X\n- \"n\": X\n".to_owned())));
        assert_eq!(set(list, "l.1.n", false), Ok((1, "l:\n- \"n\": a\n- \"n\": X\n".to_owned())));
        assert_eq!(
            set(list, "l.[n=c].v", true),
            Ok((1, "l:\n- \"n\": a\n- \"n\": b\n- \"n\": c\n  v: X\n".to_owned()))
        );
        assert_eq!(set(list, "x.y", false).map(|(count, _)| count), Ok(0));
        assert_eq!(set("a: 1\n", "b.c.0", true), Ok((1, "a: 1\nb:\n  c:\n  - X\n".to_owned())));
        assert!(set(list, "l.5.n", false).is_err());
    }
}
