//! Content digests: the five algorithms, the `<algorithm>:<hex>` form and incremental hashing.
//!
//! Deliberately absent: keyed hashes (those of webhooks) and every choice of *which* algorithm to use.

use std::fmt;
use std::io::{self, Read, Write};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::Digest as _;

/// The longest digest of any [`Algorithm`], in bytes (SHA-512).
const MAX_DIGEST_BYTES: usize = 64;

/// Bytes read at a time by [`Digest::of_reader`]: large enough that the hash, not the system call, is the cost.
const READ_BUFFER_BYTES: usize = 64 * 1024;

/// A registered digest algorithm, as `--artifact-digest-algo` and the part of a digest before its colon name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-1. Weak; the algorithm of git object names, and still a permitted artifact digest.
    Sha1,
    /// SHA-256, the default.
    #[default]
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// BLAKE3 with its default output of 32 bytes.
    Blake3,
}

/// A name that is no registered [`Algorithm`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unsupported digest algorithm '{0}'")]
pub struct UnknownAlgorithm(
    /// The name as it was given.
    pub String,
);

impl Algorithm {
    /// Every algorithm, in the order of the enum.
    pub const ALL: [Self; 5] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512, Self::Blake3];

    /// The registered name, such as `sha256`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
            Self::Blake3 => "blake3",
        }
    }

    /// The size of a digest in bytes; its hexadecimal form has twice as many characters.
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 | Self::Blake3 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// A fresh [`Hasher`] of this algorithm.
    pub fn hasher(self) -> Hasher {
        Hasher::new(self)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|algorithm| algorithm.as_str() == name)
            .ok_or_else(|| UnknownAlgorithm(name.to_owned()))
    }
}

/// Why a string is no [`Digest`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The string is empty.
    #[error("empty digest")]
    Empty,
    /// The string does not have the form `<algorithm>:<encoded>` of the CRD's schema.
    #[error("invalid checksum digest format")]
    Format,
    /// The form is right, the algorithm is none that we have.
    #[error(transparent)]
    Algorithm(#[from] UnknownAlgorithm),
    /// The encoded part has the wrong number of characters for its algorithm.
    #[error("invalid checksum digest length: {algorithm} has {expected} characters, got {actual}")]
    Length {
        /// The algorithm that was named.
        algorithm: Algorithm,
        /// How many characters a digest of it has.
        expected: usize,
        /// How many there were.
        actual: usize,
    },
    /// The encoded part is not lower-case hexadecimal.
    #[error("invalid checksum digest encoding: not lower-case hexadecimal")]
    Encoding,
}

/// A content digest: an [`Algorithm`] and as many bytes as it yields. Prints as `<algorithm>:<lower-case hex>`.
///
/// Equality means the same algorithm and the same bytes. The comparison is not constant-time: a digest is public.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    /// The digest, followed by zeros up to the longest algorithm's length.
    bytes: [u8; MAX_DIGEST_BYTES],
}

impl Digest {
    /// Makes a digest of raw bytes, such as a git object id.
    ///
    /// # Errors
    /// [`DigestError::Length`] when there are not exactly [`Algorithm::digest_len`] bytes.
    pub fn from_bytes(algorithm: Algorithm, raw: &[u8]) -> Result<Self, DigestError> {
        if raw.len() != algorithm.digest_len() {
            let (expected, actual) = (algorithm.digest_len() * 2, raw.len() * 2);
            return Err(DigestError::Length { algorithm, expected, actual });
        }
        Ok(Self::padded(algorithm, raw))
    }

    /// Makes a digest of its hexadecimal form without the algorithm.
    ///
    /// # Errors
    /// [`DigestError::Length`] or [`DigestError::Encoding`]; upper-case digits are refused, so
    /// that one digest has one spelling.
    pub fn from_hex(algorithm: Algorithm, encoded: &str) -> Result<Self, DigestError> {
        let expected = algorithm.digest_len() * 2;
        if encoded.len() != expected {
            return Err(DigestError::Length { algorithm, expected, actual: encoded.len() });
        }
        if !encoded.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(DigestError::Encoding);
        }
        let raw = hex::decode(encoded).map_err(|_| DigestError::Encoding)?;
        Ok(Self::padded(algorithm, &raw))
    }

    /// Parses an artifact's digest leniently: text without a colon is taken as the hexadecimal form of a SHA-256
    /// digest, as consumers of artifacts have always done.
    ///
    /// # Errors
    /// As [`Digest::from_str`].
    pub fn parse_lenient(text: &str) -> Result<Self, DigestError> {
        if text.is_empty() {
            return Err(DigestError::Empty);
        }
        if text.contains(':') { text.parse() } else { Self::from_hex(Algorithm::Sha256, text) }
    }

    /// The digest of a byte string.
    pub fn of(algorithm: Algorithm, content: &[u8]) -> Self {
        let mut hasher = algorithm.hasher();
        hasher.update(content);
        hasher.finish()
    }

    /// Reads to the end and returns the digest and the number of bytes. The caller bounds the reader.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn of_reader(algorithm: Algorithm, mut reader: impl Read) -> io::Result<(Self, u64)> {
        let mut hasher = algorithm.hasher();
        let mut buffer = vec![0; READ_BUFFER_BYTES];
        let mut size = 0;
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => return Ok((hasher.finish(), size)),
                Ok(count) => {
                    hasher.update(&buffer[..count]);
                    size += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The algorithm.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The raw digest.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.digest_len()]
    }

    /// The lower-case hexadecimal form, without the algorithm.
    pub fn to_hex(&self) -> String {
        hex::encode(self.as_bytes())
    }

    fn padded(algorithm: Algorithm, raw: &[u8]) -> Self {
        let mut bytes = [0; MAX_DIGEST_BYTES];
        bytes[..raw.len()].copy_from_slice(raw);
        Self { algorithm, bytes }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm, self.to_hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    /// Parses `<algorithm>:<hex>`. What the schema's pattern refuses is a [`DigestError::Format`]; what it lets
    /// through but no algorithm of ours yields has its own error.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Err(DigestError::Empty);
        }
        let (name, encoded) = text.split_once(':').ok_or(DigestError::Format)?;
        if !is_algorithm_name(name) || !is_encoded(encoded) {
            return Err(DigestError::Format);
        }
        Self::from_hex(name.parse()?, encoded)
    }
}

impl Serialize for Digest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Digest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// `[a-z0-9]+(?:[.+_-][a-z0-9]+)*`: runs of letters and digits with single separators between them.
fn is_algorithm_name(name: &str) -> bool {
    name.split(['.', '+', '_', '-'])
        .all(|run| !run.is_empty() && run.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()))
}

/// `[a-zA-Z0-9=_-]+`.
fn is_encoded(encoded: &str) -> bool {
    !encoded.is_empty()
        && encoded.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'=' | b'_' | b'-'))
}

/// Computes a [`Digest`] piece by piece, through [`Hasher::update`] or as an [`io::Write`] that never fails.
#[derive(Clone, Debug)]
pub struct Hasher(State);

#[derive(Clone, Debug)]
enum State {
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
    Blake3(Box<blake3::Hasher>),
}

impl Hasher {
    /// A hasher that has seen nothing.
    pub fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Sha1 => State::Sha1(sha1::Sha1::new()),
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Sha384 => State::Sha384(sha2::Sha384::new()),
            Algorithm::Sha512 => State::Sha512(sha2::Sha512::new()),
            Algorithm::Blake3 => State::Blake3(Box::default()),
        })
    }

    /// Takes in the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha1(state) => state.update(bytes),
            State::Sha256(state) => state.update(bytes),
            State::Sha384(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
            State::Blake3(state) => {
                state.update(bytes);
            }
        }
    }

    /// The digest of everything taken in.
    pub fn finish(self) -> Digest {
        match self.0 {
            State::Sha1(state) => Digest::padded(Algorithm::Sha1, &state.finalize()),
            State::Sha256(state) => Digest::padded(Algorithm::Sha256, &state.finalize()),
            State::Sha384(state) => Digest::padded(Algorithm::Sha384, &state.finalize()),
            State::Sha512(state) => Digest::padded(Algorithm::Sha512, &state.finalize()),
            State::Blake3(state) => Digest::padded(Algorithm::Blake3, state.finalize().as_bytes()),
        }
    }
}

impl Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
