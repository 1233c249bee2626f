//! What came of the phases, as conditions, events and the next pass: one match over every error that they can return.
//!
//! Deliberately the only place where an error gets its reason and its retry class.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use sluice_api::constants::{condition, metadata, reason};
use sluice_api::kustomize::{Kustomization, KustomizationStatus};
use sluice_api::meta::GoDuration;
use sluice_conditions::{delete, get, mark_false, mark_reconciling, mark_stalled, mark_true};
use sluice_expressions::HealthChecksError;
use sluice_runtime::dispatcher::{Next, Outcome};
use sluice_runtime::logging::error_chain;
use sluice_runtime::recorder::{Notice, Severity};

use super::apply::{ApplyError, PruneFailed};
use super::build::BuildFailed;
use super::decrypt::KeysError;
use super::dependencies::DependencyError;
use super::health::HealthError;
use super::history;
use super::report::Report;
use super::source::SourceError;
use super::supported::GateDisabled;
use super::tree::TreeError;
use super::variables::VariablesError;
use crate::cluster::TargetError;

const COMMIT_STATUS: &str = "kustomize.toolkit.fluxcd.io/commit_status";

/// What stands before a message that only a change of the spec makes go away.
const TERMINAL: &str = "Reconciliation failed terminally due to configuration error: ";

/// A pass that did not get to its end.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// A feature gate is off.
    #[error(transparent)]
    Gate(#[from] GateDisabled),
    /// An expression for health is no good.
    #[error(transparent)]
    Expressions(#[from] HealthChecksError),
    /// There is no artifact.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// Something else has to be ready before.
    #[error(transparent)]
    Dependency(#[from] DependencyError),
    /// The artifact cannot be had.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The variables cannot be read.
    #[error(transparent)]
    Variables(#[from] VariablesError),
    /// The keys for decryption cannot be read.
    #[error(transparent)]
    Keys(#[from] KeysError),
    /// The manifests cannot be built.
    #[error(transparent)]
    Build(#[from] BuildFailed),
    /// The objects cannot be applied.
    #[error(transparent)]
    Apply(#[from] ApplyError),
    /// The cluster cannot be reached as it is asked for.
    #[error("failed to build kube client")]
    Target(#[from] TargetError),
    /// What left cannot be deleted.
    #[error(transparent)]
    Prune(#[from] PruneFailed),
    /// Not everything became healthy.
    #[error(transparent)]
    Health(#[from] HealthError),
}

/// What a pass's end is measured by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Context {
    pub(super) took: Duration,
    pub(super) requeue_dependency: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Retry {
    /// After `spec.retryInterval`.
    Fixed,
    /// After `--requeue-dependency`: something is waited for.
    Wait,
    /// At once: something newer is there.
    Now,
    /// After the growing delay.
    Backoff,
    /// Only a change of the object helps.
    Stall,
    /// The same, and the spec counts as observed: it is what is wrong.
    Terminal,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tell {
    Nothing,
    Error,
    Waiting,
    Canceled,
}

/// The table: reason, retry class, event.
fn classify(failure: &Failure) -> (&'static str, Retry, Tell) {
    match failure {
        Failure::Gate(_) => (reason::FEATURE_GATE_DISABLED, Retry::Stall, Tell::Error),
        Failure::Expressions(_) => (reason::INVALID_CEL_EXPRESSION, Retry::Terminal, Tell::Error),
        Failure::Source(error) => match error {
            SourceError::CrossNamespace { .. } | SourceError::GateDisabled(_) | SourceError::UnknownKind(_) => {
                (reason::ACCESS_DENIED, Retry::Stall, Tell::Error)
            }
            SourceError::NotFound { .. } => (reason::ARTIFACT_FAILED, Retry::Fixed, Tell::Nothing),
            SourceError::Get(_) => (reason::ARTIFACT_FAILED, Retry::Backoff, Tell::Nothing),
            SourceError::NoArtifact(_) => (reason::ARTIFACT_FAILED, Retry::Wait, Tell::Nothing),
        },
        Failure::Dependency(
            DependencyError::NotFound(..)
            | DependencyError::NotReady(_)
            | DependencyError::Outdated(_)
            | DependencyError::NotReadyByExpression(_)
            | DependencyError::Evaluate(_)
            | DependencyError::Encode { .. },
        ) => (reason::DEPENDENCY_NOT_READY, Retry::Wait, Tell::Waiting),
        Failure::Dependency(DependencyError::Compile { .. }) => {
            (reason::INVALID_CEL_EXPRESSION, Retry::Terminal, Tell::Error)
        }
        Failure::Tree(error) => match error {
            TreeError::NotFound(_) => (reason::ARTIFACT_FAILED, Retry::Wait, Tell::Nothing),
            TreeError::Fetch(_) | TreeError::Path(_) => (reason::ARTIFACT_FAILED, Retry::Fixed, Tell::Error),
        },
        Failure::Build(_) | Failure::Variables(_) | Failure::Keys(_) => {
            (reason::BUILD_FAILED, Retry::Fixed, Tell::Error)
        }
        Failure::Target(_)
        | Failure::Apply(ApplyError::Encrypted(_) | ApplyError::Ignore(_) | ApplyError::Apply(_)) => {
            (reason::RECONCILIATION_FAILED, Retry::Fixed, Tell::Error)
        }
        Failure::Health(HealthError::Failed { .. }) => (reason::HEALTH_CHECK_FAILED, Retry::Fixed, Tell::Error),
        Failure::Health(HealthError::Canceled(_)) => (reason::HEALTH_CHECK_CANCELED, Retry::Now, Tell::Canceled),
        Failure::Prune(_) => (reason::PRUNE_FAILED, Retry::Fixed, Tell::Error),
    }
}

/// Ends the pass.
pub(super) fn conclude(
    report: Report,
    object: &Kustomization,
    result: Result<(), Failure>,
    context: Context,
) -> Outcome<KustomizationStatus> {
    match result {
        Ok(()) => succeed(report, object, context),
        Err(failure) => fail(report, object, &failure, context),
    }
}

fn succeed(mut report: Report, object: &Kustomization, context: Context) -> Outcome<KustomizationStatus> {
    let revision = report.revision.clone().unwrap_or_default();
    let message = format!("Applied revision: {revision}");
    remember(&mut report, reason::RECONCILIATION_SUCCEEDED, context.took);
    let status = &mut report.status;
    delete(&mut status.conditions, condition::RECONCILING);
    delete(&mut status.conditions, condition::STALLED);
    mark_true(&mut status.conditions, report.stamp, condition::READY, reason::RECONCILIATION_SUCCEEDED, &message);
    status.observed_generation = Some(report.stamp.generation);
    status.last_applied_revision = Some(revision);
    status.last_applied_origin_revision.clone_from(&report.origin_revision);

    let interval = super::interval(object);
    let text = format!(
        "Reconciliation finished in {}, next run in {}",
        GoDuration::new(context.took),
        GoDuration::new(interval)
    );
    let mut facts = report.metadata();
    facts.insert(COMMIT_STATUS.to_owned(), metadata::COMMIT_STATUS_UPDATE.to_owned());
    report.notices.push(Notice::new(Severity::Info, reason::RECONCILIATION_SUCCEEDED, text).with_metadata(facts));
    Outcome { status: report.status, notices: report.notices, next: Next::Interval(interval) }
}

fn fail(
    mut report: Report,
    object: &Kustomization,
    failure: &Failure,
    context: Context,
) -> Outcome<KustomizationStatus> {
    let (reason, retry, tell) = classify(failure);
    let mut message = error_chain(failure as &(dyn Error + 'static));
    if retry == Retry::Terminal {
        message.insert_str(0, TERMINAL);
        report.status.observed_generation = Some(report.stamp.generation);
    }
    // A pass that something newer ended has no outcome.
    if retry != Retry::Now {
        remember(&mut report, reason, context.took);
    }
    let conditions = &mut report.status.conditions;
    match failure {
        Failure::Health(HealthError::Failed { failure, .. }) => {
            mark_false(conditions, report.stamp, condition::HEALTHY, reason, &error_chain(failure));
        }
        Failure::Health(HealthError::Canceled(_)) => {
            mark_false(conditions, report.stamp, condition::HEALTHY, reason, &message);
        }
        _ => {}
    }
    mark_false(conditions, report.stamp, condition::READY, reason, &message);
    if matches!(retry, Retry::Stall | Retry::Terminal) {
        mark_stalled(conditions, report.stamp, reason, &message);
    } else if let Some(known) = get(conditions, condition::RECONCILING).map(|known| known.message.clone()) {
        mark_reconciling(conditions, report.stamp, reason::PROGRESSING_WITH_RETRY, &known);
    }
    let facts = report.metadata();
    match tell {
        Tell::Nothing => {}
        Tell::Error => report.notices.push(Notice::new(Severity::Error, reason, message).with_metadata(facts)),
        Tell::Waiting => {
            let wait = GoDuration::new(context.requeue_dependency);
            let text = format!("Dependencies do not meet ready condition, retrying in {wait}");
            report.notices.push(Notice::new(Severity::Info, reason, text).with_metadata(facts));
        }
        Tell::Canceled => {
            let text = format!("Health checks canceled due to {}", lower_first(&message));
            report.notices.push(Notice::new(Severity::Info, reason, text).with_metadata(facts));
        }
    }
    let next = match retry {
        Retry::Fixed => Next::After(object.retry_interval()),
        Retry::Wait => Next::After(context.requeue_dependency),
        Retry::Now => Next::Now,
        Retry::Backoff => Next::Backoff,
        Retry::Stall | Retry::Terminal => Next::Never,
    };
    Outcome { status: report.status, notices: report.notices, next }
}

fn lower_first(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Adds to the history; a pass that built nothing leaves no trace there.
fn remember(report: &mut Report, outcome: &str, took: Duration) {
    let Some(digest) = report.digest.clone() else { return };
    let revision = report.revision.clone().map(|revision| (metadata::REVISION.to_owned(), revision));
    let origin = report.origin_revision.clone().map(|revision| (metadata::ORIGIN_REVISION.to_owned(), revision));
    let metadata: BTreeMap<String, String> = revision.into_iter().chain(origin).collect();
    let now = report.stamp.now;
    history::record(
        &mut report.status.history,
        history::Outcome { digest: &digest, status: outcome, metadata, now, took },
    );
}
