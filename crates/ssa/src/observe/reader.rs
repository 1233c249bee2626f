//! Reading one object, and what its health needs beside it: pods, and for Deployments the right to list their replica sets.
//!
//! Deliberately not here: when to read (`wait`).

use std::sync::Arc;

use jiff::Timestamp;
use kube::api::ListParams;
use kube::core::Request;
use serde_json::Value;
use sluice_kstatus::{State, Status, selects_pods};
use sluice_manifest::{Gvk, Object, ObjectId};
use tokio::sync::Semaphore;

use super::explain::trouble;
use super::health::{HealthTarget, IfAbsent};
use super::judge::{By, Judged, ReaderOrder, bounded, by_kind, judge};
use super::page::read_page;
use crate::discovery::Discovery;
use crate::error::RequestError;
use crate::request::Requests;
use crate::resource::Resource;
use sluice_expressions::HealthChecks;

/// Pods that are looked at for one object.
const MAX_PODS: u32 = 500;

/// How long one list may take.
const LIST_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(70);

/// Whether the replica sets of a Deployment are listed. Nothing follows from them, but whoever may not list them cannot tell its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ReplicaSets {
    List,
    Skip,
}

/// By what an object is judged.
#[derive(Clone)]
pub(super) struct Rules {
    pub(super) checks: Arc<HealthChecks>,
    pub(super) order: ReaderOrder,
    pub(super) replica_sets: ReplicaSets,
}

/// What a read came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reading {
    /// A state, at a resource version if the object is there.
    Status { resource_version: u64, status: Status },
    /// The kind has namespaces, and the target names none.
    NoNamespace,
}

/// Reads objects of one cluster under one identity.
#[derive(Clone)]
pub(super) struct Reader {
    client: kube::Client,
    requests: Requests,
    discovery: Arc<Discovery>,
    permits: Arc<Semaphore>,
}

impl Reader {
    /// At most `at_once` reads run at the same time.
    pub(super) fn new(client: kube::Client, discovery: Arc<Discovery>, at_once: usize) -> Self {
        let permits = Arc::new(Semaphore::new(at_once));
        Self { requests: Requests::new(client.clone(), ""), client, discovery, permits }
    }

    /// The live object.
    pub(super) async fn get(&self, id: &ObjectId, version: &str) -> Result<Option<Object>, RequestError> {
        let gvk = Gvk { group: id.group.clone(), version: version.to_owned(), kind: id.kind.clone() };
        let resource = self.discovery.resolve_any_version(&gvk).await?;
        self.requests.get(&resource, id).await
    }

    /// Reads a target and judges it.
    pub(super) async fn read(&self, target: &HealthTarget, rules: &Rules) -> Reading {
        let Ok(_permit) = self.permits.acquire().await else { return unknown(0, "reading has ended") };
        let id = &target.id;
        let gvk = Gvk { group: id.group.clone(), version: target.version.clone(), kind: id.kind.clone() };
        let resource = match self.discovery.resolve_any_version(&gvk).await {
            Ok(resource) => resource,
            Err(error) => return unknown(0, error),
        };
        if resource.namespaced && id.namespace.is_empty() {
            return Reading::NoNamespace;
        }
        match self.requests.get(&resource, id).await {
            Ok(Some(live)) => self.judge(live, rules).await,
            Ok(None) => Reading::Status { resource_version: 0, status: absent(target.if_absent) },
            Err(error) => unknown(0, error),
        }
    }

    async fn judge(&self, live: Object, rules: &Rules) -> Reading {
        let resource_version = live.resource_version().parse().unwrap_or(0);
        let namespace = live.namespace().to_owned();
        let deployment = live.kind() == "Deployment" && matches!(live.group(), "apps" | "extensions");
        let live = live.into_value();
        let Judged { status, by } = judge(&live, &rules.checks, rules.order, Timestamp::now());
        let outcome = match by {
            By::Kind if deployment && rules.replica_sets == ReplicaSets::List => {
                let sets =
                    Resource { gvk: Gvk::new("apps/v1", "ReplicaSet"), plural: "replicasets".into(), namespaced: true };
                self.list(&sets, &namespace, &live, 1).await.map(|_| status)
            }
            By::Kind if status.state == State::InProgress && selects_pods(&live) => {
                let pods = Resource { gvk: Gvk::new("v1", "Pod"), plural: "pods".into(), namespaced: true };
                let pods = self.list(&pods, &namespace, &live, MAX_PODS).await;
                pods.map(|pods| with_pods(status, &pods, Timestamp::now()))
            }
            By::Kind | By::Expressions => Ok(status),
        };
        match outcome {
            Ok(status) => Reading::Status { resource_version, status },
            Err(error) => unknown(resource_version, error),
        }
    }

    /// Why the pods of a workload do not run, if that can be found out.
    pub(super) async fn trouble(&self, target: &HealthTarget) -> Option<String> {
        let live = self.get(&target.id, &target.version).await.ok()??.into_value();
        let pods = Resource { gvk: Gvk::new("v1", "Pod"), plural: "pods".into(), namespaced: true };
        trouble(&self.list(&pods, &target.id.namespace, &live, MAX_PODS).await.ok()?)
    }

    /// The objects that an object's selector selects.
    async fn list(
        &self,
        resource: &Resource,
        namespace: &str,
        owner: &Value,
        limit: u32,
    ) -> Result<Vec<Value>, RequestError> {
        let params = ListParams { label_selector: selector(owner), limit: Some(limit), ..ListParams::default() };
        let request = Request::new(resource.collection(namespace)?).list(&params);
        let request = request.map_err(|error| RequestError::Transport(error.to_string()))?;
        let asked = tokio::time::timeout(LIST_TIMEOUT, self.client.request_text(request)).await;
        let text = asked
            .map_err(|_| RequestError::Timeout { seconds: LIST_TIMEOUT.as_secs() })?
            .map_err(|error| RequestError::other(&error))?;
        let mut items = Vec::new();
        read_page(&text, |mut item| {
            if let Some(fields) = item.as_object_mut() {
                fields.entry("apiVersion").or_insert_with(|| resource.gvk.api_version().into());
                fields.entry("kind").or_insert_with(|| resource.gvk.kind.clone().into());
            }
            items.push(item);
        })
        .map_err(|error| RequestError::Answer(error.to_string()))?;
        Ok(items)
    }
}

/// The state of an object that is not there.
pub(super) fn absent(if_absent: IfAbsent) -> Status {
    let state = match if_absent {
        IfAbsent::Wait => return Status::not_found(),
        IfAbsent::Healthy => State::Current,
    };
    Status { state, reason: String::new(), message: String::new() }
}

fn unknown(resource_version: u64, error: impl std::fmt::Display) -> Reading {
    Reading::Status { resource_version, status: bounded(Status::unknown(error)) }
}

/// The status with its pods, naming one that failed and its reason.
fn with_pods(status: Status, pods: &[Value], now: Timestamp) -> Status {
    let mut status = status.with_pods(pods, now);
    if status.state == State::Failed {
        let failed = pods.iter().map(|pod| (pod, by_kind(pod, now)));
        let mut failed =
            failed.filter(|(_, judged)| judged.state == State::Failed && judged.reason != "PodUnschedulable");
        if let Some((pod, judged)) = failed.next() {
            let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            status.message = format!("{}: {name}: {}", status.message, judged.message);
        }
    }
    bounded(status)
}

/// `spec.selector` in the form of a query. An unknown operator selects nothing special: the server then returns more, never less.
fn selector(object: &Value) -> Option<String> {
    let selector = object.pointer("/spec/selector")?;
    let labels = selector.get("matchLabels").and_then(Value::as_object).into_iter().flatten();
    let mut parts: Vec<String> = labels.filter_map(|(key, value)| Some(format!("{key}={}", value.as_str()?))).collect();
    let expressions = selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten();
    parts.extend(expressions.filter_map(|expression| {
        let text = |name: &str| expression.get(name).and_then(Value::as_str);
        let key = text("key")?;
        let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
        let values = values.filter_map(Value::as_str).collect::<Vec<_>>().join(",");
        match text("operator")? {
            "In" => Some(format!("{key} in ({values})")),
            "NotIn" => Some(format!("{key} notin ({values})")),
            "Exists" => Some(key.to_owned()),
            "DoesNotExist" => Some(format!("!{key}")),
            _ => None,
        }
    }));
    (!parts.is_empty()).then(|| parts.join(","))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn selectors_are_written_as_queries() {
        for (spec, expected) in [
            (json!({"selector": {"matchLabels": {"app": "web", "tier": "front"}}}), Some("app=web,tier=front")),
            (
                json!({"selector": {"matchLabels": {"app": "web"}, "matchExpressions": [
                    {"key": "a", "operator": "In", "values": ["1", "2"]}, {"key": "b", "operator": "NotIn", "values": ["3"]},
                    {"key": "c", "operator": "Exists"}, {"key": "d", "operator": "DoesNotExist"}, {"key": "e", "operator": "Odd"}]}}),
                Some("app=web,a in (1,2),b notin (3),c,!d"),
            ),
            (json!({"selector": {}}), None),
            (json!({}), None),
        ] {
            assert_eq!(selector(&json!({"spec": spec})).as_deref(), expected, "{spec}");
        }
    }

    #[test]
    fn a_failed_pod_is_named_with_its_reason() {
        let pod = |name: &str, reason: &str| {
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "status": {"phase": "Running",
                "containerStatuses": [{"name": "app", "state": {"waiting": {"reason": reason}}}]}})
        };
        let status = Status { state: State::InProgress, reason: String::new(), message: "Ready: 0/2".into() };
        let pods = [pod("web-0", "ContainerCreating"), pod("web-1", "CrashLoopBackOff")];
        let failed = with_pods(status.clone(), &pods, Timestamp::UNIX_EPOCH);
        let message = "1 pods have failed: web-1: Containers in CrashLoop state: app";
        assert_eq!((failed.state, failed.message.as_str()), (State::Failed, message));
        assert_eq!(with_pods(status.clone(), &pods[..1], Timestamp::UNIX_EPOCH), status);
    }

    #[test]
    fn an_absent_job_with_a_time_to_live_is_healthy() {
        assert_eq!(absent(IfAbsent::Wait).state, State::NotFound);
        assert_eq!(absent(IfAbsent::Healthy).state, State::Current);
    }
}
