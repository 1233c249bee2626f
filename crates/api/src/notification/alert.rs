//! Alert: which events go to which provider. Deliberately static: it has no status.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::{CrossNamespaceObjectReference, LocalObjectReference};
use crate::text_enum::text_enum;

text_enum! {
    /// From which severity on events are forwarded.
    #[derive(Default)]
    AlertSeverity {
        /// All of them.
        #[default]
        Info = "info",
        /// Failures only.
        Error = "error",
    }
}

/// Which events to forward, and where.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "notification.toolkit.fluxcd.io",
    version = "v1beta3",
    kind = "Alert",
    plural = "alerts",
    namespaced,
    derive = "Default",
    derive = "PartialEq",
    doc = "Forwards events about objects of the toolkit to a provider.",
    category = "all",
    category = "fluxcd",
    category = "fluxcd-notifications",
    printcolumn = r#"{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}"#
)]
#[serde(rename_all = "camelCase")]
pub struct AlertSpec {
    /// Provider in the same namespace that delivers the events.
    pub provider_ref: LocalObjectReference,
    /// From which severity on events are forwarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("default" = "info"))]
    pub event_severity: Option<AlertSeverity>,
    /// Objects whose events are forwarded; one match is enough.
    pub event_sources: Vec<CrossNamespaceObjectReference>,
    /// Regular expressions of which one must match the message, if there are any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inclusion_list: Vec<String>,
    /// Metadata that is added to the events. It wins over annotations of the object, and yields to what its controller says.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub event_metadata: BTreeMap<String, String>,
    /// Regular expressions of which none may match the message; they win over the inclusion list.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclusion_list: Vec<String>,
    /// Text that is added as the metadata summary. Deprecated: use event metadata.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub summary: Option<String>,
    /// Stops the forwarding while true.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
}

impl Alert {
    /// From which severity on events are forwarded.
    pub fn event_severity(&self) -> AlertSeverity {
        self.spec.event_severity.clone().unwrap_or_default()
    }
}
