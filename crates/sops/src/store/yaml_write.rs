//! Trees to YAML as SOPS prints it: in the order of the tree, four spaces for each level, no folding, comments with it.
//!
//! Which strings need quotes is the decision of the workspace's one writer of YAML; this only lays out. A block that must say how deep it
//! is says it correctly, where the Go library does not.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sluice_yaml::Node;

use super::numbers;
use super::yaml_comments::is_break;
use crate::tree::{Branch, Item, Key, Value};

const INDENT: usize = 4;
/// A dash and a space.
const DASH: usize = 2;
/// A longer key stands behind a `?`.
const LONGEST_SIMPLE_KEY: usize = 128;

/// Writes the documents, with `---` between them.
pub(super) fn emit(branches: &[Branch]) -> Vec<u8> {
    let mut writer = Writer { text: Vec::new() };
    for (index, branch) in branches.iter().enumerate() {
        if index > 0 {
            writer.push("---\n");
        }
        if branch.iter().any(|item| !matches!(item.key, Key::Comment(_))) {
            writer.map(branch, 0, Line::New);
        } else {
            let comments = branch.iter().filter_map(comment_of).map(|(text, _)| text);
            writer.comments(comments, 0);
            writer.push("{}\n");
        }
    }
    writer.text
}

fn comment_of(item: &Item) -> Option<(&str, bool)> {
    match &item.key {
        Key::Comment(comment) => Some((&comment.text, comment.inline)),
        Key::Text(_) | Key::Other(_) => None,
    }
}

/// Where the first entry of a mapping or list stands.
#[derive(Clone, Copy, PartialEq)]
enum Line {
    /// On a line of its own.
    New,
    /// Behind what is there.
    Goes,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

struct Writer {
    text: Vec<u8>,
}

/// The next level below a mapping: the next multiple of the indentation.
fn below(indent: usize) -> usize {
    INDENT * ((indent + INDENT) / INDENT)
}

impl Writer {
    fn push(&mut self, text: &str) {
        self.text.extend(text.as_bytes());
    }

    fn indent(&mut self, width: usize) {
        self.text.extend(std::iter::repeat_n(b' ', width));
    }

    /// Comments on lines of their own. A line break within one must not end it: what follows would be YAML.
    fn comments<'c>(&mut self, comments: impl Iterator<Item = &'c str>, indent: usize) {
        for line in comments.flat_map(|text| text.split(is_break)) {
            self.indent(indent);
            self.push("#");
            self.push(line);
            self.push("\n");
        }
    }

    fn map(&mut self, branch: &[Item], indent: usize, mut line: Line) {
        let (mut heads, mut behind): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for item in branch {
            if let Some((text, inline)) = comment_of(item) {
                if inline {
                    behind.push(text);
                } else {
                    heads.push(text);
                }
                continue;
            }
            self.comments(heads.drain(..), indent);
            if line == Line::New {
                self.indent(indent);
            }
            line = Line::New;
            self.key(item.name().unwrap_or_default(), indent);
            match &item.value {
                Value::Map(inner) if has_keys(inner) => {
                    self.end_line(&mut behind);
                    self.map(inner, below(indent), Line::New);
                }
                Value::List(inner) if has_items(inner) => {
                    self.end_line(&mut behind);
                    self.list(inner, below(indent), Line::New);
                }
                value => {
                    self.push(" ");
                    self.leaf(value, (indent, below(indent)), &mut behind);
                }
            }
        }
        heads.append(&mut behind);
        self.comments(heads.into_iter(), indent);
    }

    fn list(&mut self, list: &[Value], indent: usize, mut line: Line) {
        let (mut heads, mut behind): (Vec<&str>, Vec<&str>) = (Vec::new(), Vec::new());
        for value in list {
            if let Value::Comment(comment) = value {
                if comment.inline {
                    behind.push(&comment.text);
                } else {
                    heads.push(&comment.text);
                }
                continue;
            }
            let mut value_rest: Option<&[Item]> = None;
            if let Value::Map(inner) = value {
                // Comments at the start of a mapping stand before its dash.
                let own = inner.iter().take_while(|item| matches!(comment_of(item), Some((_, false)))).count();
                heads.extend(inner[..own].iter().filter_map(comment_of).map(|(text, _)| text));
                value_rest = has_keys(inner).then(|| &inner[own..]);
            }
            // Behind a dash that is itself behind a dash there is no line for a comment: it goes before the next entry that has one.
            if line == Line::New {
                self.comments(heads.drain(..), indent);
                self.indent(indent);
            }
            line = Line::New;
            self.push("- ");
            match (value, value_rest) {
                (_, Some(inner)) => self.map(inner, indent + DASH, Line::Goes),
                (Value::List(inner), _) if has_items(inner) => self.list(inner, indent + DASH, Line::Goes),
                _ => self.leaf(value, (indent, indent + DASH), &mut behind),
            }
        }
        heads.append(&mut behind);
        self.comments(heads.into_iter(), indent);
    }

    fn end_line(&mut self, behind: &mut Vec<&str>) {
        self.behind(behind);
        self.push("\n");
    }

    fn behind(&mut self, behind: &mut Vec<&str>) {
        for text in behind.drain(..) {
            // A line break would end the comment here too.
            let line: String = text.chars().map(|letter| if is_break(letter) { ' ' } else { letter }).collect();
            self.push(" #");
            self.push(&line);
        }
    }

    /// A key and its colon.
    fn key(&mut self, key: &str, indent: usize) {
        let style = match style_of(key) {
            Style::Literal => Style::Double,
            style => style,
        };
        let long = key.len() > LONGEST_SIMPLE_KEY;
        if long {
            self.push("? ");
        }
        self.string(key, style);
        if long {
            self.push("\n");
            self.indent(indent);
        }
        self.push(":");
    }

    /// A scalar or an empty collection, and the end of its line.
    fn leaf(&mut self, value: &Value, (indent, inner): (usize, usize), behind: &mut Vec<&str>) {
        match value {
            Value::Null | Value::Comment(_) => self.push("null"),
            Value::Bool(truth) => self.push(if *truth { "true" } else { "false" }),
            Value::Int(number) => self.push(&number.to_string()),
            Value::Unsigned(number) => self.push(&number.to_string()),
            Value::Float(number) => self.push(&numbers::yaml(*number)),
            Value::Time(time) => self.push(time),
            Value::List(_) => self.push("[]"),
            Value::Map(_) => self.push("{}"),
            Value::Text(bytes) | Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Err(_) => self.push(&format!("!!binary {}", STANDARD.encode(bytes))),
                Ok(text) => match style_of(text) {
                    Style::Literal => {
                        self.push("|");
                        self.push(&hints(text, inner - indent));
                        self.end_line(behind);
                        self.block(text, inner);
                        return;
                    }
                    style => self.string(text, style),
                },
            },
        }
        self.end_line(behind);
    }

    fn block(&mut self, text: &str, indent: usize) {
        for line in text.split_inclusive('\n') {
            if line != "\n" {
                self.indent(indent);
            }
            self.push(line);
        }
        if !text.ends_with('\n') {
            self.push("\n");
        }
    }

    fn string(&mut self, text: &str, style: Style) {
        match style {
            Style::Plain | Style::Literal => self.push(text),
            Style::Single => self.push(&format!("'{}'", text.replace('\'', "''"))),
            Style::Double => {
                self.push(&sluice_yaml::double_quoted(text));
            }
        }
    }
}

fn has_keys(branch: &Branch) -> bool {
    branch.iter().any(|item| comment_of(item).is_none())
}

fn has_items(list: &[Value]) -> bool {
    list.iter().any(|value| !matches!(value, Value::Comment(_)))
}

/// The style of a string, by what the workspace's writer makes of it.
fn style_of(text: &str) -> Style {
    // A merge key in YAML 1.1.
    if text == "<<" {
        return Style::Double;
    }
    // SOPS' library, unlike that writer's model, keeps tabs in blocks.
    let untabbed = text.contains('\n').then(|| text.replace('\t', "x"));
    let written = sluice_yaml::write(&Node::string(untabbed.as_deref().unwrap_or(text))).unwrap_or_default();
    match written.as_bytes().first() {
        Some(b'|') => Style::Literal,
        Some(b'"') | None => Style::Double,
        Some(b'\'') => Style::Single,
        Some(_) => Style::Plain,
    }
}

/// What stands behind the `|` of a block.
fn hints(text: &str, width: usize) -> String {
    let mut hints = String::new();
    if text.starts_with([' ', '\n']) {
        hints.push_str(&width.to_string());
    }
    if !text.ends_with('\n') {
        hints.push('-');
    } else if text == "\n" || text.ends_with("\n\n") {
        hints.push('+');
    }
    hints
}

#[cfg(test)]
mod tests;
