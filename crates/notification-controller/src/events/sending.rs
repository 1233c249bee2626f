//! The sends that are under way: a bounded number, each detached from the request that caused it, all of them waited
//! for at shutdown.
//!
//! There is no queue: a message that finds no place is a failed delivery at once, so that a dead chat service cannot
//! fill the memory with messages that nobody will want by the time they go out.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::EncodeLabelValue;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;
use sluice_api::constants::reason;
use sluice_http_client::RetryPolicy;
use sluice_runtime::logging::error_chain;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::{debug, error};

use super::ports::AlertEvents;
use super::prepare::Delivery;

/// Sends at once. A send holds one message (at most 3 MiB, in practice a few KiB) and one connection for at most its
/// Provider's timeout, 15 s by default.
const MAX_SENDS: usize = 256;

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
    tracker: TaskTracker,
    metrics: SendMetrics,
    warnings: Arc<dyn AlertEvents>,
    policy: RetryPolicy,
}

impl Sending {
    pub(super) fn new(warnings: Arc<dyn AlertEvents>, policy: RetryPolicy, metrics: SendMetrics) -> Self {
        Self { places: Arc::new(Semaphore::new(MAX_SENDS)), tracker: TaskTracker::new(), metrics, warnings, policy }
    }

    /// Sends in a task of its own, and tells the Alert of a failure.
    pub(super) fn start(&self, delivery: Box<Delivery>) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.metrics.count(Outcome::Overflow);
            report(&*self.warnings, &delivery, "too many notifications are being sent already");
            return;
        };
        let (warnings, metrics, policy) = (Arc::clone(&self.warnings), self.metrics.clone(), self.policy.clone());
        self.tracker.spawn(async move {
            let _place = place;
            let Delivery { client, request, config, .. } = &*delivery;
            let sent = sluice_notify::send::send(client, request.clone(), &policy, config.timeout).await;
            let outcome = match sent {
                Ok(()) => {
                    debug!(object = delivery.object, "notification sent");
                    Outcome::Sent
                }
                Err(error) => {
                    report(&*warnings, &delivery, &sluice_notify::mask::mask(&error_chain(&error), config));
                    Outcome::Failed
                }
            };
            metrics.count(outcome);
        });
    }

    /// Waits for the sends under way, for at most `limit`. Returns how many were still not done.
    pub(super) async fn drain(&self, limit: Duration) -> usize {
        self.tracker.close();
        let _ = tokio::time::timeout(limit, self.tracker.wait()).await;
        self.tracker.len()
    }
}

fn report(warnings: &dyn AlertEvents, delivery: &Delivery, cause: &str) {
    let text = format!("failed to send notification for {}: {cause}", delivery.object);
    let metadata = &delivery.alert.metadata;
    error!(alert.name = metadata.name, alert.namespace = metadata.namespace, "{text}");
    warnings.warn(&delivery.alert, reason::NOTIFICATION_DISPATCH_FAILED, &text, &BTreeMap::new());
}
