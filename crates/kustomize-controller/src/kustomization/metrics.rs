//! How often Kustomizations were built, how often that could be left out, and how much drift was seen.
//!
//! Deliberately no labels with names of objects: a cluster may have thousands.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

/// What happened to an object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DriftLabels {
    change: &'static str,
}

/// The series. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct BuildMetrics {
    builds: Counter,
    skipped: Counter,
    drift: Family<DriftLabels, Counter>,
}

impl BuildMetrics {
    /// Registers the series.
    pub fn register(registry: &mut Registry) -> Self {
        let metrics = Self::default();
        // The client library appends `_total` to a counter's name.
        registry.register("sluice_kustomization_builds", "Number of builds", metrics.builds.clone());
        registry.register(
            "sluice_kustomization_builds_skipped",
            "Number of passes in which neither files, nor spec, nor objects had changed, so that nothing was built",
            metrics.skipped.clone(),
        );
        registry.register(
            "sluice_kustomization_drift",
            "Number of changes of managed objects by others",
            metrics.drift.clone(),
        );
        metrics
    }

    pub(super) fn built(&self) {
        self.builds.inc();
    }

    pub(super) fn skipped(&self) {
        self.skipped.inc();
    }

    /// Counts a drift: `changed` or `deleted`.
    pub fn drifted(&self, change: &'static str) {
        self.drift.get_or_create(&DriftLabels { change }).inc();
    }
}
