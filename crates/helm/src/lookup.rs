//! Which version of a chart a reference means: in an index, or among the tags of an OCI repository.
//!
//! The rule is one: a version that is spelt exactly so, else the highest in the range, where nothing or `*` means the latest stable one.
//! Deliberately absent: download, and what a registry's tags are.

use std::io::{Read, Seek};

use semver::Version;
use sluice_semver_range::{Range, parse_tag};

use crate::index::{self, ChartList, ChartVersion, IndexError, Interest, Limits, Sink};
use crate::time::Time;

/// A chart version that was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The chart's name as its own entry has it.
    pub name: String,
    /// The version as the index spells it.
    pub version: String,
    /// The first URL of the entry, absolute or relative to the repository; `None` if there is none.
    pub url: Option<String>,
    /// The SHA-256 of the archive in hex, if given.
    pub digest: String,
    /// When it was added.
    pub created: Time,
}

impl Found {
    /// Where to download it, for a repository at that URL.
    ///
    /// # Errors
    /// The entry has no URL, or one that is none.
    pub fn download_url(&self, repository_url: &str) -> Result<String, DownloadUrlError> {
        let url = self.url.as_deref().ok_or_else(|| DownloadUrlError::Missing(self.name.clone()))?;
        Ok(crate::urls::resolve(repository_url, url)?)
    }
}

/// A chart version has no place to download it from.
#[derive(Debug, thiserror::Error)]
pub enum DownloadUrlError {
    /// It has no URL.
    #[error("chart '{0}' has no downloadable URLs")]
    Missing(String),
    /// The URL is none.
    #[error(transparent)]
    Url(#[from] crate::urls::UrlError),
}

/// Why no version was found.
#[derive(Debug, thiserror::Error)]
pub enum LookupError {
    /// The index cannot be used; trying again may help.
    #[error("failed to load index")]
    Index(#[source] IndexError),
    /// The index does not name the chart.
    #[error("no chart name found")]
    NoChart,
    /// The chart has no valid version.
    #[error("no chart version found")]
    NoVersion,
    /// The version is neither spelt so in the index nor a range.
    #[error("improper constraint: {0}")]
    BadRange(String),
    /// No version is in the range.
    #[error("no '{chart}' chart with version matching '{version}' found")]
    NoMatch {
        /// The chart.
        chart: String,
        /// The range.
        version: String,
    },
}

impl LookupError {
    /// Whether the reference is at fault, so that trying again cannot help until it, or the index, changes.
    pub fn is_reference_fault(&self) -> bool {
        !matches!(self, Self::Index(_))
    }
}

/// Finds the version of a chart that `version` means, in an index of either form. Versions that differ only in build metadata are ordered by
/// when they were added, the newest first. Holds no more than two versions in memory. Blocks.
///
/// # Errors
/// [`LookupError`].
pub fn find(input: impl Read + Seek, chart: &str, version: &str, limits: &Limits) -> Result<Found, LookupError> {
    let wanted = Wanted::parse(version);
    let mut search =
        Search { chart, version, wanted: wanted.as_ref(), named: false, any: false, exact: None, best: None };
    index::visit(input, &mut search, limits).map_err(LookupError::Index)?;
    if !search.named {
        return Err(LookupError::NoChart);
    }
    if !search.any {
        return Err(LookupError::NoVersion);
    }
    if let Some(exact) = search.exact {
        return Ok(exact);
    }
    if wanted.is_none() {
        return Err(LookupError::BadRange(version.to_owned()));
    }
    let no_match = || LookupError::NoMatch { chart: chart.to_owned(), version: version.to_owned() };
    search.best.map(|(_, found)| found).ok_or_else(no_match)
}

/// What versions are wanted, when none is spelt exactly so.
pub(crate) struct Wanted(Range);

impl Wanted {
    /// `None` if the text is no range.
    pub(crate) fn parse(version: &str) -> Option<Self> {
        Range::parse(if version.is_empty() { "*" } else { version }).map(Self)
    }

    /// The version of a text that has three parts and is in the range.
    pub(crate) fn accept(&self, text: &str) -> Option<Version> {
        parse_tag(text).filter(|version| self.0.contains(version))
    }
}

struct Search<'a> {
    chart: &'a str,
    version: &'a str,
    wanted: Option<&'a Wanted>,
    named: bool,
    any: bool,
    exact: Option<Found>,
    best: Option<(Version, Found)>,
}

impl Sink for Search<'_> {
    fn reset(&mut self) -> Result<(), IndexError> {
        (self.named, self.any, self.exact, self.best) = (false, false, None, None);
        Ok(())
    }

    fn chart(&mut self, name: &str, _: ChartList) -> Result<Interest, IndexError> {
        if name != self.chart {
            return Ok(Interest::None);
        }
        // The last of several lists of one chart counts.
        self.reset()?;
        self.named = true;
        Ok(Interest::Versions)
    }

    fn version(&mut self, entry: ChartVersion) -> Result<(), IndexError> {
        self.any = true;
        if !self.version.is_empty() && self.exact.is_none() && entry.metadata.version == self.version {
            self.exact = Some(Found::from(entry));
            return Ok(());
        }
        let Some(version) = self.wanted.and_then(|wanted| wanted.accept(&entry.metadata.version)) else {
            return Ok(());
        };
        let better = self.best.as_ref().is_none_or(|(best, found)| {
            version.cmp_precedence(best).then_with(|| entry.created.cmp(&found.created)).is_gt()
        });
        if better {
            self.best = Some((version, Found::from(entry)));
        }
        Ok(())
    }
}

impl From<ChartVersion> for Found {
    fn from(entry: ChartVersion) -> Self {
        let (url, metadata) = (entry.urls.into_iter().next(), entry.metadata);
        Self { name: metadata.name, version: metadata.version, url, digest: entry.digest, created: entry.created }
    }
}

#[cfg(test)]
mod tests;
