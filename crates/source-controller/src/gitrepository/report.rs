//! The status of the object while its pass runs: what the user sees of the progress.
//!
//! Deliberately no decisions: phases and verdict call it, it words the conditions.

use sluice_api::constants::{condition, reason};
use sluice_api::source::{GitRepository, GitRepositoryStatus};
use sluice_conditions::{
    Stamp, Summary, delete, get, has, mark_false, mark_reconciling, mark_true, mark_unknown, summarize,
};
use sluice_runtime::dispatcher::{Pass, StatusWriter};
use sluice_runtime::logging::error_chain;
use sluice_runtime::recorder::{Notice, Severity};

use super::stored::Stored;

/// The conditions that make up Ready, in the order of their weight.
const SUMMARY: Summary<'static> = Summary {
    priority: &[
        condition::STORAGE_OPERATION_FAILED,
        condition::FETCH_FAILED,
        condition::INCLUDE_UNAVAILABLE,
        condition::ARTIFACT_OUTDATED,
        condition::ARTIFACT_IN_STORAGE,
        condition::SOURCE_VERIFIED,
        condition::STALLED,
        condition::RECONCILING,
    ],
    negative: &[
        condition::STORAGE_OPERATION_FAILED,
        condition::FETCH_FAILED,
        condition::INCLUDE_UNAVAILABLE,
        condition::ARTIFACT_OUTDATED,
        condition::STALLED,
        condition::RECONCILING,
    ],
    veto: Some(condition::SOURCE_VERIFIED),
};

/// Conditions whose going away is a recovery.
const FAILURES: [&str; 3] =
    [condition::FETCH_FAILED, condition::STORAGE_OPERATION_FAILED, condition::INCLUDE_UNAVAILABLE];

/// A status under construction.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) status: GitRepositoryStatus,
    pub(super) stamp: Stamp,
    pub(super) notices: Vec<Notice>,
    /// The digest that was published before, to tell news from repeats.
    pub(super) old_digest: Option<String>,
    had_failed: bool,
    shows_work: bool,
}

impl Report {
    /// Starts from the object's present status.
    pub(super) fn new(pass: &Pass<GitRepository>) -> Self {
        let mut status = pass.object.status.clone().unwrap_or_default();
        let had_failed = FAILURES.iter().any(|type_| has(&status.conditions, type_));
        let old_digest = status.artifact.as_ref().map(|artifact| artifact.digest.clone());
        delete(&mut status.conditions, condition::STORAGE_OPERATION_FAILED);
        let stamp = Stamp { generation: pass.object.metadata.generation.unwrap_or(0), now: pass.now };
        Self { status, stamp, notices: Vec::new(), old_digest, had_failed, shows_work: false }
    }

    /// Takes in what the check of the storage found.
    pub(super) fn stored(&mut self, stored: &Stored) {
        match stored {
            Stored::Current(artifact) => self.status.artifact = Some(artifact.clone()),
            Stored::Never => {}
            Stored::Missing => self.lost_artifact(),
            Stored::Corrupt(text) => {
                let message = format!("failed to verify integrity of artifact: {text}");
                self.notices.push(Notice::new(Severity::Error, reason::ARTIFACT_VERIFICATION_FAILED, message));
                self.lost_artifact();
            }
        }
    }

    fn lost_artifact(&mut self) {
        self.status.artifact = None;
        delete(&mut self.status.conditions, condition::ARTIFACT_IN_STORAGE);
        self.working("building artifact: disappeared from storage");
    }

    /// Marks the object as being worked on.
    pub(super) fn begin(&mut self, object: &GitRepository) {
        let observed = self.status.observed_generation.unwrap_or(-1);
        let generation = object.metadata.generation.unwrap_or(0);
        if generation != observed {
            self.working(&format!("processing object: new generation {observed} -> {generation}"));
        } else if !self.shows_work {
            mark_reconciling(
                &mut self.status.conditions,
                self.stamp,
                reason::PROGRESSING,
                "reconciliation in progress",
            );
        }
    }

    /// Whether the user should see at once that work goes on: a new generation, a request, or a lost artifact.
    pub(super) fn is_news(&self, object: &GitRepository, requested: bool) -> bool {
        requested || self.shows_work || self.status.observed_generation != object.metadata.generation
    }

    /// Marks that there is a revision to publish.
    pub(super) fn new_revision(&mut self, revision: &str) {
        let message = format!("new upstream revision '{revision}'");
        if self.status.artifact.as_ref().is_some_and(|artifact| artifact.revision != revision) {
            mark_true(
                &mut self.status.conditions,
                self.stamp,
                condition::ARTIFACT_OUTDATED,
                reason::NEW_REVISION,
                &message,
            );
        }
        self.working(&format!("building artifact: {message}"));
    }

    fn working(&mut self, message: &str) {
        mark_reconciling(&mut self.status.conditions, self.stamp, reason::PROGRESSING, message);
        mark_unknown(&mut self.status.conditions, self.stamp, condition::READY, reason::PROGRESSING, message);
        self.shows_work = true;
    }

    /// Writes the status as it is now. A failure is logged only: the final write decides.
    pub(super) async fn show(&self, writer: &StatusWriter<GitRepository>) {
        if let Err(error) = writer.write(&self.status).await {
            tracing::error!(error = error_chain(&error), "cannot show the progress on the object");
        }
    }

    /// Whether a failure was shown before this pass and none is now.
    pub(super) fn recovered(&self) -> bool {
        self.had_failed && !FAILURES.iter().any(|type_| has(&self.status.conditions, type_))
    }

    /// Marks the artifact of `revision` as published and the pass as done.
    pub(super) fn succeed(&mut self, revision: &str) {
        let conditions = &mut self.status.conditions;
        for type_ in FAILURES {
            delete(conditions, type_);
        }
        delete(conditions, condition::ARTIFACT_OUTDATED);
        let message = format!("stored artifact for revision '{revision}'");
        mark_true(conditions, self.stamp, condition::ARTIFACT_IN_STORAGE, reason::SUCCEEDED, &message);
        delete(conditions, condition::RECONCILING);
        delete(conditions, condition::STALLED);
        self.status.observed_generation = Some(self.stamp.generation);
        self.summarize();
    }

    /// Ends a pass that will be tried again.
    pub(super) fn retry(&mut self) {
        if let Some(message) = get(&self.status.conditions, condition::RECONCILING).map(|known| known.message.clone()) {
            mark_reconciling(&mut self.status.conditions, self.stamp, reason::PROGRESSING_WITH_RETRY, &message);
        }
        self.summarize();
    }

    /// Ends a pass that only a change of the object can help.
    pub(super) fn stall(&mut self, reason: &str, message: &str) {
        sluice_conditions::mark_stalled(&mut self.status.conditions, self.stamp, reason, message);
        self.status.observed_generation = Some(self.stamp.generation);
        self.summarize();
    }

    fn summarize(&mut self) {
        summarize_ready(&mut self.status, self.stamp);
    }
}

fn summarize_ready(status: &mut GitRepositoryStatus, stamp: Stamp) {
    let Some(ready) = summarize(&status.conditions, &SUMMARY) else { return };
    match ready.status {
        sluice_conditions::Status::True => {
            mark_true(&mut status.conditions, stamp, condition::READY, &ready.reason, &ready.message);
        }
        sluice_conditions::Status::False => {
            mark_false(&mut status.conditions, stamp, condition::READY, &ready.reason, &ready.message);
        }
        sluice_conditions::Status::Unknown => {
            mark_unknown(&mut status.conditions, stamp, condition::READY, &ready.reason, &ready.message);
        }
    }
}

/// What a pass over a suspended object changes: it counts as observed once it has any condition, and is not stalled.
pub(super) fn settle_suspended(object: &GitRepository, status: &mut GitRepositoryStatus) {
    delete(&mut status.conditions, condition::STALLED);
    if !status.conditions.is_empty() {
        status.observed_generation = object.metadata.generation;
    }
}
