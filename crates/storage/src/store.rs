//! The store: where files are, how they get there whole, and whether they are still what they were.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::Instant;

use jiff::Timestamp;
use rustix::io::Errno;
use sluice_artifact::{Algorithm, ArtifactDir, ArtifactPath, Digest, Hasher, LOCK_SUFFIX, PathError, TEMPORARY_PREFIX};
use tempfile::NamedTempFile;

use crate::address::BaseUrl;
use crate::collect::{Collected, Collection, Retention, remove_if_there};
use crate::lock::{Lock, MAX_ATTEMPTS, careful_flags, is_same};

/// The mode of directories: nobody but us has a reason to look.
const DIRECTORY_MODE: u32 = 0o700;

/// The mode of artifacts.
const FILE_MODE: u32 = 0o600;

/// Collects the small writes of archive writers into few system calls.
const WRITE_BUFFER_BYTES: usize = 64 * 1024;

/// The storage root is no directory.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid dir path: {}", .0.display())]
pub struct InvalidRoot(
    /// The path as given.
    pub PathBuf,
);

/// Why an artifact was not published. No trace of the attempt is left, except the lock's file.
#[derive(Debug, thiserror::Error)]
pub enum PublishError<E: std::error::Error + 'static> {
    /// The object's directory could not be created, or something that is no directory is in its place.
    #[error("failed to create artifact directory")]
    Directory(#[source] io::Error),
    /// The lock could not be had.
    #[error("failed to lock artifact")]
    Lock(#[source] io::Error),
    /// No temporary file could be created.
    #[error("failed to create temporary file")]
    Create(#[source] io::Error),
    /// The closure that writes the content failed. Its failure to write to the disk comes this way, too.
    #[error("failed to write artifact content")]
    Content(#[source] E),
    /// What was written could not be brought to the file.
    #[error("failed to finish artifact")]
    Finish(#[source] io::Error),
    /// The file could not be put in its place.
    #[error("failed to put artifact in place")]
    Rename(#[source] io::Error),
}

/// Why an artifact in the store is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// There is nothing at its path.
    #[error("artifact not found in storage")]
    Missing,
    /// There is a link, a directory or something else at its path, or a link on the way there.
    #[error("artifact is not a regular file")]
    NotRegular,
    /// It could not be read.
    #[error("failed to read artifact")]
    Read(#[source] io::Error),
    /// Its content has another digest.
    #[error("computed digest doesn't match '{expected}'")]
    Mismatch {
        /// What the digest should be.
        expected: Box<Digest>,
        /// What it is.
        actual: Box<Digest>,
    },
}

/// What was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The digest of the file, with the store's algorithm.
    pub digest: Digest,
    /// The size of the file in bytes.
    pub size: u64,
    /// When it was published, in whole seconds.
    pub last_update_time: Timestamp,
}

/// A store below a directory.
#[derive(Clone, Debug)]
pub struct Storage {
    root: PathBuf,
    base_url: BaseUrl,
    retention: Retention,
    algorithm: Algorithm,
}

impl Storage {
    /// Opens a store. `advertised_host` is what artifact URLs name: `host`, `host:port`, or either with a scheme.
    ///
    /// # Errors
    /// [`InvalidRoot`] when the root is not an existing directory.
    pub fn new(
        root: impl AsRef<Path>,
        advertised_host: &str,
        retention: Retention,
        algorithm: Algorithm,
    ) -> Result<Self, InvalidRoot> {
        let invalid = || InvalidRoot(root.as_ref().to_owned());
        // Absolute from here on: the targets of links must be, and the working directory may change.
        let absolute = fs::canonicalize(root.as_ref()).map_err(|_| invalid())?;
        if !absolute.is_dir() {
            return Err(invalid());
        }
        Ok(Self { root: absolute, base_url: BaseUrl::new(advertised_host), retention, algorithm })
    }

    /// The store's directory, absolute.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The algorithm of the digests of what is published.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Where an artifact is on disk. Use [`Storage::open`] to read it.
    pub fn local_path(&self, path: &ArtifactPath) -> PathBuf {
        self.root.join(path.to_relative())
    }

    /// The URL of an artifact, or of a link beside it: `http://<advertised host>/<path>`; an advertised host with a
    /// scheme keeps it.
    pub fn url(&self, path: &ArtifactPath) -> String {
        self.base_url.of(path)
    }

    /// A URL recorded earlier with the present advertised host. Text that is no URL, such as the empty one, comes back
    /// unchanged (where the model makes `//<host>` of it).
    pub fn rewrite_host(&self, url: &str) -> String {
        self.base_url.rewrite(url)
    }

    /// Writes an artifact and puts it in its place at once: a reader sees the file before, or the new one whole.
    ///
    /// `write` gets the content's destination. It runs with the artifact's lock held; another writer of the same path
    /// waits as long. `now` becomes [`Stored::last_update_time`].
    ///
    /// # Errors
    /// [`PublishError`]; whatever was at the path before is then still there.
    pub fn publish<E: std::error::Error + 'static>(
        &self,
        path: &ArtifactPath,
        now: Timestamp,
        write: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<Stored, PublishError<E>> {
        let directory = self.create_directory(path.dir()).map_err(PublishError::Directory)?;
        let lock_path = directory.join(format!("{}{LOCK_SUFFIX}", path.file()));
        let _lock = Lock::acquire(lock_path).map_err(PublishError::Lock)?;
        let temporary = create_temporary(&directory).map_err(PublishError::Create)?;
        let mut out = BufWriter::with_capacity(WRITE_BUFFER_BYTES, Measured::new(temporary.as_file(), self.algorithm));
        write(&mut out).map_err(PublishError::Content)?;
        let measured = out.into_inner().map_err(|error| PublishError::Finish(error.into_error()))?;
        let (digest, size) = (measured.hasher.finish(), measured.size);
        // Again, since a file's mode at creation is subject to the process's mask.
        temporary.as_file().set_permissions(Permissions::from_mode(FILE_MODE)).map_err(PublishError::Finish)?;
        temporary.persist(directory.join(path.file())).map_err(|error| PublishError::Rename(error.error))?;
        let last_update_time = Timestamp::from_second(now.as_second()).unwrap_or(now);
        Ok(Stored { digest, size, last_update_time })
    }

    /// Opens an artifact for reading.
    ///
    /// # Errors
    /// [`VerifyError`], other than for its content: a link is no artifact, wherever it leads, since following it would
    /// hand out files of the host.
    pub fn open(&self, path: &ArtifactPath) -> Result<File, VerifyError> {
        let directory = self.existing_directory(path.dir())?;
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(careful_flags())
            .open(directory.join(path.file()))
            .map_err(not_opened)?;
        if !file.metadata().map_err(VerifyError::Read)?.is_file() {
            return Err(VerifyError::NotRegular);
        }
        Ok(file)
    }

    /// Reads an artifact whole and compares its digest, by the algorithm of the expected one.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn verify(&self, path: &ArtifactPath, expected: &Digest) -> Result<(), VerifyError> {
        let file = self.open(path)?;
        let (actual, _) = Digest::of_reader(expected.algorithm(), file).map_err(VerifyError::Read)?;
        if actual == *expected {
            return Ok(());
        }
        Err(VerifyError::Mismatch { expected: Box::new(*expected), actual: Box::new(actual) })
    }

    /// Removes an artifact, or whatever file or link is in its place; false when there is nothing.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove(&self, path: &ArtifactPath) -> io::Result<bool> {
        match self.existing_directory(path.dir()) {
            Ok(directory) => remove_if_there(&directory.join(path.file())),
            Err(VerifyError::Missing) => Ok(false),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Removes an object's directory with everything in it; false when there is none.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn remove_all(&self, dir: &ArtifactDir) -> io::Result<bool> {
        match self.existing_directory(dir) {
            Ok(directory) => fs::remove_dir_all(directory).map(|()| true),
            Err(VerifyError::Missing) => Ok(false),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    /// Removes what the retention does not keep of the directory of `current`, and what crashes left there.
    ///
    /// Ends at `deadline` (see [`crate::COLLECTION_BUDGET`]) and after [`crate::MAX_FILES_EXAMINED`] files; the next
    /// call goes on. `now` is what ages are reckoned from. See [`Retention`] for which files go.
    ///
    /// # Errors
    /// When the directory cannot be listed. One that does not exist has nothing to collect.
    pub fn garbage_collect(&self, current: &ArtifactPath, now: Timestamp, deadline: Instant) -> io::Result<Collected> {
        let directory = match self.existing_directory(current.dir()) {
            Ok(directory) => directory,
            Err(VerifyError::Missing) => return Ok(Collected::default()),
            Err(error) => return Err(io::Error::other(error)),
        };
        let (relative, current) = (current.dir().to_relative(), current.file().as_ref());
        Collection { directory: &directory, relative, current, now, deadline }.run(self.retention)
    }

    /// Makes or moves a link such as `latest.tar.gz` beside an artifact and returns the link's path. It leads to the
    /// artifact's absolute local path and is replaced at once.
    ///
    /// # Errors
    /// Those of the file system, or of kind `InvalidInput` for a name that no file may have.
    pub fn link(&self, target: &ArtifactPath, name: &str) -> io::Result<ArtifactPath> {
        let invalid = |error: PathError| io::Error::new(io::ErrorKind::InvalidInput, error);
        let link = target.dir().file(name).map_err(invalid)?;
        let temporary = target.dir().file(&format!("{name}.tmp")).map_err(invalid)?;
        let directory = self.existing_directory(target.dir()).map_err(io::Error::other)?;
        let temporary = directory.join(temporary.file());
        remove_if_there(&temporary)?;
        symlink(directory.join(target.file()), &temporary)?;
        fs::rename(&temporary, directory.join(link.file()))?;
        Ok(link)
    }

    /// Creates the directories of an object one by one. A link among them is an error: whoever can put one into the
    /// volume would have us write elsewhere.
    fn create_directory(&self, dir: &ArtifactDir) -> io::Result<PathBuf> {
        let mut path = self.root.clone();
        for component in dir.components() {
            path.push(component);
            match DirBuilder::new().mode(DIRECTORY_MODE).create(&path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if !fs::symlink_metadata(&path)?.is_dir() {
                        return Err(io::ErrorKind::NotADirectory.into());
                    }
                }
                other => other?,
            }
        }
        Ok(path)
    }

    /// The directory of an object, if all that leads there are directories and no links.
    fn existing_directory(&self, dir: &ArtifactDir) -> Result<PathBuf, VerifyError> {
        let mut path = self.root.clone();
        for component in dir.components() {
            path.push(component);
            if !fs::symlink_metadata(&path).map_err(not_opened)?.is_dir() {
                return Err(VerifyError::NotRegular);
            }
        }
        Ok(path)
    }
}

/// Creates a temporary file and locks it, which tells the collector that it is not left over from a crash.
fn create_temporary(directory: &Path) -> io::Result<NamedTempFile> {
    for _ in 0..MAX_ATTEMPTS {
        let temporary = tempfile::Builder::new()
            .prefix(TEMPORARY_PREFIX)
            .permissions(Permissions::from_mode(FILE_MODE))
            .tempfile_in(directory)?;
        temporary.as_file().lock()?;
        // A collector with a very short time to live may have taken it before it was locked.
        if is_same(temporary.as_file(), temporary.path())? {
            return Ok(temporary);
        }
    }
    Err(io::Error::other("temporary file is removed again and again"))
}

fn not_opened(error: io::Error) -> VerifyError {
    match error.kind() {
        io::ErrorKind::NotFound => VerifyError::Missing,
        io::ErrorKind::NotADirectory => VerifyError::NotRegular,
        // What opening a link without following it, and opening a socket, give.
        _ if matches!(Errno::from_io_error(&error), Some(Errno::LOOP | Errno::NXIO)) => VerifyError::NotRegular,
        _ => VerifyError::Read(error),
    }
}

/// Writes to a file while measuring and digesting what goes there.
struct Measured<'a> {
    file: &'a File,
    hasher: Hasher,
    size: u64,
}

impl<'a> Measured<'a> {
    fn new(file: &'a File, algorithm: Algorithm) -> Self {
        Self { file, hasher: algorithm.hasher(), size: 0 }
    }
}

impl Write for Measured<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.size += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests;
