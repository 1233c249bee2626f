//! Creates directories and files below the destination.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::Limits;
use super::fault::{Fault, Limit};
use super::name::SafePath;

/// The bits of a mode that are kept. Not set-uid and set-gid, which would lend our rights to whoever runs the file, nor
/// the sticky bit.
const PERMISSION_BITS: u32 = 0o777;

/// What a directory has at least: without it we could neither fill nor remove it.
const DIRECTORY_LEAST: u32 = 0o700;

/// What a file has at least: without it we could not read it.
const FILE_LEAST: u32 = 0o600;

/// The mode of a directory that has no entry of its own.
const IMPLIED_DIRECTORY: u32 = 0o750;

/// The destination and what was created in it.
pub(super) struct Tree {
    root: PathBuf,
    /// Every directory that was created. What exists and is not among them is a file.
    created: HashSet<PathBuf>,
    entries: u64,
}

impl Tree {
    /// Requires the destination to be an empty directory: an existing link in it would lead writes elsewhere.
    pub(super) fn new(root: &Path, limits: &Limits) -> Result<Self, Fault> {
        if fs::read_dir(root).map_err(Fault::Destination)?.next().is_some() {
            return Err(Fault::DestinationNotEmpty);
        }
        Ok(Self { root: root.to_owned(), created: HashSet::new(), entries: limits.entries })
    }

    /// How many directories were created.
    pub(super) fn directories(&self) -> u64 {
        self.created.len() as u64
    }

    /// Creates a directory and those above it. One that exists gets the mode. The root keeps its own.
    pub(super) fn directory(&mut self, path: &SafePath, mode: u32) -> Result<(), Fault> {
        if path.components().is_empty() {
            return Ok(());
        }
        let path = self.ensure(path.components())?;
        let mode = (mode & PERMISSION_BITS) | DIRECTORY_LEAST;
        fs::set_permissions(path, Permissions::from_mode(mode)).map_err(Fault::Write)
    }

    /// Creates a file and the directories above it; a file of the same name goes away first.
    pub(super) fn file(&mut self, path: &SafePath, mode: u32) -> Result<File, Fault> {
        let Some((name, above)) = path.components().split_last() else {
            return Err(Fault::Conflict);
        };
        let path = self.ensure(above)?.join(OsStr::from_bytes(name));
        if self.created.contains(&path) {
            return Err(Fault::Conflict);
        }
        let file = match create(&path) {
            // Removed and created anew, never opened: whatever is there is not written through.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                fs::remove_file(&path).and_then(|()| create(&path))
            }
            other => other,
        };
        let file = file.map_err(Fault::Write)?;
        let mode = (mode & PERMISSION_BITS) | FILE_LEAST;
        file.set_permissions(Permissions::from_mode(mode)).map_err(Fault::Write)?;
        Ok(file)
    }

    /// Creates the directories that are missing, each on its own, so that none is taken for a directory that is not.
    fn ensure(&mut self, components: &[Vec<u8>]) -> Result<PathBuf, Fault> {
        let mut path = self.root.clone();
        for component in components {
            path.push(OsStr::from_bytes(component));
            if self.created.contains(&path) {
                continue;
            }
            // Directories that names imply cost inodes as well and have no header that would be counted.
            if self.directories() >= self.entries {
                return Err(Fault::Limit(Limit::Entries, self.entries));
            }
            DirBuilder::new().mode(IMPLIED_DIRECTORY).create(&path).map_err(|error| match error.kind() {
                io::ErrorKind::AlreadyExists => Fault::Conflict,
                _ => Fault::Write(error),
            })?;
            self.created.insert(path.clone());
        }
        Ok(path)
    }
}

/// Creates a file that must not exist, not even as a dangling link.
fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(FILE_LEAST).open(path)
}
