//! CMS `SignedData` (RFC 5652) as timestamps use it: one signer, signed attributes, a `TSTInfo` inside.
//!
//! Only taken apart here; what the parts must say is in [`super::timestamp`]. DER only, though CMS allows BER.

use x509_cert::der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use x509_cert::der::{Decode, ErrorKind, Reader, Result as DerResult, SliceReader, Tag, TagNumber, Tagged};
use x509_cert::spki::AlgorithmIdentifierRef;

use super::Certificate;

/// How many certificates a token may carry.
const MAX_EMBEDDED: usize = 16;

/// How many signed attributes there may be; timestamps have four or five.
const MAX_ATTRIBUTES: usize = 32;

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const SUBJECT_KEY_IDENTIFIER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.14");

/// The type of the content: a timestamp's.
pub(super) const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");

/// Hash algorithm (`None`: SHA-1) and hash of the first certificate of `SigningCertificate`.
pub(super) type CertificateHash<'a> = (Option<ObjectIdentifier>, &'a [u8]);

pub(super) fn signing_certificate_v1(value: &[u8]) -> DerResult<CertificateHash<'_>> {
    let mut fields = first_certificate_id(value)?;
    Ok((None, <&OctetStringRef>::decode(&mut fields)?.as_bytes()))
}

pub(super) fn signing_certificate_v2(value: &[u8]) -> DerResult<CertificateHash<'_>> {
    const SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
    let mut fields = first_certificate_id(value)?;
    let hash = match Tag::peek(&fields)? {
        Tag::Sequence => AlgorithmIdentifierRef::decode(&mut fields)?.oid,
        _ => SHA256,
    };
    Ok((Some(hash), <&OctetStringRef>::decode(&mut fields)?.as_bytes()))
}

fn first_certificate_id(value: &[u8]) -> DerResult<SliceReader<'_>> {
    let certificates = AnyRef::decode(&mut content(AnyRef::from_der(value)?, Tag::Sequence)?)?;
    content(AnyRef::decode(&mut content(certificates, Tag::Sequence)?)?, Tag::Sequence)
}

/// The parts of CMS `SignedData` with one signer.
pub(super) struct SignedData<'a> {
    pub(super) content: &'a [u8],
    pub(super) certificates: Vec<&'a [u8]>,
    pub(super) signer: SignerId<'a>,
    pub(super) hash: ObjectIdentifier,
    pub(super) signed_attributes: &'a [u8],
    pub(super) algorithm: &'a [u8],
    pub(super) signature: &'a [u8],
}

pub(super) enum SignerId<'a> {
    IssuerAndSerial { issuer: &'a [u8], serial: &'a [u8] },
    KeyIdentifier(&'a [u8]),
}

impl SignerId<'_> {
    pub(super) fn names(&self, certificate: &Certificate) -> bool {
        match self {
            Self::IssuerAndSerial { issuer, serial } => {
                let same_serial = trim(certificate.serial()) == trim(serial);
                same_serial && certificate.issuer_der().is_ok_and(|der| der == *issuer)
            }
            Self::KeyIdentifier(id) => {
                certificate.extension(SUBJECT_KEY_IDENTIFIER).and_then(super::octet_string) == Some(id)
            }
        }
    }
}

/// An integer's bytes without the zero that only keeps it positive.
fn trim(integer: &[u8]) -> &[u8] {
    integer.strip_prefix(&[0]).unwrap_or(integer)
}

impl<'a> SignedData<'a> {
    pub(super) fn read(token: &'a [u8]) -> DerResult<Self> {
        let mut info = content(AnyRef::from_der(token)?, Tag::Sequence)?;
        expect(ObjectIdentifier::decode(&mut info)? == SIGNED_DATA)?;
        let inner = explicit(AnyRef::decode(&mut info)?, 0)?;
        let mut fields = content(inner, Tag::Sequence)?;
        AnyRef::decode(&mut fields)?.tag().assert_eq(Tag::Integer)?;
        AnyRef::decode(&mut fields)?.tag().assert_eq(Tag::Set)?;
        let mut encapsulated = content(AnyRef::decode(&mut fields)?, Tag::Sequence)?;
        expect(ObjectIdentifier::decode(&mut encapsulated)? == TST_INFO)?;
        let octets = explicit(AnyRef::decode(&mut encapsulated)?, 0)?;
        octets.tag().assert_eq(Tag::OctetString)?;
        let mut certificates = Vec::new();
        let mut next = AnyRef::decode(&mut fields)?;
        while next.tag() != Tag::Set {
            if next.tag().number() == TagNumber(0) {
                let mut reader = SliceReader::new(next.value())?;
                while !reader.is_finished() {
                    expect(certificates.len() < MAX_EMBEDDED)?;
                    certificates.push(reader.tlv_bytes()?);
                }
            }
            next = AnyRef::decode(&mut fields)?;
        }
        let mut signers = SliceReader::new(next.value())?;
        let signer = AnyRef::decode(&mut signers)?;
        // RFC 3161: exactly one signature. A second one would not be looked at.
        signers.finish()?;
        Self::read_signer(octets.value(), certificates, signer)
    }

    fn read_signer(content_bytes: &'a [u8], certificates: Vec<&'a [u8]>, signer: AnyRef<'a>) -> DerResult<Self> {
        let mut fields = content(signer, Tag::Sequence)?;
        AnyRef::decode(&mut fields)?.tag().assert_eq(Tag::Integer)?;
        let id = AnyRef::decode(&mut fields)?;
        let signer = if id.tag() == Tag::Sequence {
            let mut pair = SliceReader::new(id.value())?;
            let issuer = pair.tlv_bytes()?;
            SignerId::IssuerAndSerial { issuer, serial: AnyRef::decode(&mut pair)?.value() }
        } else {
            SignerId::KeyIdentifier(id.value())
        };
        let hash = AlgorithmIdentifierRef::decode(&mut fields)?.oid;
        let signed_attributes = fields.tlv_bytes()?;
        expect(signed_attributes.first() == Some(&0xa0))?;
        let algorithm = fields.tlv_bytes()?;
        let signature = <&OctetStringRef>::decode(&mut fields)?.as_bytes();
        Ok(Self { content: content_bytes, certificates, signer, hash, signed_attributes, algorithm, signature })
    }

    /// The signed attributes: identifier and DER of the one value.
    pub(super) fn attributes(&self) -> DerResult<Vec<(ObjectIdentifier, &'a [u8])>> {
        let mut reader = SliceReader::new(AnyRef::from_der(self.signed_attributes)?.value())?;
        let mut found = Vec::new();
        while !reader.is_finished() {
            let mut fields = content(AnyRef::decode(&mut reader)?, Tag::Sequence)?;
            let oid = ObjectIdentifier::decode(&mut fields)?;
            let mut values = content(AnyRef::decode(&mut fields)?, Tag::Set)?;
            let value = values.tlv_bytes()?;
            values.finish()?;
            // An attribute that is there twice could be read in two ways.
            expect(found.len() < MAX_ATTRIBUTES && found.iter().all(|(known, _)| *known != oid))?;
            found.push((oid, value));
        }
        Ok(found)
    }
}

/// A reader over the content of `value`, which must have this tag.
pub(super) fn content(value: AnyRef<'_>, tag: Tag) -> DerResult<SliceReader<'_>> {
    value.tag().assert_eq(tag)?;
    SliceReader::new(value.value())
}

/// The value inside an explicit context-specific tag.
pub(super) fn explicit(value: AnyRef<'_>, number: u32) -> DerResult<AnyRef<'_>> {
    expect(value.tag() == Tag::ContextSpecific { constructed: true, number: TagNumber(number) })?;
    AnyRef::from_der(value.value())
}

pub(super) fn expect(holds: bool) -> DerResult<()> {
    if holds { Ok(()) } else { Err(ErrorKind::Failed.into()) }
}
