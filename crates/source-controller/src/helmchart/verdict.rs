//! What each error of the phases means, and what a success says.
//!
//! Deliberately the only place that knows conditions and reasons.

use std::error::Error;

use sluice_api::constants::{condition, reason};
use sluice_api::meta::Artifact;
use sluice_api::source::{HelmChart, HelmChartStatus};
use sluice_conditions::Status;
use sluice_helm::build::{BuildError, BuildReason, Outcome};
use sluice_runtime::logging::error_chain;

use super::build::Built;
use super::local::UnpackFailed;
use super::publish::StoreFailed;
use super::repository::{ChooseError, ConnectError, DownloadError};
use super::source::SourceError;
use super::verify::SetupFailed;
use crate::helmrepository::remote::PrepareError;
use crate::source::{Done, Observe, Report, Retry, Told, Verdict};

/// A pass that failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// There is nothing to build from.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The repository cannot be used.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The source's archive cannot be used.
    #[error(transparent)]
    Unpack(#[from] UnpackFailed),
    /// The chart cannot be built.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The repository does not know us, or we do not trust it.
    #[error(transparent)]
    Unauthorized(BuildError),
    /// What the signature is to be verified against cannot be read.
    #[error(transparent)]
    Verifier(#[from] SetupFailed),
    /// The chart cannot be stored.
    #[error(transparent)]
    Store(#[from] StoreFailed),
}

impl Failure {
    /// Tells a refused login, or a connection that is not trusted, from other failures to get something from a repository.
    pub(crate) fn or_unauthorized(self) -> Self {
        match self {
            Self::Build(error) if is_unauthorized(&error) => Self::Unauthorized(error),
            other => other,
        }
    }
}

/// Looks for the errors of repositories: those within them are not told apart by `source`, which they pass on.
fn is_unauthorized(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let chosen = error.downcast_ref::<ChooseError>().is_some_and(ChooseError::is_unauthorized);
        if chosen || error.downcast_ref::<DownloadError>().is_some_and(DownloadError::is_unauthorized) {
            return true;
        }
        next = error.source();
    }
    false
}

/// Shows a failure of the build on the object. Those that have no reason of a build's own are shown as `Unknown`, as tools expect it,
/// though the event has the true one.
pub(crate) fn observe(report: &mut Report<HelmChart>, failure: &Failure) {
    let text = error_chain(failure);
    let mark = |report: &mut Report<HelmChart>, (set, cleared), reason: &str, text: &str| {
        report.clear(cleared);
        report.mark(set, Status::True, reason, text);
    };
    let (fetch, build) = (condition::FETCH_FAILED, condition::BUILD_FAILED);
    match failure {
        Failure::Build(error) if error.reason.is_fetch_failure() => {
            mark(report, (fetch, build), error.reason.as_str(), &text);
        }
        Failure::Build(error) => {
            mark(report, (build, fetch), error.reason.as_str(), &text);
            if error.reason == BuildReason::ChartVerificationError {
                report.mark(condition::SOURCE_VERIFIED, Status::False, reason::VERIFICATION_ERROR, &text);
            }
        }
        Failure::Connect(_) | Failure::Unpack(_) | Failure::Unauthorized(_) | Failure::Verifier(_) => {
            if matches!(failure, Failure::Verifier(_)) {
                report.mark(condition::SOURCE_VERIFIED, Status::False, reason::VERIFICATION_ERROR, &text);
            }
            let unknown = BuildReason::Unknown;
            mark(report, (fetch, build), unknown.as_str(), &format!("{}: {text}", unknown.summary()));
        }
        Failure::Source(_) | Failure::Store(_) => {}
    }
}

/// Condition, reason and retry class of a failure. The conditions of builds have been set by [`observe`].
pub(crate) fn classify(failure: &Failure) -> Verdict {
    let observed = |reason, retry| Verdict { marks: Vec::new(), reason, retry };
    match failure {
        Failure::Source(error) => match error {
            SourceError::NotFound { .. } | SourceError::Get(_) => {
                Verdict::backoff(condition::FETCH_FAILED, reason::SOURCE_UNAVAILABLE)
            }
            SourceError::Unsupported(_) => Verdict::stall(condition::FETCH_FAILED, reason::UNSUPPORTED_SOURCE_KIND),
            SourceError::NoArtifact { .. } => Verdict {
                retry: Retry::Pending,
                ..Verdict::backoff(condition::FETCH_FAILED, reason::NO_SOURCE_ARTIFACT)
            },
        },
        Failure::Connect(error) => match error {
            ConnectError::Prepare(PrepareError::Url(_)) => observed(reason::URL_INVALID, Retry::Stall),
            ConnectError::Prepare(PrepareError::Client(_)) => observed(reason::FAILED, Retry::Stall),
            ConnectError::Prepare(
                PrepareError::AuthSecret { .. }
                | PrepareError::TlsSecret { .. }
                | PrepareError::Auth(_)
                | PrepareError::Tls(_),
            )
            | ConnectError::AuthSecret { .. }
            | ConnectError::Auth(_)
            | ConnectError::Login(_) => observed(reason::AUTHENTICATION_FAILED, Retry::Backoff),
        },
        Failure::Unpack(_) => observed(reason::READ_OPERATION_FAILED, Retry::Backoff),
        Failure::Build(error) => {
            let retry = if error.reason.is_persistent() { Retry::Stall } else { Retry::Backoff };
            observed(error.reason.as_str(), retry)
        }
        Failure::Unauthorized(_) => observed(reason::AUTHENTICATION_FAILED, Retry::Backoff),
        Failure::Verifier(_) => observed(reason::VERIFICATION_ERROR, Retry::Backoff),
        Failure::Store(error) => error.verdict(),
    }
}

/// The chart is stored: `new` if it was not before.
pub(crate) fn done(object: &HelmChart, new: Option<Artifact>, built: &Built) -> Done<HelmChartStatus> {
    let reason = match built.outcome {
        Outcome::New | Outcome::Pulled => reason::CHART_PULL_SUCCEEDED,
        Outcome::Packaged => reason::CHART_PACKAGE_SUCCEEDED,
    };
    let (name, values_files) = (built.name.clone(), built.values_files.clone());
    let ignores_missing = object.spec.ignore_missing_values_files;
    let observe = move |status: &mut HelmChartStatus| {
        status.observed_chart_name = Some(name);
        status.observed_values_files = if ignores_missing { values_files } else { Vec::new() };
    };
    let observe: Option<Observe<HelmChartStatus>> = match new {
        Some(_) => Some(Box::new(observe)),
        None => None,
    };
    let quiet = format!("artifact up-to-date with remote revision: '{}'", built.version);
    Done {
        artifact: new,
        observe,
        stored: (reason, built.summary()),
        told: Told {
            new: reason,
            recovery: reason,
            text: built.summary(),
            quiet: (reason::ARTIFACT_UP_TO_DATE, quiet),
        },
    }
}
