//! The bytes of a text before the parser sees them: line ends, byte order marks, and what is said about bytes that are no letters. Not
//! here: anything about YAML itself.

use std::borrow::Cow;

use crate::error::YamlError;

/// The text with line feeds in place of the line ends of Windows.
pub(crate) fn unix_lines(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'\r') {
        return Cow::Borrowed(text);
    }
    let mut unix = Vec::with_capacity(text.len());
    for (index, &byte) in text.iter().enumerate() {
        if byte != b'\r' || text.get(index + 1) != Some(&b'\n') {
            unix.push(byte);
        }
    }
    Cow::Owned(unix)
}

/// The error for a text with a character that is none or not allowed, for which the parser has no line: in the words of go-yaml, with the
/// line of ours.
pub(crate) fn bad_character(text: &[u8], base: u32, shown: u32, problem: String) -> YamlError {
    let allowed =
        |letter| matches!(letter, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..);
    let (valid, rest) = match std::str::from_utf8(text) {
        Ok(valid) => (valid, &[][..]),
        Err(error) => {
            let (valid, rest) = text.split_at(error.valid_up_to());
            (std::str::from_utf8(valid).unwrap_or_default(), rest)
        }
    };
    let at = valid.find(|letter| !allowed(letter)).unwrap_or(valid.len());
    // Text in another encoding has other bytes than the parser has letters.
    let known = at < valid.len() || !rest.is_empty();
    let line = valid[..at].bytes().filter(|&byte| byte == b'\n').count();
    let line = if known { base + 1 + u32::try_from(line).unwrap_or(u32::MAX - base - 1) } else { 0 };
    let problem = if at == valid.len() && !rest.is_empty() { octet_problem(rest).to_owned() } else { problem };
    YamlError::Syntax { line, shown, problem }
}

/// What go-yaml says about bytes that do not start with a letter in UTF-8.
fn octet_problem(bytes: &[u8]) -> &'static str {
    let (width, lead) = match bytes {
        [lead @ 0xc0..=0xdf, ..] => (2, lead & 0x1f),
        [lead @ 0xe0..=0xef, ..] => (3, lead & 0x0f),
        [lead @ 0xf0..=0xf7, ..] => (4, lead & 0x07),
        _ => return "invalid leading UTF-8 octet",
    };
    let Some(trailing) = bytes.get(1..width) else { return "incomplete UTF-8 octet sequence" };
    if trailing.iter().any(|byte| byte & 0xc0 != 0x80) {
        return "invalid trailing UTF-8 octet";
    }
    let value = trailing.iter().fold(u32::from(lead), |value, byte| value << 6 | u32::from(byte & 0x3f));
    let least = [0x80, 0x800, 0x1_0000][width - 2];
    if value < least { "invalid length of a UTF-8 sequence" } else { "invalid Unicode character" }
}

pub(crate) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The text as the parser takes it, and whether a newline was added behind a last line that has none: the parser breaks an assertion at
/// a block scalar that ends with the text. It also takes the first byte of some letters for a damaged byte order mark, unless there is one.
pub(crate) fn prepare(text: &[u8]) -> (Cow<'_, [u8]>, bool) {
    let last = text.rsplit(|&byte| byte == b'\n' || byte == b'\r').next().unwrap_or_default();
    // The other line breaks of YAML 1.1; a line of blanks is no content; UTF-16 does not end in one byte.
    let ended = ["\u{85}", "\u{2028}", "\u{2029}"].iter().any(|mark| last.ends_with(mark.as_bytes()))
        || last.iter().all(|&byte| byte == b' ')
        || text.starts_with(b"\xff\xfe")
        || text.starts_with(b"\xfe\xff");
    let unmarked = text.starts_with(&BYTE_ORDER_MARK[..1]) && !text.starts_with(BYTE_ORDER_MARK);
    if ended && !unmarked {
        return (Cow::Borrowed(text), false);
    }
    let mark: &[u8] = if unmarked { BYTE_ORDER_MARK } else { b"" };
    let newline: &[u8] = if ended { b"" } else { b"\n" };
    (Cow::Owned([mark, text, newline].concat()), !ended)
}

/// The text without byte order marks behind the first character, and what stands for them: the parser skips one at the start of a line,
/// where Go's takes it for part of the text.
pub(crate) fn without_inner_marks(text: &[u8]) -> (Cow<'_, [u8]>, Option<char>) {
    let start = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let Some(inner) = std::str::from_utf8(&text[start..]).ok().filter(|inner| inner.contains('\u{feff}')) else {
        return (Cow::Borrowed(text), None);
    };
    // The last two code points of each plane are nobody's letters. Those are free that the text has neither as such nor as an escape.
    let lower = inner.to_ascii_lowercase();
    let mut candidates = (1..=16_u32).flat_map(|plane| [plane << 16 | 0xfffe, plane << 16 | 0xffff]);
    let free = candidates.find_map(|code| {
        let letter = char::from_u32(code)?;
        (!inner.contains(letter) && !lower.contains(&format!("{code:08x}"))).then_some(letter)
    });
    let Some(stand_in) = free else { return (Cow::Borrowed(text), None) };
    let replaced = inner.replace('\u{feff}', stand_in.encode_utf8(&mut [0; 4]));
    (Cow::Owned([&text[..start], replaced.as_bytes()].concat()), Some(stand_in))
}
