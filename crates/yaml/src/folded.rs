//! What becomes of a folded block (`>`) that kustomize writes and reads once more, as it does with every object: its writer puts too many
//! line breaks around indented lines and at the end. It deliberately changes nothing else.

use crate::reader::{Limits, read_documents};
use crate::writer::{chomping, is_break, is_printable};

/// The text of a folded block after it was written and read again.
pub(crate) fn refold(text: &str) -> String {
    if !is_folded(text) {
        return text.to_owned();
    }
    // What is already in memory needs no bound.
    let limits = Limits { bytes: usize::MAX, depth: 1, nodes: usize::MAX };
    let documents = read_documents(written(text).as_bytes(), &limits).unwrap_or_default();
    let read = documents.first().and_then(|document| document.get("k")?.as_str());
    read.unwrap_or(text).to_owned()
}

/// Whether the writer keeps the form; it has others for the rest, which change nothing.
fn is_folded(text: &str) -> bool {
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
}
