//! Sigstore bundles: one JSON document with envelope, certificate or key hint, log entries and timestamps.
//!
//! Versions 0.1 to 0.3 are read. Only the DSSE envelope with an in-toto statement is: that is what cosign 3 writes for OCI artifacts.

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::body::Signed;
use super::keyless::{self, Evidence};
use super::tlog::{Entry, Promise, Proof};
use super::{CandidateError, MAX_BUNDLE_BYTES, Signer, Trust, Verified, base64, is_bundle_media_type, key_that_signed};
use crate::x509::{Certificate, MAX_CHAIN};

/// How many log entries and timestamps of one bundle are read.
const MAX_ENTRIES: usize = 8;

/// How many subjects a statement may have. A release with many artifacts has tens.
const MAX_SUBJECTS: usize = 2048;

const IN_TOTO: &str = "application/vnd.in-toto+json";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Option<Envelope>,
    message_signature: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    certificate: Option<RawCertificate>,
    x509_certificate_chain: Option<RawChain>,
    #[serde(default)]
    tlog_entries: Vec<RawEntry>,
    timestamp_verification_data: Option<RawTimestamps>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawCertificate {
    raw_bytes: String,
}

#[derive(Deserialize)]
struct RawChain {
    certificates: Vec<RawCertificate>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTimestamps {
    #[serde(default)]
    rfc3161_timestamps: Vec<RawTimestamp>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawTimestamp {
    signed_timestamp: String,
}

/// The protobuf JSON of a log entry: 64 bit integers are strings, zero values are left out.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawEntry {
    #[serde(default)]
    log_index: Int64,
    log_id: RawLogId,
    #[serde(default)]
    integrated_time: Int64,
    inclusion_promise: Option<RawPromise>,
    inclusion_proof: Option<RawProof>,
    canonicalized_body: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawLogId {
    key_id: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawPromise {
    signed_entry_timestamp: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawProof {
    #[serde(default)]
    log_index: Int64,
    root_hash: String,
    #[serde(default)]
    tree_size: Int64,
    #[serde(default)]
    hashes: Vec<String>,
    checkpoint: RawCheckpoint,
}

#[derive(Deserialize)]
struct RawCheckpoint {
    envelope: String,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(try_from = "serde_json::Value")]
struct Int64(i64);

impl TryFrom<serde_json::Value> for Int64 {
    type Error = String;

    fn try_from(value: serde_json::Value) -> Result<Self, String> {
        let number = match &value {
            serde_json::Value::String(text) => text.parse().ok(),
            serde_json::Value::Number(number) => number.as_i64(),
            _ => None,
        };
        number.map(Self).ok_or_else(|| "not a 64 bit integer".to_owned())
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    sig: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Statement {
    #[serde(rename = "_type")]
    kind: String,
    subject: Vec<Subject>,
    predicate_type: String,
}

#[derive(Deserialize)]
struct Subject {
    #[serde(default)]
    digest: std::collections::BTreeMap<String, String>,
}

pub(super) fn verify(bytes: &[u8], digest: &str, trust: &Trust<'_>) -> Result<Verified, CandidateError> {
    if bytes.len() > MAX_BUNDLE_BYTES {
        return Err(CandidateError::TooLarge { what: "bundle", limit: MAX_BUNDLE_BYTES });
    }
    let bundle: Bundle =
        serde_json::from_slice(bytes).map_err(|source| CandidateError::Json { what: "bundle", source })?;
    if !is_bundle_media_type(&bundle.media_type) {
        return Err(CandidateError::Unsupported { what: "bundle", value: bundle.media_type });
    }
    if bundle.message_signature.is_some() {
        return Err(CandidateError::Unsupported { what: "bundle content", value: "messageSignature".to_owned() });
    }
    let envelope = bundle.dsse_envelope.ok_or(CandidateError::Missing("an envelope"))?;
    if envelope.payload_type != IN_TOTO {
        return Err(CandidateError::Unsupported { what: "payload type", value: envelope.payload_type });
    }
    let payload = base64(&envelope.payload, "envelope")?;
    let signature = match envelope.signatures.as_slice() {
        [signature] => base64(&signature.sig, "signature")?,
        // The log records one; with more it would be open which of them an entry and a certificate belong to.
        other => {
            return Err(CandidateError::Unsupported { what: "number of signatures", value: other.len().to_string() });
        }
    };
    let message = pre_authentication_encoding(&envelope.payload_type, &payload);
    let signer = match trust {
        Trust::Keys(keys) => Signer::Key(key_that_signed(keys, &message, &signature)?),
        Trust::Keyless { root, identities } => {
            let evidence = evidence(bundle.verification_material, &signature)?;
            let signed = Signed::Envelope { payload: &payload, message: &message, signature: &signature };
            let identity = keyless::verify(&evidence, &signed, root, identities)?;
            let key = evidence.certificate.public_key().map_err(CandidateError::Certificate)?;
            key.verify_sigstore(&message, &signature).map_err(|_| CandidateError::Signature)?;
            Signer::Identity(identity)
        }
    };
    let predicate_type = check_statement(&payload, digest)?;
    Ok(Verified { signer, predicate_type: Some(predicate_type) })
}

/// What a DSSE signature covers: `DSSEv1 <length> <type> <length> <payload>`.
pub(super) fn pre_authentication_encoding(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    message
}

/// The statement, which is believed by now, must be about the artifact. Returns its predicate type.
fn check_statement(payload: &[u8], digest: &str) -> Result<String, CandidateError> {
    let statement: Statement =
        serde_json::from_slice(payload).map_err(|source| CandidateError::Json { what: "statement", source })?;
    if !statement.kind.starts_with("https://in-toto.io/Statement/") {
        return Err(CandidateError::Unsupported { what: "statement", value: statement.kind });
    }
    let (algorithm, hex) = digest.split_once(':').ok_or(CandidateError::OtherArtifact)?;
    let mut subjects = statement.subject.iter().take(MAX_SUBJECTS);
    if subjects.any(|subject| subject.digest.get(algorithm).is_some_and(|value| value == hex)) {
        Ok(statement.predicate_type)
    } else {
        Err(CandidateError::OtherArtifact)
    }
}

fn evidence(material: Material, signature: &[u8]) -> Result<Evidence<'_>, CandidateError> {
    let raw = match (material.certificate, material.x509_certificate_chain) {
        (Some(certificate), _) => vec![certificate],
        (None, Some(chain)) => chain.certificates,
        (None, None) => return Err(CandidateError::Missing("a certificate")),
    };
    let mut certificates = Vec::new();
    for certificate in raw.iter().take(MAX_CHAIN) {
        let der = base64(&certificate.raw_bytes, "certificate")?;
        certificates.push(Certificate::from_der(&der).map_err(CandidateError::Certificate)?);
    }
    if certificates.is_empty() {
        return Err(CandidateError::Missing("a certificate"));
    }
    let certificate = certificates.remove(0);
    let entries = material.tlog_entries.into_iter().take(MAX_ENTRIES).map(entry).collect::<Result<_, _>>()?;
    let stamps = material.timestamp_verification_data.unwrap_or_default().rfc3161_timestamps;
    let timestamps = stamps
        .iter()
        .take(MAX_ENTRIES)
        .map(|stamp| base64(&stamp.signed_timestamp, "timestamp"))
        .collect::<Result<_, _>>()?;
    Ok(Evidence { certificate, intermediates: certificates, entries, timestamps, signature })
}

fn entry(raw: RawEntry) -> Result<Entry, CandidateError> {
    let promise = match raw.inclusion_promise {
        Some(promise) => Some(Promise {
            signature: base64(&promise.signed_entry_timestamp, "inclusion promise")?,
            log_index: raw.log_index.0,
        }),
        None => None,
    };
    let proof = match raw.inclusion_proof {
        Some(proof) => Some(Proof {
            log_index: u64::try_from(proof.log_index.0).map_err(|_| CandidateError::Missing("a log index"))?,
            tree_size: u64::try_from(proof.tree_size.0).map_err(|_| CandidateError::Missing("a tree size"))?,
            root_hash: base64(&proof.root_hash, "inclusion proof")?,
            hashes: proof.hashes.iter().map(|hash| base64(hash, "inclusion proof")).collect::<Result<_, _>>()?,
            checkpoint: proof.checkpoint.envelope,
        }),
        None => None,
    };
    let integrated_time = Some(raw.integrated_time.0).filter(|seconds| *seconds != 0);
    Ok(Entry {
        body: base64(&raw.canonicalized_body, "log entry")?,
        log_id: base64(&raw.log_id.key_id, "log identifier")?,
        integrated_time,
        promise,
        proof,
    })
}
