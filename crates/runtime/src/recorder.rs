//! Events: to the Kubernetes API, and to notification-controller when `--events-addr` is set.
//!
//! Deliberately never holds a reconcile up: both sinks have a bounded queue and a task of their own. A full queue drops the event,
//! logs it and counts it. Repeats of an event raise the count of the first one, as `kubectl describe` expects.

mod kubernetes;
mod webhook;

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::{Client, Resource, ResourceExt};
use sluice_api::constants::annotation::EVENT_PREFIX;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::metrics::Metrics;

pub use webhook::EventsAddressError;

/// Events that wait for a sink: at some KiB each, a few MiB at the most.
const QUEUE_LENGTH: usize = 1024;

/// How grave an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// For the Kubernetes API only; notification-controller does not hear of it.
    Trace,
    /// Something was done.
    Info,
    /// Something failed.
    Error,
}

/// What a pass has to tell about its object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// How grave it is.
    pub severity: Severity,
    /// `CamelCase` reason.
    pub reason: String,
    /// For people.
    pub message: String,
    /// Keys with the group of the object's API as prefix, such as `source.toolkit.fluxcd.io/revision`.
    pub metadata: BTreeMap<String, String>,
}

impl Notice {
    /// A notice without metadata.
    pub fn new(severity: Severity, reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self { severity, reason: reason.into(), message: message.into(), metadata: BTreeMap::new() }
    }

    /// The same notice with `metadata`.
    pub fn with_metadata(self, metadata: BTreeMap<String, String>) -> Self {
        Self { metadata, ..self }
    }
}

/// The object that an event is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Involved {
    /// Group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Unique id.
    pub uid: String,
    /// The version that was looked at.
    pub resource_version: String,
}

impl Involved {
    /// The reference of a typed object.
    pub fn of<K: Resource<DynamicType = ()>>(object: &K) -> Self {
        Self {
            api_version: K::api_version(&()).into_owned(),
            kind: K::kind(&()).into_owned(),
            namespace: object.namespace().unwrap_or_default(),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            resource_version: object.resource_version().unwrap_or_default(),
        }
    }
}

/// One event on its way to the sinks.
#[derive(Debug, Clone)]
struct Occurrence {
    involved: Involved,
    notice: Notice,
    at: Timestamp,
}

/// Takes events without waiting. Cheap to clone; the sinks end when the last clone is gone.
#[derive(Debug, Clone)]
pub struct Recorder {
    kubernetes: mpsc::Sender<Occurrence>,
    webhook: Option<mpsc::Sender<Occurrence>>,
    metrics: Metrics,
}

/// The tasks behind a recorder. Await it after dropping the recorder to let queued events leave.
#[derive(Debug)]
pub struct Sinks(Vec<JoinHandle<()>>);

impl Sinks {
    /// Waits until both sinks have sent what was queued.
    pub async fn drained(self) {
        for task in self.0 {
            // A sink that panicked has logged so; there is nothing left to wait for.
            let _ = task.await;
        }
    }
}

impl Recorder {
    /// Starts the sinks. `controller` is the reporting controller, `instance` the host name; `events_addr` may be empty.
    ///
    /// # Errors
    /// When `events_addr` is no URL.
    pub fn start(
        client: Client,
        controller: &str,
        instance: &str,
        events_addr: &str,
        metrics: Metrics,
    ) -> Result<(Self, Sinks), EventsAddressError> {
        let poster =
            (!events_addr.is_empty()).then(|| webhook::Poster::new(events_addr, controller, instance)).transpose()?;
        let (kubernetes, queue) = mpsc::channel(QUEUE_LENGTH);
        let mut tasks = vec![tokio::spawn(kubernetes::run(client, controller.to_owned(), instance.to_owned(), queue))];
        let webhook = poster.map(|poster| {
            let (sender, queue) = mpsc::channel(QUEUE_LENGTH);
            tasks.push(tokio::spawn(poster.run(queue)));
            sender
        });
        Ok((Self { kubernetes, webhook, metrics }, Sinks(tasks)))
    }

    /// Records what a pass tells about the object; annotations of the object under `event.toolkit.fluxcd.io/` go along.
    pub fn record(&self, involved: &Involved, annotations: Option<&BTreeMap<String, String>>, mut notice: Notice) {
        for (key, value) in annotations.into_iter().flatten() {
            if key.starts_with(EVENT_PREFIX) {
                notice.metadata.insert(key.clone(), value.clone());
            }
        }
        let to_webhook = notice.severity != Severity::Trace;
        let occurrence = Occurrence { involved: involved.clone(), notice, at: Timestamp::now() };
        if let (true, Some(webhook)) = (to_webhook, &self.webhook) {
            self.offer(webhook, "webhook", occurrence.clone());
        }
        self.offer(&self.kubernetes, "kubernetes", occurrence);
    }

    fn offer(&self, queue: &mpsc::Sender<Occurrence>, sink: &'static str, occurrence: Occurrence) {
        if queue.try_send(occurrence).is_err() {
            self.metrics.event_dropped(sink);
            tracing::error!(sink, "event dropped, the sink does not keep up");
        }
    }
}
