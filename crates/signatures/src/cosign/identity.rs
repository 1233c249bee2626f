//! Who a Fulcio certificate was issued to, and the patterns that say who may sign.
//!
//! Only issuer and subject; Fulcio's other extensions (workflow, repository, ...) are not policy in Flux's API.

use regex::{Regex, RegexBuilder};
use x509_cert::der::asn1::ObjectIdentifier;

use crate::x509::{Certificate, utf8_string};

/// The issuer as plain bytes, in all of Fulcio's certificates.
const ISSUER_V1: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.1");
/// The issuer as a DER string, in newer ones.
const ISSUER_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.8");

/// Memory that one compiled expression may take; one of a few hundred characters takes some KiB.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// An issuer and a subject expression as they stand in `spec.verify.matchOIDCIdentity`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Regular expression for the issuer; empty: any.
    pub issuer: String,
    /// Regular expression for the subject; empty: any.
    pub subject: String,
}

/// [`Identity`], compiled.
#[derive(Clone, Debug)]
pub struct IdentityPattern {
    issuer: Regex,
    subject: Regex,
}

/// Who a certificate says it was issued to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignerIdentity {
    /// The issuer of the identity token; empty when the certificate names none.
    pub issuer: String,
    /// E-mail addresses, URIs and other names.
    pub subjects: Vec<String>,
}

/// Why an identity does not do.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The expression is not one, or too large.
    #[error("malformed {part} in identity")]
    Pattern {
        /// "issuer" or "subject".
        part: &'static str,
        /// The compiler's words.
        #[source]
        source: regex::Error,
    },
    /// Somebody else.
    #[error("got subjects {subjects:?} with issuer {issuer:?}")]
    Other {
        /// The certificate's.
        issuer: String,
        /// The certificate's.
        subjects: Vec<String>,
    },
}

impl IdentityPattern {
    /// Compiles the two expressions. They match anywhere in the text unless they are anchored, as Go's do.
    ///
    /// # Errors
    ///
    /// Not a regular expression, or one that needs too much memory.
    pub fn new(identity: &Identity) -> Result<Self, IdentityError> {
        let compile = |part, text: &str| {
            RegexBuilder::new(text)
                .size_limit(MAX_PATTERN_BYTES)
                .build()
                .map_err(|source| IdentityError::Pattern { part, source })
        };
        Ok(Self { issuer: compile("issuer", &identity.issuer)?, subject: compile("subject", &identity.subject)? })
    }

    fn matches(&self, signer: &SignerIdentity) -> bool {
        self.issuer.is_match(&signer.issuer) && signer.subjects.iter().any(|subject| self.subject.is_match(subject))
    }
}

impl SignerIdentity {
    /// Reads the identity out of a certificate.
    pub(super) fn of(certificate: &Certificate) -> Self {
        let newer = certificate.extension(ISSUER_V2).and_then(utf8_string);
        let older = || certificate.extension(ISSUER_V1).and_then(|value| String::from_utf8(value.to_vec()).ok());
        Self { issuer: newer.or_else(older).unwrap_or_default(), subjects: certificate.alternative_names() }
    }

    /// Whether one of the patterns matches; none at all match everyone.
    pub(super) fn check(self, patterns: &[IdentityPattern]) -> Result<Self, IdentityError> {
        if patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(&self)) {
            Ok(self)
        } else {
            Err(IdentityError::Other { issuer: self.issuer, subjects: self.subjects })
        }
    }
}
