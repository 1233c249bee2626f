//! Nested values from the flat names that dotenv and INI documents have for their metadata: `age__list_0__map_enc`.

use std::collections::BTreeMap;

use crate::tree::{Branch, Item, MAX_DEPTH, Value};

const MAP: &str = "__map_";
const LIST: &str = "__list_";

/// Names that do not make one tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FlattenError {
    /// The same name twice.
    #[error("Duplicate value")]
    Duplicate,
    /// A value, a mapping and a list in one place.
    #[error("Type mismatch")]
    Mismatch,
    /// A list with gaps.
    #[error("Incomplete list")]
    Incomplete,
    /// More levels than anybody needs.
    #[error("more than {MAX_DEPTH} levels")]
    Depth,
}

enum Token<'t> {
    Key(&'t str),
    Index(usize),
}

#[derive(Default)]
struct Node {
    value: Option<Value>,
    keys: BTreeMap<String, Node>,
    items: BTreeMap<usize, Node>,
}

/// The tree that flat entries stand for, its keys in the order of their names.
pub(crate) fn unflatten(flat: Branch) -> Result<Branch, FlattenError> {
    let mut root = Node::default();
    for item in flat {
        let Some(name) = item.name() else { continue };
        let mut node = &mut root;
        for (depth, token) in tokens(name).into_iter().enumerate() {
            // A name may be as long as the document, and each level is a step of recursion.
            if depth > MAX_DEPTH {
                return Err(FlattenError::Depth);
            }
            node = match token {
                Token::Key(key) => node.keys.entry(key.to_owned()).or_default(),
                Token::Index(index) => node.items.entry(index).or_default(),
            };
        }
        if node.value.replace(item.value).is_some() {
            return Err(FlattenError::Duplicate);
        }
    }
    match convert(root)? {
        Value::Map(branch) => Ok(branch),
        _ => Err(FlattenError::Mismatch),
    }
}

fn tokens(name: &str) -> Vec<Token<'_>> {
    let token = |list: bool, text| {
        // What is no number counts as the first, as in SOPS.
        if list { Token::Index(str::parse(text).unwrap_or(0)) } else { Token::Key(text) }
    };
    let (mut tokens, mut list, mut rest) = (Vec::new(), false, name);
    loop {
        let next = match (rest.find(MAP), rest.find(LIST)) {
            (Some(map), Some(at)) if at < map => Some((at, LIST)),
            (Some(map), _) => Some((map, MAP)),
            (None, Some(at)) => Some((at, LIST)),
            (None, None) => None,
        };
        let Some((at, separator)) = next else {
            tokens.push(token(list, rest));
            return tokens;
        };
        tokens.push(token(list, &rest[..at]));
        list = separator == LIST;
        rest = &rest[at + separator.len()..];
    }
}

fn convert(node: Node) -> Result<Value, FlattenError> {
    let Node { value, keys, items } = node;
    match (value, keys.is_empty(), items.is_empty()) {
        (Some(value), true, true) => Ok(value),
        (None, true, true) => Ok(Value::Map(Branch::new())),
        (None, false, true) => {
            let branch = keys.into_iter().map(|(key, node)| Ok(Item::new(key, convert(node)?)));
            branch.collect::<Result<_, _>>().map(Value::Map)
        }
        (None, true, false) => {
            if items.keys().copied().ne(0..items.len()) {
                return Err(FlattenError::Incomplete);
            }
            items.into_values().map(convert).collect::<Result<_, _>>().map(Value::List)
        }
        _ => Err(FlattenError::Mismatch),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flat(names: &[&str]) -> Branch {
        names.iter().map(|&name| Item::new(name, Value::text(name))).collect()
    }

    #[test]
    fn names_become_a_tree() {
        let made = unflatten(flat(&["b", "age__list_1__map_enc", "age__list_0__map_enc", "m__map_x__map_y"])).unwrap();
        let map = |key: &str, value| Value::Map(vec![Item::new(key, value)]);
        let expected = vec![
            Item::new(
                "age",
                Value::List(vec![
                    map("enc", Value::text("age__list_0__map_enc")),
                    map("enc", Value::text("age__list_1__map_enc")),
                ]),
            ),
            Item::new("b", Value::text("b")),
            Item::new("m", map("x", map("y", Value::text("m__map_x__map_y")))),
        ];
        assert!(made == expected);
    }

    #[test]
    fn names_that_make_no_tree_are_refused() {
        let deep = "__map_x".repeat(MAX_DEPTH + 2);
        for (names, error) in [
            (vec!["a", "a"], FlattenError::Duplicate),
            (vec!["a", "a__map_b"], FlattenError::Mismatch),
            (vec!["a__map_b", "a__list_0"], FlattenError::Mismatch),
            (vec!["a__list_1"], FlattenError::Incomplete),
            (vec!["a__list_18446744073709551615"], FlattenError::Incomplete),
            (vec![deep.as_str()], FlattenError::Depth),
        ] {
            assert_eq!(unflatten(flat(&names)).err(), Some(error), "{names:?}");
        }
    }
}
