//! `HelmChart`: a packaged chart as an artifact. Deliberately no chart building.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{OidcIdentity, SignatureProvider};
use crate::meta::{Artifact, GoDuration, INTERVAL_PATTERN, LocalObjectReference};
use crate::schema::{cel_rules, conditions_schema};
use crate::status::{artifact_source, artifact_status, object_status, reconcilable};
use crate::text_enum::text_enum;

/// CEL rules of the spec, each with its message.
const RULES: &[(&str, &str)] = &[(
    "!has(self.verify) || self.sourceRef.kind == 'HelmRepository'",
    "spec.verify is only supported when spec.sourceRef.kind is 'HelmRepository'",
)];

text_enum! {
    /// Kinds of which a chart can come.
    ChartSourceKind {
        /// A Helm repository; the chart is named.
        HelmRepository = "HelmRepository",
        /// A Git repository; the chart is a path in it.
        GitRepository = "GitRepository",
        /// A bucket; the chart is a path in it.
        Bucket = "Bucket",
    }
}

text_enum! {
    /// What makes a chart a new one.
    #[derive(Default)]
    ReconcileStrategy {
        /// Another version in the chart's metadata.
        #[default]
        ChartVersion = "ChartVersion",
        /// Another revision of the source; for Git repositories and buckets only.
        Revision = "Revision",
    }
}

/// Which chart to publish, and from where.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "source.toolkit.fluxcd.io",
    version = "v1",
    kind = "HelmChart",
    plural = "helmcharts",
    shortname = "hc",
    namespaced,
    status = "HelmChartStatus",
    derive = "PartialEq",
    doc = "Publishes a Helm chart as an artifact in the cluster.",
    category = "all",
    category = "fluxcd",
    category = "fluxcd-sources",
    printcolumn = r#"{"name": "Chart", "type": "string", "jsonPath": ".spec.chart"}"#,
    printcolumn = r#"{"name": "Version", "type": "string", "jsonPath": ".spec.version"}"#,
    printcolumn = r#"{"name": "Source Kind", "type": "string", "jsonPath": ".spec.sourceRef.kind"}"#,
    printcolumn = r#"{"name": "Source Name", "type": "string", "jsonPath": ".spec.sourceRef.name"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name": "Status", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].message"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = cel_rules(RULES)))]
pub struct HelmChartSpec {
    /// Name of the chart in a Helm repository, or its path in another source.
    pub chart: String,
    /// Version or range of versions; not read for Git repositories and buckets.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "*"))]
    pub version: Option<String>,
    /// Source of the chart, in the same namespace.
    pub source_ref: ChartSourceReference,
    /// Time between two checks of the source.
    #[schemars(regex(pattern = INTERVAL_PATTERN))]
    pub interval: GoDuration,
    /// What makes the chart a new one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "ChartVersion"))]
    pub reconcile_strategy: Option<ReconcileStrategy>,
    /// Files that are merged into the chart's values, later ones over earlier ones. Paths are relative to the root of the
    /// chart for a Helm repository, to the root of the source otherwise.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values_files: Vec<String>,
    /// Whether a values file that does not exist is passed over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ignore_missing_values_files: bool,
    /// Stops the reconciliation of this object while true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// Demands a good signature on the chart; for OCI Helm repositories only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verify: Option<ChartVerification>,
}

/// Names the source of a chart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChartSourceReference {
    /// API version of the source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Kind of the source.
    pub kind: ChartSourceKind,
    /// Name of the source.
    pub name: String,
}

/// Demands a signature on a chart.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChartVerification {
    /// How the chart is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(required, extend("default" = "cosign"))]
    pub provider: Option<SignatureProvider>,
    /// Secret in the same namespace with the trusted public keys; without it, cosign verifies keyless.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// Identities of which one must have signed, for keyless verification.
    #[serde(rename = "matchOIDCIdentity", default, skip_serializing_if = "Vec::is_empty")]
    pub match_oidc_identity: Vec<OidcIdentity>,
}

impl ChartVerification {
    /// How the chart is signed.
    pub fn provider(&self) -> SignatureProvider {
        self.provider.clone().unwrap_or_default()
    }
}

/// What was last seen and published.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmChartStatus {
    /// Generation of the spec that the last finished reconciliation saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Revision of the source's artifact that was used last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_source_artifact_revision: Option<String>,
    /// Name of the chart as its metadata gives it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_chart_name: Option<String>,
    /// Values files that were found and merged; only kept if missing ones are passed over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed_values_files: Vec<String>,
    /// State of the object in several respects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// Address of the newest chart under a name that stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The artifact that is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// The value of the reconcile request that was handled last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}

impl HelmChart {
    /// The version or range of versions.
    pub fn version(&self) -> &str {
        self.spec.version.as_deref().unwrap_or("*")
    }

    /// What makes the chart a new one.
    pub fn reconcile_strategy(&self) -> ReconcileStrategy {
        self.spec.reconcile_strategy.clone().unwrap_or_default()
    }
}

object_status!(HelmChartStatus);
reconcilable!(HelmChart);
artifact_source!(HelmChart);
artifact_status!(HelmChartStatus, |status| Some(&mut status.url));
