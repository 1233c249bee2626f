//! What a single signature must be like before the mathematics count, when it lives, and who it says to be by.
//!
//! Deliberately verifies nothing: what is said here is to be believed only of a signature that was verified.

use jiff::Timestamp;
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureVersion, SubpacketData};
use pgp::ser::Serialize;
use pgp::types::{Fingerprint, KeyDetails, KeyId, PublicParams};

/// The smallest RSA key, as in Go's library: smaller ones are broken in days.
const MIN_RSA_BITS: u16 = 1024;

/// Why a signature is not accepted, whatever its mathematics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// Version 3 and older, or unknown.
    #[error("unsupported version")]
    Version,
    /// It is not of a document.
    #[error("unsupported signature type")]
    Type,
    /// Its key is of another algorithm.
    #[error("public key and signature use different algorithms")]
    Algorithm,
    /// An RSA key under 1024 bits.
    #[error("RSA key smaller than {MIN_RSA_BITS} bits")]
    SmallKey,
    /// A hash that is broken or unknown.
    #[error("unsupported hash function {0}")]
    Hash(HashAlgorithm),
    /// It does not say when it was made.
    #[error("no creation time in signature")]
    NoCreationTime,
    /// It says something that must be understood, and is not.
    #[error("unknown critical subpacket or notation")]
    Critical,
}

/// Checks a signature of a payload by `key`.
pub(super) fn check_payload(signature: &Signature, key: &impl KeyDetails) -> Result<(), SignatureError> {
    // Who can make two payloads of one hash can have the harmless one signed: SHA-1 allows that.
    if signature.hash_alg() == Some(HashAlgorithm::Sha1) {
        return Err(SignatureError::Hash(HashAlgorithm::Sha1));
    }
    check(signature, key)
}

/// Checks a signature within a key, by `key`.
pub(super) fn check(signature: &Signature, key: &impl KeyDetails) -> Result<(), SignatureError> {
    let config = signature.config().ok_or(SignatureError::Version)?;
    if !matches!(signature.version(), SignatureVersion::V4 | SignatureVersion::V6) {
        return Err(SignatureError::Version);
    }
    if config.pub_alg != key.algorithm() {
        return Err(SignatureError::Algorithm);
    }
    if let PublicParams::RSA(params) = key.public_params() {
        // The modulus comes first, and before it the number of its bits.
        let coded = params.to_bytes().map_err(|_| SignatureError::SmallKey)?;
        let bits = coded.first_chunk().copied().map_or(0, u16::from_be_bytes);
        if bits < MIN_RSA_BITS {
            return Err(SignatureError::SmallKey);
        }
    }
    match config.hash_alg {
        HashAlgorithm::Sha1
        | HashAlgorithm::Sha224
        | HashAlgorithm::Sha256
        | HashAlgorithm::Sha384
        | HashAlgorithm::Sha512
        | HashAlgorithm::Sha3_256
        | HashAlgorithm::Sha3_512 => {}
        other => return Err(SignatureError::Hash(other)),
    }
    if config.created().is_none() {
        return Err(SignatureError::NoCreationTime);
    }
    let unknown = |data: &SubpacketData| {
        matches!(data, SubpacketData::Notation(_) | SubpacketData::Experimental(..) | SubpacketData::Other(..))
    };
    if config.hashed_subpackets().any(|subpacket| subpacket.is_critical && unknown(&subpacket.data)) {
        return Err(SignatureError::Critical);
    }
    Ok(())
}

/// Whether the signature does not count at `now`: it is of the future, or its own lifetime is over.
pub(super) fn is_expired(signature: &Signature, now: Timestamp) -> bool {
    let Some(created) = signature.created() else {
        return true;
    };
    is_over(created, signature.signature_expiration_time(), now)
}

/// Whether something made at `created` with this lifetime, if it has one, does not count at `now`. To the second, the last one included.
pub(super) fn is_over(created: pgp::types::Timestamp, lifetime: Option<pgp::types::Duration>, now: Timestamp) -> bool {
    let (created, now) = (i64::from(created.as_secs()), now.as_second());
    let lifetime = lifetime.map_or(0, |lifetime| i64::from(lifetime.as_secs()));
    created > now || (lifetime != 0 && now > created + lifetime)
}

/// What its key flags say about signing; `None` when it has none.
pub(super) fn may_sign(signature: &Signature) -> Option<bool> {
    let mut subpackets = signature.config()?.hashed_subpackets();
    subpackets.find_map(|subpacket| match &subpacket.data {
        SubpacketData::KeyFlags(flags) => Some(flags.sign()),
        _ => None,
    })
}

/// Which key a signature says to be by. A hint only: anybody can write it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Issuer<'a> {
    Fingerprints(Vec<&'a Fingerprint>),
    KeyIds(Vec<&'a KeyId>),
}

impl<'a> Issuer<'a> {
    /// `None` when it does not say. A fingerprint says more than a key id.
    pub(super) fn of(signature: &'a Signature) -> Option<Self> {
        let (fingerprints, ids) = (signature.issuer_fingerprint(), signature.issuer_key_id());
        if !fingerprints.is_empty() {
            return Some(Self::Fingerprints(fingerprints));
        }
        if ids.is_empty() { None } else { Some(Self::KeyIds(ids)) }
    }

    pub(super) fn is(&self, key: &impl KeyDetails) -> bool {
        match self {
            Self::Fingerprints(fingerprints) => fingerprints.contains(&&key.fingerprint()),
            Self::KeyIds(ids) => ids.contains(&&key.legacy_key_id()),
        }
    }
}
