//! Keyless signatures: a short-lived certificate of Fulcio, and proof that it was valid when the signature was made.
//!
//! In this order: the signature is in a transparency log; that log or a timestamp authority says when; the certificate leads to an
//! authority of the trusted root that was valid then; it is in a certificate transparency log; it was issued to somebody who may sign.
//! The caller then verifies the signature itself with the certificate's key.

use jiff::Timestamp;

use super::body::{self, Signed};
use super::identity::{IdentityPattern, SignerIdentity};
use super::tlog::{Entry, TlogError};
use super::trusted_root::TrustedRoot;
use super::{CandidateError, sct};
use crate::x509::Certificate;
use crate::x509::chain::{self, ChainError, Purpose};
use crate::x509::timestamp::{self, Authority, TimestampError};

/// What a keyless signature brings along.
pub(super) struct Evidence<'a> {
    pub(super) certificate: Certificate,
    /// Untrusted; they may help to build the path.
    pub(super) intermediates: Vec<Certificate>,
    pub(super) entries: Vec<Entry>,
    /// RFC 3161 responses over `signature`.
    pub(super) timestamps: Vec<Vec<u8>>,
    pub(super) signature: &'a [u8],
}

/// Verifies everything but the signature itself and returns whose certificate it is.
pub(super) fn verify(
    evidence: &Evidence<'_>,
    signed: &Signed<'_>,
    root: &TrustedRoot,
    identities: &[IdentityPattern],
) -> Result<SignerIdentity, CandidateError> {
    let mut times = logged(evidence, signed, root)?;
    times.extend(stamped(evidence, root, times.is_empty())?);
    let (first, more) = times.split_first().ok_or(CandidateError::NoTime)?;
    let issuer = issuer_at(evidence, root, *first)?;
    for at in more {
        issuer_at(evidence, root, *at)?;
    }
    sct::verify(&evidence.certificate, &issuer, root).map_err(CandidateError::Sct)?;
    SignerIdentity::of(&evidence.certificate).check(identities).map_err(CandidateError::Identity)
}

/// At least one entry must be good. Returns the times that logs vouch for.
fn logged(evidence: &Evidence<'_>, signed: &Signed<'_>, root: &TrustedRoot) -> Result<Vec<Timestamp>, CandidateError> {
    let mut times = Vec::new();
    let mut failure = None;
    let mut good = false;
    for entry in &evidence.entries {
        let verified = body::check(&entry.body, signed, &evidence.certificate).and_then(|()| entry.verify(root));
        match verified {
            Ok(time) => {
                good = true;
                times.extend(time);
            }
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    if good {
        return Ok(times);
    }
    Err(failure
        .map_or(CandidateError::Missing("a transparency log entry"), |error: TlogError| CandidateError::Tlog(error)))
}

/// The times that timestamp authorities of the root vouch for. A bad timestamp is an error only where no other time is known.
fn stamped(evidence: &Evidence<'_>, root: &TrustedRoot, needed: bool) -> Result<Vec<Timestamp>, CandidateError> {
    let mut times = Vec::new();
    let mut failure = None;
    for response in &evidence.timestamps {
        match stamp(response, evidence.signature, root) {
            Ok(at) => times.push(at),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    match failure {
        Some(error) if needed && times.is_empty() => Err(CandidateError::Timestamp(error)),
        _ => Ok(times),
    }
}

fn stamp(response: &[u8], signature: &[u8], root: &TrustedRoot) -> Result<Timestamp, TimestampError> {
    let token = timestamp::token_of_response(response)?;
    let mut failure = TimestampError::NoSigner;
    for authority in &root.timestamp_authorities {
        match timestamp::verify(
            token,
            signature,
            Authority { roots: &authority.roots, others: &authority.intermediates },
        ) {
            Ok(stamp) if authority.valid.contains(stamp.at) => return Ok(stamp.at),
            Ok(_) => {}
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

/// The certificate that issued the leaf, on a path to an authority that was valid at `at`.
fn issuer_at(evidence: &Evidence<'_>, root: &TrustedRoot, at: Timestamp) -> Result<Certificate, CandidateError> {
    let mut failure: Option<ChainError> = None;
    for authority in root.certificate_authorities.iter().filter(|authority| authority.valid.contains(at)) {
        let mut intermediates = authority.intermediates.clone();
        intermediates.extend_from_slice(&evidence.intermediates);
        match chain::verify(&evidence.certificate, &intermediates, &authority.roots, at, Purpose::CodeSigning) {
            Ok(path) => {
                let issuer = path.get(1).ok_or(CandidateError::NoAuthority)?;
                return Ok((*issuer).clone());
            }
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    Err(failure.map_or(CandidateError::NoAuthority, CandidateError::Chain))
}
