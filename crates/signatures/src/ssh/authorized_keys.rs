//! The format of `authorized_keys`: a key a line, perhaps after options, perhaps before a comment.
//!
//! Deliberately keeps neither options nor comments.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ssh_key::PublicKey;
use ssh_key::public::KeyData;

use crate::git::MAX_KEYS_BYTES;

/// The most keys in one file.
const MAX_KEYS: usize = 4096;

const CERTIFICATE_SUFFIX: &str = "-cert-v01@openssh.com";

/// Why a file is not one of keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthorizedKeysError {
    /// Over [`MAX_KEYS_BYTES`].
    #[error("authorized keys larger than {MAX_KEYS_BYTES} bytes")]
    TooLarge,
    /// More keys than are read.
    #[error("more than {MAX_KEYS} authorized keys")]
    TooMany,
    /// Bytes that are not text.
    #[error("authorized keys are not text")]
    NotText,
    /// A line without a key.
    #[error("line {line}: no key found")]
    NoKey {
        /// From 1.
        line: usize,
    },
    /// A certificate, which needs an authority.
    #[error("line {line}: certificates are not supported")]
    Certificate {
        /// From 1.
        line: usize,
    },
    /// A kind of key that signatures are not accepted of.
    #[error("line {line}: unsupported key type")]
    Unsupported {
        /// From 1.
        line: usize,
    },
}

/// The keys of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizedKeys {
    keys: Vec<PublicKey>,
}

impl AuthorizedKeys {
    /// Reads a file. Empty lines and lines that begin with `#` are nothing; one line that is no key makes the whole file unreadable, as in
    /// Flux.
    ///
    /// # Errors
    ///
    /// A line that is no key, or a file over the limits.
    pub fn parse(bytes: &[u8]) -> Result<Self, AuthorizedKeysError> {
        if bytes.len() > MAX_KEYS_BYTES {
            return Err(AuthorizedKeysError::TooLarge);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| AuthorizedKeysError::NotText)?;
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if keys.len() == MAX_KEYS {
                return Err(AuthorizedKeysError::TooMany);
            }
            keys.push(parse_line(line, index + 1)?);
        }
        Ok(Self { keys })
    }

    pub(super) fn keys(&self) -> &[PublicKey] {
        &self.keys
    }
}

/// The key is at the beginning of the line, or after its first word, which then is options.
fn parse_line(text: &str, line: usize) -> Result<PublicKey, AuthorizedKeysError> {
    let after_options = after_first_word(text).trim_start();
    let key = [text, after_options].into_iter().find_map(|text| parse_key(text, line));
    key.unwrap_or(Err(AuthorizedKeysError::NoKey { line }))
}

/// `None` when there is no key at the beginning of `text`.
fn parse_key(text: &str, line: usize) -> Option<Result<PublicKey, AuthorizedKeysError>> {
    let mut words = text.split_ascii_whitespace();
    let (name, base64) = (words.next()?, words.next()?);
    let blob = STANDARD.decode(base64).ok()?;
    // The name within the blob: what is outside could say anything.
    let length = usize::try_from(u32::from_be_bytes(*blob.first_chunk()?)).ok()?;
    if blob.get(4..)?.get(..length)? != name.as_bytes() {
        return None;
    }
    if name.ends_with(CERTIFICATE_SUFFIX) {
        return Some(Err(AuthorizedKeysError::Certificate { line }));
    }
    let key = PublicKey::from_bytes(&blob).ok()?;
    match key.key_data() {
        KeyData::Dsa(_) | KeyData::Other(_) => Some(Err(AuthorizedKeysError::Unsupported { line })),
        KeyData::Certificate(_) => Some(Err(AuthorizedKeysError::Certificate { line })),
        _ => Some(Ok(key)),
    }
}

/// Options may have blanks within quotes, and quotes after a backslash.
fn after_first_word(text: &str) -> &str {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b' ' | b'\t' if !quoted => return text.get(at..).unwrap_or_default(),
            b'"' if !escaped => quoted = !quoted,
            _ => {}
        }
        escaped = byte == b'\\';
    }
    ""
}
