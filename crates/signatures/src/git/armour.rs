//! ASCII armour, as `OpenPGP` and SSH write it: `-----BEGIN label-----`, perhaps headers, base64, `-----END label-----`.
//!
//! Deliberately ignores headers, the checksum of `OpenPGP` (it protects against nothing that the signature does not), and all text before
//! and after a block, as Flux does. Cleartext signatures are not read.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Why an armour does not open.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArmourError {
    /// Bytes that are not text.
    #[error("armor is not text")]
    NotText,
    /// No line begins a block.
    #[error("no armored data found")]
    Missing,
    /// The block is of something else.
    #[error("expected {expected} block, got: {found}")]
    Label {
        /// What it should be of.
        expected: &'static str,
        /// What it is of.
        found: String,
    },
    /// A block within a block.
    #[error("armor within armor")]
    Nested,
    /// No line ends the block.
    #[error("armor without an end")]
    Unterminated,
    /// What is in the block is not base64.
    #[error("malformed base64 in armor")]
    Base64,
}

/// One block.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Block<'a> {
    pub(crate) label: &'a str,
    pub(crate) body: Vec<u8>,
    /// The text after it.
    pub(crate) rest: &'a str,
}

/// The first block of `text`.
pub(crate) fn decode(text: &str) -> Result<Block<'_>, ArmourError> {
    let (mut at, mut label, mut base64, mut end) = (0, None, String::new(), None);
    for line in text.split_inclusive('\n') {
        at += line.len();
        let trimmed = line.trim();
        let Some(label) = label else {
            label = boundary(trimmed, "-----BEGIN ");
            continue;
        };
        match boundary(trimmed, "-----END ") {
            Some(found) if found == label => {
                end = Some(Block { label, body: Vec::new(), rest: text.get(at..).unwrap_or_default() });
                break;
            }
            _ if trimmed.starts_with('-') => return Err(ArmourError::Nested),
            _ => {}
        }
        let checksum = trimmed.len() == 5 && trimmed.starts_with('=');
        let header = base64.is_empty() && trimmed.contains(':');
        if !checksum && !header {
            base64.push_str(trimmed);
        }
    }
    let block = end.ok_or(if label.is_some() { ArmourError::Unterminated } else { ArmourError::Missing })?;
    let body = STANDARD.decode(base64).map_err(|_| ArmourError::Base64)?;
    Ok(Block { body, ..block })
}

/// The first block of `bytes`, which must be of `expected`.
pub(crate) fn decode_as(bytes: &[u8], expected: &'static str) -> Result<Vec<u8>, ArmourError> {
    let block = decode(std::str::from_utf8(bytes).map_err(|_| ArmourError::NotText)?)?;
    if block.label == expected {
        return Ok(block.body);
    }
    Err(ArmourError::Label { expected, found: block.label.chars().take(40).collect() })
}

fn boundary<'a>(line: &'a str, begin: &str) -> Option<&'a str> {
    line.strip_prefix(begin)?.strip_suffix("-----")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_checksum_blank_lines_and_line_ends_do_not_matter() {
        for text in [
            "-----BEGIN X-----\naGVs\nbG8=\n-----END X-----\nafter",
            "before\n-----BEGIN X-----\nVersion: 1\nComment: a: b\n\naGVs\nbG8=\n=abcd\n-----END X-----\nafter",
            "\r\n -----BEGIN X-----\r\n\r\naGVs\r\n\r\nbG8=\r\n-----END X----- \r\nafter",
        ] {
            assert_eq!(decode(text), Ok(Block { label: "X", body: b"hello".to_vec(), rest: "after" }), "{text}");
        }
        assert_eq!(decode("-----BEGIN X-----\n-----END X-----"), Ok(Block { label: "X", body: vec![], rest: "" }));
    }

    #[test]
    fn what_is_no_single_block_is_refused() {
        for (text, error) in [
            ("", ArmourError::Missing),
            ("-----BEGIN X----\n", ArmourError::Missing),
            ("-----BEGIN X-----\naGVs", ArmourError::Unterminated),
            ("-----BEGIN X-----\n-----BEGIN X-----\naGVs\n-----END X-----", ArmourError::Nested),
            ("-----BEGIN X-----\naGVs\n-----END Y-----\n-----END X-----", ArmourError::Nested),
            ("-----BEGIN X-----\na*\n-----END X-----", ArmourError::Base64),
            ("-----BEGIN X-----\naGVsbG8=\nA: b\n-----END X-----", ArmourError::Base64),
        ] {
            assert_eq!(decode(text), Err(error), "{text}");
        }
        assert_eq!(decode_as(b"\xff", "X"), Err(ArmourError::NotText));
        let other = Err(ArmourError::Label { expected: "Y", found: "X".to_owned() });
        assert_eq!(decode_as(b"-----BEGIN X-----\n-----END X-----", "Y"), other);
    }
}
