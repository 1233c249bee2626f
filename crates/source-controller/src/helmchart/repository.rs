//! A repository of charts: which version is meant, and its archive. Over HTTP by an index, or in an OCI registry by tags.
//!
//! Deliberately no building, and nothing of signatures.

mod error;
mod registry;

use std::fs::File;
use std::io::{self, Seek as _};
use std::sync::Arc;

use sluice_api::ArtifactSource as _;
use sluice_api::source::HelmRepository;
use sluice_artifact::ArtifactPath;
use sluice_helm::index::Limits;
use sluice_helm::lookup;
use sluice_oci as oci;
use sluice_storage::Storage;
use tokio::sync::Mutex;

pub(crate) use error::{ChooseError, ConnectError, DownloadError};
pub(crate) use registry::OciRepository;

use super::Context;
use crate::helmrepository;
use crate::helmrepository::remote::{self, Remote};

/// A chart version that was chosen.
#[derive(Clone, Debug)]
pub(crate) struct Chosen {
    pub(crate) name: String,
    pub(crate) version: String,
    place: Place,
}

#[derive(Clone, Debug)]
enum Place {
    Url(String),
    /// The repository in the registry, and what the version's tag named when it was chosen.
    Registry(oci::Repository, oci::Digest),
}

/// A repository of charts.
pub(crate) enum Repository {
    /// With an index.
    Http(HttpRepository),
    /// In a registry.
    Oci(OciRepository),
}

/// A repository with an index.
pub(crate) struct HttpRepository {
    remote: Remote,
    storage: Arc<Storage>,
    index: Index,
    max_index_bytes: u64,
}

/// Where the index is.
enum Index {
    /// What the repository's object has published.
    Stored(ArtifactPath),
    /// With the repository; downloaded once.
    Remote(Mutex<Option<File>>),
}

/// The repository that an object describes.
pub(crate) async fn connect(context: &Context, object: &HelmRepository) -> Result<Repository, ConnectError> {
    if helmrepository::is_oci(object) {
        return Ok(Repository::Oci(OciRepository::connect(context, object).await?));
    }
    let remote = remote::prepare(&context.client, object).await?;
    let stored = object.artifact().and_then(|artifact| artifact.path.parse().ok());
    // Our own form of an index is larger than what most repositories serve, by its indentation.
    let (index, factor) = stored.map_or((Index::Remote(Mutex::default()), 1), |path| (Index::Stored(path), 2));
    let max_index_bytes = context.limits.index_bytes.saturating_mul(factor);
    Ok(Repository::Http(HttpRepository { remote, storage: Arc::clone(&context.storage), index, max_index_bytes }))
}

/// A repository that no object describes.
pub(crate) fn anonymous(context: &Context, normalised_url: &str) -> Result<Repository, ConnectError> {
    if normalised_url.starts_with("oci") {
        return Ok(Repository::Oci(OciRepository::anonymous(normalised_url)));
    }
    Ok(Repository::Http(HttpRepository {
        remote: Remote::anonymous(normalised_url)?,
        storage: Arc::clone(&context.storage),
        index: Index::Remote(Mutex::default()),
        max_index_bytes: context.limits.index_bytes,
    }))
}

impl Repository {
    /// The version of a chart that `version` means.
    pub(crate) async fn choose(&self, chart: &str, version: &str) -> Result<Chosen, ChooseError> {
        match self {
            Self::Http(repository) => repository.choose(chart, version).await,
            Self::Oci(repository) => repository.choose(chart, version).await,
        }
    }

    /// The archive of a chosen version, of at most `max_bytes`, in a temporary file that is at its start.
    pub(crate) async fn download(&self, chosen: &Chosen, max_bytes: u64) -> Result<File, DownloadError> {
        let mut out = tokio::fs::File::from_std(tempfile::tempfile().map_err(DownloadError::File)?);
        match (self, &chosen.place) {
            (Self::Http(repository), Place::Url(url)) => repository.remote.get(url, max_bytes, &mut out).await?,
            (Self::Oci(repository), Place::Registry(name, digest)) => {
                repository.download((name, digest), max_bytes, &mut out).await?;
            }
            // A version is only ever downloaded from the repository that it was chosen in.
            (Self::Http(_), Place::Registry(..)) | (Self::Oci(_), Place::Url(_)) => {
                return Err(DownloadError::NoChartLayer);
            }
        }
        let mut file = out.into_std().await;
        file.rewind().map_err(DownloadError::File)?;
        Ok(file)
    }
}

impl HttpRepository {
    async fn choose(&self, chart: &str, version: &str) -> Result<Chosen, ChooseError> {
        let file = self.open_index().await?;
        let limits = Limits { bytes: self.max_index_bytes, ..Limits::DEFAULT };
        let (name, range) = (chart.to_owned(), version.to_owned());
        let look = move || lookup::find(io::BufReader::new(file), &name, &range, &limits);
        let found = tokio::task::spawn_blocking(look).await.map_err(|_| ChooseError::Abandoned)??;
        let url = found.download_url(self.remote.url())?;
        Ok(Chosen { name: found.name, version: found.version, place: Place::Url(url) })
    }

    async fn open_index(&self) -> Result<File, ChooseError> {
        match &self.index {
            Index::Stored(path) => self.storage.open(path).map_err(ChooseError::Stored),
            Index::Remote(downloaded) => {
                let mut downloaded = downloaded.lock().await;
                let file = match downloaded.take() {
                    Some(file) => file,
                    None => helmrepository::download(&self.remote, self.max_index_bytes).await?,
                };
                let mut copy = file.try_clone().map_err(ChooseError::File)?;
                copy.rewind().map_err(ChooseError::File)?;
                *downloaded = Some(file);
                Ok(copy)
            }
        }
    }
}
