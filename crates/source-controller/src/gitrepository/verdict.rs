//! What came of the phases, as conditions, events and the next pass: one match over every error that they can return.
//!
//! Deliberately the only place where an error gets its condition, its reason and its retry class.

use std::collections::BTreeMap;
use std::error::Error;

use sluice_api::constants::{condition, reason};
use sluice_api::meta::Artifact;
use sluice_api::source::{GitRepository, GitRepositoryStatus};
use sluice_conditions::{delete, mark_true};
use sluice_runtime::dispatcher::{Next, Outcome};
use sluice_runtime::logging::error_chain;
use sluice_runtime::recorder::{Notice, Severity};
use sluice_storage::PublishError;

use super::after_interval;
use super::probe::ProbeError;
use super::publish::{FetchFailed, StoreFailed};
use super::remote::PrepareError;
use super::report::Report;
use super::supported::Unsupported;

/// Keys of event metadata.
const REVISION: &str = "source.toolkit.fluxcd.io/revision";
const DIGEST: &str = "source.toolkit.fluxcd.io/digest";
/// Reason for a field that is not honoured.
const UNSUPPORTED_FIELD: &str = "UnsupportedField";
/// The longest commit subject in an event, in characters.
const SUBJECT_LENGTH: usize = 50;

/// A pass that did what it should.
#[derive(Debug)]
pub(super) enum Done {
    /// The remote's reference is where it was.
    Unchanged { revision: String },
    /// The commit had to be looked at, and is the one that is stored.
    UpToDate { revision: String },
    /// There is a new artifact.
    Published { artifact: Artifact, subject: String },
}

/// A pass that did not.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Retry {
    Backoff,
    /// Only a change of the object helps.
    Stall,
}

/// The table: condition type, reason, retry class.
fn classify(failure: &Failure) -> (&'static str, &'static str, Retry) {
    use condition::{FETCH_FAILED, STORAGE_OPERATION_FAILED};
    match failure {
        Failure::Unsupported(_) => (FETCH_FAILED, UNSUPPORTED_FIELD, Retry::Stall),
        Failure::Prepare(error) => match error {
            PrepareError::Url { .. } => (FETCH_FAILED, reason::URL_INVALID, Retry::Stall),
            PrepareError::Secret { .. }
            | PrepareError::SecretNotFound(_)
            | PrepareError::Auth(_)
            | PrepareError::Proxy(_) => (FETCH_FAILED, reason::AUTHENTICATION_FAILED, Retry::Backoff),
            PrepareError::Client(_) => (FETCH_FAILED, reason::GIT_OPERATION_FAILED, Retry::Backoff),
        },
        Failure::Probe(error) => match error {
            ProbeError::Reference(_) | ProbeError::Remote { .. } => {
                (FETCH_FAILED, reason::GIT_OPERATION_FAILED, Retry::Backoff)
            }
            ProbeError::Empty => (FETCH_FAILED, reason::EMPTY_GIT_REPOSITORY, Retry::Backoff),
        },
        Failure::Fetch(_) => (FETCH_FAILED, reason::GIT_OPERATION_FAILED, Retry::Backoff),
        Failure::Store(error) => match error {
            StoreFailed::Path(_) => (STORAGE_OPERATION_FAILED, reason::INVALID_PATH, Retry::Backoff),
            StoreFailed::Ignore(_) => (STORAGE_OPERATION_FAILED, reason::SOURCE_IGNORE_ERROR, Retry::Backoff),
            StoreFailed::Storage(PublishError::Directory(_)) => {
                (STORAGE_OPERATION_FAILED, reason::DIRECTORY_CREATION_FAILED, Retry::Backoff)
            }
            StoreFailed::Storage(PublishError::Lock(_)) => {
                (STORAGE_OPERATION_FAILED, reason::ACQUIRE_LOCK_FAILED, Retry::Backoff)
            }
            StoreFailed::Storage(
                PublishError::Create(_) | PublishError::Content(_) | PublishError::Finish(_) | PublishError::Rename(_),
            )
            | StoreFailed::Mirror(_)
            | StoreFailed::Tree(_)
            | StoreFailed::Abandoned => (STORAGE_OPERATION_FAILED, reason::ARCHIVE_OPERATION_FAILED, Retry::Backoff),
        },
    }
}

/// Ends the pass.
pub(super) fn conclude(
    report: Report,
    object: &GitRepository,
    result: Result<Done, Failure>,
) -> Outcome<GitRepositoryStatus> {
    match result {
        Ok(done) => succeed(report, object, done),
        Err(failure) => fail(report, &failure),
    }
}

fn succeed(mut report: Report, object: &GitRepository, done: Done) -> Outcome<GitRepositoryStatus> {
    let notice = match done {
        Done::Unchanged { revision } => {
            report.succeed(&revision);
            let text = format!("no changes since last reconciliation: observed revision '{revision}'");
            let quiet = Notice::new(Severity::Trace, reason::GIT_OPERATION_SUCCEEDED, text);
            told(&report, quiet, &format!("stored artifact for commit '{revision}'"))
        }
        Done::UpToDate { revision } => {
            report.succeed(&revision);
            let text = format!("artifact up-to-date with remote revision: '{revision}'");
            let quiet = Notice::new(Severity::Trace, reason::ARTIFACT_UP_TO_DATE, text);
            told(&report, quiet, &format!("stored artifact for commit '{revision}'"))
        }
        Done::Published { artifact, subject } => {
            let text = format!("stored artifact for commit '{}'", shorten(&subject));
            let is_new = report.old_digest.as_deref() != Some(artifact.digest.as_str());
            let revision = artifact.revision.clone();
            observe_settings(&mut report.status, object);
            report.status.artifact = Some(artifact);
            report.succeed(&revision);
            if is_new {
                Notice::new(Severity::Info, reason::NEW_ARTIFACT, text).with_metadata(metadata(&report.status))
            } else {
                let quiet = format!("artifact up-to-date with remote revision: '{revision}'");
                told(&report, Notice::new(Severity::Trace, reason::ARTIFACT_UP_TO_DATE, quiet), &text)
            }
        }
    };
    report.notices.push(notice);
    Outcome { status: report.status, notices: report.notices, next: after_interval(object) }
}

/// A recovery is told aloud, everything else quietly.
fn told(report: &Report, quiet: Notice, recovery: &str) -> Notice {
    if report.recovered() {
        Notice::new(Severity::Info, reason::SUCCEEDED, recovery).with_metadata(metadata(&report.status))
    } else {
        quiet
    }
}

fn metadata(status: &GitRepositoryStatus) -> BTreeMap<String, String> {
    let Some(artifact) = &status.artifact else { return BTreeMap::new() };
    BTreeMap::from([(REVISION.to_owned(), artifact.revision.clone()), (DIGEST.to_owned(), artifact.digest.clone())])
}

fn observe_settings(status: &mut GitRepositoryStatus, object: &GitRepository) {
    status.observed_ignore.clone_from(&object.spec.ignore);
    status.observed_include.clone_from(&object.spec.include);
    status.observed_recurse_submodules = object.spec.recurse_submodules;
    status.observed_sparse_checkout.clone_from(&object.spec.sparse_checkout);
}

fn fail(mut report: Report, failure: &Failure) -> Outcome<GitRepositoryStatus> {
    let (type_, reason, retry) = classify(failure);
    let message = error_chain(failure as &(dyn Error + 'static));
    mark_true(&mut report.status.conditions, report.stamp, type_, reason, &message);
    let next = match retry {
        Retry::Backoff => {
            delete(&mut report.status.conditions, condition::STALLED);
            report.retry();
            Next::Backoff
        }
        Retry::Stall => {
            report.stall(reason, &message);
            Next::Never
        }
    };
    report.notices.push(Notice::new(Severity::Error, reason, message));
    Outcome { status: report.status, notices: report.notices, next }
}

fn shorten(subject: &str) -> String {
    match subject.char_indices().nth(SUBJECT_LENGTH) {
        Some((end, _)) => format!("{}...", &subject[..end]),
        None => subject.to_owned(),
    }
}

/// The event of a deleted object whose artifacts are gone.
pub(super) fn collected_for_deletion() -> Notice {
    let text = "garbage collected artifacts for deleted resource";
    Notice::new(Severity::Trace, reason::GARBAGE_COLLECTION_SUCCEEDED, text)
}

/// The event of a deleted object whose artifacts cannot be removed.
pub(super) fn collection_failed(cause: &str) -> Notice {
    let text = format!("garbage collection for deleted resource failed: {cause}");
    Notice::new(Severity::Error, reason::GARBAGE_COLLECTION_FAILED, text)
}
