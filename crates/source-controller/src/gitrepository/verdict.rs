//! What comes of the phases: one match over every error that they can return, and the words of a success.
//!
//! Deliberately the only place where an error gets its condition, its reason and its retry class.

use std::time::Duration;

use sluice_api::constants::{condition, reason};
use sluice_api::meta::Artifact;
use sluice_api::source::{GitRepository, GitRepositoryStatus};

use super::fetch::FetchFailed;
use super::include::Unavailable;
use super::overlay::IncludeFailed;
use super::probe::ProbeError;
use super::provider::ProviderError;
use super::publish::StoreFailed;
use super::remote::PrepareError;
use super::verify::VerifyError;
use crate::source::identity::ObjectIdentityError;
use crate::source::{Done, Retry, Told, Verdict};

/// The longest commit subject in an event, in characters.
const SUBJECT_LENGTH: usize = 50;

/// A pass that did not.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// There is no remote to ask.
    #[error(transparent)]
    Prepare(#[from] PrepareError),
    /// Another object has not published what is to be included.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The remote did not tell its commit.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// The commit could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchFailed),
    /// Nobody whom the user trusts signed it.
    #[error(transparent)]
    Verify(#[from] VerifyError),
    /// What is included could not be put in its place.
    #[error(transparent)]
    Include(#[from] IncludeFailed),
    /// The artifact could not be made.
    #[error(transparent)]
    Store(#[from] StoreFailed),
}

impl Failure {
    /// Whether what was fetched cannot be read back: the mirror has to be made anew.
    pub(crate) fn is_damaged_mirror(&self) -> bool {
        match self {
            Self::Store(error) => error.is_damaged_mirror(),
            Self::Verify(error) => matches!(error, VerifyError::Mirror(_)),
            Self::Prepare(_) | Self::Unavailable(_) | Self::Probe(_) | Self::Fetch(_) | Self::Include(_) => false,
        }
    }
}

/// The table. An include that is not there is looked for again after `requeue_dependency`.
pub(crate) fn classify(failure: &Failure, requeue_dependency: Duration) -> Verdict {
    use condition::FETCH_FAILED;
    let storage = |reason| Verdict::backoff(condition::STORAGE_OPERATION_FAILED, reason);
    match failure {
        Failure::Prepare(error) => prepare(error),
        Failure::Unavailable(error) => {
            let reason = match error {
                Unavailable::NotFound(_) => reason::NOT_FOUND,
                Unavailable::NoArtifact(_) => reason::NO_ARTIFACT,
            };
            Verdict {
                retry: Retry::Wait(requeue_dependency),
                ..Verdict::backoff(condition::INCLUDE_UNAVAILABLE, reason)
            }
        }
        Failure::Probe(ProbeError::Empty) => Verdict::backoff(FETCH_FAILED, reason::EMPTY_GIT_REPOSITORY),
        Failure::Probe(ProbeError::Reference(_) | ProbeError::Remote { .. }) | Failure::Fetch(_) => {
            Verdict::backoff(FETCH_FAILED, reason::GIT_OPERATION_FAILED)
        }
        Failure::Verify(error) => verify(error),
        Failure::Include(error) => storage(match error {
            IncludeFailed::Path { .. } => reason::ILLEGAL_PATH,
            IncludeFailed::Copy { .. } | IncludeFailed::Abandoned => reason::COPY_FAILURE,
        }),
        Failure::Store(error) => match error {
            StoreFailed::Publish(error) => error.verdict(),
            StoreFailed::Ignore(_) => storage(reason::SOURCE_IGNORE_ERROR),
            StoreFailed::Sparse(_) => Verdict::backoff(FETCH_FAILED, reason::GIT_OPERATION_FAILED),
            StoreFailed::Mirror(_) | StoreFailed::Tree(_) | StoreFailed::Abandoned => {
                storage(reason::ARCHIVE_OPERATION_FAILED)
            }
        },
    }
}

fn prepare(error: &PrepareError) -> Verdict {
    use condition::FETCH_FAILED;
    match error {
        PrepareError::Url { .. } => Verdict::stall(FETCH_FAILED, reason::URL_INVALID),
        PrepareError::Secret(_)
        | PrepareError::Auth(_)
        | PrepareError::IdentityEncrypted(_)
        | PrepareError::ProxySecret(_)
        | PrepareError::Proxy(_) => Verdict::backoff(FETCH_FAILED, reason::AUTHENTICATION_FAILED),
        PrepareError::Provider(error) => match error {
            ProviderError::NoSecret => Verdict::stall(FETCH_FAILED, reason::INVALID_PROVIDER_CONFIGURATION),
            ProviderError::NoAppData | ProviderError::UnexpectedAppData(_) => {
                Verdict::backoff(FETCH_FAILED, reason::INVALID_PROVIDER_CONFIGURATION)
            }
            ProviderError::Who(ObjectIdentityError::Gate(_)) => {
                Verdict::stall(FETCH_FAILED, reason::FEATURE_GATE_DISABLED)
            }
            ProviderError::App(_) | ProviderError::Cloud(_) | ProviderError::Who(_) => {
                Verdict::backoff(FETCH_FAILED, reason::AUTHENTICATION_FAILED)
            }
        },
        PrepareError::Client(_) => Verdict::backoff(FETCH_FAILED, reason::GIT_OPERATION_FAILED),
    }
}

/// Keys and tags can change, so that all but a reference that is no tag is tried again.
fn verify(error: &VerifyError) -> Verdict {
    match error {
        VerifyError::Secret(_) => Verdict::unverified(reason::VERIFICATION_ERROR),
        VerifyError::NoTag => Verdict { retry: Retry::Stall, ..Verdict::unverified(reason::INVALID_VERIFICATION_MODE) },
        VerifyError::UnsignedTag(_) | VerifyError::Mirror(_) => Verdict::unverified(reason::INVALID_GIT_OBJECT),
        VerifyError::Tag { .. } => Verdict::unverified(reason::INVALID_TAG_SIGNATURE),
        VerifyError::Commit { .. } => Verdict::unverified(reason::INVALID_COMMIT_SIGNATURE),
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

/// There is a new artifact, of a commit with this subject, with those that are included in it.
pub(crate) fn published(
    object: &GitRepository,
    artifact: Artifact,
    included: Vec<Artifact>,
    subject: &str,
) -> Done<GitRepositoryStatus> {
    let revision = artifact.revision.clone();
    let text = format!("stored artifact for commit '{}'", shorten(subject));
    let spec = object.spec.clone();
    let observe = move |status: &mut GitRepositoryStatus| {
        status.observed_ignore = spec.ignore;
        status.included_artifacts = included;
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
