//! Phase: is everything ready that this Kustomization depends on?
//!
//! Deliberately does not wait: the first dependency that is not ready is told, and its becoming ready wakes this object.

use std::sync::Arc;

use kube::{Api, Client, ResourceExt};
use sluice_api::constants::condition;
use sluice_api::kustomize::Kustomization;
use sluice_api::meta::Artifact;
use sluice_conditions::is_true;
use sluice_runtime::cache::Cache;
use sluice_runtime::queue::Key;

use super::source;

/// Why a dependency holds this object up.
#[derive(Debug, thiserror::Error)]
pub(super) enum DependencyError {
    /// It does not exist, or cannot be read.
    #[error("dependency '{0}' not found: {1}")]
    NotFound(Key, String),
    /// It is not ready.
    #[error("dependency '{0}' is not ready")]
    NotReady(Key),
    /// It has not applied the revision yet that this object is about to apply.
    #[error("dependency '{0}' revision is not up to date")]
    Outdated(Key),
}

/// The objects that `object` depends on.
pub(super) fn keys_of(object: &Kustomization) -> impl Iterator<Item = Key> {
    object.spec.depends_on.iter().map(|dependency| {
        let own = || object.namespace().unwrap_or_default();
        Key::new(dependency.namespace.clone().unwrap_or_else(own), dependency.name.clone())
    })
}

/// Checks them in order.
pub(super) async fn check(
    client: &Client,
    cache: &Cache<Kustomization>,
    object: &Kustomization,
    artifact: &Artifact,
) -> Result<(), DependencyError> {
    for key in keys_of(object) {
        let dependency = find(client, cache, &key).await?;
        judge(&dependency, object, artifact, key)?;
    }
    Ok(())
}

/// From the cache, or from the API server: a dependency may be in another shard, which the cache does not hold.
async fn find(client: &Client, cache: &Cache<Kustomization>, key: &Key) -> Result<Arc<Kustomization>, DependencyError> {
    if let Some(known) = cache.get(key) {
        return Ok(known);
    }
    let api: Api<Kustomization> = Api::namespaced(client.clone(), &key.namespace);
    let found = api.get(&key.name).await.map_err(|error| DependencyError::NotFound(key.clone(), error.to_string()))?;
    Ok(Arc::new(found))
}

fn judge(
    dependency: &Kustomization,
    object: &Kustomization,
    artifact: &Artifact,
    key: Key,
) -> Result<(), DependencyError> {
    let status = dependency.status.clone().unwrap_or_default();
    let observed = status.observed_generation == dependency.metadata.generation;
    if !observed || !is_true(&status.conditions, condition::READY) {
        return Err(DependencyError::NotReady(key));
    }
    let same_source = dependency.spec.source_ref.kind == object.spec.source_ref.kind
        && source::key_of(dependency) == source::key_of(object);
    if same_source && status.last_applied_revision.as_deref() != Some(artifact.revision.as_str()) {
        return Err(DependencyError::Outdated(key));
    }
    Ok(())
}
