//! `HelmRepository`: the index of a Helm repository as an artifact, or the static description of an OCI one. Deliberately no
//! index parsing.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DEFAULT_TIMEOUT, RegistryProvider};
use crate::meta::{AccessFrom, Artifact, GoDuration, INTERVAL_PATTERN, LocalObjectReference, TIMEOUT_PATTERN};
use crate::schema::conditions_schema;
use crate::status::{Reconcilable, artifact_source, artifact_status, object_status};
use crate::text_enum::text_enum;

/// Time between two index downloads where the spec sets none.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(60);

text_enum! {
    /// How charts are served.
    #[derive(Default)]
    HelmRepositoryType {
        /// An index over HTTP.
        #[default]
        Default = "default",
        /// An OCI registry; such an object is static and has no status.
        Oci = "oci",
    }
}

/// Where Helm charts are, and how often to look.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "source.toolkit.fluxcd.io",
    version = "v1",
    kind = "HelmRepository",
    plural = "helmrepositories",
    shortname = "helmrepo",
    namespaced,
    status = "HelmRepositoryStatus",
    derive = "Default",
    derive = "PartialEq",
    doc = "Publishes the index of a Helm repository as an artifact in the cluster, or describes an OCI registry with charts.",
    category = "all",
    category = "fluxcd",
    category = "fluxcd-sources",
    printcolumn = r#"{"name": "URL", "type": "string", "jsonPath": ".spec.url"}"#,
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name": "Status", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].message"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct HelmRepositorySpec {
    /// Address of the repository, with the scheme http, https or oci.
    #[schemars(regex(pattern = "^(http|https|oci)://.*$"))]
    pub url: String,
    /// Secret in the same namespace with the credentials for the repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// Secret in the same namespace with a client certificate, a certificate authority, or both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalObjectReference>,
    /// Sends the credentials also to hosts other than that of the repository, if charts are there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub pass_credentials: bool,
    /// Time between two downloads of the index; one minute if not set. Not read for the type oci.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = INTERVAL_PATTERN))]
    pub interval: Option<GoDuration>,
    /// Allows a registry without TLS; for the type oci only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub insecure: bool,
    /// Time limit of downloads; 60 seconds if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = TIMEOUT_PATTERN))]
    pub timeout: Option<GoDuration>,
    /// Stops the reconciliation of this object while true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// Namespaces that may refer to this object. Accepted, but not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_from: Option<AccessFrom>,
    /// How charts are served; by an index over HTTP if not set.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub type_: Option<HelmRepositoryType>,
    /// Who issues the credentials for the registry; for the type oci only.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "generic"))]
    pub provider: Option<RegistryProvider>,
}

/// What was last seen and published.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct HelmRepositoryStatus {
    /// Generation of the spec that the last finished reconciliation saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// State of the object in several respects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// Address of the newest index under a name that stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The artifact that is published.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
    /// The value of the reconcile request that was handled last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}

impl HelmRepository {
    /// The time limit of downloads.
    pub fn timeout(&self) -> Duration {
        self.spec.timeout.map_or(DEFAULT_TIMEOUT, GoDuration::as_duration)
    }

    /// Who issues the credentials.
    pub fn provider(&self) -> RegistryProvider {
        self.spec.provider.clone().unwrap_or_default()
    }

    /// How charts are served.
    pub fn repository_type(&self) -> HelmRepositoryType {
        self.spec.type_.clone().unwrap_or_default()
    }
}

impl Reconcilable for HelmRepository {
    fn suspended(&self) -> bool {
        self.spec.suspend
    }

    fn interval(&self) -> Duration {
        self.spec.interval.map_or(DEFAULT_INTERVAL, GoDuration::as_duration)
    }
}

object_status!(HelmRepositoryStatus);
artifact_source!(HelmRepository);
artifact_status!(HelmRepositoryStatus, |status| Some(&mut status.url));
