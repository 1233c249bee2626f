//! The status of the object while its pass runs: what the user sees of the progress.
//!
//! Deliberately no decisions: the pass calls it, it words the conditions.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use sluice_api::constants::{condition, reason};
use sluice_api::{ArtifactStatus as _, ObjectStatus as _};
use sluice_conditions::{
    NewCondition, Stamp, Status, Summary, delete, get, has, mark_reconciling, mark_stalled, mark_true, mark_unknown,
    set, summarize,
};
use sluice_runtime::dispatcher::{Pass, StatusOf, StatusWriter};
use sluice_runtime::logging::error_chain;
use sluice_runtime::recorder::{Notice, Severity};

use super::{SourceKind, Stored};

/// The conditions that make up Ready, in the order of their weight. One table for all kinds: what a kind never sets does not count.
const SUMMARY: Summary<'static> = Summary {
    priority: &[
        condition::STORAGE_OPERATION_FAILED,
        condition::FETCH_FAILED,
        condition::BUILD_FAILED,
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
        condition::BUILD_FAILED,
        condition::INCLUDE_UNAVAILABLE,
        condition::ARTIFACT_OUTDATED,
        condition::STALLED,
        condition::RECONCILING,
    ],
    veto: Some(condition::SOURCE_VERIFIED),
};

/// The conditions whose going away is a recovery.
const FAILURES: [&str; 4] = [
    condition::FETCH_FAILED,
    condition::STORAGE_OPERATION_FAILED,
    condition::BUILD_FAILED,
    condition::INCLUDE_UNAVAILABLE,
];

/// A status under construction.
#[derive(Debug)]
pub(crate) struct Report<K: SourceKind> {
    pub(crate) status: StatusOf<K>,
    /// What the pass has to tell so far.
    pub(crate) notices: Vec<Notice>,
    stamp: Stamp,
    /// The digest that was published before, to tell news from repeats.
    old_digest: Option<String>,
    had_failed: bool,
    shows_work: bool,
}

impl<K: SourceKind> Report<K> {
    /// Starts from the object's present status. What the last pass said of storage and of a bad signature is said anew or not at all.
    pub(super) fn new(pass: &Pass<K>) -> Self {
        let mut status = pass.object.status().cloned().unwrap_or_default();
        let had_failed = has_failed::<K>(&status);
        let old_digest = status.artifact().map(|artifact| artifact.digest.clone());
        delete(status.conditions_mut(), condition::STORAGE_OPERATION_FAILED);
        if get(status.conditions(), condition::SOURCE_VERIFIED).is_some_and(|known| Status::of(known) == Status::False)
        {
            delete(status.conditions_mut(), condition::SOURCE_VERIFIED);
        }
        let stamp = Stamp { generation: pass.object.meta().generation.unwrap_or(0), now: pass.now };
        Self { status, stamp, notices: Vec::new(), old_digest, had_failed, shows_work: false }
    }

    /// Takes in what the check of the storage found; `rewrite` puts the present host into an address.
    pub(super) fn stored(&mut self, stored: &Stored, rewrite: impl Fn(&str) -> String) {
        match stored {
            Stored::Current(artifact) => {
                self.status.set_artifact(Some(artifact.clone()));
                if let Some(link) = self.status.link_mut() {
                    *link = link.as_deref().map(rewrite);
                }
            }
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
        self.status.set_artifact(None);
        if let Some(link) = self.status.link_mut() {
            *link = None;
        }
        delete(self.status.conditions_mut(), condition::ARTIFACT_IN_STORAGE);
        self.working("building artifact: disappeared from storage");
    }

    /// Marks the object as being worked on.
    pub(super) fn begin(&mut self, object: &K) {
        let observed = self.status.observed_generation().unwrap_or(-1);
        let generation = object.meta().generation.unwrap_or(0);
        if generation != observed {
            self.working(&format!("processing object: new generation {observed} -> {generation}"));
        } else if !self.shows_work {
            let text = "reconciliation in progress";
            mark_reconciling(self.status.conditions_mut(), self.stamp, reason::PROGRESSING, text);
        }
    }

    /// Whether the user should see at once that work goes on: a new generation, a request, or a lost artifact.
    pub(super) fn is_news(&self, object: &K, requested: bool) -> bool {
        requested || self.shows_work || self.status.observed_generation() != object.meta().generation
    }

    /// Marks that there is something to publish: what makes the present artifact outdated, and why. Without an artifact, only that one is
    /// being built.
    pub(crate) fn outdated(&mut self, reason: &'static str, message: &str) {
        if self.status.artifact().is_some() {
            mark_true(self.status.conditions_mut(), self.stamp, condition::ARTIFACT_OUTDATED, reason, message);
        }
        self.working(&format!("building artifact: {message}"));
    }

    /// Marks that an artifact is being built, and why.
    pub(crate) fn working(&mut self, message: &str) {
        let conditions = self.status.conditions_mut();
        mark_reconciling(conditions, self.stamp, reason::PROGRESSING, message);
        mark_unknown(conditions, self.stamp, condition::READY, reason::PROGRESSING, message);
        self.shows_work = true;
    }

    /// Sets a condition that is the kind's own affair, such as `SourceVerified`.
    pub(crate) fn mark(&mut self, type_: &str, status: Status, reason: &str, message: &str) {
        set(self.status.conditions_mut(), NewCondition { type_, status, reason, message }, self.stamp);
    }

    /// Takes a condition away.
    pub(crate) fn clear(&mut self, type_: &str) {
        delete(self.status.conditions_mut(), type_);
    }

    /// The condition of a type, as it is now.
    pub(crate) fn condition(&self, type_: &str) -> Option<&Condition> {
        get(self.status.conditions(), type_)
    }

    /// Writes the status as it is now. A failure is logged only: the final write decides.
    pub(crate) async fn show(&self, writer: &StatusWriter<K>) {
        if let Err(error) = writer.write(&self.status).await {
            tracing::error!(error = error_chain(&error), "cannot show the progress on the object");
        }
    }

    /// Whether a failure was shown before this pass and none is now.
    pub(super) fn recovered(&self) -> bool {
        self.had_failed && !has_failed::<K>(&self.status)
    }

    /// Whether the published artifact is another one than before this pass.
    pub(super) fn is_new_artifact(&self) -> bool {
        self.old_digest.as_deref() != self.status.artifact().map(|artifact| artifact.digest.as_str())
    }

    /// Marks the artifact as published and the pass as done.
    pub(super) fn succeed(&mut self, (reason, message): (&str, &str)) {
        let conditions = self.status.conditions_mut();
        for type_ in FAILURES.into_iter().chain([condition::ARTIFACT_OUTDATED]) {
            delete(conditions, type_);
        }
        mark_true(conditions, self.stamp, condition::ARTIFACT_IN_STORAGE, reason, message);
        delete(conditions, condition::RECONCILING);
        delete(conditions, condition::STALLED);
        self.status.set_observed_generation(Some(self.stamp.generation));
        self.summarize();
    }

    /// Ends a pass that will be tried again.
    pub(super) fn retry(&mut self) {
        let conditions = self.status.conditions_mut();
        delete(conditions, condition::STALLED);
        if let Some(message) = get(conditions, condition::RECONCILING).map(|known| known.message.clone()) {
            mark_reconciling(conditions, self.stamp, reason::PROGRESSING_WITH_RETRY, &message);
        }
        self.summarize();
    }

    /// Ends a pass that only a change of the object can help.
    pub(super) fn stall(&mut self, reason: &str, message: &str) {
        mark_stalled(self.status.conditions_mut(), self.stamp, reason, message);
        self.status.set_observed_generation(Some(self.stamp.generation));
        self.summarize();
    }

    fn summarize(&mut self) {
        let Some(ready) = summarize(self.status.conditions(), &SUMMARY) else { return };
        self.mark(condition::READY, ready.status, &ready.reason, &ready.message);
    }
}

fn has_failed<K: SourceKind>(status: &StatusOf<K>) -> bool {
    FAILURES.iter().any(|type_| has(status.conditions(), type_))
}

/// What a pass over a suspended object changes: it counts as observed once it has any condition, and is not stalled.
pub(super) fn settle_suspended<K: SourceKind>(object: &K, status: &mut StatusOf<K>) {
    delete(status.conditions_mut(), condition::STALLED);
    if !status.conditions().is_empty() {
        status.set_observed_generation(object.meta().generation);
    }
}
