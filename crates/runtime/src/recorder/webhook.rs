//! Posts events to notification-controller.
//!
//! Deliberately no queue on disk: an event that cannot be delivered within its retries is logged and dropped, as in Flux.

use std::time::Duration;

use http::StatusCode;
use http::header::CONTENT_TYPE;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sluice_api::meta::{Event, EventSeverity, ObjectReference};
use sluice_http_client::{ClientConfig, HttpClient, Request};
use tokio::sync::mpsc;
use url::Url;

use super::{Occurrence, Severity};
use crate::logging::error_chain;

/// Bound of one request, as in Flux's recorder.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// One request and four retries, 1 s to 30 s apart: the defaults of the client that Flux uses.
const ATTEMPTS: u32 = 5;
const MIN_WAIT: Duration = Duration::from_secs(1);
const MAX_WAIT: Duration = Duration::from_secs(30);

/// The sender of one process.
#[derive(Debug)]
pub(super) struct Poster {
    client: HttpClient,
    target: Url,
    controller: String,
    instance: String,
}

/// The sender could not be made.
#[derive(Debug, thiserror::Error)]
pub enum EventsAddressError {
    /// The flag is no URL.
    #[error("--events-addr={address} is not a URL")]
    Parse {
        /// The flag's value.
        address: String,
        /// Why.
        #[source]
        source: url::ParseError,
    },
    /// The HTTP client could not be made.
    #[error("cannot make the HTTP client for --events-addr")]
    Client(#[source] sluice_http_client::ConfigError),
}

impl Poster {
    pub(super) fn new(address: &str, controller: &str, instance: &str) -> Result<Self, EventsAddressError> {
        let target =
            Url::parse(address).map_err(|source| EventsAddressError::Parse { address: address.to_owned(), source })?;
        let config = ClientConfig { request_timeout: Some(REQUEST_TIMEOUT), ..ClientConfig::default() };
        let client = HttpClient::new(&config).map_err(EventsAddressError::Client)?;
        Ok(Self { client, target, controller: controller.to_owned(), instance: instance.to_owned() })
    }

    /// Sends what arrives in `queue`, in order, until the recorder is gone.
    pub(super) async fn run(self, mut queue: mpsc::Receiver<Occurrence>) {
        while let Some(occurrence) = queue.recv().await {
            let reason = occurrence.notice.reason.clone();
            if let Err(error) = self.post(occurrence).await {
                tracing::error!(reason, error, "cannot post an event to notification-controller");
            }
        }
    }

    async fn post(&self, occurrence: Occurrence) -> Result<(), String> {
        let Some(event) = self.event(occurrence) else { return Ok(()) };
        let body = serde_json::to_vec(&event).map_err(|error| error.to_string())?;
        let request = Request::post(self.target.clone(), body)
            .header(CONTENT_TYPE, "application/json")
            .map_err(|error| error_chain(&error))?;
        let mut wait = MIN_WAIT;
        for attempt in 1..=ATTEMPTS {
            let failure = match self.client.send(&request).await {
                // 429 means that the receiver has seen this event already; sending it again is what it asks us not to do.
                Ok(answer) if answer.status().is_success() || answer.status() == StatusCode::TOO_MANY_REQUESTS => {
                    return Ok(());
                }
                Ok(answer) if answer.status().is_server_error() && answer.status() != StatusCode::NOT_IMPLEMENTED => {
                    format!("{} answered {}", request.target(), answer.status())
                }
                Ok(answer) => return Err(format!("{} answered {}", request.target(), answer.status())),
                Err(error) => error_chain(&error),
            };
            if attempt == ATTEMPTS {
                return Err(failure);
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(MAX_WAIT);
        }
        Ok(())
    }

    /// The wire form; `None` for an object that cannot be named, which Flux does not send either.
    fn event(&self, occurrence: Occurrence) -> Option<Event> {
        let Occurrence { involved, notice, at } = occurrence;
        if involved.kind.is_empty() || involved.name.is_empty() || involved.namespace.is_empty() {
            return None;
        }
        Some(Event {
            involved_object: ObjectReference {
                kind: involved.kind,
                namespace: involved.namespace,
                name: involved.name,
                uid: involved.uid,
                api_version: involved.api_version,
                resource_version: involved.resource_version,
                field_path: String::new(),
            },
            severity: match notice.severity {
                Severity::Trace => EventSeverity::Trace,
                Severity::Info => EventSeverity::Info,
                Severity::Error => EventSeverity::Error,
            },
            timestamp: Some(Time(jiff::Timestamp::from_second(at.as_second()).unwrap_or(at))),
            message: notice.message,
            reason: notice.reason,
            metadata: notice.metadata,
            reporting_controller: self.controller.clone(),
            reporting_instance: self.instance.clone(),
        })
    }
}
