//! Signed certificate timestamps (RFC 6962) embedded in a Fulcio certificate: a transparency log's word that the certificate is public.
//!
//! Only embedded ones; the detached form that cosign could once store is not read.

use jiff::Timestamp;
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier};
use x509_cert::der::{
    Decode, Encode, Header, Length, Reader, Result as DerResult, SliceReader, Tag, TagNumber, Tagged,
};

use super::checkpoint::sha256;
use super::trusted_root::{Log, TrustedRoot};
use crate::x509::{Certificate, X509Error, der_error, octet_string};

const SCT_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2");

/// How many timestamps of a certificate are looked at. Fulcio embeds one.
const MAX_SCTS: usize = 16;

/// Why no signed certificate timestamp is good.
#[derive(Debug, thiserror::Error)]
pub enum SctError {
    /// The certificate has none.
    #[error("certificate has no embedded one")]
    Missing,
    /// The list cannot be read.
    #[error("malformed list")]
    Malformed,
    /// The certificate cannot be taken apart.
    #[error("certificate")]
    Certificate(#[source] X509Error),
    /// None is by a trusted log, valid at that time, over this certificate.
    #[error("none is by a trusted log")]
    NoneValid,
}

/// One entry of the list.
struct Sct<'a> {
    log_id: &'a [u8],
    /// Milliseconds since 1970.
    timestamp: u64,
    extensions: &'a [u8],
    signature: &'a [u8],
}

/// Verifies that at least one embedded timestamp of `certificate`, which `issuer` signed, is by a log of `root`.
pub(super) fn verify(certificate: &Certificate, issuer: &Certificate, root: &TrustedRoot) -> Result<(), SctError> {
    let list = certificate.extension(SCT_LIST).ok_or(SctError::Missing)?;
    let list = octet_string(list).ok_or(SctError::Malformed)?;
    let timestamps = read_list(list).ok_or(SctError::Malformed)?;
    let tbs = certificate.tbs().map_err(SctError::Certificate)?;
    let precertificate = without_list(tbs).map_err(|source| SctError::Certificate(der_error("certificate")(source)))?;
    let issuer_key = sha256(&[&issuer.spki().map_err(SctError::Certificate)?]);
    let good = |sct: &Sct<'_>| {
        let message = signed_message(sct, &issuer_key, &precertificate);
        root.certificate_logs.iter().any(|log| message.as_ref().is_some_and(|message| is_by(sct, log, message)))
    };
    if timestamps.iter().any(good) { Ok(()) } else { Err(SctError::NoneValid) }
}

fn is_by(sct: &Sct<'_>, log: &Log, message: &[u8]) -> bool {
    let at = i64::try_from(sct.timestamp).ok().and_then(|milliseconds| Timestamp::from_millisecond(milliseconds).ok());
    log.id == sct.log_id
        && at.is_some_and(|at| log.valid.contains(at))
        && log.key.verify_sigstore(message, sct.signature).is_ok()
}

/// RFC 6962, section 3.2: `digitally-signed` for a precertificate entry.
fn signed_message(sct: &Sct<'_>, issuer_key: &[u8; 32], precertificate: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(precertificate.len()).ok()?.to_be_bytes();
    let extensions = u16::try_from(sct.extensions.len()).ok()?.to_be_bytes();
    // Version 1, certificate timestamp; then entry type "precertificate".
    let parts: [&[u8]; 8] = [
        &[0, 0],
        &sct.timestamp.to_be_bytes(),
        &[0, 1],
        issuer_key,
        length.get(1..)?,
        precertificate,
        &extensions,
        sct.extensions,
    ];
    Some(parts.concat())
}

/// TLS encoding: a list with a 16 bit length of items with 16 bit lengths.
fn read_list(list: &[u8]) -> Option<Vec<Sct<'_>>> {
    let (mut items, rest) = take_prefixed(list)?;
    if !rest.is_empty() {
        return None;
    }
    let mut found = Vec::new();
    while !items.is_empty() && found.len() < MAX_SCTS {
        let (item, rest) = take_prefixed(items)?;
        items = rest;
        // Another version is skipped, not refused.
        if item.first() == Some(&0) {
            found.push(read_sct(item.get(1..)?)?);
        }
    }
    Some(found)
}

fn read_sct(item: &[u8]) -> Option<Sct<'_>> {
    let (log_id, item) = item.split_at_checked(32)?;
    let (timestamp, item) = item.split_first_chunk::<8>()?;
    let (extensions, item) = take_prefixed(item)?;
    // Hash and signature algorithm: the log's key says how it signs.
    let (signature, rest) = take_prefixed(item.get(2..)?)?;
    rest.is_empty().then_some(Sct { log_id, timestamp: u64::from_be_bytes(*timestamp), extensions, signature })
}

fn take_prefixed(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

/// The signed part of the certificate as it was before the list of timestamps was put in.
fn without_list(tbs: &[u8]) -> DerResult<Vec<u8>> {
    const EXTENSIONS: Tag = Tag::ContextSpecific { constructed: true, number: TagNumber(3) };
    let mut fields = SliceReader::new(AnyRef::from_der(tbs)?.value())?;
    let mut kept = Vec::new();
    while !fields.is_finished() {
        let field = fields.tlv_bytes()?;
        let value = AnyRef::from_der(field)?;
        if value.tag() == EXTENSIONS {
            kept.extend(wrap(EXTENSIONS, &wrap(Tag::Sequence, &kept_extensions(value)?)?)?);
        } else {
            kept.extend_from_slice(field);
        }
    }
    wrap(Tag::Sequence, &kept)
}

fn kept_extensions(extensions: AnyRef<'_>) -> DerResult<Vec<u8>> {
    let mut reader = SliceReader::new(AnyRef::from_der(extensions.value())?.value())?;
    let mut kept = Vec::new();
    while !reader.is_finished() {
        let extension = reader.tlv_bytes()?;
        let oid: ObjectIdentifier =
            ObjectIdentifier::decode(&mut SliceReader::new(AnyRef::from_der(extension)?.value())?)?;
        if oid != SCT_LIST {
            kept.extend_from_slice(extension);
        }
    }
    Ok(kept)
}

fn wrap(tag: Tag, content: &[u8]) -> DerResult<Vec<u8>> {
    let mut wrapped = Header::new(tag, Length::try_from(content.len())?).to_der()?;
    wrapped.extend_from_slice(content);
    Ok(wrapped)
}
