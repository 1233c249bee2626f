//! Where an artifact lives below the storage root and in its URL: `<lowercase kind>/<namespace>/<name>/<file>`.
//!
//! A path is made of four components, each checked when it is made, so no value of these types can point outside
//! the root. Deliberately absent: the root itself and symbolic links, which are the storage crate's.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest component in bytes: the limit of the file systems that we run on.
const MAX_COMPONENT_BYTES: usize = 255;

/// The suffix of the file that writers of an artifact lock. No artifact's name ends with it.
pub const LOCK_SUFFIX: &str = ".lock";

/// How the name of a file begins that is still being written. No artifact's name begins with it.
pub const TEMPORARY_PREFIX: &str = ".tmp-";

/// Why strings do not make an [`ArtifactPath`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// The text does not have exactly four components.
    #[error("artifact path '{0}' is not of the form <kind>/<namespace>/<name>/<file>")]
    Form(String),
    /// A component is empty, `.`, `..`, too long, or has a character that a path or URL would take for its own.
    #[error("invalid component '{0}' in artifact path")]
    Component(String),
    /// The file has the name of another file's lock, or of one that is still being written.
    #[error("artifact file name '{0}' is reserved")]
    Reserved(String),
}

/// The directory of one object's artifacts: `<lowercase kind>/<namespace>/<name>`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArtifactDir {
    kind: String,
    namespace: String,
    name: String,
}

impl ArtifactDir {
    /// Makes the directory of an object; the kind (`GitRepository`) is lower-cased.
    ///
    /// # Errors
    /// [`PathError::Component`].
    pub fn new(kind: &str, namespace: &str, name: &str) -> Result<Self, PathError> {
        Ok(Self { kind: component(&kind.to_lowercase())?, namespace: component(namespace)?, name: component(name)? })
    }

    /// The path of a file in this directory.
    ///
    /// # Errors
    /// [`PathError::Component`], or [`PathError::Reserved`] for a name with [`LOCK_SUFFIX`] or [`TEMPORARY_PREFIX`].
    pub fn file(&self, file: &str) -> Result<ArtifactPath, PathError> {
        if file.ends_with(LOCK_SUFFIX) || file.starts_with(TEMPORARY_PREFIX) {
            return Err(PathError::Reserved(file.to_owned()));
        }
        Ok(ArtifactPath { dir: self.clone(), file: component(file)? })
    }

    /// The lower-case kind.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The object's namespace.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The object's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The three components, outermost first.
    pub fn components(&self) -> [&str; 3] {
        [&self.kind, &self.namespace, &self.name]
    }

    /// The directory as a path relative to the storage root.
    pub fn to_relative(&self) -> PathBuf {
        self.components().iter().collect()
    }
}

impl fmt::Display for ArtifactDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.kind, self.namespace, self.name)
    }
}

/// The path of one artifact file, as `status.artifact.path` has it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ArtifactPath {
    dir: ArtifactDir,
    file: String,
}

impl ArtifactPath {
    /// Makes the path of an object's file; the kind (`GitRepository`) is lower-cased.
    ///
    /// # Errors
    /// As [`ArtifactDir::new`] and [`ArtifactDir::file`].
    pub fn new(kind: &str, namespace: &str, name: &str, file: &str) -> Result<Self, PathError> {
        ArtifactDir::new(kind, namespace, name)?.file(file)
    }

    /// The directory that the file is in.
    pub const fn dir(&self) -> &ArtifactDir {
        &self.dir
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The file as a path relative to the storage root.
    pub fn to_relative(&self) -> PathBuf {
        self.dir.to_relative().join(&self.file)
    }
}

impl fmt::Display for ArtifactPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.dir, self.file)
    }
}

impl FromStr for ArtifactPath {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut components = text.split('/');
        let mut next = || components.next().ok_or_else(|| PathError::Form(text.to_owned()));
        let path = Self::new(next()?, next()?, next()?, next()?)?;
        match components.next() {
            None => Ok(path),
            Some(_) => Err(PathError::Form(text.to_owned())),
        }
    }
}

impl Serialize for ArtifactPath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ArtifactPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Checks one component.
///
/// - empty, `.`, `..` and `/` would walk to another directory;
/// - `\` is a separator to some readers of archives and URLs;
/// - control characters (NUL ends a path for the kernel, a line feed forges a log line);
/// - `%`, `?` and `#` would make the URL of this file the URL of another one (`%2e%2e%2f`).
///
/// A colon and a plus are fine: OCI artifacts are called `sha256:<hex>.tar.gz`, charts `<name>-<version>+1.tgz`.
fn component(text: &str) -> Result<String, PathError> {
    let walks = matches!(text, "" | "." | "..");
    let misleads = |c: char| c.is_control() || matches!(c, '/' | '\\' | '%' | '?' | '#');
    if walks || text.len() > MAX_COMPONENT_BYTES || text.contains(misleads) {
        return Err(PathError::Component(text.to_owned()));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests;
