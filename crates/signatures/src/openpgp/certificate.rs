//! One key with its user ids and subkeys: what of it is proved by signatures of its own, and whether it counts at a time.
//!
//! Deliberately drops what is not proved: user ids, and subkeys that are not for signing. Signatures of other people are not looked at.

use std::cmp::Reverse;

use jiff::Timestamp;
use pgp::packet::{PublicKey, PublicSubkey, RevocationCode, Signature, SignatureType, UserId};
use pgp::types::{KeyDetails, KeyVersion, Tag};

use super::ring::Parts;
use super::selfsig::{self, Issuer};

/// Why a key is none that could ever count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// A packet of it does not decode.
    #[error("malformed packet")]
    Damaged,
    /// A version other than 4 and 6.
    #[error("unsupported version of key")]
    Version,
    /// A revocation that is not by the key itself, or is damaged.
    #[error("key revocation that cannot be verified")]
    Revocation,
    /// No user id (version 4) or direct signature (version 6) that the key has signed.
    #[error("key without a valid signature by itself")]
    NoSelfSignature,
}

/// Why a key does not count for a signature that it made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// It, its user id or its subkey was revoked.
    #[error("key revoked")]
    Revoked,
    /// Its life, or that of its subkey, is over or has not begun.
    #[error("key expired")]
    Expired,
    /// The life of the signature, or of one that binds the key, is over or has not begun.
    #[error("signature expired")]
    SignatureExpired,
}

/// A key that has proved what it says about itself.
#[derive(Debug)]
pub(super) struct Certificate {
    primary: PublicKey,
    revocations: Vec<Signature>,
    /// What says how long the key lives and what it is for.
    own: Signature,
    /// Of the user id that `own` is of.
    own_revocations: Vec<Signature>,
    subkeys: Vec<Subkey>,
}

/// A subkey for signing.
#[derive(Debug)]
pub(super) struct Subkey {
    key: PublicSubkey,
    binding: Signature,
    revocations: Vec<Signature>,
}

impl Subkey {
    pub(super) fn key(&self) -> &PublicSubkey {
        &self.key
    }
}

/// Which key of a certificate made a signature.
#[derive(Clone, Copy, Debug)]
pub(super) enum Signer<'a> {
    Primary,
    Subkey(&'a Subkey),
}

/// A user id that the key has signed.
struct User {
    own: Signature,
    revocations: Vec<Signature>,
}

impl Certificate {
    pub(super) fn from_parts(parts: Parts) -> Result<Self, CertificateError> {
        let Parts { primary, revocations, direct, users, subkeys, .. } = parts;
        if !matches!(primary.version(), KeyVersion::V4 | KeyVersion::V6) {
            return Err(CertificateError::Version);
        }
        if !revocations.iter().all(|signature| by_itself(signature, &primary)) {
            return Err(CertificateError::Revocation);
        }
        let (own, own_revocations) = if primary.version() == KeyVersion::V6 {
            let direct = direct.into_iter().filter(|signature| by_itself(signature, &primary));
            (direct.max_by_key(Signature::created), Vec::new())
        } else {
            let users = users.into_iter().filter_map(|(id, signatures)| User::verified(&primary, &id, signatures));
            let user =
                users.max_by_key(|user| (Reverse(user.revocations.len()), user.own.is_primary(), user.own.created()));
            user.map_or((None, Vec::new()), |user| (Some(user.own), user.revocations))
        };
        let own = own.ok_or(CertificateError::NoSelfSignature)?;
        let subkeys = subkeys.into_iter().filter_map(|(key, of)| Subkey::verified(&primary, key, of)).collect();
        Ok(Self { primary, revocations, own, own_revocations, subkeys })
    }

    pub(super) fn primary(&self) -> &PublicKey {
        &self.primary
    }

    /// The id of the primary key.
    pub(super) fn id(&self) -> [u8; 8] {
        let id = self.primary.legacy_key_id();
        id.as_ref().first_chunk().copied().unwrap_or_default()
    }

    /// Those of its keys that are the issuer and may sign. A primary key without flags may; one with flags, only with the one for signing.
    pub(super) fn signers<'a>(&'a self, issuer: &Issuer<'_>) -> Vec<(&'a Self, Signer<'a>)> {
        let primary = issuer.is(&self.primary) && selfsig::may_sign(&self.own).unwrap_or(true);
        let subkeys = self.subkeys.iter().filter(|subkey| issuer.is(&subkey.key));
        let signers = primary.then_some(Signer::Primary).into_iter().chain(subkeys.map(Signer::Subkey));
        signers.map(|signer| (self, signer)).collect()
    }

    /// Whether a signature that `signer` made counts at `now`.
    pub(super) fn check(&self, signer: Signer<'_>, signature: &Signature, now: Timestamp) -> Result<(), KeyError> {
        let mut signatures = vec![signature, &self.own];
        let mut revoked = is_revoked(&self.revocations, now) || is_revoked(&self.own_revocations, now);
        let mut expired = is_expired(&self.primary, &self.own, now);
        if let Signer::Subkey(subkey) = signer {
            signatures.push(&subkey.binding);
            signatures.extend(subkey.binding.embedded_signature());
            revoked |= is_revoked(&subkey.revocations, now);
            expired |= is_expired(&subkey.key, &subkey.binding, now);
        }
        if revoked {
            return Err(KeyError::Revoked);
        }
        if expired {
            return Err(KeyError::Expired);
        }
        if signatures.into_iter().any(|signature| selfsig::is_expired(signature, now)) {
            return Err(KeyError::SignatureExpired);
        }
        Ok(())
    }
}

impl User {
    /// `None` unless the key has signed it. One bad signature that says to be by the key spoils the user id: it could be a revocation.
    fn verified(primary: &PublicKey, id: &UserId, signatures: Vec<Signature>) -> Option<Self> {
        let (mut own, mut revocations) = (Vec::new(), Vec::new());
        for signature in signatures {
            if !Issuer::of(&signature).is_some_and(|issuer| issuer.is(primary)) {
                continue;
            }
            selfsig::check(&signature, primary).ok()?;
            signature.verify_certification(primary, Tag::UserId, id).ok()?;
            if signature.typ() == Some(SignatureType::CertRevocation) {
                revocations.push(signature);
            } else {
                own.push(signature);
            }
        }
        let own = own.into_iter().max_by_key(Signature::created)?;
        Some(Self { own, revocations })
    }
}

impl Subkey {
    /// `None` unless the primary key has bound it for signing, and it agreed. One bad signature spoils it: it could be a revocation.
    fn verified(primary: &PublicKey, key: PublicSubkey, signatures: Vec<Signature>) -> Option<Self> {
        let (mut bindings, mut revocations) = (Vec::new(), Vec::new());
        for signature in signatures {
            selfsig::check(&signature, primary).ok()?;
            signature.verify_subkey_binding(primary, &key).ok()?;
            if signature.typ() == Some(SignatureType::SubkeyRevocation) {
                revocations.push(signature);
            } else {
                bindings.push(signature);
            }
        }
        let binding = bindings.into_iter().max_by_key(Signature::created)?;
        if selfsig::may_sign(&binding) != Some(true) {
            return None;
        }
        let agreement = binding.embedded_signature()?;
        selfsig::check(agreement, &key).ok()?;
        agreement.verify_primary_key_binding(&key, primary).ok()?;
        Some(Self { key, binding, revocations })
    }
}

/// Whether a direct signature or key revocation is by the key itself.
fn by_itself(signature: &Signature, key: &PublicKey) -> bool {
    selfsig::check(signature, key).is_ok() && signature.verify_key(key).is_ok()
}

fn is_revoked(revocations: &[Signature], now: Timestamp) -> bool {
    revocations.iter().any(|revocation| {
        revocation.revocation_reason_code() == Some(&RevocationCode::KeyCompromised)
            || !selfsig::is_expired(revocation, now)
    })
}

fn is_expired(key: &impl KeyDetails, own: &Signature, now: Timestamp) -> bool {
    selfsig::is_over(key.created_at(), own.key_expiration_time(), now)
}
