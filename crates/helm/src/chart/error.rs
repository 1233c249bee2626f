//! What can be wrong with a chart, in Helm's words.

use sluice_archive::UnpackError;

use crate::metadata::{ValidationError, YamlFileError};
use crate::values::ValuesYamlError;

/// Why a chart cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file or directory cannot be looked at.
    #[error("{path}: {problem}")]
    Io {
        /// Where, from the source's root on.
        path: String,
        /// Why.
        problem: String,
    },
    /// The archive is damaged, or hostile.
    #[error("failed to read chart archive")]
    Archive(#[source] UnpackError),
    /// It is no archive.
    #[error("file '{0}' does not appear to be a gzipped archive")]
    NotAnArchive(String),
    /// The archive is larger than permitted.
    #[error("size of chart '{name}' exceeds '{limit}' bytes limit")]
    ArchiveTooLarge {
        /// Its name.
        name: String,
        /// The limit.
        limit: u64,
    },
    /// An entry of the archive is where it must not be; the text says how.
    #[error("chart illegally {0}")]
    IllegalName(String),
    /// An entry has a name that means something else on other systems.
    #[error("chart contains illegally named files")]
    IllegallyNamed,
    /// The archive has no directory around the chart.
    #[error("chart yaml not in base directory")]
    NoBaseDirectory,
    /// All files together are too large.
    #[error("decompressed chart is larger than the maximum size {0}")]
    TooLarge(u64),
    /// One file of the archive is too large.
    #[error("decompressed chart file {name:?} is larger than the maximum file size {limit}")]
    FileTooLarge {
        /// Its name.
        name: String,
        /// The limit.
        limit: u64,
    },
    /// There are too many files, or too many levels.
    #[error("chart exceeds the limit of {limit} {what}")]
    Limit {
        /// What is limited.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The archive is empty.
    #[error("no files in chart archive")]
    NoFiles,
    /// There is no `Chart.yaml`.
    #[error("Chart.yaml file is missing")]
    NoChartFile,
    /// A file of the chart cannot be read as what it should be.
    #[error("cannot load {name}")]
    File {
        /// Its name.
        name: &'static str,
        /// Why.
        #[source]
        source: YamlFileError,
    },
    /// The values cannot be read.
    #[error("cannot load values.yaml")]
    Values(#[source] ValuesYamlError),
    /// The metadata breaks a rule.
    #[error(transparent)]
    Invalid(#[from] ValidationError),
    /// A chart inside is an archive whose name is a directory's.
    #[error("error unpacking subchart tar in {chart}: expected {expected}, got {found}")]
    SubchartName {
        /// The chart around it.
        chart: String,
        /// The name that was expected.
        expected: String,
        /// The name that was there.
        found: String,
    },
    /// A chart inside cannot be loaded.
    #[error("error unpacking subchart {name} in {chart}")]
    Subchart {
        /// The directory or archive.
        name: String,
        /// The chart around it.
        chart: String,
        /// Why.
        #[source]
        source: Box<LoadError>,
    },
    /// The files to ignore cannot be told.
    #[error("cannot load ignore rules for chart: {0}")]
    Ignore(String),
    /// The files of a directory cannot be read.
    #[error("failed to load files from {path}: {problem}")]
    Files {
        /// The directory, from the source's root on.
        path: String,
        /// Which one, and why.
        problem: String,
    },
    /// The files of a directory are no chart.
    #[error("failed to load chart from {path}")]
    Directory {
        /// The directory, from the source's root on.
        path: String,
        /// Why.
        #[source]
        source: Box<LoadError>,
    },
}

/// Why a chart's metadata cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum MetadataError {
    /// The archive or directory is unusable, or larger than permitted.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A file in it is larger than permitted.
    #[error("size of '{name}' exceeds '{limit}' bytes limit")]
    FileTooLarge {
        /// Its name.
        name: String,
        /// The limit.
        limit: u64,
    },
    /// There is no `Chart.yaml`.
    #[error("no 'Chart.yaml' found")]
    Missing,
    /// A file cannot be read as what it should be.
    #[error("cannot load '{name}'")]
    File {
        /// Its name.
        name: &'static str,
        /// Why.
        #[source]
        source: YamlFileError,
    },
    /// A file is a directory.
    #[error("'{0}' is a directory")]
    IsDirectory(&'static str),
}
