//! Revisions: `<name>@<algorithm>:<hex>` and `<algorithm>:<hex>`, and the older git forms that must still be read.
//!
//! Deliberately absent: how a reference is resolved, and chart versions. A Helm chart's revision is a version, not
//! one of these.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::digest::{Algorithm, Digest, DigestError};

/// The longest name of a revision, in bytes. A git reference is a path of at most 4096 bytes and an image tag has at
/// most 128 characters; a longer one would only serve to inflate every status and event that repeats it.
const MAX_NAME_BYTES: usize = 4096;

/// Why a string is no [`Revision`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RevisionError {
    /// The name before `@` is empty, too long or has control characters.
    #[error("invalid revision name")]
    Name,
    /// What follows `@`, or the whole when there is none, is no digest.
    #[error("invalid revision digest")]
    Digest(#[source] DigestError),
}

/// What an artifact was made from: a digest, and the name by which it was found if there was one.
///
/// | source | example |
/// |---|---|
/// | git branch, tag | `main@sha1:<40 hex>` |
/// | git full reference | `refs/pull/1/head@sha1:<40 hex>` |
/// | git commit | `sha1:<40 hex>` |
/// | OCI tag, OCI digest | `latest@sha256:<64 hex>`, `sha256:<64 hex>` |
/// | bucket, Helm repository | `sha256:<64 hex>`, or another algorithm |
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Revision {
    name: Option<String>,
    digest: Digest,
}

impl Revision {
    /// A revision without a name.
    pub const fn unnamed(digest: Digest) -> Self {
        Self { name: None, digest }
    }

    /// A revision with a name that is printed as given: an image tag, a branch, a full git reference.
    ///
    /// # Errors
    /// [`RevisionError::Name`] when the name is empty, longer than 4096 bytes or has control characters.
    pub fn named(name: impl Into<String>, digest: Digest) -> Result<Self, RevisionError> {
        let name = name.into();
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
            return Err(RevisionError::Name);
        }
        Ok(Self { name: Some(name), digest })
    }

    /// The revision of a git commit found through a branch or tag, named by the short form of the full reference
    /// (see [`short_ref_name`]): `refs/heads/feature/x` gives `feature/x@sha1:…`.
    ///
    /// For `spec.ref.name`, which keeps the full reference, use [`Revision::named`].
    ///
    /// # Errors
    /// As [`Revision::named`].
    pub fn of_git_reference(full_reference: &str, commit: Digest) -> Result<Self, RevisionError> {
        Self::named(short_ref_name(full_reference), commit)
    }

    /// Parses the present form and, failing that, the older ones found in the status of objects written by earlier
    /// releases: `main/<hash>`, `HEAD/<hash>` (which names nothing) and a hash alone. The algorithm is told from the
    /// length: 40 characters are SHA-1, 64 are SHA-256. The result prints in the present form.
    ///
    /// # Errors
    /// Those of the present form.
    pub fn parse_recorded(text: &str) -> Result<Self, RevisionError> {
        text.parse().or_else(|error| Self::parse_legacy(text).ok_or(error))
    }

    fn parse_legacy(text: &str) -> Option<Self> {
        let (name, hash) = match text.rsplit_once('/') {
            Some((name, hash)) => (Some(name), hash),
            None => (None, text),
        };
        let algorithm = match hash.len() {
            40 => Algorithm::Sha1,
            64 => Algorithm::Sha256,
            _ => return None,
        };
        let digest = Digest::from_hex(algorithm, hash).ok()?;
        match name {
            None | Some("HEAD") => Some(Self::unnamed(digest)),
            Some(name) => Self::named(name, digest).ok(),
        }
    }

    /// The name before `@`, if there is one.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The digest after `@`, or the whole revision.
    pub const fn digest(&self) -> Digest {
        self.digest
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}@{}", self.digest),
            None => self.digest.fmt(f),
        }
    }
}

impl FromStr for Revision {
    type Err = RevisionError;

    /// Parses the present form. The *last* `@` separates, since a git reference may contain one and a digest cannot.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.rsplit_once('@') {
            Some((name, digest)) => Self::named(name, digest.parse().map_err(RevisionError::Digest)?),
            None => Ok(Self::unnamed(text.parse().map_err(RevisionError::Digest)?)),
        }
    }
}

impl Serialize for Revision {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Revision {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// The short form of a full git reference: the text after its second slash (`refs/heads/feature/x` → `feature/x`,
/// `refs/tags/v1` → `v1`). A name with fewer slashes is already short and comes back whole.
pub fn short_ref_name(full_reference: &str) -> &str {
    full_reference.splitn(3, '/').nth(2).unwrap_or(full_reference)
}

#[cfg(test)]
mod tests;
