//! Signatures of SSH keys (`ssh-keygen -Y sign`, format SSHSIG version 1) in the namespace `git`.
//!
//! Keys: Ed25519, ECDSA on the three NIST curves, RSA of 1024 to 8192 bits with SHA-256 or SHA-512, and the first two in security keys (FIDO).
//! A signature by a security key must say that its user was present, as OpenSSH wants it by default.
//!
//! Deliberately refuses RSA with SHA-1, DSA, certificates (Flux has no authorities to check them with), and ignores the options of
//! `authorized_keys`, which are about logging in: no validity times, no principals.

mod authorized_keys;

use ssh_key::encoding::{Decode, Reader};
use ssh_key::public::KeyData;
use ssh_key::{Algorithm, HashAlg, SshSig};

use crate::git::armour::{self, ArmourError};

pub use authorized_keys::{AuthorizedKeys, AuthorizedKeysError};

/// What Git signs in. A signature made for something else (a file, a mail) must not pass for a commit.
const NAMESPACE: &str = "git";

const LABEL: &str = "SSH SIGNATURE";

/// Flags and counter, which a security key puts after its signature.
const SECURITY_KEY_TRAILER: usize = 5;

/// The flag that the user touched the security key.
const USER_PRESENT: u8 = 0x01;

/// Why a signature is not one by any of the keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SshError {
    /// The armour does not open.
    #[error("unable to unarmor SSH signature")]
    Armour(#[source] ArmourError),
    /// What is in the armour does not decode.
    #[error("malformed SSH signature")]
    Malformed(#[source] ssh_key::Error),
    /// A version other than 1, or something in the field that is for later versions.
    #[error("unsupported version of SSH signature")]
    Version,
    /// It was made for something else.
    #[error("namespace does not match: {0:?}")]
    Namespace(String),
    /// A kind of key or hash that is not accepted.
    #[error("unsupported signature algorithm {0}")]
    Algorithm(String),
    /// No key of the Secret is the one that it says to be by.
    #[error("no matching key")]
    NoMatchingKey,
    /// The security key was not touched.
    #[error("user was not present")]
    UserNotPresent,
    /// It is not of this payload.
    #[error("invalid signature")]
    Invalid,
}

/// The fingerprint of the key that made `signature` (with its armour) over `payload`.
///
/// # Errors
///
/// The signature cannot be read, is in another namespace, or by none of the keys.
pub(crate) fn verify(payload: &[u8], signature: &[u8], keys: &[AuthorizedKeys]) -> Result<String, SshError> {
    let bytes = armour::decode_as(signature, LABEL).map_err(SshError::Armour)?;
    let signature = decode(&bytes).map_err(SshError::Malformed)?;
    if signature.version() != SshSig::VERSION || !signature.reserved().is_empty() {
        return Err(SshError::Version);
    }
    if signature.namespace() != NAMESPACE {
        return Err(SshError::Namespace(signature.namespace().chars().take(40).collect()));
    }
    let key = keys.iter().flat_map(AuthorizedKeys::keys).find(|key| key.key_data() == signature.public_key());
    let key = key.ok_or(SshError::NoMatchingKey)?;
    check_algorithm(key.key_data(), &signature)?;
    key.verify(NAMESPACE, payload, &signature).map_err(|_| SshError::Invalid)?;
    Ok(key.fingerprint(HashAlg::Sha256).to_string())
}

fn decode(mut bytes: &[u8]) -> Result<SshSig, ssh_key::Error> {
    let signature = SshSig::decode(&mut bytes)?;
    Ok(bytes.finish(signature)?)
}

/// The signature must be of the key's own kind, with a hash that is not broken.
fn check_algorithm(key: &KeyData, signature: &SshSig) -> Result<(), SshError> {
    let algorithm = signature.algorithm();
    match (key, &algorithm) {
        (KeyData::Ed25519(_), Algorithm::Ed25519) | (KeyData::Rsa(_), Algorithm::Rsa { hash: Some(_) }) => Ok(()),
        (KeyData::Ecdsa(key), Algorithm::Ecdsa { curve }) if key.curve() == *curve => Ok(()),
        (KeyData::SkEd25519(_), Algorithm::SkEd25519)
        | (KeyData::SkEcdsaSha2NistP256(_), Algorithm::SkEcdsaSha2NistP256) => check_presence(signature),
        _ => Err(SshError::Algorithm(algorithm.to_string())),
    }
}

fn check_presence(signature: &SshSig) -> Result<(), SshError> {
    let bytes = signature.signature_bytes();
    let flags = bytes.len().checked_sub(SECURITY_KEY_TRAILER).and_then(|at| bytes.get(at));
    if flags.is_some_and(|flags| flags & USER_PRESENT != 0) { Ok(()) } else { Err(SshError::UserNotPresent) }
}

#[cfg(test)]
mod tests;
