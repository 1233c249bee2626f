//! The event that a controller posts to notification-controller.
//!
//! Deliberately not a Kubernetes Event, and without any check of meaning: the receiving server accepts what Go's decoder
//! accepts (field names in any case, nulls, missing fields) and refuses only wrong types.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::text_enum::text_enum;

text_enum! {
    /// How grave an event is.
    #[derive(Default)]
    EventSeverity {
        /// For debugging; never posted by the stock controllers.
        Trace = "trace",
        /// A normal course of things.
        #[default]
        Info = "info",
        /// A failure.
        Error = "error",
    }
}

/// The object that an event is about. Fields are in the order in which Go writes them; empty ones are not written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectReference {
    /// Kind of the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// Namespace of the object; empty for a cluster-wide one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub namespace: String,
    /// Name of the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Unique id of the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub uid: String,
    /// Group and version of the object.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Version of the object when the event came about.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub resource_version: String,
    /// The part of the object that is meant, if not the whole.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub field_path: String,
}

impl ObjectReference {
    /// The API group of the object; empty for the core group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }
}

/// The body of the POST. Fields are in wire order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// The object that the event is about.
    pub involved_object: ObjectReference,
    /// How grave it is.
    pub severity: EventSeverity,
    /// When it came about, in whole seconds; `None` is written as null.
    pub timestamp: Option<Time>,
    /// Text for people.
    pub message: String,
    /// A word for machines, in camel case.
    pub reason: String,
    /// Further facts, keys with their prefix.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// Name of the controller that reports.
    pub reporting_controller: String,
    /// Which instance of it; the stock controllers send the host name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reporting_instance: String,
}

impl<'de> Deserialize<'de> for ObjectReference {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut reference = Self::default();
        for (key, value) in object::<D>(deserializer)? {
            let field = match key.to_ascii_lowercase().as_str() {
                "kind" => &mut reference.kind,
                "namespace" => &mut reference.namespace,
                "name" => &mut reference.name,
                "uid" => &mut reference.uid,
                "apiversion" => &mut reference.api_version,
                "resourceversion" => &mut reference.resource_version,
                "fieldpath" => &mut reference.field_path,
                _ => continue,
            };
            fill::<D, _>(field, value)?;
        }
        Ok(reference)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut event = Self { severity: EventSeverity::Other(String::new()), ..Self::default() };
        for (key, value) in object::<D>(deserializer)? {
            match key.to_ascii_lowercase().as_str() {
                "involvedobject" => fill::<D, _>(&mut event.involved_object, value)?,
                "severity" => fill::<D, _>(&mut event.severity, value)?,
                "timestamp" => fill::<D, _>(&mut event.timestamp, value)?,
                "message" => fill::<D, _>(&mut event.message, value)?,
                "reason" => fill::<D, _>(&mut event.reason, value)?,
                "metadata" => {
                    let mut entries: BTreeMap<String, Option<String>> = BTreeMap::new();
                    fill::<D, _>(&mut entries, value)?;
                    event.metadata = entries.into_iter().map(|(key, text)| (key, text.unwrap_or_default())).collect();
                }
                "reportingcontroller" => fill::<D, _>(&mut event.reporting_controller, value)?,
                "reportinginstance" => fill::<D, _>(&mut event.reporting_instance, value)?,
                _ => {}
            }
        }
        Ok(event)
    }
}

/// The top level of Go's decoder takes null for any struct and changes nothing.
fn object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Map<String, Value>, D::Error> {
    Option::<Map<String, Value>>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Sets the field; null leaves it as it is.
fn fill<'de, D: Deserializer<'de>, T: DeserializeOwned>(field: &mut T, value: Value) -> Result<(), D::Error> {
    if !value.is_null() {
        *field = serde_json::from_value(value).map_err(D::Error::custom)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
