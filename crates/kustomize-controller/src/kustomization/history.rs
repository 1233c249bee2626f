//! `status.history`: what was applied lately, with what outcome, and how often.
//!
//! Deliberately bounded: five entries, newest first.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sluice_api::kustomize::Snapshot;
use sluice_api::meta::GoDuration;

const MAX_ENTRIES: usize = 5;

/// One outcome.
#[derive(Debug)]
pub(super) struct Outcome<'a> {
    /// Digest of the built manifests.
    pub(super) digest: &'a str,
    /// The reason of the Ready condition.
    pub(super) status: &'a str,
    /// `revision` and, if known, `originRevision`.
    pub(super) metadata: BTreeMap<String, String>,
    /// When the pass ended.
    pub(super) now: Timestamp,
    /// How long it took.
    pub(super) took: Duration,
}

/// Counts the outcome on the entry of the same digest and status, or adds one, and puts it first.
pub(super) fn record(history: &mut Vec<Snapshot>, outcome: Outcome<'_>) {
    let known = history
        .iter()
        .position(|entry| entry.digest == outcome.digest && entry.last_reconciled_status == outcome.status);
    let (first, count) = match known {
        Some(index) => {
            let old = history.remove(index);
            (old.first_reconciled, old.total_reconciliations)
        }
        None => (Time(outcome.now), 0),
    };
    let entry = Snapshot {
        digest: outcome.digest.to_owned(),
        first_reconciled: first,
        last_reconciled: Time(outcome.now),
        last_reconciled_duration: GoDuration::new(outcome.took),
        last_reconciled_status: outcome.status.to_owned(),
        total_reconciliations: count.saturating_add(1),
        metadata: outcome.metadata,
    };
    history.insert(0, entry);
    history.truncate(MAX_ENTRIES);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn add(history: &mut Vec<Snapshot>, digest: &str, status: &str) {
        let metadata = BTreeMap::from([("revision".to_owned(), "main@sha1:0".to_owned())]);
        record(
            history,
            Outcome { digest, status, metadata, now: Timestamp::UNIX_EPOCH, took: Duration::from_millis(20) },
        );
    }

    fn shown(history: &[Snapshot]) -> Vec<String> {
        history
            .iter()
            .map(|entry| format!("{} {} {}", entry.digest, entry.last_reconciled_status, entry.total_reconciliations))
            .collect()
    }

    #[test]
    fn repeats_are_counted_and_moved_to_the_front() {
        let mut history = Vec::new();
        add(&mut history, "a", "ok");
        add(&mut history, "b", "ok");
        add(&mut history, "a", "failed");
        add(&mut history, "a", "ok");
        assert_eq!(shown(&history), ["a ok 2", "a failed 1", "b ok 1"]);
    }

    #[test]
    fn only_the_five_newest_are_kept() {
        let mut history = Vec::new();
        for digest in ["a", "b", "c", "d", "e", "f"] {
            add(&mut history, digest, "ok");
        }
        assert_eq!(shown(&history), ["f ok 1", "e ok 1", "d ok 1", "c ok 1", "b ok 1"]);
    }
}
