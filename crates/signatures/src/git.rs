//! Signatures of Git commits and tags: which kind one is, and whether one of the keys of a Secret made it.
//!
//! What is verified is the object without its signature and the signature with its armour, as `sluice-git` takes them apart. Any one key
//! suffices. Signatures of S/MIME (`SIGNED MESSAGE`) are recognised only to be named in the error.
//!
//! Deliberately does not read Git objects, decide which objects must be signed (HEAD, tag or both), or look at who the committer is: a
//! key in the Secret may sign for anybody. How a signature is believed is said in [`crate::openpgp`] and [`crate::ssh`].

pub(crate) mod armour;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;

use crate::openpgp::{OpenPgpError, Ring, RingError};
use crate::ssh::{AuthorizedKeys, AuthorizedKeysError, SshError};

/// The largest entry of a Secret that is read as keys: as large as a whole Secret may be.
pub const MAX_KEYS_BYTES: usize = 1 << 20;

/// The largest signature that is read, with its armour. One with an RSA key of 8192 bits is about 2 KiB.
pub const MAX_SIGNATURE_BYTES: usize = 64 << 10;

const PGP_SUFFIX: &str = ".asc";
const SSH_SUFFIX: &str = ".sshpub";

/// The kind of a signature, by how its armour begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignatureType {
    /// `PGP SIGNATURE`.
    OpenPgp,
    /// `SSH SIGNATURE`.
    Ssh,
    /// `SIGNED MESSAGE`, which is not supported.
    X509,
    /// No signature.
    Empty,
    /// Anything else.
    Unknown,
}

impl SignatureType {
    /// The kind of `signature`; blanks before the armour do not matter.
    pub fn of(signature: &[u8]) -> Self {
        let begins = |text: &[u8]| signature.trim_ascii_start().starts_with(text);
        if signature.is_empty() {
            Self::Empty
        } else if begins(b"-----BEGIN PGP SIGNATURE-----") {
            Self::OpenPgp
        } else if begins(b"-----BEGIN SSH SIGNATURE-----") {
            Self::Ssh
        } else if begins(b"-----BEGIN SIGNED MESSAGE-----") {
            Self::X509
        } else {
            Self::Unknown
        }
    }
}

impl fmt::Display for SignatureType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OpenPgp => "openpgp",
            Self::Ssh => "ssh",
            Self::X509 => "x509",
            Self::Empty => "empty",
            Self::Unknown => "unknown",
        })
    }
}

/// The key that made a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyId {
    /// The id of the primary key, also when one of its subkeys signed. Displayed as 16 upper-case hex digits.
    OpenPgp([u8; 8]),
    /// The SHA-256 fingerprint of the key. Displayed as `SHA256:` and base64 without padding.
    Ssh(String),
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OpenPgp(id) => f.write_str(&hex::encode_upper(id)),
            Self::Ssh(fingerprint) => f.write_str(fingerprint),
        }
    }
}

/// The public keys of a Secret.
#[derive(Debug, Default)]
pub struct Keys {
    openpgp: Material<Ring, RingError>,
    ssh: Material<AuthorizedKeys, AuthorizedKeysError>,
}

/// What the entries of one kind gave. The first failure counts only when nothing could be read: one broken entry must not hide others.
#[derive(Debug)]
struct Material<T, E> {
    read: Vec<T>,
    failed: Option<(String, E)>,
}

impl<T, E> Default for Material<T, E> {
    fn default() -> Self {
        Self { read: Vec::new(), failed: None }
    }
}

impl<T, E> Material<T, E> {
    fn add(&mut self, name: &str, entry: Result<T, E>) {
        match entry {
            Ok(entry) => self.read.push(entry),
            Err(error) => self.failed = self.failed.take().or_else(|| Some((name.to_owned(), error))),
        }
    }

    fn is_absent(&self) -> bool {
        self.read.is_empty() && self.failed.is_none()
    }
}

impl Keys {
    /// Reads the entries of a Secret: `*.sshpub` in the format of `authorized_keys`, all others (`*.asc`, and for old Secrets any name) as
    /// rings of `OpenPGP` keys, armoured or binary.
    ///
    /// An entry that cannot be read is no failure here: [`verify`] fails for it, when no entry of the kind that it needs could be read.
    pub fn from_secret(data: &BTreeMap<String, Vec<u8>>) -> Self {
        let mut keys = Self::default();
        for (name, value) in data {
            if name.ends_with(SSH_SUFFIX) {
                keys.ssh.add(name, AuthorizedKeys::parse(value));
            } else {
                keys.openpgp.add(name, Ring::parse(value));
            }
        }
        keys
    }
}

/// Why a Git object does not count as signed.
#[derive(Debug, thiserror::Error)]
pub enum GitSignatureError {
    /// No signature, or not one of `OpenPGP` or SSH.
    #[error("unsupported signature type: {0}")]
    UnsupportedType(SignatureType),
    /// The Secret has no `OpenPGP` keys.
    #[error("PGP signature detected but no PGP public keys found in secret (keys with {PGP_SUFFIX} suffix)")]
    NoOpenPgpKeys,
    /// The Secret has no SSH keys.
    #[error("SSH signature detected but no SSH public keys found in secret (keys with {SSH_SUFFIX} suffix)")]
    NoSshKeys,
    /// Nothing was signed.
    #[error("unable to verify payload: payload is empty")]
    EmptyPayload,
    /// The signature is over [`MAX_SIGNATURE_BYTES`].
    #[error("signature larger than {MAX_SIGNATURE_BYTES} bytes")]
    TooLarge,
    /// No ring could be read.
    #[error("unable to read armored key ring: key '{name}'")]
    ReadRing {
        /// The entry of the Secret.
        name: String,
        /// Why the first one could not.
        #[source]
        source: RingError,
    },
    /// No list of SSH keys could be read.
    #[error("unable to parse authorized keys: key '{name}'")]
    ReadAuthorizedKeys {
        /// The entry of the Secret.
        name: String,
        /// Why the first one could not.
        #[source]
        source: AuthorizedKeysError,
    },
    /// No `OpenPGP` key made the signature.
    #[error("unable to verify payload with any of the given key rings")]
    OpenPgp(#[source] OpenPgpError),
    /// No SSH key made the signature.
    #[error("unable to verify payload with any of the given authorized keys")]
    Ssh(#[source] SshError),
}

/// The key of `keys` that made `signature` (with its armour) over `payload`.
///
/// `now` is what the lifetimes of `OpenPGP` keys and signatures are judged at, not the time of the commit: a commit whose key has expired
/// since does not verify any more, as in Flux.
///
/// # Errors
///
/// A kind of signature that is not supported, no keys for it, or none that made it.
pub fn verify(payload: &[u8], signature: &[u8], keys: &Keys, now: Timestamp) -> Result<KeyId, GitSignatureError> {
    let kind = SignatureType::of(signature);
    if !matches!(kind, SignatureType::OpenPgp | SignatureType::Ssh) {
        return Err(GitSignatureError::UnsupportedType(kind));
    }
    if signature.len() > MAX_SIGNATURE_BYTES {
        return Err(GitSignatureError::TooLarge);
    }
    if payload.is_empty() {
        return Err(GitSignatureError::EmptyPayload);
    }
    if kind == SignatureType::Ssh {
        return verify_ssh(payload, signature, &keys.ssh);
    }
    verify_openpgp(payload, signature, &keys.openpgp, now)
}

fn verify_openpgp(
    payload: &[u8],
    signature: &[u8],
    keys: &Material<Ring, RingError>,
    now: Timestamp,
) -> Result<KeyId, GitSignatureError> {
    if keys.is_absent() {
        return Err(GitSignatureError::NoOpenPgpKeys);
    }
    if let (true, Some((name, error))) = (keys.read.is_empty(), &keys.failed) {
        return Err(GitSignatureError::ReadRing { name: name.clone(), source: error.clone() });
    }
    crate::openpgp::verify(payload, signature, &keys.read, now).map(KeyId::OpenPgp).map_err(GitSignatureError::OpenPgp)
}

fn verify_ssh(
    payload: &[u8],
    signature: &[u8],
    keys: &Material<AuthorizedKeys, AuthorizedKeysError>,
) -> Result<KeyId, GitSignatureError> {
    if keys.is_absent() {
        return Err(GitSignatureError::NoSshKeys);
    }
    if let (true, Some((name, error))) = (keys.read.is_empty(), &keys.failed) {
        return Err(GitSignatureError::ReadAuthorizedKeys { name: name.clone(), source: error.clone() });
    }
    crate::ssh::verify(payload, signature, &keys.read).map(KeyId::Ssh).map_err(GitSignatureError::Ssh)
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
