//! INI as the Go library behind SOPS reads and prints it: sections that may repeat, aligned `=`, `;` comments before what they are about.
//!
//! Deliberately without what that library does only when asked: shadowed keys, nested values, keys without a value, expansion of
//! `%(name)s`.

use std::collections::HashMap;

use super::{StoreError, numbers};
use crate::tree::{Branch, Item, Key, Value};

/// The section before the first header.
const DEFAULT: &str = "DEFAULT";

struct Section {
    comment: String,
    keys: Vec<Entry>,
    by_name: HashMap<String, usize>,
}

struct Entry {
    name: String,
    value: String,
    comment: String,
}

/// Reads sections into a mapping each.
pub(super) fn load(document: &[u8]) -> Result<Branch, StoreError> {
    let text = std::str::from_utf8(document).map_err(|_| StoreError::NotText)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let sections = Reader { lines: text.lines().enumerate(), comment: String::new() }.sections()?;
    Ok(sections.into_iter().map(|(name, section)| Item::new(name, Value::Map(branch(section)))).collect())
}

fn branch(section: Section) -> Branch {
    let mut branch = Branch::new();
    if !section.comment.is_empty() {
        branch.push(Item::comment(without_mark(&section.comment), false));
    }
    for Entry { name, value, comment } in section.keys {
        branch.push(Item::new(name, Value::text(value)));
        if !comment.is_empty() {
            branch.push(Item::comment(without_mark(&comment), false));
        }
    }
    branch
}

fn without_mark(comment: &str) -> &str {
    match comment.as_bytes().first() {
        Some(b';') => comment.trim_start_matches([';', ' ']),
        Some(b'#') => comment.trim_start_matches(['#', ' ']),
        _ => comment,
    }
}

struct Reader<'t, L: Iterator<Item = (usize, &'t str)>> {
    lines: L,
    /// What was said since the last key or header.
    comment: String,
}

impl<'t, L: Iterator<Item = (usize, &'t str)>> Reader<'t, L> {
    fn sections(mut self) -> Result<Vec<(String, Section)>, StoreError> {
        let new = |comment| Section { comment, keys: Vec::new(), by_name: HashMap::new() };
        let mut current = (DEFAULT.to_owned(), new(String::new()));
        let mut sections = Vec::new();
        while let Some((index, line)) = self.lines.next() {
            let refused = |problem| StoreError::Ini { line: index + 1, problem };
            let line = line.trim_start();
            if line.is_empty() {
                continue;
            }
            if line.starts_with(['#', ';']) {
                self.note(line);
                continue;
            }
            if line.starts_with('[') {
                let close = line.rfind(']').ok_or_else(|| refused("unclosed section"))?;
                let name = line[1..close].to_owned();
                if name.is_empty() {
                    return Err(refused("empty section name"));
                }
                if let Some(at) = line[close + 1..].find(['#', ';']) {
                    self.note(&line[close + 1 + at..]);
                }
                sections.push(std::mem::replace(&mut current, (name, new(self.taken()))));
                continue;
            }
            let (name, rest) = key(line).ok_or_else(|| refused("key-value delimiter not found"))?;
            let value = self.value(rest).ok_or_else(|| refused("missing closing quote"))?;
            let comment = self.taken();
            let Section { keys, by_name, .. } = &mut current.1;
            let entry = Entry { name: name.clone(), value, comment };
            if let Some(&at) = by_name.get(&name) {
                // The last one counts, in the place of the first.
                keys[at] = entry;
            } else {
                by_name.insert(name, keys.len());
                keys.push(entry);
            }
        }
        sections.push(current);
        Ok(sections)
    }

    fn note(&mut self, line: &str) {
        self.comment.push_str(line);
        self.comment.push('\n');
    }

    fn taken(&mut self) -> String {
        std::mem::take(&mut self.comment).trim().to_owned()
    }

    /// A value from what is left of its line, and from further lines where it goes on.
    fn value(&mut self, rest: &str) -> Option<String> {
        let line = rest.trim_start();
        for quote in ["\"\"\"", "`"] {
            if line.len() > quote.len() && line.starts_with(quote) {
                let inner = &line[quote.len()..];
                return match inner.rfind(quote) {
                    Some(end) => Some(inner[..end].to_owned()),
                    None => self.quoted_lines(inner, quote),
                };
            }
        }
        let line = line.trim_end();
        if let Some(begin) = line.strip_suffix('\\') {
            return Some(self.continued(begin));
        }
        let line = match line.find(['#', ';']) {
            Some(at) => {
                self.note(&line[at..]);
                line[..at].trim_end()
            }
            None => line,
        };
        Some(unquoted(line).to_owned())
    }

    fn quoted_lines(&mut self, first: &str, quote: &str) -> Option<String> {
        let mut value = first.to_owned();
        loop {
            let (_, line) = self.lines.next()?;
            value.push('\n');
            if let Some(end) = line.rfind(quote) {
                value.push_str(&line[..end]);
                return Some(value);
            }
            value.push_str(line);
        }
    }

    fn continued(&mut self, first: &str) -> String {
        let mut value = first.to_owned();
        for (_, line) in self.lines.by_ref() {
            let line = line.trim();
            if let Some(more) = line.strip_suffix('\\') {
                value.push_str(more);
                continue;
            }
            value.push_str(line);
            break;
        }
        value
    }
}

fn unquoted(text: &str) -> &str {
    let quoted = |quote: char| {
        let inner = text.strip_prefix(quote)?.strip_suffix(quote)?;
        (!inner.contains(quote)).then_some(inner)
    };
    quoted('\'').or_else(|| quoted('"')).unwrap_or(text)
}

/// The key at the start of a line, and what is behind its delimiter.
fn key(line: &str) -> Option<(String, &str)> {
    for quote in ["\"\"\"", "`", "\""] {
        if let Some(inner) = line.strip_prefix(quote) {
            let end = inner.find(quote)?;
            let behind = &inner[end + quote.len()..];
            let at = behind.find(['=', ':'])?;
            return Some((inner[..end].trim().to_owned(), &behind[at + 1..]));
        }
    }
    let at = line.find(['=', ':'])?;
    let name = line[..at].trim();
    (!name.is_empty()).then(|| (name.to_owned(), &line[at + 1..]))
}

/// Writes the sections of all documents.
pub(super) fn emit(branches: &[Branch]) -> Result<Vec<u8>, StoreError> {
    let sections: Vec<(&str, &Value)> =
        branches.iter().flatten().filter_map(|item| Some((item.name()?, &item.value))).collect();
    let mut text = Vec::new();
    let count = sections.len();
    for (index, (name, value)) in sections.into_iter().enumerate() {
        let Value::Map(items) = value else { return Err(StoreError::Section) };
        section(&mut text, (name, index == 0), items)?;
        let nothing =
            index == 0 && name.eq_ignore_ascii_case(DEFAULT) && items.iter().all(|item| item.name().is_none());
        if index + 1 < count && !nothing {
            text.push(b'\n');
        }
    }
    Ok(text)
}

fn section(text: &mut Vec<u8>, (name, first): (&str, bool), items: &Branch) -> Result<(), StoreError> {
    let mut items = items.as_slice();
    if let Some(Item { key: Key::Comment(own), .. }) = items.first() {
        comment(text, &own.text, str::to_owned);
        items = &items[1..];
    }
    if !(first && name.eq_ignore_ascii_case(DEFAULT)) {
        text.extend(format!("[{name}]\n").as_bytes());
    }
    let keys: Vec<(String, &Value, Option<&str>)> = items
        .iter()
        .enumerate()
        .filter_map(|(index, item)| {
            let following = items[index + 1..].iter().map_while(|item| match &item.key {
                Key::Comment(comment) => Some(comment.text.as_str()),
                Key::Text(_) | Key::Other(_) => None,
            });
            // Of several the last one stays.
            Some((quoted_key(item.name()?), &item.value, following.last()))
        })
        .collect();
    let width = keys.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    for (name, value, own) in keys {
        if let Some(own) = own {
            comment(text, own, |line| line.trim().to_owned());
        }
        let value = numbers::plain(value).ok_or_else(|| StoreError::Complex(name.clone()))?;
        text.extend(name.as_bytes());
        text.extend(std::iter::repeat_n(b' ', width - name.len()));
        text.extend(b" = ");
        text.extend(quoted_value(&value));
        text.push(b'\n');
    }
    Ok(())
}

fn comment(text: &mut Vec<u8>, comment: &str, plain: impl Fn(&str) -> String) {
    for line in comment.split('\n').filter(|_| !comment.is_empty()) {
        let line = match line.chars().next() {
            Some(mark @ ('#' | ';')) => format!("{mark} {}", line[1..].trim()),
            _ => format!("; {}", plain(line)),
        };
        text.extend(line.as_bytes());
        text.push(b'\n');
    }
}

fn quoted_key(name: &str) -> String {
    if name.contains(['"', '=', ':']) {
        format!("`{name}`")
    } else if name.contains('`') {
        format!("\"\"\"{name}\"\"\"")
    } else {
        name.to_owned()
    }
}

fn quoted_value(value: &[u8]) -> Vec<u8> {
    let has = |bytes: &[u8]| value.iter().any(|byte| bytes.contains(byte));
    let quote: &[u8] = if has(b"\n`") {
        b"\"\"\""
    } else if has(b"#;") {
        b"`"
    } else if value.trim_ascii().len() != value.len() {
        b"\""
    } else {
        b""
    };
    [quote, value, quote].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn again(text: &str) -> String {
        String::from_utf8(emit(&[load(text.as_bytes()).unwrap()]).unwrap()).unwrap()
    }

    #[test]
    fn keys_are_aligned_and_comments_stand_before_what_they_are_about() {
        let text = "# of all\n[one]\n  a=1\n; of b\nlonger : 2 ; behind\n\n[two] # second\nx = \"quoted\"\ny = `a;b`\nz = \"\"\"line\nmore\"\"\"\n\
                    [one]\nw = a\\\n  b\n";
        let expected = "; of all\n[one]\na      = 1\n; of b\n; behind\nlonger = 2\n\n; second\n[two]\nx = quoted\ny = `a;b`\nz = \"\"\"line\nmore\"\"\"\n\n[one]\nw = ab\n";
        // A comment of several lines is one text, of which only the first line loses its mark.
        assert_eq!(again(text), expected);
    }

    #[test]
    fn what_is_no_ini_is_refused_by_its_line() {
        for (text, line) in [("a = 1\n[one", 2), ("nothing", 1), ("[]", 1), ("\n\na = `open", 3), ("= 1", 1)] {
            assert!(matches!(load(text.as_bytes()), Err(StoreError::Ini { line: at, .. }) if at == line), "{text}");
        }
        assert!(matches!(load(b"\xff"), Err(StoreError::NotText)));
        assert!(matches!(emit(&[vec![Item::new("a", Value::text("b"))]]), Err(StoreError::Section)));
    }
}
