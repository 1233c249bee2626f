//! [`DirTree`]: a directory on disk as a [`FileTree`]. The only module that uses the file system, and it only reads.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fs::{self, File, Metadata};
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::path::RelPath;
use crate::tree::{EntryKind, FileTree, ReadError};

/// A directory that no path and no symbolic link leaves.
///
/// Assumption: nobody changes the directory meanwhile (an artifact's unpacked tree is read-only), so that a link checked is the
/// link opened, and a directory that was found once is still there.
#[derive(Debug, Clone)]
pub struct DirTree {
    root: PathBuf,
    max_file_bytes: u64,
    /// Where directories are that were looked into, without links: most files have many siblings.
    directories: Arc<Mutex<HashMap<String, PathBuf>>>,
}

impl DirTree {
    /// The tree below `root`; a file of more than `max_file_bytes` is refused.
    ///
    /// # Errors
    /// `root` is not a directory that can be resolved.
    pub fn new(root: &Path, max_file_bytes: u64) -> Result<Self, std::io::Error> {
        let root = fs::canonicalize(root)?;
        if !fs::metadata(&root)?.is_dir() {
            return Err(std::io::Error::from(ErrorKind::NotADirectory));
        }
        Ok(Self { root, max_file_bytes, directories: Arc::default() })
    }

    /// The real path of an entry, and what is there. Links may point anywhere within the root; one that leads out is an attempt to read the
    /// host.
    fn resolve(&self, path: &RelPath) -> Result<(PathBuf, Metadata), ReadError> {
        let io = |error| failure(path, error);
        let (parent, name) = path.as_str().rsplit_once('/').unwrap_or(("", path.as_str()));
        let entry = if name.is_empty() { self.root.clone() } else { self.directory(parent, path)?.join(name) };
        let metadata = fs::symlink_metadata(&entry).map_err(io)?;
        if !metadata.is_symlink() {
            return Ok((entry, metadata));
        }
        let real = self.within(&entry, path)?;
        let metadata = fs::metadata(&real).map_err(io)?;
        Ok((real, metadata))
    }

    /// The real path of a directory, on the way to `path`.
    fn directory(&self, directory: &str, path: &RelPath) -> Result<PathBuf, ReadError> {
        // The map is whole after each operation.
        let known = || self.directories.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(real) = known().get(directory) {
            return Ok(real.clone());
        }
        let real = self.within(&self.root.join(directory), path)?;
        known().insert(directory.to_owned(), real.clone());
        Ok(real)
    }

    fn within(&self, entry: &Path, path: &RelPath) -> Result<PathBuf, ReadError> {
        let real = fs::canonicalize(entry).map_err(|error| failure(path, error))?;
        if real.starts_with(&self.root) { Ok(real) } else { Err(ReadError::Outside { path: path.clone() }) }
    }
}

impl FileTree for DirTree {
    fn read(&self, path: &RelPath) -> Result<Cow<'_, [u8]>, ReadError> {
        let (real, metadata) = self.resolve(path)?;
        let io = |error| failure(path, error);
        // A named pipe would block the reader for ever, a device never end.
        if !metadata.is_file() {
            return Err(ReadError::NotAFile { path: path.clone() });
        }
        // One byte more than it should have tells the end in the same read.
        let expected = metadata.len().min(self.max_file_bytes).saturating_add(1);
        let mut content = Vec::with_capacity(usize::try_from(expected).unwrap_or_default());
        File::open(&real).and_then(|file| file.take(self.max_file_bytes + 1).read_to_end(&mut content)).map_err(io)?;
        if u64::try_from(content.len()).unwrap_or(u64::MAX) > self.max_file_bytes {
            return Err(ReadError::TooLarge { path: path.clone(), limit: self.max_file_bytes });
        }
        Ok(Cow::Owned(content))
    }

    fn kind(&self, path: &RelPath) -> Option<EntryKind> {
        let (_, metadata) = self.resolve(path).ok()?;
        if metadata.is_dir() {
            return Some(EntryKind::Dir);
        }
        metadata.is_file().then_some(EntryKind::File)
    }

    fn list(&self, path: &RelPath) -> Result<Vec<(String, EntryKind)>, ReadError> {
        let (real, _) = self.resolve(path)?;
        let io = |error| failure(path, error);
        let mut entries = Vec::new();
        for entry in fs::read_dir(&real).map_err(io)? {
            // Names that are not UTF-8 cannot be written in a manifest either.
            let Ok(name) = entry.map_err(io)?.file_name().into_string() else { continue };
            let Ok(child) = path.join(&name) else { continue };
            if let Some(kind) = self.kind(&child) {
                entries.push((name, kind));
            }
        }
        entries.sort_unstable_by(|left, right| left.0.cmp(&right.0));
        Ok(entries)
    }

    fn real_path(&self, path: &RelPath) -> RelPath {
        let real = self.resolve(path).ok().map(|(real, _)| real);
        let below = real.as_deref().and_then(|real| real.strip_prefix(&self.root).ok()).and_then(Path::to_str);
        below.and_then(|below| RelPath::new(below).ok()).unwrap_or_else(|| path.clone())
    }
}

fn failure(path: &RelPath, source: std::io::Error) -> ReadError {
    let path = path.clone();
    match source.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => ReadError::NotFound { path },
        ErrorKind::IsADirectory => ReadError::NotAFile { path },
        _ => ReadError::Io { path, source },
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_followed_within_the_root_only_and_sizes_are_bounded() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("secret"), "s").unwrap();
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("d")).unwrap();
        fs::write(root.path().join("d/f"), "hello").unwrap();
        fs::write(root.path().join("big"), "123456789").unwrap();
        symlink("d/f", root.path().join("inside")).unwrap();
        symlink(outside.path().join("secret"), root.path().join("escape")).unwrap();
        symlink(outside.path(), root.path().join("escape-dir")).unwrap();
        symlink("loop", root.path().join("loop")).unwrap();
        let tree = DirTree::new(root.path(), 8).unwrap();
        let path = |text| RelPath::new(text).unwrap();

        assert_eq!(&*tree.read(&path("inside")).unwrap(), b"hello");
        assert!(matches!(tree.read(&path("escape")), Err(ReadError::Outside { .. })));
        assert!(matches!(tree.read(&path("escape-dir/secret")), Err(ReadError::Outside { .. })));
        assert!(matches!(tree.read(&path("d")), Err(ReadError::NotAFile { .. })));
        assert!(matches!(tree.read(&path("d/f/g")), Err(ReadError::NotFound { .. })));
        assert!(matches!(tree.read(&path("big")), Err(ReadError::TooLarge { limit: 8, .. })));
        assert!(tree.read(&path("loop")).is_err());
        assert_eq!(tree.kind(&path("escape")), None);
        let names: Vec<String> = tree.list(&path("")).unwrap().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["big", "d", "inside"]);
    }
}
