//! Strings of bytes, as the operators see them: decoding that never fails, reversal, and linear search.
//!
//! Deliberately not covered: any notion of graphemes or normal forms.

/// Stands for a byte that does not belong to a character.
const REPLACEMENT: char = char::REPLACEMENT_CHARACTER;

/// The first character and how many bytes it takes; a byte that begins none counts as one replacement character. `None` when empty.
pub(crate) fn first_char(bytes: &[u8]) -> Option<(char, usize)> {
    let longest = &bytes[..bytes.len().min(4)];
    let valid = match std::str::from_utf8(longest) {
        Ok(valid) => valid,
        Err(error) => std::str::from_utf8(&longest[..error.valid_up_to()]).unwrap_or_default(),
    };
    match valid.chars().next() {
        Some(first) => Some((first, first.len_utf8())),
        None => bytes.first().map(|_| (REPLACEMENT, 1)),
    }
}

/// The characters of a byte string, each stray byte as one replacement character.
pub(crate) fn chars(mut bytes: &[u8]) -> impl Iterator<Item = char> + '_ {
    std::iter::from_fn(move || {
        let (first, width) = first_char(bytes)?;
        bytes = &bytes[width..];
        Some(first)
    })
}

/// The characters in reverse order, as bytes.
pub(crate) fn reversed(bytes: &[u8]) -> Vec<u8> {
    let characters: Vec<char> = chars(bytes).collect();
    characters.into_iter().rev().collect::<String>().into_bytes()
}

/// Where `needle` begins in `haystack`, without overlaps, in order. An empty needle is nowhere.
///
/// Knuth, Morris and Pratt: linear whatever the needle is, so that a value cannot be made to search slowly.
pub(crate) fn occurrences(haystack: &[u8], needle: &[u8]) -> Vec<usize> {
    let mut found = Vec::new();
    if needle.is_empty() || needle.len() > haystack.len() {
        return found;
    }
    let borders = borders(needle);
    let mut matched = 0;
    for (position, byte) in haystack.iter().enumerate() {
        while matched > 0 && needle[matched] != *byte {
            matched = borders[matched - 1];
        }
        if needle[matched] == *byte {
            matched += 1;
        }
        if matched == needle.len() {
            found.push(position + 1 - needle.len());
            matched = 0;
        }
    }
    found
}

/// For each prefix of the needle, the length of its longest proper prefix that is also its suffix.
fn borders(needle: &[u8]) -> Vec<usize> {
    let mut borders = vec![0; needle.len()];
    let mut length = 0;
    for position in 1..needle.len() {
        while length > 0 && needle[length] != needle[position] {
            length = borders[length - 1];
        }
        if needle[length] == needle[position] {
            length += 1;
        }
        borders[position] = length;
    }
    borders
}
