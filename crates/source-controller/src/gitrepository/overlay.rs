//! What includes add to the commit's tree: their files, unpacked into temporary directories, and where each of them goes.
//!
//! The rules are those of moving a directory into a work tree: parents are made, nothing that is there is merged with. `..` cannot leave
//! either root, since paths are lists of names here. Deliberately never written over the commit's tree: packing reads both.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{Read as _, Seek as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sluice_api::meta::Artifact;
use sluice_api::source::GitInclude;
use sluice_archive::{Content, FileMode, Limits, Node, Summary, UnpackError, unpack, walk_directory};
use sluice_artifact::{ArtifactPath, Digest};
use sluice_git::EntryKind;
use sluice_sourceignore::{IGNORE_FILE, MAX_TEXT_BYTES};
use sluice_storage::{Storage, VerifyError};

use crate::source::workdir::WorkDirectory;

/// The names on the way from the root. Their order is that of a lexical walk.
pub(super) type Components = Vec<Vec<u8>>;

/// An include could not be put in its place.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IncludeFailed {
    /// The place has a name that no artifact may have.
    #[error("path calculation for include '{include}' failed: the path has a backslash or a control character")]
    Path { include: String },
    /// The content is not there, or the place is taken.
    #[error("failed to copy '{include}' include from {from} to {to}")]
    Copy {
        include: String,
        from: String,
        to: String,
        #[source]
        source: CopyError,
    },
    /// The work was abandoned because the process ends.
    #[error("the work was abandoned")]
    Abandoned,
}

/// Why an include was not copied.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CopyError {
    /// Its status names no file of the storage.
    #[error("the status of the included object does not hold a valid path and digest")]
    Status,
    /// It is not in the storage as it should be.
    #[error(transparent)]
    Stored(VerifyError),
    /// It cannot be unpacked.
    #[error("failed to unpack the artifact")]
    Unpack(#[source] UnpackError),
    /// The temporary directory cannot be made or read.
    #[error("failed to read the unpacked artifact")]
    Files(#[source] std::io::Error),
    /// `fromPath` is not in the artifact.
    #[error("'{0}' does not exist in the artifact")]
    NoSource(String),
    /// There is a directory at `toPath`.
    #[error("'{0}' exists already")]
    Exists(String),
    /// A file or a link is on the way to `toPath`.
    #[error("'{0}' is not a directory")]
    NotADirectory(String),
}

/// An artifact to put into the tree.
#[derive(Debug, Clone)]
pub(crate) struct Include {
    name: String,
    artifact: Artifact,
    from: Components,
    to: Components,
    from_text: String,
    to_text: String,
}

impl Include {
    /// Pairs includes with their artifacts, which are in the same order.
    ///
    /// # Errors
    /// [`IncludeFailed::Path`].
    pub(crate) fn all(includes: &[GitInclude], artifacts: &[Artifact]) -> Result<Vec<Self>, IncludeFailed> {
        let pair = |(include, artifact): (&GitInclude, &Artifact)| {
            let name = include.repository.name.clone();
            // Consumers refuse such names, and unpacked on another system a backslash is a separator.
            if [include.from_path(), include.to_path()].iter().any(|path| path.contains(['\\', '\0', '\n', '\r'])) {
                return Err(IncludeFailed::Path { include: name });
            }
            Ok(Self {
                name,
                artifact: artifact.clone(),
                from: clamp(include.from_path()),
                to: clamp(include.to_path()),
                from_text: include.from_path().to_owned(),
                to_text: include.to_path().to_owned(),
            })
        };
        includes.iter().zip(artifacts).map(pair).collect()
    }

    /// Where it goes, and what is above that.
    pub(super) fn places(&self) -> impl Iterator<Item = &[Vec<u8>]> {
        (0..=self.to.len()).map(|length| &self.to[..length])
    }
}

/// The names of a path; `..` goes up, but never above the root.
fn clamp(path: &str) -> Components {
    let mut components = Components::new();
    for component in path.split('/') {
        match component {
            "" | "." => {}
            ".." => drop(components.pop()),
            name => components.push(name.as_bytes().to_vec()),
        }
    }
    components
}

/// What is included at a place.
#[derive(Debug)]
pub(super) enum Included {
    Directory,
    File {
        mode: FileMode,
        /// Where it is unpacked.
        path: PathBuf,
    },
}

/// The files of all includes, by their place in the tree.
#[derive(Debug, Default)]
pub(crate) struct Overlay {
    pub(super) nodes: BTreeMap<Components, Included>,
    /// `.sourceignore` files among them, by directory.
    pub(super) ignore_files: Vec<(Components, Vec<u8>)>,
    /// Kept until the content has been packed.
    unpacked: Vec<WorkDirectory>,
    /// What is on disk so far. All includes together may have what one artifact may: a list of a thousand large ones would fill the disk.
    used: Used,
}

#[derive(Debug, Default)]
struct Used {
    entries: u64,
    bytes: u64,
}

impl Used {
    fn rest(&self) -> Limits {
        let limits = Limits::default();
        Limits {
            entries: limits.entries.saturating_sub(self.entries),
            total_bytes: limits.total_bytes.saturating_sub(self.bytes),
            ..limits
        }
    }
}

/// What the commit's tree has at places of interest.
pub(super) type Taken = HashMap<Components, EntryKind>;

/// Unpacks all includes beside the tree whose entries at their places are `taken`.
pub(crate) async fn copy(
    storage: &Arc<Storage>,
    includes: Vec<Include>,
    taken: Taken,
) -> Result<Overlay, IncludeFailed> {
    if includes.is_empty() {
        return Ok(Overlay::default());
    }
    let storage = Arc::clone(storage);
    let copying = tokio::task::spawn_blocking(move || {
        let mut overlay = Overlay::default();
        for include in includes {
            overlay.add(&storage, &include, &taken).map_err(|source| IncludeFailed::Copy {
                include: include.name,
                from: include.from_text,
                to: include.to_text,
                source,
            })?;
        }
        Ok(overlay)
    });
    copying.await.unwrap_or(Err(IncludeFailed::Abandoned))
}

impl Included {
    /// The content of a file.
    pub(super) fn open(path: &Path) -> std::io::Result<Content<'static>> {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        Ok(Content::from_reader(size, file))
    }
}

impl Overlay {
    fn add(&mut self, storage: &Storage, include: &Include, taken: &Taken) -> Result<(), CopyError> {
        let (dir, summary) = unpack_artifact(storage, &include.artifact, &self.used.rest())?;
        self.used.entries += summary.files + summary.directories;
        self.used.bytes += summary.content_bytes;
        let source = dir.path().join(path_of(&include.from));
        let shown = || String::from_utf8_lossy(&include.from.join(&b'/')).into_owned();
        // An unpacked artifact has no links, so this stays below the directory.
        let metadata = match std::fs::symlink_metadata(&source) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(CopyError::NoSource(shown())),
            Err(error) if error.kind() == std::io::ErrorKind::NotADirectory => {
                return Err(CopyError::NoSource(shown()));
            }
            Err(error) => return Err(CopyError::Files(error)),
        };
        self.make_way(&include.to, taken, metadata.is_dir())?;
        if metadata.is_dir() {
            self.nodes.insert(include.to.clone(), Included::Directory);
            self.add_directory(&source, &include.to)?;
        } else {
            self.add_ignore_file(&source, &include.to)?;
            let mode = FileMode::from_bits(metadata.mode());
            self.nodes.insert(include.to.clone(), Included::File { mode, path: source });
        }
        self.unpacked.push(dir);
        Ok(())
    }

    /// Makes the directories above `to`, and sees that nothing is in its way.
    fn make_way(&mut self, to: &Components, taken: &Taken, is_directory: bool) -> Result<(), CopyError> {
        let shown = |place: &[Vec<u8>]| String::from_utf8_lossy(&place.join(&b'/')).into_owned();
        if to.is_empty() {
            return Err(CopyError::Exists(".".to_owned()));
        }
        for length in 1..to.len() {
            let parent = &to[..length];
            match self.kind(parent, taken) {
                Some(EntryKind::Directory) => {}
                Some(_) => return Err(CopyError::NotADirectory(shown(parent))),
                None => drop(self.nodes.insert(parent.to_vec(), Included::Directory)),
            }
        }
        match self.kind(to, taken) {
            None => Ok(()),
            // A file takes the place of a file, as in a move.
            Some(EntryKind::File | EntryKind::Executable) if !is_directory => Ok(()),
            Some(EntryKind::File | EntryKind::Executable | EntryKind::Symlink) => {
                Err(CopyError::NotADirectory(shown(to)))
            }
            Some(EntryKind::Directory | EntryKind::Submodule) => Err(CopyError::Exists(shown(to))),
        }
    }

    fn kind(&self, place: &[Vec<u8>], taken: &Taken) -> Option<EntryKind> {
        match self.nodes.get(place) {
            Some(Included::Directory) => Some(EntryKind::Directory),
            Some(Included::File { .. }) => Some(EntryKind::File),
            None => taken.get(place).copied(),
        }
    }

    fn add_directory(&mut self, source: &Path, to: &Components) -> Result<(), CopyError> {
        for entry in walk_directory(source, Limits::default().path_depth) {
            let entry = entry.map_err(CopyError::Files)?;
            let below: Components = entry.path.split(|byte| *byte == b'/').map(<[u8]>::to_vec).collect();
            let place = [to.as_slice(), &below].concat();
            let included = match entry.node {
                Node::Directory => Included::Directory,
                Node::File { mode, .. } => {
                    let path = source.join(path_of(&below));
                    self.add_ignore_file(&path, &place)?;
                    Included::File { mode, path }
                }
                Node::Other => continue,
            };
            self.nodes.insert(place, included);
        }
        Ok(())
    }

    fn add_ignore_file(&mut self, file: &Path, place: &Components) -> Result<(), CopyError> {
        let Some((name, dir)) = place.split_last() else { return Ok(()) };
        if name != IGNORE_FILE.as_bytes() {
            return Ok(());
        }
        let mut text = Vec::new();
        // One byte more than the matcher takes, so that it refuses what is too long.
        let bound = MAX_TEXT_BYTES as u64 + 1;
        File::open(file).and_then(|file| file.take(bound).read_to_end(&mut text)).map_err(CopyError::Files)?;
        self.ignore_files.push((dir.to_vec(), text));
        Ok(())
    }
}

fn unpack_artifact(
    storage: &Storage,
    artifact: &Artifact,
    limits: &Limits,
) -> Result<(WorkDirectory, Summary), CopyError> {
    let (Ok(path), Ok(expected)) = (artifact.path.parse::<ArtifactPath>(), artifact.digest.parse::<Digest>()) else {
        return Err(CopyError::Status);
    };
    let mut file = storage.open(&path).map_err(CopyError::Stored)?;
    // A file that was tampered with must not become a part of another artifact. One that is replaced meanwhile is another file.
    let (actual, _) = Digest::of_reader(expected.algorithm(), &file).map_err(CopyError::Files)?;
    if actual != expected {
        let (expected, actual) = (Box::new(expected), Box::new(actual));
        return Err(CopyError::Stored(VerifyError::Mismatch { expected, actual }));
    }
    file.rewind().map_err(CopyError::Files)?;
    let dir = WorkDirectory::new().map_err(CopyError::Files)?;
    let summary = unpack(file, dir.path(), limits).map_err(CopyError::Unpack)?;
    Ok((dir, summary))
}

fn path_of(components: &[Vec<u8>]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    components.iter().map(|component| std::ffi::OsStr::from_bytes(component)).collect()
}

#[cfg(test)]
mod tests;
