//! Phases: download the index, see whether it is new, convert it, store it.
//!
//! Deliberately never holds an index in memory: it goes from the network to a temporary file, from there to another one in its final form,
//! and from there into the storage.

use std::fs::File;
use std::io::{self, Seek as _};
use std::sync::Arc;

use sluice_api::meta::Artifact;
use sluice_api::source::HelmRepository;
use sluice_artifact::{Algorithm, Digest};
use sluice_helm::index::{self, Dropped, IndexError, Limits};
use sluice_helm::urls::{self, UrlError};
use sluice_storage::Storage;

use super::remote::{GetError, Remote};
use crate::source::{self, PublishFailed};

/// The index was not downloaded.
#[derive(Debug, thiserror::Error)]
#[error("failed to fetch Helm repository index: failed to cache index to temporary file")]
pub(crate) struct FetchFailed(#[source] FetchCause);

/// Why the index was not downloaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchCause {
    /// The repository's URL has no index below it.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The repository did not give it.
    #[error(transparent)]
    Get(#[from] GetError),
    /// There is no temporary file, or it cannot be read back.
    #[error(transparent)]
    File(#[from] io::Error),
    /// The work was abandoned because the process ends.
    #[error("the work was abandoned")]
    Abandoned,
}

/// The index cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConvertFailed {
    /// It is not what it should be.
    #[error("failed to load Helm repository from index YAML")]
    Index(#[source] IndexError),
    /// There is no temporary file, or it cannot be read back.
    #[error("failed to create temporary file")]
    File(#[source] io::Error),
    /// The work was abandoned because the process ends.
    #[error("the work was abandoned")]
    Abandoned,
}

/// The index could not be copied into the storage.
pub(crate) type StoreFailed = PublishFailed<io::Error>;

/// An index as it came.
pub(crate) struct Fetched {
    file: File,
    digest: Option<Digest>,
}

/// What the downloaded index is in comparison with the stored one.
pub(crate) enum Compared {
    /// The same.
    Unchanged,
    /// Another one.
    Changed(Fetched),
}

/// An index in the form that is served.
pub(crate) struct Converted {
    file: File,
    digest: Digest,
}

/// Downloads the index of a repository, of at most `max_bytes`, to a temporary file.
pub(crate) async fn download(remote: &Remote, max_bytes: u64) -> Result<File, FetchFailed> {
    let work = async {
        let url = urls::index_url(remote.url())?;
        let file = tempfile::tempfile()?;
        let mut out = tokio::fs::File::from_std(file);
        remote.get(&url, max_bytes, &mut out).await?;
        let mut file = out.into_std().await;
        file.rewind()?;
        Ok(file)
    };
    work.await.map_err(FetchFailed)
}

/// Downloads the index of a repository.
pub(crate) async fn fetch(remote: &Remote, max_bytes: u64) -> Result<Fetched, FetchFailed> {
    let file = download(remote, max_bytes).await?;
    Ok(Fetched { file, digest: None })
}

impl Fetched {
    /// Compares with the revision of what is stored, by the algorithm of that; a new one gets a digest of `algorithm`.
    pub(crate) async fn compare(
        mut self,
        current: Option<&Artifact>,
        algorithm: Algorithm,
    ) -> Result<Compared, FetchFailed> {
        let current: Option<Digest> = current.and_then(|artifact| artifact.revision.parse().ok());
        let compared = tokio::task::spawn_blocking(move || {
            if let Some(current) = current
                && self.digest_by(current.algorithm())? == current
            {
                return Ok(Compared::Unchanged);
            }
            self.digest = Some(self.digest_by(algorithm)?);
            Ok(Compared::Changed(self))
        });
        compared.await.unwrap_or(Err(FetchCause::Abandoned)).map_err(FetchFailed)
    }

    fn digest_by(&mut self, algorithm: Algorithm) -> Result<Digest, FetchCause> {
        self.file.rewind()?;
        let (digest, _) = Digest::of_reader(algorithm, &mut self.file)?;
        self.file.rewind()?;
        Ok(digest)
    }

    /// Checks, sorts and writes the index anew.
    pub(crate) async fn convert(self, max_bytes: u64) -> Result<Converted, ConvertFailed> {
        let converted = tokio::task::spawn_blocking(move || {
            let Self { file, digest } = self;
            let Some(digest) = digest else { return Err(ConvertFailed::Abandoned) };
            let spill = tempfile::tempfile().map_err(ConvertFailed::File)?;
            let mut out = io::BufWriter::new(tempfile::tempfile().map_err(ConvertFailed::File)?);
            let limits = Limits { bytes: max_bytes, ..Limits::DEFAULT };
            let mut told = |dropped: Dropped<'_>| {
                tracing::debug!(chart = dropped.chart, version = dropped.version, "invalid chart version left out");
            };
            index::convert(io::BufReader::new(file), spill, &mut out, &limits, &mut told)
                .map_err(ConvertFailed::Index)?;
            let mut file = out.into_inner().map_err(|error| ConvertFailed::File(error.into_error()))?;
            file.rewind().map_err(ConvertFailed::File)?;
            Ok(Converted { file, digest })
        });
        converted.await.unwrap_or(Err(ConvertFailed::Abandoned))
    }
}

impl Converted {
    /// The artifact's revision.
    pub(crate) fn revision(&self) -> String {
        self.digest.to_string()
    }

    /// Publishes it.
    pub(crate) async fn publish(
        self,
        storage: &Arc<Storage>,
        object: &HelmRepository,
    ) -> Result<Artifact, StoreFailed> {
        let name = format!("index-{}.yaml", self.digest.to_hex());
        let revision = self.revision();
        let mut file = self.file;
        let write = move |out: &mut dyn io::Write| io::copy(&mut file, out).map(drop);
        source::publish(storage, object, (&name, revision), write).await
    }
}
