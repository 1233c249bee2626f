//! The Alerts that want an event, with the lookups that selection by labels needs.

use std::collections::BTreeMap;
use std::sync::Arc;

use sluice_api::constants::reason;
use sluice_api::meta::Event;
use sluice_api::notification::Alert;
use sluice_runtime::logging::error_chain;
use tokio::sync::OnceCell;
use tracing::warn;

use super::filters::Filters;
use super::matching::{SourceMatch, source_match};
use super::ports::AlertEvents;
use crate::cluster::{ObjectName, Objects, Resource};
use crate::labels::LabelSelector;

/// One event looking for its Alerts.
pub(super) struct Selection<'a> {
    event: &'a Event,
    objects: &'a dyn Objects,
    warnings: &'a dyn AlertEvents,
    filters: &'a Filters,
    /// Labels of the involved object, read at most once however many Alerts ask.
    labels: OnceCell<Result<BTreeMap<String, String>, String>>,
}

impl<'a> Selection<'a> {
    pub(super) fn new(
        event: &'a Event,
        objects: &'a dyn Objects,
        warnings: &'a dyn AlertEvents,
        filters: &'a Filters,
    ) -> Self {
        Self { event, objects, warnings, filters, labels: OnceCell::new() }
    }

    /// Keeps the Alerts that want the event. What is wrong with an Alert becomes a warning on it and counts as no match.
    pub(super) async fn select(&self, alerts: Vec<Arc<Alert>>) -> Vec<Arc<Alert>> {
        self.filters.sweep(&alerts);
        let mut selected = Vec::new();
        for alert in alerts {
            if self.is_wanted_by(&alert).await {
                selected.push(alert);
            }
        }
        selected
    }

    async fn is_wanted_by(&self, alert: &Alert) -> bool {
        if alert.spec.suspend || !self.any_source_matches(alert).await {
            return false;
        }
        let verdict = self.filters.of(alert).verdict(&self.event.message);
        for text in &verdict.invalid {
            self.warn(alert, reason::INVALID_CONFIG, text);
        }
        verdict.passes
    }

    async fn any_source_matches(&self, alert: &Alert) -> bool {
        let namespace = alert.metadata.namespace.as_deref().unwrap_or_default();
        for source in &alert.spec.event_sources {
            let matches = match source_match(source, namespace, &alert.event_severity(), self.event) {
                SourceMatch::No => false,
                SourceMatch::Yes => true,
                SourceMatch::IfLabelled(labels) => self.is_labelled(alert, labels).await,
            };
            if matches {
                return true;
            }
        }
        false
    }

    async fn is_labelled(&self, alert: &Alert, wanted: &BTreeMap<String, String>) -> bool {
        let selector = match LabelSelector::parse(wanted) {
            Ok(selector) => selector,
            Err(error) => {
                self.warn(alert, reason::INVALID_CONFIG, &error.to_string());
                return false;
            }
        };
        match self.labels.get_or_init(|| self.read_labels()).await {
            Ok(labels) => selector.matches(labels),
            Err(error) => {
                let object = &self.event.involved_object;
                let text = format!("error getting source object {}/{}/{}", object.kind, object.namespace, object.name);
                warn!(error, "{text}");
                self.warn(alert, reason::SOURCE_FETCH_FAILED, &text);
                false
            }
        }
    }

    /// The labels of the involved object, or why they could not be read.
    async fn read_labels(&self) -> Result<BTreeMap<String, String>, String> {
        let object = &self.event.involved_object;
        let resource = Resource::parse(&object.api_version, &object.kind).map_err(|error| error_chain(&error))?;
        let name = ObjectName::parse(&object.namespace, &object.name).map_err(|error| error_chain(&error))?;
        self.objects.labels(&resource, &name).await.map_err(|error| error_chain(&error))
    }

    fn warn(&self, alert: &Alert, reason: &str, text: &str) {
        warn!(alert.name = alert.metadata.name, alert.namespace = alert.metadata.namespace, reason, "{text}");
        self.warnings.warn(alert, reason, text, &BTreeMap::new());
    }
}
