//! The sends that are under way: a bounded number, each detached from the request that caused it, all of them waited
//! for at shutdown.
//!
//! A message that finds no place waits for one, for as long as it may take to send it, in a queue that is bounded by the bytes of its messages: a
//! burst is smoothed, and a dead chat service cannot fill the memory with messages that nobody will want by the time they go out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::EncodeLabelValue;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use sluice_api::constants::reason;
use sluice_api::notification::Alert;
use sluice_http_client::RetryPolicy;
use sluice_runtime::logging::error_chain;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use tracing::{debug, error};

use super::ports::AlertEvents;
use super::prepare::Delivery;

/// Sends at once. A send holds one connection for at most its
/// Provider's timeout, 15 s by default.
const MAX_SENDS: usize = 256;

/// Room for messages that wait or are being sent, in KiB: 32 MiB. A message takes its body and [`OVERHEAD_KIB`].
const MAX_QUEUED_KIB: u32 = 32 * 1024;

/// What a message takes beyond its body: its task, its headers, its secrets.
const OVERHEAD_KIB: u32 = 4;

/// How a send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
enum Outcome {
    /// The provider took the message.
    Sent,
    /// It did not, or not in time.
    Failed,
    /// There was no place to send it.
    Overflow,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: Outcome,
}

/// How sends ended, counted. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub(super) struct SendMetrics(Family<OutcomeLabels, Counter>);

impl SendMetrics {
    /// Adds the counter to a registry.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("sluice_notification_sends", "Notifications by how their sending ended", self.0.clone());
    }

    fn count(&self, outcome: Outcome) {
        self.0.get_or_create(&OutcomeLabels { outcome }).inc();
    }
}

/// The pool of sends.
pub(super) struct Sending {
    places: Arc<Semaphore>,
    room: Arc<Semaphore>,
    tracker: TaskTracker,
    metrics: SendMetrics,
    warnings: Arc<dyn AlertEvents>,
    policy: RetryPolicy,
}

impl Sending {
    pub(super) fn new(warnings: Arc<dyn AlertEvents>, policy: RetryPolicy, metrics: SendMetrics) -> Self {
        let places = Arc::new(Semaphore::new(MAX_SENDS));
        let room = Arc::new(Semaphore::new(MAX_QUEUED_KIB as usize));
        Self { places, room, tracker: TaskTracker::new(), metrics, warnings, policy }
    }

    /// How sends are retried.
    pub(super) fn policy(&self) -> &RetryPolicy {
        &self.policy
    }

    /// Sends in a task of its own, and tells the Alert of a failure.
    pub(super) fn start(&self, delivery: Box<Delivery>) {
        let size = u32::try_from(delivery.message.size() / 1024).unwrap_or(MAX_QUEUED_KIB);
        let size = size.saturating_add(OVERHEAD_KIB).min(MAX_QUEUED_KIB);
        let Ok(room) = Arc::clone(&self.room).try_acquire_many_owned(size) else {
            self.metrics.count(Outcome::Overflow);
            self.report(&delivery.alert, &delivery.object, "too many notifications are being sent already");
            return;
        };
        let (warnings, metrics, policy) = (Arc::clone(&self.warnings), self.metrics.clone(), self.policy.clone());
        let places = Arc::clone(&self.places);
        self.tracker.spawn(async move {
            let _room = room;
            metrics.count(send(*delivery, &places, &policy, &*warnings).await);
        });
    }

    /// Tells the Alert that its message was not sent.
    pub(super) fn report(&self, alert: &Alert, object: &str, cause: &str) {
        report(&*self.warnings, alert, object, cause);
    }

    /// Waits for the sends under way, for at most `limit`. Returns how many were still not done.
    pub(super) async fn drain(&self, limit: Duration) -> usize {
        self.tracker.close();
        let _ = tokio::time::timeout(limit, self.tracker.wait()).await;
        self.tracker.len()
    }
}

/// Waits for a place and sends, both together within the Provider's timeout.
async fn send(delivery: Delivery, places: &Semaphore, policy: &RetryPolicy, warnings: &dyn AlertEvents) -> Outcome {
    let Delivery { alert, object, is_reported, message } = delivery;
    let (timeout, masks) = (message.timeout(), message.masks().clone());
    let started = Instant::now();
    let Ok(Ok(_place)) = tokio::time::timeout(timeout, places.acquire()).await else {
        report(warnings, &alert, &object, "too many notifications are being sent already");
        return Outcome::Overflow;
    };
    match message.send(policy, timeout.saturating_sub(started.elapsed())).await {
        Ok(()) => {
            debug!(object, "notification sent");
            Outcome::Sent
        }
        Err(error) => {
            let cause = masks.apply(&error_chain(&error));
            if is_reported {
                report(warnings, &alert, &object, &cause);
            } else {
                error!(object, "failed to send notification: {cause}");
            }
            Outcome::Failed
        }
    }
}

fn report(warnings: &dyn AlertEvents, alert: &Alert, object: &str, cause: &str) {
    let text = format!("failed to send notification for {object}: {cause}");
    let metadata = &alert.metadata;
    error!(alert.name = metadata.name, alert.namespace = metadata.namespace, "{text}");
    warnings.warn(alert, reason::NOTIFICATION_DISPATCH_FAILED, &text, &BTreeMap::new());
}
