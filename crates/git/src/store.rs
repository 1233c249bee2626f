//! The bare repository on disk, through libgit2. Everything here blocks.
//!
//! It holds what a fetch of one commit brings, without history, and one reference: to the last commit fetched whole. It is a cache:
//! whatever is wrong with it, it is removed and fetched again.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use git2::{Repository, RepositoryInitOptions};
use tokio::sync::mpsc;

use crate::pack_scan::{PackScan, ScanError};
use crate::{Commit, EntryKind, ObjectId, SubmoduleError, Target, object, submodule, tree};

/// Names the last commit whose tree is here as a whole.
const TIP: &str = "refs/sluice/tip";

/// The directory in a mirror's own where the mirrors of its submodules are.
pub(crate) const MODULES: &str = "sluice-modules";

/// Packs after which a fresh start is cheaper than looking through all of them: each fetch adds one.
const MAX_PACKS: usize = 50;

/// Why objects could not be stored or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The directory could not be emptied, made or measured.
    #[error("failed to prepare the mirror directory '{path}'")]
    Directory {
        /// The mirror's directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The repository could not be made.
    #[error("failed to create the mirror repository")]
    Create(#[source] git2::Error),
    /// The pack received is damaged or does not fit what is here.
    #[error("failed to index the pack received")]
    Pack(#[source] git2::Error),
    /// An object of the pack received has more bytes than accepted.
    #[error("the remote sends an object of more than {0} bytes")]
    ObjectTooLarge(u64),
    /// An object that must be here is not, or is not readable.
    #[error("failed to read object {id}")]
    Read {
        /// The object.
        id: ObjectId,
        /// The cause.
        #[source]
        source: git2::Error,
    },
    /// The tag leads to another commit than the remote said: a lie, or a tag moved in the meantime.
    #[error("tag {tag} is not of commit {commit}")]
    TagOfAnother {
        /// The tag object.
        tag: ObjectId,
        /// The commit that it was said to lead to.
        commit: ObjectId,
    },
    /// The object is larger than is read.
    #[error("object {id} is larger than {limit} bytes")]
    TooLarge {
        /// The object.
        id: ObjectId,
        /// The limit.
        limit: usize,
    },
    /// The object is no tag.
    #[error("object {0} is not a tag")]
    NotATag(ObjectId),
    /// The object is no commit: a tag of a file, for example.
    #[error("object {0} is not a commit")]
    NotACommit(ObjectId),
    /// The last commit could not be noted.
    #[error("failed to update the mirror's reference")]
    Reference(#[source] git2::Error),
    /// The transfer ended before the pack was whole.
    #[error("the transfer was cut short")]
    CutShort,
    /// A submodule cannot be followed.
    #[error(transparent)]
    Submodule(#[from] SubmoduleError),
    /// The thread that does the work died.
    #[error("the storing thread failed")]
    Thread,
}

/// What the reader of the network hands to the writer of the disk.
#[derive(Debug)]
pub(crate) enum Piece {
    Data(Bytes),
    /// The pack is whole. A channel that closes without this was cut short.
    End,
}

/// A mirror's directory and its limit.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) dir: PathBuf,
    pub(crate) max_bytes: u64,
}

impl Store {
    /// Makes the repository ready, from nothing when it is missing, damaged or too large. Returns the tip.
    pub(crate) fn prepare(&self) -> Result<Option<ObjectId>, StoreError> {
        remove_leftovers(&packs(&self.dir));
        let usage = self.usage().unwrap_or_default();
        let fits = usage.bytes <= self.max_bytes && usage.packs <= MAX_PACKS;
        match object::open(&self.dir) {
            Ok(repository) if fits => Ok(tip(&repository)),
            _ => self.recreate().map(|()| None),
        }
    }

    /// Removes everything and makes an empty repository.
    pub(crate) fn recreate(&self) -> Result<(), StoreError> {
        let directory = |source| StoreError::Directory { path: self.dir.clone(), source };
        std::fs::create_dir_all(&self.dir).map_err(directory)?;
        for entry in std::fs::read_dir(&self.dir).map_err(directory)? {
            let entry = entry.map_err(directory)?;
            // Other repositories' mirrors are no part of this one.
            if entry.file_name() == MODULES {
                continue;
            }
            let is_dir = entry.file_type().map_err(directory)?.is_dir();
            let removed =
                if is_dir { std::fs::remove_dir_all(entry.path()) } else { std::fs::remove_file(entry.path()) };
            removed.map_err(directory)?;
        }
        // No template: the machine's could bring hooks and settings along.
        let mut options = RepositoryInitOptions::new();
        options.bare(true).external_template(false);
        Repository::init_opts(&self.dir, &options).map(|_| ()).map_err(StoreError::Create)
    }

    /// Whether the target is here already, so that nothing has to be fetched.
    pub(crate) fn has(&self, target: &Target) -> bool {
        let Ok(repository) = object::open(&self.dir) else { return false };
        let exists = |id: ObjectId| repository.odb().and_then(|odb| Ok(odb.exists(id.to_git2()?))).unwrap_or(false);
        tip(&repository) == Some(target.commit) && exists(target.commit) && target.tag.is_none_or(exists)
    }

    /// Takes a pack in pieces until its end and adds it. Ends without a trace when the channel closes early or `stop` is set.
    pub(crate) fn write_pack(
        &self,
        mut pieces: mpsc::Receiver<Piece>,
        stop: &Arc<AtomicBool>,
        max_object: u64,
    ) -> Result<u32, StoreError> {
        let mut scan = PackScan::new(max_object);
        let repository = object::open(&self.dir).map_err(StoreError::Pack)?;
        let odb = repository.odb().map_err(StoreError::Pack)?;
        let mut writer = odb.packwriter().map_err(StoreError::Pack)?;
        let stopped = Arc::clone(stop);
        // Asked between objects: resolving the deltas of a large pack takes long after its last byte has come.
        writer.progress(move |_| !stopped.load(Ordering::Relaxed));
        let mut objects = None;
        loop {
            match pieces.blocking_recv() {
                Some(Piece::Data(piece)) => {
                    // The reader hands out nothing before it has seen the whole header.
                    objects = objects.or_else(|| piece.get(8..12)?.try_into().ok().map(u32::from_be_bytes));
                    // Before the indexer sees it, which trusts the sizes.
                    scan.push(&piece).map_err(|error| match error {
                        ScanError::TooLarge(limit) => StoreError::ObjectTooLarge(limit),
                        ScanError::Damaged => StoreError::Pack(git2::Error::from_str("malformed entry")),
                    })?;
                    writer.write_all(&piece).map_err(|_| StoreError::Pack(git2::Error::last_error(-1)))?;
                }
                Some(Piece::End) => break,
                None => return Err(StoreError::CutShort),
            }
        }
        let objects = objects.unwrap_or_default();
        if objects > 0 {
            writer.commit().map_err(StoreError::Pack)?;
        }
        Ok(objects)
    }

    /// Chooses among the targets, all fetched: the only one, or the one whose commit is newest. Notes it as the tip.
    pub(crate) fn finish<'a>(
        &self,
        targets: impl Iterator<Item = &'a Target>,
    ) -> Result<Option<(Target, Commit)>, StoreError> {
        let repository = object::open(&self.dir).map_err(StoreError::Reference)?;
        let mut newest: Option<(Target, Commit)> = None;
        for target in targets {
            let commit = read_commit(&repository, target.commit)?;
            check_tag(&repository, target)?;
            if newest.as_ref().is_none_or(|(_, other)| commit.committed_at > other.committed_at) {
                newest = Some((target.clone(), commit));
            }
        }
        if let Some((target, _)) = &newest {
            let id = target.commit.to_git2().map_err(StoreError::Reference)?;
            repository.reference(TIP, id, true, "").map_err(StoreError::Reference)?;
        }
        Ok(newest)
    }

    /// The submodules of a commit: those that both its tree and its `.gitmodules` name.
    pub(crate) fn submodules(&self, commit: ObjectId) -> Result<Vec<Gitlink>, StoreError> {
        let read = |source| StoreError::Read { id: commit, source };
        let repository = object::open(&self.dir).map_err(read)?;
        let object = repository.find_object(commit.to_git2().map_err(read)?, None).map_err(read)?;
        let root = object.peel_to_tree().map_err(read)?;
        let Some(file) = root.get_name_bytes(b".gitmodules") else { return Ok(Vec::new()) };
        // A link would be read through in a work tree, from wherever it leads.
        if !matches!(tree::kind(&file), Some(EntryKind::File | EntryKind::Executable)) {
            return Ok(Vec::new());
        }
        let odb = repository.odb().map_err(read)?;
        let (size, _) = odb.read_header(file.id()).map_err(read)?;
        if size > submodule::MAX_FILE {
            return Err(SubmoduleError::FileTooLarge.into());
        }
        let text = object::read(&odb, file.id()).map_err(read)?;
        let mut found = Vec::new();
        for (path, url) in submodule::parse(text.data())? {
            let entry = root.get_path(Path::new(OsStr::from_bytes(&path)));
            if let Ok(entry) = entry
                && tree::kind(&entry) == Some(EntryKind::Submodule)
            {
                found.push(Gitlink { path, url, commit: entry.id().into() });
            }
        }
        Ok(found)
    }

    /// Removes the mirrors of submodules of which no one is in `keep`; all of them when they take more than a mirror may.
    pub(crate) fn prune_modules(&self, keep: &BTreeSet<PathBuf>) {
        let dir = self.dir.join(MODULES);
        let Ok(entries) = std::fs::read_dir(&dir) else { return };
        let modules: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        let bytes: u64 =
            modules.iter().filter_map(|module| measure(&packs(module)).ok()).map(|usage| usage.bytes).sum();
        for module in modules {
            if bytes > self.max_bytes || !keep.contains(&module) {
                // What is left is measured again the next time.
                let _ = std::fs::remove_dir_all(module);
            }
        }
    }

    /// What the packs take, those of submodules included.
    pub(crate) fn disk_usage(&self) -> Result<u64, StoreError> {
        let mut bytes = self.usage()?.bytes;
        if let Ok(entries) = std::fs::read_dir(self.dir.join(MODULES)) {
            for entry in entries.flatten() {
                bytes += measure(&packs(&entry.path())).map(|usage| usage.bytes).unwrap_or_default();
            }
        }
        Ok(bytes)
    }

    /// What the repository's own packs take.
    pub(crate) fn usage(&self) -> Result<Usage, StoreError> {
        let measured = measure(&packs(&self.dir));
        measured.map_err(|source| StoreError::Directory { path: self.dir.clone(), source })
    }
}

/// Removes what a process that was killed in the middle of a transfer has left. Whoever calls this has the mirror to itself.
fn remove_leftovers(packs: &Path) {
    let Ok(entries) = std::fs::read_dir(packs) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let known = [".pack", ".idx", ".keep"].iter().any(|end| name.to_string_lossy().ends_with(end));
        if !known {
            // Left again, it counts towards the mirror's limit.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

fn packs(dir: &Path) -> PathBuf {
    dir.join("objects").join("pack")
}

/// A submodule as a commit has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gitlink {
    pub(crate) path: Vec<u8>,
    /// As it is written.
    pub(crate) url: String,
    pub(crate) commit: ObjectId,
}

/// Bytes and number of packs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    pub(crate) bytes: u64,
    pub(crate) packs: usize,
}

fn measure(dir: &Path) -> io::Result<Usage> {
    let mut usage = Usage::default();
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(usage),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        usage.bytes += entry.metadata()?.len();
        usage.packs += usize::from(entry.path().extension().is_some_and(|extension| extension == "pack"));
    }
    Ok(usage)
}

fn tip(repository: &Repository) -> Option<ObjectId> {
    repository.refname_to_id(TIP).ok().map(ObjectId::from)
}

/// A signature on a tag says something of the tag's own object. What the remote says that it leads to is not signed by anybody.
fn check_tag(repository: &Repository, target: &Target) -> Result<(), StoreError> {
    let Some(tag) = target.tag else { return Ok(()) };
    let read = |source| StoreError::Read { id: tag, source };
    let object = repository.find_object(tag.to_git2().map_err(read)?, None).map_err(read)?;
    let peeled = object.peel(git2::ObjectType::Commit).map_err(|_| StoreError::NotACommit(tag))?;
    if ObjectId::from(peeled.id()) == target.commit {
        return Ok(());
    }
    Err(StoreError::TagOfAnother { tag, commit: target.commit })
}

fn read_commit(repository: &Repository, id: ObjectId) -> Result<Commit, StoreError> {
    let read = |source| StoreError::Read { id, source };
    let id_here = id.to_git2().map_err(read)?;
    repository.odb().and_then(|odb| object::read(&odb, id_here).map(drop)).map_err(read)?;
    let object = repository.find_object(id_here, None).map_err(read)?;
    let commit = object.as_commit().ok_or(StoreError::NotACommit(id))?;
    let subject = String::from_utf8_lossy(commit.summary_bytes().unwrap_or_default()).into_owned();
    Ok(Commit { id, subject, committed_at: commit.time().seconds() })
}
