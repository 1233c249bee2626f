//! Reads a chart from a directory of a source, following links only inside that source. What the files are is decided elsewhere.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use super::archive::{self, Budget, Until};
use super::error::{LoadError, MetadataError};
use super::ignore::Rules;
use super::{CHART_FILE, Chart, ChartFile, ChartLimits, REQUIREMENTS_FILE, assemble, without_mark};
use crate::metadata::Metadata;
use crate::root::{ReadError, SourceRoot, io_text, look, read_file};

const IGNORE_FILE: &str = ".helmignore";
/// A list of patterns that is larger is none.
const MAX_IGNORE_BYTES: u64 = 1 << 20;

pub(super) fn load(root: &SourceRoot, path: &Path, limits: &ChartLimits) -> Result<Chart, LoadError> {
    let (resolved, is_directory) = find(root, path)?;
    let mut budget = Budget::new(limits);
    if !is_directory {
        let files = archive::read_files(&*read_archive(root, &resolved, limits)?, limits, &mut budget)?;
        return assemble::assemble(files, limits, &mut budget, 0);
    }
    let shown = format!("{}/", root.shown(&resolved).trim_end_matches('/'));
    let rules = ignore_rules(root, path)?;
    let mut walk = Walk { root, rules: &rules, limits, budget: &mut budget, files: Vec::new() };
    walk.directory(&resolved, "", 0).map_err(|problem| LoadError::Files { path: shown.clone(), problem })?;
    let files = walk.files;
    let loaded = assemble::assemble(files, limits, &mut budget, 0);
    loaded.map_err(|source| LoadError::Directory { path: shown, source: Box::new(source) })
}

pub(super) fn load_metadata(root: &SourceRoot, path: &Path, limits: &ChartLimits) -> Result<Metadata, MetadataError> {
    let (resolved, is_directory) = find(root, path)?;
    if !is_directory {
        return archive::read_metadata(&*read_archive(root, &resolved, limits)?, limits, Until::End);
    }
    let mut metadata = Metadata::default();
    let text = read_named(root, path, CHART_FILE, limits)?.ok_or_else(|| {
        let path = root.shown(&resolved.join(CHART_FILE));
        MetadataError::Load(LoadError::Io { path, problem: "no such file or directory".into() })
    })?;
    metadata.merge(&text).map_err(|source| MetadataError::File { name: CHART_FILE, source })?;
    metadata.default_api_version();
    if let Some(text) = read_named(root, path, REQUIREMENTS_FILE, limits)? {
        metadata.merge(&text).map_err(|source| MetadataError::File { name: REQUIREMENTS_FILE, source })?;
    }
    Ok(metadata)
}

/// A file of the directory that may be missing.
fn read_named(
    root: &SourceRoot,
    directory: &Path,
    name: &'static str,
    limits: &ChartLimits,
) -> Result<Option<Vec<u8>>, MetadataError> {
    let failed = |problem| MetadataError::Load(LoadError::Io { path: name.to_owned(), problem });
    let path = root.resolve(&directory.join(name)).map_err(|error| failed(io_text(&error)))?;
    match look(&path).map_err(|error| failed(io_text(&error)))? {
        None => return Ok(None),
        Some(found) if found.is_dir() => return Err(MetadataError::IsDirectory(name)),
        Some(_) => {}
    }
    match read_file(&path, limits.file_bytes) {
        Ok(content) => Ok(Some(without_mark(content))),
        Err(ReadError::TooLarge(_)) => {
            Err(MetadataError::FileTooLarge { name: name.to_owned(), limit: limits.file_bytes })
        }
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Where a path leads, and whether to a directory.
fn find(root: &SourceRoot, path: &Path) -> Result<(PathBuf, bool), LoadError> {
    let io = |problem| LoadError::Io { path: format!("/{}", path.display()).replacen("//", "/", 1), problem };
    let resolved = root.resolve(path).map_err(|error| io(io_text(&error)))?;
    let found = look(&resolved).map_err(|error| io(io_text(&error)))?;
    let found = found.ok_or_else(|| io("no such file or directory".to_owned()))?;
    Ok((resolved, found.is_dir()))
}

fn read_archive(root: &SourceRoot, path: &Path, limits: &ChartLimits) -> Result<Vec<u8>, LoadError> {
    let name = || path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let content = read_file(path, limits.archive_bytes).map_err(|error| match error {
        ReadError::TooLarge(_) => LoadError::ArchiveTooLarge { name: name(), limit: limits.archive_bytes },
        other => LoadError::Io { path: root.shown(path), problem: other.to_string() },
    })?;
    if content.starts_with(b"\x1f\x8b\x08") { Ok(content) } else { Err(LoadError::NotAnArchive(root.shown(path))) }
}

fn ignore_rules(root: &SourceRoot, chart: &Path) -> Result<Rules, LoadError> {
    let file = root.resolve(&chart.join(IGNORE_FILE)).map_err(|error| LoadError::Ignore(io_text(&error)))?;
    let found = look(&file).map_err(|error| LoadError::Ignore(io_text(&error)))?;
    let text = match found {
        Some(_) => read_file(&file, MAX_IGNORE_BYTES).map_err(|error| LoadError::Ignore(error.to_string()))?,
        None => Vec::new(),
    };
    Rules::parse(&String::from_utf8_lossy(&text)).map_err(LoadError::Ignore)
}

struct Walk<'w> {
    root: &'w SourceRoot,
    rules: &'w Rules,
    limits: &'w ChartLimits,
    budget: &'w mut Budget,
    files: Vec<ChartFile>,
}

impl Walk<'_> {
    /// Reads what is in a directory, in the order of names. `name` is its path below the chart, with a final slash unless empty.
    fn directory(&mut self, path: &Path, name: &str, depth: usize) -> Result<(), String> {
        // A link to a directory above it, which never ends.
        if depth > self.limits.depth {
            return Err(format!("cannot load '{name}' directory: more than {} levels", self.limits.depth));
        }
        let failed = |error: std::io::Error| format!("{}: {}", self.root.shown(path), io_text(&error));
        let listing = fs::read_dir(path).map_err(failed)?;
        let mut names: Vec<OsString> = Vec::new();
        for entry in listing {
            names.push(entry.map_err(failed)?.file_name());
            // A directory of millions of names.
            if names.len() > self.limits.files {
                return Err(format!("more than {} files", self.limits.files));
            }
        }
        names.sort();
        for file_name in names {
            let shown = file_name.to_str().ok_or_else(|| format!("cannot load {name}: file name is not UTF-8"))?;
            self.entry(&path.join(&file_name), &format!("{name}{shown}"), depth)?;
        }
        Ok(())
    }

    fn entry(&mut self, path: &Path, name: &str, depth: usize) -> Result<(), String> {
        let failed = |error: std::io::Error| format!("{name}: {}", io_text(&error));
        let mut found = fs::symlink_metadata(path).map_err(failed)?;
        let mut real = path.to_owned();
        if found.is_symlink() {
            let broken = |error: std::io::Error| format!("error evaluating symlink {name}: {}", io_text(&error));
            real = path.canonicalize().map_err(broken)?;
            found = fs::symlink_metadata(&real).map_err(failed)?;
        }
        if self.rules.ignores(name, found.is_dir()) {
            return Ok(());
        }
        let kind = if found.is_dir() { "directory" } else { "file" };
        // A link to a file of the controller, or of another tenant's source. Only after the ignore rules, so that it can be left out.
        if !real.starts_with(self.root.path()) {
            let away = "absolute path traverses outside root boundary";
            return Err(format!("cannot load '{name}' {kind}: {away}"));
        }
        if found.is_dir() {
            return self.directory(&real, &format!("{name}/"), depth + 1);
        }
        // Opening a pipe would wait for ever, a device could do anything.
        if !found.is_file() {
            return Err(format!("cannot load irregular file {name} as it has file mode type bits set"));
        }
        let limit = self.limits.file_bytes;
        let data = read_file(&real, limit).map_err(|error| match error {
            ReadError::TooLarge(size) => {
                format!("cannot load file {name} as file size ({size}) exceeds limit ({limit})")
            }
            other => format!("error reading {name}: {other}"),
        })?;
        self.budget.spend(data.len() as u64, self.limits).map_err(|error| error.to_string())?;
        self.files.push(ChartFile { name: name.to_owned(), modified: None, data: without_mark(data) });
        Ok(())
    }
}
