//! What came of the phases, as conditions, link, events and the next pass.
//!
//! Deliberately no knowledge of errors: a kind says what each of its own means in a [`Verdict`].

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use sluice_api::ArtifactStatus as _;
use sluice_api::constants::{condition, reason};
use sluice_api::meta::Artifact;
use sluice_artifact::ArtifactPath;
use sluice_conditions::Status;
use sluice_runtime::dispatcher::{Next, Outcome, StatusOf};
use sluice_runtime::logging::error_chain;
use sluice_runtime::recorder::{Notice, Severity};
use sluice_storage::Storage;

use super::{Report, SourceKind, metadata};

/// Writes down in a status what was observed.
pub(crate) type Observe<S> = Box<dyn FnOnce(&mut S) + Send>;

/// A pass that did what it should.
pub(crate) struct Done<S> {
    /// The new artifact; `None` if the stored one is as it should be.
    pub(crate) artifact: Option<Artifact>,
    /// Writes down with what the new artifact was made, or what else the kind observed.
    pub(crate) observe: Option<Observe<S>>,
    /// Reason and message of `ArtifactInStorage`, and so of Ready.
    pub(crate) stored: (&'static str, String),
    /// What is told.
    pub(crate) told: Told,
}

/// What a success tells.
pub(crate) struct Told {
    /// Reason of the event of a new artifact.
    pub(crate) new: &'static str,
    /// Reason of the event of a recovery.
    pub(crate) recovery: &'static str,
    /// Text of both.
    pub(crate) text: String,
    /// Reason and text of the quiet event if there is nothing new.
    pub(crate) quiet: (&'static str, String),
}

/// A condition that an error sets, with the error as its message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) type_: &'static str,
    pub(crate) status: Status,
    pub(crate) reason: &'static str,
}

/// What an error means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The conditions that it sets.
    pub(crate) marks: Vec<Mark>,
    /// The reason of the event, and of Stalled.
    pub(crate) reason: &'static str,
    /// When to try again.
    pub(crate) retry: Retry,
}

/// When a failed pass is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// After the object's growing delay.
    Backoff,
    /// Only a change of the object helps.
    Stall,
    /// After exactly this long: another object is waited for. Told quietly.
    Wait(Duration),
    /// After the object's growing delay, since another object is waited for that wakes this one, too. Told quietly.
    Pending,
}

impl Verdict {
    /// One condition, tried again.
    pub(crate) fn backoff(type_: &'static str, reason: &'static str) -> Self {
        Self { marks: vec![Mark { type_, status: Status::True, reason }], reason, retry: Retry::Backoff }
    }

    /// One condition, and Stalled with the same reason.
    pub(crate) fn stall(type_: &'static str, reason: &'static str) -> Self {
        Self { retry: Retry::Stall, ..Self::backoff(type_, reason) }
    }

    /// The source is not what somebody trusted says it should be.
    pub(crate) fn unverified(reason: &'static str) -> Self {
        Self {
            marks: vec![Mark { type_: condition::SOURCE_VERIFIED, status: Status::False, reason }],
            reason,
            retry: Retry::Backoff,
        }
    }
}

/// Ends a pass that went well.
pub(super) async fn succeed<K: SourceKind>(
    mut report: Report<K>,
    object: &K,
    done: Done<StatusOf<K>>,
    storage: &Arc<Storage>,
) -> Outcome<StatusOf<K>> {
    let Done { artifact, observe, stored: (stored_reason, stored_message), told } = done;
    if let Some(observe) = observe {
        observe(&mut report.status);
    }
    if let Some(artifact) = artifact {
        if let Some(link) = report.status.link_mut() {
            let linked = link_to(storage, &artifact, K::LINK).await;
            match linked {
                Ok(url) => *link = Some(url),
                Err(error) => {
                    let text = format!("failed to update status URL symlink: {error}");
                    report.notices.push(Notice::new(Severity::Trace, reason::SYMLINK_UPDATE_FAILED, text));
                }
            }
        }
        report.status.set_artifact(Some(artifact));
    }
    report.succeed((stored_reason, &stored_message));
    let Told { new, recovery, text, quiet: (quiet_reason, quiet_text) } = told;
    let notice = if report.is_new_artifact() {
        Notice::new(Severity::Info, new, text).with_metadata(event_metadata(report.status.artifact()))
    } else if report.recovered() {
        Notice::new(Severity::Info, recovery, text).with_metadata(event_metadata(report.status.artifact()))
    } else {
        Notice::new(Severity::Trace, quiet_reason, quiet_text)
    };
    report.notices.push(notice);
    Outcome { status: report.status, notices: report.notices, next: Next::Interval(object.interval()) }
}

/// Makes or moves the link beside the artifact and returns its address.
async fn link_to(storage: &Arc<Storage>, artifact: &Artifact, name: Option<&'static str>) -> Result<String, String> {
    let name = name.ok_or("the kind has no link")?;
    let path: ArtifactPath = artifact.path.parse().map_err(|error| error_chain(&error))?;
    let storage = Arc::clone(storage);
    let link = tokio::task::spawn_blocking(move || storage.link(&path, name).map(|link| storage.url(&link)));
    link.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
}

fn event_metadata(artifact: Option<&Artifact>) -> BTreeMap<String, String> {
    let Some(artifact) = artifact else { return BTreeMap::new() };
    BTreeMap::from([
        (metadata::REVISION.to_owned(), artifact.revision.clone()),
        (metadata::DIGEST.to_owned(), artifact.digest.clone()),
    ])
}

/// Ends a pass that failed.
pub(super) fn fail<K: SourceKind>(
    mut report: Report<K>,
    verdict: Verdict,
    failure: &(dyn Error + 'static),
) -> Outcome<StatusOf<K>> {
    let Verdict { marks, reason, retry } = verdict;
    let message = error_chain(failure);
    for Mark { type_, status, reason } in marks {
        report.mark(type_, status, reason, &message);
    }
    let (next, severity) = match retry {
        Retry::Backoff => (Next::Backoff, Severity::Error),
        Retry::Stall => (Next::Never, Severity::Error),
        Retry::Wait(delay) => (Next::After(delay), Severity::Trace),
        Retry::Pending => (Next::Backoff, Severity::Trace),
    };
    if retry == Retry::Stall {
        report.stall(reason, &message);
    } else {
        report.retry();
    }
    report.notices.push(Notice::new(severity, reason, message));
    Outcome { status: report.status, notices: report.notices, next }
}
