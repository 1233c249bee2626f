//! Which characters a variable name may have, and how single characters change case.
//!
//! Both follow Unicode's simple properties, one character to one character, as Go's standard library does. Deliberately not covered: case
//! rules of languages, and mappings of one character to several (`ß` stays `ß`).

use std::sync::LazyLock;

use regex::Regex;

/// General categories Letter and Decimal Number. `char::is_alphabetic` is wider: it has combining signs and letter-like numbers.
static LETTER_OR_DIGIT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^[\p{L}\p{Nd}]").ok());

/// Whether a character may stand in a variable's name, at any place: letters, digits and `_`.
pub(crate) fn names(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_alphanumeric() || character == '_';
    }
    let mut buffer = [0; 4];
    let text: &str = character.encode_utf8(&mut buffer);
    LETTER_OR_DIGIT.as_ref().is_some_and(|pattern| pattern.is_match(text))
}

/// The upper case of one character, itself if it has none that is a single character.
pub(crate) fn upper(character: char) -> char {
    let mut mapped = character.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(only), None) => only,
        _ => upper_with_iota(character),
    }
}

/// The lower case of one character, itself if it has none that is a single character.
pub(crate) fn lower(character: char) -> char {
    let mut mapped = character.to_lowercase();
    match (mapped.next(), mapped.next()) {
        (Some(only), None) => only,
        // The one character whose lower case is two in full and one in simple mapping: the dotted capital I.
        _ if character == '\u{130}' => 'i',
        _ => character,
    }
}

/// Greek vowels with an iota below: their full upper case is two letters, their simple one a single character of the same block.
fn upper_with_iota(character: char) -> char {
    let code = u32::from(character);
    let offset = match code {
        0x1F80..=0x1F87 | 0x1F90..=0x1F97 | 0x1FA0..=0x1FA7 => 8,
        0x1FB3 | 0x1FC3 | 0x1FF3 => 9,
        _ => 0,
    };
    char::from_u32(code + offset).unwrap_or(character)
}
