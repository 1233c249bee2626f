//! Advisory locks on files, and the files that carry them.
//!
//! Deliberately absent: locks that survive the process. The kernel drops these with their file descriptor.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// How often a file may be removed by others between our opening and our locking it. Each time somebody else made
/// progress, so more than a few in a row mean that something is wrong.
pub(crate) const MAX_ATTEMPTS: usize = 100;

/// Flags of every open in the store: a symbolic link is never followed, a pipe never waited for.
pub(crate) fn careful_flags() -> i32 {
    (OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC).bits().cast_signed()
}

/// An exclusive lock, held until it is dropped. Its file stays unless [`Lock::remove_file`] is called.
#[derive(Debug)]
pub(crate) struct Lock {
    path: PathBuf,
    /// Closing it releases the lock.
    _file: File,
}

impl Lock {
    /// Creates the file if need be and waits for the lock: as long as another writer holds it.
    pub(crate) fn acquire(path: PathBuf) -> io::Result<Self> {
        for _ in 0..MAX_ATTEMPTS {
            let file = open(&path)?;
            file.lock()?;
            if is_same(&file, &path)? {
                return Ok(Self { path, _file: file });
            }
        }
        Err(io::Error::other("lock file is replaced again and again"))
    }

    /// Like [`Lock::acquire`], but `None` when somebody else holds the lock.
    pub(crate) fn try_acquire(path: PathBuf) -> io::Result<Option<Self>> {
        let file = open(&path)?;
        Self::try_hold(file, path)
    }

    /// Locks a file that exists, such as one that is being written; `None` when somebody else holds it or it is gone.
    pub(crate) fn try_acquire_existing(path: PathBuf) -> io::Result<Option<Self>> {
        match OpenOptions::new().read(true).custom_flags(careful_flags()).open(&path) {
            Ok(file) => Self::try_hold(file, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn try_hold(file: File, path: PathBuf) -> io::Result<Option<Self>> {
        match file.try_lock() {
            Ok(()) => Ok(is_same(&file, &path)?.then_some(Self { path, _file: file })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Removes the lock's file. Whoever waits for the lock then finds that its file is gone, and starts again.
    pub(crate) fn remove_file(self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).custom_flags(careful_flags()).open(path)
}

/// Whether the path still leads to the open file. It does not when the file was removed after we opened it: a lock on
/// a file without a name excludes nobody who comes later.
pub(crate) fn is_same(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
