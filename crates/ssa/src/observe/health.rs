//! The verdict of a wait: from the states of its targets to done, failed, or not yet, and the texts that users know.
//!
//! Deliberately not here: how states are found out (`reader`, `wait`).

use std::fmt;
use std::time::Duration;

use sluice_kstatus::{State, Status};
use sluice_manifest::{GroupKind, ObjectId};
use thiserror::Error;

/// An object whose health is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthTarget {
    /// The object.
    pub id: ObjectId,
    /// The API version, such as `v1`, in which to read it; another one is taken if it is not served.
    pub version: String,
    /// The version that our apply made, if it was ours: an older state says nothing.
    pub min_resource_version: Option<u64>,
    /// What its absence means.
    pub if_absent: IfAbsent,
}

/// What the absence of an object means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum IfAbsent {
    /// It is waited for.
    #[default]
    Wait,
    /// It has done its work and was cleaned up: a Job with `ttlSecondsAfterFinished`.
    Healthy,
}

/// Whether one failed object ends a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailFast {
    /// At once.
    #[default]
    Yes,
    /// When all others are healthy or have failed too.
    No,
}

/// All targets are healthy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Healthy {
    /// How long it took.
    pub after: Duration,
}

/// Why a wait ended without health. The texts name what is not healthy only, each with its own message.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum HealthFailure {
    /// Some have failed.
    #[error("failed early due to stalled resources: [{}]", list(.0))]
    Stalled(Vec<Unhealthy>),
    /// Some are not healthy after all the time there was.
    #[error("timeout waiting for: [{}]", list(.0))]
    Timeout(Vec<Unhealthy>),
    /// A target that names no object: its kind has namespaces, and it has none.
    #[error("resource {kind} {name} is namespace scoped, but namespace is not set")]
    NoNamespace {
        /// `Kind.group`, the kind alone for the core group.
        kind: String,
        /// The target's name.
        name: String,
    },
}

/// An object that is not healthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unhealthy {
    /// The object.
    pub id: ObjectId,
    /// Where it stands; `None` when that was never found out.
    pub status: Option<Status>,
}

impl fmt::Display for Unhealthy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(status) = &self.status else { return write!(f, "can't determine status for {}", self.id) };
        write!(f, "{} status: '{}'", self.id, status.state)?;
        match (status.state, status.message.trim()) {
            // Its message says the same again.
            (State::NotFound, _) | (_, "") => Ok(()),
            (_, message) => write!(f, ": {message}"),
        }
    }
}

impl HealthFailure {
    /// The objects that are not healthy.
    pub fn unhealthy(&self) -> &[Unhealthy] {
        match self {
            Self::Stalled(unhealthy) | Self::Timeout(unhealthy) => unhealthy,
            Self::NoNamespace { .. } => &[],
        }
    }

    pub(super) fn no_namespace(id: &ObjectId) -> Self {
        let GroupKind { group, kind } = GroupKind { group: id.group.clone(), kind: id.kind.clone() };
        let kind = if group.is_empty() { kind } else { format!("{kind}.{group}") };
        Self::NoNamespace { kind, name: id.name.clone() }
    }
}

fn list(unhealthy: &[Unhealthy]) -> String {
    unhealthy.iter().map(Unhealthy::to_string).collect::<Vec<_>>().join(", ")
}

/// What the states say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    NotYet,
    Healthy,
    Failed,
}

/// The last known state of each target, and how many are in which.
#[derive(Debug)]
pub(super) struct Board {
    states: Vec<Option<Status>>,
    current: usize,
    failed: usize,
}

impl Board {
    pub(super) fn new(targets: usize) -> Self {
        Self { states: vec![None; targets], current: 0, failed: 0 }
    }

    pub(super) fn get(&self, target: usize) -> Option<&Status> {
        self.states[target].as_ref()
    }

    /// Sets a target's state; its place must be one of the board's.
    pub(super) fn set(&mut self, target: usize, status: &Status) {
        let count = |board: &mut Self, state: Option<State>, by: isize| match state {
            Some(State::Current) => board.current = board.current.saturating_add_signed(by),
            Some(State::Failed) => board.failed = board.failed.saturating_add_signed(by),
            _ => {}
        };
        let old = self.states[target].take().map(|status| status.state);
        count(self, old, -1);
        count(self, Some(status.state), 1);
        let mut status = status.clone();
        if status.state == State::Current {
            // Nobody is told about what is healthy, and a wait may have thousands of it.
            (status.reason, status.message) = (String::new(), String::new());
        }
        self.states[target] = Some(status);
    }

    pub(super) fn verdict(&self, fail_fast: FailFast) -> Verdict {
        let all = self.states.len();
        if self.current == all {
            Verdict::Healthy
        } else if self.failed > 0 && (fail_fast == FailFast::Yes || self.failed + self.current == all) {
            Verdict::Failed
        } else {
            Verdict::NotYet
        }
    }

    /// The failed ones.
    pub(super) fn failed(&self, targets: &[HealthTarget]) -> Vec<Unhealthy> {
        self.unhealthy(targets, |state| state == Some(State::Failed))
    }

    /// All that are not healthy.
    pub(super) fn pending(&self, targets: &[HealthTarget]) -> Vec<Unhealthy> {
        self.unhealthy(targets, |state| state != Some(State::Current))
    }

    fn unhealthy(&self, targets: &[HealthTarget], wanted: impl Fn(Option<State>) -> bool) -> Vec<Unhealthy> {
        let pairs = targets.iter().zip(&self.states);
        pairs
            .filter(|(_, status)| wanted(status.as_ref().map(|status| status.state)))
            .map(|(target, status)| Unhealthy { id: target.id.clone(), status: status.clone() })
            .collect()
    }
}

#[cfg(test)]
mod tests;
