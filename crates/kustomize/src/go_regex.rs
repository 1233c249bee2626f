//! What kustomize's own language says of a regular expression that is not one. Ours says it at greater length, in other words.
//!
//! It only finds the first fault that both know; it does not decide whether a pattern is one.

use crate::error::go_quote;

/// Largest count of a repetition.
const MAX_REPEAT: u32 = 1000;

/// The fault of a pattern that could not be compiled.
pub(crate) fn complaint(pattern: &str) -> String {
    match fault(pattern) {
        Some((what, part)) => format!("error parsing regexp: {what}: `{part}`"),
        None => format!("error parsing regexp: {} is too large or not supported", go_quote(pattern)),
    }
}

fn fault(pattern: &str) -> Option<(&'static str, &str)> {
    let mut open = 0_usize;
    // Where the last repetition operator starts, if the next one would repeat a repetition; `None` if there is something to repeat.
    let mut repeated: Option<usize> = None;
    let mut repeatable = false;
    let mut at = 0;
    while let Some(next) = pattern[at..].chars().next() {
        let mut width = next.len_utf8();
        match next {
            '(' => {
                if pattern[at..].starts_with("(?") {
                    let Some(head) = group_head(&pattern[at..]) else {
                        let end = (at + 3).min(pattern.len());
                        let part = pattern.get(at..end).unwrap_or(&pattern[at..]);
                        return Some(("invalid or unsupported Perl syntax", part));
                    };
                    width = head;
                }
                open += 1;
                (repeatable, repeated) = (false, None);
            }
            ')' if open == 0 => return Some(("unexpected )", pattern)),
            ')' => {
                open -= 1;
                (repeatable, repeated) = (true, None);
            }
            '|' => (repeatable, repeated) = (false, None),
            '*' | '+' | '?' | '{' => {
                let Some(operator) = operator(&pattern[at..]) else {
                    // A brace that is no count is a letter.
                    (repeatable, repeated) = (true, None);
                    at += width;
                    continue;
                };
                width = operator.len();
                if next == '{' && !fits(operator) {
                    return Some(("invalid repeat count", operator));
                }
                if !repeatable {
                    return Some(("missing argument to repetition operator", operator));
                }
                if let Some(start) = repeated {
                    return Some(("invalid nested repetition operator", &pattern[start..at + width]));
                }
                repeated = Some(at);
            }
            '[' => match class_width(&pattern[at..]) {
                Ok(class) => {
                    width = class;
                    (repeatable, repeated) = (true, None);
                }
                Err(fault) => return Some(fault),
            },
            '\\' => {
                let Some(letter) = pattern[at + 1..].chars().next() else {
                    return Some(("trailing backslash at end of expression", ""));
                };
                width += letter.len_utf8();
                if letter.is_ascii_alphanumeric() && !"aAbBdDfnrstvwWSzQEpPxCPDk01234567".contains(letter) {
                    return Some(("invalid escape sequence", &pattern[at..at + width]));
                }
                (repeatable, repeated) = (true, None);
            }
            _ => (repeatable, repeated) = (true, None),
        }
        at += width;
    }
    (open > 0).then_some(("missing closing )", pattern))
}

/// The length of `(?:`, `(?i)`, `(?P<name>` and the like.
fn group_head(text: &str) -> Option<usize> {
    let rest = &text[2..];
    if let Some(name) =
        rest.strip_prefix("P<").or_else(|| rest.strip_prefix('<').filter(|name| !name.starts_with(['=', '!'])))
    {
        return Some(text.len() - name.len() + name.find('>')? + 1);
    }
    let flags = rest.find(|letter: char| !"imsU-".contains(letter))?;
    (rest[flags..].starts_with(':') || (flags > 0 && rest[flags..].starts_with(')'))).then(|| {
        // The closing parenthesis of bare flags is left for the loop, which counts it.
        2 + flags + usize::from(rest[flags..].starts_with(':'))
    })
}

/// A repetition operator with its lazy mark.
fn operator(text: &str) -> Option<&str> {
    let mut width = 1;
    if text.starts_with('{') {
        let close = text.find('}')?;
        let count = &text[1..close];
        let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let (low, high) = count.split_once(',').unwrap_or((count, ""));
        if !number(low) || !(high.is_empty() || number(high)) {
            return None;
        }
        width = close + 1;
    }
    Some(&text[..width + usize::from(text[width..].starts_with('?'))])
}

fn fits(operator: &str) -> bool {
    let count = operator.trim_end_matches('?').trim_matches(['{', '}']);
    let (low, high) = count.split_once(',').unwrap_or((count, count));
    let number = |text: &str| text.parse::<u32>().ok().filter(|&number| number <= MAX_REPEAT);
    match (number(low), number(high)) {
        (Some(low), Some(high)) => low <= high,
        (Some(_), None) => high.is_empty(),
        _ => false,
    }
}

fn class_width(text: &str) -> Result<usize, (&'static str, &str)> {
    let mut at = 1 + usize::from(text[1..].starts_with('^'));
    let mut first = true;
    loop {
        let Some(next) = text[at..].chars().next() else { return Err(("missing closing ]", text)) };
        if next == ']' && !first {
            return Ok(at + 1);
        }
        first = false;
        if next == '[' && text[at..].starts_with("[:") && text[at..].contains(":]") {
            at += text[at..].find(":]").unwrap_or_default() + 2;
            continue;
        }
        let start = at;
        at += next.len_utf8();
        if next == '\\' {
            at += text[at..].chars().next().map_or(0, char::len_utf8);
        }
        let mut range = text[at..].chars();
        if let (Some('-'), Some(high)) = (range.next(), range.next())
            && !matches!(high, ']' | '\\')
            && next != '\\'
        {
            at += 1 + high.len_utf8();
            if high < next {
                return Err(("invalid character class range", &text[start..at]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_named_as_kustomize_names_them() {
        for (pattern, fault) in [
            ("^(?:()$", "missing closing ): `^(?:()$`"),
            ("^(?:a))$", "unexpected ): `^(?:a))$`"),
            ("^(?:[a)$", "missing closing ]: `[a)$`"),
            ("^(?:*)$", "missing argument to repetition operator: `*`"),
            ("^(?:a**)$", "invalid nested repetition operator: `**`"),
            ("^(?:a{2,1})$", "invalid repeat count: `{2,1}`"),
            ("^(?:[z-a])$", "invalid character class range: `z-a`"),
            ("^(?:(?=a))$", "invalid or unsupported Perl syntax: `(?=`"),
            ("a\\", "trailing backslash at end of expression: ``"),
            ("\\y", "invalid escape sequence: `\\y`"),
        ] {
            assert_eq!(complaint(pattern), format!("error parsing regexp: {fault}"), "{pattern}");
        }
    }
}
