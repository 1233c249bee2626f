//! Notation (Notary Project): whether an OCI artifact has a signature that a trust policy accepts.
//!
//! Pure: the caller fetches, this decides. What to fetch for an artifact, unless [`TrustPolicy::requirement`] says that nothing is needed:
//! its referrers (API, or the index at the referrers tag) of type [`ARTIFACT_TYPE`]; of the first [`MAX_SIGNATURES`] in the registry's
//! order the manifest, and of that the blob that [`signature_layer`] names: a [`SignatureBlob`].
//!
//! Deliberately left out: verification plugins (a signature that demands one fails), asking for revocation over the network (see
//! [`revocation`]), and signatures of blobs that are no OCI artifacts.

mod chain;
mod cose;
mod distinguished_name;
mod envelope;
mod jws;
mod level;
mod policy;
pub mod revocation;
mod timestamp;
mod verification;

use jiff::Timestamp;
use serde::Deserialize;

use crate::x509::{Certificate, X509Error};

pub use chain::ChainRuleError;
pub use distinguished_name::DistinguishedNameError;
pub use envelope::EnvelopeError;
pub use level::{Action, Check, Level, LevelError};
pub use policy::{PolicyError, TrustPolicy};
pub use timestamp::CountersignatureError;
pub use verification::SignatureError;

/// Artifact type (or, in older manifests, configuration media type) of the referrers that are signatures.
pub const ARTIFACT_TYPE: &str = "application/vnd.cncf.notary.signature";

/// How many signatures of one artifact are looked at, as in Flux.
pub const MAX_SIGNATURES: usize = 3;

/// The largest envelope that is read. One with three RSA-4096 certificates and a timestamp is about 16 KiB.
pub const MAX_ENVELOPE_BYTES: usize = 1024 * 1024;

/// Name of the key in the Secret that holds the trust policy.
pub const TRUST_POLICY_KEY: &str = "trustpolicy.json";

/// How many certificates one file of the trust store may hold.
const MAX_STORE_FILE_CERTIFICATES: usize = 256;

/// The artifact whose signatures are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// Registry, repository and digest: `host/name@sha256:<hex>`.
    pub reference: String,
    /// Media type of its manifest.
    pub media_type: String,
    /// `sha256:<hex>`.
    pub digest: String,
    /// Size of its manifest in bytes.
    pub size: u64,
}

/// One signature fetched from the registry.
#[derive(Clone, Debug)]
pub struct SignatureBlob {
    /// Media type of the layer it came from: `application/jose+json` or `application/cose`.
    pub media_type: String,
    /// The envelope.
    pub bytes: Vec<u8>,
}

/// The layer of a signature manifest that holds the envelope.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignatureLayer {
    /// Kind of envelope.
    pub media_type: String,
    /// Digest of the blob.
    pub digest: String,
    /// Size in bytes; above [`MAX_ENVELOPE_BYTES`] there is no need to fetch it.
    pub size: u64,
}

/// What the user trusts.
pub struct Trust<'a> {
    /// The policy document.
    pub policy: &'a TrustPolicy,
    /// The trust store. As in Flux, every store that the policy names holds all of these certificates.
    pub certificates: &'a [Certificate],
    /// What is known about revoked certificates.
    pub revocation: &'a dyn revocation::Revocation,
}

/// What verification came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The artifact has a signature that the policy accepts.
    Verified {
        /// Subject of the signing certificate.
        subject: String,
        /// Checks that failed but are only logged at this level, as text.
        tolerated: Vec<String>,
    },
    /// The policy wants no verification, or tolerates that the signer is not trusted: go on without calling the artifact verified.
    Ignored {
        /// Why, and what failed, as text.
        tolerated: Vec<String>,
    },
}

/// What a policy demands for an artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requirement {
    /// Signatures have to be fetched and verified.
    Verify,
    /// Level "skip": [`verify`] gives [`Outcome::Ignored`] without any signature.
    Skip,
}

/// Why an artifact does not count as signed.
#[derive(Debug, thiserror::Error)]
pub enum NotationError {
    /// The policy has nothing to say about the artifact.
    #[error("trust policy")]
    Policy(#[source] PolicyError),
    /// There are no signatures.
    #[error("no signature is associated with \"{reference}\", make sure the artifact was signed successfully")]
    NoSignature {
        /// The artifact.
        reference: String,
    },
    /// None of the signatures is good. The chain goes on with the reason of the first one.
    #[error("signature verification failed for all {count} signatures associated with {reference}")]
    AllFailed {
        /// The artifact.
        reference: String,
        /// How many were tried.
        count: usize,
        /// What was wrong with the first.
        #[source]
        first: SignatureError,
    },
    /// None of the first [`MAX_SIGNATURES`] is good, and there may be more.
    #[error(
        "signature verification stopped after {MAX_SIGNATURES} signatures associated with {reference}, none of which is good"
    )]
    LimitReached {
        /// The artifact.
        reference: String,
        /// What was wrong with the first.
        #[source]
        first: SignatureError,
    },
}

/// Decides whether one of `signatures` is accepted for `artifact` at the time `now`.
///
/// # Errors
///
/// No statement of the policy applies, there are no signatures, or none of the first [`MAX_SIGNATURES`] is good.
pub fn verify(
    artifact: &Artifact,
    signatures: &[SignatureBlob],
    trust: &Trust<'_>,
    now: Timestamp,
) -> Result<Outcome, NotationError> {
    let statement = trust.policy.statement_for(&artifact.reference).map_err(NotationError::Policy)?;
    if statement.level == Level::SKIP {
        return Ok(Outcome::Ignored { tolerated: Vec::new() });
    }
    let reference = artifact.reference.clone();
    let mut first = None;
    for signature in signatures.iter().take(MAX_SIGNATURES) {
        match verification::verify(artifact, signature, statement, trust, now) {
            Ok(outcome) => return Ok(outcome),
            Err(error) => first = first.or(Some(error)),
        }
    }
    match first {
        None => Err(NotationError::NoSignature { reference }),
        Some(first) if signatures.len() >= MAX_SIGNATURES => Err(NotationError::LimitReached { reference, first }),
        Some(first) => Err(NotationError::AllFailed { reference, count: signatures.len(), first }),
    }
}

/// Reads one file of the trust store: PEM with one or more certificates, or the DER of one.
///
/// # Errors
///
/// Neither.
pub fn parse_certificates(file: &[u8]) -> Result<Vec<Certificate>, X509Error> {
    match Certificate::from_pem(file, MAX_STORE_FILE_CERTIFICATES) {
        Ok(certificates) => Ok(certificates),
        Err(X509Error::Pem { .. }) if file.first() == Some(&0x30) => Certificate::from_der(file).map(|one| vec![one]),
        Err(error) => Err(error),
    }
}

/// The layer of a signature manifest that holds the envelope; `None` when the manifest is none of Notation's.
pub fn signature_layer(manifest: &[u8]) -> Option<SignatureLayer> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Manifest {
        artifact_type: Option<String>,
        config: Option<Config>,
        layers: Vec<SignatureLayer>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Config {
        media_type: String,
    }
    let manifest: Manifest = serde_json::from_slice(manifest).ok()?;
    let by_config = manifest.config.is_some_and(|config| config.media_type == ARTIFACT_TYPE);
    let is_signature = by_config || manifest.artifact_type.as_deref() == Some(ARTIFACT_TYPE);
    match <[SignatureLayer; 1]>::try_from(manifest.layers) {
        Ok([layer]) if is_signature => Some(layer),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
