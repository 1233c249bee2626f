//! Whether an Alert wants an event: its sources, then its inclusion list, then its exclusion list.
//!
//! Pure. A source that selects by labels is answered with the labels to look for; the lookup is `select`'s.

use std::collections::BTreeMap;

use regex::bytes::Regex;
use sluice_api::meta::{CrossNamespaceObjectReference, Event};
use sluice_api::notification::{AlertSeverity, AlertSpec};

use super::go_regex;

/// What a source says of an event before labels are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceMatch<'a> {
    /// Not this source's event.
    No,
    /// This source's event.
    Yes,
    /// This source's event if the involved object exists and has these labels.
    IfLabelled(&'a BTreeMap<String, String>),
}

/// Compares an event with one source of an Alert. The source's `apiVersion` is deliberately ignored.
pub fn source_match<'a>(
    source: &'a CrossNamespaceObjectReference,
    alert_namespace: &str,
    alert_severity: &AlertSeverity,
    event: &Event,
) -> SourceMatch<'a> {
    let object = &event.involved_object;
    let namespace = source.namespace.as_deref().filter(|namespace| !namespace.is_empty()).unwrap_or(alert_namespace);
    let wanted = object.namespace == namespace
        && object.kind == source.kind
        && (*alert_severity == AlertSeverity::Info || alert_severity.as_str() == event.severity.as_str())
        && (source.name == "*" || source.name == object.name);
    // An empty map is not the same as none: it still asks for an object that exists.
    match (wanted, &source.match_labels) {
        (false, _) => SourceMatch::No,
        (true, None) => SourceMatch::Yes,
        (true, Some(labels)) => SourceMatch::IfLabelled(labels),
    }
}

/// What the two lists say of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MessageVerdict {
    /// Whether the message is wanted.
    pub passes: bool,
    /// Text on each expression that is invalid; such an expression matches nothing.
    pub invalid: Vec<String>,
}

/// The two lists of an Alert, compiled.
#[derive(Debug)]
pub struct MessageFilter {
    inclusion: Vec<Result<Regex, String>>,
    exclusion: Vec<Result<Regex, String>>,
}

impl MessageFilter {
    /// Compiles both lists. An invalid expression is kept as the text that tells of it.
    pub fn compile(spec: &AlertSpec) -> Self {
        let compile = |list: &[String]| list.iter().map(|expression| compile(expression)).collect();
        Self { inclusion: compile(&spec.inclusion_list), exclusion: compile(&spec.exclusion_list) }
    }

    /// Applies the inclusion list (one must match, if there is any), then the exclusion list (none may match).
    pub fn verdict(&self, message: &str) -> MessageVerdict {
        let mut invalid = Vec::new();
        let mut any_matches = |list: &[Result<Regex, String>]| {
            // Evaluation stops at the first match, so later expressions are not reported.
            list.iter().any(|expression| match expression {
                Ok(regex) => regex.is_match(message.as_bytes()),
                Err(text) => {
                    invalid.push(text.clone());
                    false
                }
            })
        };
        let included = self.inclusion.is_empty() || any_matches(&self.inclusion);
        let passes = included && !any_matches(&self.exclusion);
        MessageVerdict { passes, invalid }
    }
}

fn compile(expression: &str) -> Result<Regex, String> {
    go_regex::compile(expression).map_err(|error| format!("failed to compile regex {expression:?}: {error}"))
}

#[cfg(test)]
mod tests;
