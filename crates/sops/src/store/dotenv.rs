//! Lines of `NAME=value`, where `\n` in a value is a line break.
//!
//! Deliberately no quotes, no spaces and no `export`: to SOPS they are part of the name or the value.

use super::{StoreError, numbers};
use crate::tree::{Branch, Item, Key, Value};

pub(super) fn load(document: &[u8]) -> Result<Branch, StoreError> {
    let text = std::str::from_utf8(document).map_err(|_| StoreError::NotText)?;
    let mut branch = Branch::new();
    for (index, line) in text.split('\n').enumerate() {
        if line.is_empty() {
            continue;
        }
        if let Some(comment) = line.strip_prefix('#') {
            branch.push(Item::comment(comment, false));
            continue;
        }
        let (name, value) = line.split_once('=').ok_or(StoreError::DotenvLine(index + 1))?;
        branch.push(Item::new(name, Value::text(value.replace("\\n", "\n"))));
    }
    Ok(branch)
}

pub(super) fn emit(branch: &Branch) -> Result<Vec<u8>, StoreError> {
    let mut text = Vec::new();
    for item in branch {
        match &item.key {
            Key::Comment(comment) => {
                text.push(b'#');
                text.extend(comment.text.as_bytes());
            }
            Key::Other(_) => continue,
            Key::Text(name) => {
                let value = numbers::plain(&item.value).ok_or_else(|| StoreError::Complex(name.clone()))?;
                text.extend(name.as_bytes());
                text.push(b'=');
                for byte in value {
                    match byte {
                        b'\n' => text.extend(b"\\n"),
                        byte => text.push(byte),
                    }
                }
            }
        }
        text.push(b'\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back_but_blank_ones() {
        let text = "A=1\n\n# note\nB = x=y\nC=a\\nb\nD=";
        assert_eq!(emit(&load(text.as_bytes()).unwrap()).unwrap(), b"A=1\n# note\nB = x=y\nC=a\\nb\nD=\n");
    }

    #[test]
    fn a_line_without_a_value_and_a_value_without_a_line_are_refused() {
        assert!(matches!(load(b"A=1\nsecret"), Err(StoreError::DotenvLine(2))));
        assert!(matches!(load(b"\xff=1"), Err(StoreError::NotText)));
        let nested = vec![Item::new("a", Value::List(Vec::new()))];
        assert!(matches!(emit(&nested), Err(StoreError::Complex(key)) if key == "a"));
    }
}
