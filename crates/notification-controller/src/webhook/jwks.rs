//! Public keys of an issuer (a JWK set), and the algorithms they can check.
//!
//! Pure. Keys that are malformed or of a kind that is not known are skipped: an issuer may have some for others. Deliberately no
//! symmetric keys and no P-521, which the cryptography library does not have.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512,
    RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;

/// Most keys of an issuer that are kept. Each may have to be tried for a token that names none.
const MAX_KEYS: usize = 64;

/// An algorithm of signatures by private keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// RSA with PKCS #1 v1.5 padding.
    Rs256,
    /// The same with SHA-384.
    Rs384,
    /// The same with SHA-512.
    Rs512,
    /// RSA with PSS padding.
    Ps256,
    /// The same with SHA-384.
    Ps384,
    /// The same with SHA-512.
    Ps512,
    /// ECDSA on P-256.
    Es256,
    /// ECDSA on P-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
    ];

    /// The name in a token's header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// A public key with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    id: Option<String>,
    material: Material,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Material {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    /// Uncompressed points.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

impl Key {
    /// The key's name.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Whether the owner of this key signed `message`. A key of another kind than the algorithm's signs nothing.
    pub fn verifies(&self, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
        let rsa = |parameters: &'static RsaParameters| match &self.material {
            Material::Rsa { modulus, exponent } => {
                RsaPublicKeyComponents { n: modulus, e: exponent }.verify(parameters, message, signature).is_ok()
            }
            _ => false,
        };
        let curve = |algorithm: &'static dyn VerificationAlgorithm, point: Option<&Vec<u8>>| {
            point.is_some_and(|point| UnparsedPublicKey::new(algorithm, point).verify(message, signature).is_ok())
        };
        let (p256, p384, ed25519) = match &self.material {
            Material::P256(point) => (Some(point), None, None),
            Material::P384(point) => (None, Some(point), None),
            Material::Ed25519(point) => (None, None, Some(point)),
            Material::Rsa { .. } => (None, None, None),
        };
        match algorithm {
            Algorithm::Rs256 => rsa(&RSA_PKCS1_2048_8192_SHA256),
            Algorithm::Rs384 => rsa(&RSA_PKCS1_2048_8192_SHA384),
            Algorithm::Rs512 => rsa(&RSA_PKCS1_2048_8192_SHA512),
            Algorithm::Ps256 => rsa(&RSA_PSS_2048_8192_SHA256),
            Algorithm::Ps384 => rsa(&RSA_PSS_2048_8192_SHA384),
            Algorithm::Ps512 => rsa(&RSA_PSS_2048_8192_SHA512),
            Algorithm::Es256 => curve(&ECDSA_P256_SHA256_FIXED, p256),
            Algorithm::Es384 => curve(&ECDSA_P384_SHA384_FIXED, p384),
            Algorithm::EdDsa => curve(&ED25519, ed25519),
        }
    }
}

#[derive(Deserialize)]
struct JsonSet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct JsonKey {
    kty: String,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

/// The usable keys of a JWK set, at most 64; `None` when the text is no set.
pub fn parse(text: &[u8]) -> Option<Vec<Key>> {
    let set: JsonSet = serde_json::from_slice(text).ok()?;
    Some(set.keys.into_iter().filter_map(key).take(MAX_KEYS).collect())
}

fn key(json: serde_json::Value) -> Option<Key> {
    let JsonKey { kty, kid, crv, n, e, x, y } = serde_json::from_value(json).ok()?;
    let bytes = |field: Option<String>| URL_SAFE_NO_PAD.decode(field?.trim_end_matches('=')).ok();
    let material = match (kty.as_str(), crv.as_deref()) {
        ("RSA", _) => {
            // The verifier wants numbers without leading zeros.
            let number = |field| bytes(field).map(|b| b.into_iter().skip_while(|b| *b == 0).collect::<Vec<u8>>());
            Material::Rsa { modulus: number(n)?, exponent: number(e)? }
        }
        ("EC", Some("P-256")) => Material::P256(point(&bytes(x)?, &bytes(y)?, 32)?),
        ("EC", Some("P-384")) => Material::P384(point(&bytes(x)?, &bytes(y)?, 48)?),
        ("OKP", Some("Ed25519")) => Material::Ed25519(bytes(x)?),
        _ => return None,
    };
    Some(Key { id: kid.filter(|id| !id.is_empty()), material })
}

/// The uncompressed form of a point whose coordinates have `size` bytes each.
fn point(x: &[u8], y: &[u8], size: usize) -> Option<Vec<u8>> {
    let fits = x.len() == size && y.len() == size;
    fits.then(|| [&[4], x, y].concat())
}
