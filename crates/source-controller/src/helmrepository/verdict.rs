//! What each error of the phases means, and what a success says.
//!
//! Deliberately the only place that knows conditions and reasons.

use sluice_api::constants::{condition, reason};
use sluice_api::meta::Artifact;
use sluice_api::source::HelmRepositoryStatus;

use super::human;
use super::index::{ConvertFailed, FetchFailed, StoreFailed};
use super::remote::PrepareError;
use crate::source::{Done, Told, Verdict};

/// A pass that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// There is no repository to talk to.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// There is no index.
    #[error(transparent)]
    Fetch(#[from] FetchFailed),
    /// The index cannot be used.
    #[error(transparent)]
    Convert(#[from] ConvertFailed),
    /// The index cannot be stored.
    #[error(transparent)]
    Store(#[from] StoreFailed),
}

/// Condition, reason and retry class of a failure.
pub(crate) fn classify(failure: &Failure) -> Verdict {
    let fetch = |reason| Verdict::backoff(condition::FETCH_FAILED, reason);
    match failure {
        Failure::Prepare(error) => match error {
            PrepareError::Url(_) => Verdict::stall(condition::FETCH_FAILED, reason::URL_INVALID),
            PrepareError::AuthSecret { .. }
            | PrepareError::TlsSecret { .. }
            | PrepareError::Auth(_)
            | PrepareError::Tls(_) => fetch(reason::AUTHENTICATION_FAILED),
            PrepareError::Client(_) => Verdict::stall(condition::FETCH_FAILED, reason::FAILED),
        },
        Failure::Fetch(_) => fetch(reason::FAILED),
        Failure::Convert(ConvertFailed::Index(_)) => fetch(reason::INDEXATION_FAILED),
        Failure::Convert(ConvertFailed::File(_) | ConvertFailed::Abandoned) => {
            Verdict::backoff(condition::STORAGE_OPERATION_FAILED, reason::DIRECTORY_CREATION_FAILED)
        }
        Failure::Store(error) => error.verdict(),
    }
}

/// The index is stored: `new` if it was not before, `stored` in any case.
pub(crate) fn done(new: Option<Artifact>, stored: Option<&Artifact>, url: &str) -> Done<HelmRepositoryStatus> {
    let revision = stored.map(|artifact| artifact.revision.clone()).unwrap_or_default();
    let size = stored.and_then(|artifact| artifact.size).and_then(|size| u64::try_from(size).ok());
    let size = size.map_or_else(|| "unknown size".to_owned(), |size| format!("size {}", human::size(size)));
    let quiet = format!("artifact up-to-date with remote revision: '{revision}'");
    Done {
        artifact: new,
        observe: None,
        stored: (reason::SUCCEEDED, format!("stored artifact: revision '{revision}'")),
        told: Told {
            new: reason::NEW_ARTIFACT,
            recovery: reason::SUCCEEDED,
            text: format!("stored fetched index of {size} from '{url}'"),
            quiet: (reason::ARTIFACT_UP_TO_DATE, quiet),
        },
    }
}
