//! Distinguished names as trust policies write them (RFC 4514), and those of certificates, as maps from attribute to value.
//!
//! By the Notary Project's rules: country, state and organization must be there, an attribute at most once, no multi-valued parts, no
//! hexadecimal values. Order does not matter, case of values does.

use std::collections::BTreeMap;

use crate::x509::Certificate;

/// Attribute types that have a short name.
const NAMES: [(&str, &str); 11] = [
    ("2.5.4.3", "CN"),
    ("2.5.4.5", "SERIALNUMBER"),
    ("2.5.4.6", "C"),
    ("2.5.4.7", "L"),
    ("2.5.4.8", "ST"),
    ("2.5.4.9", "STREET"),
    ("2.5.4.10", "O"),
    ("2.5.4.11", "OU"),
    ("2.5.4.17", "POSTALCODE"),
    ("0.9.2342.19200300.100.1.1", "UID"),
    ("0.9.2342.19200300.100.1.25", "DC"),
];

/// The longest name that is read.
const MAX_BYTES: usize = 4096;

/// Why a name is not usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DistinguishedNameError {
    /// Not RFC 4514, with a hexadecimal value, or too long.
    #[error("not a distinguished name")]
    Malformed,
    /// Several attributes in one part.
    #[error("distinguished name with a multi-valued part")]
    MultiValued,
    /// An attribute twice.
    #[error("distinguished name with several {0:?}")]
    Duplicate(String),
    /// One of the three is missing.
    #[error("distinguished name without {0:?}")]
    Missing(&'static str),
}

/// A distinguished name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DistinguishedName(BTreeMap<String, String>);

impl DistinguishedName {
    /// Reads `C=US, ST=WA, O=example`.
    pub(super) fn parse(text: &str) -> Result<Self, DistinguishedNameError> {
        if text.len() > MAX_BYTES || text.contains("=#") {
            return Err(DistinguishedNameError::Malformed);
        }
        let mut attributes = Vec::new();
        for part in split_unescaped(text, &[',', ';']) {
            if split_unescaped(part, &['+']).len() > 1 {
                return Err(DistinguishedNameError::MultiValued);
            }
            let (kind, value) = part.split_once('=').ok_or(DistinguishedNameError::Malformed)?;
            attributes.push((kind.trim().to_ascii_uppercase(), unescape(value)?));
        }
        Self::from_attributes(attributes)
    }

    /// The subject of a certificate.
    pub(super) fn of_subject(certificate: &Certificate) -> Result<Self, DistinguishedNameError> {
        let mut attributes = Vec::new();
        for part in certificate.subject_attributes() {
            match <[_; 1]>::try_from(part) {
                // A value that is no text cannot be named in a policy.
                Ok([(_, None)]) => {}
                Ok([(oid, Some(value))]) => {
                    let oid = oid.to_string();
                    let name = NAMES.iter().find(|(known, _)| *known == oid).map_or(oid.as_str(), |(_, name)| name);
                    attributes.push((name.to_owned(), value));
                }
                Err(_) => return Err(DistinguishedNameError::MultiValued),
            }
        }
        Self::from_attributes(attributes)
    }

    fn from_attributes(attributes: Vec<(String, String)>) -> Result<Self, DistinguishedNameError> {
        let mut map = BTreeMap::new();
        for (kind, value) in attributes {
            let kind = if kind == "S" { "ST".to_owned() } else { kind };
            if map.insert(kind.clone(), value).is_some() {
                return Err(DistinguishedNameError::Duplicate(kind));
            }
        }
        let missing = ["C", "ST", "O"].into_iter().find(|needed| map.get(*needed).is_none_or(String::is_empty));
        match missing {
            Some(needed) => Err(DistinguishedNameError::Missing(needed)),
            None => Ok(Self(map)),
        }
    }

    /// Whether `other` has every attribute of this name with the same value.
    pub(super) fn is_part_of(&self, other: &Self) -> bool {
        self.0.iter().all(|(kind, value)| other.0.get(kind) == Some(value))
    }
}

/// The parts between separators that no backslash precedes.
fn split_unescaped<'a>(text: &'a str, separators: &[char]) -> Vec<&'a str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (index, c) in text.char_indices() {
        if escaped {
            escaped = false;
        } else if c == '\\' {
            escaped = true;
        } else if separators.contains(&c) {
            parts.push(&text[start..index]);
            start = index + c.len_utf8();
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Takes the escapes out of a value: `\,` and the like, and `\C3\A4` for bytes. Blanks around it that are not escaped go.
fn unescape(value: &str) -> Result<String, DistinguishedNameError> {
    let mut bytes = Vec::new();
    // Where the last byte that a blank may not be cut off behind ends.
    let mut keep = 0;
    let mut rest = value.trim_start_matches(' ').as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        if *byte != b'\\' {
            bytes.push(*byte);
            keep = if *byte == b' ' { keep } else { bytes.len() };
            rest = after;
            continue;
        }
        let hex = after.get(..2).and_then(|pair| hex::decode(pair).ok());
        match (hex, after.split_first()) {
            (Some(pair), _) => {
                bytes.extend(pair);
                rest = after.get(2..).unwrap_or_default();
            }
            (None, Some((escaped, after))) if b" \"#+,;<=>\\".contains(escaped) => {
                bytes.push(*escaped);
                rest = after;
            }
            _ => return Err(DistinguishedNameError::Malformed),
        }
        keep = bytes.len();
    }
    bytes.truncate(keep);
    String::from_utf8(bytes).map_err(|_| DistinguishedNameError::Malformed)
}
