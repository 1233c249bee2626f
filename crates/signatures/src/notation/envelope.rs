//! What the two kinds of envelope have in common: signed attributes, chain, signature; and the check of the signature itself.
//!
//! Nothing here says whether the signer is trusted; see `verification`.

use jiff::Timestamp;

use super::chain::ChainRuleError;
use super::{MAX_ENVELOPE_BYTES, SignatureBlob, chain, cose, jws};
use crate::x509::key::{Hash, Kind, Scheme};
use crate::x509::{Certificate, MAX_CHAIN, X509Error};

/// Content type of what is signed.
pub(super) const PAYLOAD_TYPE: &str = "application/vnd.cncf.notary.payload.v1+json";

pub(super) const SIGNING_SCHEME: &str = "io.cncf.notary.signingScheme";
pub(super) const SIGNING_TIME: &str = "io.cncf.notary.signingTime";
pub(super) const AUTHENTIC_SIGNING_TIME: &str = "io.cncf.notary.authenticSigningTime";
pub(super) const EXPIRY: &str = "io.cncf.notary.expiry";
pub(super) const TIMESTAMP_SIGNATURE: &str = "io.cncf.notary.timestampSignature";
const VERIFICATION_PLUGIN: &str = "io.cncf.notary.verificationPlugin";

/// Why an envelope is not intact.
#[derive(Debug, thiserror::Error)]
pub enum EnvelopeError {
    /// Over the limit.
    #[error("signature envelope larger than {MAX_ENVELOPE_BYTES} bytes")]
    TooLarge,
    /// Another media type.
    #[error("unsupported signature envelope {0:?}")]
    MediaType(String),
    /// Not an envelope of that kind.
    #[error("malformed signature envelope: {0}")]
    Malformed(&'static str),
    /// JSON that does not decode.
    #[error("malformed signature envelope")]
    Json(#[source] serde_json::Error),
    /// A header is missing or has a value of the wrong kind.
    #[error("signature envelope with missing or invalid header {0:?}")]
    Header(&'static str),
    /// Something other than a payload of Notation's was signed.
    #[error("unsupported payload type {0:?}")]
    PayloadType(String),
    /// A header that must be marked critical is not.
    #[error("header {0:?} is not marked critical")]
    NotCritical(&'static str),
    /// A critical header that is not understood.
    #[error("critical header {0:?} is not understood")]
    UnknownCritical(String),
    /// The signature can only be verified with a plugin.
    #[error("signature needs the verification plugin {0:?}, plugins are not supported")]
    Plugin(String),
    /// A signing scheme other than the two.
    #[error("unsupported signing scheme {0:?}")]
    Scheme(String),
    /// The chain of certificates is missing, too long or unreadable.
    #[error("signature envelope without usable certificate chain")]
    NoChain,
    /// A certificate of the chain does not decode.
    #[error("certificate chain")]
    Certificate(#[source] X509Error),
    /// The chain breaks a rule.
    #[error("certificate chain")]
    Chain(#[source] ChainRuleError),
    /// The algorithm is not the one that goes with the key.
    #[error("signature algorithm {0:?} does not go with the signing key")]
    Algorithm(String),
    /// The signature is not the leaf's.
    #[error("signature is invalid")]
    Signature,
}

/// How the signer proves when it signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SigningScheme {
    /// By a timestamp, or not at all.
    X509,
    /// By its own word: it is trusted for that.
    SigningAuthority,
}

/// A header whose name was known or not.
pub(super) struct Attributes {
    /// Names of the headers marked critical.
    pub(super) critical: Vec<String>,
    pub(super) content_type: String,
    pub(super) signing_scheme: String,
    pub(super) signing_time: Option<Timestamp>,
    pub(super) authentic_signing_time: Option<Timestamp>,
    pub(super) expiry: Option<Timestamp>,
    /// Value of the header that names a plugin.
    pub(super) plugin: Option<String>,
}

/// What a parser of one kind of envelope gives.
pub(super) struct Parsed {
    pub(super) attributes: Attributes,
    /// The algorithm's name in JOSE: `PS256`, `ES512`, ...
    pub(super) algorithm: String,
    pub(super) payload: Vec<u8>,
    /// What the signature covers.
    pub(super) message: Vec<u8>,
    pub(super) signature: Vec<u8>,
    pub(super) chain: Vec<Vec<u8>>,
    pub(super) timestamp: Option<Vec<u8>>,
}

/// An envelope whose signature was verified with the key of its own first certificate.
pub(super) struct Envelope {
    pub(super) scheme: SigningScheme,
    pub(super) signing_time: Timestamp,
    pub(super) expiry: Option<Timestamp>,
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
    pub(super) chain: Vec<Certificate>,
    pub(super) timestamp: Option<Vec<u8>>,
}

/// The header that names a plugin.
pub(super) fn plugin_header() -> &'static str {
    VERIFICATION_PLUGIN
}

/// Reads an envelope and verifies its integrity: signature, headers and the form of the chain.
pub(super) fn open(blob: &SignatureBlob) -> Result<Envelope, EnvelopeError> {
    if blob.bytes.len() > MAX_ENVELOPE_BYTES {
        return Err(EnvelopeError::TooLarge);
    }
    let parsed = match blob.media_type.as_str() {
        jws::MEDIA_TYPE => jws::parse(&blob.bytes)?,
        cose::MEDIA_TYPE => cose::parse(&blob.bytes)?,
        other => return Err(EnvelopeError::MediaType(other.to_owned())),
    };
    if parsed.chain.is_empty() || parsed.chain.len() > MAX_CHAIN {
        return Err(EnvelopeError::NoChain);
    }
    let chain: Result<Vec<_>, _> = parsed.chain.iter().map(|der| Certificate::from_der(der)).collect();
    let chain = chain.map_err(EnvelopeError::Certificate)?;
    let leaf = chain.first().ok_or(EnvelopeError::NoChain)?;
    let key = leaf.public_key().map_err(EnvelopeError::Certificate)?;
    // The key decides: an algorithm of the attacker's choice could be a weaker one, or make the bytes mean something else.
    let (name, scheme) = algorithm_of(key.kind()).ok_or_else(|| EnvelopeError::Algorithm(parsed.algorithm.clone()))?;
    if name != parsed.algorithm {
        return Err(EnvelopeError::Algorithm(parsed.algorithm));
    }
    key.verify(scheme, &parsed.message, &parsed.signature).map_err(|_| EnvelopeError::Signature)?;
    let (scheme, signing_time) = check_attributes(&parsed.attributes)?;
    chain::check_code_signing(&chain, signing_time).map_err(EnvelopeError::Chain)?;
    Ok(Envelope {
        scheme,
        signing_time,
        expiry: parsed.attributes.expiry,
        payload: parsed.payload,
        signature: parsed.signature,
        chain,
        timestamp: parsed.timestamp,
    })
}

/// The one algorithm for each kind and size of key.
fn algorithm_of(kind: Kind) -> Option<(&'static str, Scheme)> {
    match kind {
        Kind::Rsa { bits: 2048 } => Some(("PS256", Scheme::RsaPss(Hash::Sha256))),
        Kind::Rsa { bits: 3072 } => Some(("PS384", Scheme::RsaPss(Hash::Sha384))),
        Kind::Rsa { bits: 4096 } => Some(("PS512", Scheme::RsaPss(Hash::Sha512))),
        Kind::P256 => Some(("ES256", Scheme::EcdsaFixed(Hash::Sha256))),
        Kind::P384 => Some(("ES384", Scheme::EcdsaFixed(Hash::Sha384))),
        Kind::P521 => Some(("ES512", Scheme::EcdsaFixed(Hash::Sha512))),
        Kind::Rsa { .. } | Kind::Ed25519 => None,
    }
}

fn check_attributes(attributes: &Attributes) -> Result<(SigningScheme, Timestamp), EnvelopeError> {
    if attributes.content_type != PAYLOAD_TYPE {
        return Err(EnvelopeError::PayloadType(attributes.content_type.clone()));
    }
    if let Some(plugin) = &attributes.plugin {
        return Err(EnvelopeError::Plugin(plugin.clone()));
    }
    let is_critical = |name: &str| attributes.critical.iter().any(|critical| critical == name);
    let known = [SIGNING_SCHEME, AUTHENTIC_SIGNING_TIME, EXPIRY, SIGNING_TIME];
    if let Some(unknown) = attributes.critical.iter().find(|name| !known.contains(&name.as_str())) {
        return Err(EnvelopeError::UnknownCritical(unknown.clone()));
    }
    if !is_critical(SIGNING_SCHEME) {
        return Err(EnvelopeError::NotCritical(SIGNING_SCHEME));
    }
    if attributes.expiry.is_some() != is_critical(EXPIRY) {
        return Err(EnvelopeError::NotCritical(EXPIRY));
    }
    match attributes.signing_scheme.as_str() {
        "notary.x509" if attributes.authentic_signing_time.is_some() => {
            Err(EnvelopeError::Header(AUTHENTIC_SIGNING_TIME))
        }
        "notary.x509" => {
            let at = attributes.signing_time.ok_or(EnvelopeError::Header(SIGNING_TIME))?;
            Ok((SigningScheme::X509, at))
        }
        "notary.x509.signingAuthority" if attributes.signing_time.is_some() => Err(EnvelopeError::Header(SIGNING_TIME)),
        "notary.x509.signingAuthority" => {
            let at = attributes.authentic_signing_time.ok_or(EnvelopeError::Header(AUTHENTIC_SIGNING_TIME))?;
            if is_critical(AUTHENTIC_SIGNING_TIME) {
                Ok((SigningScheme::SigningAuthority, at))
            } else {
                Err(EnvelopeError::NotCritical(AUTHENTIC_SIGNING_TIME))
            }
        }
        other => Err(EnvelopeError::Scheme(other.to_owned())),
    }
}
