//! Names: repositories, tags, digests and the references made of them, normalised as the established Go tools print them.
//!
//! Deliberately stricter than those in one respect: what would leave its place in a URL's path (`..`, empty segments) is no name.

use std::fmt;
use std::str::FromStr;

use sluice_artifact::{Algorithm, Digest, DigestError};
use sluice_http_client::Url;

/// The scheme of repository URLs, with its slashes.
pub const SCHEME: &str = "oci://";

/// The registry of names without one, as it is printed and spoken to.
pub const DOCKER_HUB: &str = "index.docker.io";

/// What the registry of names without one is called by people.
const DOCKER_HUB_ALIAS: &str = "docker.io";

/// Where Docker Hub keeps repositories without a namespace.
const DOCKER_HUB_NAMESPACE: &str = "library/";

/// The longest path of a repository, in bytes.
const MAX_PATH: usize = 255;

/// The longest tag, in bytes.
const MAX_TAG: usize = 128;

/// The longest registry name: a DNS name and a port.
const MAX_REGISTRY: usize = 260;

/// Why a text is no repository, tag or reference.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReferenceError {
    /// The URL is not one of a repository.
    #[error("URL must be in format 'oci://<domain>/<org>/<repo>'")]
    Scheme,
    /// A repository's URL names a tag (or a port behind the path); what follows the first colon is given.
    #[error("URL must not contain a tag; remove ':{0}'")]
    TagInUrl(String),
    /// The registry's name is no host with an optional port.
    #[error("invalid registry '{0}'")]
    Registry(String),
    /// The path has characters, segments or a length that no repository has.
    #[error(
        "invalid repository '{0}': it has 2 to 255 of the characters a-z, 0-9, '_', '-', '.' and '/', and no empty or dotted segment"
    )]
    Repository(String),
    /// Not a tag.
    #[error("invalid tag '{0}'")]
    Tag(String),
    /// Not a digest at all.
    #[error("invalid digest '{text}'")]
    Digest {
        /// The text.
        text: String,
        /// What is wrong with it.
        #[source]
        source: DigestError,
    },
    /// A digest of an algorithm that registries do not use.
    #[error("invalid digest '{0}': not sha256 or sha512")]
    DigestAlgorithm(String),
}

/// A repository: a registry and a path in it. Prints as `registry/path`, fully qualified.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository {
    registry: String,
    path: String,
}

impl Repository {
    /// Parses `oci://host[:port]/path`.
    ///
    /// # Errors
    /// [`ReferenceError::TagInUrl`] when anything but the registry has a colon, or another error of the parts.
    pub fn parse_url(url: &str) -> Result<Self, ReferenceError> {
        let name = url.strip_prefix(SCHEME).ok_or(ReferenceError::Scheme)?;
        let (registry, path) = split_registry(name);
        // Told apart from other bad characters: writing a tag here is what people do.
        if let Some(tag) = path.split(':').nth(1) {
            return Err(ReferenceError::TagInUrl(tag.to_owned()));
        }
        Self::of_parts(registry, path)
    }

    fn of_parts(registry: Option<&str>, path: &str) -> Result<Self, ReferenceError> {
        let registry = match registry {
            None | Some(DOCKER_HUB_ALIAS) => DOCKER_HUB.to_owned(),
            Some(registry) => checked_registry(registry)?.to_owned(),
        };
        let bad = || ReferenceError::Repository(path.to_owned());
        let permitted = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'/');
        if !(2..=MAX_PATH).contains(&path.len()) || !path.bytes().all(permitted) {
            return Err(bad());
        }
        // The path becomes part of a URL, where `..` would reach another endpoint of the registry.
        if path.split('/').any(|segment| segment.bytes().all(|byte| byte == b'.')) {
            return Err(bad());
        }
        let implicit = registry == DOCKER_HUB && !path.contains('/');
        let path = if implicit { format!("{DOCKER_HUB_NAMESPACE}{path}") } else { path.to_owned() };
        Ok(Self { registry, path })
    }

    /// `host[:port]` of the registry.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path in the registry, with `library/` where Docker Hub wants it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// A reference to something in this repository.
    pub fn at(&self, pointer: impl Into<Pointer>) -> Reference {
        Reference { repository: self.clone(), pointer: pointer.into() }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl FromStr for Repository {
    type Err = ReferenceError;

    /// `[host[:port]/]path`, as in image names.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let (registry, path) = split_registry(name);
        Self::of_parts(registry, path)
    }
}

/// The first segment is a registry if it looks like a host, else the whole name is a path on Docker Hub.
fn split_registry(name: &str) -> (Option<&str>, &str) {
    match name.split_once('/') {
        Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (Some(first), rest),
        _ => (None, name),
    }
}

/// The name if it is a host with an optional port and nothing else: no credentials, no path, no query.
fn checked_registry(name: &str) -> Result<&str, ReferenceError> {
    let bad = || ReferenceError::Registry(name.to_owned());
    let permitted = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']');
    if name.is_empty() || name.len() > MAX_REGISTRY || !name.bytes().all(permitted) {
        return Err(bad());
    }
    let url = Url::parse(&format!("https://{name}/")).map_err(|_| bad())?;
    // A trailing colon is dropped by the parser; a name must be what it says.
    if url.path() == "/" && !name.ends_with(':') { Ok(name) } else { Err(bad()) }
}

/// A tag: 1 to 128 characters, the first one a letter, digit or underscore.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// `latest`.
    pub fn latest() -> Self {
        Self("latest".to_owned())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Tag {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let first = text.as_bytes().first().is_some_and(word);
        let rest = text.bytes().all(|byte| word(&byte) || matches!(byte, b'.' | b'-'));
        if first && rest && text.len() <= MAX_TAG {
            Ok(Self(text.to_owned()))
        } else {
            Err(ReferenceError::Tag(text.to_owned()))
        }
    }
}

/// Parses a digest of the algorithms that registries use: sha256 and sha512.
///
/// # Errors
/// [`ReferenceError::Digest`] or [`ReferenceError::DigestAlgorithm`].
pub fn parse_digest(text: &str) -> Result<Digest, ReferenceError> {
    let digest: Digest = text.parse().map_err(|source| ReferenceError::Digest { text: text.to_owned(), source })?;
    match digest.algorithm() {
        Algorithm::Sha256 | Algorithm::Sha512 => Ok(digest),
        Algorithm::Sha1 | Algorithm::Sha384 | Algorithm::Blake3 => {
            Err(ReferenceError::DigestAlgorithm(text.to_owned()))
        }
    }
}

/// The tag under which something is attached to a manifest by convention: `sha256-<hex>` and a suffix, such as `.sig` of cosign; with an
/// empty suffix the index of referrers in registries without an API for them.
pub fn attached_tag(subject: &Digest, suffix: &str) -> Option<Tag> {
    format!("{}-{}{suffix}", subject.algorithm(), subject.to_hex()).parse().ok()
}

/// What in a repository is meant.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Pointer {
    /// Whatever the tag names now.
    Tag(Tag),
    /// Exactly this.
    Digest(Digest),
}

impl From<Tag> for Pointer {
    fn from(tag: Tag) -> Self {
        Self::Tag(tag)
    }
}

impl From<Digest> for Pointer {
    fn from(digest: Digest) -> Self {
        Self::Digest(digest)
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => write!(f, "{tag}"),
            Self::Digest(digest) => write!(f, "{digest}"),
        }
    }
}

/// A repository and what in it is meant. Prints fully qualified: `host/path:tag` or `host/path@sha256:…`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Reference {
    /// Where.
    pub repository: Repository,
    /// What.
    pub pointer: Pointer,
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = match self.pointer {
            Pointer::Tag(_) => ':',
            Pointer::Digest(_) => '@',
        };
        write!(f, "{}{separator}{}", self.repository, self.pointer)
    }
}

#[cfg(test)]
mod tests;
