//! The message filters of Alerts, compiled once per generation of an Alert.
//!
//! Deliberately nothing of what they mean: that is `matching`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use sluice_api::notification::Alert;

use super::matching::MessageFilter;

/// Namespace, name, uid and generation: whatever changes an Alert's lists changes one of them.
type Version = (String, String, String, i64);

/// Filters beyond twice the number of Alerts before those of Alerts that are gone are dropped.
const SLACK: usize = 64;

/// The filters in use.
#[derive(Default)]
pub(super) struct Filters(Mutex<HashMap<Version, Arc<MessageFilter>>>);

impl Filters {
    /// The filter of an Alert. One without a generation, which the API server does not give out, is compiled each time.
    pub(super) fn of(&self, alert: &Alert) -> Arc<MessageFilter> {
        let spec = &alert.spec;
        let Some(version) =
            version(alert).filter(|_| !spec.inclusion_list.is_empty() || !spec.exclusion_list.is_empty())
        else {
            return Arc::new(MessageFilter::compile(spec));
        };
        if let Some(filter) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&version) {
            return Arc::clone(filter);
        }
        // Not under the lock: others need not wait for a large expression.
        let filter = Arc::new(MessageFilter::compile(spec));
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(version, Arc::clone(&filter));
        filter
    }

    /// Drops filters of Alerts, and of generations, that are gone, if there are many. `alerts` are all that there are.
    pub(super) fn sweep(&self, alerts: &[Arc<Alert>]) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() <= 2 * alerts.len() + SLACK {
            return;
        }
        let current: std::collections::HashSet<Version> = alerts.iter().filter_map(|alert| version(alert)).collect();
        known.retain(|version, _| current.contains(version));
    }
}

fn version(alert: &Alert) -> Option<Version> {
    let meta = &alert.metadata;
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    Some((text(&meta.namespace), text(&meta.name), text(&meta.uid), meta.generation?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fakes::object;

    fn alert(generation: i64, expression: &str) -> Arc<Alert> {
        Arc::new(object(json!({
            "apiVersion": "notification.toolkit.fluxcd.io/v1beta3",
            "kind": "Alert",
            "metadata": {"name": "on-call", "namespace": "apps", "uid": "u", "generation": generation},
            "spec": {"providerRef": {"name": "x"}, "eventSources": [], "inclusionList": [expression]},
        })))
    }

    #[test]
    fn a_generation_is_compiled_once_and_the_next_one_anew() {
        let filters = Filters::default();
        let first = filters.of(&alert(1, "a"));
        assert!(Arc::ptr_eq(&first, &filters.of(&alert(1, "a"))));
        let second = filters.of(&alert(2, "b"));
        assert!(!Arc::ptr_eq(&first, &second));
        assert_eq!((first.verdict("a").passes, second.verdict("a").passes), (true, false));
    }

    #[test]
    fn filters_of_alerts_that_are_gone_are_dropped_when_there_are_many() {
        let filters = Filters::default();
        for generation in 0..70 {
            filters.of(&alert(generation, "a"));
        }
        filters.sweep(&[alert(69, "a")]);
        assert_eq!(filters.0.lock().unwrap().len(), 1);
    }
}
