//! From an object's key to a path below a directory.
//!
//! A key is any text that somebody could upload. Deliberately no file system here: that a path of this type cannot leave its root is a
//! property of the text, and holds as long as nobody else puts symbolic links below that root.

use std::collections::HashMap;
use std::path::Path;

use crate::error::excerpt;

/// The longest key. Azure's are up to 1,024 characters, so up to four times as many bytes; S3's and Google's are up to 1,024 bytes.
pub(crate) const MAX_KEY_BYTES: usize = 4 * 1024;

/// The longest path component of Linux's file systems, in bytes.
const MAX_COMPONENT_BYTES: usize = 255;

/// The longest relative path, in bytes: `PATH_MAX` is 4,096, and the root needs a part of it.
const MAX_PATH_BYTES: usize = 3 * 1024;

/// A relative path of one or more normal components, separated by `/`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectPath(String);

/// Why a key has no path. Every text names the key, escaped and cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Nothing is left to be a file's name: the empty key, `/`, `..`, `a/..`.
    #[error("object key '{key}' does not name a file")]
    NoName {
        /// The key.
        key: String,
    },
    /// It ends in `/`: the marker of a directory, which the caller skips.
    #[error("object key '{key}' names a directory")]
    Directory {
        /// The key.
        key: String,
    },
    /// It holds a NUL, at which the operating system would cut it.
    #[error("object key '{key}' has a NUL character")]
    Nul {
        /// The key.
        key: String,
    },
    /// The key, its path or a component is longer than a file system takes.
    #[error("object key '{key}' is too long")]
    TooLong {
        /// The key.
        key: String,
    },
    /// Two keys that differ have the same path, such as `a//b` and `a/b`.
    #[error("object keys '{key}' and '{other}' have the same path")]
    SamePath {
        /// The key.
        key: String,
        /// The key that came first.
        other: String,
    },
    /// One key's path is a directory of the other's, such as `a` and `a/b`.
    #[error("object key '{key}' is a directory of object key '{other}'")]
    FileAndDirectory {
        /// The key that would be a file.
        key: String,
        /// The key below it.
        other: String,
    },
}

impl ObjectPath {
    /// The path of a key, clamped at the root: empty components and `.` vanish, `..` removes the component before it and does nothing at
    /// the root, a leading `/` is of no effect. A backslash is a character like any other.
    ///
    /// # Errors
    /// [`KeyError`], except for its variants about two keys.
    pub fn of_key(key: &str) -> Result<Self, KeyError> {
        let named = || excerpt(key);
        if key.len() > MAX_KEY_BYTES {
            return Err(KeyError::TooLong { key: named() });
        }
        if key.contains('\0') {
            return Err(KeyError::Nul { key: named() });
        }
        let mut components = Vec::new();
        for component in key.split('/') {
            match component {
                "" | "." => {}
                ".." => drop(components.pop()),
                longest if longest.len() > MAX_COMPONENT_BYTES => return Err(KeyError::TooLong { key: named() }),
                normal => components.push(normal),
            }
        }
        let path = components.join("/");
        match path.len() {
            0 => Err(KeyError::NoName { key: named() }),
            _ if key.ends_with('/') => Err(KeyError::Directory { key: named() }),
            // Anything else would write the object to the name of a directory above it.
            _ if key.ends_with("/.") || key.ends_with("/..") => Err(KeyError::NoName { key: named() }),
            MAX_PATH_BYTES.. => Err(KeyError::TooLong { key: named() }),
            _ => Ok(Self(path)),
        }
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path as a path.
    pub fn as_path(&self) -> &Path {
        Path::new(&self.0)
    }
}

/// Paths of many keys, no two of which get in each other's way.
#[derive(Debug, Default)]
pub struct ObjectPaths {
    /// What is at each path: a file, or a directory for the sake of the key.
    taken: HashMap<String, (Kind, String)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
}

impl ObjectPaths {
    /// The path of one more key. Adding the same key again is no conflict.
    ///
    /// # Errors
    /// Any [`KeyError`]. Which of two keys is at fault does not depend on the operating system, as it would if the second write failed.
    pub fn add(&mut self, key: &str) -> Result<ObjectPath, KeyError> {
        let path = ObjectPath::of_key(key)?;
        match self.taken.get(path.as_str()) {
            Some((Kind::File, other)) if other == key => return Ok(path),
            Some((Kind::File, other)) => {
                return Err(KeyError::SamePath { key: excerpt(key), other: excerpt(other) });
            }
            Some((Kind::Directory, other)) => {
                return Err(KeyError::FileAndDirectory { key: excerpt(key), other: excerpt(other) });
            }
            None => {}
        }
        let directories = path.as_str().match_indices('/').map(|(at, _)| &path.as_str()[..at]);
        // From the longest: where one is known, those above it are too.
        for directory in directories.rev() {
            match self.taken.get(directory) {
                Some((Kind::File, other)) => {
                    return Err(KeyError::FileAndDirectory { key: excerpt(other), other: excerpt(key) });
                }
                Some((Kind::Directory, _)) => break,
                None => drop(self.taken.insert(directory.to_owned(), (Kind::Directory, key.to_owned()))),
            }
        }
        self.taken.insert(path.0.clone(), (Kind::File, key.to_owned()));
        Ok(path)
    }
}

#[cfg(test)]
mod tests;
