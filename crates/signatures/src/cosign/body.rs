//! The body of a transparency log entry, which must be about the very signature, certificate and payload at hand: otherwise any entry of
//! the log, with a convenient time, could be attached to any signature.
//!
//! Read are `hashedrekord` 0.0.1 and 0.0.2, `dsse` 0.0.1 and 0.0.2, and `intoto` 0.0.2.

use ::base64::Engine;
use ::base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::tlog::TlogError;
use crate::x509::Certificate;
use crate::x509::key::Hash;

/// What was signed and the signature.
#[derive(Clone, Copy)]
pub(super) enum Signed<'a> {
    /// Bytes as they are.
    Message { payload: &'a [u8], signature: &'a [u8] },
    /// The payload of a DSSE envelope.
    Envelope {
        payload: &'a [u8],
        /// Type and payload as the signature covers them.
        message: &'a [u8],
        signature: &'a [u8],
    },
}

/// What an entry says, in the terms of the signature.
struct Claim {
    hash: Hash,
    digest: Vec<u8>,
    signature: Vec<u8>,
    certificate: Certificate,
}

/// Checks that the entry with this body records `signed` by `certificate`.
pub(super) fn check(body: &[u8], signed: &Signed<'_>, certificate: &Certificate) -> Result<(), TlogError> {
    let body: Value = serde_json::from_slice(body).map_err(TlogError::Json)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default();
    let spec = body.get("spec").ok_or(TlogError::Body)?;
    let (kind, version) = (text("kind"), text("apiVersion"));
    let claim = match (kind, version, signed) {
        ("hashedrekord", "0.0.1", Signed::Message { .. }) => hashed_rekord_1(spec),
        // The only kind that Rekor 2 still writes; of an envelope it records what the signature covers, not the payload.
        ("hashedrekord", "0.0.2", _) => hashed_rekord_2(spec),
        ("dsse", "0.0.1", Signed::Envelope { .. }) => dsse_1(spec),
        ("dsse", "0.0.2", Signed::Envelope { .. }) => dsse_2(spec),
        ("intoto", "0.0.2", Signed::Envelope { .. }) => in_toto_2(spec),
        _ => return Err(TlogError::Kind { kind: kind.to_owned(), version: version.to_owned() }),
    };
    let claim = claim.ok_or(TlogError::Body)?;
    let (recorded, signature) = match signed {
        Signed::Envelope { message, signature, .. } if kind == "hashedrekord" => (message, signature),
        Signed::Message { payload, signature } | Signed::Envelope { payload, signature, .. } => (payload, signature),
    };
    let same = claim.hash.digest(recorded).as_ref() == claim.digest
        && claim.signature == *signature
        && claim.certificate == *certificate;
    if same { Ok(()) } else { Err(TlogError::OtherSignature) }
}

fn hashed_rekord_1(spec: &Value) -> Option<Claim> {
    let (hash, digest) = hash_1(spec.pointer("/data/hash")?)?;
    let signature = decoded(spec.pointer("/signature/content")?)?;
    let certificate = certificate_1(spec.pointer("/signature/publicKey/content")?)?;
    Some(Claim { hash, digest, signature, certificate })
}

fn hashed_rekord_2(spec: &Value) -> Option<Claim> {
    let spec = spec.get("hashedRekordV002")?;
    let (hash, digest) = hash_2(spec.get("data")?)?;
    let (signature, certificate) = signature_2(spec.get("signature")?)?;
    Some(Claim { hash, digest, signature, certificate })
}

fn dsse_1(spec: &Value) -> Option<Claim> {
    let (hash, digest) = hash_1(spec.get("payloadHash")?)?;
    let signature = only(spec.get("signatures")?)?;
    let certificate = certificate_1(signature.get("verifier")?)?;
    Some(Claim { hash, digest, signature: decoded(signature.get("signature")?)?, certificate })
}

fn dsse_2(spec: &Value) -> Option<Claim> {
    let spec = spec.get("dsseV002")?;
    let (hash, digest) = hash_2(spec.get("payloadHash")?)?;
    let (signature, certificate) = signature_2(only(spec.get("signatures")?)?)?;
    Some(Claim { hash, digest, signature, certificate })
}

/// This kind encodes the signature twice.
fn in_toto_2(spec: &Value) -> Option<Claim> {
    let (hash, digest) = hash_1(spec.pointer("/content/payloadHash")?)?;
    let signature = only(spec.pointer("/content/envelope/signatures")?)?;
    let certificate = certificate_1(signature.get("publicKey")?)?;
    let signature = STANDARD.decode(decoded(signature.get("sig")?)?).ok()?;
    Some(Claim { hash, digest, signature, certificate })
}

/// The one element of a list; more could be read in two ways.
fn only(list: &Value) -> Option<&Value> {
    match list.as_array()?.as_slice() {
        [one] => Some(one),
        _ => None,
    }
}

fn hash_1(value: &Value) -> Option<(Hash, Vec<u8>)> {
    let hash = match value.get("algorithm")?.as_str()? {
        "sha256" => Hash::Sha256,
        "sha384" => Hash::Sha384,
        "sha512" => Hash::Sha512,
        _ => return None,
    };
    Some((hash, hex::decode(value.get("value")?.as_str()?).ok()?))
}

fn hash_2(value: &Value) -> Option<(Hash, Vec<u8>)> {
    let hash = match value.get("algorithm")?.as_str()? {
        "SHA2_256" => Hash::Sha256,
        "SHA2_384" => Hash::Sha384,
        "SHA2_512" => Hash::Sha512,
        _ => return None,
    };
    Some((hash, decoded(value.get("digest")?)?))
}

/// The base64 of a certificate's PEM.
fn certificate_1(value: &Value) -> Option<Certificate> {
    Certificate::from_pem(&decoded(value)?, 1).ok()?.pop()
}

fn signature_2(value: &Value) -> Option<(Vec<u8>, Certificate)> {
    let certificate = decoded(value.pointer("/verifier/x509Certificate/rawBytes")?)?;
    Some((decoded(value.get("content")?)?, Certificate::from_der(&certificate).ok()?))
}

fn decoded(value: &Value) -> Option<Vec<u8>> {
    STANDARD.decode(value.as_str()?).ok()
}
