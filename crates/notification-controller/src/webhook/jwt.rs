//! Signed tokens (JWS in compact form): reading them, and checking signature, issuer, audience and time.
//!
//! Pure: keys and time are arguments. Deliberately no encrypted tokens, no symmetric algorithms (a public key must never serve as
//! their secret), and no trust in anything before the signature has been checked, the issuer's name aside, which only chooses the keys.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use thiserror::Error;

use super::jwks::{Algorithm, Key};

/// Longest token, in bytes. A header as a whole may have 256 KiB.
const MAX_TOKEN_BYTES: usize = 64 << 10;

/// How far another clock may be ahead of ours: a token that is valid only later is good for that long before.
const NOT_BEFORE_LEEWAY: SignedDuration = SignedDuration::from_mins(5);

/// Why a token is not good. Holds nothing of it.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum JwtError {
    /// Longer than any issuer's.
    #[error("the token is too long")]
    Bound,
    /// Not three parts with a header and claims.
    #[error("the token is not a JWT")]
    Parse,
    /// An algorithm that the issuer does not use, or none.
    #[error("the token is signed with an algorithm that is not accepted")]
    SelectAlgorithm,
    /// Extensions that must be understood, and are not.
    #[error("the token has critical extensions")]
    Critical,
    /// Another issuer.
    #[error("the token is of another issuer")]
    Issuer,
    /// Made for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// Too old, or without an end.
    #[error("the token is expired")]
    Expired,
    /// For later.
    #[error("the token is not valid yet")]
    NotYet,
    /// No key of the issuer made the signature.
    #[error("the token's signature is not good")]
    Signature,
}

/// A token that has been read and not checked.
#[derive(Debug)]
pub struct Token<'a> {
    signed: &'a str,
    signature: Vec<u8>,
    algorithm: String,
    key_id: Option<String>,
    claims: Value,
}

/// What a token must be.
#[derive(Clone, Copy, Debug)]
pub struct Expectation<'a> {
    /// The claim `iss`.
    pub issuer: &'a str,
    /// One of the claim `aud`.
    pub audience: &'a str,
    /// The time.
    pub now: Timestamp,
}

impl<'a> Token<'a> {
    /// Reads a token.
    ///
    /// # Errors
    /// Anything that is no signed token in compact form, and extensions that must be understood.
    pub fn parse(text: &'a str) -> Result<Self, JwtError> {
        if text.len() > MAX_TOKEN_BYTES {
            return Err(JwtError::Bound);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(JwtError::Parse)?;
        let (header, claims) = signed.split_once('.').ok_or(JwtError::Parse)?;
        let header = fields(header)?;
        let claims = Value::Object(fields(claims)?);
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| JwtError::Parse)?;
        if header.contains_key("crit") {
            return Err(JwtError::Critical);
        }
        let text = |name: &str| header.get(name).and_then(Value::as_str).map(str::to_owned);
        let algorithm = text("alg").ok_or(JwtError::Parse)?;
        let key_id = text("kid").filter(|id| !id.is_empty());
        Ok(Self { signed, signature, algorithm, key_id, claims })
    }

    /// The name of the key that signed it, if it has one.
    pub fn key_id(&self) -> Option<&str> {
        self.key_id.as_deref()
    }

    /// The claims, an object of which nothing is to be believed before the checks.
    pub fn unchecked_claims(&self) -> &Value {
        &self.claims
    }

    /// The claims, after the checks.
    pub fn into_claims(self) -> Value {
        self.claims
    }

    /// Checks issuer, audience and time. Without [`Token::check_signature`] that means nothing.
    ///
    /// # Errors
    /// What is not good first, in this order.
    pub fn check_claims(&self, expected: Expectation<'_>) -> Result<(), JwtError> {
        if self.claims.get("iss").and_then(Value::as_str) != Some(expected.issuer) {
            return Err(JwtError::Issuer);
        }
        let is_audience = |value: &Value| value.as_str() == Some(expected.audience);
        let for_us = match self.claims.get("aud") {
            Some(Value::Array(audiences)) => audiences.iter().any(is_audience),
            Some(audience) => is_audience(audience),
            None => false,
        };
        if !for_us {
            return Err(JwtError::Audience);
        }
        self.check_time(expected.now)
    }

    /// Checks that the token has not ended and has begun.
    ///
    /// # Errors
    /// No end, an end that is past, or a beginning that is more than five minutes away.
    pub fn check_time(&self, now: Timestamp) -> Result<(), JwtError> {
        let end = self.time("exp").ok_or(JwtError::Expired)?;
        if now > end {
            return Err(JwtError::Expired);
        }
        match self.claims.get("nbf") {
            None | Some(Value::Null) => Ok(()),
            Some(_) => match self.time("nbf") {
                Some(beginning) if now.saturating_add(NOT_BEFORE_LEEWAY).is_ok_and(|now| now >= beginning) => Ok(()),
                _ => Err(JwtError::NotYet),
            },
        }
    }

    /// Checks the signature with every key that may have made it.
    ///
    /// # Errors
    /// An algorithm that is not among these, or no key that fits.
    pub fn check_signature(&self, keys: &[Key], algorithms: &[Algorithm]) -> Result<(), JwtError> {
        let algorithm = algorithms.iter().find(|algorithm| algorithm.name() == self.algorithm);
        let algorithm = *algorithm.ok_or(JwtError::SelectAlgorithm)?;
        let may_be_it = |key: &&Key| self.key_id.is_none() || key.id() == self.key_id.as_deref();
        let made_it = |key: &Key| key.verifies(algorithm, self.signed.as_bytes(), &self.signature);
        if keys.iter().filter(may_be_it).any(made_it) { Ok(()) } else { Err(JwtError::Signature) }
    }

    /// A claim in seconds since 1970, fraction dropped.
    fn time(&self, claim: &str) -> Option<Timestamp> {
        let seconds = self.claims.get(claim)?.as_f64().filter(|seconds| seconds.is_finite())?;
        #[expect(clippy::cast_possible_truncation, reason = "the cast saturates, and what is out of range is refused")]
        Timestamp::from_second(seconds as i64).ok()
    }
}

/// The JSON object in a part of a token.
fn fields(part: &str) -> Result<Map<String, Value>, JwtError> {
    let decoded = URL_SAFE_NO_PAD.decode(part).map_err(|_| JwtError::Parse)?;
    serde_json::from_slice(&decoded).map_err(|_| JwtError::Parse)
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(in crate::webhook) mod vectors;
