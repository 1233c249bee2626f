//! How Helm cleans the strings of a chart's metadata. It does not decide which strings are cleaned.

/// White space becomes a space, what cannot be printed goes away.
pub(crate) fn sanitize(text: &mut String) {
    // Almost every string is clean already.
    if text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return;
    }
    *text = text.chars().filter_map(clean).collect();
}

fn clean(letter: char) -> Option<char> {
    if letter.is_whitespace() { Some(' ') } else { is_printable(letter).then_some(letter) }
}

/// Letters, marks, numbers, punctuation and symbols. The standard library knows, but tells only by escaping what is none of them; the
/// letter before keeps it from escaping marks that would join a quote.
fn is_printable(letter: char) -> bool {
    match letter {
        ' '..='~' => true,
        _ if letter.is_ascii() => false,
        _ => ['a', letter].iter().collect::<String>().escape_debug().nth(1) == Some(letter),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_become_spaces_and_what_cannot_be_printed_goes() {
        for (text, expected) in [
            ("plain", "plain"),
            ("a\tb\nc\u{a0}d\u{2003}e", "a b c d e"),
            ("a\u{7}b\u{7f}c\u{200b}d\u{feff}e", "abcde"),
            ("Zo\u{e9} \u{1f680} e\u{301} \"q\" \\", "Zo\u{e9} \u{1f680} e\u{301} \"q\" \\"),
        ] {
            let mut cleaned = text.to_owned();
            sanitize(&mut cleaned);
            assert_eq!(cleaned, expected, "{text:?}");
        }
    }
}
