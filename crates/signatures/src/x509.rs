//! X.509 certificates as the two signature formats of OCI artifacts use them: parsed once, with the raw bytes that signatures cover.
//!
//! Deliberately not a TLS verifier: no host names, no name constraints, no certificate policies, no revocation and no system roots.
//! [`chain`] builds paths to roots that the caller names, [`key`] verifies signatures, [`timestamp`] reads RFC 3161 tokens.

pub mod chain;
pub mod key;
pub(crate) mod pem;
mod signed_data;
pub mod timestamp;

use jiff::Timestamp;
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier, OctetStringRef};
use x509_cert::der::{Decode, Encode, Header, Reader, SliceReader, Tag, Tagged};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};

use key::{PublicKey, Scheme};

/// The largest certificate that is read. Fulcio's are 1 KiB; a certificate with a 4096 bit RSA key and long policies is 3 KiB.
pub const MAX_CERTIFICATE_BYTES: usize = 32 * 1024;

/// The longest chain, from leaf to root, that is read or built.
pub const MAX_CHAIN: usize = 8;

const CODE_SIGNING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3");
const TIME_STAMPING: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8");
const ANY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");
const SUBJECT_ALT_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.17");
/// Fulcio's other name for user names that are neither an e-mail address nor a URI.
const FULCIO_OTHER_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.7");
const CRL_DISTRIBUTION_POINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.31");
const AUTHORITY_INFO_ACCESS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.1.1");

/// Extensions that [`chain`] evaluates or that say nothing about whether a path is valid for our two purposes.
const UNDERSTOOD: [ObjectIdentifier; 4] = [
    ObjectIdentifier::new_unwrap("2.5.29.15"),
    ObjectIdentifier::new_unwrap("2.5.29.19"),
    ObjectIdentifier::new_unwrap("2.5.29.37"),
    SUBJECT_ALT_NAME,
];

/// Why a certificate, a key or a chain could not be read.
#[derive(Debug, thiserror::Error)]
pub enum X509Error {
    /// The bytes are larger than [`MAX_CERTIFICATE_BYTES`], or there are more certificates than the caller allows.
    #[error("certificates larger than the limit of {limit}")]
    TooLarge {
        /// The limit, in bytes or certificates.
        limit: usize,
    },
    /// The PEM text is damaged or holds no block of the wanted kind.
    #[error("no valid PEM block {wanted:?}")]
    Pem {
        /// The label that was looked for.
        wanted: &'static str,
    },
    /// The DER does not decode.
    #[error("malformed DER in {what}")]
    Der {
        /// What was being read.
        what: &'static str,
        /// The decoder's words.
        #[source]
        source: x509_cert::der::Error,
    },
    /// A key or signature algorithm that is not supported.
    #[error("unsupported {what} {oid}")]
    Unsupported {
        /// "key algorithm", "curve", "signature algorithm"...
        what: &'static str,
        /// Its object identifier.
        oid: String,
    },
    /// The key is weaker than what is accepted.
    #[error("RSA key of {bits} bits, at least 2048 are needed")]
    WeakKey {
        /// Size of the modulus.
        bits: usize,
    },
    /// A date outside the representable range.
    #[error("certificate with an impossible date")]
    Date,
}

pub(crate) fn der_error(what: &'static str) -> impl Fn(x509_cert::der::Error) -> X509Error {
    move |source| X509Error::Der { what, source }
}

/// A parsed certificate together with the bytes it was parsed from.
#[derive(Clone, Debug)]
pub struct Certificate {
    der: Vec<u8>,
    parsed: x509_cert::Certificate,
    not_before: Timestamp,
    not_after: Timestamp,
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

impl Certificate {
    /// Parses one certificate from its DER.
    ///
    /// # Errors
    ///
    /// Larger than [`MAX_CERTIFICATE_BYTES`], malformed, or followed by other bytes.
    pub fn from_der(der: &[u8]) -> Result<Self, X509Error> {
        if der.len() > MAX_CERTIFICATE_BYTES {
            return Err(X509Error::TooLarge { limit: MAX_CERTIFICATE_BYTES });
        }
        let parsed = x509_cert::Certificate::from_der(der).map_err(der_error("certificate"))?;
        let validity = parsed.tbs_certificate().validity();
        let not_before = instant(validity.not_before)?;
        let not_after = instant(validity.not_after)?;
        Ok(Self { der: der.to_vec(), parsed, not_before, not_after })
    }

    /// Parses every `CERTIFICATE` block of a PEM text; text between the blocks is skipped.
    ///
    /// # Errors
    ///
    /// None found, more than `limit`, or one that does not parse.
    pub fn from_pem(text: &[u8], limit: usize) -> Result<Vec<Self>, X509Error> {
        let blocks = pem::blocks(text, "CERTIFICATE", limit)?;
        blocks.iter().map(|der| Self::from_der(der)).collect()
    }

    /// The bytes that were parsed.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// First second of the validity.
    pub fn not_before(&self) -> Timestamp {
        self.not_before
    }

    /// Last second of the validity.
    pub fn not_after(&self) -> Timestamp {
        self.not_after
    }

    /// Whether `at` lies within the validity, both ends included.
    pub fn is_valid_at(&self, at: Timestamp) -> bool {
        self.not_before <= at && at <= self.not_after
    }

    /// The subject in RFC 4514's notation, for messages.
    pub fn subject(&self) -> String {
        self.parsed.tbs_certificate().subject().to_string()
    }

    /// The attributes of the subject: object identifier and text, in the certificate's order; `None` for a value that is no text.
    pub(crate) fn subject_attributes(&self) -> Vec<Vec<(ObjectIdentifier, Option<String>)>> {
        let subject = self.parsed.tbs_certificate().subject();
        subject.iter_rdn().map(|rdn| rdn.iter().map(|pair| (pair.oid, attribute_text(&pair.value))).collect()).collect()
    }

    /// The public key.
    ///
    /// # Errors
    ///
    /// A kind or size of key that is not supported.
    pub fn public_key(&self) -> Result<PublicKey, X509Error> {
        PublicKey::from_spki(&self.spki()?)
    }

    /// The `SubjectPublicKeyInfo` as DER.
    pub(crate) fn spki(&self) -> Result<Vec<u8>, X509Error> {
        self.parsed.tbs_certificate().subject_public_key_info().to_der().map_err(der_error("public key"))
    }

    /// Whether the subject and the issuer are the same name. Says nothing about who signed it.
    pub fn is_self_issued(&self) -> bool {
        self.parsed.tbs_certificate().subject() == self.parsed.tbs_certificate().issuer()
    }

    /// Whether `issuer`'s name is this certificate's issuer and its key made this certificate's signature.
    pub fn is_signed_by(&self, issuer: &Self) -> bool {
        self.parsed.tbs_certificate().issuer() == issuer.parsed.tbs_certificate().subject()
            && self.verify_signature(issuer).unwrap_or(false)
    }

    fn verify_signature(&self, issuer: &Self) -> Result<bool, X509Error> {
        // The inner algorithm is signed, the outer one is not: unless they agree an attacker chooses how the signature is read.
        if self.parsed.signature_algorithm() != self.parsed.tbs_certificate().signature() {
            return Ok(false);
        }
        let Some(signature) = self.parsed.signature().as_bytes() else { return Ok(false) };
        let algorithm = self.parsed.signature_algorithm().to_der().map_err(der_error("signature algorithm"))?;
        let scheme = Scheme::from_algorithm_identifier(&algorithm)?;
        Ok(issuer.public_key()?.verify(scheme, self.tbs()?, signature).is_ok())
    }

    /// Whether the certificate's own signature uses an algorithm that is supported; SHA-1 is not.
    pub(crate) fn has_supported_signature(&self) -> bool {
        let algorithm = self.parsed.signature_algorithm().to_der();
        algorithm.is_ok_and(|algorithm| Scheme::from_algorithm_identifier(&algorithm).is_ok())
    }

    /// The signed part, as it stands in the certificate.
    pub(crate) fn tbs(&self) -> Result<&[u8], X509Error> {
        let read = || {
            let mut reader = SliceReader::new(&self.der)?;
            Header::decode(&mut reader)?;
            reader.tlv_bytes()
        };
        read().map_err(der_error("certificate"))
    }

    /// Serial number, without leading zeros that DER does not need.
    pub(crate) fn serial(&self) -> &[u8] {
        self.parsed.tbs_certificate().serial_number().as_bytes()
    }

    /// The issuer's name as DER.
    pub(crate) fn issuer_der(&self) -> Result<Vec<u8>, X509Error> {
        self.parsed.tbs_certificate().issuer().to_der().map_err(der_error("issuer"))
    }

    /// The value of the one extension with this identifier; `None` when it is absent or there twice.
    pub(crate) fn extension(&self, oid: ObjectIdentifier) -> Option<&[u8]> {
        let mut found = self.parsed.tbs_certificate().extensions()?.iter().filter(|extension| extension.extn_id == oid);
        let first = found.next()?;
        found.next().is_none().then(|| first.extn_value.as_bytes())
    }

    pub(crate) fn basic_constraints(&self) -> Option<(bool, BasicConstraints)> {
        self.parsed.tbs_certificate().get_extension().ok().flatten()
    }

    pub(crate) fn key_usage(&self) -> Option<(bool, KeyUsage)> {
        self.parsed.tbs_certificate().get_extension().ok().flatten()
    }

    pub(crate) fn extended_key_usage(&self) -> Option<(bool, Vec<ObjectIdentifier>)> {
        let found: Option<(bool, ExtendedKeyUsage)> = self.parsed.tbs_certificate().get_extension().ok().flatten();
        found.map(|(critical, usages)| (critical, usages.0))
    }

    /// Whether this is a certificate that may sign others.
    pub(crate) fn is_ca(&self) -> bool {
        self.basic_constraints().is_some_and(|(_, constraints)| constraints.ca)
    }

    /// Whether there is a critical extension that nothing here evaluates.
    pub(crate) fn has_unknown_critical_extension(&self) -> bool {
        let extensions = self.parsed.tbs_certificate().extensions().map_or(&[][..], Vec::as_slice);
        extensions.iter().any(|extension| extension.critical && !UNDERSTOOD.contains(&extension.extn_id))
    }

    /// The subject alternative names that are texts: e-mail addresses, URIs, DNS names and Fulcio's user names.
    pub fn alternative_names(&self) -> Vec<String> {
        let Some(value) = self.extension(SUBJECT_ALT_NAME) else { return Vec::new() };
        let Ok(names) = SubjectAltName::from_der(value) else { return Vec::new() };
        names.0.iter().filter_map(name_text).collect()
    }

    /// Whether the certificate names a place where its revocation could be asked for (OCSP or CRL).
    pub fn names_revocation_source(&self) -> bool {
        self.extension(CRL_DISTRIBUTION_POINTS).is_some()
            || self.extension(AUTHORITY_INFO_ACCESS).is_some_and(names_ocsp)
    }
}

/// id-ad-ocsp, as DER, inside the authority information access.
fn names_ocsp(value: &[u8]) -> bool {
    const OCSP: [u8; 10] = [0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01];
    value.windows(OCSP.len()).any(|window| window == OCSP)
}

fn name_text(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::Rfc822Name(text) | GeneralName::DnsName(text) | GeneralName::UniformResourceIdentifier(text) => {
            Some(text.as_str().to_owned())
        }
        GeneralName::OtherName(other) if other.type_id == FULCIO_OTHER_NAME => attribute_text(&other.value),
        _ => None,
    }
}

/// The text of a DER string: UTF-8, printable, IA5 or visible. Teletex and BMP strings are not read.
fn attribute_text(value: &x509_cert::der::Any) -> Option<String> {
    let readable = matches!(value.tag(), Tag::Utf8String | Tag::PrintableString | Tag::Ia5String | Tag::VisibleString);
    readable.then(|| String::from_utf8(value.value().to_vec()).ok()).flatten()
}

/// The content of a DER `UTF8String`, which is how Fulcio's newer extensions hold their text.
pub(crate) fn utf8_string(der: &[u8]) -> Option<String> {
    let value = AnyRef::from_der(der).ok()?;
    (value.tag() == Tag::Utf8String).then(|| String::from_utf8(value.value().to_vec()).ok()).flatten()
}

/// The content of a DER OCTET STRING.
pub(crate) fn octet_string(der: &[u8]) -> Option<&[u8]> {
    <&OctetStringRef>::from_der(der).ok().map(OctetStringRef::as_bytes)
}

fn instant(time: x509_cert::time::Time) -> Result<Timestamp, X509Error> {
    let seconds = i64::try_from(time.to_unix_duration().as_secs()).map_err(|_| X509Error::Date)?;
    // jiff ends at the year 9999, as X.509 does: a certificate "without end" has 9999-12-31T23:59:59Z.
    Ok(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
