//! When the signature was made: by a countersignature of a timestamp authority, else the certificates must be valid now; for a signing
//! authority, whose word counts, when it says.

use jiff::Timestamp;

use super::envelope::{Envelope, SigningScheme};
use super::policy::{Statement, StoreKind, TimestampRule};
use super::revocation::{Revocation, Status};
use crate::x509::Certificate;
use crate::x509::timestamp::{self, Authority, TimestampError};

/// Why the time of signing is not believed, or the certificates were not valid then.
#[derive(Debug, thiserror::Error)]
pub enum CountersignatureError {
    /// Outside the validity.
    #[error("certificate {subject:?} is valid from {from} to {to}, not at {at}")]
    NotValid {
        /// Whose.
        subject: String,
        /// Start of its validity.
        from: Timestamp,
        /// End of its validity.
        to: Timestamp,
        /// The time that counts.
        at: Timestamp,
    },
    /// The policy asks for one.
    #[error("no timestamp countersignature")]
    Missing,
    /// It is not believed.
    #[error("timestamp countersignature")]
    Invalid(#[source] TimestampError),
    /// The authority's certificate is revoked, or nobody knows.
    #[error("timestamp authority's certificate {subject:?} is revoked or its status unknown")]
    Revocation {
        /// Whose.
        subject: String,
    },
}

/// The check "authentic timestamp".
pub(super) fn check(
    envelope: &Envelope,
    statement: &Statement,
    store: &[Certificate],
    revocation: &dyn Revocation,
    now: Timestamp,
) -> Result<(), CountersignatureError> {
    let chain = &envelope.chain;
    if envelope.scheme == SigningScheme::SigningAuthority {
        return all_valid(chain, envelope.signing_time, envelope.signing_time);
    }
    let expired = chain.iter().any(|certificate| certificate.not_after() < now);
    let wanted = statement.when_timestamped == TimestampRule::Always || expired;
    if !statement.stores.contains(&StoreKind::Tsa) || !wanted {
        return all_valid(chain, now, now);
    }
    let token = envelope.timestamp.as_deref().ok_or(CountersignatureError::Missing)?;
    let authority = Authority { roots: store, others: &[] };
    let stamp = timestamp::verify(token, &envelope.signature, authority).map_err(CountersignatureError::Invalid)?;
    all_valid(chain, stamp.earliest(), stamp.latest())?;
    match revocation.status(&stamp.chain, None) {
        Status::Good => Ok(()),
        Status::Revoked { subject } | Status::Unknown { subject } => Err(CountersignatureError::Revocation { subject }),
    }
}

fn all_valid(chain: &[Certificate], earliest: Timestamp, latest: Timestamp) -> Result<(), CountersignatureError> {
    for at in [earliest, latest] {
        if let Some(certificate) = chain.iter().find(|certificate| !certificate.is_valid_at(at)) {
            return Err(CountersignatureError::NotValid {
                subject: certificate.subject(),
                from: certificate.not_before(),
                to: certificate.not_after(),
                at,
            });
        }
    }
    Ok(())
}
