//! cosign 2's signatures: a "simple signing" payload as a layer, the signature and the rest as the layer's annotations.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::body::Signed;
use super::keyless::{self, Evidence};
use super::tlog::{Entry, Promise};
use super::{
    CandidateError, MAX_ANNOTATION_BYTES, MAX_CANDIDATES, MAX_PAYLOAD_BYTES, SIMPLE_SIGNING_MEDIA_TYPE, Signer, Trust,
    Verified, base64, key_that_signed,
};
use crate::x509::{Certificate, MAX_CHAIN};

const SIGNATURE: &str = "dev.cosignproject.cosign/signature";
const BUNDLE: &str = "dev.sigstore.cosign/bundle";
const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const CHAIN: &str = "dev.sigstore.cosign/chain";

/// A layer of the manifest at the signature tag.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct SimpleLayer {
    /// Digest of the blob that holds the payload.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
    /// Signature, certificate, chain and log entry.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    #[serde(rename = "mediaType")]
    media_type: String,
}

/// The layers of the manifest at [`super::signature_tag`] that are signatures, at most [`MAX_CANDIDATES`].
///
/// # Errors
///
/// The manifest does not decode.
pub fn simple_signatures(manifest: &[u8]) -> Result<Vec<SimpleLayer>, CandidateError> {
    #[derive(Deserialize)]
    struct Manifest {
        layers: Vec<SimpleLayer>,
    }
    let manifest: Manifest = serde_json::from_slice(manifest)
        .map_err(|source| CandidateError::Json { what: "signature manifest", source })?;
    let signatures = manifest.layers.into_iter().filter(|layer| layer.media_type == SIMPLE_SIGNING_MEDIA_TYPE);
    Ok(signatures.take(MAX_CANDIDATES).collect())
}

/// What is signed: `{"critical": {"image": {"docker-manifest-digest": ...}, "type": ...}}`.
#[derive(Deserialize)]
struct Payload {
    critical: Critical,
}

#[derive(Deserialize)]
struct Critical {
    image: Image,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct Image {
    #[serde(rename = "docker-manifest-digest")]
    digest: String,
}

/// The annotation with the transparency log's entry.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RekorBundle {
    signed_entry_timestamp: String,
    payload: RekorPayload,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RekorPayload {
    body: String,
    integrated_time: i64,
    log_index: i64,
    #[serde(rename = "logID")]
    log_id: String,
}

pub(super) fn verify(
    payload: &[u8],
    layer: &SimpleLayer,
    digest: &str,
    trust: &Trust<'_>,
) -> Result<Verified, CandidateError> {
    if payload.len() > MAX_PAYLOAD_BYTES {
        return Err(CandidateError::TooLarge { what: "payload", limit: MAX_PAYLOAD_BYTES });
    }
    let signature = base64(annotation(layer, SIGNATURE)?.ok_or(CandidateError::Missing("a signature"))?, "signature")?;
    let signer = match trust {
        Trust::Keys(keys) => Signer::Key(key_that_signed(keys, payload, &signature)?),
        Trust::Keyless { root, identities } => {
            let (certificate, intermediates) = certificates(layer)?;
            let entry = log_entry(layer)?;
            let signed = Signed::Message { payload, signature: &signature };
            let evidence = Evidence {
                certificate,
                intermediates,
                entries: vec![entry],
                timestamps: Vec::new(),
                signature: &signature,
            };
            let identity = keyless::verify(&evidence, &signed, root, identities)?;
            let verified = evidence.certificate.public_key().map_err(CandidateError::Certificate)?;
            verified.verify_sigstore(payload, &signature).map_err(|_| CandidateError::Signature)?;
            Signer::Identity(identity)
        }
    };
    // Read only now: the payload is believed from here on. Without this comparison a signature could be moved to another artifact.
    let parsed: Payload =
        serde_json::from_slice(payload).map_err(|source| CandidateError::Json { what: "payload", source })?;
    let kind = parsed.critical.kind;
    if kind != "cosign container image signature" && kind != "atomic container signature" {
        return Err(CandidateError::Unsupported { what: "payload", value: kind });
    }
    if parsed.critical.image.digest != digest {
        return Err(CandidateError::OtherArtifact);
    }
    Ok(Verified { signer, predicate_type: None })
}

fn annotation<'a>(layer: &'a SimpleLayer, name: &'static str) -> Result<Option<&'a str>, CandidateError> {
    match layer.annotations.get(name) {
        Some(value) if value.len() > MAX_ANNOTATION_BYTES => {
            Err(CandidateError::TooLarge { what: name, limit: MAX_ANNOTATION_BYTES })
        }
        Some(value) if !value.is_empty() => Ok(Some(value)),
        _ => Ok(None),
    }
}

fn certificates(layer: &SimpleLayer) -> Result<(Certificate, Vec<Certificate>), CandidateError> {
    let pem = annotation(layer, CERTIFICATE)?.ok_or(CandidateError::Missing("a certificate"))?;
    let mut leaf = Certificate::from_pem(pem.as_bytes(), 1).map_err(CandidateError::Certificate)?;
    let leaf = leaf.pop().ok_or(CandidateError::Missing("a certificate"))?;
    let chain = match annotation(layer, CHAIN)? {
        Some(pem) => Certificate::from_pem(pem.as_bytes(), MAX_CHAIN).map_err(CandidateError::Certificate)?,
        None => Vec::new(),
    };
    Ok((leaf, chain))
}

fn log_entry(layer: &SimpleLayer) -> Result<Entry, CandidateError> {
    let text = annotation(layer, BUNDLE)?.ok_or(CandidateError::Missing("a transparency log entry"))?;
    let bundle: RekorBundle =
        serde_json::from_str(text).map_err(|source| CandidateError::Json { what: "transparency log entry", source })?;
    let log_id = hex::decode(&bundle.payload.log_id).map_err(|_| CandidateError::Missing("a log identifier"))?;
    let promise = Promise {
        signature: base64(&bundle.signed_entry_timestamp, "signed entry timestamp")?,
        log_index: bundle.payload.log_index,
    };
    Ok(Entry {
        body: base64(&bundle.payload.body, "log entry")?,
        log_id,
        integrated_time: Some(bundle.payload.integrated_time),
        promise: Some(promise),
        proof: None,
    })
}
