//! The metrics of an HTTP server, under the names that dashboards for these servers know.
//!
//! Only measured here; the registry and its endpoint belong to the process.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http::Method;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::server::ConnectionMetrics;

const DURATION_BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Most different paths as labels; further ones share one label. Paths are the callers' choice.
const MAX_PATHS: usize = 1_000;

/// What the label `handler` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandlerLabel {
    /// Always the same.
    Fixed(&'static str),
    /// The request's path (`--export-http-path-metrics`); `other` once there are too many.
    Path,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    service: &'static str,
    handler: String,
    method: &'static str,
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InflightLabels {
    service: &'static str,
    handler: String,
}

/// The metrics of one server.
#[derive(Clone)]
pub struct HttpMetrics(Arc<Inner>);

struct Inner {
    prefix: &'static str,
    handler: HandlerLabel,
    paths: Mutex<HashSet<String>>,
    duration: Family<RequestLabels, Histogram>,
    size: Family<RequestLabels, Histogram>,
    inflight: Family<InflightLabels, Gauge>,
    connections: ConnectionMetrics,
}

impl HttpMetrics {
    /// Metrics named `<prefix>_http_...`. The servers' prefixes are `gotk_event` and `gotk_receiver`.
    pub fn new(prefix: &'static str, handler: HandlerLabel) -> Self {
        Self(Arc::new(Inner {
            prefix,
            handler,
            paths: Mutex::default(),
            duration: Family::new_with_constructor(|| Histogram::new(DURATION_BUCKETS)),
            size: Family::new_with_constructor(|| Histogram::new(exponential_buckets(100.0, 10.0, 8))),
            inflight: Family::default(),
            connections: ConnectionMetrics::default(),
        }))
    }

    /// Adds `<prefix>_http_request_duration_seconds`, `<prefix>_http_response_size_bytes` and `<prefix>_http_requests_inflight` to a
    /// registry, and two of our own, `<prefix>_http_connections` and `<prefix>_http_connections_displaced_total`.
    pub fn register(&self, registry: &mut Registry) {
        let Inner { prefix, duration, size, inflight, connections, .. } = &*self.0;
        registry.register(
            format!("{prefix}_http_connections"),
            "The number of open connections",
            connections.open.clone(),
        );
        registry.register(
            format!("{prefix}_http_connections_displaced"),
            "The number of connections of slow or idle clients that were closed for the sake of others",
            connections.displaced.clone(),
        );
        registry.register(
            format!("{prefix}_http_request_duration_seconds"),
            "The latency of the HTTP requests",
            duration.clone(),
        );
        registry.register(format!("{prefix}_http_response_size_bytes"), "The size of the HTTP responses", size.clone());
        registry.register(
            format!("{prefix}_http_requests_inflight"),
            "The number of requests handled at the moment",
            inflight.clone(),
        );
    }

    /// The router with every request measured.
    pub fn measure(&self, router: Router) -> Router {
        router.layer(from_fn_with_state(self.clone(), measure))
    }

    /// The part that the accept loop measures.
    pub fn connections(&self) -> ConnectionMetrics {
        self.0.connections.clone()
    }

    fn handler(&self, path: &str) -> String {
        if let HandlerLabel::Fixed(label) = self.0.handler {
            return label.to_owned();
        }
        let mut paths = self.0.paths.lock().unwrap_or_else(PoisonError::into_inner);
        if paths.contains(path) || (paths.len() < MAX_PATHS && paths.insert(path.to_owned())) {
            path.to_owned()
        } else {
            "other".to_owned()
        }
    }
}

/// Counts a request out again, also when its connection broke and the handler was dropped.
struct InflightGuard(Gauge);

impl Drop for InflightGuard {
    fn drop(&mut self) {
        self.0.dec();
    }
}

async fn measure(State(metrics): State<HttpMetrics>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let handler = metrics.handler(request.uri().path());
    let method = method_label(request.method());
    let inflight = InflightLabels { service: "", handler: handler.clone() };
    let gauge = metrics.0.inflight.get_or_create_owned(&inflight);
    gauge.inc();
    let guard = InflightGuard(gauge);
    let response = next.run(request).await;
    drop(guard);
    let labels = RequestLabels { service: "", handler, method, code: response.status().as_u16().to_string() };
    metrics.0.duration.get_or_create(&labels).observe(start.elapsed().as_secs_f64());
    let size = u32::try_from(response.body().size_hint().lower()).unwrap_or(u32::MAX);
    metrics.0.size.get_or_create(&labels).observe(f64::from(size));
    response
}

/// The method from a closed set: a label must not be the caller's choice.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::PATCH => "PATCH",
        Method::TRACE => "TRACE",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http::StatusCode;
    use prometheus_client::encoding::text::encode;
    use tower_service::Service;

    use super::*;

    async fn call(router: &mut Router, method: &str, uri: &str) {
        let request = http::Request::builder().method(method).uri(uri).body(Body::empty()).unwrap();
        router.call(request).await.unwrap();
    }

    fn encoded(registry: &Registry) -> String {
        let mut text = String::new();
        encode(&mut text, registry).unwrap();
        text
    }

    #[tokio::test]
    async fn requests_are_counted_under_the_known_names_and_labels() {
        let mut registry = Registry::default();
        let metrics = HttpMetrics::new("gotk_event", HandlerLabel::Fixed("/"));
        metrics.register(&mut registry);
        let mut router = metrics.measure(Router::new().fallback(|| async { StatusCode::TOO_MANY_REQUESTS }));
        call(&mut router, "POST", "/some/path").await;
        call(&mut router, "BREW", "/some/path").await;
        let text = encoded(&registry);
        let labels = |method: &str| format!("{{service=\"\",handler=\"/\",method=\"{method}\",code=\"429\"}} 1");
        for line in [
            format!("gotk_event_http_request_duration_seconds_count{}", labels("POST")),
            format!("gotk_event_http_request_duration_seconds_count{}", labels("other")),
            format!("gotk_event_http_response_size_bytes_count{}", labels("POST")),
            "gotk_event_http_requests_inflight{service=\"\",handler=\"/\"} 0".to_owned(),
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
        }
    }

    #[tokio::test]
    async fn the_number_of_path_labels_is_bounded() {
        let mut registry = Registry::default();
        let metrics = HttpMetrics::new("gotk_receiver", HandlerLabel::Path);
        metrics.register(&mut registry);
        let mut router = metrics.measure(Router::new());
        for number in 0..MAX_PATHS + 10 {
            call(&mut router, "GET", &format!("/{number}")).await;
        }
        let text = encoded(&registry);
        let inflight = "gotk_receiver_http_requests_inflight{";
        assert_eq!(text.lines().filter(|line| line.starts_with(inflight)).count(), MAX_PATHS + 1);
    }
}
