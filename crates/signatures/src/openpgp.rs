//! `OpenPGP` signatures (RFC 9580 and RFC 4880, versions 4 and 6): whether a key of some rings made a detached signature.
//!
//! A key is believed as Flux's library does it:
//!
//! - a primary key of version 4 needs a user id that it has signed, one of version 6 a direct signature by itself; the newest of the
//!   primary user id, or that direct signature, says how long the key lives and what it is for;
//! - a subkey needs a binding signature by the primary key that says it is for signing, and within it a signature by the subkey, without
//!   which anybody could adopt a stranger's subkey and pass off his signatures as his own;
//! - a key revocation that cannot be verified makes the whole key unreadable, so that nobody is believed by mistake;
//! - **all lifetimes are judged at the `now` of the caller**, not when the signature was made: expired keys and expired signatures do not
//!   count any more, nor do keys and signatures of the future. A revocation counts from its own date, one for a stolen key always.
//!
//! Algorithms: RSA (1024 to 8192 bits), DSA, ECDSA (NIST curves, secp256k1), Ed25519 in both codings, Ed448; hashes of SHA-2 and SHA-3.
//!
//! Deliberately stricter than Flux's library in two points: it takes SHA-1 for payloads, of which two different ones with one hash can be
//! made, so that here SHA-1 counts only within keys (with detection of collisions); and it takes subkeys without key flags.
//! Deliberately without the web of trust, key servers, revocations by others, and cleartext or inline-signed messages.

mod certificate;
mod ring;
mod selfsig;

use jiff::Timestamp;
use pgp::packet::{Packet, PacketParser, Signature, SignatureType};
use pgp::types::KeyDetails;

use crate::git::armour::{self, ArmourError};
use certificate::{Certificate, Signer};
use selfsig::Issuer;

pub use certificate::{CertificateError, KeyError};
pub use ring::{Ring, RingError};
pub use selfsig::SignatureError;

const LABEL: &str = "PGP SIGNATURE";

/// The most signatures within one armour.
const MAX_SIGNATURES: usize = 16;

/// Why a signature is not one by any of the keys.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenPgpError {
    /// The armour does not open.
    #[error("unable to unarmor PGP signature")]
    Armour(#[source] ArmourError),
    /// What is in the armour does not decode, or is something else.
    #[error("malformed PGP signature")]
    Malformed,
    /// More signatures than are looked at.
    #[error("more than {MAX_SIGNATURES} PGP signatures")]
    TooMany,
    /// It does not say which key made it.
    #[error("signature without an issuer")]
    NoIssuer,
    /// No ring has the key that it says to be by.
    #[error("no matching key")]
    NoMatchingKey,
    /// It is of a kind that is not accepted.
    #[error("signature not accepted")]
    Signature(#[source] SignatureError),
    /// It is not of this payload.
    #[error("invalid signature")]
    Invalid,
    /// Its key does not count.
    #[error("key '{id}' not accepted")]
    Key {
        /// The id of the primary key.
        id: String,
        /// Why.
        #[source]
        source: KeyError,
    },
}

/// The id of the primary key that, itself or by a subkey, made `signature` (with its armour) over `payload`.
///
/// Rings are tried one after the other. Within a ring the first signature of the armour that is by one of its keys decides, as in Flux.
///
/// # Errors
///
/// The signature cannot be read, or no ring has a key that made it and counts. The error is the one of the first ring that knows the key.
pub(crate) fn verify(
    payload: &[u8],
    signature: &[u8],
    rings: &[Ring],
    now: Timestamp,
) -> Result<[u8; 8], OpenPgpError> {
    let signatures = read_signatures(signature)?;
    let mut first = None;
    for ring in rings {
        match verify_with(payload, &signatures, ring, now) {
            Ok(id) => return Ok(id),
            Err(OpenPgpError::NoMatchingKey) => {}
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or(OpenPgpError::NoMatchingKey))
}

fn read_signatures(armoured: &[u8]) -> Result<Vec<Signature>, OpenPgpError> {
    let bytes = armour::decode_as(armoured, LABEL).map_err(OpenPgpError::Armour)?;
    let mut signatures = Vec::new();
    for packet in PacketParser::new(bytes.as_slice()) {
        match packet {
            Ok(Packet::Marker(_) | Packet::Padding(_)) => {}
            Ok(Packet::Signature(_)) if signatures.len() == MAX_SIGNATURES => return Err(OpenPgpError::TooMany),
            Ok(Packet::Signature(signature)) => signatures.push(signature),
            Ok(_) | Err(_) => return Err(OpenPgpError::Malformed),
        }
    }
    if signatures.is_empty() { Err(OpenPgpError::Malformed) } else { Ok(signatures) }
}

fn verify_with(payload: &[u8], signatures: &[Signature], ring: &Ring, now: Timestamp) -> Result<[u8; 8], OpenPgpError> {
    for signature in signatures {
        let issuer = Issuer::of(signature).ok_or(OpenPgpError::NoIssuer)?;
        let candidates: Vec<_> = ring.certificates().iter().flat_map(|key| key.signers(&issuer)).collect();
        if candidates.is_empty() {
            continue;
        }
        let mut last = OpenPgpError::NoMatchingKey;
        for (certificate, signer) in candidates {
            match verify_signer(payload, signature, certificate, signer) {
                Ok(()) => {
                    certificate
                        .check(signer, signature, now)
                        .map_err(|source| OpenPgpError::Key { id: hex::encode_upper(certificate.id()), source })?;
                    return Ok(certificate.id());
                }
                Err(error) => last = error,
            }
        }
        return Err(last);
    }
    Err(OpenPgpError::NoMatchingKey)
}

/// Whether the mathematics are right.
fn verify_signer(
    payload: &[u8],
    signature: &Signature,
    certificate: &Certificate,
    signer: Signer<'_>,
) -> Result<(), OpenPgpError> {
    if !matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text)) {
        return Err(OpenPgpError::Signature(SignatureError::Type));
    }
    let verified = match signer {
        Signer::Primary => {
            check_payload_signature(signature, certificate.primary())?;
            signature.verify(certificate.primary(), payload)
        }
        Signer::Subkey(subkey) => {
            check_payload_signature(signature, subkey.key())?;
            signature.verify(subkey.key(), payload)
        }
    };
    verified.map_err(|_| OpenPgpError::Invalid)
}

fn check_payload_signature(signature: &Signature, key: &impl KeyDetails) -> Result<(), OpenPgpError> {
    selfsig::check_payload(signature, key).map_err(OpenPgpError::Signature)
}

#[cfg(test)]
mod tests;
