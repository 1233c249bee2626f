//! The process's Prometheus metrics, under the names that Flux's dashboards use.
//!
//! Deliberately no metric with an unbounded label: series of an object go when the object goes.

use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets_range};
use prometheus_client::registry::Registry;

use crate::queue::Key;

/// Labels that name one object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ObjectLabels {
    kind: String,
    name: String,
    namespace: String,
}

/// Labels that name one controller, and the outcome of its passes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ResultLabels {
    controller: String,
    result: &'static str,
}

/// Labels that name one controller.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ControllerLabels {
    controller: String,
}

/// Labels that name one work queue.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct QueueLabels {
    name: String,
}

/// Why an event did not reach its sink.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DropLabels {
    sink: &'static str,
}

/// What the dispatcher and the recorder measure. Cheap to clone: all clones share the series.
#[derive(Debug, Clone)]
pub struct Metrics {
    reconcile_duration: Family<ObjectLabels, Histogram, fn() -> Histogram>,
    reconcile_total: Family<ResultLabels, Counter>,
    panics: Family<ControllerLabels, Counter>,
    active_workers: Family<ControllerLabels, Gauge>,
    max_workers: Family<ControllerLabels, Gauge>,
    queue_depth: Family<QueueLabels, Gauge>,
    queue_adds: Family<QueueLabels, Gauge<f64, AtomicU64>>,
    events_dropped: Family<DropLabels, Counter>,
}

fn reconcile_histogram() -> Histogram {
    // gotk_reconcile_duration_seconds: ten exponential buckets from 10 ms to 30 min.
    Histogram::new(exponential_buckets_range(0.01, 1800.0, 10))
}

impl Metrics {
    /// Registers all series in `registry`.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self {
            reconcile_duration: Family::new_with_constructor(reconcile_histogram as fn() -> Histogram),
            reconcile_total: Family::default(),
            panics: Family::default(),
            active_workers: Family::default(),
            max_workers: Family::default(),
            queue_depth: Family::default(),
            queue_adds: Family::default(),
            events_dropped: Family::default(),
        };
        registry.register(
            "gotk_reconcile_duration_seconds",
            "The duration in seconds of a reconcile of an object",
            metrics.reconcile_duration.clone(),
        );
        // The client library appends `_total` to a counter's name.
        registry.register(
            "controller_runtime_reconcile",
            "Number of passes per controller and result",
            metrics.reconcile_total.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_panics",
            "Number of passes that panicked",
            metrics.panics.clone(),
        );
        registry.register(
            "controller_runtime_active_workers",
            "Number of passes that run now",
            metrics.active_workers.clone(),
        );
        registry.register(
            "controller_runtime_max_concurrent_reconciles",
            "Number of passes that may run at once",
            metrics.max_workers.clone(),
        );
        registry.register("workqueue_depth", "Number of objects that wait for a worker", metrics.queue_depth.clone());
        registry.register("workqueue_adds_total", "Number of times an object was queued", metrics.queue_adds.clone());
        registry.register(
            "sluice_events_dropped",
            "Number of events that were dropped because their sink was too slow",
            metrics.events_dropped.clone(),
        );
        metrics
    }

    /// Counts one finished pass over the object `key` of `kind`.
    pub fn observe_pass(&self, kind: &str, key: &Key, result: PassResult, duration: Duration) {
        let labels = ObjectLabels { kind: kind.into(), name: key.name.clone(), namespace: key.namespace.clone() };
        self.reconcile_duration.get_or_create(&labels).observe(duration.as_secs_f64());
        let controller = kind.to_ascii_lowercase();
        if result == PassResult::Panic {
            self.panics.get_or_create(&ControllerLabels { controller: controller.clone() }).inc();
        }
        self.reconcile_total.get_or_create(&ResultLabels { controller, result: result.as_str() }).inc();
    }

    /// Removes the series of an object that is gone.
    pub fn forget_object(&self, kind: &str, key: &Key) {
        let labels = ObjectLabels { kind: kind.into(), name: key.name.clone(), namespace: key.namespace.clone() };
        self.reconcile_duration.remove(&labels);
    }

    /// Sets the gauges of one controller's workers and queue.
    pub fn set_load(&self, kind: &str, load: Load) {
        let controller = kind.to_ascii_lowercase();
        let labels = ControllerLabels { controller: controller.clone() };
        self.active_workers.get_or_create(&labels).set(to_gauge(load.active));
        self.max_workers.get_or_create(&labels).set(to_gauge(load.workers));
        let queue = QueueLabels { name: controller };
        self.queue_depth.get_or_create(&queue).set(to_gauge(load.depth));
        // A gauge of a monotone number: the queue counts by itself, and f64 is exact far beyond any count here.
        #[expect(clippy::cast_precision_loss, reason = "exact below 2^53")]
        self.queue_adds.get_or_create(&queue).set(load.adds as f64);
    }

    /// Counts an event that `sink` could not take.
    pub fn event_dropped(&self, sink: &'static str) {
        self.events_dropped.get_or_create(&DropLabels { sink }).inc();
    }
}

fn to_gauge(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A controller's load at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Passes that run now.
    pub active: usize,
    /// Passes that may run at once.
    pub workers: usize,
    /// Objects that wait for a worker.
    pub depth: usize,
    /// Times an object was queued since the start.
    pub adds: u64,
}

/// How a pass ended, as controller-runtime labels it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PassResult {
    /// Nothing more is planned.
    Success,
    /// Another pass is due after the interval.
    RequeueAfter,
    /// Another pass is due at once.
    Requeue,
    /// The pass failed.
    Error,
    /// The pass panicked.
    Panic,
}

impl PassResult {
    fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::RequeueAfter => "requeue_after",
            Self::Requeue => "requeue",
            Self::Error | Self::Panic => "error",
        }
    }
}

/// Gauges of the process itself, read from the kernel when they are scraped.
#[derive(Debug, Clone, Default)]
pub struct ProcessGauges {
    resident: Gauge,
    cpu: Gauge<f64, AtomicU64>,
    threads: Gauge<i64, AtomicI64>,
}

impl ProcessGauges {
    /// Registers `process_resident_memory_bytes`, `process_cpu_seconds_total` and `process_threads`.
    pub fn register(registry: &mut Registry) -> Self {
        let gauges = Self::default();
        registry.register("process_resident_memory_bytes", "Resident memory in bytes", gauges.resident.clone());
        registry.register("process_cpu_seconds_total", "User and system time in seconds", gauges.cpu.clone());
        registry.register("process_threads", "Number of operating system threads", gauges.threads.clone());
        gauges
    }

    /// Reads `/proc/self` anew. Where that does not exist the gauges keep their values.
    pub fn refresh(&self) {
        let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else { return };
        let Some(usage) = parse_stat(&stat) else { return };
        self.resident.set(usage.resident_bytes);
        self.cpu.set(usage.cpu_seconds);
        self.threads.set(usage.threads);
    }
}

#[derive(Debug, PartialEq)]
struct Usage {
    resident_bytes: i64,
    cpu_seconds: f64,
    threads: i64,
}

/// Reads proc(5) `stat`: fields 14 and 15 are clock ticks (100 a second on Linux), 20 threads, 24 resident pages of 4 KiB.
fn parse_stat(stat: &str) -> Option<Usage> {
    // The second field is the program's name in parentheses, which may hold spaces.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<i64>().ok();
    #[expect(clippy::cast_precision_loss, reason = "ticks are far below 2^53")]
    let cpu_seconds = (number(14)? + number(15)?) as f64 / 100.0;
    Some(Usage { resident_bytes: number(24)?.checked_mul(4096)?, cpu_seconds, threads: number(20)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(registry: &Registry) -> String {
        let mut out = String::new();
        prometheus_client::encoding::text::encode(&mut out, registry).expect("a string takes everything");
        out
    }

    #[test]
    fn a_pass_is_counted_and_its_series_goes_with_the_object() {
        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let key = Key::new("apps", "web");
        metrics.observe_pass("Kustomization", &key, PassResult::RequeueAfter, Duration::from_millis(20));
        let shown = text(&registry);
        let count = "gotk_reconcile_duration_seconds_count{kind=\"Kustomization\",name=\"web\",namespace=\"apps\"} 1";
        assert!(shown.contains(count), "{shown}");
        let total = "controller_runtime_reconcile_total{controller=\"kustomization\",result=\"requeue_after\"} 1";
        assert!(shown.contains(total), "{shown}");

        metrics.forget_object("Kustomization", &key);
        assert!(!text(&registry).contains("gotk_reconcile_duration_seconds_count{"));
    }

    #[test]
    fn process_usage_is_read_from_the_stat_line() {
        let line = "42 (a (b) c) S 1 42 42 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 7 0 1 1000 256 184467";
        assert_eq!(parse_stat(line), Some(Usage { resident_bytes: 256 * 4096, cpu_seconds: 2.0, threads: 7 }));
        assert_eq!(parse_stat("42 (x) S 1"), None);
        assert_eq!(parse_stat(""), None);
    }
}
