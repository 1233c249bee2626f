//! The second look at pods, for objects that control them.
//!
//! A `StatefulSet` or `ReplicaSet` that is in progress says nothing of pods that will never run, so its pods are asked. Deployments are not
//! treated so: they fail by their progress deadline. Deliberately not here: listing pods; a caller that may not list them uses
//! [`Status::unknown`] with the error.

use jiff::Timestamp;
use serde_json::Value;

use crate::fields::{conditions, field};
use crate::{State, Status, group_kind, status};

/// Whether [`Status::with_pods`] is part of an object's status: its pods, those its `spec.selector` selects, have to be listed.
pub fn selects_pods(object: &Value) -> bool {
    matches!(group_kind(object), ("apps", "StatefulSet") | ("apps" | "extensions", "ReplicaSet"))
}

impl Status {
    /// The status of an object with this status and these pods: failed, if it is in progress and some pod has failed for good. Pods on
    /// their way out do not count, nor do those that wait for a node, which a cluster may yet grow.
    pub fn with_pods(self, pods: &[Value], now: Timestamp) -> Self {
        if self.state != State::InProgress {
            return self;
        }
        let failed =
            |pod: &&Value| status(pod, now).state == State::Failed && !is_leaving(pod) && !is_unschedulable(pod);
        match pods.iter().filter(failed).count() {
            0 => self,
            count => Self::failed("", format!("{count} pods have failed")),
        }
    }
}

fn is_leaving(pod: &Value) -> bool {
    matches!(field(pod, &["metadata", "deletionTimestamp"]), Ok(Some(timestamp)) if !timestamp.is_null())
}

fn is_unschedulable(pod: &Value) -> bool {
    group_kind(pod) == ("", "Pod")
        && conditions(pod).unwrap_or_default().iter().any(|condition| {
            (condition.kind, condition.status, condition.reason) == ("PodScheduled", "False", "Unschedulable")
        })
}
