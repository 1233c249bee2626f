//! The rules of the built-in kinds, first match first.
//!
//! Deliberately not covered: a load balancer's external address, which is not awaited, and what a controller does while an object says
//! nothing of it.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::fields::{Condition, conditions, field, integer_or, text_or};
use crate::{ComputeError, Status, generations};

/// How long a pod may be unschedulable before it counts as failed.
const SCHEDULE_WINDOW: SignedDuration = SignedDuration::from_secs(15);

/// What the deployment controller takes for "no deadline".
const NO_DEADLINE: i64 = i32::MAX as i64;

/// The rule of a kind that has one.
pub(crate) fn by_kind(object: &Value, group: &str, kind: &str, now: Timestamp) -> Result<Option<Status>, ComputeError> {
    Ok(Some(match (group, kind) {
        ("", "Secret" | "ConfigMap") | ("batch", "CronJob") => Status::current("Resource is always ready"),
        ("", "Service") => service(object),
        ("", "PersistentVolumeClaim") => claim(object),
        ("", "Pod") => pod(object, now)?,
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps" | "extensions", "DaemonSet") => daemon_set(object, kind)?,
        ("apps" | "extensions", "Deployment") => deployment(object)?,
        ("apps" | "extensions", "ReplicaSet") => replica_set(object)?,
        ("policy", "PodDisruptionBudget") => Status::current("AllowedDisruptions has been computed."),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object)?,
        _ => return Ok(None),
    }))
}

/// Integers of an object's spec and status.
struct Counts<'o>(&'o Value);

impl Counts<'_> {
    fn spec(&self, name: &str, default: i64) -> i64 {
        integer_or(self.0, &["spec", name], default)
    }

    fn status(&self, name: &str) -> i64 {
        integer_or(self.0, &["status", name], 0)
    }
}

/// `<label>: <have>/<want>`, in progress, if there are fewer than wanted.
fn fewer(reason: &str, label: &str, have: i64, want: i64) -> Option<Status> {
    (want > have).then(|| Status::in_progress(reason, format!("{label}: {have}/{want}")))
}

/// More than wanted: some are still to end.
fn surplus(have: i64, want: i64) -> Option<Status> {
    (have > want).then(|| Status::in_progress("ExtraPods", format!("Pending termination: {}", have - want)))
}

fn service(object: &Value) -> Status {
    let balanced = text_or(object, &["spec", "type"], "ClusterIP") == "LoadBalancer";
    if balanced && text_or(object, &["spec", "clusterIP"], "").is_empty() {
        return Status::in_progress("NoIPAssigned", "ClusterIP not set. Service type: LoadBalancer");
    }
    Status::current("Service is ready")
}

fn claim(object: &Value) -> Status {
    match text_or(object, &["status", "phase"], "unknown") {
        "Bound" => Status::current("PVC is Bound"),
        phase => Status::in_progress("NotBound", format!("PVC is not Bound. phase: {phase}")),
    }
}

fn stateful_set(object: &Value) -> Status {
    if text_or(object, &["spec", "updateStrategy", "type"], "") == "OnDelete" {
        return Status::current("StatefulSet is using the ondelete update strategy");
    }
    let counts = Counts(object);
    let want = counts.spec("replicas", 1);
    let replicas = counts.status("replicas");
    let updated = counts.status("updatedReplicas");
    let scaling = fewer("LessReplicas", "Replicas", replicas, want)
        .or_else(|| fewer("LessReady", "Ready", counts.status("readyReplicas"), want))
        .or_else(|| surplus(replicas, want));
    if let Some(status) = scaling {
        return status;
    }
    let partition = integer_or(object, &["spec", "updateStrategy", "rollingUpdate", "partition"], -1);
    if partition != -1 {
        let rollout = fewer("PartitionRollout", "updated", updated, want.saturating_sub(partition));
        let complete = || Status::current(format!("Partition rollout complete. updated: {updated}"));
        return rollout.unwrap_or_else(complete);
    }
    if let Some(status) = fewer("LessCurrent", "current", counts.status("currentReplicas"), want) {
        return status;
    }
    let revision = |name: &str| text_or(object, &["status", name], "");
    if revision("currentRevision") != revision("updateRevision") {
        return Status::in_progress("RevisionMismatch", "Waiting for updated revision to match current");
    }
    Status::current(format!("All replicas scheduled as expected. Replicas: {replicas}"))
}

fn deployment(object: &Value) -> Result<Status, ComputeError> {
    let counts = Counts(object);
    let mut progressing = counts.spec("progressDeadlineSeconds", NO_DEADLINE) == NO_DEADLINE;
    let mut available = false;
    for condition in conditions(object)? {
        match condition.kind {
            "Progressing" if condition.reason == "ProgressDeadlineExceeded" => {
                return Ok(Status::failed(condition.reason, "Progress deadline exceeded"));
            }
            "Progressing" => progressing |= condition.is_true() && condition.reason == "NewReplicaSetAvailable",
            "Available" => available |= condition.is_true(),
            _ => {}
        }
    }
    let want = counts.spec("replicas", 1);
    let (replicas, updated) = (counts.status("replicas"), counts.status("updatedReplicas"));
    let scaling = fewer("LessReplicas", "Replicas", replicas, want)
        .or_else(|| fewer("LessUpdated", "Updated", updated, want))
        .or_else(|| surplus(replicas, want))
        .or_else(|| fewer("LessAvailable", "Available", counts.status("availableReplicas"), updated))
        .or_else(|| fewer("LessReady", "Ready", counts.status("readyReplicas"), want));
    if let Some(status) = scaling {
        return Ok(status);
    }
    Ok(match (progressing, available) {
        (false, _) => Status::in_progress("ReplicaSetNotAvailable", "ReplicaSet not Available"),
        (true, false) => Status::in_progress("DeploymentNotAvailable", "Deployment not Available"),
        (true, true) => Status::current(format!("Deployment is available. Replicas: {replicas}")),
    })
}

fn replica_set(object: &Value) -> Result<Status, ComputeError> {
    let failure = |condition: &Condition<'_>| condition.kind == "ReplicaFailure" && condition.is_true();
    if conditions(object)?.iter().any(failure) {
        return Ok(Status::in_progress("ReplicaFailure", "Replica Failure condition. Check Pods"));
    }
    let counts = Counts(object);
    let want = counts.spec("replicas", 1);
    let replicas = counts.status("replicas");
    let scaling = fewer("LessLabelled", "Labelled", counts.status("fullyLabeledReplicas"), want)
        .or_else(|| fewer("LessAvailable", "Available", counts.status("availableReplicas"), want))
        .or_else(|| fewer("LessReady", "Ready", counts.status("readyReplicas"), want))
        .or_else(|| surplus(replicas, want));
    Ok(scaling.unwrap_or_else(|| Status::current(format!("ReplicaSet is available. Replicas: {replicas}"))))
}

fn daemon_set(object: &Value, kind: &str) -> Result<Status, ComputeError> {
    let (generation, observed) = generations(object)?;
    if generation.is_none() {
        return Ok(Status::in_progress("NoGeneration", format!("{kind} metadata.generation not found")));
    }
    if observed.is_none() {
        return Ok(Status::in_progress("NoObservedGeneration", format!("{kind} status.observedGeneration not found")));
    }
    let counts = Counts(object);
    let want = integer_or(object, &["status", "desiredNumberScheduled"], -1);
    if want == -1 {
        return Ok(Status::in_progress("NoDesiredNumber", "Missing .status.desiredNumberScheduled"));
    }
    let scaling = fewer("LessCurrent", "Current", counts.status("currentNumberScheduled"), want)
        .or_else(|| fewer("LessUpdated", "Updated", counts.status("updatedNumberScheduled"), want))
        .or_else(|| fewer("LessAvailable", "Available", counts.status("numberAvailable"), want))
        .or_else(|| fewer("LessReady", "Ready", counts.status("numberReady"), want));
    Ok(scaling.unwrap_or_else(|| Status::current(format!("All replicas scheduled as expected. Replicas: {want}"))))
}

fn pod(object: &Value, now: Timestamp) -> Result<Status, ComputeError> {
    let conditions = conditions(object)?;
    let find = |kind: &str, status: &str| conditions.iter().find(|found| found.kind == kind && found.status == status);
    Ok(match text_or(object, &["status", "phase"], "") {
        "Succeeded" => Status::current("Pod has completed successfully"),
        "Failed" => Status::current("Pod has completed, but not successfully"),
        "Running" if find("Ready", "True").is_some() => Status::current("Pod is Ready"),
        "Running" => match crash_looping(object) {
            names if names.is_empty() => Status::in_progress("PodRunningNotReady", "Pod is running but is not Ready"),
            names => {
                let message = format!("Containers in CrashLoop state: {}", names.join(","));
                Status::failed("ContainerCrashLooping", message)
            }
        },
        "Pending" if find("PodScheduled", "False").is_some_and(|condition| condition.reason == "Unschedulable") => {
            if created(object).is_some_and(|created| now - SCHEDULE_WINDOW < created) {
                Status::in_progress("PodNotScheduled", "Pod has not been scheduled")
            } else {
                Status::failed("PodUnschedulable", "Pod could not be scheduled")
            }
        }
        "Pending" => Status::in_progress("PodPending", "Pod is in the Pending phase"),
        "" => Status::in_progress("PodNotObserved", "Pod phase not available"),
        phase => return Err(ComputeError::Phase(phase.to_owned())),
    })
}

fn created(object: &Value) -> Option<Timestamp> {
    text_or(object, &["metadata", "creationTimestamp"], "").parse().ok()
}

/// The names of containers that wait because they crash again and again.
fn crash_looping(object: &Value) -> Vec<&str> {
    let containers = field(object, &["status", "containerStatuses"]).ok().flatten().and_then(Value::as_array);
    let looping = |container: &&Value| text_or(container, &["state", "waiting", "reason"], "") == "CrashLoopBackOff";
    let name = |container| field(container, &["name"]).ok().flatten().and_then(Value::as_str);
    containers.into_iter().flatten().filter(looping).filter_map(name).collect()
}

/// A Job is done when it has completed, not when it has started; suspended, it is what it is meant to be.
pub(crate) fn job(object: &Value) -> Result<Status, ComputeError> {
    if field(object, &["spec", "suspend"]).ok().flatten().and_then(Value::as_bool) == Some(true) {
        return Ok(Status::current("Job is suspended"));
    }
    let counts = Counts(object);
    let parallelism = counts.spec("parallelism", 1);
    let completions = counts.spec("completions", parallelism);
    let (succeeded, failed) = (counts.status("succeeded"), counts.status("failed"));
    for condition in conditions(object)?.iter().filter(|condition| condition.is_true()) {
        match condition.kind {
            "Complete" => return Ok(Status::current(format!("Job Completed. succeeded: {succeeded}/{completions}"))),
            "Failed" => {
                return Ok(Status::failed("JobFailed", format!("Job Failed. failed: {failed}/{completions}")));
            }
            _ => {}
        }
    }
    if text_or(object, &["status", "startTime"], "").is_empty() {
        return Ok(Status::in_progress("JobNotStarted", format!("Job not started. active: 0/{parallelism}")));
    }
    let active = counts.status("active");
    let message = format!("Job in progress. success:{succeeded}, active: {active}, failed: {failed}");
    Ok(Status::in_progress("JobInProgress", message))
}

fn definition(object: &Value) -> Result<Status, ComputeError> {
    for condition in conditions(object)? {
        let Condition { kind, status, reason, message } = condition;
        match (kind, status) {
            ("NamesAccepted", "False") => return Ok(Status::failed(reason, message)),
            ("Established", "False") if reason != "Installing" => return Ok(Status::failed(reason, message)),
            ("Established", "True") => return Ok(Status::current("CRD is established")),
            _ => {}
        }
    }
    Ok(Status::in_progress("Installing", "Install in progress"))
}
