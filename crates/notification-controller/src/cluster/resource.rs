//! Kinds and object names as parts of API paths.
//!
//! Names arrive in events that anybody inside the cluster can post; `../../secrets/x` as a name must not become another
//! path. So the types here can only be made from texts that are single path segments.

use kube::core::{ApiResource, GroupVersionKind};
use thiserror::Error;

/// Longest name, namespace, group or kind, in bytes.
const MAX_SEGMENT: usize = 253;

/// Why something cannot be addressed at the API server.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ResourceError {
    /// The kind has no default version, and none was given.
    #[error("apiVersion must be specified for kind '{0}'")]
    DefaultVersion(String),
    /// Not a single path segment.
    #[error("invalid {field} {text:?}")]
    ParseSegment {
        /// Which part.
        field: &'static str,
        /// The offending text.
        text: String,
    },
}

/// A kind with its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource(ApiResource);

impl Resource {
    /// The resource for an `apiVersion` (`group/version`, or `version` for the core group) and a kind.
    ///
    /// # Errors
    /// Parts that cannot stand in a path.
    pub fn parse(api_version: &str, kind: &str) -> Result<Self, ResourceError> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        if !group.is_empty() {
            check("apiVersion", group)?;
        }
        check("apiVersion", version)?;
        check("kind", kind)?;
        Ok(Self(ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))))
    }

    /// The kind.
    pub fn kind(&self) -> &str {
        &self.0.kind
    }

    /// `group/version`.
    pub fn api_version(&self) -> &str {
        &self.0.api_version
    }

    pub(super) fn api_resource(&self) -> &ApiResource {
        &self.0
    }
}

/// The `apiVersion` of a Receiver's resource that gives none, for the kinds that have a default.
pub fn default_api_version(kind: &str) -> Option<&'static str> {
    match kind {
        "Bucket" | "GitRepository" | "OCIRepository" | "HelmRepository" | "HelmChart" => {
            Some("source.toolkit.fluxcd.io/v1")
        }
        "ImageRepository" => Some("image.toolkit.fluxcd.io/v1"),
        "ArtifactGenerator" => Some("source.extensions.fluxcd.io/v1beta1"),
        _ => None,
    }
}

/// A namespace and a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectName {
    namespace: String,
    name: String,
}

impl ObjectName {
    /// The name of a namespaced object.
    ///
    /// # Errors
    /// A namespace or name that cannot stand in a path.
    pub fn parse(namespace: &str, name: &str) -> Result<Self, ResourceError> {
        check("namespace", namespace)?;
        check("name", name)?;
        Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// The namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn check(field: &'static str, text: &str) -> Result<(), ResourceError> {
    let is_segment = !text.is_empty()
        && text.len() <= MAX_SEGMENT
        && !text.starts_with('.')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    if is_segment { Ok(()) } else { Err(ResourceError::ParseSegment { field, text: text.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use sluice_api::meta::EVENT_SOURCE_KINDS;

    use super::*;

    #[test]
    fn texts_that_would_become_another_path_are_refused() {
        for name in ["", "..", ".", "a/b", "../../secrets/x", "a%2fb", "a?x=1", "a b", "a#b", "a\n", &"x".repeat(254)] {
            assert!(ObjectName::parse("apps", name).is_err(), "{name:?}");
            assert!(ObjectName::parse(name, "web").is_err(), "{name:?}");
            assert!(Resource::parse("v1", name).is_err(), "{name:?}");
        }
        for api_version in ["", "g/", "../v1", "a/b/c", "g/v1?x"] {
            assert!(Resource::parse(api_version, "Pod").is_err(), "{api_version:?}");
        }
    }

    #[test]
    fn the_plurals_of_all_kinds_are_those_of_their_definitions() {
        let plurals: Vec<String> = EVENT_SOURCE_KINDS
            .iter()
            .map(|kind| Resource::parse("g/v1", kind).unwrap().api_resource().plural.clone())
            .collect();
        assert_eq!(
            plurals,
            [
                "buckets",
                "gitrepositories",
                "kustomizations",
                "helmreleases",
                "helmcharts",
                "helmrepositories",
                "imagerepositories",
                "imagepolicies",
                "imageupdateautomations",
                "ocirepositories",
                "artifactgenerators",
                "externalartifacts"
            ]
        );
    }
}
