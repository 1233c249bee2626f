//! Building and checking a path from a leaf to one of the caller's roots.
//!
//! Used for Fulcio's certificates and for timestamp authorities, where the chain may come incomplete and unordered. Notation's rules for
//! the chains in its own envelopes are stricter and are in [`crate::notation`]. Name constraints and policies are not evaluated: a
//! critical extension that is not understood ends the path.

use jiff::Timestamp;
use x509_cert::der::asn1::ObjectIdentifier;

use super::{ANY_USAGE, CODE_SIGNING, Certificate, MAX_CHAIN, TIME_STAMPING};

/// How many certificates may be tried as issuers before a path is given up: 16 candidates at each of 8 levels. Without it, many
/// intermediates of one name would make the search exponential.
const MAX_ISSUERS_TRIED: usize = 128;

/// What the leaf must be allowed to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Extended key usage `codeSigning`.
    CodeSigning,
    /// Extended key usage `timeStamping`.
    TimeStamping,
}

impl Purpose {
    pub(crate) fn oid(self) -> ObjectIdentifier {
        match self {
            Self::CodeSigning => CODE_SIGNING,
            Self::TimeStamping => TIME_STAMPING,
        }
    }
}

/// Why no path was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The leaf itself is unfit.
    #[error("certificate {subject:?} is not for {purpose}")]
    Purpose {
        /// The leaf's subject.
        subject: String,
        /// "code signing" or "time stamping".
        purpose: &'static str,
    },
    /// The leaf was not valid at the time.
    #[error("certificate {subject:?} was not valid at {at}")]
    NotValid {
        /// The leaf's subject.
        subject: String,
        /// The time that was checked.
        at: Timestamp,
    },
    /// A critical extension that is not understood.
    #[error("certificate {subject:?} has a critical extension that is not understood")]
    CriticalExtension {
        /// The leaf's subject.
        subject: String,
    },
    /// No path to a trusted root.
    #[error("certificate {subject:?} is signed by no trusted authority")]
    NoPath {
        /// The leaf's subject.
        subject: String,
    },
}

/// Finds a path `leaf`, intermediates..., root in which every certificate is valid at `at`, and returns it, leaf first.
///
/// The roots are trusted as they are; `intermediates` may come from anyone.
///
/// # Errors
///
/// The leaf is unfit, or there is no such path of at most [`MAX_CHAIN`] certificates.
pub fn verify<'a>(
    leaf: &'a Certificate,
    intermediates: &'a [Certificate],
    roots: &'a [Certificate],
    at: Timestamp,
    purpose: Purpose,
) -> Result<Vec<&'a Certificate>, ChainError> {
    check_leaf(leaf, at, purpose)?;
    let mut search = Search { intermediates, roots, at, purpose, tried: 0 };
    let mut path = vec![leaf];
    if search.extend(&mut path) { Ok(path) } else { Err(ChainError::NoPath { subject: leaf.subject() }) }
}

fn check_leaf(leaf: &Certificate, at: Timestamp, purpose: Purpose) -> Result<(), ChainError> {
    let subject = leaf.subject();
    let text = match purpose {
        Purpose::CodeSigning => "code signing",
        Purpose::TimeStamping => "time stamping",
    };
    let allowed = leaf.extended_key_usage().is_some_and(|(_, usages)| usages.contains(&purpose.oid()));
    let signs = leaf.key_usage().is_none_or(|(_, usage)| usage.digital_signature());
    if !allowed || !signs {
        return Err(ChainError::Purpose { subject, purpose: text });
    }
    if leaf.has_unknown_critical_extension() {
        return Err(ChainError::CriticalExtension { subject });
    }
    if !leaf.is_valid_at(at) {
        return Err(ChainError::NotValid { subject, at });
    }
    Ok(())
}

struct Search<'a> {
    intermediates: &'a [Certificate],
    roots: &'a [Certificate],
    at: Timestamp,
    purpose: Purpose,
    tried: usize,
}

impl<'a> Search<'a> {
    /// Depth first: a root that signed the last certificate ends the path, else each intermediate that did.
    fn extend(&mut self, path: &mut Vec<&'a Certificate>) -> bool {
        let Some(last) = path.last().copied() else { return false };
        if path.len() == MAX_CHAIN {
            return false;
        }
        for root in self.roots {
            if self.may_issue(root, path.len()) && last.is_signed_by(root) {
                path.push(root);
                return true;
            }
        }
        for candidate in self.intermediates {
            if path.contains(&candidate) || !self.may_issue(candidate, path.len()) || !last.is_signed_by(candidate) {
                continue;
            }
            path.push(candidate);
            if self.extend(path) {
                return true;
            }
            path.pop();
        }
        false
    }

    /// Whether a certificate may stand above `below` others (the leaf among them).
    fn may_issue(&mut self, candidate: &Certificate, below: usize) -> bool {
        self.tried += 1;
        if self.tried > MAX_ISSUERS_TRIED {
            return false;
        }
        let Some((_, constraints)) = candidate.basic_constraints() else { return false };
        // The path length counts the intermediates below, not the leaf.
        let long_enough = constraints.path_len_constraint.is_none_or(|limit| below - 1 <= usize::from(limit));
        let signs = candidate.key_usage().is_none_or(|(_, usage)| usage.key_cert_sign());
        let purpose = candidate
            .extended_key_usage()
            .is_none_or(|(_, usages)| usages.contains(&self.purpose.oid()) || usages.contains(&ANY_USAGE));
        constraints.ca
            && long_enough
            && signs
            && purpose
            && candidate.is_valid_at(self.at)
            && !candidate.has_unknown_critical_extension()
    }
}
