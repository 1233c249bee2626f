//! Phase: the objects as files below a temporary directory that nobody else may enter.
//!
//! Deliberately never an object in memory: each goes from the network to its file in pieces. A key becomes a path only through
//! [`ObjectPaths`], so none leaves the directory and no two get in each other's way.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{self, Poll};

use sluice_archive::PackLimits;
use sluice_bucket::{Download, Index, IndexError, ObjectPaths, OperationError, Store, StoreError, Wanted};
use sluice_sourceignore::IGNORE_FILE;
use tokio::fs::File;
use tokio::io::{AsyncWrite, AsyncWriteExt as _};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::index::Listing;
use crate::source::workdir::WorkDirectory;

/// Downloads at once. Each holds up to half a MiB of connection and file buffers; the contract allows a hundred.
const MAX_DOWNLOADS: usize = 32;

/// Bytes of an object that wait for the disk.
const FILE_BUFFER_BYTES: usize = 64 * 1024;

/// The objects were not downloaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    /// There is no directory for them.
    #[error("failed to create temporary working directory")]
    Directory(#[source] io::Error),
    /// An object did not come.
    #[error(transparent)]
    Operation(#[from] OperationError),
    /// An object could not be written down.
    #[error("fetch from bucket '{bucket}' failed: failed to write '{key}' object")]
    Write {
        /// The bucket.
        bucket: String,
        /// Its key, escaped.
        key: String,
        #[source]
        source: io::Error,
    },
    /// An object is another one at every look.
    #[error("fetch from bucket '{bucket}' failed: the object '{key}' changes while it is read")]
    Unstable {
        /// The bucket.
        bucket: String,
        /// Its key, escaped.
        key: String,
    },
    /// The entity tag of an object that changed cannot be part of an index.
    #[error("fetch from bucket '{bucket}' failed")]
    Index {
        /// The bucket.
        bucket: String,
        #[source]
        source: IndexError,
    },
    /// The work was abandoned because the process ends, or it panicked.
    #[error("the work was abandoned")]
    Abandoned,
}

/// What was downloaded.
#[derive(Debug)]
pub(super) struct Downloaded {
    /// The directory; it goes with this.
    pub(super) dir: WorkDirectory,
    /// The objects that are there, as they were when they came.
    pub(super) index: Index,
}

/// An object on its way.
struct Item {
    key: String,
    etag: String,
    path: PathBuf,
}

/// What became of an object.
enum Fetched {
    /// It is there, with this entity tag.
    There { key: String, etag: String },
    /// It vanished since it was listed.
    Gone { key: String, path: PathBuf },
}

/// What all downloads share.
struct Shared {
    store: Arc<Store>,
    root: PathBuf,
    /// Bytes that may still come, of all objects together.
    left: Arc<AtomicU64>,
    deadline: Instant,
}

/// Downloads everything that is listed by `deadline`.
pub(super) async fn download(
    store: &Arc<Store>,
    listing: Listing,
    deadline: Instant,
) -> Result<Downloaded, DownloadError> {
    let Listing { mut index, ignore_file } = listing;
    let (dir, items) = prepare(store, &index, ignore_file).await?;
    let left = Arc::new(AtomicU64::new(PackLimits::default().content_bytes));
    let shared = Arc::new(Shared { store: Arc::clone(store), root: dir.path().to_owned(), left, deadline });
    let mut running = JoinSet::new();
    let gone = fetch_all(&mut running, &shared, items, &mut index).await;
    // Before the directory can go: nobody may still write into it.
    running.shutdown().await;
    let gone = gone?;
    if !gone.is_empty() {
        let root = dir.path().to_owned();
        // A directory that stays is an empty one in the artifact, no more.
        let _ = tokio::task::spawn_blocking(move || gone.iter().for_each(|path| remove_empty(&root, path))).await;
    }
    Ok(Downloaded { dir, index })
}

/// Makes the directory with the ignore file in it, and the path of every object.
async fn prepare(
    store: &Store,
    index: &Index,
    ignore_file: Option<Vec<u8>>,
) -> Result<(WorkDirectory, Vec<Item>), DownloadError> {
    let mut paths = ObjectPaths::default();
    let failed = |key: &str, error| OperationError::fetch(store.bucket(), key, StoreError::Key(error));
    if ignore_file.is_some() {
        paths.add(IGNORE_FILE).map_err(|error| failed(IGNORE_FILE, error))?;
    }
    let mut items = Vec::with_capacity(index.len());
    for (key, etag) in index.iter() {
        let path = paths.add(key).map_err(|error| failed(key, error))?;
        items.push(Item { key: key.to_owned(), etag: etag.to_owned(), path: path.as_path().to_owned() });
    }
    // Made with mode 0700.
    let made = tokio::task::spawn_blocking(move || {
        let dir = WorkDirectory::new()?;
        if let Some(content) = ignore_file {
            std::fs::write(dir.path().join(IGNORE_FILE), content)?;
        }
        Ok(dir)
    });
    let dir = made.await.map_err(|_| DownloadError::Abandoned)?.map_err(DownloadError::Directory)?;
    Ok((dir, items))
}

/// Keeps up to [`MAX_DOWNLOADS`] under way, and brings the index up to date. Returns the paths of what vanished.
async fn fetch_all(
    running: &mut JoinSet<Result<Fetched, DownloadError>>,
    shared: &Arc<Shared>,
    items: Vec<Item>,
    index: &mut Index,
) -> Result<Vec<PathBuf>, DownloadError> {
    let mut items = items.into_iter();
    let mut gone = Vec::new();
    loop {
        while running.len() < MAX_DOWNLOADS
            && let Some(item) = items.next()
        {
            running.spawn(fetch(Arc::clone(shared), item));
        }
        let Some(ended) = running.join_next().await else { return Ok(gone) };
        match ended.map_err(|_| DownloadError::Abandoned)?? {
            Fetched::There { key, etag } => {
                let bucket = || shared.store.bucket().to_string();
                index.insert(key, etag).map_err(|source| DownloadError::Index { bucket: bucket(), source })?;
            }
            Fetched::Gone { key, path } => {
                index.remove(&key);
                gone.push(path);
            }
        }
    }
}

async fn fetch(shared: Arc<Shared>, item: Item) -> Result<Fetched, DownloadError> {
    let Item { key, etag, path } = item;
    let bucket = || shared.store.bucket().to_string();
    let shown = |key: &str| key.escape_debug().to_string();
    let write_failed = |source| DownloadError::Write { bucket: bucket(), key: shown(&key), source };
    let file = create(shared.root.join(&path)).await.map_err(write_failed)?;
    let mut file = Metered { file, left: Arc::clone(&shared.left) };
    // As it was listed; if it is another one by now, that one.
    for etag in [Some(etag.as_str()), None] {
        let max_bytes = PackLimits::default().content_bytes;
        let wanted = Wanted { key: &key, etag, max_bytes, deadline: shared.deadline };
        let got = shared.store.get(wanted, &mut file).await;
        match got.map_err(|source| OperationError::fetch(shared.store.bucket(), &key, source))? {
            Download::Done { etag, .. } => {
                file.flush().await.map_err(write_failed)?;
                return Ok(Fetched::There { key, etag });
            }
            Download::Vanished => return Ok(Fetched::Gone { key, path }),
            Download::Changed => {}
        }
    }
    Err(DownloadError::Unstable { bucket: bucket(), key: shown(&key) })
}

/// A new file below directories that are made if need be, for nobody else to read.
async fn create(path: PathBuf) -> io::Result<File> {
    let created = tokio::task::spawn_blocking(move || {
        if let Some(parent) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
        }
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
    });
    let mut file = File::from_std(created.await.map_err(io::Error::other)??);
    file.set_max_buf_size(FILE_BUFFER_BYTES);
    Ok(file)
}

/// Removes a file and the directories above it that have nothing else.
fn remove_empty(root: &Path, path: &Path) {
    let _ = std::fs::remove_file(root.join(path));
    for directory in path.ancestors().skip(1).take_while(|directory| !directory.as_os_str().is_empty()) {
        if std::fs::remove_dir(root.join(directory)).is_err() {
            break;
        }
    }
}

/// A file that takes no more than all of them together may have: what a listing says of sizes need not be true.
struct Metered {
    file: File,
    left: Arc<AtomicU64>,
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let asked = buf.len() as u64;
        let taken = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(asked));
        if taken.is_err() {
            return Poll::Ready(Err(io::Error::other("the objects have more bytes than an artifact may have")));
        }
        let written = Pin::new(&mut self.file).poll_write(cx, buf);
        let used = match &written {
            Poll::Ready(Ok(written)) => *written as u64,
            Poll::Ready(Err(_)) | Poll::Pending => 0,
        };
        self.left.fetch_add(asked - used, Ordering::Relaxed);
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests;
