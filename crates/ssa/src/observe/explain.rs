//! Why the pods of a workload do not run: what the workload itself does not say.
//!
//! Deliberately not here: any verdict. These words only go behind the message of what is not healthy.

use serde_json::Value;

use super::judge::{bounded, by_kind};
use jiff::Timestamp;
use sluice_kstatus::Status;
use sluice_manifest::ObjectId;

/// Reasons of containers that are just about to start.
const ON_THEIR_WAY: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// Whether an object of this kind runs pods that its `spec.selector` selects.
pub(super) fn runs_pods(id: &ObjectId) -> bool {
    id.group == "apps" && matches!(id.kind.as_str(), "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
}

/// The first trouble of the first pod that has one: `pod <name>: <container>: <reason>: <message>`.
pub(super) fn trouble(pods: &[Value]) -> Option<String> {
    pods.iter().find_map(|pod| {
        let name = text(pod, "/metadata/name");
        containers(pod).or_else(|| scheduling(pod)).map(|trouble| format!("pod {name}: {trouble}"))
    })
}

/// The status with the trouble behind its message.
pub(super) fn with_trouble(mut status: Status, trouble: &str) -> Status {
    let message = status.message.trim();
    status.message = if message.is_empty() { trouble.to_owned() } else { format!("{message}; {trouble}") };
    bounded(status)
}

fn containers(pod: &Value) -> Option<String> {
    let list = |field: &str| pod.pointer(field).and_then(Value::as_array).into_iter().flatten();
    let mut all = list("/status/initContainerStatuses").chain(list("/status/containerStatuses"));
    all.find_map(|container| {
        let waiting = text(container, "/state/waiting/reason");
        let terminated = container.pointer("/state/terminated/exitCode").and_then(Value::as_i64).unwrap_or(0);
        let (reason, message) = if !waiting.is_empty() && !ON_THEIR_WAY.contains(&waiting) {
            (waiting, text(container, "/state/waiting/message"))
        } else if terminated != 0 {
            (text(container, "/state/terminated/reason"), text(container, "/state/terminated/message"))
        } else {
            return None;
        };
        Some(join(&[text(container, "/name"), reason, message]))
    })
}

fn scheduling(pod: &Value) -> Option<String> {
    let conditions = pod.pointer("/status/conditions").and_then(Value::as_array)?;
    let refused =
        |condition: &&Value| text(condition, "/type") == "PodScheduled" && text(condition, "/status") == "False";
    let condition = conditions.iter().find(refused)?;
    let message = text(condition, "/message");
    let fallback = by_kind(pod, Timestamp::UNIX_EPOCH).message;
    Some(join(&[text(condition, "/reason"), if message.is_empty() { &fallback } else { message }]))
}

fn join(parts: &[&str]) -> String {
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(": ")
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("").trim()
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use sluice_kstatus::State;

    use super::*;

    fn pod(status: &Value) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1"}, "status": status})
    }

    #[test]
    fn a_pod_tells_why_it_does_not_run() {
        let waiting = |reason: &str, message: &str| json!({"name": "app", "state": {"waiting": {"reason": reason, "message": message}}});
        for (status, expected) in [
            (json!({}), None),
            (json!({"containerStatuses": [waiting("ContainerCreating", "")]}), None),
            (
                json!({"containerStatuses": [{"name": "side", "state": {"running": {}}}, waiting("ImagePullBackOff", "no such image")]}),
                Some("pod web-1: app: ImagePullBackOff: no such image"),
            ),
            (
                json!({"initContainerStatuses": [{"name": "init", "state": {"terminated": {"exitCode": 1, "reason": "Error"}}}],
                    "containerStatuses": [waiting("PodInitializing", "")]}),
                Some("pod web-1: init: Error"),
            ),
            (
                json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                    "message": "0/3 nodes are available"}]}),
                Some("pod web-1: Unschedulable: 0/3 nodes are available"),
            ),
        ] {
            assert_eq!(trouble(&[pod(&json!({})), pod(&status)]).as_deref(), expected, "{status}");
        }
    }

    #[test]
    fn trouble_goes_behind_the_own_message() {
        let status =
            |message: &str| Status { state: State::InProgress, reason: String::new(), message: message.into() };
        assert_eq!(with_trouble(status("Available: 0/1"), "pod a: X").message, "Available: 0/1; pod a: X");
        assert_eq!(with_trouble(status(""), "pod a: X").message, "pod a: X");
    }
}
