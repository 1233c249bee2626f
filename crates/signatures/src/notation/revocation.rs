//! The port for revocation: what a caller knows about certificates that were taken back.
//!
//! Asking OCSP responders or fetching lists needs the network, which this crate does not use. [`Offline`] therefore vouches only for
//! chains in which there is nothing to ask; for others the status is unknown, which level "strict" refuses and the others log.

use jiff::Timestamp;

use crate::x509::Certificate;

/// What is known about a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// No certificate is revoked, as far as there is anything to ask.
    Good,
    /// One is.
    Revoked {
        /// Its subject.
        subject: String,
    },
    /// There is somebody to ask but no answer.
    Unknown {
        /// The subject of the certificate in question.
        subject: String,
    },
}

/// Knows about revoked certificates.
pub trait Revocation: Send + Sync {
    /// The status of `chain`, leaf first, root last. `signed_at` is the time of signing where a signing authority vouches for it:
    /// a certificate that was revoked later is good.
    fn status(&self, chain: &[Certificate], signed_at: Option<Timestamp>) -> Status;
}

/// Asks nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Offline;

impl Revocation for Offline {
    fn status(&self, chain: &[Certificate], _signed_at: Option<Timestamp>) -> Status {
        // Nobody can revoke the root: it is trusted by the user.
        let below_root = chain.iter().take(chain.len().saturating_sub(1));
        let mut askable = below_root.filter(|certificate| certificate.names_revocation_source());
        match askable.next() {
            Some(certificate) => Status::Unknown { subject: certificate.subject() },
            None => Status::Good,
        }
    }
}
