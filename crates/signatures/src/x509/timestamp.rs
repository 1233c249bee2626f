//! RFC 3161 timestamps: a third party's signed word that some bytes existed at a time.
//!
//! Reads the token (CMS `SignedData` around a `TSTInfo`), checks that it is about the given bytes, that the authority's key signed it and
//! that its certificate leads to one of the given roots. Deliberately not checked: nonce and policy (there was no request of ours),
//! ordering, and the revocation of the authority's certificates.

use jiff::{SignedDuration, Timestamp};
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef, UintRef};
use x509_cert::der::{Decode, ErrorKind, Reader, Result as DerResult, SliceReader, Tag, TagNumber, Tagged};
use x509_cert::spki::AlgorithmIdentifierRef;

use super::chain::{self, ChainError, Purpose};
use super::key::{Hash, InvalidSignature, Scheme};
use super::signed_data::{SignedData, TST_INFO, content, expect, signing_certificate_v1, signing_certificate_v2};
use super::{Certificate, TIME_STAMPING, X509Error, der_error};

/// The largest token or response that is read. One with a chain of three RSA certificates is about 6 KiB.
pub const MAX_TOKEN_BYTES: usize = 64 * 1024;

const CONTENT_TYPE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.3");
const MESSAGE_DIGEST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.4");
const SIGNING_CERTIFICATE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.12");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");

/// Why a timestamp is not believed.
#[derive(Debug, thiserror::Error)]
pub enum TimestampError {
    /// Larger than [`MAX_TOKEN_BYTES`].
    #[error("timestamp larger than {MAX_TOKEN_BYTES} bytes")]
    TooLarge,
    /// The token does not decode, or uses something unsupported.
    #[error("unreadable timestamp")]
    Read(#[source] X509Error),
    /// It is about other bytes.
    #[error("timestamp is about something else")]
    OtherMessage,
    /// A signed attribute is missing or does not fit the content.
    #[error("timestamp with missing or wrong signed attribute {0}")]
    Attribute(&'static str),
    /// The certificate of the signer is neither in the token nor known.
    #[error("timestamp whose signer's certificate is unknown")]
    NoSigner,
    /// The signature is not the signer's.
    #[error("timestamp")]
    Signature(#[source] InvalidSignature),
    /// The signer's certificate may be used for other things than timestamps, which RFC 3161 forbids.
    #[error("timestamp whose signer is not exclusively a timestamp authority")]
    NotExclusive,
    /// No path to a trusted timestamp authority.
    #[error("timestamp")]
    Chain(#[source] ChainError),
}

impl From<X509Error> for TimestampError {
    fn from(error: X509Error) -> Self {
        Self::Read(error)
    }
}

/// A believed timestamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The time the authority gave.
    pub at: Timestamp,
    /// How far off it may be, in both directions.
    pub accuracy: SignedDuration,
    /// The path of certificates that was built, the authority's first.
    pub chain: Vec<Certificate>,
}

impl Stamp {
    /// The earliest time that the timestamp can mean.
    pub fn earliest(&self) -> Timestamp {
        self.at.checked_sub(self.accuracy).unwrap_or(Timestamp::MIN)
    }

    /// The latest time that the timestamp can mean.
    pub fn latest(&self) -> Timestamp {
        self.at.checked_add(self.accuracy).unwrap_or(Timestamp::MAX)
    }
}

/// The certificates that a timestamp authority is trusted by.
#[derive(Clone, Copy, Debug)]
pub struct Authority<'a> {
    /// Trusted as they are.
    pub roots: &'a [Certificate],
    /// Below the roots: intermediates and the authority's own, for tokens that carry none.
    pub others: &'a [Certificate],
}

/// Takes the token out of a `TimeStampResp`, which is what Sigstore's bundles hold.
///
/// # Errors
///
/// Too large, or no response with a token in it.
pub fn token_of_response(response: &[u8]) -> Result<&[u8], TimestampError> {
    if response.len() > MAX_TOKEN_BYTES {
        return Err(TimestampError::TooLarge);
    }
    let read = || {
        let mut fields = content(AnyRef::from_der(response)?, Tag::Sequence)?;
        AnyRef::decode(&mut fields)?;
        fields.tlv_bytes()
    };
    Ok(read().map_err(der_error("timestamp response"))?)
}

/// Verifies that `token` is a timestamp of `message` by `authority`.
///
/// # Errors
///
/// One [`TimestampError`] per check.
pub fn verify(token: &[u8], message: &[u8], authority: Authority<'_>) -> Result<Stamp, TimestampError> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(TimestampError::TooLarge);
    }
    let cms = SignedData::read(token).map_err(der_error("timestamp"))?;
    let info = TstInfo::read(cms.content).map_err(der_error("timestamp"))?;
    if Hash::from_oid(info.hash)?.digest(message).as_ref() != info.imprint {
        return Err(TimestampError::OtherMessage);
    }
    let mut known = Vec::new();
    for der in &cms.certificates {
        known.push(Certificate::from_der(der)?);
    }
    known.extend_from_slice(authority.others);
    known.extend_from_slice(authority.roots);
    let signer = known.iter().find(|candidate| cms.signer.names(candidate)).ok_or(TimestampError::NoSigner)?;
    check_attributes(&cms, signer)?;
    check_signature(&cms, signer)?;
    let exclusive = signer.extended_key_usage().is_some_and(|(critical, usages)| critical && usages == [TIME_STAMPING]);
    if !exclusive {
        return Err(TimestampError::NotExclusive);
    }
    let path = chain::verify(signer, &known, authority.roots, info.at, Purpose::TimeStamping);
    let chain = path.map_err(TimestampError::Chain)?.into_iter().cloned().collect();
    Ok(Stamp { at: info.at, accuracy: info.accuracy, chain })
}

fn check_attributes(cms: &SignedData<'_>, signer: &Certificate) -> Result<(), TimestampError> {
    let attributes = cms.attributes().map_err(der_error("timestamp attributes"))?;
    let find = |oid| attributes.iter().find(|(known, _)| *known == oid).map(|(_, value)| *value);
    let content_type = find(CONTENT_TYPE).and_then(|value| ObjectIdentifier::from_der(value).ok());
    if content_type != Some(TST_INFO) {
        return Err(TimestampError::Attribute("content type"));
    }
    let digest = find(MESSAGE_DIGEST).and_then(super::octet_string);
    if digest != Some(Hash::from_oid(cms.hash)?.digest(cms.content).as_ref()) {
        return Err(TimestampError::Attribute("message digest"));
    }
    // Binds the certificate: without it another certificate with the same key would do.
    let hash = match (find(SIGNING_CERTIFICATE_V2), find(SIGNING_CERTIFICATE)) {
        (Some(value), _) => signing_certificate_v2(value).map_err(der_error("signing certificate"))?,
        (None, Some(value)) => signing_certificate_v1(value).map_err(der_error("signing certificate"))?,
        (None, None) => return Err(TimestampError::Attribute("signing certificate")),
    };
    let actual = match hash.0 {
        Some(oid) => Hash::from_oid(oid)?.digest(signer.der()),
        None => ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, signer.der()),
    };
    if actual.as_ref() == hash.1 { Ok(()) } else { Err(TimestampError::Attribute("signing certificate")) }
}

fn check_signature(cms: &SignedData<'_>, signer: &Certificate) -> Result<(), TimestampError> {
    let algorithm = AlgorithmIdentifierRef::from_der(cms.algorithm).map_err(der_error("timestamp"))?;
    let scheme = match algorithm.oid {
        RSA => Scheme::RsaPkcs1(Hash::from_oid(cms.hash)?),
        _ => Scheme::from_algorithm_identifier(cms.algorithm)?,
    };
    // What is signed is the attributes as a SET OF, while in the token they are tagged [0].
    let mut message = cms.signed_attributes.to_vec();
    if let Some(tag) = message.first_mut() {
        *tag = 0x31;
    }
    signer.public_key()?.verify(scheme, &message, cms.signature).map_err(TimestampError::Signature)
}

struct TstInfo<'a> {
    hash: ObjectIdentifier,
    imprint: &'a [u8],
    at: Timestamp,
    accuracy: SignedDuration,
}

impl<'a> TstInfo<'a> {
    fn read(der: &'a [u8]) -> DerResult<Self> {
        let mut fields = content(AnyRef::from_der(der)?, Tag::Sequence)?;
        expect(UintRef::decode(&mut fields)?.as_bytes() == [1])?;
        AnyRef::decode(&mut fields)?.tag().assert_eq(Tag::ObjectIdentifier)?;
        let mut imprint_fields = content(AnyRef::decode(&mut fields)?, Tag::Sequence)?;
        let hash = AlgorithmIdentifierRef::decode(&mut imprint_fields)?.oid;
        let imprint = <&OctetStringRef>::decode(&mut imprint_fields)?.as_bytes();
        AnyRef::decode(&mut fields)?.tag().assert_eq(Tag::Integer)?;
        let time = AnyRef::decode(&mut fields)?;
        time.tag().assert_eq(Tag::GeneralizedTime)?;
        let at = generalized_time(time.value()).ok_or(ErrorKind::DateTime)?;
        let has_accuracy = !fields.is_finished() && Tag::peek(&fields)? == Tag::Sequence;
        let accuracy = if has_accuracy { accuracy(AnyRef::decode(&mut fields)?)? } else { SignedDuration::ZERO };
        Ok(Self { hash, imprint, at, accuracy })
    }
}

/// `YYYYMMDDHHMMSS[.fraction]Z`: RFC 3161 allows the fraction that X.509 forbids, so the decoder's own type does not do.
fn generalized_time(text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let (digits, fraction) = text.strip_suffix('Z')?.split_at_checked(14)?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let date = format!("{}-{}-{}", &digits[..4], &digits[4..6], &digits[6..8]);
    let time = format!("{}:{}:{}", &digits[8..10], &digits[10..12], &digits[12..14]);
    format!("{date}T{time}{fraction}Z").parse().ok()
}

fn accuracy(value: AnyRef<'_>) -> DerResult<SignedDuration> {
    let mut reader = SliceReader::new(value.value())?;
    let mut total = SignedDuration::ZERO;
    while !reader.is_finished() {
        let part = AnyRef::decode(&mut reader)?;
        expect(part.value().len() <= 4)?;
        let number = part.value().iter().fold(0_i64, |sum, byte| sum << 8 | i64::from(*byte));
        let part = match (part.tag(), part.tag().number()) {
            (Tag::Integer, _) => SignedDuration::from_secs(number),
            (_, TagNumber(0)) => SignedDuration::from_millis(number),
            _ => SignedDuration::from_micros(number),
        };
        total = total.saturating_add(part);
    }
    Ok(total)
}
