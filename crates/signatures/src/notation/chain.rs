//! The Notary Project's rules for the certificates in an envelope: a complete, ordered chain up to a self-signed root, with the right
//! constraints and usages. Whether anybody trusts it is another question.
//!
//! By the specification only basic constraints, key usage and extended key usage are evaluated, and validity periods need not nest.

use jiff::Timestamp;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::ext::pkix::KeyUsage;

use crate::x509::Certificate;

/// Usages that a code signing certificate must not have: any, server, client, e-mail, time stamping.
const FORBIDDEN_USAGES: [ObjectIdentifier; 5] = [
    ObjectIdentifier::new_unwrap("2.5.29.37.0"),
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1"),
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2"),
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.4"),
    ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8"),
];

/// Which rule a chain breaks.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainRuleError {
    /// A certificate is not signed by the next one.
    #[error("certificate {0:?} is not signed by the next one of the chain")]
    Order(String),
    /// The last one is not a self-signed root.
    #[error("certificate {0:?} ends the chain but is not self-signed")]
    NoRoot(String),
    /// A self-signed certificate that is not the last.
    #[error("certificate {0:?} is self-signed but not the end of the chain")]
    EarlyRoot(String),
    /// Not valid when the signature says it was made.
    #[error("certificate {subject:?} was not valid at the signing time {at}")]
    NotValid {
        /// Whose.
        subject: String,
        /// The time in the envelope.
        at: Timestamp,
    },
    /// SHA-1 or another algorithm that is not supported.
    #[error("certificate {0:?} is signed with an unsupported algorithm")]
    Algorithm(String),
    /// Basic constraints that do not fit the place in the chain.
    #[error("certificate {0:?} has wrong basic constraints")]
    BasicConstraints(String),
    /// Key usage missing, not critical, or wrong.
    #[error("certificate {0:?} has a wrong key usage")]
    KeyUsage(String),
    /// An extended key usage that code signing certificates must not have.
    #[error("certificate {0:?} has a forbidden extended key usage")]
    ExtendedKeyUsage(String),
}

/// Checks the chain of a code signature, leaf first, at the signing time that the envelope names.
pub(super) fn check_code_signing(chain: &[Certificate], signing_time: Timestamp) -> Result<(), ChainRuleError> {
    for (index, certificate) in chain.iter().enumerate() {
        let subject = || certificate.subject();
        if !certificate.has_supported_signature() {
            return Err(ChainRuleError::Algorithm(subject()));
        }
        if !certificate.is_valid_at(signing_time) {
            return Err(ChainRuleError::NotValid { subject: subject(), at: signing_time });
        }
        let self_signed = certificate.is_signed_by(certificate);
        match chain.get(index + 1) {
            Some(_) if self_signed => return Err(ChainRuleError::EarlyRoot(subject())),
            Some(issuer) if !certificate.is_signed_by(issuer) => return Err(ChainRuleError::Order(subject())),
            None if !self_signed => return Err(ChainRuleError::NoRoot(subject())),
            _ => {}
        }
        if index == 0 {
            check_leaf(certificate)?;
        } else {
            check_authority(certificate, index)?;
        }
    }
    Ok(())
}

fn check_leaf(leaf: &Certificate) -> Result<(), ChainRuleError> {
    if leaf.is_ca() {
        return Err(ChainRuleError::BasicConstraints(leaf.subject()));
    }
    let usage = leaf.key_usage();
    if !usage.is_some_and(|(critical, usage)| critical && usage.digital_signature() && !does_more_than_sign(usage)) {
        return Err(ChainRuleError::KeyUsage(leaf.subject()));
    }
    let forbidden = |usages: Vec<ObjectIdentifier>| usages.iter().any(|usage| FORBIDDEN_USAGES.contains(usage));
    if leaf.extended_key_usage().is_some_and(|(_, usages)| forbidden(usages)) {
        return Err(ChainRuleError::ExtendedKeyUsage(leaf.subject()));
    }
    Ok(())
}

fn does_more_than_sign(usage: KeyUsage) -> bool {
    usage.key_encipherment()
        || usage.data_encipherment()
        || usage.key_agreement()
        || usage.key_cert_sign()
        || usage.crl_sign()
        || usage.encipher_only()
        || usage.decipher_only()
}

/// `index`: place in the chain, so there are `index - 1` intermediates below.
fn check_authority(certificate: &Certificate, index: usize) -> Result<(), ChainRuleError> {
    let fits = certificate.basic_constraints().is_some_and(|(critical, constraints)| {
        let long_enough = constraints.path_len_constraint.is_none_or(|limit| index - 1 <= usize::from(limit));
        critical && constraints.ca && long_enough
    });
    if !fits {
        return Err(ChainRuleError::BasicConstraints(certificate.subject()));
    }
    if certificate.key_usage().is_some_and(|(critical, usage)| critical && usage.key_cert_sign()) {
        Ok(())
    } else {
        Err(ChainRuleError::KeyUsage(certificate.subject()))
    }
}
