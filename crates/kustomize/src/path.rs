//! [`RelPath`]: a path that cannot leave its root. It is a name only; whether something is there, a [`crate::FileTree`] knows.

use std::fmt;

use thiserror::Error;

/// A normalised path below a root: components joined by `/`, none of them empty, `.` or `..`; the root itself is empty.
///
/// Every path that a build uses is one of these, so that no manifest can name a file outside of the tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelPath(String);

/// Why a text is not a path below the root.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PathError {
    /// The path starts with `/`.
    #[error("path '{path}' must be relative")]
    Absolute {
        /// The path.
        path: String,
    },
    /// The path climbs above the root.
    #[error("path '{path}' is not in or below the root")]
    Outside {
        /// The path.
        path: String,
    },
    /// The path has a NUL character, which no file system can name.
    #[error("path '{path}' has a NUL character")]
    Nul {
        /// The path, with the NUL escaped.
        path: String,
    },
}

impl RelPath {
    /// The root.
    pub const fn root() -> Self {
        Self(String::new())
    }

    /// Parses a path relative to the root; `.` and `./a//b/` are fine.
    ///
    /// # Errors
    /// The path is absolute, leaves the root or has a NUL.
    pub fn new(path: &str) -> Result<Self, PathError> {
        Self::root().join(path)
    }

    /// The path that `path` names from this directory.
    ///
    /// # Errors
    /// As for [`RelPath::new`].
    pub fn join(&self, path: &str) -> Result<Self, PathError> {
        if path.starts_with('/') {
            return Err(PathError::Absolute { path: path.to_owned() });
        }
        if path.contains('\0') {
            return Err(PathError::Nul { path: path.escape_default().to_string() });
        }
        let mut joined = self.0.clone();
        for component in path.split('/') {
            match component {
                "" | "." => {}
                ".." if joined.is_empty() => return Err(PathError::Outside { path: path.to_owned() }),
                ".." => joined.truncate(joined.rfind('/').unwrap_or(0)),
                name => {
                    if !joined.is_empty() {
                        joined.push('/');
                    }
                    joined.push_str(name);
                }
            }
        }
        Ok(Self(joined))
    }

    /// This path in the mount of a fetched repository. The mount's name has a NUL, so that no text of a manifest and no file system
    /// can name it.
    pub(crate) fn mounted(&self, mount: usize) -> Self {
        let slash = if self.0.is_empty() { "" } else { "/" };
        Self(format!("\0{mount}{slash}{}", self.0))
    }

    /// This path in the same mount as another.
    pub(crate) fn mounted_as(&self, other: &Self) -> Self {
        other.split_mount().map_or_else(|| self.clone(), |(mount, _)| self.mounted(mount))
    }

    /// The mount and the path within; `None` for a path that is in none.
    pub(crate) fn split_mount(&self) -> Option<(usize, Self)> {
        let rest = self.0.strip_prefix('\0')?;
        let (mount, within) = rest.split_once('/').unwrap_or((rest, ""));
        Some((mount.parse().ok()?, Self(within.to_owned())))
    }

    /// The directory that holds it; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.0.is_empty() {
            return None;
        }
        Some(Self(self.0[..self.0.rfind('/').unwrap_or(0)].to_owned()))
    }

    /// The last component; empty for the root.
    pub fn file_name(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }

    /// Whether this is `other` or lies below it.
    pub fn is_within(&self, other: &Self) -> bool {
        other.0.is_empty() || self.0.strip_prefix(&other.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The text; empty for the root.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RelPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "." } else { &self.0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normalised_and_never_leave_the_root() {
        let base = RelPath::new("a/./b//").unwrap();
        assert_eq!(base.as_str(), "a/b");
        assert_eq!(base.join("../c").unwrap().as_str(), "a/c");
        assert_eq!(base.join("../..").unwrap(), RelPath::root());
        for (path, error) in [
            ("../../..", PathError::Outside { path: "../../..".to_owned() }),
            ("/etc/passwd", PathError::Absolute { path: "/etc/passwd".to_owned() }),
            ("a\0b", PathError::Nul { path: "a\\u{0}b".to_owned() }),
        ] {
            assert_eq!(base.join(path), Err(error));
        }
    }

    #[test]
    fn a_mount_is_apart_from_every_path_that_can_be_written() {
        let path = |text| RelPath::new(text).unwrap();
        for within in ["", "a/b"] {
            let mounted = path(within).mounted(12);
            assert_eq!(mounted.split_mount(), Some((12, path(within))));
            assert_eq!(path("c").mounted_as(&mounted), path("c").mounted(12));
            assert!(!mounted.is_within(&path("a")) && !mounted.is_within(&path("").mounted(1)));
        }
        assert_eq!(path("a").mounted(0).join("../..").unwrap().split_mount(), None);
        assert_eq!(path("a").mounted_as(&path("b")), path("a"));
    }

    #[test]
    fn being_within_respects_whole_components() {
        let path = |text| RelPath::new(text).unwrap();
        assert!(
            path("a/b").is_within(&path("a")) && path("a").is_within(&path("a")) && path("a").is_within(&path("."))
        );
        assert!(!path("ab").is_within(&path("a")));
    }
}
