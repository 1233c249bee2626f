//! Uniform access to what every reconciled kind has, so that the code around a reconcile is written once.
//!
//! Deliberately only accessors: how conditions change is the matter of `sluice-conditions`.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::object::HasStatus;

use crate::meta::Artifact;

/// The parts of a status that the reconcile prologue and epilogue read and write.
pub trait ObjectStatus: Default {
    /// The conditions, in stored order.
    fn conditions(&self) -> &[Condition];
    /// The conditions, for change.
    fn conditions_mut(&mut self) -> &mut Vec<Condition>;
    /// The generation that the last finished reconcile saw; `-1` by schema default before the first one.
    fn observed_generation(&self) -> Option<i64>;
    /// Replaces the observed generation.
    fn set_observed_generation(&mut self, generation: Option<i64>);
    /// The value of the request annotation that was handled last.
    fn last_handled_reconcile_at(&self) -> Option<&str>;
    /// Replaces the handled request.
    fn set_last_handled_reconcile_at(&mut self, token: Option<String>);
}

/// A kind with a reconcile loop: it can be suspended, and comes around at an interval.
pub trait Reconcilable: kube::Resource<DynamicType = ()> + HasStatus<Status: ObjectStatus> {
    /// Whether the user asked for no reconciliation.
    fn suspended(&self) -> bool;
    /// The time between two successful reconciles, without jitter.
    fn interval(&self) -> Duration;
}

/// A kind that publishes an artifact in its status.
pub trait ArtifactSource {
    /// The artifact that is published now, if any.
    fn artifact(&self) -> Option<&Artifact>;
}

/// The status of a kind that publishes an artifact.
pub trait ArtifactStatus: ObjectStatus {
    /// The artifact that is published now, if any.
    fn artifact(&self) -> Option<&Artifact>;
    /// Replaces the published artifact.
    fn set_artifact(&mut self, artifact: Option<Artifact>);
    /// The address of the newest artifact under a name that stays; `None` for kinds that have no such name.
    fn link_mut(&mut self) -> Option<&mut Option<String>>;
}

/// Implements [`ObjectStatus`] by the fields that the schema gives every such status.
macro_rules! object_status {
    ($status:ty) => {
        impl $crate::status::ObjectStatus for $status {
            fn conditions(&self) -> &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition] {
                &self.conditions
            }

            fn conditions_mut(&mut self) -> &mut Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition> {
                &mut self.conditions
            }

            fn observed_generation(&self) -> Option<i64> {
                self.observed_generation
            }

            fn set_observed_generation(&mut self, generation: Option<i64>) {
                self.observed_generation = generation;
            }

            fn last_handled_reconcile_at(&self) -> Option<&str> {
                self.last_handled_reconcile_at.as_deref()
            }

            fn set_last_handled_reconcile_at(&mut self, token: Option<String>) {
                self.last_handled_reconcile_at = token;
            }
        }
    };
}

/// Implements [`Reconcilable`] for kinds whose `interval` is required.
macro_rules! reconcilable {
    ($kind:ty) => {
        impl $crate::status::Reconcilable for $kind {
            fn suspended(&self) -> bool {
                self.spec.suspend
            }

            fn interval(&self) -> std::time::Duration {
                self.spec.interval.as_duration()
            }
        }
    };
}

/// Implements [`ArtifactSource`] by `status.artifact`.
macro_rules! artifact_source {
    ($kind:ty) => {
        impl $crate::status::ArtifactSource for $kind {
            fn artifact(&self) -> Option<&$crate::meta::Artifact> {
                self.status.as_ref()?.artifact.as_ref()
            }
        }
    };
}

/// Implements [`ArtifactStatus`] by the field `artifact` and an expression for the link.
macro_rules! artifact_status {
    ($status:ty, |$this:ident| $link:expr) => {
        impl $crate::status::ArtifactStatus for $status {
            fn artifact(&self) -> Option<&$crate::meta::Artifact> {
                self.artifact.as_ref()
            }

            fn set_artifact(&mut self, artifact: Option<$crate::meta::Artifact>) {
                self.artifact = artifact;
            }

            fn link_mut(&mut self) -> Option<&mut Option<String>> {
                let $this = self;
                $link
            }
        }
    };
}

pub(crate) use {artifact_source, artifact_status, object_status, reconcilable};
