//! The signatures of Notation in a registry: manifests attached to the artifact, with one envelope each.
//!
//! Deliberately nothing is fetched for an artifact for which the policy demands nothing.

use jiff::Timestamp;
use sluice_oci::{Client, Descriptor, Digest, OciError, Pointer, parse_digest};
use sluice_signatures::notation::{
    ARTIFACT_TYPE, Artifact, MAX_ENVELOPE_BYTES, MAX_SIGNATURES, Outcome, Requirement, SignatureBlob, Trust,
    revocation, signature_layer, verify as verify_signatures,
};

use super::{NotationTrust, Verified, VerifyError, is_of_one};

/// The most attached manifests that are looked at in search of signatures.
const MAX_ATTACHED: usize = 50;

/// Whether the policy accepts the artifact.
pub(super) async fn verify(
    client: &Client,
    digest: &Digest,
    trust: &NotationTrust,
    now: Timestamp,
) -> Result<Verified, VerifyError> {
    let reference = client.repository().at(*digest).to_string();
    let requirement = trust.policy.requirement(&reference);
    let requirement = requirement
        .map_err(|error| VerifyError::Notation(sluice_signatures::notation::NotationError::Policy(error)))?;
    if requirement == Requirement::Skip {
        return Ok(Verified::Ignored);
    }
    let manifest = client.manifest(&Pointer::Digest(*digest)).await?;
    let artifact = Artifact {
        reference,
        media_type: manifest.media_type,
        digest: digest.to_string(),
        size: manifest.bytes.len() as u64,
    };
    let signatures = signatures(client, digest).await?;
    let certificates = &trust.certificates;
    let trust = Trust { policy: &trust.policy, certificates, revocation: &revocation::Offline };
    match verify_signatures(&artifact, &signatures, &trust, now).map_err(VerifyError::Notation)? {
        Outcome::Verified { .. } => Ok(Verified::Good),
        Outcome::Ignored { .. } => Ok(Verified::Ignored),
    }
}

/// The first signatures in the registry's order: [`MAX_SIGNATURES`] of [`MAX_ENVELOPE_BYTES`] each at the most.
async fn signatures(client: &Client, digest: &Digest) -> Result<Vec<SignatureBlob>, OciError> {
    let mut found = Vec::new();
    let attached = client.referrers(digest, None).await?;
    // An index may leave the type out; the manifest says it, then.
    let may_be = |entry: &Descriptor| entry.artifact_type.is_empty() || entry.artifact_type == ARTIFACT_TYPE;
    for entry in attached.into_iter().filter(may_be).take(MAX_ATTACHED) {
        match signature(client, &entry).await {
            Ok(signature) => found.extend(signature),
            Err(error) if is_of_one(&error) => {}
            Err(error) => return Err(error),
        }
        if found.len() == MAX_SIGNATURES {
            break;
        }
    }
    Ok(found)
}

async fn signature(client: &Client, entry: &Descriptor) -> Result<Option<SignatureBlob>, OciError> {
    let manifest = client.manifest(&Pointer::Digest(entry.digest)).await?;
    let Some(layer) = signature_layer(&manifest.bytes) else { return Ok(None) };
    let Ok(digest) = parse_digest(&layer.digest) else { return Ok(None) };
    let descriptor = Descriptor {
        media_type: layer.media_type.clone(),
        digest,
        size: layer.size,
        artifact_type: String::new(),
        annotations: std::collections::BTreeMap::new(),
        platform: None,
    };
    let bytes = client.blob_bytes(&descriptor, MAX_ENVELOPE_BYTES as u64).await?;
    Ok(Some(SignatureBlob { media_type: layer.media_type, bytes: bytes.into() }))
}
