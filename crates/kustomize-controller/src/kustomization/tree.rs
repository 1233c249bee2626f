//! Phase: download the artifact, check its digest, and have its tree at hand.
//!
//! Deliberately shares one tree among all Kustomizations of an artifact; nobody writes to it.

use std::sync::Arc;
use std::time::Duration;

use sluice_api::kustomize::Kustomization;
use sluice_api::meta::{Artifact, GoDuration};
use sluice_fetch::{ArtifactRef, FetchError, Tree};
use sluice_http_client::RetryPolicy;

use super::{Parts, Settings};

/// Waits between tries of a download, as in Flux.
const MIN_WAIT: Duration = Duration::from_secs(5);
const MAX_WAIT: Duration = Duration::from_secs(30);

/// Why there is no tree.
#[derive(Debug, thiserror::Error)]
pub(super) enum TreeError {
    /// The server has no such artifact (any more).
    #[error("Source is not ready, artifact not found, retrying in {0}")]
    NotFound(GoDuration),
    /// Everything else.
    #[error(transparent)]
    Fetch(FetchError),
    /// `spec.path` is not in it.
    #[error("kustomization path not found: stat {0}: no such file or directory")]
    Path(String),
}

/// An artifact's tree and the directory to build in it.
pub(super) struct Sourced {
    pub(super) tree: Arc<Tree>,
    /// `spec.path`, relative to the root, without `.` and `..`.
    pub(super) path: String,
}

/// Fetches the tree, or takes the one that is there.
pub(super) async fn fetch(
    parts: &Parts,
    settings: &Settings,
    object: &Kustomization,
    artifact: &Artifact,
) -> Result<Sourced, TreeError> {
    let reference = ArtifactRef::parse(&artifact.url, &artifact.digest, &settings.hosts).map_err(TreeError::Fetch)?;
    let policy =
        RetryPolicy { attempts: settings.http_retry.saturating_add(1), min_wait: MIN_WAIT, max_wait: MAX_WAIT };
    let tree = parts.artifacts.get(&parts.http, &reference, &policy).await.map_err(|error| match error {
        FetchError::NotFound => TreeError::NotFound(GoDuration::new(settings.requeue_dependency)),
        other => TreeError::Fetch(other),
    })?;
    let path = clamped(object.spec.path.as_deref().unwrap_or_default());
    if !tree.path().join(&path).is_dir() {
        return Err(TreeError::Path(path));
    }
    Ok(Sourced { tree, path })
}

/// The path below the root, as a chroot would see it: `..` above the root stays at the root.
fn clamped(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_never_leaves_the_root() {
        let cases = [
            ("", ""),
            ("./", ""),
            ("./apps/web", "apps/web"),
            ("/apps//web/", "apps/web"),
            ("apps/../infra", "infra"),
            ("../../etc", "etc"),
            ("..", ""),
        ];
        for (given, expected) in cases {
            assert_eq!(clamped(given), expected, "{given}");
        }
    }
}
