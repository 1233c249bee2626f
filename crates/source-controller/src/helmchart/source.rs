//! Phase: what the chart comes from; and the wake-up of charts whose source has something new.
//!
//! Deliberately reads sources from the caches of their own dispatchers; only before a first list has arrived it asks the API server.

use std::sync::Arc;
use std::time::Duration;

use kube::{Api, Client, ResourceExt as _};
use sluice_api::ArtifactSource;
use sluice_api::constants::{condition, reason};
use sluice_api::meta::Artifact;
use sluice_api::source::{Bucket, ChartSourceKind, GitRepository, HelmChart, HelmRepository};
use sluice_artifact::ArtifactPath;
use sluice_runtime::cache::{Cache, Cached};
use sluice_runtime::dispatcher::Waker;
use sluice_runtime::queue::Key;
use sluice_storage::Storage;

use super::namespace;
use crate::helmrepository;
use crate::source::Listener;

/// How long to wait for the first list of repositories.
const FIRST_LIST: Duration = Duration::from_secs(30);

/// Why there is nothing to build from.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// The source does not exist.
    #[error("failed to get source: {plural}.source.toolkit.fluxcd.io \"{name}\" not found")]
    NotFound { plural: String, name: String },
    /// The API server did not tell.
    #[error("failed to get source")]
    Get(#[source] kube::Error),
    /// A kind that no chart comes from.
    #[error(
        "failed to get source: unsupported source kind '{0}', must be one of: [HelmRepository GitRepository Bucket]"
    )]
    Unsupported(String),
    /// It has published nothing, or that is not in this process's storage.
    #[error("no artifact available for {kind} source '{name}'")]
    NoArtifact { kind: &'static str, name: String },
}

/// The sources of charts, kept by the dispatchers of their kinds.
#[derive(Clone)]
pub(crate) struct Sources {
    /// For questions before the first list.
    pub(crate) client: Client,
    /// Git repositories.
    pub(crate) git: Cache<GitRepository>,
    /// Helm repositories; finds them by URL, too.
    pub(crate) helm: Cache<HelmRepository>,
    /// Buckets.
    pub(crate) bucket: Cache<Bucket>,
}

/// What a chart comes from.
#[derive(Debug)]
pub(crate) enum ChartSource {
    /// A repository of charts.
    Helm(Arc<HelmRepository>),
    /// A directory tree.
    Tarball(Tarball),
}

/// The archive of a directory tree.
#[derive(Debug)]
pub(crate) struct Tarball {
    /// The kind of its object.
    pub(crate) kind: &'static str,
    /// The name of its object.
    pub(crate) name: String,
    /// What is published; none if nothing is.
    pub(crate) artifact: Option<Artifact>,
}

impl ChartSource {
    /// Itself, if its artifact can be read here. A registry has none.
    pub(crate) fn check(self, storage: &Storage) -> Result<Self, SourceError> {
        let (kind, name, artifact) = match &self {
            Self::Helm(repository) if helmrepository::is_oci(repository) => return Ok(self),
            Self::Helm(repository) => ("HelmRepository", repository.name_any(), repository.artifact()),
            Self::Tarball(Tarball { kind, name, artifact }) => (*kind, name.clone(), artifact.as_ref()),
        };
        let path = artifact.and_then(|artifact| artifact.path.parse::<ArtifactPath>().ok());
        if path.is_some_and(|path| storage.open(&path).is_ok()) {
            return Ok(self);
        }
        Err(SourceError::NoArtifact { kind, name })
    }

    /// The revision of its artifact.
    pub(crate) fn revision(&self) -> Option<&str> {
        let artifact = match self {
            Self::Helm(repository) => repository.artifact(),
            Self::Tarball(tarball) => tarball.artifact.as_ref(),
        };
        artifact.map(|artifact| artifact.revision.as_str())
    }
}

impl Sources {
    /// The source of a chart.
    pub(crate) async fn of(&self, object: &HelmChart) -> Result<ChartSource, SourceError> {
        let reference = &object.spec.source_ref;
        let key = Key::new(namespace(object), reference.name.clone());
        let tarball = |kind, artifact: Option<&Artifact>| {
            let (name, artifact) = (key.name.clone(), artifact.cloned());
            ChartSource::Tarball(Tarball { kind, name, artifact })
        };
        match &reference.kind {
            ChartSourceKind::HelmRepository => Ok(ChartSource::Helm(self.lookup(&self.helm, &key).await?)),
            ChartSourceKind::GitRepository => {
                Ok(tarball("GitRepository", self.lookup(&self.git, &key).await?.artifact()))
            }
            ChartSourceKind::Bucket => Ok(tarball("Bucket", self.lookup(&self.bucket, &key).await?.artifact())),
            ChartSourceKind::Other(kind) => Err(SourceError::Unsupported(kind.clone())),
        }
    }

    async fn lookup<K: Cached>(&self, cache: &Cache<K>, key: &Key) -> Result<Arc<K>, SourceError> {
        if let Some(source) = cache.get(key) {
            return Ok(source);
        }
        let not_found = || SourceError::NotFound { plural: K::plural(&()).into_owned(), name: key.name.clone() };
        if cache.is_synced() {
            return Err(not_found());
        }
        let api: Api<K> = Api::namespaced(self.client.clone(), &key.namespace);
        let source = api.get_opt(&key.name).await.map_err(SourceError::Get)?;
        source.map(Arc::new).ok_or_else(not_found)
    }

    /// The Helm repository of that normalised URL in a namespace: of several, the first by name.
    pub(crate) async fn by_url(&self, namespace: &str, url: &str) -> Option<Arc<HelmRepository>> {
        // Without the list a private repository would be asked anonymously; after this long it is.
        let _ = tokio::time::timeout(FIRST_LIST, self.helm.synced()).await;
        let found = self.helm.indexed(&helmrepository::url_index(namespace, url));
        found.into_iter().min_by_key(|repository| repository.name_any())
    }
}

/// The name in the cache's index under which charts of one source are found.
fn source_index(kind: &str, key: &Key) -> String {
    format!("{kind} {} {}", key.namespace, key.name)
}

/// The names under which the cache finds a chart.
pub(crate) fn index_names(object: &HelmChart) -> Vec<String> {
    let reference = &object.spec.source_ref;
    vec![source_index(&reference.kind.to_string(), &Key::new(namespace(object), reference.name.clone()))]
}

/// Wakes the charts of a source that has published what they have not seen, or that they wait for.
pub(crate) fn wake_dependants(charts: Cache<HelmChart>, waker: Waker) -> Listener {
    Arc::new(move |kind, key, revision| {
        for chart in charts.indexed(&source_index(kind, key)) {
            if wants(&chart, revision) {
                waker.wake(Key::new(namespace(&chart), chart.name_any()));
            }
        }
    })
}

fn wants(chart: &HelmChart, revision: &str) -> bool {
    let Some(status) = &chart.status else { return true };
    let waits = |known: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition| {
        known.type_ == condition::FETCH_FAILED && known.reason == reason::NO_SOURCE_ARTIFACT
    };
    status.observed_source_artifact_revision.as_deref() != Some(revision) || status.conditions.iter().any(waits)
}
