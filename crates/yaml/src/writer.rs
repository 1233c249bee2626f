//! [`Node`]s to text, as kustomize prints them: keys in natural order, lists not indented under their key, strings plain when
//! no YAML reader could mistake them, long ones folded at spaces, several lines as a literal block.
//!
//! The rules are those of libyaml's emitter with the type checks of the older go-yaml library on top. It writes block style
//! only, and neither comments nor anchors.

use serde_json::Number;

use crate::error::WriteError;
use crate::json::{check_key, check_top_key, not_finite};
use crate::json_step::reread;
use crate::node::{Entry, Mapping, Node, Value};
use crate::order::sort_by_key;
use crate::scalar::{Dialect, Scalar, Tag, is_base60, resolve};

/// Column after which a line is folded at its next single space.
const FOLD_AFTER: usize = 80;
/// Longest key, in bytes, that stands on one line with its value; longer ones are introduced by `?`.
const LONGEST_SIMPLE_KEY: usize = 128;
/// Spaces per level.
const INDENT: usize = 2;

/// The text of one document, ending in a newline, but for a literal block that ends in another line break: kustomize writes no newline
/// after it, so that the `---` of [`write_all`] does not stand at the start of a line as its readers count them.
///
/// # Errors
/// A key is not a string, a number is not finite, or a text has a control character that kustomize refuses to print.
pub fn write(node: &Node) -> Result<String, WriteError> {
    let mut text = String::new();
    write_into(node, &mut text)?;
    Ok(text)
}

/// The text of several documents with `---` lines between them; empty for none.
///
/// # Errors
/// As for [`write()`].
pub fn write_all<'n>(nodes: impl IntoIterator<Item = &'n Node>) -> Result<String, WriteError> {
    let mut text = String::new();
    for (index, node) in nodes.into_iter().enumerate() {
        if index > 0 {
            text.push_str("---\n");
        }
        write_into(node, &mut text)?;
    }
    Ok(text)
}

fn write_into(node: &Node, text: &mut String) -> Result<(), WriteError> {
    let reread = reread(node)?;
    let node = reread.as_ref().unwrap_or(node);
    let mut writer = Writer { text, column: 0 };
    match &node.value {
        Value::Mapping(mapping) if !mapping.is_empty() => {
            mapping.entries().iter().try_for_each(|entry| check_top_key(&entry.key))?;
            writer.entries(mapping, 0)
        }
        Value::Sequence(items) if !items.is_empty() => writer.sequence(items, 0),
        _ => writer.last_leaf(node, 0),
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    SimpleKey,
    Value,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

struct Writer<'t> {
    text: &'t mut String,
    /// Characters since the last newline.
    column: usize,
}

impl Writer<'_> {
    fn push(&mut self, letter: char) {
        self.text.push(letter);
        self.column += 1;
    }

    fn push_str(&mut self, text: &str) {
        self.text.push_str(text);
        self.column += text.chars().count();
    }

    fn newline(&mut self) {
        self.text.push('\n');
        self.column = 0;
    }

    /// Ends the line unless it is at its start, then indents.
    fn indent(&mut self, width: usize) {
        if self.column > 0 {
            self.newline();
        }
        for _ in 0..width {
            self.push(' ');
        }
    }

    fn mapping(&mut self, mapping: &Mapping, indent: usize) -> Result<(), WriteError> {
        mapping.entries().iter().try_for_each(|entry| check_key(&entry.key))?;
        self.entries(mapping, indent)
    }

    /// The entries of a mapping; the first one continues the current line (`- a: 1`), each ends with a newline.
    fn entries(&mut self, mapping: &Mapping, indent: usize) -> Result<(), WriteError> {
        let mut entries: Vec<&Entry> = mapping.entries().iter().collect();
        sort_by_key(&mut entries, |entry| entry.key.text.as_str());
        for (index, entry) in entries.into_iter().enumerate() {
            if index > 0 {
                self.indent(indent);
            }
            let key = entry.key.text.as_str();
            if key.len() > LONGEST_SIMPLE_KEY || key.contains(is_break) {
                self.push_str("? ");
                self.string(key, indent, Place::Value);
                self.indent(indent);
                self.push_str(": ");
                self.item(&entry.value, indent)?;
            } else {
                self.string(key, indent, Place::SimpleKey);
                self.push(':');
                self.field_value(&entry.value, indent)?;
            }
        }
        Ok(())
    }

    fn field_value(&mut self, value: &Node, indent: usize) -> Result<(), WriteError> {
        match &value.value {
            Value::Mapping(mapping) if !mapping.is_empty() => {
                self.indent(indent + INDENT);
                self.mapping(mapping, indent + INDENT)
            }
            Value::Sequence(items) if !items.is_empty() => {
                self.indent(indent);
                self.sequence(items, indent)
            }
            _ => {
                self.push(' ');
                self.last_leaf(value, indent)
            }
        }
    }

    /// The items of a sequence; the first one continues the current line.
    fn sequence(&mut self, items: &[Node], indent: usize) -> Result<(), WriteError> {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.indent(indent);
            }
            self.push_str("- ");
            self.item(item, indent)?;
        }
        Ok(())
    }

    /// What continues the current line behind a `-`, or behind the `:` of a key that has a line of its own.
    fn item(&mut self, item: &Node, indent: usize) -> Result<(), WriteError> {
        match &item.value {
            Value::Mapping(mapping) if !mapping.is_empty() => self.mapping(mapping, indent + INDENT),
            Value::Sequence(items) if !items.is_empty() => self.sequence(items, indent + INDENT),
            _ => self.last_leaf(item, indent),
        }
    }

    /// A leaf that ends its line.
    fn last_leaf(&mut self, node: &Node, indent: usize) -> Result<(), WriteError> {
        self.leaf(node, indent, Place::Value)?;
        // A literal block has ended its line.
        if self.column > 0 {
            self.newline();
        }
        Ok(())
    }

    /// A scalar or an empty collection, without the newline after it.
    fn leaf(&mut self, node: &Node, indent: usize, place: Place) -> Result<(), WriteError> {
        match &node.value {
            Value::Mapping(_) => self.push_str("{}"),
            Value::Sequence(_) => self.push_str("[]"),
            Value::Scalar(scalar) => match scalar.spelt_tag() {
                Tag::Str => self.string(&scalar.text, indent, place),
                Tag::Null | Tag::Bool | Tag::Int | Tag::Float | Tag::Timestamp => {
                    self.json_scalar(node, scalar, indent)?;
                }
            },
        }
        Ok(())
    }

    fn json_scalar(&mut self, node: &Node, scalar: &Scalar, indent: usize) -> Result<(), WriteError> {
        match scalar.to_json().ok_or_else(|| not_finite(node, scalar))? {
            serde_json::Value::Number(number) => self.push_str(&go_number(&number)),
            serde_json::Value::String(text) => self.string(&text, indent, Place::Value),
            other => self.push_str(&other.to_string()),
        }
        Ok(())
    }

    fn string(&mut self, text: &str, indent: usize, place: Place) {
        let fold = place == Place::Value;
        let indent = indent + INDENT;
        match style_of(text, place) {
            Style::Plain => self.plain(text, indent, fold),
            Style::Single => self.single_quoted(text, indent, fold),
            Style::Double => self.double_quoted(text, indent, fold),
            Style::Literal => self.literal(text, indent),
        }
    }

    fn plain(&mut self, text: &str, indent: usize, fold: bool) {
        let mut letters = text.chars().peekable();
        let mut after_space = false;
        while let Some(letter) = letters.next() {
            if letter == ' ' {
                if fold && !after_space && self.column > FOLD_AFTER && letters.peek() != Some(&' ') {
                    self.indent(indent);
                } else {
                    self.push(' ');
                }
                after_space = true;
            } else {
                self.push(letter);
                after_space = false;
            }
        }
    }

    fn single_quoted(&mut self, text: &str, indent: usize, fold: bool) {
        self.push('\'');
        let (mut after_space, mut after_break) = (false, false);
        let mut letters = text.char_indices().peekable();
        while let Some((index, letter)) = letters.next() {
            let next = letters.peek().map(|&(_, letter)| letter);
            if letter == ' ' {
                let inner = index > 0 && next.is_some_and(|next| next != ' ');
                if fold && !after_space && self.column > FOLD_AFTER && inner {
                    self.indent(indent);
                } else {
                    self.push(' ');
                }
                after_space = true;
            } else if is_break(letter) {
                self.text.push(letter);
                self.column = 0;
                after_break = true;
            } else {
                if after_break {
                    self.indent(indent);
                }
                if letter == '\'' {
                    self.push('\'');
                }
                self.push(letter);
                (after_space, after_break) = (false, false);
            }
        }
        self.push('\'');
    }

    fn double_quoted(&mut self, text: &str, indent: usize, fold: bool) {
        self.push('"');
        // The Go library looks for a byte order mark at the start of the text whichever character it is about to write, so that
        // a text that starts with one is escaped throughout.
        let all = text.starts_with('\u{feff}');
        let mut after_space = false;
        let mut letters = text.char_indices().peekable();
        while let Some((index, letter)) = letters.next() {
            if all {
                self.push_str(&escape_always(letter));
            } else if letter == ' ' {
                let next = letters.peek().map(|&(_, letter)| letter);
                if fold && !after_space && self.column > FOLD_AFTER && index > 0 && next.is_some() {
                    self.indent(indent);
                    if next == Some(' ') {
                        self.push('\\');
                    }
                } else {
                    self.push(' ');
                }
                after_space = true;
            } else {
                match escape(letter) {
                    Some(escaped) => self.push_str(&escaped),
                    None => self.push(letter),
                }
                after_space = false;
            }
        }
        self.push('"');
    }

    /// A `|` block. Leaves the cursor at the start of a line if the text ends in a newline.
    fn literal(&mut self, text: &str, indent: usize) {
        self.push('|');
        self.push_str(&chomping(text));
        self.newline();
        let mut at_start = true;
        for letter in text.chars() {
            if is_break(letter) {
                self.text.push(letter);
                self.column = 0;
                at_start = true;
            } else {
                if at_start {
                    self.indent(indent);
                }
                self.push(letter);
                at_start = false;
            }
        }
    }
}

/// What stands behind the `|` or `>` of a block: the indentation if its first line is no measure of it, and which line breaks end it.
pub(crate) fn chomping(text: &str) -> String {
    let mut hints = String::new();
    if text.starts_with(' ') || text.starts_with(is_break) {
        hints.push_str(&INDENT.to_string());
    }
    let mut reversed = text.chars().rev();
    if !reversed.next().is_some_and(is_break) {
        hints.push('-');
    } else if reversed.next().is_none_or(is_break) {
        hints.push('+');
    }
    hints
}

/// Whether a string is printed without quotes, as the value of a field.
pub(crate) fn is_plain(text: &str) -> bool {
    style_of(text, Place::Value) == Style::Plain
}

/// The style that a string gets: the type check decides between plain and double quotes, syntax then may forbid either.
fn style_of(text: &str, place: Place) -> Style {
    let analysis = Analysis::of(text);
    let wanted = if text.contains('\n') {
        Style::Literal
    } else if resolve(text, Dialect::Config) == Tag::Str && !is_base60(text) {
        Style::Plain
    } else {
        Style::Double
    };
    match wanted {
        _ if place == Place::SimpleKey && analysis.multiline => Style::Double,
        Style::Plain if analysis.plain && !(text.is_empty() && place == Place::SimpleKey) => Style::Plain,
        Style::Plain if analysis.single => Style::Single,
        Style::Literal if analysis.block && place == Place::Value => Style::Literal,
        _ => Style::Double,
    }
}

/// What syntax allows for a text outside of flow collections.
#[expect(clippy::struct_excessive_bools, reason = "four independent answers, as in libyaml's analysis")]
struct Analysis {
    multiline: bool,
    plain: bool,
    single: bool,
    block: bool,
}

impl Analysis {
    fn of(text: &str) -> Self {
        if text.is_empty() {
            return Self { multiline: false, plain: true, single: true, block: false };
        }
        let mut seen = Self { multiline: false, plain: true, single: true, block: true };
        seen.plain = !text.starts_with("---") && !text.starts_with("...");
        let (mut before_space, mut before_break, mut before_blank) = (false, false, true);
        let mut letters = text.char_indices().peekable();
        while let Some((index, letter)) = letters.next() {
            let next = letters.peek().map(|&(_, letter)| letter);
            let (first, last) = (index == 0, next.is_none());
            let blank_follows = next.is_none_or(|next| next == ' ' || next == '\t');
            seen.plain &= match letter {
                '#' if first => false,
                ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%' | '@' | '`' => !first,
                '?' | '-' => !(first && blank_follows),
                ':' => !blank_follows,
                '#' => !before_blank,
                _ => true,
            };
            if !is_printable(letter) {
                (seen.plain, seen.single, seen.block) = (false, false, false);
            }
            if letter == ' ' {
                seen.plain &= !first && !last;
                seen.block &= !last;
                if before_break {
                    (seen.plain, seen.single) = (false, false);
                }
                (before_space, before_break) = (true, false);
            } else if is_break(letter) {
                (seen.plain, seen.multiline) = (false, true);
                if before_space {
                    (seen.single, seen.block) = (false, false);
                }
                (before_space, before_break) = (false, true);
            } else {
                (before_space, before_break) = (false, false);
            }
            before_blank = letter == ' ' || letter == '\t' || is_break(letter);
        }
        seen
    }
}

pub(crate) fn is_break(letter: char) -> bool {
    matches!(letter, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// What libyaml's Go port prints as it is; characters beyond the basic plane are not among it.
pub(crate) fn is_printable(letter: char) -> bool {
    matches!(letter, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}') && letter != '\u{feff}'
}

/// A text in double quotes on one line.
pub fn double_quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match escape(letter) {
            Some(escaped) => quoted.push_str(&escaped),
            None => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

fn escape(letter: char) -> Option<String> {
    if is_printable(letter) && !is_break(letter) && letter != '"' && letter != '\\' {
        return None;
    }
    Some(escape_always(letter))
}

fn escape_always(letter: char) -> String {
    let code = u32::from(letter);
    let short = match letter {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' => '"',
        '\\' => '\\',
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ if code <= 0xFF => return format!("\\x{code:02X}"),
        _ if code <= 0xFFFF => return format!("\\u{code:04X}"),
        _ => return format!("\\U{code:08X}"),
    };
    format!("\\{short}")
}

/// A number as Go's shortest `%g` prints it: exponent form below 1e-4 and from 1e6 on (whole numbers only beyond 64 bits, since
/// smaller ones are integers by now).
pub(crate) fn go_number(number: &Number) -> String {
    let Some(value) = number.as_f64().filter(|_| number.is_f64()) else { return number.to_string() };
    go_short(&format!("{value:e}"), &value.to_string())
}

/// The same for a number of half the precision, which is what becomes of a key.
pub(crate) fn go_float32(value: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "the loss is what Go does")]
    let value = value as f32;
    go_short(&format!("{value:e}"), &value.to_string())
}

/// Chooses between the two notations of a number.
fn go_short(scientific: &str, decimal: &str) -> String {
    let Some((mantissa, exponent)) = scientific.split_once('e') else { return scientific.to_owned() };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        return decimal.to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests;
