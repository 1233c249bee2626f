//! Retention: which files of an object's directory go, and their removal.
//!
//! A file that is not the current one goes when it is older than the time to live, **or** when there are more files
//! than records to keep, the oldest first. With what crashes leave behind (unfinished files, locks of files that are
//! gone) the time to live alone decides, and nobody may hold it any more.
//!
//! One thing is deliberately different from the model: there, once a file was found too old, each further one was
//! counted twice, so that too few went in that run. Here exactly as many as said remain.
//!
//! Deliberately absent: links, which are left alone, and removal of a whole directory.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use sluice_artifact::{LOCK_SUFFIX, TEMPORARY_PREFIX};

use crate::lock::Lock;

/// How long a collection should take at most; the caller makes its deadline of this.
pub const COLLECTION_BUDGET: Duration = Duration::from_secs(5);

/// How many directory entries one collection looks at. What is beyond is for the next one.
pub const MAX_FILES_EXAMINED: usize = 1000;

/// How long and how many artifacts of an object are kept beside the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// The age from which a file that is not the current one goes.
    pub ttl: Duration,
    /// How many files are kept at most, with the current one.
    pub records: usize,
}

impl Default for Retention {
    /// One minute and two records.
    fn default() -> Self {
        Self { ttl: Duration::from_secs(60), records: 2 }
    }
}

/// What a collection did.
#[derive(Debug, Default)]
pub struct Collected {
    /// The artifacts that were removed, relative to the storage root, oldest first.
    pub removed: Vec<PathBuf>,
    /// How many unfinished files and lone locks were removed.
    pub leftovers: usize,
    /// What could not be removed. The rest was, all the same.
    pub failures: Vec<CollectionFailure>,
    /// Whether the deadline or [`MAX_FILES_EXAMINED`] ended the collection early.
    pub interrupted: bool,
}

/// A file that should have gone and did not.
#[derive(Debug, thiserror::Error)]
#[error("failed to remove '{}'", path.display())]
pub struct CollectionFailure {
    /// The file, relative to the storage root.
    pub path: PathBuf,
    /// Why.
    #[source]
    pub source: io::Error,
}

/// One collection in one directory.
pub(crate) struct Collection<'a> {
    /// The directory on disk.
    pub(crate) directory: &'a Path,
    /// The directory relative to the storage root, for the report.
    pub(crate) relative: PathBuf,
    /// The name of the current artifact's file.
    pub(crate) current: &'a OsStr,
    pub(crate) now: Timestamp,
    pub(crate) deadline: Instant,
}

/// A regular file and its age.
struct Aged {
    name: OsString,
    modified: Timestamp,
}

/// What a directory holds.
#[derive(Default)]
struct Listing {
    artifacts: Vec<Aged>,
    temporary: Vec<Aged>,
    locks: Vec<Aged>,
}

impl Collection<'_> {
    pub(crate) fn run(self, retention: Retention) -> io::Result<Collected> {
        let mut collected = Collected::default();
        let listing = self.list(&mut collected)?;
        let names: HashSet<OsString> = listing.artifacts.iter().map(|file| file.name.clone()).collect();
        for file in self.garbage(listing.artifacts, retention) {
            if self.is_over(&mut collected) {
                return Ok(collected);
            }
            match self.remove_artifact(&file.name) {
                Ok(true) => collected.removed.push(self.relative.join(&file.name)),
                Ok(false) => {}
                Err(source) => collected.failures.push(self.failure(&file.name, source)),
            }
        }
        let abandoned_locks = listing.locks.into_iter().filter(|lock| {
            let artifact = lock.name.to_str().and_then(|name| name.strip_suffix(LOCK_SUFFIX)).unwrap_or_default();
            artifact != self.current && !names.contains(OsStr::new(artifact))
        });
        for file in listing.temporary.into_iter().chain(abandoned_locks) {
            if self.is_over(&mut collected) {
                return Ok(collected);
            }
            if !self.is_older(&file, retention.ttl) {
                continue;
            }
            match self.remove_leftover(&file.name) {
                Ok(removed) => collected.leftovers += usize::from(removed),
                Err(source) => collected.failures.push(self.failure(&file.name, source)),
            }
        }
        Ok(collected)
    }

    fn list(&self, collected: &mut Collected) -> io::Result<Listing> {
        let mut listing = Listing::default();
        let entries = match fs::read_dir(self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(listing),
            Err(error) => return Err(error),
        };
        for (count, entry) in entries.enumerate() {
            if count == MAX_FILES_EXAMINED || self.is_over(collected) {
                collected.interrupted = true;
                break;
            }
            let Some(file) = aged(&entry?)? else { continue };
            let name = file.name.as_encoded_bytes();
            if name.ends_with(LOCK_SUFFIX.as_bytes()) {
                listing.locks.push(file);
            } else if name.starts_with(TEMPORARY_PREFIX.as_bytes()) {
                listing.temporary.push(file);
            } else {
                listing.artifacts.push(file);
            }
        }
        Ok(listing)
    }

    /// The artifacts that go, oldest first.
    fn garbage(&self, artifacts: Vec<Aged>, retention: Retention) -> Vec<Aged> {
        let (current, mut others): (Vec<_>, Vec<_>) = artifacts.into_iter().partition(|file| file.name == self.current);
        // Of two of the same age the name decides, so that the outcome does not hang on the order of listing.
        others.sort_unstable_by(|a, b| (a.modified, &a.name).cmp(&(b.modified, &b.name)));
        let expired = others.partition_point(|file| self.is_older(file, retention.ttl));
        let excess = (current.len() + others.len()).saturating_sub(retention.records);
        others.truncate(expired.max(excess));
        others
    }

    fn is_older(&self, file: &Aged, ttl: Duration) -> bool {
        let ttl = SignedDuration::try_from(ttl).unwrap_or(SignedDuration::MAX);
        self.now.duration_since(file.modified) > ttl
    }

    fn is_over(&self, collected: &mut Collected) -> bool {
        let over = Instant::now() >= self.deadline;
        collected.interrupted |= over;
        over
    }

    /// Removes an artifact and its lock; false when somebody is writing it.
    fn remove_artifact(&self, name: &OsStr) -> io::Result<bool> {
        let mut lock_name = name.to_owned();
        lock_name.push(LOCK_SUFFIX);
        let Some(lock) = Lock::try_acquire(self.directory.join(lock_name))? else {
            return Ok(false);
        };
        let removed = remove_if_there(&self.directory.join(name))?;
        lock.remove_file()?;
        Ok(removed)
    }

    /// Removes an unfinished file or a lone lock; false when somebody holds it.
    fn remove_leftover(&self, name: &OsStr) -> io::Result<bool> {
        match Lock::try_acquire_existing(self.directory.join(name))? {
            Some(lock) => lock.remove_file().map(|()| true),
            None => Ok(false),
        }
    }

    fn failure(&self, name: &OsStr, source: io::Error) -> CollectionFailure {
        CollectionFailure { path: self.relative.join(name), source }
    }
}

/// A regular file with its age; `None` for links and everything else, and for what vanished meanwhile.
fn aged(entry: &DirEntry) -> io::Result<Option<Aged>> {
    let metadata = match entry.metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !metadata.is_file() {
        return Ok(None);
    }
    Ok(Some(Aged { name: entry.file_name(), modified: modified(&metadata)? }))
}

fn modified(metadata: &Metadata) -> io::Result<Timestamp> {
    Timestamp::try_from(metadata.modified()?).map_err(io::Error::other)
}

/// Removes a file; false when there was none.
pub(crate) fn remove_if_there(path: &Path) -> io::Result<bool> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
