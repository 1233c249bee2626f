//! What the cache of tokens does, as metrics under the names that Flux's dashboards use.
//!
//! Deliberately no series of an object that is gone.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use sluice_cloud_identity::{CacheEvent, CacheObserver, CacheOutcome, InvolvedObject};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    event_type: &'static str,
    kind: String,
    name: String,
    namespace: String,
    operation: String,
}

impl EventLabels {
    fn new(event: CacheEvent, object: &InvolvedObject) -> Self {
        let InvolvedObject { kind, name, namespace, operation } = object.clone();
        let event_type = match event {
            CacheEvent::Hit => "cache_hit",
            CacheEvent::Miss => "cache_miss",
        };
        Self { event_type, kind, name, namespace, operation }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    status: &'static str,
}

/// The series of the cache of tokens. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct TokenMetrics {
    events: Family<EventLabels, Counter>,
    items: Gauge,
    requests: Family<RequestLabels, Counter>,
    evictions: Counter,
}

impl TokenMetrics {
    /// Registers all series in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        // The client library appends `_total` to a counter's name.
        registry.register(
            "gotk_token_cache_events",
            "Number of lookups in the cache of tokens per object",
            metrics.events.clone(),
        );
        registry.register("gotk_token_cached_items", "Number of tokens in the cache", metrics.items.clone());
        registry.register(
            "gotk_token_cache_requests",
            "Number of lookups in the cache of tokens",
            metrics.requests.clone(),
        );
        registry.register(
            "gotk_token_cache_evictions",
            "Number of tokens that made room for another",
            metrics.evictions.clone(),
        );
        metrics
    }

    /// Removes the series of an object that is gone.
    pub(crate) fn forget(&self, object: &InvolvedObject) {
        for event in [CacheEvent::Hit, CacheEvent::Miss] {
            self.events.remove(&EventLabels::new(event, object));
        }
    }
}

impl CacheObserver for TokenMetrics {
    fn event(&self, event: CacheEvent, object: &InvolvedObject) {
        self.events.get_or_create(&EventLabels::new(event, object)).inc();
    }

    fn request(&self, outcome: CacheOutcome) {
        let status = match outcome {
            CacheOutcome::Success => "success",
            CacheOutcome::Failure => "failure",
        };
        self.requests.get_or_create(&RequestLabels { status }).inc();
    }

    fn items(&self, count: usize) {
        self.items.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    fn evicted(&self) {
        self.evictions.inc();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(registry: &Registry) -> Vec<String> {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, registry).expect("text");
        text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn the_series_have_the_established_names_and_go_with_their_object() {
        let mut registry = Registry::default();
        let metrics = TokenMetrics::register(&mut registry);
        let object = InvolvedObject {
            kind: "Bucket".into(),
            name: "web".into(),
            namespace: "apps".into(),
            operation: "reconcile".into(),
        };
        metrics.event(CacheEvent::Miss, &object);
        metrics.request(CacheOutcome::Failure);
        metrics.items(2);
        metrics.evicted();
        let event = "gotk_token_cache_events_total{event_type=\"cache_miss\",kind=\"Bucket\",name=\"web\",namespace=\"apps\",operation=\"reconcile\"} 1";
        let rest = [
            "gotk_token_cached_items 2",
            "gotk_token_cache_requests_total{status=\"failure\"} 1",
            "gotk_token_cache_evictions_total 1",
        ];
        assert_eq!(shown(&registry), [&[event], &rest[..]].concat());
        metrics.forget(&object);
        assert_eq!(shown(&registry), rest);
    }
}
