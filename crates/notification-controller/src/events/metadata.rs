//! The metadata that a provider sees: four sources merged under bare keys, on a copy of the event per Alert.
//!
//! It only merges and reports conflicts; telling the Alert's owner about them is the dispatcher's work.

use std::collections::BTreeMap;

use sluice_api::meta::Event;

use super::cleanup::{annotation_key, controller_key};

const FROM_ANNOTATIONS: &str = "involved object annotations";
const FROM_ALERT_METADATA: &str = "Alert object .spec.eventMetadata";
const FROM_ALERT_SUMMARY: &str = "Alert object .spec.summary";
const FROM_CONTROLLER: &str = "involved object controller metadata";

/// What an Alert adds to an event.
#[derive(Clone, Copy, Debug)]
pub struct AlertMetadata<'a> {
    /// `spec.eventMetadata`.
    pub event_metadata: &'a BTreeMap<String, String>,
    /// `spec.summary`; empty counts as absent.
    pub summary: Option<&'a str>,
}

/// The merged metadata, and the keys that had more than one source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Merged {
    /// Key to value.
    pub metadata: BTreeMap<String, String>,
    /// Key to its sources, weakest first, joined by ", ".
    pub conflicts: BTreeMap<String, String>,
}

/// Merges, the later source winning: annotations, Alert metadata, Alert summary, controller.
pub fn merge(event: &Event, alert: AlertMetadata<'_>) -> Merged {
    let summary = alert.summary.filter(|summary| !summary.is_empty());
    let sources: [(&str, Vec<(&str, &str)>); 4] = [
        (FROM_ANNOTATIONS, select(event, annotation_key)),
        (FROM_ALERT_METADATA, alert.event_metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()),
        (FROM_ALERT_SUMMARY, summary.map(|text| ("summary", text)).into_iter().collect()),
        (FROM_CONTROLLER, select(event, |key| controller_key(event, key))),
    ];
    let mut metadata = BTreeMap::new();
    let mut origins: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (source, entries) in sources {
        for (key, value) in entries {
            origins.entry(key.to_owned()).or_default().push(source);
            metadata.insert(key.to_owned(), value.to_owned());
        }
    }
    let conflicts =
        origins.into_iter().filter(|(_, from)| from.len() > 1).map(|(key, from)| (key, from.join(", "))).collect();
    Merged { metadata, conflicts }
}

/// The event's entries whose key has a bare name under `bare_name`.
fn select<'a>(event: &'a Event, bare_name: impl Fn(&'a str) -> Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    event.metadata.iter().filter_map(|(key, value)| Some((bare_name(key)?, value.as_str()))).collect()
}

#[cfg(test)]
mod tests;
