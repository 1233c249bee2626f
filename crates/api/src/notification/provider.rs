//! Provider: where events are delivered. Deliberately static: it has no status.

use std::time::Duration;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::{GoDuration, INTERVAL_PATTERN, LocalObjectReference, TIMEOUT_PATTERN};
use crate::schema::cel_rules;
use crate::text_enum::text_enum;

/// Time limit of a delivery with all its retries, where the spec sets none.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);

/// CEL rules of the spec, each with its message.
const RULES: &[(&str, &str)] = &[(
    "self.type == 'github' || self.type == 'gitlab' || self.type == 'gitea' || self.type == 'bitbucketserver' || \
     self.type == 'bitbucket' || self.type == 'azuredevops' || !has(self.commitStatusExpr)",
    "spec.commitStatusExpr is only supported for the 'github', 'gitlab', 'gitea', 'bitbucketserver', 'bitbucket', \
     'azuredevops' provider types",
)];

text_enum! {
    /// Kinds of receiving services.
    ProviderType {
        /// Slack.
        Slack = "slack",
        /// Discord.
        Discord = "discord",
        /// Microsoft Teams.
        MsTeams = "msteams",
        /// Rocket.Chat.
        Rocket = "rocket",
        /// Any HTTP server: the event as JSON.
        Generic = "generic",
        /// Any HTTP server: the event as JSON with a signature.
        GenericHmac = "generic-hmac",
        /// GitHub commit statuses.
        GitHub = "github",
        /// GitLab commit statuses.
        GitLab = "gitlab",
        /// Gitea commit statuses.
        Gitea = "gitea",
        /// Gitea pull request comments.
        GiteaPullRequestComment = "giteapullrequestcomment",
        /// Bitbucket Server and Data Center build statuses.
        BitbucketServer = "bitbucketserver",
        /// Bitbucket build statuses.
        Bitbucket = "bitbucket",
        /// Azure `DevOps` commit statuses.
        AzureDevOps = "azuredevops",
        /// Google Chat.
        GoogleChat = "googlechat",
        /// Google Pub/Sub.
        GooglePubSub = "googlepubsub",
        /// Webex.
        Webex = "webex",
        /// Sentry.
        Sentry = "sentry",
        /// Azure Event Hubs.
        AzureEventHub = "azureeventhub",
        /// Telegram.
        Telegram = "telegram",
        /// Lark.
        Lark = "lark",
        /// Matrix.
        Matrix = "matrix",
        /// Opsgenie.
        Opsgenie = "opsgenie",
        /// Prometheus Alertmanager.
        Alertmanager = "alertmanager",
        /// Grafana annotations.
        Grafana = "grafana",
        /// GitHub repository dispatch.
        GitHubDispatch = "githubdispatch",
        /// GitHub pull request comments.
        GitHubPullRequestComment = "githubpullrequestcomment",
        /// GitLab merge request comments.
        GitLabMergeRequestComment = "gitlabmergerequestcomment",
        /// `PagerDuty`.
        PagerDuty = "pagerduty",
        /// Datadog.
        Datadog = "datadog",
        /// NATS.
        Nats = "nats",
        /// Zulip.
        Zulip = "zulip",
        /// OpenTelemetry traces.
        Otel = "otel",
        /// Zoom.
        Zoom = "zoom",
        /// incident.io.
        IncidentIo = "incident.io",
    }
}

/// Where and how to deliver events.
#[derive(CustomResource, Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "notification.toolkit.fluxcd.io",
    version = "v1beta3",
    kind = "Provider",
    plural = "providers",
    namespaced,
    derive = "PartialEq",
    doc = "A service to which events are delivered.",
    category = "all",
    category = "fluxcd",
    category = "fluxcd-notifications",
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = cel_rules(RULES)))]
pub struct ProviderSpec {
    /// Kind of the service.
    #[serde(rename = "type")]
    pub type_: ProviderType,
    /// Deprecated, not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = INTERVAL_PATTERN))]
    pub interval: Option<GoDuration>,
    /// Channel, room, or other address within the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub channel: Option<String>,
    /// Name of the sender, or user for authentication.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub username: Option<String>,
    /// Address of the service; one in the Secret wins over it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub address: Option<String>,
    /// Time limit of a delivery with all its retries; 15 seconds if not set.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = TIMEOUT_PATTERN))]
    pub timeout: Option<GoDuration>,
    /// Address of a proxy. Deprecated: use a proxy Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048), regex(pattern = "^(http|https)://.*$"))]
    pub proxy: Option<String>,
    /// Secret in the same namespace with the address of a proxy and its credentials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalObjectReference>,
    /// Secret in the same namespace with the credentials, and what else is confidential.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalObjectReference>,
    /// Service account whose workload identity authenticates to cloud services.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Secret in the same namespace with a client certificate, a certificate authority, or both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalObjectReference>,
    /// Stops the delivery while true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// CEL expression for the name of the commit status; for the providers of commit statuses only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit_status_expr: Option<String>,
}

impl Provider {
    /// The time limit of a delivery with all its retries.
    pub fn timeout(&self) -> Duration {
        self.spec.timeout.map_or(DEFAULT_TIMEOUT, GoDuration::as_duration)
    }
}
