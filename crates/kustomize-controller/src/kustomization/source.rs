//! Phase: the artifact that the source offers now.
//!
//! Deliberately reads sources from the watch's cache; only before the first list has arrived it asks the API server.

use kube::{Api, Client, ResourceExt};
use sluice_api::ArtifactSource;
use sluice_api::kustomize::{Kustomization, SourceKind};
use sluice_api::meta::Artifact;
use sluice_api::source::{Bucket, ExternalArtifact, GitRepository, OCIRepository};
use sluice_runtime::cache::{Cache, Cached};
use sluice_runtime::queue::Key;

/// Why there is no artifact.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    /// A source of another namespace, and the process refuses those.
    #[error("can't access '{kind}/{key}', cross-namespace references have been blocked")]
    CrossNamespace { kind: String, key: Key },
    /// An `ExternalArtifact`, and the gate is off.
    #[error("can't access 'ExternalArtifact/{0}', ExternalArtifact feature gate is disabled")]
    GateDisabled(Key),
    /// A kind that this API does not have.
    #[error("source kind '{0}' is not one of OCIRepository, GitRepository, Bucket, ExternalArtifact")]
    UnknownKind(String),
    /// The source does not exist.
    #[error("{plural}.source.toolkit.fluxcd.io \"{name}\" not found")]
    NotFound { plural: String, name: String },
    /// The API server did not tell.
    #[error("failed to get the source")]
    Get(#[source] kube::Error),
    /// The source has not published anything yet.
    #[error("Source artifact not found, retrying in {0}")]
    NoArtifact(String),
}

/// The sources of all kinds, kept by their watches.
#[derive(Clone)]
pub struct Sources {
    /// For questions before the first list.
    pub client: Client,
    /// Git repositories.
    pub git: Cache<GitRepository>,
    /// OCI repositories.
    pub oci: Cache<OCIRepository>,
    /// Buckets.
    pub bucket: Cache<Bucket>,
    /// External artifacts, when their gate is on.
    pub external: Option<Cache<ExternalArtifact>>,
}

/// Which source a Kustomization names.
pub(super) fn key_of(object: &Kustomization) -> Key {
    let reference = &object.spec.source_ref;
    let own = || object.namespace().unwrap_or_default();
    Key::new(reference.namespace.clone().unwrap_or_else(own), reference.name.clone())
}

impl Sources {
    /// The artifact of the object's source. `retry` is told to the user when there is none yet.
    pub(super) async fn artifact(
        &self,
        object: &Kustomization,
        access: Access,
        lookup: Lookup,
        retry: &str,
    ) -> Result<Artifact, SourceError> {
        let key = key_of(object);
        let kind = &object.spec.source_ref.kind;
        if access == Access::SameNamespace && Some(&key.namespace) != object.namespace().as_ref() {
            return Err(SourceError::CrossNamespace { kind: kind.to_string(), key });
        }
        let artifact = match kind {
            SourceKind::GitRepository => self.lookup(&self.git, &key, lookup).await?,
            SourceKind::OciRepository => self.lookup(&self.oci, &key, lookup).await?,
            SourceKind::Bucket => self.lookup(&self.bucket, &key, lookup).await?,
            SourceKind::ExternalArtifact => match &self.external {
                Some(cache) => self.lookup(cache, &key, lookup).await?,
                None => return Err(SourceError::GateDisabled(key)),
            },
            SourceKind::Other(kind) => return Err(SourceError::UnknownKind(kind.clone())),
        };
        artifact.ok_or_else(|| SourceError::NoArtifact(retry.to_owned()))
    }

    async fn lookup<K: Cached + ArtifactSource>(
        &self,
        cache: &Cache<K>,
        key: &Key,
        lookup: Lookup,
    ) -> Result<Option<Artifact>, SourceError> {
        let cached = (lookup == Lookup::Cached).then(|| cache.get(key)).flatten();
        if let Some(source) = cached {
            return Ok(source.artifact().cloned());
        }
        let not_found = || SourceError::NotFound { plural: K::plural(&()).into_owned(), name: key.name.clone() };
        if lookup == Lookup::Cached && cache.is_synced() {
            return Err(not_found());
        }
        let api: Api<K> = Api::namespaced(self.client.clone(), &key.namespace);
        let source = api.get_opt(&key.name).await.map_err(SourceError::Get)?.ok_or_else(not_found)?;
        Ok(source.artifact().cloned())
    }
}

/// Which namespaces a source may be in (`--no-cross-namespace-refs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Any.
    AnyNamespace,
    /// The Kustomization's own.
    SameNamespace,
}

/// Where a source is looked up (gate `DirectSourceFetch`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lookup {
    /// In what the watch told.
    Cached,
    /// At the API server.
    Live,
}
