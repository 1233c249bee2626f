//! Certificates and timestamps made for tests.

use jiff::Timestamp;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SigningKey,
};

use super::Certificate;

/// A certificate with its key.
pub(crate) struct Made {
    pub(crate) key: KeyPair,
    pub(crate) params: CertificateParams,
    pub(crate) certificate: Certificate,
}

impl Made {
    /// For signing others with it.
    pub(crate) fn issuer(&self) -> Issuer<'_, &KeyPair> {
        Issuer::from_params(&self.params, &self.key)
    }

    /// The bytes this key signs `message` with, as DER for ECDSA.
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.key.sign(message).unwrap()
    }
}

/// Parameters with this common name and validity (whole days), no usages.
pub(crate) fn params(name: &str, from: (i32, u8, u8), to: (i32, u8, u8)) -> CertificateParams {
    let mut params = CertificateParams::default();
    for (kind, value) in
        [(DnType::CountryName, "DE"), (DnType::StateOrProvinceName, "Berlin"), (DnType::OrganizationName, "Test")]
    {
        params.distinguished_name.push(kind, value);
    }
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(from.0, from.1, from.2);
    params.not_after = rcgen::date_time_ymd(to.0, to.1, to.2);
    params
}

pub(crate) const LONG: ((i32, u8, u8), (i32, u8, u8)) = ((2020, 1, 1), (2040, 1, 1));

/// Parameters of a certificate authority.
pub(crate) fn authority_params(name: &str) -> CertificateParams {
    let mut params = params(name, LONG.0, LONG.1);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

/// Parameters of a leaf that may sign code.
pub(crate) fn code_signing_params(name: &str) -> CertificateParams {
    let mut params = params(name, LONG.0, LONG.1);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    params
}

/// A self-signed certificate.
pub(crate) fn self_signed(params: CertificateParams) -> Made {
    let key = KeyPair::generate().unwrap();
    let certificate = Certificate::from_der(params.self_signed(&key).unwrap().der()).unwrap();
    Made { key, params, certificate }
}

/// A certificate signed by `issuer`.
pub(crate) fn signed_by(issuer: &Made, params: CertificateParams) -> Made {
    let key = KeyPair::generate().unwrap();
    let certificate = Certificate::from_der(params.signed_by(&key, &issuer.issuer()).unwrap().der()).unwrap();
    Made { key, params, certificate }
}

/// A timestamp authority below `issuer`.
pub(crate) fn timestamp_authority(issuer: &Made) -> Made {
    let mut params = params("timestamps", LONG.0, LONG.1);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    // The extended key usage must be critical, which rcgen writes only by hand: SEQUENCE { id-kp-timeStamping }.
    let mut usage = rcgen::CustomExtension::from_oid_content(
        &[2, 5, 29, 37],
        tlv(0x30, &[&[0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x08]]),
    );
    usage.set_criticality(true);
    params.custom_extensions.push(usage);
    signed_by(issuer, params)
}

/// DER: tag, length, parts.
pub(crate) fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag];
    match content.len() {
        short @ 0..=127 => out.push(u8::try_from(short).unwrap()),
        long => {
            let bytes = u32::try_from(long).unwrap().to_be_bytes();
            let significant: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
            out.push(0x80 | u8::try_from(significant.len()).unwrap());
            out.extend(significant);
        }
    }
    out.extend(content);
    out
}

const SHA256: &[u8] = &[0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01];
const ECDSA_SHA256: &[u8] = &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const TST_INFO: &[u8] = &[0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x01, 0x04];
const SIGNED_DATA: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x02];
const CONTENT_TYPE: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x03];
const MESSAGE_DIGEST: &[u8] = &[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x04];
const SIGNING_CERTIFICATE_V2: &[u8] = &[0x06, 0x0b, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x10, 0x02, 0x2f];

/// A `TimeStampResp` of `authority` for `message` at `at`.
pub(crate) fn timestamp_response(authority: &Made, message: &[u8], at: Timestamp) -> Vec<u8> {
    tlv(0x30, &[&tlv(0x30, &[&[0x02, 0x01, 0x00]]), &timestamp_token(authority, message, at)])
}

/// A timestamp token of `authority` for `message` at `at`, with an accuracy of one second.
pub(crate) fn timestamp_token(authority: &Made, message: &[u8], at: Timestamp) -> Vec<u8> {
    let digest = |bytes: &[u8]| ring::digest::digest(&ring::digest::SHA256, bytes).as_ref().to_vec();
    let octets = |bytes: &[u8]| tlv(0x04, &[bytes]);
    let time = at.to_string().replace(['-', ':', 'T'], "");
    let imprint = tlv(0x30, &[SHA256, &octets(&digest(message))]);
    let accuracy = tlv(0x30, &[&[0x02, 0x01, 0x01]]);
    let policy: &[u8] = &[0x06, 0x03, 0x2a, 0x03, 0x04];
    let info = tlv(
        0x30,
        &[&[0x02, 0x01, 0x01], policy, &imprint, &[0x02, 0x01, 0x07], &tlv(0x18, &[time.as_bytes()]), &accuracy],
    );
    let certificate_id = tlv(0x30, &[&tlv(0x30, &[&tlv(0x30, &[&octets(&digest(authority.certificate.der()))])])]);
    let attributes = [
        tlv(0x30, &[CONTENT_TYPE, &tlv(0x31, &[TST_INFO])]),
        tlv(0x30, &[MESSAGE_DIGEST, &tlv(0x31, &[&octets(&digest(&info))])]),
        tlv(0x30, &[SIGNING_CERTIFICATE_V2, &tlv(0x31, &[&certificate_id])]),
    ]
    .concat();
    let signature = authority.sign(&tlv(0x31, &[&attributes]));
    let serial = tlv(0x02, &[authority.certificate.serial()]);
    let signer_id = tlv(0x30, &[&authority.certificate.issuer_der().unwrap(), &serial]);
    let signer = tlv(
        0x30,
        &[&[0x02, 0x01, 0x01], &signer_id, SHA256, &tlv(0xa0, &[&attributes]), ECDSA_SHA256, &octets(&signature)],
    );
    let content = tlv(0x30, &[TST_INFO, &tlv(0xa0, &[&octets(&info)])]);
    let data = tlv(
        0x30,
        &[
            &[0x02, 0x01, 0x03],
            &tlv(0x31, &[SHA256]),
            &content,
            &tlv(0xa0, &[authority.certificate.der()]),
            &tlv(0x31, &[&signer]),
        ],
    );
    tlv(0x30, &[SIGNED_DATA, &tlv(0xa0, &[&data])])
}

/// An error and its sources, joined as callers do.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
