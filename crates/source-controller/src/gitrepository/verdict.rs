//! What comes of the phases: one match over every error that they can return, and the words of a success.
//!
//! Deliberately the only place where an error gets its condition, its reason and its retry class.

use sluice_api::constants::{condition, reason};
use sluice_api::meta::Artifact;
use sluice_api::source::{GitRepository, GitRepositoryStatus};

use super::probe::ProbeError;
use super::publish::{FetchFailed, StoreFailed};
use super::remote::PrepareError;
use super::supported::Unsupported;
use crate::source::{Done, Told, UNSUPPORTED_FIELD, Verdict};

/// The longest commit subject in an event, in characters.
const SUBJECT_LENGTH: usize = 50;

/// A pass that did not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A field is not honoured.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// There is no remote to ask.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// The remote did not tell its commit.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The commit could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchFailed),
    /// The artifact could not be made.
    #[error(transparent)]
    Store(#[from] StoreFailed),
}

/// The table.
pub(crate) fn classify(failure: &Failure) -> Verdict {
    use condition::FETCH_FAILED;
    let storage = |reason| Verdict::backoff(condition::STORAGE_OPERATION_FAILED, reason);
    match failure {
        Failure::Unsupported(_) => Verdict::stall(FETCH_FAILED, UNSUPPORTED_FIELD),
        Failure::Prepare(error) => match error {
            PrepareError::Url { .. } => Verdict::stall(FETCH_FAILED, reason::URL_INVALID),
            PrepareError::Secret(_) | PrepareError::Auth(_) | PrepareError::Proxy(_) => {
                Verdict::backoff(FETCH_FAILED, reason::AUTHENTICATION_FAILED)
            }
            PrepareError::Client(_) => Verdict::backoff(FETCH_FAILED, reason::GIT_OPERATION_FAILED),
        },
        Failure::Probe(ProbeError::Empty) => Verdict::backoff(FETCH_FAILED, reason::EMPTY_GIT_REPOSITORY),
        Failure::Probe(ProbeError::Reference(_) | ProbeError::Remote { .. }) | Failure::Fetch(_) => {
            Verdict::backoff(FETCH_FAILED, reason::GIT_OPERATION_FAILED)
        }
        Failure::Store(error) => match error {
            StoreFailed::Publish(error) => error.verdict(),
            StoreFailed::Ignore(_) => storage(reason::SOURCE_IGNORE_ERROR),
            StoreFailed::Mirror(_) | StoreFailed::Tree(_) | StoreFailed::Abandoned => {
                storage(reason::ARCHIVE_OPERATION_FAILED)
            }
        },
    }
}

/// The remote's reference is where it was.
pub(crate) fn unchanged(revision: &str) -> Done<GitRepositoryStatus> {
    let quiet = format!("no changes since last reconciliation: observed revision '{revision}'");
    done(revision, format!("stored artifact for commit '{revision}'"), (reason::GIT_OPERATION_SUCCEEDED, quiet))
}

/// The commit had to be looked at, and is the one that is stored.
pub(crate) fn up_to_date(revision: &str) -> Done<GitRepositoryStatus> {
    done(revision, format!("stored artifact for commit '{revision}'"), up_to_date_text(revision))
}

/// There is a new artifact, of a commit with this subject.
pub(crate) fn published(object: &GitRepository, artifact: Artifact, subject: &str) -> Done<GitRepositoryStatus> {
    let revision = artifact.revision.clone();
    let text = format!("stored artifact for commit '{}'", shorten(subject));
    let spec = object.spec.clone();
    let observe = move |status: &mut GitRepositoryStatus| {
        status.observed_ignore = spec.ignore;
        status.observed_include = spec.include;
        status.observed_recurse_submodules = spec.recurse_submodules;
        status.observed_sparse_checkout = spec.sparse_checkout;
    };
    Done {
        artifact: Some(artifact),
        observe: Some(Box::new(observe)),
        ..done(&revision, text, up_to_date_text(&revision))
    }
}

fn done(revision: &str, text: String, quiet: (&'static str, String)) -> Done<GitRepositoryStatus> {
    Done {
        artifact: None,
        observe: None,
        stored: (reason::SUCCEEDED, format!("stored artifact for revision '{revision}'")),
        told: Told { new: reason::NEW_ARTIFACT, recovery: reason::SUCCEEDED, text, quiet },
    }
}

fn up_to_date_text(revision: &str) -> (&'static str, String) {
    (reason::ARTIFACT_UP_TO_DATE, format!("artifact up-to-date with remote revision: '{revision}'"))
}

fn shorten(subject: &str) -> String {
    match subject.char_indices().nth(SUBJECT_LENGTH) {
        Some((end, _)) => format!("{}...", &subject[..end]),
        None => subject.to_owned(),
    }
}
