//! One signature against one statement of the policy: integrity first, then the checks in order, each with the level's action.

use jiff::Timestamp;
use serde::Deserialize;

use super::distinguished_name::{DistinguishedName, DistinguishedNameError};
use super::envelope::{self, Envelope, EnvelopeError, SigningScheme};
use super::level::{Action, Check};
use super::policy::{Statement, StoreKind, TrustedIdentities};
use super::revocation::Status;
use super::timestamp::{self, CountersignatureError};
use super::{Artifact, Outcome, SignatureBlob, Trust};
use crate::x509::Certificate;

/// Why a signature is not good.
#[derive(Debug, thiserror::Error)]
pub enum SignatureError {
    /// Broken, forged, or in a form that is not allowed.
    #[error("integrity")]
    Integrity(#[source] EnvelopeError),
    /// The policy names no store of the kind that the signing scheme needs, or the stores are empty.
    #[error("no trusted certificates for the signing scheme")]
    NoTrustedCertificates,
    /// The chain has none of the trusted certificates.
    #[error("signature is not produced by a trusted signer")]
    NotTrusted,
    /// The signer's name cannot be compared.
    #[error("subject of the signing certificate")]
    Subject(#[source] DistinguishedNameError),
    /// The signer is not one of those named.
    #[error("signing certificate {subject:?} does not match the trusted identities")]
    OtherIdentity {
        /// Its subject.
        subject: String,
    },
    /// Too late.
    #[error("signature expired at {at}")]
    Expired {
        /// The expiry.
        at: Timestamp,
    },
    /// The certificates were not valid when it was made.
    #[error("authentic timestamp")]
    Timestamp(#[source] CountersignatureError),
    /// A certificate was revoked.
    #[error("signing certificate {subject:?} is revoked")]
    Revoked {
        /// Its subject.
        subject: String,
    },
    /// Whether a certificate was revoked is unknown.
    #[error("signing certificate {subject:?} has an unknown revocation status")]
    RevocationUnknown {
        /// Its subject.
        subject: String,
    },
    /// The payload does not decode.
    #[error("malformed payload")]
    Payload(#[source] serde_json::Error),
    /// It is a signature of something else.
    #[error("signature is for another artifact")]
    OtherArtifact,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    target_artifact: Descriptor,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: String,
    size: u64,
}

pub(super) fn verify(
    artifact: &Artifact,
    signature: &SignatureBlob,
    statement: &Statement,
    trust: &Trust<'_>,
    now: Timestamp,
) -> Result<Outcome, SignatureError> {
    let envelope = envelope::open(signature).map_err(SignatureError::Integrity)?;
    let mut report = Report { statement, tolerated: Vec::new() };
    let authentic = report.note(Check::Authenticity, authenticity(&envelope, statement, trust.certificates))?;
    report.note(Check::Expiry, expiry(&envelope, now))?;
    let timestamp = timestamp::check(&envelope, statement, trust.certificates, trust.revocation, now);
    report.note(Check::AuthenticTimestamp, timestamp.map_err(SignatureError::Timestamp))?;
    if statement.level.action(Check::Revocation) != Action::Skip {
        report.note(Check::Revocation, revocation(&envelope, trust))?;
    }
    let payload: Payload = serde_json::from_slice(&envelope.payload).map_err(SignatureError::Payload)?;
    let target = payload.target_artifact;
    // Otherwise a signature of one artifact could be attached to another.
    if target.digest != artifact.digest || target.size != artifact.size || target.media_type != artifact.media_type {
        return Err(SignatureError::OtherArtifact);
    }
    let tolerated = report.tolerated;
    Ok(if authentic {
        Outcome::Verified { subject: envelope.chain.first().map(Certificate::subject).unwrap_or_default(), tolerated }
    } else {
        Outcome::Ignored { tolerated }
    })
}

struct Report<'a> {
    statement: &'a Statement,
    tolerated: Vec<String>,
}

impl Report<'_> {
    /// Whether the check held; a failure that the level enforces is the caller's error.
    fn note(&mut self, check: Check, result: Result<(), SignatureError>) -> Result<bool, SignatureError> {
        match result {
            Ok(()) => Ok(true),
            Err(error) if self.statement.level.action(check) == Action::Enforce => Err(error),
            Err(error) => {
                self.tolerated.push(format!("{}: {}", check.name(), chain_of(&error)));
                Ok(false)
            }
        }
    }
}

fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn authenticity(envelope: &Envelope, statement: &Statement, store: &[Certificate]) -> Result<(), SignatureError> {
    let needed = match envelope.scheme {
        SigningScheme::X509 => StoreKind::Ca,
        SigningScheme::SigningAuthority => StoreKind::SigningAuthority,
    };
    if store.is_empty() || !statement.stores.contains(&needed) {
        return Err(SignatureError::NoTrustedCertificates);
    }
    if !envelope.chain.iter().any(|certificate| store.contains(certificate)) {
        return Err(SignatureError::NotTrusted);
    }
    let TrustedIdentities::Subjects(subjects) = &statement.identities else { return Ok(()) };
    let leaf = envelope.chain.first().ok_or(SignatureError::NotTrusted)?;
    let name = DistinguishedName::of_subject(leaf).map_err(SignatureError::Subject)?;
    if subjects.iter().any(|subject| subject.is_part_of(&name)) {
        Ok(())
    } else {
        Err(SignatureError::OtherIdentity { subject: leaf.subject() })
    }
}

fn expiry(envelope: &Envelope, now: Timestamp) -> Result<(), SignatureError> {
    match envelope.expiry {
        Some(at) if at <= now => Err(SignatureError::Expired { at }),
        _ => Ok(()),
    }
}

fn revocation(envelope: &Envelope, trust: &Trust<'_>) -> Result<(), SignatureError> {
    let vouched = (envelope.scheme == SigningScheme::SigningAuthority).then_some(envelope.signing_time);
    match trust.revocation.status(&envelope.chain, vouched) {
        Status::Good => Ok(()),
        Status::Revoked { subject } => Err(SignatureError::Revoked { subject }),
        Status::Unknown { subject } => Err(SignatureError::RevocationUnknown { subject }),
    }
}
