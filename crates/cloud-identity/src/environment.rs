//! The process's environment and its small files as values, so that nothing below reads either by itself.
//!
//! Deliberately no defaults and no interpretation: which variable means what is the business of each provider.

use std::collections::BTreeMap;
use std::fmt;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use sluice_http_client::Secret;

/// A snapshot of environment variables. Some of them are keys, so `Debug` shows the names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, String>);

impl Environment {
    /// What this process has now. Variables that are not UTF-8 are left out.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os();
        variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
    }

    /// A variable's value; an empty one counts as unset, as the clouds' own libraries have it.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// [`Environment::get`] as a secret.
    pub(crate) fn secret(&self, name: &str) -> Option<Secret<String>> {
        self.get(name).map(|value| Secret::new(value.to_owned()))
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The largest file that is read: projected tokens have some two KiB, credential configurations and certificate chains ten.
pub const MAX_FILE_BYTES: usize = 256 * 1024;

/// Where files come from. Paths come from the controller's own environment only, never from an object.
pub trait Files: Send + Sync {
    /// The file's bytes, at most `max_bytes`.
    ///
    /// # Errors
    /// As the file system says; [`std::io::ErrorKind::FileTooLarge`] for a larger file.
    fn read(&self, path: &Path, max_bytes: usize) -> std::io::Result<Vec<u8>>;
}

/// The files of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalFiles;

impl Files for LocalFiles {
    fn read(&self, path: &Path, max_bytes: usize) -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        std::fs::File::open(path)?.take(max_bytes as u64 + 1).read_to_end(&mut bytes)?;
        if bytes.len() > max_bytes {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes)
    }
}

/// A file that the environment names could not be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It cannot be read.
    #[error("failed to read {path}")]
    Read {
        /// Where it is.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// It is not text. The content is not in the error.
    #[error("{path} is not UTF-8 text")]
    NotText {
        /// Where it is.
        path: PathBuf,
    },
    /// It is empty.
    #[error("{path} is empty")]
    Empty {
        /// Where it is.
        path: PathBuf,
    },
}

/// A file with one secret in it, without the white space around it.
pub(crate) fn read_secret(files: &dyn Files, path: &str) -> Result<Secret<String>, FileError> {
    let path = PathBuf::from(path);
    let bytes = match files.read(&path, MAX_FILE_BYTES) {
        Ok(bytes) => bytes,
        Err(source) => return Err(FileError::Read { path, source }),
    };
    match std::str::from_utf8(&bytes).map(str::trim) {
        Err(_) => Err(FileError::NotText { path }),
        Ok("") => Err(FileError::Empty { path }),
        Ok(text) => Ok(Secret::new(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_not_printed_and_an_empty_variable_is_unset() {
        let environment = Environment::from_iter([("AWS_SECRET_ACCESS_KEY", "hunter2"), ("EMPTY", "")]);
        assert_eq!(format!("{environment:?}"), r#"{"AWS_SECRET_ACCESS_KEY", "EMPTY"}"#);
        assert_eq!((environment.get("EMPTY"), environment.get("ABSENT")), (None, None));
    }

    #[test]
    fn a_file_is_read_up_to_the_bound_and_its_secret_is_trimmed() {
        let dir = tempfile::tempdir().unwrap();
        let text = |name: &str, content: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, content).unwrap();
            let path = path.to_str().unwrap();
            read_secret(&LocalFiles, path)
                .map(|secret| secret.expose().clone())
                .map_err(|error| error.to_string().replace(path, "FILE"))
        };
        assert_eq!(text("good", b" token\n"), Ok("token".to_owned()));
        assert_eq!(text("blank", b" \n"), Err("FILE is empty".to_owned()));
        assert_eq!(text("binary", b"\xff\xfe"), Err("FILE is not UTF-8 text".to_owned()));
        assert_eq!(text("huge", &vec![b'x'; MAX_FILE_BYTES + 1]), Err("failed to read FILE".to_owned()));
        assert_eq!(text("full", &vec![b'x'; MAX_FILE_BYTES]).map(|text| text.len()), Ok(MAX_FILE_BYTES));
        assert!(matches!(read_secret(&LocalFiles, "/nonexistent"), Err(FileError::Read { .. })));
    }
}
