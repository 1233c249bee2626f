//! cosign: whether an OCI artifact was signed with one of some public keys, or by one of some identities (keyless).
//!
//! Pure: the caller fetches, this decides. What to fetch for an artifact with digest D, in this order:
//!
//! 1. its referrers (`GET /v2/<name>/referrers/<D>`, or where the registry has no such API the index at tag [`referrers_tag`]). For each
//!    entry the manifest, and of that the first layer if its media type [`is_bundle_media_type`]: a [`Candidate::Bundle`]. The entry's
//!    `artifactType` is no filter: in the index that cosign itself writes it is `application/vnd.oci.empty.v1+json`.
//! 2. if that gave no bundle: the manifest at tag [`signature_tag`]; [`simple_signatures`] lists its layers, and each layer's blob with
//!    its annotations is a [`Candidate::Simple`].
//!
//! [`MAX_CANDIDATES`] bounds both. Blobs are at most [`MAX_BUNDLE_BYTES`] and [`MAX_PAYLOAD_BYTES`]; larger ones need not be fetched.
//!
//! Deliberately left out: message-signature bundles (cosign refuses them for OCI artifacts too), looking up a missing transparency log
//! entry online (a keyless signature must bring its own), refreshing Sigstore's public root by TUF ([`trusted_root::Provider`] is the
//! port for it), and annotations or predicate contents as policy.

mod body;
mod bundle;
mod checkpoint;
mod identity;
mod keyless;
mod sct;
mod simple;
mod tlog;
pub mod trusted_root;

use crate::x509::X509Error;
use crate::x509::chain::ChainError;
use crate::x509::key::PublicKey;
use crate::x509::timestamp::TimestampError;

pub use checkpoint::CheckpointError;
pub use identity::{Identity, IdentityError, IdentityPattern, SignerIdentity};
pub use sct::SctError;
pub use simple::{SimpleLayer, simple_signatures};
pub use tlog::TlogError;
pub use trusted_root::{TrustedRoot, TrustedRootError};

/// How many signatures of one artifact are looked at; the rest are ignored.
pub const MAX_CANDIDATES: usize = 50;

/// The largest bundle that is read. A keyless one with inclusion proof and timestamps is about 12 KiB; an attestation with a large
/// predicate can be megabytes.
pub const MAX_BUNDLE_BYTES: usize = 4 * 1024 * 1024;

/// The largest simple-signing payload that is read. cosign's are about 250 bytes.
pub const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

/// The largest annotation that is read: the log's entry repeats signature and certificate in base64 of base64.
const MAX_ANNOTATION_BYTES: usize = 128 * 1024;

/// Media type of the layers that [`Candidate::Simple`] comes from.
pub const SIMPLE_SIGNING_MEDIA_TYPE: &str = "application/vnd.dev.cosign.simplesigning.v1+json";

/// Artifact type and layer media type that cosign 3 writes.
pub const BUNDLE_MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The tag of the v2 signatures of an artifact: `sha256-<hex>.sig`.
pub fn signature_tag(artifact_digest: &str) -> String {
    format!("{}.sig", referrers_tag(artifact_digest))
}

/// The tag of the index of referrers where the registry has no referrers API: `sha256-<hex>`.
pub fn referrers_tag(artifact_digest: &str) -> String {
    artifact_digest.replacen(':', "-", 1)
}

/// Whether a layer (or an artifact type) is a Sigstore bundle, of any version.
pub fn is_bundle_media_type(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.dev.sigstore.bundle")
}

/// One thing fetched from the registry that may be a signature.
#[derive(Clone, Debug)]
pub enum Candidate {
    /// cosign 3: the bytes of a Sigstore bundle.
    Bundle(Vec<u8>),
    /// cosign 2: one layer of the manifest at the signature tag.
    Simple {
        /// The bytes of the blob.
        payload: Vec<u8>,
        /// What the manifest says about it.
        layer: SimpleLayer,
    },
}

/// What a signature must have been made with.
#[derive(Debug)]
pub enum Trust<'a> {
    /// Any of these keys. The transparency log is not looked at. A candidate that brings a certificate is verified with the key alone.
    Keys(&'a [PublicKey]),
    /// A certificate of an authority of `root` for any of `identities`; without identities, for anyone.
    Keyless {
        /// The instance of Sigstore that is trusted.
        root: &'a TrustedRoot,
        /// OR-ed.
        identities: &'a [IdentityPattern],
    },
}

/// A signature that was found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Whose it is.
    pub signer: Signer,
    /// For a bundle, the type of the statement; cosign's own is `https://sigstore.dev/cosign/sign/v1`. Any is accepted, as in Flux.
    pub predicate_type: Option<String>,
}

/// Who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signer {
    /// The key with this index.
    Key(usize),
    /// The holder of a certificate.
    Identity(SignerIdentity),
}

/// Why an artifact does not count as signed.
#[derive(Debug, thiserror::Error)]
pub enum CosignError {
    /// Nothing to look at.
    #[error("no signatures found")]
    NoSignatures,
    /// No candidate is good. The chain goes on with the reason of the first one.
    #[error("no matching signatures")]
    NoMatch(#[source] CandidateError),
}

/// Why one candidate is not a good signature.
#[derive(Debug, thiserror::Error)]
pub enum CandidateError {
    /// A part of it is over its limit.
    #[error("{what} larger than {limit} bytes")]
    TooLarge {
        /// Which part.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The JSON does not decode.
    #[error("malformed {what}")]
    Json {
        /// Which part.
        what: &'static str,
        /// The decoder's words.
        #[source]
        source: serde_json::Error,
    },
    /// Base64 that does not decode.
    #[error("malformed base64 in {0}")]
    Base64(&'static str),
    /// A part is missing.
    #[error("signature without {0}")]
    Missing(&'static str),
    /// A kind of bundle, envelope or statement that is not supported.
    #[error("unsupported {what} {value:?}")]
    Unsupported {
        /// What.
        what: &'static str,
        /// Which one it is.
        value: String,
    },
    /// It is a good signature, perhaps, but of something else.
    #[error("signature is for another artifact")]
    OtherArtifact,
    /// No key made it.
    #[error("invalid signature when validating with {0} public key(s)")]
    NoKey(usize),
    /// The certificate's key did not make it.
    #[error("signature does not match its certificate")]
    Signature,
    /// The certificate cannot be read.
    #[error("certificate")]
    Certificate(#[source] X509Error),
    /// The certificate leads to no authority that was trusted at the time.
    #[error("certificate")]
    Chain(#[source] ChainError),
    /// No certificate authority of the trusted root was valid at the time.
    #[error("no certificate authority of the trusted root was valid when the signature was made")]
    NoAuthority,
    /// The certificate is in no certificate transparency log.
    #[error("signed certificate timestamp")]
    Sct(#[source] SctError),
    /// The signature is not in the transparency log.
    #[error("transparency log")]
    Tlog(#[source] TlogError),
    /// A timestamp is not believed.
    #[error("signed timestamp")]
    Timestamp(#[source] TimestampError),
    /// Nothing says when the signature was made.
    #[error("no trusted time of signing")]
    NoTime,
    /// Somebody else signed.
    #[error("none of the expected identities matched what was in the certificate")]
    Identity(#[source] IdentityError),
}

/// Decides whether one of `candidates` is a signature of the artifact with this digest (`sha256:<hex>`) that `trust` allows.
///
/// Candidates are tried in order, at most [`MAX_CANDIDATES`]; a bad one never hides a good one.
///
/// # Errors
///
/// No candidates, or none that is good.
pub fn verify(candidates: &[Candidate], artifact_digest: &str, trust: &Trust<'_>) -> Result<Verified, CosignError> {
    let mut first = None;
    for candidate in candidates.iter().take(MAX_CANDIDATES) {
        let result = match candidate {
            Candidate::Bundle(bytes) => bundle::verify(bytes, artifact_digest, trust),
            Candidate::Simple { payload, layer } => simple::verify(payload, layer, artifact_digest, trust),
        };
        match result {
            Ok(verified) => return Ok(verified),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.map_or(CosignError::NoSignatures, CosignError::NoMatch))
}

/// Reads a public key as cosign writes it: PEM, `PUBLIC KEY`.
///
/// # Errors
///
/// No such block, or a kind of key that is not supported.
pub fn parse_public_key(pem: &[u8]) -> Result<PublicKey, X509Error> {
    PublicKey::from_pem(pem)
}

fn base64(text: &str, what: &'static str) -> Result<Vec<u8>, CandidateError> {
    use ::base64::Engine;
    ::base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| CandidateError::Base64(what))
}

/// The index of the key that made `signature` over `message`.
fn key_that_signed(keys: &[PublicKey], message: &[u8], signature: &[u8]) -> Result<usize, CandidateError> {
    let found = keys.iter().position(|key| key.verify_sigstore(message, signature).is_ok());
    found.ok_or(CandidateError::NoKey(keys.len()))
}

#[cfg(test)]
mod tests;
