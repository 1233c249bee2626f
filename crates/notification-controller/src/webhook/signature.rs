//! Signatures of the form `<algorithm>=<hex>`: an HMAC over the raw body.
//!
//! Which header carries one, and whether one is needed, is the receiver type's affair.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use thiserror::Error;

/// Why a signature is not good. Says nothing of the expected one.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum SignatureError {
    /// Not `<algorithm>=<hex>`.
    #[error("malformed signature")]
    Parse,
    /// An algorithm other than sha1, sha256 and sha512.
    #[error("unsupported signature algorithm {0:?}")]
    SelectAlgorithm(String),
    /// The signature is not that of this body with this key.
    #[error("signature verification failed")]
    Verify,
}

/// Checks `signature` over `body`. The comparison takes the same time wherever the two differ.
///
/// # Errors
/// Anything but a good signature.
pub(super) fn verify(signature: &str, key: &[u8], body: &[u8]) -> Result<(), SignatureError> {
    let (algorithm, digest) = signature.split_once('=').ok_or(SignatureError::Parse)?;
    let digest = hex::decode(digest).map_err(|_| SignatureError::Parse)?;
    let good = match algorithm {
        "sha1" => is_hmac::<Hmac<Sha1>>(key, body, &digest),
        "sha256" => is_hmac::<Hmac<Sha256>>(key, body, &digest),
        "sha512" => is_hmac::<Hmac<Sha512>>(key, body, &digest),
        // The text comes from the caller and goes to the log: a bound.
        other => return Err(SignatureError::SelectAlgorithm(other.chars().take(16).collect())),
    };
    if good { Ok(()) } else { Err(SignatureError::Verify) }
}

/// Checks a bare HMAC-SHA1 in lower-case hexadecimal over `body`.
///
/// # Errors
/// Anything else.
pub(super) fn verify_bare_sha1(signature: &str, key: &[u8], body: &[u8]) -> Result<(), SignatureError> {
    let is_lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if !signature.bytes().all(is_lower_hex) {
        return Err(SignatureError::Parse);
    }
    let digest = hex::decode(signature).map_err(|_| SignatureError::Parse)?;
    if is_hmac::<Hmac<Sha1>>(key, body, &digest) { Ok(()) } else { Err(SignatureError::Verify) }
}

fn is_hmac<M: Mac + KeyInit>(key: &[u8], body: &[u8], digest: &[u8]) -> bool {
    let mut mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(body);
    mac.verify_slice(digest).is_ok()
}

#[cfg(test)]
mod tests;
