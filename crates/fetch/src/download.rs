//! One fetch: download to a file while hashing, verify, unpack.
//!
//! The digest is checked before the archive is opened, so that only the source's own archives reach the unpacker. Deliberately not here:
//! sharing (`cache`).

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sluice_artifact::Digest;
use sluice_http_client::{Body, HttpClient, Request, RetryPolicy};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;

use crate::artifact::ArtifactRef;
use crate::cache::{FetchLimits, PREFIX};
use crate::error::FetchError;
use crate::tree::Tree;

/// Everything that one fetch needs, owned, since all who wait for it drive it together.
pub(crate) struct Fetch {
    pub(crate) client: HttpClient,
    pub(crate) artifact: ArtifactRef,
    pub(crate) policy: RetryPolicy,
    pub(crate) root: PathBuf,
    pub(crate) limits: FetchLimits,
}

impl Fetch {
    /// Fetches within the limit of time.
    pub(crate) async fn run(self) -> Result<Tree, FetchError> {
        let limit = self.limits.total_time;
        match tokio::time::timeout(limit, self.fetch()).await {
            Ok(result) => result,
            Err(_) => Err(timeout("not complete", limit)),
        }
    }

    async fn fetch(self) -> Result<Tree, FetchError> {
        let prefix = format!("{PREFIX}{}-", self.artifact.digest.to_hex().get(..12).unwrap_or_default());
        let root = self.root.clone();
        let dir = blocking(move || tempfile::Builder::new().prefix(&prefix).tempdir_in(root)).await?;
        let dir = dir.map_err(FetchError::store)?;
        let archive = dir.path().join("archive.tar.gz");
        self.download(&archive).await?;
        let (digest, limits) = (self.artifact.digest, self.limits.unpack);
        // The directory moves along: if everybody stops waiting, it is removed when the unpacking ends, not while it writes.
        blocking(move || unpack(dir, &archive, &digest, &limits)).await?
    }

    async fn download(&self, archive: &Path) -> Result<(), FetchError> {
        let request = Request::get(self.artifact.url.clone());
        let response = self.client.send_with_retry(&request, &self.policy).await.map_err(FetchError::download)?;
        let response = response.error_for_status().map_err(FetchError::download)?;
        let mut body = response.into_body(self.limits.download_bytes).map_err(FetchError::download)?;
        let mut hasher = self.artifact.digest.algorithm().hasher();
        let mut file = tokio::fs::File::create_new(archive).await.map_err(FetchError::store)?;
        while let Some(chunk) = self.next_chunk(&mut body).await? {
            hasher.update(&chunk);
            file.write_all(&chunk).await.map_err(FetchError::store)?;
        }
        file.flush().await.map_err(FetchError::store)?;
        let digest = self.artifact.digest;
        if hasher.finish() == digest { Ok(()) } else { Err(FetchError::VerifyDigest { digest }) }
    }

    /// A server that stops sending without closing would otherwise hold everybody who waits for the total time.
    async fn next_chunk(&self, body: &mut Body) -> Result<Option<bytes::Bytes>, FetchError> {
        let limit = self.limits.stall_time;
        match tokio::time::timeout(limit, body.chunk()).await {
            Ok(chunk) => chunk.map_err(FetchError::download),
            Err(_) => Err(timeout("nothing received", limit)),
        }
    }
}

fn unpack(dir: TempDir, archive: &Path, digest: &Digest, limits: &sluice_archive::Limits) -> Result<Tree, FetchError> {
    let path = dir.path().join("tree");
    std::fs::create_dir(&path).map_err(FetchError::store)?;
    let file = File::open(archive).map_err(FetchError::store)?;
    sluice_archive::unpack(BufReader::new(file), &path, limits).map_err(|error| FetchError::Unpack(Arc::new(error)))?;
    std::fs::remove_file(archive).map_err(FetchError::store)?;
    Ok(Tree::new(dir, path, *digest))
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, FetchError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| FetchError::Aborted)
}

fn timeout(what: &'static str, limit: Duration) -> FetchError {
    FetchError::Timeout { what, seconds: limit.as_secs() }
}
