//! Receiver: a webhook that asks for reconciliation. Deliberately no authentication and no evaluation of filters.

use std::collections::BTreeMap;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::{EVENT_SOURCE_KINDS, GoDuration, INTERVAL_PATTERN, LocalObjectReference};
use crate::schema::{cel_rules, conditions_schema};
use crate::status::{Reconcilable, object_status};
use crate::text_enum::text_enum;

/// Time between two reads of the Secret where the spec sets none.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(10 * 60);

/// What a token must be made for where the spec does not say.
const DEFAULT_AUDIENCE: &str = "notification-controller";

/// CEL rules of the spec, each with its message.
const RULES: &[(&str, &str)] = &[
    (
        "self.type != 'generic-oidc' || (has(self.oidcProviders) && size(self.oidcProviders) > 0)",
        "generic-oidc receivers must define at least one oidcProvider",
    ),
    (
        "self.type == 'generic-oidc' || !has(self.oidcProviders) || size(self.oidcProviders) == 0",
        "oidcProviders can only be set when type is generic-oidc",
    ),
    ("self.type != 'generic-oidc' || !has(self.secretRef)", "secretRef cannot be set when type is generic-oidc"),
    ("self.type == 'generic-oidc' || has(self.secretRef)", "secretRef is required when type is not generic-oidc"),
];

text_enum! {
    /// Kinds of senders: how a request is authenticated and read.
    ReceiverType {
        /// Any sender that knows the path.
        Generic = "generic",
        /// Any sender that signs the body.
        GenericHmac = "generic-hmac",
        /// Any sender with a token of a trusted issuer.
        GenericOidc = "generic-oidc",
        /// GitHub.
        GitHub = "github",
        /// GitLab.
        GitLab = "gitlab",
        /// Bitbucket Server.
        Bitbucket = "bitbucket",
        /// Harbor.
        Harbor = "harbor",
        /// Docker Hub.
        DockerHub = "dockerhub",
        /// Quay.
        Quay = "quay",
        /// Google Container Registry.
        Gcr = "gcr",
        /// Nexus.
        Nexus = "nexus",
        /// Azure Container Registry.
        Acr = "acr",
        /// `CDEvents`.
        CdEvents = "cdevents",
    }
}

/// Whose requests to accept, and what they reconcile.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "notification.toolkit.fluxcd.io",
    version = "v1",
    kind = "Receiver",
    plural = "receivers",
    namespaced,
    status = "ReceiverStatus",
    derive = "PartialEq",
    doc = "A webhook whose requests make objects of the toolkit reconcile at once.",
    category = "all",
    category = "fluxcd",
    category = "fluxcd-notifications",
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#,
    printcolumn = r#"{"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"}"#,
    printcolumn = r#"{"name": "Status", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].message"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = cel_rules(RULES)))]
pub struct ReceiverSpec {
    /// Kind of the sender.
    #[serde(rename = "type")]
    pub type_: ReceiverType,
    /// Time between two reads of the Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = INTERVAL_PATTERN), extend("default" = "10m"))]
    pub interval: Option<GoDuration>,
    /// Events of the sender that count, compared without case; all of them if empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// Objects that are reconciled.
    pub resources: Vec<ReceiverResource>,
    /// CEL expression over res and req that must hold for an object to be reconciled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource_filter: Option<String>,
    /// Secret in the same namespace with the token that makes the path and signs requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// Trusted issuers of tokens; for the type generic-oidc only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["issuerURL"]))]
    pub oidc_providers: Vec<OidcProvider>,
    /// Stops the reconciliation of this object and refuses requests while true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

/// Names an object, or by labels a set of objects, that a request reconciles.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiverResource {
    /// API version of the object; the served one of the kind if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Kind of the object.
    #[schemars(extend("enum" = EVENT_SOURCE_KINDS))]
    pub kind: String,
    /// Name of the object; an asterisk selects by labels.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Namespace of the object; that of the Receiver if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub namespace: Option<String>,
    /// Labels that the object must carry; read only if the name is an asterisk.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub match_labels: Option<BTreeMap<String, String>>,
    /// CEL expression like the resource filter, for this entry only; both must hold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
}

/// A trusted issuer of tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OidcProvider {
    /// Address of the issuer, exactly as its tokens name it.
    #[serde(rename = "issuerURL")]
    #[schemars(regex(pattern = "^https?://"))]
    pub issuer_url: String,
    /// For whom the token must be made; notification-controller if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Named CEL expressions over the claims, in order, that the validations can use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<OidcVariable>,
    /// CEL expressions that must all hold for a token.
    #[schemars(length(min = 1))]
    pub validations: Vec<OidcValidation>,
}

impl OidcProvider {
    /// For whom the token must be made.
    pub fn audience(&self) -> &str {
        self.audience.as_deref().filter(|audience| !audience.is_empty()).unwrap_or(DEFAULT_AUDIENCE)
    }
}

/// A named CEL expression.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OidcVariable {
    /// Name under which later expressions find the value.
    pub name: String,
    /// The expression.
    pub expression: String,
}

/// A CEL expression that must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OidcValidation {
    /// The expression.
    pub expression: String,
    /// What to say if it does not hold.
    pub message: String,
}

/// Where the webhook is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiverStatus {
    /// Generation of the spec that the last finished reconciliation saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// State of the object in several respects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// Path of the webhook on the receiving server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook_path: Option<String>,
    /// The value of the reconcile request that was handled last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
}

impl Reconcilable for Receiver {
    fn suspended(&self) -> bool {
        self.spec.suspend
    }

    fn interval(&self) -> Duration {
        self.spec.interval.map_or(DEFAULT_INTERVAL, GoDuration::as_duration)
    }
}

object_status!(ReceiverStatus);
