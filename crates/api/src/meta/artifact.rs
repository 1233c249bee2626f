//! The artifact object that sources publish and appliers fetch. Deliberately plain text: parsing of revision and digest belongs
//! to `sluice-artifact`, so that one malformed value does not make the whole source unreadable.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the schema demands of a digest.
const DIGEST_PATTERN: &str = "^[a-z0-9]+(?:[.+_-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$";

/// A file that a source has stored and serves over HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Location of the file relative to the storage root: kind, namespace, name and file name.
    pub path: String,
    /// HTTP address from which the file can be fetched.
    pub url: String,
    /// Human-readable identity of the content in its origin, such as a branch with a commit hash.
    pub revision: String,
    /// Digest of the stored file, as algorithm and hex text with a colon between.
    #[schemars(regex(pattern = DIGEST_PATTERN))]
    pub digest: String,
    /// When the file was written; not moved by a check that found nothing new.
    pub last_update_time: Time,
    /// Size of the stored file in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<i64>,
    /// What the origin says about the content, such as OCI manifest annotations.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}
