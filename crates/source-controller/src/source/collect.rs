//! Removal of artifacts: those that the retention no longer covers, and all of an object that is being deleted.
//!
//! Deliberately before the pass looks at its origin: what was published last then stays at least until the next pass, for consumers that
//! read the status before it.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;
use sluice_api::constants::reason;
use sluice_api::meta::Artifact;
use sluice_artifact::{ArtifactDir, ArtifactPath};
use sluice_runtime::dispatcher::Finalized;
use sluice_runtime::logging::error_chain;
use sluice_runtime::queue::Key;
use sluice_runtime::recorder::{Notice, Severity};
use sluice_storage::{COLLECTION_BUDGET, Storage};

use super::SourceKind;

/// Removes what the retention does not cover beside the current artifact. A failure only costs disk: it is logged, and tried again in the
/// next pass.
pub(super) async fn garbage(storage: &Arc<Storage>, current: Option<&Artifact>, now: Timestamp) -> Option<Notice> {
    let current: ArtifactPath = current?.path.parse().ok()?;
    let storage = Arc::clone(storage);
    let collect = move || storage.garbage_collect(&current, now, Instant::now() + COLLECTION_BUDGET);
    match tokio::task::spawn_blocking(collect).await {
        Ok(Ok(collected)) => {
            for failure in &collected.failures {
                tracing::error!(error = error_chain(failure), "garbage collection failed");
            }
            let count = collected.removed.len();
            let text = format!("garbage collected {count} artifacts");
            (count > 0).then(|| Notice::new(Severity::Trace, reason::GARBAGE_COLLECTION_SUCCEEDED, text))
        }
        Ok(Err(error)) => {
            tracing::error!(error = error_chain(&error), "garbage collection failed");
            None
        }
        Err(error) => {
            tracing::error!(error = error_chain(&error), "garbage collection failed");
            None
        }
    }
}

/// Removes all artifacts of an object, and what `discard` removes.
pub(super) async fn everything<K: SourceKind>(
    storage: &Arc<Storage>,
    key: &Key,
    discard: impl FnOnce() -> Result<(), String> + Send + 'static,
) -> Finalized {
    let storage = Arc::clone(storage);
    let key = key.clone();
    let removed = tokio::task::spawn_blocking(move || {
        if let Ok(dir) = ArtifactDir::new(K::KIND, &key.namespace, &key.name) {
            storage.remove_all(&dir).map_err(|error| error_chain(&error))?;
        }
        discard()
    })
    .await;
    let failure = match removed {
        Ok(Ok(())) => {
            let text = "garbage collected artifacts for deleted resource";
            return Finalized::Done(vec![Notice::new(Severity::Trace, reason::GARBAGE_COLLECTION_SUCCEEDED, text)]);
        }
        Ok(Err(error)) => error,
        Err(error) => error.to_string(),
    };
    let text = format!("garbage collection for deleted resource failed: {failure}");
    Finalized::Failed(vec![Notice::new(Severity::Error, reason::GARBAGE_COLLECTION_FAILED, text)])
}
