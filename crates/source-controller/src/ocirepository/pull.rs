//! Phase: the manifest, the layer that the spec selects, and its content in a temporary file, verified.
//!
//! Deliberately nothing whole in memory but the manifest, and no look into the content: what is in the file is unpacked only after all of it
//! has been compared with its digest.

use std::collections::BTreeMap;
use std::path::PathBuf;

use sluice_api::source::{LayerOperation, OCIRepository};
use sluice_oci::{Client, Descriptor, Digest, ImageManifest, OciError, Platform};

use crate::source::workdir::WorkDirectory;

/// The largest layer, compressed. What it may unpack to is bounded by the archive's own limits.
const MAX_LAYER_BYTES: u64 = 2 << 30;

/// The annotations of a manifest that go into the status, keys and values together. An object of the API server has 1.5 MiB in all.
const MAX_ANNOTATION_BYTES: usize = 64 << 10;

/// The layer's name in its directory.
const LAYER_FILE: &str = "layer";

/// Why there is no content.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PullError {
    /// The registry did not give the manifest.
    #[error("failed to pull artifact from '{url}'")]
    Pull {
        url: String,
        #[source]
        source: OciError,
    },
    /// The manifest cannot be read.
    #[error("failed to parse artifact manifest")]
    Manifest(#[source] OciError),
    /// The manifest has nothing to take.
    #[error("no layers found in artifact")]
    NoLayers,
    /// No layer is of the selected type.
    #[error("failed to find layer with media type '{0}' in artifact")]
    NoSuchLayer(String),
    /// An operation that this version does not know.
    #[error("unsupported layer operation: {0}")]
    Operation(String),
    /// The registry did not give the layer that was to be unpacked.
    #[error("failed to extract layer contents from artifact")]
    Extract(#[source] OciError),
    /// The registry did not give the layer that was to be copied.
    #[error("failed to copy layer from artifact")]
    Copy(#[source] OciError),
    /// There is no temporary file to put it.
    #[error("failed to create a temporary file for the layer")]
    Temporary(#[source] std::io::Error),
}

/// What becomes of a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Unpack it and pack it anew.
    Extract,
    /// Store it as it is.
    Copy,
}

/// A layer on disk.
#[derive(Debug)]
pub(crate) struct Pulled {
    /// The directory, gone when dropped.
    pub(crate) dir: WorkDirectory,
    /// What to do with the layer.
    pub(crate) operation: Operation,
    /// The manifest's annotations.
    pub(crate) annotations: BTreeMap<String, String>,
}

impl Pulled {
    /// The layer's content.
    pub(crate) fn layer(&self) -> PathBuf {
        self.dir.path().join(LAYER_FILE)
    }
}

/// Fetches manifest and layer.
pub(crate) async fn pull(client: &Client, digest: &Digest, object: &OCIRepository) -> Result<Pulled, PullError> {
    let image = client.image(digest, &Platform::default()).await.map_err(|error| match error {
        error @ OciError::Malformed { .. } => PullError::Manifest(error),
        source => PullError::Pull { url: object.spec.url.clone(), source },
    })?;
    let ImageManifest { layers, annotations, .. } = image.manifest;
    let media_type = object.spec.layer_selector.as_ref().and_then(|selector| selector.media_type.as_deref());
    let layer = select(layers, media_type)?;
    let operation = match object.layer_operation() {
        LayerOperation::Extract => Operation::Extract,
        LayerOperation::Copy => Operation::Copy,
        LayerOperation::Other(text) => return Err(PullError::Operation(text)),
    };
    let dir = WorkDirectory::new().map_err(PullError::Temporary)?;
    let pulled = Pulled { dir, operation, annotations: bounded(annotations) };
    let mut file = tokio::fs::File::create_new(pulled.layer()).await.map_err(PullError::Temporary)?;
    client.blob(&layer, MAX_LAYER_BYTES, &mut file).await.map_err(|error| match operation {
        Operation::Extract => PullError::Extract(error),
        Operation::Copy => PullError::Copy(error),
    })?;
    Ok(pulled)
}

/// The first layer of a type, or the first of all.
fn select(layers: Vec<Descriptor>, media_type: Option<&str>) -> Result<Descriptor, PullError> {
    if layers.is_empty() {
        return Err(PullError::NoLayers);
    }
    let wanted = media_type.filter(|wanted| !wanted.is_empty());
    let fits = |layer: &Descriptor| wanted.is_none_or(|wanted| layer.media_type == wanted);
    layers.into_iter().find(fits).ok_or_else(|| PullError::NoSuchLayer(wanted.unwrap_or_default().to_owned()))
}

/// The annotations as far as a status has room for them: the short ones before the long ones.
fn bounded(annotations: BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut entries: Vec<_> = annotations.into_iter().collect();
    entries.sort_by_key(|(key, value)| key.len() + value.len());
    let (mut bytes, count) = (0, entries.len());
    let fits = |(key, value): &(String, String)| {
        bytes += key.len() + value.len();
        bytes <= MAX_ANNOTATION_BYTES
    };
    let kept: BTreeMap<_, _> = entries.into_iter().take_while(fits).collect();
    if kept.len() < count {
        tracing::warn!(left_out = count - kept.len(), "the manifest has more annotations than the status has room for");
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(media_type: &str, size: u64) -> Descriptor {
        Descriptor {
            media_type: media_type.to_owned(),
            digest: Digest::of(sluice_artifact::Algorithm::Sha256, media_type.as_bytes()),
            size,
            artifact_type: String::new(),
            annotations: BTreeMap::new(),
            platform: None,
        }
    }

    #[test]
    fn the_first_layer_of_the_type_is_taken_or_the_first_of_all() {
        let layers = || vec![layer("a", 1), layer("b", 2), layer("b", 3)];
        for (media_type, expected) in [(None, Ok(1)), (Some(""), Ok(1)), (Some("b"), Ok(2))] {
            let found = select(layers(), media_type).map(|layer| layer.size).map_err(|error| error.to_string());
            assert_eq!(found, expected, "{media_type:?}");
        }
        let error = select(layers(), Some("c")).expect_err("there is none");
        assert_eq!(error.to_string(), "failed to find layer with media type 'c' in artifact");
        let error = select(Vec::new(), None).expect_err("there is none");
        assert_eq!(error.to_string(), "no layers found in artifact");
    }

    #[test]
    fn long_annotations_are_left_out_where_there_is_no_room() {
        let short = ("org.opencontainers.image.revision".to_owned(), "main@sha1:0".to_owned());
        let long = ("a".to_owned(), "x".repeat(MAX_ANNOTATION_BYTES));
        let kept = bounded(BTreeMap::from([short.clone(), long]));
        assert_eq!(kept, BTreeMap::from([short]));
    }
}
