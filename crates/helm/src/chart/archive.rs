//! Reads the files of a chart's archive, with Helm's rules for their names. What they are is decided elsewhere.

use std::io::{self, Read};

use sluice_archive::{Entries, Fault, Limit, Limits, RawEntry, RawKind, UnpackError};

use super::error::{LoadError, MetadataError};
use super::{CHART_FILE, ChartFile, ChartLimits, REQUIREMENTS_FILE, without_mark};
use crate::metadata::Metadata;

/// What is left of the limits, for an archive and those inside it together: each alone could be harmless.
pub(super) struct Budget {
    bytes: u64,
    files: usize,
}

impl Budget {
    pub(super) fn new(limits: &ChartLimits) -> Self {
        Self { bytes: limits.total_bytes, files: limits.files }
    }

    /// Takes a file of so many bytes.
    pub(super) fn spend(&mut self, bytes: u64, limits: &ChartLimits) -> Result<(), LoadError> {
        let exceeded = LoadError::Limit { what: "files", limit: limits.files };
        self.files = self.files.checked_sub(1).ok_or(exceeded)?;
        self.bytes = self.bytes.checked_sub(bytes).ok_or(LoadError::TooLarge(limits.total_bytes))?;
        Ok(())
    }
}

/// An archive that may not be longer than permitted. Its end must not look like that of a damaged one.
struct Capped<R> {
    reader: R,
    left: u64,
    limit: u64,
}

impl<R: Read> Capped<R> {
    fn new(reader: R, limits: &ChartLimits) -> Self {
        Self { reader, left: limits.archive_bytes, limit: limits.archive_bytes }
    }
}

impl<R: Read> Read for Capped<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        let exceeded = || io::Error::other(format!("size of chart exceeds '{}' bytes limit", self.limit));
        self.left = self.left.checked_sub(count as u64).ok_or_else(exceeded)?;
        Ok(count)
    }
}

/// The limits of the reader below: those of names are ours, and the ratio is bounded by the total.
fn reader_limits(limits: &ChartLimits) -> Limits {
    // Headers and padding come on top of the content, about two blocks for each entry.
    let overhead = (limits.files as u64).saturating_mul(4 * 512).saturating_add(1 << 20);
    Limits {
        entries: limits.files as u64 * 2,
        total_bytes: limits.total_bytes.saturating_add(overhead),
        file_bytes: limits.file_bytes,
        compression_ratio: u64::MAX,
        ..Limits::default()
    }
}

fn translate(error: UnpackError, limits: &ChartLimits) -> LoadError {
    match error.fault {
        Fault::Limit(Limit::FileBytes, limit) => LoadError::FileTooLarge { name: error.entry, limit },
        Fault::Limit(Limit::TotalBytes, _) => LoadError::TooLarge(limits.total_bytes),
        Fault::Limit(Limit::Entries, _) => LoadError::Limit { what: "files", limit: limits.files },
        _ => LoadError::Archive(error),
    }
}

/// The files of an archive below its base directory.
pub(super) fn read_files(
    reader: impl Read,
    limits: &ChartLimits,
    budget: &mut Budget,
) -> Result<Vec<ChartFile>, LoadError> {
    let mut entries = Entries::new(Capped::new(reader, limits), &reader_limits(limits));
    let mut files = Vec::new();
    while let Some(entry) = entries.next_entry().map_err(|error| translate(error, limits))? {
        if entry.kind == RawKind::Directory {
            continue;
        }
        let name = chart_name(&entry)?;
        if name.in_root_without_base {
            return Err(LoadError::NoBaseDirectory);
        }
        budget.spend(entry.size, limits)?;
        let data = without_mark(entries.content().map_err(|error| translate(error, limits))?);
        files.push(ChartFile { name: name.path, modified: Some(entry.modified), data });
    }
    if files.is_empty() {
        return Err(LoadError::NoFiles);
    }
    Ok(files)
}

/// How far an archive is read for its metadata.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Until {
    ChartYaml,
    End,
}

pub(super) fn read_metadata(reader: impl Read, limits: &ChartLimits, until: Until) -> Result<Metadata, MetadataError> {
    // Files that are passed may be as large as the whole.
    let bounds = Limits { file_bytes: limits.total_bytes, ..reader_limits(limits) };
    let mut entries = Entries::new(Capped::new(reader, limits), &bounds);
    let failed = |error| MetadataError::Load(translate(error, limits));
    let mut metadata: Option<Metadata> = None;
    while let Some(entry) = entries.next_entry().map_err(failed)? {
        if entry.kind == RawKind::Directory {
            continue;
        }
        let name = match chart_name(&entry)?.path.as_str() {
            CHART_FILE => CHART_FILE,
            REQUIREMENTS_FILE => REQUIREMENTS_FILE,
            _ => continue,
        };
        if entry.size > limits.file_bytes {
            let name = String::from_utf8_lossy(&entry.name).into_owned();
            return Err(MetadataError::FileTooLarge { name, limit: limits.file_bytes });
        }
        let text = entries.content().map_err(failed)?;
        let read = metadata.get_or_insert_default();
        read.merge(&text).map_err(|source| MetadataError::File { name, source })?;
        read.default_api_version();
        if until == Until::ChartYaml && name == CHART_FILE {
            break;
        }
    }
    metadata.ok_or(MetadataError::Missing)
}

struct ChartName {
    path: String,
    in_root_without_base: bool,
}

/// The path below the base directory.
fn chart_name(entry: &RawEntry) -> Result<ChartName, LoadError> {
    // Go keeps any bytes in a name; no such file could be addressed by a template.
    let name = std::str::from_utf8(&entry.name).map_err(|_| LoadError::IllegallyNamed)?;
    if name.contains('\0') {
        return Err(LoadError::IllegallyNamed);
    }
    // Archives from Windows may have backslashes instead.
    let delimiter = if name.contains('\\') { '\\' } else { '/' };
    let (base, rest) = name.split_once(delimiter).unwrap_or((name, ""));
    let below = rest.replace(delimiter, "/");
    // `base//etc/passwd`, which is absolute once the base is gone.
    if below.starts_with('/') {
        return Err(LoadError::IllegalName("contains absolute paths".into()));
    }
    let path = clean(&below);
    if path == "." {
        return Err(LoadError::IllegalName(format!("contains content outside the base directory: {name:?}")));
    }
    if path.starts_with("..") {
        return Err(LoadError::IllegalName("references parent directory".into()));
    }
    // `c:/file`, which is absolute on Windows.
    let mut letters = path.bytes();
    if letters.next().is_some_and(|first| first.is_ascii_alphabetic()) && path[1..].starts_with(":/") {
        return Err(LoadError::IllegallyNamed);
    }
    Ok(ChartName { path, in_root_without_base: base == CHART_FILE })
}

/// The shortest form of a relative path, `.` for an empty one, as Go cleans it. `..` remains only at the start.
pub(crate) fn clean(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for component in path.split('/') {
        match component {
            "" | "." => {}
            ".." if kept.last().is_some_and(|last| *last != "..") => {
                kept.pop();
            }
            other => kept.push(other),
        }
    }
    if kept.is_empty() { ".".to_owned() } else { kept.join("/") }
}
