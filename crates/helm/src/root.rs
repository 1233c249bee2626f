//! A source's directory as the root of a file system of its own: no path and no link in it leads out.
//!
//! It expects a private tree that nobody changes meanwhile. Deliberately absent: reading of charts.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// As many links as the kernel's own bound is multiplied by upstream.
const MAX_LINKS: usize = 255;

/// The unpacked tree of a source.
#[derive(Clone, Debug)]
pub struct SourceRoot {
    path: PathBuf,
}

impl SourceRoot {
    /// The tree at that directory.
    ///
    /// # Errors
    /// It cannot be found.
    pub fn new(path: &Path) -> io::Result<Self> {
        Ok(Self { path: path.canonicalize()? })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where a path leads when the root is taken for `/`: `..` stays at the root, absolute targets of links begin there. What does not exist
    /// is joined as it is.
    ///
    /// # Errors
    /// A component cannot be looked at, or there are too many links.
    pub fn resolve(&self, relative: &Path) -> io::Result<PathBuf> {
        let mut left: VecDeque<OsString> = parts(relative).collect();
        let (mut resolved, mut links) = (PathBuf::new(), 0);
        while let Some(component) = left.pop_front() {
            if component == ".." {
                resolved.pop();
                continue;
            }
            let next = self.path.join(&resolved).join(&component);
            let is_link = match fs::symlink_metadata(&next) {
                Ok(metadata) => metadata.is_symlink(),
                Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => false,
                Err(error) => return Err(error),
            };
            if !is_link {
                resolved.push(component);
                continue;
            }
            links += 1;
            // Links that lead to each other.
            if links > MAX_LINKS {
                return Err(io::Error::other("too many links"));
            }
            let target = fs::read_link(&next)?;
            if target.is_absolute() {
                resolved = PathBuf::new();
            }
            for part in parts(&target).collect::<Vec<_>>().into_iter().rev() {
                left.push_front(part);
            }
        }
        Ok(self.path.join(resolved))
    }

    /// A resolved path for messages: from the root on, with a slash before it.
    pub fn shown(&self, resolved: &Path) -> String {
        format!("/{}", resolved.strip_prefix(&self.path).unwrap_or(resolved).display())
    }
}

fn parts(path: &Path) -> impl Iterator<Item = OsString> + '_ {
    path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::CurDir | Component::RootDir | Component::Prefix(_) => None,
    })
}

/// Reads a regular file of at most so many bytes.
pub(crate) fn read_file(path: &Path, max_bytes: u64) -> Result<Vec<u8>, ReadError> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(ReadError::Irregular);
    }
    if metadata.len() > max_bytes {
        return Err(ReadError::TooLarge(metadata.len()));
    }
    let mut content = Vec::new();
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut content)?;
    // It grew meanwhile.
    if content.len() as u64 > max_bytes {
        return Err(ReadError::TooLarge(content.len() as u64));
    }
    Ok(content)
}

/// A file that is not read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("not a regular file")]
    Irregular,
    #[error("size of {0} bytes exceeds the limit")]
    TooLarge(u64),
    #[error("{}", io_text(.0))]
    Io(#[from] io::Error),
}

/// Whether there is anything at a path.
pub(crate) fn look(path: &Path) -> io::Result<Option<Metadata>> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The usual text of a system's error, in lower case and without its number.
pub(crate) fn io_text(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map(|first| first.to_lowercase().chain(letters).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn nothing_leads_out_of_the_root() {
        let outer = tempfile::tempdir().unwrap();
        let inside = outer.path().join("root");
        fs::create_dir_all(inside.join("a/b")).unwrap();
        fs::write(inside.join("a/b/file"), "x").unwrap();
        fs::write(outer.path().join("secret"), "x").unwrap();
        for (link, target) in [
            ("up", "../../secret"),
            ("absolute", "/a/b/file"),
            ("relative", "a/b"),
            ("loop", "loop"),
            ("a/escape", "../../../../etc/passwd"),
        ] {
            symlink(target, inside.join(link)).unwrap();
        }
        let root = SourceRoot::new(&inside).unwrap();
        for (path, expected) in [
            ("a/b/file", "/a/b/file"),
            ("../../secret", "/secret"),
            ("/etc/passwd", "/etc/passwd"),
            ("up", "/secret"),
            ("absolute", "/a/b/file"),
            ("relative/file", "/a/b/file"),
            ("relative/../x", "/a/x"),
            ("a/escape", "/etc/passwd"),
            ("missing/../a", "/a"),
            ("./a/./b/", "/a/b"),
            ("", "/"),
        ] {
            assert_eq!(root.shown(&root.resolve(Path::new(path)).unwrap()), expected, "{path}");
        }
        assert!(root.resolve(Path::new("loop")).is_err());
    }
}
