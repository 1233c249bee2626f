//! Lists whose elements have several keys, merged step by step as kustomize's walker does it, with what follows from its steps
//! when elements lack a key. Quadratic in the length of the list; the caller bounds that.

use std::collections::BTreeMap;

use sluice_yaml::{Mapping, Node, Scalar};

use crate::merge::{MergeError, Shares, drop_directive, key_text};

/// Merges an element of the resource with one of the patch, either of which may be missing.
pub(crate) type MergeOne<'m> = &'m dyn Fn(Option<Node>, Option<Node>) -> Result<Option<Node>, MergeError>;

/// The values of all keys in one element; blank for a key that it lacks.
type Values = Vec<String>;

/// An element with a number that all its copies have: in kustomize they are one.
type Element = (usize, Node);

/// The merged list: new elements in front, then those of the resource. Without a patch the list is merged with itself, and what a step
/// takes out of one is gone from the other.
pub(crate) fn merge_walked(
    (dest, patch): (Vec<Node>, Option<Vec<Node>>),
    keys: &[&str],
    shares: &Shares,
    merge_one: MergeOne<'_>,
) -> Result<Vec<Node>, MergeError> {
    let list = joined(distinct_values(patch.iter().flatten().chain(&dest), keys));
    let used = used_keys(&list, keys);
    let valid: Vec<&str> = used.iter().map(|&index| keys[index]).collect();
    let mut patch: Option<Vec<Element>> = patch.map(|patch| (dest.len()..).zip(patch).collect());
    let mut dest: Vec<Element> = dest.into_iter().enumerate().collect();
    let mut items: Vec<Element> = Vec::new();
    for values in &list {
        let values: Values = used.iter().map(|&index| values[index].clone()).collect();
        let at = find(&dest, &valid, &values);
        let from = patch.as_deref().map_or(at, |patch| find(patch, &valid, &values));
        let change = from.map(|index| patch.as_deref().unwrap_or(&dest)[index].clone());
        let existing = at.map(|index| dest[index].clone());
        let number = existing.as_ref().or(change.as_ref()).map_or(usize::MAX, |(number, _)| *number);
        let merged = merge_one(existing.map(|(_, node)| node), change.map(|(_, node)| node))?;
        if let Some(index) = from {
            let (_, element) = &mut patch.as_mut().unwrap_or(&mut dest)[index];
            drop_directive(element);
            // A new element is that of the patch.
            if let (None, Some(merged)) = (at, &merged) {
                element.clone_from(merged);
            }
        }
        let Some(mut merged) = merged.filter(|node| !is_empty(node)) else {
            set_element(&mut dest, (&valid, &values), None)?;
            continue;
        };
        if let Some(fields) = merged.as_mapping_mut() {
            for (key, value) in valid.iter().zip(&values).filter(|(_, value)| !value.is_empty()) {
                fields.get_or_insert_with(key, || Scalar::plain(value.as_str()).into());
            }
        }
        if let Some(index) = at {
            dest[index].1 = merged.clone();
        }
        set_element(&mut items, (&valid, &values), Some((number, merged)))?;
    }
    if list.is_empty() {
        return Ok(dest.into_iter().map(|(_, node)| node).collect());
    }
    append(&mut items, dest, &valid)?;
    Ok(unified(items, shares))
}

/// The elements; those that stand in the list more than once share their values.
fn unified(mut items: Vec<Element>, shares: &Shares) -> Vec<Node> {
    let mut places: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (place, (number, _)) in items.iter().enumerate() {
        places.entry(*number).or_default().push(place);
    }
    for (number, _) in places.into_iter().filter(|(_, places)| places.len() > 1) {
        shares.mark(items.iter_mut().filter(|item| item.0 == number).map(|(_, node)| node));
    }
    items.into_iter().map(|(_, node)| node).collect()
}

fn is_empty(node: &Node) -> bool {
    node.is_null() || node.as_mapping().is_some_and(Mapping::is_empty)
}

fn distinct_values<'n>(elements: impl Iterator<Item = &'n Node>, keys: &[&str]) -> Vec<Values> {
    let mut list: Vec<Values> = Vec::new();
    for element in elements {
        let values: Values = keys.iter().map(|key| key_text(element, key).unwrap_or_default()).collect();
        if !list.contains(&values) {
            list.push(values);
        }
    }
    list
}

/// Values that agree where both have one are completed from each other.
fn joined(mut list: Vec<Values>) -> Vec<Values> {
    for left in 0..list.len() {
        let values = list[left].clone();
        for right in 0..list.len() {
            if let Some(both) = agree(&values, &list[right]) {
                list[left].clone_from(&both);
                list[right] = both;
            }
        }
    }
    list
}

fn agree(left: &Values, right: &Values) -> Option<Values> {
    let mut common = false;
    let mut both = Values::with_capacity(left.len());
    for (left, right) in left.iter().zip(right) {
        common |= left == right;
        if left != right && !left.is_empty() && !right.is_empty() {
            return None;
        }
        both.push(if left.is_empty() { right.clone() } else { left.clone() });
    }
    common.then_some(both)
}

/// Positions of the keys that any element has; all if none has one.
fn used_keys(list: &[Values], keys: &[&str]) -> Vec<usize> {
    let used: Vec<usize> =
        (0..keys.len()).filter(|&index| list.iter().any(|values| !values[index].is_empty())).collect();
    if used.is_empty() { (0..keys.len()).collect() } else { used }
}

/// The first element that has all values that are not blank.
fn find(elements: &[Element], keys: &[&str], values: &Values) -> Option<usize> {
    let all_blank = values.iter().all(String::is_empty);
    elements.iter().position(|(_, element)| {
        keys.iter()
            .zip(values)
            .filter(|(_, value)| all_blank || !value.is_empty())
            .all(|(key, value)| element.get(key).is_some_and(|have| have.text().unwrap_or_default() == value))
    })
}

/// Replaces (or deletes) the elements that match; appends the new one if none does. A blank value matches any present one, a
/// key beyond the values counts as matched, and empty elements vanish.
fn set_element(
    elements: &mut Vec<Element>,
    (keys, values): (&[&str], &Values),
    new: Option<Element>,
) -> Result<(), MergeError> {
    let mut found = false;
    let setter = values.first().is_some_and(|value| !value.is_empty());
    let old = std::mem::take(elements);
    for (number, element) in old {
        if is_empty(&element) {
            continue;
        }
        if element.as_mapping().is_none() {
            if !setter && !values.is_empty() {
                return Err(MergeError::wrong_kind("MappingNode", &element));
            }
            elements.extend(setter.then_some((number, element)));
            continue;
        }
        let matches = !values.is_empty()
            && keys.iter().zip(values).all(|(key, value)| {
                element.get(key).is_some_and(|have| value.is_empty() || have.text().unwrap_or_default() == value)
            });
        if !matches {
            if !values.is_empty() {
                elements.push((number, element));
            }
            continue;
        }
        found = true;
        elements.extend(new.clone());
    }
    if !found {
        elements.extend(new.filter(|(_, new)| !new.is_null()));
    }
    Ok(())
}

fn append(items: &mut Vec<Element>, dest: Vec<Element>, keys: &[&str]) -> Result<(), MergeError> {
    for (number, element) in dest {
        if element.as_mapping().is_none() && !element.is_null() {
            return Err(MergeError::wrong_kind("MappingNode", &element));
        }
        let mut values = Values::new();
        for key in keys {
            match element.get(key) {
                None => items.push((number, element.clone())),
                Some(value) => values.push(value.text().unwrap_or_default().to_owned()),
            }
        }
        if keys.len() > 1 {
            set_element(items, (keys, &values), None)?;
        }
        set_element(items, (keys, &values), Some((number, element)))?;
    }
    Ok(())
}
