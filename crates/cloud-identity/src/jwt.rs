//! JSON Web Tokens: signing with an RSA key, and looking at the end of one that somebody else signed.
//!
//! Deliberately no verification: the tokens looked at came straight from their issuer over TLS, and are only kept by their end.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::Value;
use sluice_http_client::Secret;

/// The longest token whose claims are looked at.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// The two signatures in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    /// PKCS#1 v1.5.
    Rs256,
    /// PSS.
    Ps256,
}

impl Algorithm {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }

    fn encoding(self) -> &'static dyn RsaEncoding {
        match self {
            Self::Rs256 => &RSA_PKCS1_SHA256,
            Self::Ps256 => &RSA_PSS_SHA256,
        }
    }
}

/// A private key that cannot be used. Never holds key material.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// No PEM private key is in it. An encrypted one reads like this too.
    #[error("no unencrypted PEM private key in PKCS#1 or PKCS#8 form was found")]
    NotPem,
    /// It is a private key, but not RSA.
    #[error("the private key is not an RSA key")]
    NotRsa,
    /// It is an RSA key that is refused: too small, too large or inconsistent.
    #[error("the RSA private key was refused: {0}")]
    Refused(&'static str),
    /// Signing failed, for which only the machine's randomness can be the cause.
    #[error("failed to sign")]
    Sign,
}

/// An RSA private key, to sign with.
#[derive(Clone)]
pub struct RsaKey(Arc<RsaKeyPair>);

impl RsaKey {
    /// Reads the first private key of a PEM text, PKCS#1 or PKCS#8. 2048 to 4096 bits.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, KeyError> {
        let pair = match PrivateKeyDer::from_pem_slice(pem) {
            Ok(PrivateKeyDer::Pkcs1(der)) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
            Ok(PrivateKeyDer::Pkcs8(der)) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
            Ok(_) => return Err(KeyError::NotRsa),
            Err(_) => return Err(KeyError::NotPem),
        };
        match pair {
            Ok(pair) => Ok(Self(Arc::new(pair))),
            Err(rejected) if rejected.to_string() == "WrongAlgorithm" => Err(KeyError::NotRsa),
            Err(_) => Err(KeyError::Refused("it must have 2048 to 4096 bits and be consistent in itself")),
        }
    }

    /// A signed token. `header` gets `alg` and `typ` added; names are written in their order.
    pub(crate) fn sign(
        &self,
        algorithm: Algorithm,
        header: &[(&str, Value)],
        claims: &BTreeMap<&str, Value>,
    ) -> Result<Secret<String>, KeyError> {
        let own = [("alg", algorithm.name().into()), ("typ", "JWT".into())];
        let header: BTreeMap<&str, Value> = own.into_iter().chain(header.iter().cloned()).collect();
        let part = |fields: &BTreeMap<&str, Value>| {
            serde_json::to_vec(fields).map(|json| URL_SAFE_NO_PAD.encode(json)).map_err(|_| KeyError::Sign)
        };
        let signed = format!("{}.{}", part(&header)?, part(claims)?);
        let mut signature = vec![0; self.0.public().modulus_len()];
        let random = SystemRandom::new();
        let outcome = self.0.sign(algorithm.encoding(), &random, signed.as_bytes(), &mut signature);
        outcome.map_err(|_| KeyError::Sign)?;
        Ok(Secret::new(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
    }
}

impl fmt::Debug for RsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RsaKey(***)")
    }
}

/// The claim `exp` of a token, without verifying anything.
pub(crate) fn expiry(token: &str) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Claims {
        exp: f64,
    }
    timestamp(claims::<Claims>(token)?.exp)
}

/// The claim `sub` of a token, without verifying anything: for a token of one's own, to learn who one is.
pub fn subject(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claims {
        sub: String,
    }
    Some(claims::<Claims>(token)?.sub)
}

fn claims<T: serde::de::DeserializeOwned>(token: &str) -> Option<T> {
    if token.len() > MAX_TOKEN_BYTES {
        return None;
    }
    let claims = token.split('.').nth(1)?;
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).ok()?).ok()
}

/// A point in time from seconds since 1970, as JSON has them, fraction dropped.
pub(crate) fn timestamp(seconds: f64) -> Option<Timestamp> {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the cast saturates, and what is out of range is refused after it"
    )]
    Timestamp::from_second(seconds as i64).ok().filter(|_| seconds.is_finite())
}

#[cfg(test)]
mod tests;
