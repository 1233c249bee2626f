//! Packages a chart as Helm 4.2 does: the order of entries, their modes and times, and its mark in the gzip header.
//!
//! The bytes are not those of Helm, whose deflate differs. Deliberately absent: where the archive goes, and its name's directory.

use std::io::Write;

use sluice_archive::{FileEntry, FilesBuilder, GzipTag, PackError};

use super::{CHART_FILE, Chart, SCHEMA_FILE, VALUES_FILE};
use crate::metadata::{API_VERSION_V2, ValidationError};

/// The "extra" field: subfield `rr` with an address in base64, by which Helm's archives are told.
const EXTRA: &[u8] = b"rr\x28\x00aHR0cHM6Ly95b3V0dS5iZS96OVV6MWljandyTQo=";
const FILE_MODE: u32 = 0o644;

/// Why a chart cannot be packaged.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// The metadata breaks a rule.
    #[error("chart validation")]
    Invalid(#[source] ValidationError),
    /// The name of a chart inside is no name of a directory.
    #[error("{0:?} is not a valid chart name")]
    Name(String),
    /// The schema is not JSON.
    #[error("invalid JSON in {SCHEMA_FILE}")]
    Schema,
    /// The archive cannot be written.
    #[error("failed to write chart archive")]
    Write(#[source] PackError),
}

impl Chart {
    /// The file name that Helm gives the archive.
    pub fn archive_name(&self) -> String {
        format!("{}-{}.tgz", self.metadata.name, self.metadata.version)
    }

    /// Writes the archive and returns the output, which is not flushed. Files without a time get `now`, in seconds since 1970.
    ///
    /// # Errors
    /// [`PackageError`]; what was written until then is worthless.
    pub fn package<W: Write>(&mut self, out: W, now: u64) -> Result<W, PackageError> {
        self.metadata.validate().map_err(PackageError::Invalid)?;
        let tag = GzipTag { extra: EXTRA.to_vec(), comment: c"Helm".to_owned() };
        let mut archive = Archive { out: FilesBuilder::new(out, &tag).map_err(PackageError::Write)?, now };
        archive.chart(self, "")?;
        archive.out.finish().map_err(PackageError::Write)
    }
}

struct Archive<W: Write> {
    out: FilesBuilder<W>,
    now: u64,
}

impl<W: Write> Archive<W> {
    fn chart(&mut self, chart: &Chart, above: &str) -> Result<(), PackageError> {
        let name = chart.name();
        if name.is_empty() || name == "." || name == ".." || name.contains('/') {
            return Err(PackageError::Name(name.to_owned()));
        }
        let base = format!("{above}{name}/");
        self.file(&base, (CHART_FILE, chart.modified), chart.metadata.to_yaml().as_bytes())?;
        if let Some(lock) = chart.lock.as_ref().filter(|_| chart.metadata.api_version == API_VERSION_V2) {
            let written = (!lock.generated.is_zero()).then(|| lock.generated.unix_seconds().max(0).unsigned_abs());
            self.file(&base, ("Chart.lock", written), lock.to_yaml().as_bytes())?;
        }
        if let Some(file) = &chart.values_file {
            self.file(&base, (VALUES_FILE, file.modified), &file.data)?;
        }
        if let Some(file) = &chart.schema {
            if serde_json::from_slice::<serde::de::IgnoredAny>(&file.data).is_err() {
                return Err(PackageError::Schema);
            }
            self.file(&base, (SCHEMA_FILE, file.modified), &file.data)?;
        }
        for file in chart.templates.iter().chain(&chart.files) {
            self.file(&base, (&file.name, file.modified), &file.data)?;
        }
        let below = format!("{base}charts/");
        chart.dependencies.iter().try_for_each(|dependency| self.chart(dependency, &below))
    }

    fn file(&mut self, base: &str, (name, modified): (&str, Option<u64>), data: &[u8]) -> Result<(), PackageError> {
        let path = format!("{base}{name}");
        let entry = FileEntry { path: path.as_bytes(), mode: FILE_MODE, modified: modified.unwrap_or(self.now) };
        self.out.file(&entry, data).map_err(PackageError::Write)
    }
}
