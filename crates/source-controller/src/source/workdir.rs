//! Directories for work under way, and the removal of those that a crash left behind.
//!
//! A directory is locked as long as it is in use, by a lock that the kernel drops with the process: whoever gets it may remove the
//! directory. Deliberately by name and lock only: neither age nor a list of processes says whether somebody still works there.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;
use tempfile::TempDir;

/// How every name begins. It is ours alone: what begins with it and is not in use is removed.
const PREFIX: &str = "sluice-work-";

/// Entries of the directory for temporary files that are looked at: other programs may have left any number there.
const MAX_ENTRIES: usize = 10_000;

/// How often a directory may be removed by another process between its creation and its lock.
const MAX_ATTEMPTS: usize = 10;

/// An empty directory of its own, mode 0700, that goes with this.
#[derive(Debug)]
pub(crate) struct WorkDirectory {
    // Dropped in this order: the directory goes before anybody else may take it for left over.
    directory: TempDir,
    _lock: File,
}

impl WorkDirectory {
    /// Makes a directory where the process has its temporary files. Blocks for a moment.
    ///
    /// # Errors
    /// Those of the file system.
    pub(crate) fn new() -> io::Result<Self> {
        Self::new_in(&std::env::temp_dir())
    }

    fn new_in(parent: &Path) -> io::Result<Self> {
        for _ in 0..MAX_ATTEMPTS {
            let directory = tempfile::Builder::new().prefix(PREFIX).tempdir_in(parent)?;
            let lock = match open(directory.path()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                opened => opened?,
            };
            lock.lock()?;
            // A process that starts at this very moment may have taken it before it was locked.
            if is_same(&lock, directory.path())? {
                return Ok(Self { directory, _lock: lock });
            }
        }
        Err(io::Error::other("temporary directory is removed again and again"))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// Removes the directories that earlier processes left where temporary files are, and returns how many. Blocks.
///
/// # Errors
/// When the directory cannot be listed. One that cannot be removed stays.
pub(crate) fn collect_left_over(parent: &Path) -> io::Result<usize> {
    let mut removed = 0;
    for entry in std::fs::read_dir(parent)?.take(MAX_ENTRIES) {
        let entry = entry?;
        if entry.file_name().to_str().is_some_and(|name| name.starts_with(PREFIX)) {
            removed += usize::from(remove_unused(&entry.path()).unwrap_or(false));
        }
    }
    Ok(removed)
}

/// False when it is in use.
fn remove_unused(path: &Path) -> io::Result<bool> {
    let directory = open(path)?;
    // Held during the removal, so that a process that has just made the directory waits, and finds it gone.
    if directory.try_lock().is_err() || !is_same(&directory, path)? {
        return Ok(false);
    }
    std::fs::remove_dir_all(path).map(|()| true)
}

/// An error for what is no directory, a link to one included.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)
}

fn is_same(file: &File, path: &Path) -> io::Result<bool> {
    let ours = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (ours.dev(), ours.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(parent: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(parent).expect("a list");
        let mut names: Vec<String> =
            entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn only_our_own_directories_that_nobody_uses_are_removed() {
        let parent = tempfile::tempdir().expect("a directory");
        let root = parent.path();
        let used = WorkDirectory::new_in(root).expect("a work directory");
        std::fs::write(used.path().join("content"), "in use").expect("a file");
        let crashed = root.join("sluice-work-crashed");
        std::fs::create_dir_all(crashed.join("deep/er")).expect("a directory");
        std::fs::write(crashed.join("deep/file"), "left").expect("a file");
        std::fs::create_dir(root.join("another-program")).expect("a directory");
        std::fs::write(root.join("sluice-work-file"), "").expect("a file");
        std::os::unix::fs::symlink(root.join("another-program"), root.join("sluice-work-link")).expect("a link");

        assert_eq!(collect_left_over(root).expect("collected"), 1);
        let own = used.path().file_name().expect("a name").to_string_lossy().into_owned();
        let mut expected =
            vec!["another-program".to_owned(), own, "sluice-work-file".into(), "sluice-work-link".into()];
        expected.sort();
        assert_eq!(names(root), expected);
        assert_eq!(std::fs::read_to_string(used.path().join("content")).expect("still there"), "in use");

        drop(used);
        assert_eq!(names(root), ["another-program", "sluice-work-file", "sluice-work-link"]);
    }

    #[test]
    fn a_directory_is_left_over_as_soon_as_its_process_is_gone() {
        let parent = tempfile::tempdir().expect("a directory");
        let WorkDirectory { directory, _lock: lock } = WorkDirectory::new_in(parent.path()).expect("a work directory");
        // What a crash leaves: the directory without the lock.
        let path = directory.keep();
        assert_eq!(collect_left_over(parent.path()).expect("collected"), 0);
        drop(lock);
        assert_eq!(collect_left_over(parent.path()).expect("collected"), 1);
        assert!(!path.exists());
    }
}
