//! From a file's content to an artifact in the storage.
//!
//! Deliberately no content: the caller writes it, on a thread where blocking is allowed.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt as _;
use sluice_api::constants::{condition, reason};
use sluice_api::meta::Artifact;
use sluice_artifact::{ArtifactPath, PathError};
use sluice_storage::{PublishError, Storage};

use super::{SourceKind, Verdict};

/// Nothing was published.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishFailed<E: Error + 'static> {
    /// The object's name makes no path.
    #[error("failed to create artifact path")]
    Path(#[source] PathError),
    /// The storage refused, or the content could not be written into it.
    #[error("unable to archive artifact to storage")]
    Storage(#[source] PublishError<E>),
    /// The work was abandoned because the process ends.
    #[error("the work was abandoned")]
    Abandoned,
}

impl<E: Error + 'static> PublishFailed<E> {
    /// What a failure of the storage means for every kind.
    pub(crate) fn verdict(&self) -> Verdict {
        let reason = match self {
            Self::Path(_) => reason::INVALID_PATH,
            Self::Storage(PublishError::Directory(_)) => reason::DIRECTORY_CREATION_FAILED,
            Self::Storage(PublishError::Lock(_)) => reason::ACQUIRE_LOCK_FAILED,
            Self::Storage(
                PublishError::Create(_) | PublishError::Content(_) | PublishError::Finish(_) | PublishError::Rename(_),
            )
            | Self::Abandoned => reason::ARCHIVE_OPERATION_FAILED,
        };
        Verdict::backoff(condition::STORAGE_OPERATION_FAILED, reason)
    }
}

/// Where a file of an object is kept.
///
/// # Errors
/// The object's or the file's name makes no path.
pub(crate) fn artifact_path<K: SourceKind>(object: &K, file: &str) -> Result<ArtifactPath, PathError> {
    ArtifactPath::new(K::KIND, &object.namespace().unwrap_or_default(), &object.name_any(), file)
}

/// Publishes what `write` writes as the file `file` of an object: all of it or nothing.
///
/// # Errors
/// See [`PublishFailed`].
pub(crate) async fn publish<K: SourceKind, E: Error + Send + 'static>(
    storage: &Arc<Storage>,
    object: &K,
    (file, revision): (&str, String),
    write: impl FnOnce(&mut dyn Write) -> Result<(), E> + Send + 'static,
) -> Result<Artifact, PublishFailed<E>> {
    let path = artifact_path(object, file).map_err(PublishFailed::Path)?;
    let storage = Arc::clone(storage);
    let published = tokio::task::spawn_blocking(move || {
        let stored = storage.publish(&path, jiff::Timestamp::now(), write).map_err(PublishFailed::Storage)?;
        Ok(Artifact {
            url: storage.url(&path),
            path: path.to_string(),
            revision,
            digest: stored.digest.to_string(),
            last_update_time: Time(stored.last_update_time),
            size: i64::try_from(stored.size).ok(),
            metadata: BTreeMap::new(),
        })
    });
    published.await.unwrap_or(Err(PublishFailed::Abandoned))
}
