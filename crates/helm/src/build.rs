//! What a chart build is called: the version that it gets, the reasons for which it fails, and its summary for people.
//!
//! Deliberately absent: the steps of a build, which the caller takes, and conditions.

use std::error::Error;
use std::fmt;

use semver::BuildMetadata;
use sluice_semver_range::parse_loose;

/// Why a build failed, as conditions name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BuildReason {
    /// The chart reference leads nowhere.
    InvalidChartReference,
    /// The chart or the index cannot be fetched.
    ChartPullError,
    /// The version cannot take build metadata.
    MetadataPatchError,
    /// The values files cannot be merged.
    ValuesFilesError,
    /// A dependency cannot be added.
    DependencyBuildError,
    /// The chart cannot be loaded or packaged.
    ChartPackageError,
    /// The signature is missing or wrong.
    ChartVerificationError,
    /// Anything else.
    Unknown,
}

impl BuildReason {
    /// The reason of a condition.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidChartReference => "InvalidChartReference",
            Self::ChartPullError => "ChartPullError",
            Self::MetadataPatchError => "MetadataPatchError",
            Self::ValuesFilesError => "ValuesFilesError",
            Self::DependencyBuildError => "DependencyBuildError",
            Self::ChartPackageError => "ChartPackageError",
            Self::ChartVerificationError => "ChartVerificationError",
            Self::Unknown => "Unknown",
        }
    }

    /// What messages begin with.
    pub fn summary(self) -> &'static str {
        match self {
            Self::InvalidChartReference => "invalid chart reference",
            Self::ChartPullError => "chart pull error",
            Self::MetadataPatchError => "chart metadata patch error",
            Self::ValuesFilesError => "values files merge error",
            Self::DependencyBuildError => "dependency build error",
            Self::ChartPackageError => "chart package error",
            Self::ChartVerificationError => "chart verification error",
            Self::Unknown => "unknown build error",
        }
    }

    /// Whether trying again cannot help until the object or its source changes.
    pub fn is_persistent(self) -> bool {
        matches!(self, Self::InvalidChartReference | Self::MetadataPatchError | Self::ValuesFilesError)
    }

    /// Whether it concerns the chart's source (`FetchFailed`) rather than its making (`BuildFailed`).
    pub fn is_fetch_failure(self) -> bool {
        matches!(self, Self::InvalidChartReference | Self::ChartPullError | Self::Unknown)
    }
}

/// A failed build. Displays as the reason's summary; the source says the rest.
#[derive(Debug)]
pub struct BuildError {
    /// Why.
    pub reason: BuildReason,
    /// What happened.
    pub source: Box<dyn Error + Send + Sync>,
}

impl BuildError {
    /// A failure with its reason.
    pub fn new(reason: BuildReason, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { reason, source: source.into() }
    }
}

impl fmt::Display for BuildError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.reason.summary())
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}

/// A chart's version cannot take build metadata.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VersionError {
    /// It is no version.
    #[error("failed to parse version from chart metadata as SemVer: invalid semantic version")]
    NotSemver,
    /// What should be added is no build metadata.
    #[error("failed to set SemVer metadata on chart version: invalid metadata string")]
    BadMetadata,
}

/// The version with that build metadata in the place of its own, without a leading `v` and with three parts.
///
/// # Errors
/// [`VersionError`].
pub fn version_with_metadata(version: &str, metadata: &str) -> Result<String, VersionError> {
    let mut parsed = parse_loose(version).ok_or(VersionError::NotSemver)?;
    parsed.build = BuildMetadata::new(metadata).map_err(|_| VersionError::BadMetadata)?;
    Ok(parsed.to_string())
}

/// The build metadata of a version: the first twelve characters of what identifies the source's revision, if that decides about a new version,
/// and the object's generation, if values files have an effect. `None` for neither.
pub fn version_metadata(revision: Option<&str>, generation: Option<i64>) -> Option<String> {
    const REVISION_LENGTH: usize = 12;
    let revision = revision.map(|revision| revision.chars().take(REVISION_LENGTH).collect::<String>());
    match (revision, generation) {
        (Some(revision), Some(generation)) => Some(format!("{revision}.{generation}")),
        (Some(revision), None) => Some(revision),
        (None, Some(generation)) => Some(generation.to_string()),
        (None, None) => None,
    }
}

/// What became of a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its archive is not there yet.
    New,
    /// Its archive was taken as it came.
    Pulled,
    /// Its archive was made.
    Packaged,
}

/// The summary of a build for people; name and version empty mean that it did not come so far.
pub fn summary(outcome: Outcome, name: &str, version: &str, values_files: &[String]) -> String {
    if name.is_empty() || version.is_empty() {
        return "no chart build".to_owned();
    }
    let action = match outcome {
        Outcome::New => "new",
        Outcome::Pulled => "pulled",
        Outcome::Packaged => "packaged",
    };
    let mut text = format!("{action} '{name}' chart with version '{version}'");
    if !values_files.is_empty() {
        text.extend([" and merged values files [", &values_files.join(" "), "]"]);
    }
    text
}

/// A chart name in a Helm repository that cannot be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// There is none.
    #[error("no name set for remote chart reference")]
    NoName,
    /// It has other characters than it may.
    #[error(
        "invalid chart name '{0}': a valid name must be lower case letters and numbers and MAY be separated with dashes (-), slashes (/) or periods (.)"
    )]
    BadName(String),
    /// There is no path.
    #[error("no path set for local chart reference")]
    NoPath,
    /// The path is absolute.
    #[error("local chart reference path is expected to be relative")]
    AbsolutePath,
}

/// Checks the name of a chart in a Helm repository: `^([-a-z0-9]+/?\.?)+$`.
///
/// # Errors
/// [`ReferenceError`].
pub fn check_remote_name(name: &str) -> Result<(), ReferenceError> {
    if name.is_empty() {
        return Err(ReferenceError::NoName);
    }
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let bytes = name.as_bytes();
    let valid = bytes.iter().enumerate().all(|(at, byte)| match byte {
        // Behind letters only, or a period behind that slash.
        b'/' => at > 0 && plain(bytes[at - 1]),
        b'.' => at > 0 && (plain(bytes[at - 1]) || (at > 1 && bytes[at - 1] == b'/' && plain(bytes[at - 2]))),
        other => plain(*other),
    });
    if valid { Ok(()) } else { Err(ReferenceError::BadName(name.to_owned())) }
}

/// Checks the path of a chart in a source.
///
/// # Errors
/// [`ReferenceError`].
pub fn check_local_path(path: &str) -> Result<(), ReferenceError> {
    match path {
        "" => Err(ReferenceError::NoPath),
        _ if path.starts_with('/') => Err(ReferenceError::AbsolutePath),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_take_metadata_in_the_place_of_their_own() {
        for (version, metadata, expected) in [
            ("6.0.3", "1", Ok("6.0.3+1")),
            ("v6.0.3+old", "4e5cbb7b97d0.1", Ok("6.0.3+4e5cbb7b97d0.1")),
            ("6.0-rc.1", "1", Ok("6.0.0-rc.1+1")),
            ("6.0.3", "007", Ok("6.0.3+007")),
            ("latest", "1", Err(VersionError::NotSemver)),
            ("6.0.3", "a_b", Err(VersionError::BadMetadata)),
        ] {
            assert_eq!(version_with_metadata(version, metadata), expected.map(str::to_owned), "{version} {metadata}");
        }
        let revision = "4e5cbb7b97d01a2b";
        assert_eq!(version_metadata(None, None), None);
        assert_eq!(version_metadata(None, Some(3)).as_deref(), Some("3"));
        assert_eq!(version_metadata(Some(revision), None).as_deref(), Some("4e5cbb7b97d0"));
        assert_eq!(version_metadata(Some(revision), Some(3)).as_deref(), Some("4e5cbb7b97d0.3"));
    }

    #[test]
    fn names_and_paths_are_checked() {
        for name in ["web", "a/b", "a.b", "a/.b", "web-1/", "-"] {
            assert_eq!(check_remote_name(name), Ok(()), "{name}");
        }
        for name in ["Web", "/web", ".web", "a//b", "a../b", "a./b", "a b", "a_b", "é"] {
            assert_eq!(check_remote_name(name), Err(ReferenceError::BadName(name.into())), "{name}");
        }
        assert_eq!(check_remote_name(""), Err(ReferenceError::NoName));
        assert_eq!(check_local_path("/a"), Err(ReferenceError::AbsolutePath));
        assert_eq!((check_local_path(""), check_local_path("./a")), (Err(ReferenceError::NoPath), Ok(())));
    }

    #[test]
    fn summaries_and_reasons_have_their_texts() {
        let files = ["a.yaml".to_owned(), "b.yaml".to_owned()];
        for (outcome, files, expected) in [
            (Outcome::New, &[][..], "new 'web' chart with version '1.0.0'"),
            (Outcome::Pulled, &[], "pulled 'web' chart with version '1.0.0'"),
            (
                Outcome::Packaged,
                &files,
                "packaged 'web' chart with version '1.0.0' and merged values files [a.yaml b.yaml]",
            ),
        ] {
            assert_eq!(summary(outcome, "web", "1.0.0", files), expected);
        }
        assert_eq!(summary(Outcome::New, "", "", &[]), "no chart build");
        let error = BuildError::new(BuildReason::ChartPullError, "timeout");
        assert_eq!(format!("{error}: {}", error.source().unwrap()), "chart pull error: timeout");
        assert!(BuildReason::ValuesFilesError.is_persistent() && !BuildReason::ChartPullError.is_persistent());
    }
}
