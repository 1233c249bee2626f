//! Whether an object of a waited-for stage is ready.
//!
//! These are the generic rules and the one for CRDs, which is all that such stages hold. Deliberately not here: workloads.

use std::fmt;

use serde_json::Value;
use sluice_manifest::Object;

/// How far an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Ready for use.
    Current,
    /// Not yet.
    InProgress,
    /// Its controller has given up.
    Failed,
    /// It is being deleted.
    Terminating,
    /// It is not there.
    NotFound,
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Current => "Current",
            Self::InProgress => "InProgress",
            Self::Failed => "Failed",
            Self::Terminating => "Terminating",
            Self::NotFound => "NotFound",
        })
    }
}

impl Readiness {
    /// Reads the state off a live object.
    pub fn of(live: &Object) -> Self {
        if live.at(&["metadata", "deletionTimestamp"]).is_some_and(|value| !value.is_null()) {
            return Self::Terminating;
        }
        let observed = live.at(&["status", "observedGeneration"]).and_then(Value::as_i64);
        let generation = live.at(&["metadata", "generation"]).and_then(Value::as_i64);
        if observed.is_some() && observed != generation {
            return Self::InProgress;
        }
        let conditions = live.at(&["status", "conditions"]).and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        for (kind, status, _) in conditions.iter().map(read_condition) {
            match (kind, status) {
                ("Reconciling", "True") => return Self::InProgress,
                ("Stalled", "True") => return Self::Failed,
                _ => {}
            }
        }
        if live.is("apiextensions.k8s.io", "CustomResourceDefinition") {
            return crd(conditions);
        }
        match conditions.iter().map(read_condition).find(|(kind, _, _)| *kind == "Ready") {
            Some((_, "False" | "Unknown", _)) => Self::InProgress,
            _ => Self::Current,
        }
    }
}

fn crd(conditions: &[Value]) -> Readiness {
    for (kind, status, reason) in conditions.iter().map(read_condition) {
        match (kind, status) {
            ("NamesAccepted", "False") => return Readiness::Failed,
            ("Established", "False") if reason != "Installing" => return Readiness::Failed,
            ("Established", "True") => return Readiness::Current,
            _ => {}
        }
    }
    Readiness::InProgress
}

fn read_condition(condition: &Value) -> (&str, &str, &str) {
    let text = |key| condition.get(key).and_then(Value::as_str).unwrap_or("");
    (text("type"), text("status"), text("reason"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state(api_version: &str, kind: &str, status: &Value) -> Readiness {
        let document = json!({"apiVersion": api_version, "kind": kind,
            "metadata": {"name": "x", "generation": 2}, "status": status});
        Readiness::of(&Object::new(document).unwrap())
    }

    #[test]
    fn a_crd_is_current_when_it_is_established() {
        for (conditions, expected) in [
            (json!([]), Readiness::InProgress),
            (json!([{"type": "Established", "status": "False", "reason": "Installing"}]), Readiness::InProgress),
            (json!([{"type": "Established", "status": "False", "reason": "NotAccepted"}]), Readiness::Failed),
            (json!([{"type": "NamesAccepted", "status": "False"}]), Readiness::Failed),
            (
                json!([{"type": "NamesAccepted", "status": "True"}, {"type": "Established", "status": "True"}]),
                Readiness::Current,
            ),
        ] {
            let crd = state("apiextensions.k8s.io/v1", "CustomResourceDefinition", &json!({"conditions": conditions}));
            assert_eq!(crd, expected, "{conditions}");
        }
    }

    #[test]
    fn other_objects_follow_the_generic_rules() {
        for (status, expected) in [
            (json!({}), Readiness::Current),
            (json!({"phase": "Active"}), Readiness::Current),
            (json!({"observedGeneration": 1}), Readiness::InProgress),
            (json!({"observedGeneration": 2}), Readiness::Current),
            (json!({"conditions": [{"type": "Ready", "status": "False"}]}), Readiness::InProgress),
            (json!({"conditions": [{"type": "Ready", "status": "True"}]}), Readiness::Current),
            (json!({"conditions": [{"type": "Reconciling", "status": "True"}]}), Readiness::InProgress),
            (json!({"conditions": [{"type": "Stalled", "status": "True"}]}), Readiness::Failed),
            (json!({"conditions": "odd"}), Readiness::Current),
        ] {
            assert_eq!(state("x.io/v1", "QueueClass", &status), expected, "{status}");
        }
        let terminating = json!({"apiVersion": "v1", "kind": "Namespace",
            "metadata": {"name": "x", "deletionTimestamp": "2024-01-01T00:00:00Z"}});
        assert_eq!(Readiness::of(&Object::new(terminating).unwrap()), Readiness::Terminating);
    }
}
