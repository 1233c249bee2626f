//! Phase: is the artifact of the status still in the storage, whole?
//!
//! Deliberately before everything else, so that a lost or damaged artifact is made anew in the same pass.

use std::sync::Arc;

use sluice_api::meta::Artifact;
use sluice_artifact::{ArtifactPath, Digest};
use sluice_runtime::logging::error_chain;
use sluice_storage::{Storage, VerifyError};

/// What the check found.
#[derive(Debug)]
pub(crate) enum Stored {
    /// The object never had an artifact.
    Never,
    /// It is there; its URL names the present host.
    Current(Artifact),
    /// There is none at its path, for example after the volume was lost.
    Missing,
    /// There was something else at its path; it has been removed. The text says what was wrong.
    Corrupt(String),
}

impl Stored {
    /// The artifact, if it is whole.
    pub(crate) fn current(&self) -> Option<&Artifact> {
        match self {
            Self::Current(artifact) => Some(artifact),
            Self::Never | Self::Missing | Self::Corrupt(_) => None,
        }
    }
}

/// Hashes the stored file anew and compares. Removes a file that is not what it should be.
pub(super) async fn check(storage: &Arc<Storage>, artifact: Option<&Artifact>) -> Stored {
    let Some(artifact) = artifact.cloned() else { return Stored::Never };
    let storage = Arc::clone(storage);
    let checked = tokio::task::spawn_blocking(move || verify(&storage, artifact)).await;
    checked.unwrap_or_else(|error| Stored::Corrupt(error.to_string()))
}

fn verify(storage: &Storage, artifact: Artifact) -> Stored {
    let (Ok(path), Ok(digest)) = (artifact.path.parse::<ArtifactPath>(), artifact.digest.parse::<Digest>()) else {
        return Stored::Corrupt("the status does not hold a valid path and digest".to_owned());
    };
    match storage.verify(&path, &digest) {
        Ok(()) => Stored::Current(Artifact { url: storage.rewrite_host(&artifact.url), ..artifact }),
        Err(VerifyError::Missing) => Stored::Missing,
        Err(error) => {
            let mut text = error_chain(&error);
            if let Err(removal) = storage.remove(&path) {
                text = format!("{text}; cannot remove it: {removal}");
            }
            Stored::Corrupt(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use sluice_artifact::Algorithm;
    use sluice_storage::Retention;

    use super::*;

    #[test]
    fn a_whole_artifact_is_current_a_damaged_one_goes_and_a_lost_one_is_missing() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let storage =
            Storage::new(root.path(), "new.example", Retention::default(), Algorithm::Sha256).expect("a store");
        let path: ArtifactPath = "gitrepository/apps/web/a.tar.gz".parse().expect("a path");
        let stored =
            storage.publish(&path, jiff::Timestamp::UNIX_EPOCH, |out| out.write_all(b"content")).expect("published");
        let artifact = Artifact {
            path: path.to_string(),
            url: "http://old.example/gitrepository/apps/web/a.tar.gz".into(),
            revision: "main@sha1:0".into(),
            digest: stored.digest.to_string(),
            last_update_time: k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH),
            size: None,
            metadata: std::collections::BTreeMap::new(),
        };
        let Stored::Current(current) = verify(&storage, artifact.clone()) else { panic!("it is whole") };
        assert_eq!(current.url, "http://new.example/gitrepository/apps/web/a.tar.gz");

        std::fs::write(storage.local_path(&path), "tampered").expect("written");
        let Stored::Corrupt(text) = verify(&storage, artifact.clone()) else { panic!("it is damaged") };
        assert!(text.contains("computed digest doesn't match"), "{text}");
        assert!(matches!(verify(&storage, artifact), Stored::Missing), "the damaged file was removed");
    }
}
