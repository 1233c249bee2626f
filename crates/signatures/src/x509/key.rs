//! Public keys and the one act done with them: verifying a signature.
//!
//! `ring` does the cryptography, except for P-521, which it does not have. No SHA-1, no RSA below 2048 bits, no DSA, no secp256k1, no
//! Ed25519ph (cosign 3.1 signs bundles so with Ed25519 keys, but does not verify that with a public key either).

use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use x509_cert::der::asn1::{AnyRef, ObjectIdentifier, UintRef};
use x509_cert::der::{Decode, Reader, SliceReader};
use x509_cert::spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};

use super::{X509Error, der_error, pem};

const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");
const P384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.34");
const P521: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.132.0.35");
const RSA_PSS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.10");

const SIGNATURE_ALGORITHMS: [(ObjectIdentifier, Scheme); 7] = [
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2"), Scheme::EcdsaAsn1(Hash::Sha256)),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3"), Scheme::EcdsaAsn1(Hash::Sha384)),
    (ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4"), Scheme::EcdsaAsn1(Hash::Sha512)),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11"), Scheme::RsaPkcs1(Hash::Sha256)),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.12"), Scheme::RsaPkcs1(Hash::Sha384)),
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.13"), Scheme::RsaPkcs1(Hash::Sha512)),
    (ED25519, Scheme::Ed25519),
];

const HASHES: [(ObjectIdentifier, Hash); 3] = [
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1"), Hash::Sha256),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.2"), Hash::Sha384),
    (ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.3"), Hash::Sha512),
];

/// A hash function of the SHA-2 family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    pub(crate) fn from_oid(oid: ObjectIdentifier) -> Result<Self, X509Error> {
        let found = HASHES.iter().find(|(known, _)| *known == oid);
        found.map(|(_, hash)| *hash).ok_or_else(|| unsupported("hash algorithm", oid))
    }

    pub(crate) fn digest(self, data: &[u8]) -> ring::digest::Digest {
        let algorithm = match self {
            Self::Sha256 => &ring::digest::SHA256,
            Self::Sha384 => &ring::digest::SHA384,
            Self::Sha512 => &ring::digest::SHA512,
        };
        ring::digest::digest(algorithm, data)
    }
}

/// How a signature was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// ECDSA whose signature is the DER of two integers (X.509, cosign).
    EcdsaAsn1(Hash),
    /// ECDSA whose signature is two integers of fixed length (JOSE, COSE).
    EcdsaFixed(Hash),
    /// RSASSA-PKCS1-v1_5.
    RsaPkcs1(Hash),
    /// RSASSA-PSS with the salt as long as the hash and the same hash in the mask generation.
    RsaPss(Hash),
    /// Ed25519 over the message itself.
    Ed25519,
}

impl Scheme {
    /// Reads an X.509 `AlgorithmIdentifier` of a signature.
    pub(crate) fn from_algorithm_identifier(der: &[u8]) -> Result<Self, X509Error> {
        let algorithm = AlgorithmIdentifierRef::from_der(der).map_err(der_error("signature algorithm"))?;
        if algorithm.oid == RSA_PSS {
            return pss_hash(algorithm.parameters).map(Self::RsaPss);
        }
        let found = SIGNATURE_ALGORITHMS.iter().find(|(oid, _)| *oid == algorithm.oid);
        found.map(|(_, scheme)| *scheme).ok_or_else(|| unsupported("signature algorithm", algorithm.oid))
    }
}

/// `RSASSA-PSS-params ::= SEQUENCE { [0] hash, [1] mask generation, [2] salt length, [3] trailer }`: the hash is read; `ring` insists on
/// the same hash for the mask and on a salt of the hash's length, so a signature with other parameters does not verify.
fn pss_hash(parameters: Option<AnyRef<'_>>) -> Result<Hash, X509Error> {
    let absent = || unsupported("signature algorithm without parameters", RSA_PSS);
    let fields = parameters.ok_or_else(absent)?.value();
    let read = || {
        let hash = AnyRef::decode(&mut SliceReader::new(fields)?)?;
        AlgorithmIdentifierRef::from_der(hash.value()).map(|algorithm| algorithm.oid)
    };
    Hash::from_oid(read().map_err(der_error("RSASSA-PSS parameters"))?)
}

/// The signature is not this key's over this message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid signature")]
pub struct InvalidSignature;

/// The kinds of key that can verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521.
    P521,
    /// RSA.
    Rsa {
        /// Size of the modulus.
        bits: usize,
    },
    /// Ed25519.
    Ed25519,
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    kind: Kind,
    /// What `ring` takes: the point, PKCS#1's `RSAPublicKey`, or the 32 bytes.
    material: Vec<u8>,
    spki: Vec<u8>,
}

impl PublicKey {
    /// Reads a PEM text with one `PUBLIC KEY` block, or one of a `CERTIFICATE` whose key is taken.
    ///
    /// # Errors
    ///
    /// No such block, or a key that is not supported.
    pub fn from_pem(text: &[u8]) -> Result<Self, X509Error> {
        let blocks = pem::blocks(text, "PUBLIC KEY", super::MAX_CHAIN)?;
        let first = blocks.first().ok_or(X509Error::Pem { wanted: "PUBLIC KEY" })?;
        Self::from_spki(first)
    }

    /// Reads a DER `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    ///
    /// Malformed, or a kind, curve or size that is not supported.
    pub fn from_spki(spki: &[u8]) -> Result<Self, X509Error> {
        let info = SubjectPublicKeyInfoRef::from_der(spki).map_err(der_error("public key"))?;
        let malformed = || unsupported("bit string in a public key", info.algorithm.oid);
        let material = info.subject_public_key.as_bytes().ok_or_else(malformed)?;
        let kind = match info.algorithm.oid {
            EC => curve(&info.algorithm)?,
            RSA => Kind::Rsa { bits: rsa_bits(material)? },
            ED25519 => Kind::Ed25519,
            other => return Err(unsupported("key algorithm", other)),
        };
        Ok(Self { kind, material: material.to_vec(), spki: spki.to_vec() })
    }

    /// Which kind of key it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// The DER it was read from.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Verifies `signature` over `message`.
    ///
    /// # Errors
    ///
    /// Not this key's signature, or a scheme that this kind of key does not have.
    pub fn verify(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let algorithm: &dyn VerificationAlgorithm = match (self.kind, scheme) {
            (Kind::P256, Scheme::EcdsaAsn1(Hash::Sha256)) => &signature::ECDSA_P256_SHA256_ASN1,
            (Kind::P256, Scheme::EcdsaAsn1(Hash::Sha384)) => &signature::ECDSA_P256_SHA384_ASN1,
            (Kind::P256, Scheme::EcdsaFixed(Hash::Sha256)) => &signature::ECDSA_P256_SHA256_FIXED,
            (Kind::P384, Scheme::EcdsaAsn1(Hash::Sha256)) => &signature::ECDSA_P384_SHA256_ASN1,
            (Kind::P384, Scheme::EcdsaAsn1(Hash::Sha384)) => &signature::ECDSA_P384_SHA384_ASN1,
            (Kind::P384, Scheme::EcdsaFixed(Hash::Sha384)) => &signature::ECDSA_P384_SHA384_FIXED,
            (Kind::P521, Scheme::EcdsaAsn1(hash)) => {
                let parsed = p521::ecdsa::Signature::from_der(signature).map_err(|_| InvalidSignature)?;
                return self.verify_p521(hash, message, &parsed);
            }
            (Kind::P521, Scheme::EcdsaFixed(hash)) => {
                let parsed = p521::ecdsa::Signature::from_slice(signature).map_err(|_| InvalidSignature)?;
                return self.verify_p521(hash, message, &parsed);
            }
            (Kind::Rsa { .. }, Scheme::RsaPkcs1(Hash::Sha256)) => &signature::RSA_PKCS1_2048_8192_SHA256,
            (Kind::Rsa { .. }, Scheme::RsaPkcs1(Hash::Sha384)) => &signature::RSA_PKCS1_2048_8192_SHA384,
            (Kind::Rsa { .. }, Scheme::RsaPkcs1(Hash::Sha512)) => &signature::RSA_PKCS1_2048_8192_SHA512,
            (Kind::Rsa { .. }, Scheme::RsaPss(Hash::Sha256)) => &signature::RSA_PSS_2048_8192_SHA256,
            (Kind::Rsa { .. }, Scheme::RsaPss(Hash::Sha384)) => &signature::RSA_PSS_2048_8192_SHA384,
            (Kind::Rsa { .. }, Scheme::RsaPss(Hash::Sha512)) => &signature::RSA_PSS_2048_8192_SHA512,
            (Kind::Ed25519, Scheme::Ed25519) => &signature::ED25519,
            _ => return Err(InvalidSignature),
        };
        UnparsedPublicKey::new(algorithm, &self.material).verify(message, signature).map_err(|_| InvalidSignature)
    }

    fn verify_p521(
        &self,
        hash: Hash,
        message: &[u8],
        signature: &p521::ecdsa::Signature,
    ) -> Result<(), InvalidSignature> {
        use p521::ecdsa::signature::hazmat::PrehashVerifier;
        let key = p521::ecdsa::VerifyingKey::from_sec1_bytes(&self.material).map_err(|_| InvalidSignature)?;
        key.verify_prehash(hash.digest(message).as_ref(), signature).map_err(|_| InvalidSignature)
    }

    /// The schemes that Sigstore's clients use with this kind of key, likeliest first.
    ///
    /// cosign 2 always hashes with SHA-256; cosign 3 with the hash that goes with the curve.
    pub(crate) fn sigstore_schemes(&self) -> &'static [Scheme] {
        match self.kind {
            Kind::P256 => &[Scheme::EcdsaAsn1(Hash::Sha256)],
            Kind::P384 => &[Scheme::EcdsaAsn1(Hash::Sha384), Scheme::EcdsaAsn1(Hash::Sha256)],
            Kind::P521 => &[Scheme::EcdsaAsn1(Hash::Sha512), Scheme::EcdsaAsn1(Hash::Sha256)],
            Kind::Rsa { .. } => &[Scheme::RsaPkcs1(Hash::Sha256)],
            Kind::Ed25519 => &[Scheme::Ed25519],
        }
    }

    /// Verifies with any of Sigstore's schemes for this kind of key.
    pub(crate) fn verify_sigstore(&self, message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        let verified = self.sigstore_schemes().iter().any(|scheme| self.verify(*scheme, message, signature).is_ok());
        if verified { Ok(()) } else { Err(InvalidSignature) }
    }
}

fn curve(algorithm: &AlgorithmIdentifierRef<'_>) -> Result<Kind, X509Error> {
    let oid = algorithm.parameters_oid().map_err(|_| unsupported("curve of", EC))?;
    match oid {
        P256 => Ok(Kind::P256),
        P384 => Ok(Kind::P384),
        P521 => Ok(Kind::P521),
        other => Err(unsupported("curve", other)),
    }
}

/// Size of the modulus of PKCS#1's `RSAPublicKey`.
fn rsa_bits(der: &[u8]) -> Result<usize, X509Error> {
    let read = || {
        let sequence = AnyRef::from_der(der)?;
        let mut reader = SliceReader::new(sequence.value())?;
        let modulus = UintRef::decode(&mut reader)?;
        reader.drain(reader.remaining_len())?;
        let leading = modulus.as_bytes().first().map_or(0, |byte| byte.leading_zeros() as usize);
        Ok(modulus.as_bytes().len() * 8 - leading)
    };
    let bits = read().map_err(der_error("RSA public key"))?;
    if bits < 2048 { Err(X509Error::WeakKey { bits }) } else { Ok(bits) }
}

fn unsupported(what: &'static str, oid: ObjectIdentifier) -> X509Error {
    X509Error::Unsupported { what, oid: oid.to_string() }
}
