//! The signatures of cosign in a registry: bundles attached to the artifact, else layers of the manifest at its signature tag.
//!
//! Deliberately one signature in memory at a time: each is verified before the next one is fetched.

use sluice_oci::{Client, Descriptor, Digest, Document, ImageManifest, OciError, Pointer, parse_digest};
use sluice_signatures::cosign::{
    Candidate, CosignError, IdentityPattern, MAX_BUNDLE_BYTES, MAX_CANDIDATES, MAX_PAYLOAD_BYTES, SimpleLayer, Trust,
    TrustedRoot, is_bundle_media_type, signature_tag, simple_signatures, verify,
};
use sluice_signatures::x509::key::PublicKey;

use super::{Verified, VerifyError, is_of_one};

/// Any of the keys.
pub(super) async fn verify_keys(client: &Client, digest: &Digest, keys: &[PublicKey]) -> Result<Verified, VerifyError> {
    let reference = || client.repository().at(*digest).to_string();
    if keys.is_empty() {
        return Err(VerifyError::NoMatch(reference()));
    }
    match any_signature(client, digest, &Trust::Keys(keys)).await? {
        Ok(()) => Ok(Verified::Good),
        Err(why) => {
            // The message has no room for it, and somebody will want to know.
            tracing::info!(error = sluice_runtime::logging::error_chain(&why), "no signature is good");
            Err(VerifyError::NoMatch(reference()))
        }
    }
}

/// Any of the identities.
pub(super) async fn verify_keyless(
    client: &Client,
    digest: &Digest,
    root: &TrustedRoot,
    identities: &[IdentityPattern],
) -> Result<Verified, VerifyError> {
    match any_signature(client, digest, &Trust::Keyless { root, identities }).await? {
        Ok(()) => Ok(Verified::Good),
        Err(source) => Err(VerifyError::Keyless { reference: client.repository().at(*digest).to_string(), source }),
    }
}

/// Tries signatures until one is good. The inner error is that of the first bad one, or that there are none.
async fn any_signature(
    client: &Client,
    digest: &Digest,
    trust: &Trust<'_>,
) -> Result<Result<(), CosignError>, OciError> {
    let mut attempts = Attempts { digest: digest.to_string(), trust, first: None };
    let mut bundles = 0;
    for entry in client.referrers(digest, None).await?.into_iter().take(MAX_CANDIDATES) {
        let Some(bundle) = tolerate(bundle(client, &entry).await)?.flatten() else { continue };
        bundles += 1;
        if attempts.is_good(Candidate::Bundle(bundle)) {
            return Ok(Ok(()));
        }
    }
    if bundles == 0 {
        for layer in simple_layers(client, digest).await? {
            let Some(payload) = tolerate(payload(client, &layer).await)?.flatten() else { continue };
            if attempts.is_good(Candidate::Simple { payload, layer }) {
                return Ok(Ok(()));
            }
        }
    }
    Ok(Err(attempts.first.unwrap_or(CosignError::NoSignatures)))
}

/// What was tried so far.
struct Attempts<'a> {
    digest: String,
    trust: &'a Trust<'a>,
    first: Option<CosignError>,
}

impl Attempts<'_> {
    fn is_good(&mut self, candidate: Candidate) -> bool {
        match verify(&[candidate], &self.digest, self.trust) {
            Ok(_) => true,
            Err(error) => {
                self.first.get_or_insert(error);
                false
            }
        }
    }
}

/// The bundle that something attached to an artifact is; `None` if it is something else.
async fn bundle(client: &Client, entry: &Descriptor) -> Result<Option<Vec<u8>>, OciError> {
    let Some(image) = image(client, Pointer::Digest(entry.digest)).await? else { return Ok(None) };
    match image.layers.first() {
        Some(layer) if is_bundle_media_type(&layer.media_type) => {
            client.blob_bytes(layer, MAX_BUNDLE_BYTES as u64).await.map(|bytes| Some(bytes.into()))
        }
        _ => Ok(None),
    }
}

async fn image(client: &Client, pointer: Pointer) -> Result<Option<ImageManifest>, OciError> {
    match client.manifest(&pointer).await?.document {
        Document::Image(image) => Ok(Some(*image)),
        Document::Index(_) => Ok(None),
    }
}

/// The signatures at the signature tag; none if there is no such tag.
async fn simple_layers(client: &Client, digest: &Digest) -> Result<Vec<SimpleLayer>, OciError> {
    let Ok(tag) = signature_tag(&digest.to_string()).parse() else { return Ok(Vec::new()) };
    let Some(manifest) = tolerate(client.manifest(&Pointer::Tag(tag)).await)? else { return Ok(Vec::new()) };
    Ok(simple_signatures(&manifest.bytes).unwrap_or_default())
}

async fn payload(client: &Client, layer: &SimpleLayer) -> Result<Option<Vec<u8>>, OciError> {
    let Ok(digest) = parse_digest(&layer.digest) else { return Ok(None) };
    let descriptor = Descriptor {
        media_type: String::new(),
        digest,
        size: layer.size,
        artifact_type: String::new(),
        annotations: std::collections::BTreeMap::new(),
        platform: None,
    };
    client.blob_bytes(&descriptor, MAX_PAYLOAD_BYTES as u64).await.map(|bytes| Some(bytes.into()))
}

/// An error of a single signature only means that this one is none.
fn tolerate<T>(result: Result<T, OciError>) -> Result<Option<T>, OciError> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if is_of_one(&error) => Ok(None),
        Err(error) => Err(error),
    }
}
