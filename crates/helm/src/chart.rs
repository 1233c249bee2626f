//! A chart: loaded from an archive or a directory, changed, and packaged again.
//!
//! Deliberately absent: where it came from, rendering of templates, and provenance files, which are kept like any other file.

mod archive;
mod assemble;
mod directory;
mod error;
mod glob;
mod ignore;
mod package;

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value as Json};

pub(crate) use archive::clean;
pub use error::{LoadError, MetadataError};
pub use package::PackageError;

use crate::metadata::{Lock, Metadata};
use crate::root::SourceRoot;

/// Bounds on a chart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChartLimits {
    /// Bytes of an archive as it comes.
    pub archive_bytes: u64,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Bytes of all files together, with those of archives inside the chart. All of it is held in memory.
    pub total_bytes: u64,
    /// Files, with those of archives inside the chart.
    pub files: usize,
    /// Levels of charts inside charts, and of directories.
    pub depth: usize,
}

impl ChartLimits {
    /// 10 MiB and 5 MiB as source-controller's flags have them, 100 MiB of content as Helm has it, 20,000 files on 64 levels.
    pub const DEFAULT: Self =
        Self { archive_bytes: 10 << 20, file_bytes: 5 << 20, total_bytes: 100 << 20, files: 20_000, depth: 64 };
}

impl Default for ChartLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// A file of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChartFile {
    /// Its path below the chart, with slashes and without `.`, `..` or empty components.
    pub name: String,
    /// When it was changed, in seconds since 1970; `None` if that is not known.
    pub modified: Option<u64>,
    /// Its content, without a byte order mark.
    pub data: Vec<u8>,
}

/// A chart in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Chart {
    /// What `Chart.yaml` says, with the dependencies of `requirements.yaml`.
    pub metadata: Metadata,
    /// When `Chart.yaml` was changed.
    pub modified: Option<u64>,
    /// What `Chart.lock` or `requirements.lock` says.
    pub lock: Option<Lock>,
    /// `values.yaml` as it is.
    pub values_file: Option<ChartFile>,
    /// What `values.yaml` holds.
    pub values: Map<String, Json>,
    /// `values.schema.json`.
    pub schema: Option<ChartFile>,
    /// What is below `templates/`.
    pub templates: Vec<ChartFile>,
    /// Everything else.
    pub files: Vec<ChartFile>,
    /// The charts below `charts/`, by the name of their directory or archive.
    pub dependencies: Vec<Chart>,
}

impl Chart {
    /// Loads an archive.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn from_archive(reader: impl Read, limits: &ChartLimits) -> Result<Self, LoadError> {
        let mut budget = archive::Budget::new(limits);
        let files = archive::read_files(reader, limits, &mut budget)?;
        assemble::assemble(files, limits, &mut budget, 0)
    }

    /// Loads the chart at a path below a source's root: a directory, or else an archive. Links lead nowhere outside of the root. Files of a
    /// directory have no time.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn from_path(root: &SourceRoot, path: &Path, limits: &ChartLimits) -> Result<Self, LoadError> {
        directory::load(root, path, limits)
    }

    /// The chart's name.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }
}

impl Metadata {
    /// Reads only what an archive says about its chart, with its dependencies. Not validated.
    ///
    /// # Errors
    /// [`MetadataError`].
    pub fn from_archive(reader: impl Read, limits: &ChartLimits) -> Result<Self, MetadataError> {
        archive::read_metadata(reader, limits, archive::Until::End)
    }

    /// Reads an archive no further than its `Chart.yaml`: enough to compare name and version. Not validated, without the dependencies of a
    /// `requirements.yaml`.
    ///
    /// # Errors
    /// [`MetadataError`].
    pub fn from_archive_start(reader: impl Read, limits: &ChartLimits) -> Result<Self, MetadataError> {
        archive::read_metadata(reader, limits, archive::Until::ChartYaml)
    }

    /// Reads what the chart at a path below a source's root, a directory or an archive, says of itself. Not validated.
    ///
    /// # Errors
    /// [`MetadataError`].
    pub fn from_path(root: &SourceRoot, path: &Path, limits: &ChartLimits) -> Result<Self, MetadataError> {
        directory::load_metadata(root, path, limits)
    }
}

/// The file that makes a directory a chart.
pub(crate) const CHART_FILE: &str = "Chart.yaml";
/// The file of a chart's own values.
pub(crate) const VALUES_FILE: &str = "values.yaml";
const SCHEMA_FILE: &str = "values.schema.json";
const REQUIREMENTS_FILE: &str = "requirements.yaml";

/// Content without the byte order mark that some editors of Windows put before it.
fn without_mark(mut data: Vec<u8>) -> Vec<u8> {
    if data.starts_with(b"\xef\xbb\xbf") {
        data.drain(..3);
    }
    data
}

#[cfg(test)]
mod tests;
