//! The charts that a chart needs: which are missing, where they are, and how they are added.
//!
//! Local ones are loaded here; remote ones are handed out as [`Request`]s for the caller to fulfil, with the errors that their failures have.
//! Deliberately absent: downloads, and dependencies of dependencies, which a packaged chart brings along.

use std::collections::{BTreeMap, HashSet};
use std::error::Error;
use std::path::{Path, PathBuf};

use sluice_semver_range::{Range, parse_loose};

use crate::chart::{Chart, ChartLimits, LoadError};
use crate::metadata::Dependency;
use crate::root::{SourceRoot, io_text, look};
use crate::urls::{self, UrlError};

/// What a dependency's failure is called.
#[derive(Debug, thiserror::Error)]
pub enum DependencyError {
    /// One in the source cannot be added.
    #[error("failed to add local dependency '{name}'")]
    Local {
        /// Its alias, else its name.
        name: String,
        /// Why.
        #[source]
        source: Box<LocalError>,
    },
    /// One in a repository cannot be added.
    #[error("failed to add remote dependency '{name}'")]
    Remote {
        /// Its alias, else its name.
        name: String,
        /// Why.
        #[source]
        source: Box<RemoteError>,
    },
}

impl DependencyError {
    /// The failure of a [`Request`]'s dependency.
    pub fn remote(dependency: &Dependency, source: RemoteError) -> Self {
        Self::Remote { name: dependency.local_name().to_owned(), source: Box::new(source) }
    }
}

/// Why a dependency in the source cannot be added.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// There is nothing at its path.
    #[error("no chart found at '{path}' (reference '{reference}')")]
    NotFound {
        /// From the source's root on.
        path: String,
        /// How it was written.
        reference: String,
    },
    /// Its version is no range.
    #[error("invalid version/constraint format '{0}': improper constraint: {0}")]
    BadRange(String),
    /// It cannot be loaded.
    #[error("failed to load chart from '{path}' (reference '{reference}')")]
    Load {
        /// From the source's root on.
        path: String,
        /// How it was written.
        reference: String,
        /// Why.
        #[source]
        source: Box<LoadError>,
    },
    /// The chart that is there has another version.
    #[error("can't get a valid version for constraint '{0}'")]
    VersionMismatch(String),
    /// Its path cannot be looked at.
    #[error("{path}: {problem}")]
    Io {
        /// As it was written.
        path: String,
        /// Why.
        problem: String,
    },
}

/// Why a dependency in a repository cannot be added. The caller makes all of these but the first.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// The repository's URL is none that charts come from.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The repository cannot be used.
    #[error("failed to get chart repository for URL '{url}'")]
    Repository {
        /// Its normalised URL.
        url: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The repository has no such version.
    #[error("failed to get chart '{chart}' version '{version}' from '{repository}'")]
    Version {
        /// The chart.
        chart: String,
        /// The range.
        version: String,
        /// The repository as it was written.
        repository: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The chart cannot be downloaded.
    #[error("chart download of version '{version}' failed")]
    Download {
        /// The version.
        version: String,
        /// Why.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// What was downloaded is no chart.
    #[error("failed to load downloaded archive of version '{version}'")]
    Load {
        /// The version.
        version: String,
        /// Why.
        #[source]
        source: Box<LoadError>,
    },
}

/// A dependency in a repository, for the caller to fetch and then [`add`].
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The repository's URL in its one spelling, to look up what is known about it.
    pub repository_url: String,
    /// What was asked for: name, version range, repository as it was written, alias.
    pub dependency: Dependency,
}

/// The dependencies that are missing, by where they are, each list by alias or name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Missing {
    /// In the source.
    pub local: Vec<Dependency>,
    /// In repositories.
    pub remote: Vec<Request>,
}

impl Missing {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.local.len() + self.remote.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What a chart needs and has not: by its lock file if there is one, else by its metadata. Nothing, when it has as many charts as it needs.
///
/// # Errors
/// [`DependencyError::Remote`] for a repository that charts cannot come from.
pub fn missing(chart: &Chart) -> Result<Missing, DependencyError> {
    let wanted = chart.lock.as_ref().map_or(&chart.metadata.dependencies, |lock| &lock.dependencies);
    let mut missing = Missing::default();
    if wanted.len() == chart.dependencies.len() {
        return Ok(missing);
    }
    let present: HashSet<&str> = chart.dependencies.iter().map(Chart::name).collect();
    // By name, so that of two with one name the last counts, and the order is always the same.
    let by_name: BTreeMap<&str, &Dependency> = wanted
        .iter()
        .map(|dependency| (dependency.local_name(), dependency))
        .filter(|(name, _)| !present.contains(name))
        .collect();
    for dependency in by_name.into_values() {
        if dependency.repository.is_empty() || dependency.repository.starts_with("file://") {
            missing.local.push(dependency.clone());
        } else {
            let url = repository_url(&dependency.repository)
                .map_err(|error| DependencyError::remote(dependency, error.into()))?;
            missing.remote.push(Request { repository_url: url, dependency: dependency.clone() });
        }
    }
    Ok(missing)
}

fn repository_url(written: &str) -> Result<String, UrlError> {
    let url = urls::normalise(written)?;
    urls::check_dependency(&url)?;
    Ok(url)
}

/// Loads a dependency in the source of the chart at `chart_path`: at its `file://` path, or below `charts/` by its name.
///
/// # Errors
/// [`DependencyError::Local`].
pub fn load_local(
    root: &SourceRoot,
    chart_path: &Path,
    dependency: &Dependency,
    limits: &ChartLimits,
) -> Result<Chart, DependencyError> {
    let name = dependency.local_name().to_owned();
    load(root, chart_path, dependency, limits)
        .map_err(|source| DependencyError::Local { name, source: Box::new(source) })
}

fn load(
    root: &SourceRoot,
    chart_path: &Path,
    dependency: &Dependency,
    limits: &ChartLimits,
) -> Result<Chart, LocalError> {
    let reference = || dependency.repository.clone();
    let io = |error: std::io::Error| LocalError::Io { path: reference(), problem: io_text(&error) };
    let path = local_path(chart_path, dependency);
    let resolved = root.resolve(&path).map_err(io)?;
    if look(&resolved).map_err(io)?.is_none() {
        return Err(LocalError::NotFound { path: root.shown(&resolved), reference: reference() });
    }
    let range = if dependency.version.is_empty() { "*" } else { &dependency.version };
    let range = Range::parse(range).ok_or_else(|| LocalError::BadRange(dependency.version.clone()))?;
    let chart = Chart::from_path(root, &path, limits).map_err(|source| {
        let path = root.shown(&resolved);
        LocalError::Load { path, reference: reference(), source: Box::new(source) }
    })?;
    let mismatch = || LocalError::VersionMismatch(dependency.version.clone());
    let version = parse_loose(&chart.metadata.version).ok_or_else(mismatch)?;
    if range.contains(&version) { Ok(chart) } else { Err(mismatch()) }
}

/// The path below the source's root, which may still climb: resolving it cannot.
fn local_path(chart_path: &Path, dependency: &Dependency) -> PathBuf {
    // Components only: a name or path that is absolute must not take the place of what is before it.
    let below = |text: &str| text.trim_start_matches('/').to_owned();
    match dependency.repository.strip_prefix("file://") {
        Some(written) => {
            let path = &written[..written.find(['?', '#']).unwrap_or(written.len())];
            chart_path.join(below(&decoded(path)))
        }
        None => chart_path.join("charts").join(below(&dependency.name)),
    }
}

/// A path without its percent escapes; one that would not be UTF-8 stays as it is.
fn decoded(path: &str) -> String {
    if !path.contains('%') {
        return path.to_owned();
    }
    let bytes = path.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while at < bytes.len() {
        let escape = path.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        if let Some(byte) = escape.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| path.to_owned())
}

/// Adds a loaded chart as the dependency that was asked for, under its alias if it has one.
pub fn add(chart: &mut Chart, dependency: &Dependency, mut loaded: Chart) {
    if !dependency.alias.is_empty() {
        loaded.metadata.name.clone_from(&dependency.alias);
    }
    chart.dependencies.push(loaded);
}

#[cfg(test)]
mod tests;
