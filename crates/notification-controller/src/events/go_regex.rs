//! Regular expressions in Go's dialect, as users of Alerts write them, on Rust's engine.
//!
//! Both engines are automata without backtracking, so a hostile expression cannot take exponential time. The dialects
//! differ in small things that this translation evens out: Go's `\d`, `\w`, `\s` and `\b` are ASCII, `\Q…\E` quotes,
//! an escaped punctuation mark is always itself, a brace that is no repetition is a literal, and character classes
//! know neither nesting nor set operations. Not translated: `\C` (one byte), which is an error here.

use regex::bytes::{Regex, RegexBuilder};

/// Most memory for one compiled expression: 10 MiB, the engine's own default, named so that it is a decision.
const MAX_COMPILED_BYTES: usize = 10 * 1024 * 1024;

/// Compiles a Go expression.
///
/// # Errors
/// An expression that is malformed, or too large when compiled.
pub(super) fn compile(expression: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&translate(expression)).size_limit(MAX_COMPILED_BYTES).octal(true).build()
}

fn translate(expression: &str) -> String {
    let mut out = String::with_capacity(expression.len() + 16);
    let mut rest = expression;
    while let Some(c) = rest.chars().next() {
        let tail = &rest[c.len_utf8()..];
        rest = match c {
            '\\' => escape(tail, false, &mut out),
            '[' => class(tail, &mut out),
            '{' if !is_repetition(tail) => {
                out.push_str(r"\{");
                tail
            }
            _ => {
                out.push(c);
                tail
            }
        };
    }
    out
}

/// Whether the text after an opening brace makes a repetition: `2}`, `2,}` or `2,5}`.
fn is_repetition(tail: &str) -> bool {
    let Some((inner, _)) = tail.split_once('}') else { return false };
    let (low, high) = inner.split_once(',').unwrap_or((inner, ""));
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    !low.is_empty() && digits(low) && digits(high)
}

/// Translates what follows a backslash; returns what follows that.
fn escape<'a>(tail: &'a str, in_class: bool, out: &mut String) -> &'a str {
    let Some(c) = tail.chars().next() else {
        out.push('\\');
        return tail;
    };
    let after = &tail[c.len_utf8()..];
    let replacement = match (c, in_class) {
        ('d', false) => "[0-9]",
        ('d', true) => "0-9",
        ('D', _) => "[^0-9]",
        ('w', false) => "[0-9A-Za-z_]",
        ('w', true) => "0-9A-Za-z_",
        ('W', _) => "[^0-9A-Za-z_]",
        ('s', false) => r"[\t\n\f\r ]",
        ('s', true) => r"\t\n\f\r ",
        ('S', _) => r"[^\t\n\f\r ]",
        ('b', false) => r"(?-u:\b)",
        ('B', false) => r"(?-u:\B)",
        ('<' | '>', _) => {
            out.push(c);
            return after;
        }
        ('Q', false) => {
            let (quoted, after) = after.split_once(r"\E").unwrap_or((after, ""));
            out.push_str(&regex::escape(quoted));
            return after;
        }
        _ => {
            // The braces of `\x{e4}` and `\p{Greek}` belong to the escape.
            let braced = matches!(c, 'x' | 'p' | 'P') && after.starts_with('{');
            let end = after.find('}').filter(|_| braced).map_or(0, |at| at + 1);
            out.push('\\');
            out.push(c);
            out.push_str(&after[..end]);
            return &after[end..];
        }
    };
    out.push_str(replacement);
    after
}

/// Translates a character class from behind its opening bracket; returns what follows the class.
fn class<'a>(tail: &'a str, out: &mut String) -> &'a str {
    out.push('[');
    let mut rest = tail;
    if let Some(negated) = rest.strip_prefix('^') {
        out.push('^');
        rest = negated;
    }
    let mut first = true;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        match c {
            // In first place a closing bracket is a member.
            ']' if !first => {
                out.push(']');
                return after;
            }
            ']' | '&' | '~' => {
                out.push('\\');
                out.push(c);
            }
            '[' => {
                if let Some(end) = named_class_end(after) {
                    out.push('[');
                    out.push_str(&after[..end]);
                    rest = &after[end..];
                    first = false;
                    continue;
                }
                out.push_str(r"\[");
            }
            '\\' => {
                rest = escape(after, true, out);
                first = false;
                continue;
            }
            _ => out.push(c),
        }
        rest = after;
        first = false;
    }
    rest
}

/// Length of the rest of a class such as `[:alpha:]`, from behind its opening bracket.
fn named_class_end(after: &str) -> Option<usize> {
    after.strip_prefix(':')?.find(":]").map(|at| at + 3)
}

#[cfg(test)]
mod tests {
    use super::compile;

    #[test]
    fn go_expressions_match_as_in_go() {
        for (expression, text, expected) in [
            ("waiting.*socket", "x waiting on socket y", true),
            ("^x", "yx", false),
            (r"\d", "٣", false),
            (r"^\w+$", "é", false),
            (r"^\W$", "é", true),
            (r"[\d.]+$", "v1.2", true),
            (r"[\w-]+", "a-b", true),
            (r"[^\s]", " \t", false),
            (r"\bword\b", "a word.", true),
            (r"\Q[a.b]\E+", "x[a.b]]", true),
            (r"\<a\>", "<a>", true),
            ("a{b", "a{b", true),
            ("{", "{", true),
            ("a{2}", "aa", true),
            ("a{2,}", "a", false),
            ("[[]", "[", true),
            ("[]a]", "]", true),
            ("[^]a]", "]", false),
            ("[a&&b]", "&", true),
            ("[~]", "~", true),
            ("[[:alpha:]0]", "0", true),
            ("[[:^alpha:]]", "a", false),
            ("(?i)failed", "FAILED", true),
            (r"\.dev\-cluster\/", ".dev-cluster/", true),
            ("^ä.$", "äö", true),
            (r"\x{e4}", "ä", true),
            (r"\pL", "ä", true),
            (r"^\p{Greek}+$", "αβ", true),
            (r"[\x{e4}\pN]", "ä", true),
            (r"\b{start}", "a{start}", true),
            ("a$", "a\n", false),
        ] {
            let regex = compile(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
            assert_eq!(regex.is_match(text.as_bytes()), expected, "{expression:?} on {text:?}");
        }
    }

    #[test]
    fn malformed_and_oversized_expressions_are_errors() {
        for expression in ["(", "[a", "*", r"\", "a{2,1}", r"\8", "(?<", &"(a{1000}){1000}".repeat(3)] {
            assert!(compile(expression).is_err(), "{expression:?}");
        }
    }
}
