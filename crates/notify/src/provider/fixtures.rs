//! An event and a config for the tests of providers.

use std::collections::BTreeMap;
use std::time::Duration;

use sluice_api::meta::{Event, EventSeverity, ObjectReference};
use sluice_http_client::Secret;

use crate::config::ProviderConfig;
use crate::kind::Kind;
use crate::notification::{AlertReference, Notification};
use crate::secret::SecretData;

/// An info with two lines and two entries of metadata.
pub(crate) fn event() -> Event {
    let pairs = [("revision", "main@sha1:abc"), ("summary", "prod")];
    Event {
        involved_object: ObjectReference {
            kind: "GitRepository".to_owned(),
            namespace: "apps".to_owned(),
            name: "web".to_owned(),
            uid: "u-1".to_owned(),
            api_version: "source.toolkit.fluxcd.io/v1".to_owned(),
            ..ObjectReference::default()
        },
        severity: EventSeverity::Info,
        timestamp: serde_json::from_str("\"2026-01-02T03:04:05Z\"").unwrap(),
        message: "stored artifact\nin two lines".to_owned(),
        reason: "NewArtifact".to_owned(),
        metadata: pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).into(),
        reporting_controller: "source-controller".to_owned(),
        reporting_instance: "pod-0".to_owned(),
    }
}

/// The same as an error without metadata.
pub(crate) fn error() -> Event {
    let reason = "GitOperationFailed".to_owned();
    Event { severity: EventSeverity::Error, metadata: BTreeMap::new(), reason, ..event() }
}

/// The same as something under way.
pub(crate) fn progressing() -> Event {
    Event { reason: "Progressing".to_owned(), ..event() }
}

pub(crate) fn notification(event: Event) -> Notification {
    let alert = AlertReference { uid: "a-1".to_owned(), namespace: "apps".to_owned(), name: "on-call".to_owned() };
    let now = "2026-01-02T03:04:06.5Z".parse().unwrap();
    Notification::new(event, alert, now, std::array::from_fn(|i| u8::try_from(i).unwrap()))
}

pub(crate) fn config(kind: Kind) -> ProviderConfig {
    ProviderConfig {
        kind,
        uid: "p-1".to_owned(),
        address: secret("https://chat.example/hook/1"),
        channel: String::new(),
        username: String::new(),
        token: None,
        password: None,
        headers: BTreeMap::new(),
        github_app: SecretData::default(),
        creds: None,
        nkey: None,
        service_account: None,
        proxy: None,
        tls: None,
        timeout: Duration::from_secs(15),
        deprecations: Vec::new(),
    }
}

pub(crate) fn secret(text: &str) -> Secret<String> {
    Secret::new(text.to_owned())
}
