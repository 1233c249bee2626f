//! Kustomization: a path of a source, built and applied to a cluster. Deliberately only the top level; what its fields are made
//! of is in `parts`.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::parts::{
    BuildMetadata, CommonMetadata, Decryption, DeletionPolicy, DependencyReference, HealthCheckExpr,
    HealthCheckReference, IgnoreRule, Image, Inventory, KubeConfigReference, Patch, PostBuild, Snapshot,
    SourceReference,
};
use crate::meta::{GoDuration, INTERVAL_PATTERN};
use crate::schema::conditions_schema;
use crate::status::{object_status, reconcilable};

/// No timeout is shorter than this, not even an explicit one.
const MIN_TIMEOUT: Duration = Duration::from_secs(30);
/// What is left of the interval when the default timeout has run out.
const TIMEOUT_MARGIN: Duration = Duration::from_secs(30);

/// What to build and apply, and how often.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "kustomize.toolkit.fluxcd.io",
    version = "v1",
    kind = "Kustomization",
    plural = "kustomizations",
    shortname = "ks",
    namespaced,
    status = "KustomizationStatus",
    derive = "PartialEq",
    doc = "Builds a path of a source and keeps the resulting objects applied to a cluster.",
    category = "all",
    category = "fluxcd",
    category = "fluxcd-appliers",
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name": "Status", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].message"}"#
)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "the fields are those of the contract")]
pub struct KustomizationSpec {
    /// Labels and annotations that every applied object gets, over its own ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub common_metadata: Option<CommonMetadata>,
    /// Kustomizations that must be ready before this one is applied.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on: Vec<DependencyReference>,
    /// How encrypted files are decrypted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decryption: Option<Decryption>,
    /// Time between two successful reconciliations.
    #[schemars(regex(pattern = INTERVAL_PATTERN))]
    pub interval: GoDuration,
    /// Time until a failed reconciliation is tried again; the interval if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = INTERVAL_PATTERN))]
    pub retry_interval: Option<GoDuration>,
    /// Access to another cluster, to which the objects are applied instead of this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kube_config: Option<KubeConfigReference>,
    /// Directory in the source that is built; its root if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Variables that are put in after the build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub post_build: Option<PostBuild>,
    /// Whether objects that are no longer built are deleted from the cluster.
    pub prune: bool,
    /// What becomes of the applied objects when this object is deleted; the same as with prune if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Objects that must become healthy. Not read if wait is true.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_checks: Vec<HealthCheckReference>,
    /// CEL expressions that tell the health of custom resources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub health_check_exprs: Vec<HealthCheckExpr>,
    /// Prefix of the names of all objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub name_prefix: Option<String>,
    /// Suffix of the names of all objects.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 200))]
    pub name_suffix: Option<String>,
    /// Patches, strategic-merge or JSON 6902, that follow those of the built directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub patches: Vec<Patch>,
    /// Image names, tags and digests to replace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Image>,
    /// Service account in the same namespace that is impersonated for applying.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Source whose artifact is built.
    pub source_ref: SourceReference,
    /// Stops the reconciliation of this object while true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// Namespace that all namespaced objects get. It is not created.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub target_namespace: Option<String>,
    /// Time limit of health checks and of waiting for deletion, at least 30 seconds; 30 seconds less than the interval if not
    /// set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = INTERVAL_PATTERN))]
    pub timeout: Option<GoDuration>,
    /// Whether an object is deleted and created anew if a change of an immutable field is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = false))]
    pub force: bool,
    /// Whether all applied objects must become healthy.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub wait: bool,
    /// Which build metadata the objects carry in annotations; replaces that of the built directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub build_metadata: Vec<BuildMetadata>,
    /// Components to build in, by paths relative to the built directory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub components: Vec<String>,
    /// Whether a component whose path does not exist is passed over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_missing_components: bool,
    /// Fields of objects that are neither compared nor changed once the object exists.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<IgnoreRule>,
}

/// What was last attempted and applied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KustomizationStatus {
    /// Generation of the spec that the last finished reconciliation saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// State of the object in several respects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// Revision of the artifact that was applied last with everything healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_applied_revision: Option<String>,
    /// Revision, in the origin of the artifact, of what was applied last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_applied_origin_revision: Option<String>,
    /// Revision of the artifact that was tried last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_attempted_revision: Option<String>,
    /// The objects that were applied last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inventory: Option<Inventory>,
    /// The last few outcomes, the newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Snapshot>,
    /// The value of the reconcile request that was handled last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}

impl Kustomization {
    /// The time limit of health checks and of waiting for deletion: the spec's, or the interval less 30 seconds, but never
    /// below 30 seconds.
    pub fn timeout(&self) -> Duration {
        self.spec
            .timeout
            .map_or_else(|| self.spec.interval.as_duration().saturating_sub(TIMEOUT_MARGIN), GoDuration::as_duration)
            .max(MIN_TIMEOUT)
    }

    /// The time until a failed reconcile is tried again.
    pub fn retry_interval(&self) -> Duration {
        self.spec.retry_interval.unwrap_or(self.spec.interval).as_duration()
    }

    /// What becomes of the applied objects when this object is deleted.
    pub fn deletion_policy(&self) -> DeletionPolicy {
        self.spec.deletion_policy.clone().unwrap_or_default()
    }
}

object_status!(KustomizationStatus);
reconcilable!(Kustomization);
