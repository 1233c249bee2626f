//! The event server's HTTP side: every path and method is the same handler.
//!
//! What became of the notifications is never told to the sender: accepted means accepted.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::registry::Registry;
use sluice_http_client::RetryPolicy;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, warn};

use super::dedupe;
use super::dispatch::{Dispatcher, Ports};
use super::limiter::{Decision, Limiter};
use super::prepare::Rules;
use super::sending::{SendMetrics, Sending};
use super::{decode::decode, prepare::object_path};
use crate::server::{BodyError, read_body};
use crate::{CrossNamespace, ServiceAccounts};

/// Events whose deliveries are prepared at once; further requests wait. Each takes a few reads at the API server.
const MAX_PREPARING: usize = 64;

/// What the flags say about the event server.
#[derive(Clone, Debug)]
pub struct EventServerSettings {
    /// `--rate-limit-interval`: the window of the duplicate check.
    pub rate_limit_interval: Duration,
    /// `--no-cross-namespace-refs`.
    pub cross_namespace: CrossNamespace,
    /// The gate `ObjectLevelWorkloadIdentity`.
    pub service_accounts: ServiceAccounts,
    /// How sends are retried.
    pub retry: RetryPolicy,
}

impl Default for EventServerSettings {
    fn default() -> Self {
        Self {
            rate_limit_interval: Duration::from_secs(5 * 60),
            cross_namespace: CrossNamespace::Allowed,
            service_accounts: ServiceAccounts::Refused,
            retry: sluice_notify::send::RETRY_POLICY,
        }
    }
}

/// What the event server counts beyond its HTTP requests. Clones share the counts.
#[derive(Clone, Debug, Default)]
pub struct EventMetrics {
    sends: SendMetrics,
    unrecorded: Counter,
}

impl EventMetrics {
    /// Adds the counters to a registry.
    pub fn register(&self, registry: &mut Registry) {
        self.sends.register(registry);
        registry.register(
            "sluice_event_unrecorded",
            "Events let through unrecorded because the duplicate check was full",
            self.unrecorded.clone(),
        );
    }
}

/// The event server without its listener. Cloning shares it.
#[derive(Clone)]
pub struct EventServer(Arc<Inner>);

struct Inner {
    limiter: Mutex<Limiter>,
    unrecorded: Counter,
    dispatcher: Dispatcher,
    sending: Arc<Sending>,
    preparing: Arc<Semaphore>,
    preparations: TaskTracker,
}

impl EventServer {
    /// A server over these ports.
    pub fn new(settings: EventServerSettings, ports: Ports, metrics: EventMetrics) -> Self {
        let EventServerSettings { rate_limit_interval, cross_namespace, service_accounts, retry } = settings;
        let EventMetrics { sends, unrecorded } = metrics;
        let sending = Arc::new(Sending::new(Arc::clone(&ports.warnings), retry, sends));
        Self(Arc::new(Inner {
            limiter: Mutex::new(Limiter::new(rate_limit_interval)),
            unrecorded,
            dispatcher: Dispatcher::new(ports, Rules { cross_namespace, service_accounts }, Arc::clone(&sending)),
            sending,
            preparing: Arc::new(Semaphore::new(MAX_PREPARING)),
            preparations: TaskTracker::new(),
        }))
    }

    /// The routes, to be served with `server::serve`.
    pub fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(self.clone())
    }

    /// Waits for events and sends under way, for at most `limit` each. Returns how many sends were still not done.
    /// To be called when no more requests come in.
    pub async fn drain(&self, limit: Duration) -> usize {
        self.0.preparations.close();
        let _ = tokio::time::timeout(limit, self.0.preparations.wait()).await;
        self.0.sending.drain(limit).await
    }

    fn take(&self, key: dedupe::DedupeKey, now: Instant) -> Decision {
        // A panic while the lock was held cannot leave a map half-changed that matters: take it as it is.
        self.0.limiter.lock().unwrap_or_else(PoisonError::into_inner).take(key, now)
    }

    /// Dispatches in a task of its own: a sender that gives up (they do after 5 s) would otherwise lose the Alerts
    /// that are not yet served, and its retry would be a duplicate.
    async fn dispatch(&self, event: sluice_api::meta::Event) {
        let Ok(place) = Arc::clone(&self.0.preparing).acquire_owned().await else { return };
        let server = self.clone();
        let object = object_path(&event);
        let task = self.0.preparations.spawn(async move {
            let _place = place;
            server.0.dispatcher.dispatch(event).await;
        });
        if let Err(error) = task.await {
            error!(%error, object, "the dispatch of an event failed unexpectedly");
        }
    }
}

async fn handle(State(server): State<EventServer>, request: Request) -> Response {
    let body = match read_body(request.into_body()).await {
        Ok(body) => body,
        Err(BodyError::Exceed) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(error) => {
            debug!(%error, "failed to read an event");
            return StatusCode::BAD_REQUEST.into_response();
        }
    };
    let event = match decode(&body) {
        Ok(event) => event,
        Err(error) => {
            warn!(%error, "failed to decode an event");
            return StatusCode::BAD_REQUEST.into_response();
        }
    };
    let decision = server.take(dedupe::key(&event), Instant::now());
    let headers = rate_limit_headers(decision, Timestamp::now());
    if matches!(decision, Decision::Duplicate(_)) {
        debug!(object = object_path(&event), "discarding a duplicate event");
        return (StatusCode::TOO_MANY_REQUESTS, headers, "Too Many Requests\n").into_response();
    }
    if matches!(decision, Decision::AcceptedUnrecorded(_)) {
        server.0.unrecorded.inc();
    }
    server.dispatch(event).await;
    (StatusCode::ACCEPTED, headers).into_response()
}

/// The limiter's headers, with the time at which the window ends.
fn rate_limit_headers(decision: Decision, now: Timestamp) -> HeaderMap {
    let end = now.saturating_add(decision.reset_in()).unwrap_or(now);
    let date = end.to_zoned(TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S UTC").to_string();
    let date = HeaderValue::from_str(&date).unwrap_or(HeaderValue::from_static(""));
    let mut headers = HeaderMap::from_iter([
        (HeaderName::from_static("x-ratelimit-limit"), HeaderValue::from_static("1")),
        (HeaderName::from_static("x-ratelimit-remaining"), HeaderValue::from_static("0")),
        (HeaderName::from_static("x-ratelimit-reset"), date.clone()),
    ]);
    if matches!(decision, Decision::Duplicate(_)) {
        headers.insert(RETRY_AFTER, date);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    }
    headers
}

#[cfg(test)]
mod tests;
