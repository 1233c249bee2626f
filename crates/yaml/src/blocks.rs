//! What becomes of a block (`|`, `>`) that kustomize writes and reads once more, as it does with every object: its writer puts too many
//! line breaks around indented lines of a folded one and at its end, and states no indentation for one that starts with a tab, which its
//! reader then refuses. It deliberately changes nothing else.

use crate::error::YamlError;
use crate::node::{Node, Value};
use crate::reader::{Limits, read_documents};
use crate::scalar::{Scalar, Style, Tag};
use crate::writer::{chomping, is_break, is_printable};

/// Whether a block that is written cannot be read.
pub(crate) fn is_unreadable(scalar: &Scalar) -> bool {
    scalar.text.starts_with('\t') && is_block(scalar)
}

fn is_block(scalar: &Scalar) -> bool {
    scalar.tag == Tag::Str && matches!(scalar.style, Style::Literal | Style::Folded) && is_kept(&scalar.text)
}

/// The error of the first such block of a tree.
pub(crate) fn tab_error(node: &Node) -> YamlError {
    let mut line = 1;
    // The library takes the first line for none and names that of the tab instead.
    let line = locate(node, &mut line).map_or(0, |line| line.max(2));
    YamlError::Syntax {
        line,
        shown: line,
        problem: "found a tab character where an indentation space is expected".to_owned(),
    }
}

/// The line of the first unreadable block in a node that is written from `line` on, which moves behind it.
fn locate(node: &Node, line: &mut u32) -> Option<u32> {
    match &node.value {
        Value::Mapping(mapping) if !mapping.is_empty() => mapping.iter().find_map(|(_, value)| {
            *line += u32::from(!matches!(value.value, Value::Scalar(_)) && !value.is_null_or_empty());
            locate(value, line)
        }),
        Value::Sequence(items) if !items.is_empty() => items.iter().find_map(|item| locate(item, line)),
        Value::Scalar(scalar) if is_unreadable(scalar) => Some(*line),
        Value::Scalar(scalar) if is_block(scalar) => {
            let breaks = scalar.text.chars().filter(|&letter| is_break(letter)).count();
            let lines = breaks + usize::from(!scalar.text.ends_with(is_break));
            *line = line.saturating_add(u32::try_from(lines + 1).unwrap_or(u32::MAX));
            None
        }
        _ => {
            *line += 1;
            None
        }
    }
}

/// The text of a folded block after it was written and read again.
pub(crate) fn refold(text: &str) -> String {
    if !is_kept(text) {
        return text.to_owned();
    }
    // What is already in memory needs no bound.
    let limits = Limits { bytes: usize::MAX, depth: 1, nodes: usize::MAX };
    let documents = read_documents(written(text).as_bytes(), &limits).unwrap_or_default();
    let read = documents.first().and_then(|document| document.get("k")?.as_str());
    read.unwrap_or(text).to_owned()
}

/// Whether the writer keeps the form of a block; it has others for the rest, which change nothing.
fn is_kept(text: &str) -> bool {
    let letters = || text.chars().zip(text.chars().skip(1).map(Some).chain([None]));
    !text.is_empty()
        && letters().all(|(letter, next)| {
            (letter == '\t' || is_printable(letter)) && (letter != ' ' || !next.is_none_or(is_break))
        })
}

/// A mapping of the text as the writer leaves it, and what comes behind it.
fn written(text: &str) -> String {
    const INDENT: &str = "  ";
    // The writer means to look at what follows the break but looks at the start of the text.
    let extra = text.trim_start_matches(is_break).starts_with(|first| first != ' ' && first != '\t');
    let mut out = format!("k: >{}\n", chomping(text));
    let (mut after_break, mut indented) = (true, true);
    for letter in text.chars() {
        if is_break(letter) {
            if extra && letter == '\n' && !after_break && !indented {
                out.push('\n');
            }
            after_break = true;
        } else {
            if after_break {
                out.push_str(INDENT);
                indented = letter == ' ' || letter == '\t';
            }
            after_break = false;
        }
        out.push(letter);
    }
    if !after_break {
        out.push('\n');
    }
    out.push_str("z: 0\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indented_lines_get_a_break_before_them_and_kept_endings_one_more() {
        for (text, expected) in [
            ("one two", "one two"),
            ("one\ntwo\n", "one\ntwo\n"),
            ("one\n\ntwo", "one\n\ntwo"),
            ("one\n  deep\nend", "one\n\n  deep\nend"),
            ("  deep\nend", "  deep\nend"),
            ("one \n  deep", "one \n  deep"),
            ("one\n\n", "one\n\n\n"),
            ("\n\n", "\n\n"),
            ("", ""),
            ("one\n\u{2029}", "one\n\n\u{2029}"),
            ("\u{1f600}\n\n", "\u{1f600}\n\n"),
        ] {
            assert_eq!(refold(text), expected, "{text:?}");
        }
    }

    #[test]
    fn a_block_that_starts_with_a_tab_is_refused_with_its_line_in_what_kustomize_wrote() {
        let refolded = |text: &str| {
            let mut nodes = read_documents(text.as_bytes(), &Limits::DEFAULT).unwrap();
            nodes[0].refold().map_err(|error| error.to_string())
        };
        for (text, line) in [
            ("k: |2\n  \tx\n", Some(2)),
            ("k: >2\n  \tx\n", Some(2)),
            ("m: {n: {a: b}}\nl:\n- a: 1\n  b: [2, 3]\n- |\n  x\n  y\ne: []\nk: |2-\n  \tx\n", Some(13)),
            ("k: |2\n  \tx \n", None),
            ("k: |2\n\n  \tx\n", None),
            ("k: \"\\tx\\n\"\n", None),
        ] {
            let problem = "found a tab character where an indentation space is expected";
            let expected = line.map_or(Ok(()), |line| Err(format!("yaml: line {line}: {problem}")));
            assert_eq!(refolded(text), expected, "{text:?}");
        }
    }
}
