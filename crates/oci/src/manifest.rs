//! Manifests and indexes: what they hold, and which image of an index is meant.
//!
//! Deliberately not supported: Docker's first schema (signed, without digests of its own) and documents that could be read as both an
//! image and an index, which two readers would understand differently.

use std::collections::BTreeMap;
use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Deserializer};
use sluice_artifact::Digest;

use crate::parse_digest;

/// The largest manifest or index that is read: what registries themselves commonly accept.
pub const MAX_MANIFEST_BYTES: u64 = 4 << 20;

/// Media types that registries know.
pub mod media_type {
    /// An image.
    pub const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
    /// An index of images.
    pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
    /// Docker's image.
    pub const DOCKER_IMAGE: &str = "application/vnd.docker.distribution.manifest.v2+json";
    /// Docker's index of images.
    pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
}

/// What is asked for where a manifest is: all that can be read, in one header.
pub(crate) const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json, \
     application/vnd.docker.distribution.manifest.v2+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// Where content is: type, digest and size.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// Its media type.
    #[serde(default, deserialize_with = "null_as_default")]
    pub media_type: String,
    /// Its digest.
    #[serde(deserialize_with = "registry_digest")]
    pub digest: Digest,
    /// Its size in bytes.
    pub size: u64,
    /// What kind of artifact a manifest is; empty where that is not said.
    #[serde(default, deserialize_with = "null_as_default")]
    pub artifact_type: String,
    /// Annotations.
    #[serde(default, deserialize_with = "null_as_default")]
    pub annotations: BTreeMap<String, String>,
    /// What an image in an index runs on.
    #[serde(default)]
    pub platform: Option<Platform>,
}

/// What an image runs on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Platform {
    /// The operating system.
    #[serde(default)]
    pub os: String,
    /// The processor.
    #[serde(default)]
    pub architecture: String,
    /// A variant of the processor; empty means any when asked for.
    #[serde(default)]
    pub variant: String,
    /// The version of the operating system; empty means any when asked for.
    #[serde(default, rename = "os.version")]
    pub os_version: String,
}

impl Default for Platform {
    /// linux/amd64: whatever machine this runs on, what is pulled is the same.
    fn default() -> Self {
        Self {
            os: "linux".to_owned(),
            architecture: "amd64".to_owned(),
            variant: String::new(),
            os_version: String::new(),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.os, self.architecture)?;
        if self.variant.is_empty() { Ok(()) } else { write!(f, "/{}", self.variant) }
    }
}

impl Platform {
    /// Whether this is what `wanted` asks for.
    fn satisfies(&self, wanted: &Self) -> bool {
        self.os == wanted.os
            && self.architecture == wanted.architecture
            && (wanted.variant.is_empty() || self.variant == wanted.variant)
            && (wanted.os_version.is_empty() || self.os_version == wanted.os_version)
    }
}

/// An image: a configuration and layers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    /// What kind of artifact it is; empty where the configuration's type says it.
    #[serde(default, deserialize_with = "null_as_default")]
    pub artifact_type: String,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, lowest first.
    #[serde(default, deserialize_with = "null_as_default")]
    pub layers: Vec<Descriptor>,
    /// What the image is attached to.
    #[serde(default)]
    pub subject: Option<Descriptor>,
    /// Annotations.
    #[serde(default, deserialize_with = "null_as_default")]
    pub annotations: BTreeMap<String, String>,
}

/// An index: images, by platform or attached to something.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Its entries. Those that are no descriptors are left out.
    #[serde(default, deserialize_with = "readable")]
    pub manifests: Vec<Descriptor>,
    /// Annotations.
    #[serde(default, deserialize_with = "null_as_default")]
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// The first entry for the platform. An entry that names none counts as one for the default platform.
    pub fn select(&self, wanted: &Platform) -> Option<&Descriptor> {
        let default = Platform::default();
        self.manifests.iter().find(|entry| entry.platform.as_ref().unwrap_or(&default).satisfies(wanted))
    }
}

/// A manifest as it was pulled: its bytes, which its digest is of, and what they say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The digest of the bytes.
    pub digest: Digest,
    /// Its media type.
    pub media_type: String,
    /// The bytes.
    pub bytes: Bytes,
    /// What they say.
    pub document: Document,
}

/// What a manifest is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// An image.
    Image(Box<ImageManifest>),
    /// An index.
    Index(Index),
}

/// An image, found directly or through an index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// The digest of the image's own manifest.
    pub digest: Digest,
    /// The bytes of that manifest.
    pub bytes: Bytes,
    /// What they say.
    pub manifest: ImageManifest,
}

/// The fields that tell the documents apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    schema_version: Option<u64>,
    #[serde(default, deserialize_with = "null_as_default")]
    media_type: String,
    manifests: Option<serde::de::IgnoredAny>,
    config: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
}

impl Manifest {
    /// Reads a manifest whose digest is known to be right. `content_type` is what the registry called it, which counts only where the
    /// document does not say itself what it is.
    ///
    /// # Errors
    /// What is wrong with it, as text.
    pub(crate) fn parse(bytes: Bytes, digest: Digest, content_type: &str) -> Result<Self, String> {
        let shape: Shape = serde_json::from_slice(&bytes).map_err(|error| format!("not a manifest: {error}"))?;
        if shape.schema_version != Some(2) {
            return Err("unsupported manifest schema version".to_owned());
        }
        let is_image = shape.config.is_some() || shape.layers.is_some();
        let is_index = shape.manifests.is_some();
        if is_image && is_index {
            return Err("neither an image nor an index: it has the fields of both".to_owned());
        }
        let content_type = content_type.split(';').next().unwrap_or_default().trim();
        let media_type = if shape.media_type.is_empty() { content_type } else { &shape.media_type };
        let wants_index = match media_type {
            media_type::IMAGE | media_type::DOCKER_IMAGE => false,
            media_type::INDEX | media_type::DOCKER_INDEX => true,
            // A registry without a type for it, and a document without one of its own.
            "" | "application/json" | "application/octet-stream" | "text/plain" => is_index,
            other => return Err(format!("unsupported media type '{}'", other.escape_debug())),
        };
        if (wants_index && is_image) || (!wants_index && is_index) {
            return Err(format!("its fields are not those of media type '{media_type}'"));
        }
        let malformed = |error: serde_json::Error| format!("malformed manifest: {error}");
        let document = if wants_index {
            Document::Index(serde_json::from_slice(&bytes).map_err(malformed)?)
        } else {
            Document::Image(Box::new(serde_json::from_slice(&bytes).map_err(malformed)?))
        };
        let media_type = media_type.to_owned();
        Ok(Self { digest, media_type, bytes, document })
    }
}

fn registry_digest<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_digest(&text).map_err(serde::de::Error::custom)
}

/// Go writes empty lists and maps as null.
fn null_as_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// The entries that can be read: one malformed entry must not hide the others.
fn readable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Descriptor>, D::Error> {
    let entries: Option<Vec<serde_json::Value>> = Option::deserialize(deserializer)?;
    let entries = entries.unwrap_or_default().into_iter();
    Ok(entries.filter_map(|entry| serde_json::from_value(entry).ok()).collect())
}

#[cfg(test)]
mod tests;
