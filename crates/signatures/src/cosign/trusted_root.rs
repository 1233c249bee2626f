//! `trusted_root.json`: which certificate authorities, logs and timestamp authorities an instance of Sigstore has, and since when.
//!
//! Read from JSON that the caller has: of `spec.verify.trustedRootSecretRef`, or for the public instance from a [`Provider`]. How the
//! public one is fetched and kept fresh (TUF) is not here; nor are the service addresses in it used, since nothing is asked online.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use crate::x509::key::PublicKey;
use crate::x509::{Certificate, MAX_CHAIN, X509Error};

/// The largest document that is read. The public instance's is 9 KiB.
pub const MAX_BYTES: usize = 1024 * 1024;

/// How many authorities and logs of each kind it may have. The public instance has three.
const MAX_ITEMS: usize = 64;

/// Where the trusted root of the public Sigstore instance comes from.
///
/// An implementation keeps the root fresh by whatever means (TUF, a mounted file) and hands out the last good one at once; it does
/// not fetch inside the call. `None` while there is none: then keyless verification without a root of the user's own fails.
pub trait Provider: Send + Sync {
    /// The current root.
    fn current(&self) -> Option<Arc<TrustedRoot>>;
}

/// Why a trusted root is not usable.
#[derive(Debug, thiserror::Error)]
pub enum TrustedRootError {
    /// Larger than [`MAX_BYTES`], or with more items than any instance has.
    #[error("trusted root too large")]
    TooLarge,
    /// No such JSON.
    #[error("malformed trusted root")]
    Json(#[source] serde_json::Error),
    /// A document of another kind.
    #[error("unsupported media type {0:?}")]
    MediaType(String),
    /// Base64 that does not decode.
    #[error("malformed base64 in trusted root")]
    Base64,
    /// A certificate of an authority cannot be read.
    #[error("certificate in trusted root")]
    Certificate(#[source] X509Error),
    /// Nothing could be verified with it.
    #[error("trusted root without {0}")]
    Missing(&'static str),
}

/// The trust anchors of one Sigstore instance.
#[derive(Clone, Debug)]
pub struct TrustedRoot {
    pub(super) certificate_authorities: Vec<AuthorityChain>,
    pub(super) timestamp_authorities: Vec<AuthorityChain>,
    pub(super) transparency_logs: Vec<Log>,
    pub(super) certificate_logs: Vec<Log>,
}

/// An authority: its root and what is between it and the leaves.
#[derive(Clone, Debug)]
pub(super) struct AuthorityChain {
    pub(super) roots: Vec<Certificate>,
    pub(super) intermediates: Vec<Certificate>,
    pub(super) valid: Validity,
}

/// A log of signatures or certificates.
#[derive(Clone, Debug)]
pub(super) struct Log {
    pub(super) id: Vec<u8>,
    pub(super) key: PublicKey,
    pub(super) valid: Validity,
}

/// When something is trusted, both ends included.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Validity {
    start: Option<Timestamp>,
    end: Option<Timestamp>,
}

impl Validity {
    pub(super) fn contains(&self, at: Timestamp) -> bool {
        self.start.is_none_or(|start| start <= at) && self.end.is_none_or(|end| at <= end)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    media_type: String,
    #[serde(default)]
    tlogs: Vec<RawLog>,
    #[serde(default)]
    certificate_authorities: Vec<RawAuthority>,
    #[serde(default)]
    ctlogs: Vec<RawLog>,
    #[serde(default)]
    timestamp_authorities: Vec<RawAuthority>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLog {
    public_key: RawKey,
    log_id: RawId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawKey {
    raw_bytes: String,
    #[serde(default)]
    valid_for: Validity,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawId {
    key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawAuthority {
    cert_chain: RawChain,
    #[serde(default)]
    valid_for: Validity,
}

#[derive(Deserialize)]
struct RawChain {
    certificates: Vec<RawCertificate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCertificate {
    raw_bytes: String,
}

impl TrustedRoot {
    /// Reads the document.
    ///
    /// A log whose kind of key is not supported is left out, so that a new kind of key does not make the known logs useless.
    ///
    /// # Errors
    ///
    /// No such document, one without certificate authority or transparency log, or one whose certificates cannot be read.
    pub fn from_json(json: &[u8]) -> Result<Self, TrustedRootError> {
        if json.len() > MAX_BYTES {
            return Err(TrustedRootError::TooLarge);
        }
        let document: Document = serde_json::from_slice(json).map_err(TrustedRootError::Json)?;
        if !document.media_type.starts_with("application/vnd.dev.sigstore.trustedroot") {
            return Err(TrustedRootError::MediaType(document.media_type));
        }
        let root = Self {
            certificate_authorities: authorities(document.certificate_authorities)?,
            timestamp_authorities: authorities(document.timestamp_authorities)?,
            transparency_logs: logs(document.tlogs)?,
            certificate_logs: logs(document.ctlogs)?,
        };
        if root.certificate_authorities.is_empty() {
            return Err(TrustedRootError::Missing("certificate authorities"));
        }
        if root.transparency_logs.is_empty() {
            return Err(TrustedRootError::Missing("transparency logs"));
        }
        Ok(root)
    }
}

fn logs(raw: Vec<RawLog>) -> Result<Vec<Log>, TrustedRootError> {
    if raw.len() > MAX_ITEMS {
        return Err(TrustedRootError::TooLarge);
    }
    let mut logs = Vec::new();
    for log in raw {
        let (id, key) = (base64(&log.log_id.key_id)?, base64(&log.public_key.raw_bytes)?);
        if let Ok(key) = PublicKey::from_spki(&key) {
            logs.push(Log { id, key, valid: log.public_key.valid_for });
        }
    }
    Ok(logs)
}

fn authorities(raw: Vec<RawAuthority>) -> Result<Vec<AuthorityChain>, TrustedRootError> {
    if raw.len() > MAX_ITEMS || raw.iter().any(|authority| authority.cert_chain.certificates.len() > MAX_CHAIN) {
        return Err(TrustedRootError::TooLarge);
    }
    let mut authorities = Vec::new();
    for authority in raw {
        let mut chain = Vec::new();
        for certificate in &authority.cert_chain.certificates {
            let der = base64(&certificate.raw_bytes)?;
            chain.push(Certificate::from_der(&der).map_err(TrustedRootError::Certificate)?);
        }
        // The chain ends with the root.
        let roots = chain.pop().into_iter().collect();
        authorities.push(AuthorityChain { roots, intermediates: chain, valid: authority.valid_for });
    }
    Ok(authorities)
}

fn base64(text: &str) -> Result<Vec<u8>, TrustedRootError> {
    use ::base64::Engine;
    ::base64::engine::general_purpose::STANDARD.decode(text).map_err(|_| TrustedRootError::Base64)
}
