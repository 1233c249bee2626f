//! What comes of the phases: one match over every error that they can return, and the words of a success.
//!
//! Deliberately the only place where an error gets its condition, its reason and its retry class.

use sluice_api::constants::{annotation, condition, reason};
use sluice_api::meta::Artifact;
use sluice_api::source::{OCIRepository, OCIRepositoryStatus};

use super::publish::StoreFailed;
use super::pull::PullError;
use super::remote::PrepareError;
use super::resolve::ResolveError;
use crate::source::registry::AccessError;
use crate::source::verify::VerifyFailed;
use crate::source::{Done, Retry, Told, UNSUPPORTED_FIELD, Verdict};

/// A pass that did not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// There is no client.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The reference is nothing.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// There is no good signature.
    #[error(transparent)]
    Verify(#[from] VerifyFailed),
    /// The registry did not give the content, or not as it should be.
    #[error(transparent)]
    Pull(#[from] PullError),
    /// The artifact could not be made.
    #[error(transparent)]
    Store(#[from] StoreFailed),
}

/// The table.
pub(crate) fn classify(failure: &Failure) -> Verdict {
    use condition::FETCH_FAILED;
    let fetch = |reason| Verdict::backoff(FETCH_FAILED, reason);
    let storage = |reason| Verdict::backoff(condition::STORAGE_OPERATION_FAILED, reason);
    match failure {
        Failure::Prepare(error) => match error {
            PrepareError::Url { .. } => Verdict::stall(FETCH_FAILED, reason::URL_INVALID),
            PrepareError::Access(AccessError::GateDisabled) => {
                Verdict { marks: Vec::new(), reason: reason::FEATURE_GATE_DISABLED, retry: Retry::Stall }
            }
            PrepareError::Access(AccessError::Provider(_)) => Verdict::stall(FETCH_FAILED, UNSUPPORTED_FIELD),
            PrepareError::Access(
                AccessError::Credential(_) | AccessError::Proxy(_) | AccessError::Transport { .. },
            )
            | PrepareError::Client { .. } => fetch(reason::AUTHENTICATION_FAILED),
        },
        Failure::Resolve(ResolveError::Tag { .. }) => fetch(reason::READ_OPERATION_FAILED),
        Failure::Resolve(ResolveError::Digest(_) | ResolveError::Registry(_)) => {
            fetch(reason::OCI_ARTIFACT_PULL_FAILED)
        }
        Failure::Verify(_) => Verdict::unverified(reason::VERIFICATION_ERROR),
        Failure::Pull(error) => match error {
            PullError::Pull { .. } => fetch(reason::OCI_ARTIFACT_PULL_FAILED),
            PullError::Manifest(_)
            | PullError::NoLayers
            | PullError::NoSuchLayer(_)
            | PullError::Operation(_)
            | PullError::Extract(_)
            | PullError::Copy(_) => fetch(reason::OCI_ARTIFACT_LAYER_OPERATION_FAILED),
            PullError::Temporary(_) => storage(reason::DIRECTORY_CREATION_FAILED),
        },
        Failure::Store(error) => match error {
            StoreFailed::Extract(_) => fetch(reason::OCI_ARTIFACT_LAYER_OPERATION_FAILED),
            StoreFailed::Temporary(_) => storage(reason::DIRECTORY_CREATION_FAILED),
            StoreFailed::Read(_) | StoreFailed::Ignore(_) => storage(reason::SOURCE_IGNORE_ERROR),
            StoreFailed::Publish(error) => error.verdict(),
            StoreFailed::Abandoned => storage(reason::ARCHIVE_OPERATION_FAILED),
        },
    }
}

/// The reference is where it was.
pub(crate) fn up_to_date(object: &OCIRepository, current: &Artifact) -> Done<OCIRepositoryStatus> {
    let revision = &current.revision;
    Done {
        artifact: None,
        observe: None,
        stored: (reason::SUCCEEDED, format!("stored artifact for digest '{revision}'")),
        told: Told {
            new: reason::NEW_ARTIFACT,
            recovery: reason::SUCCEEDED,
            text: stored_text(object, current),
            quiet: (reason::ARTIFACT_UP_TO_DATE, format!("artifact up-to-date with remote revision: '{revision}'")),
        },
    }
}

/// There is a new artifact.
pub(crate) fn published(object: &OCIRepository, artifact: Artifact) -> Done<OCIRepositoryStatus> {
    let (ignore, selector) = (object.spec.ignore.clone(), object.spec.layer_selector.clone());
    let observe = move |status: &mut OCIRepositoryStatus| {
        status.observed_ignore = ignore;
        status.observed_layer_selector = selector;
    };
    let done = up_to_date(object, &artifact);
    Done { artifact: Some(artifact), observe: Some(Box::new(observe)), ..done }
}

fn stored_text(object: &OCIRepository, artifact: &Artifact) -> String {
    let text = format!("stored artifact with revision '{}' from '{}'", artifact.revision, object.spec.url);
    let origin = |key: &str| artifact.metadata.get(key).filter(|value| !value.is_empty());
    match (origin(annotation::OCI_SOURCE), origin(annotation::OCI_REVISION)) {
        (Some(source), Some(revision)) => format!("{text}, origin source '{source}', origin revision '{revision}'"),
        _ => text,
    }
}
