//! Tables of objects and what they are.

use serde_json::json;

use super::*;

fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().expect("a timestamp")
}

/// An object of an API version and a kind, with the fields of a JSON map besides.
fn object(api_version: &str, kind: &str, mut fields: Value) -> Value {
    fields["apiVersion"] = json!(api_version);
    fields["kind"] = json!(kind);
    fields
}

/// Rows of fields, state, reason and message for objects of one kind.
fn check(api_version: &str, kind: &str, rows: &[(Value, State, &str, &str)]) {
    for (fields, state, reason, message) in rows {
        let expected = Status { state: *state, reason: (*reason).to_owned(), message: (*message).to_owned() };
        assert_eq!(status(&object(api_version, kind, fields.clone()), now()), expected, "{kind} {fields}");
    }
}

fn condition(kind: &str, status: &str, reason: &str) -> Value {
    json!({"type": kind, "status": status, "reason": reason, "message": format!("about {reason}")})
}

use State::{Current, Failed, InProgress, Terminating, Unknown};

#[test]
fn custom_objects_are_judged_by_deletion_generation_and_conditions_in_this_order() {
    let deleted = json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "generation": 2});
    check(
        "example.com/v1",
        "Widget",
        &[
            (json!({}), Current, "", "Resource is current"),
            (json!({"status": null}), Current, "", "Resource is current"),
            (json!({"status": {"conditions": []}}), Current, "", "Resource is current"),
            (
                json!({"metadata": deleted, "status": {"observedGeneration": 1, "conditions": [condition("Stalled", "True", "A")]}}),
                Terminating,
                "",
                "Resource scheduled for deletion",
            ),
            (json!({"metadata": {"deletionTimestamp": ""}}), Current, "", "Resource is current"),
            (
                json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 1, "conditions": [condition("Ready", "True", "A")]}}),
                InProgress,
                "LatestGenerationNotObserved",
                "Widget generation is 2, but latest observed generation is 1",
            ),
            (
                json!({"metadata": {"generation": 1}, "status": {"observedGeneration": -1}}),
                InProgress,
                "LatestGenerationNotObserved",
                "Widget generation is 1, but latest observed generation is -1",
            ),
            (json!({"status": {"observedGeneration": 1}}), Current, "", "Resource is current"),
            (json!({"metadata": {"generation": 2}}), Current, "", "Resource is current"),
            (json!({"status": {"conditions": [condition("Ready", "True", "A")]}}), Current, "", "Resource is Ready"),
            (json!({"status": {"conditions": [condition("Ready", "False", "A")]}}), InProgress, "A", "about A"),
            (json!({"status": {"conditions": [condition("Ready", "Unknown", "A")]}}), InProgress, "A", "about A"),
            (json!({"status": {"conditions": [condition("Ready", "Maybe", "A")]}}), Current, "", "Resource is current"),
            (json!({"status": {"conditions": [condition("Other", "False", "A")]}}), Current, "", "Resource is current"),
            (
                json!({"status": {"conditions": [condition("Ready", "True", "A"), condition("Reconciling", "True", "B")]}}),
                InProgress,
                "B",
                "about B",
            ),
            (
                json!({"status": {"conditions": [condition("Stalled", "True", "A"), condition("Reconciling", "True", "B")]}}),
                Failed,
                "A",
                "about A",
            ),
            (
                json!({"status": {"conditions": [condition("Reconciling", "True", "A"), condition("Stalled", "True", "B")]}}),
                InProgress,
                "A",
                "about A",
            ),
            (
                json!({"status": {"conditions": [condition("Reconciling", "False", "A"), condition("Stalled", "False", "B")]}}),
                Current,
                "",
                "Resource is current",
            ),
            (json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}), InProgress, "", ""),
        ],
    );
}

#[test]
fn fields_of_a_wrong_type_leave_the_state_unknown() {
    check(
        "example.com/v1",
        "Widget",
        &[
            (
                json!({"metadata": {"generation": 1}, "status": {"observedGeneration": "1"}}),
                Unknown,
                "",
                "looking up status.observedGeneration from resource: .status.observedGeneration accessor error: 1 is of the type string, \
             expected int64",
            ),
            (
                json!({"metadata": {"generation": 1.5}}),
                Unknown,
                "",
                "looking up metadata.generation from resource: .metadata.generation accessor error: 1.5 is of the type float64, expected int64",
            ),
            (
                json!({"metadata": "text"}),
                Unknown,
                "",
                "looking up metadata.deletionTimestamp from resource: .metadata.deletionTimestamp accessor error: text is of the type string, \
             expected map[string]interface{}",
            ),
            (
                json!({"metadata": {"deletionTimestamp": null}}),
                Unknown,
                "",
                "looking up metadata.deletionTimestamp from resource: .metadata.deletionTimestamp accessor error: <nil> is of the type <nil>, \
             expected string",
            ),
            (
                json!({"status": {"conditions": "x"}}),
                Unknown,
                "",
                "cannot read something that is no list as part of the conditions",
            ),
            (
                json!({"status": {"conditions": [1]}}),
                Unknown,
                "",
                "cannot read an item that is no map as part of the conditions",
            ),
            (
                json!({"status": {"conditions": [{"type": 1}]}}),
                Unknown,
                "",
                "cannot read a field that is no string as part of the conditions",
            ),
            (json!({"status": 1}), Unknown, "", "cannot read a status that is no map as part of the conditions"),
        ],
    );
    for odd in [json!(null), json!(1), json!("text"), json!([])] {
        let state = status(&odd, now()).state;
        assert!(matches!(state, Current | Unknown), "{odd} is {state}");
    }
}

#[test]
fn secrets_config_maps_and_cron_jobs_are_always_current() {
    for (api_version, kind) in
        [("v1", "Secret"), ("v1", "ConfigMap"), ("batch/v1", "CronJob"), ("batch/v1beta1", "CronJob")]
    {
        let not_ready = json!({"status": {"conditions": [condition("Ready", "False", "A")]}});
        check(
            api_version,
            kind,
            &[
                (json!({}), Current, "", "Resource is always ready"),
                (not_ready, Current, "", "Resource is always ready"),
            ],
        );
    }
    // The same kind of another group is another kind.
    check("other/v1", "Secret", &[(json!({}), Current, "", "Resource is current")]);
}

#[test]
fn services_wait_for_a_cluster_address_only_as_load_balancers() {
    check(
        "v1",
        "Service",
        &[
            (json!({}), Current, "", "Service is ready"),
            (json!({"spec": {"type": "NodePort"}}), Current, "", "Service is ready"),
            (json!({"spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1"}}), Current, "", "Service is ready"),
            (
                json!({"spec": {"type": "LoadBalancer"}}),
                InProgress,
                "NoIPAssigned",
                "ClusterIP not set. Service type: LoadBalancer",
            ),
        ],
    );
    check("serving.knative.dev/v1", "Service", &[(json!({}), Current, "", "Resource is current")]);
}

#[test]
fn claims_wait_to_be_bound() {
    check(
        "v1",
        "PersistentVolumeClaim",
        &[
            (json!({}), InProgress, "NotBound", "PVC is not Bound. phase: unknown"),
            (json!({"status": {"phase": "Pending"}}), InProgress, "NotBound", "PVC is not Bound. phase: Pending"),
            (json!({"status": {"phase": "Bound"}}), Current, "", "PVC is Bound"),
        ],
    );
}

fn unschedulable(created: &Value) -> Value {
    let conditions = json!([condition("PodScheduled", "False", "Unschedulable")]);
    json!({"metadata": {"creationTimestamp": created}, "status": {"phase": "Pending", "conditions": conditions}})
}

fn looping(names: &[&str]) -> Value {
    let waiting = |name: &&str| json!({"name": name, "state": {"waiting": {"reason": "CrashLoopBackOff"}}});
    let mut containers: Vec<Value> = names.iter().map(waiting).collect();
    containers.push(json!({"name": "fine", "state": {"running": {}}}));
    containers.push(json!({"name": "slow", "state": {"waiting": {"reason": "ContainerCreating"}}}));
    json!({"status": {"phase": "Running", "containerStatuses": containers}})
}

#[test]
fn pods_follow_their_phase() {
    let ready = |phase: &str, status: &str| json!({"status": {"phase": phase, "conditions": [condition("Ready", status, "A")]}});
    check(
        "v1",
        "Pod",
        &[
            (json!({}), InProgress, "PodNotObserved", "Pod phase not available"),
            (ready("Running", "True"), Current, "", "Pod is Ready"),
            (ready("Running", "False"), InProgress, "PodRunningNotReady", "Pod is running but is not Ready"),
            (ready("Succeeded", "False"), Current, "", "Pod has completed successfully"),
            (ready("Failed", "False"), Current, "", "Pod has completed, but not successfully"),
            (ready("Pending", "False"), InProgress, "PodPending", "Pod is in the Pending phase"),
            (ready("Odd", "False"), Unknown, "", "unknown phase Odd"),
            (looping(&[]), InProgress, "PodRunningNotReady", "Pod is running but is not Ready"),
            (looping(&["a", "b"]), Failed, "ContainerCrashLooping", "Containers in CrashLoop state: a,b"),
            (
                unschedulable(&json!("2026-01-02T03:04:05Z")),
                InProgress,
                "PodNotScheduled",
                "Pod has not been scheduled",
            ),
            (
                unschedulable(&json!("2026-01-02T03:03:51Z")),
                InProgress,
                "PodNotScheduled",
                "Pod has not been scheduled",
            ),
            (unschedulable(&json!("2026-01-02T03:03:50Z")), Failed, "PodUnschedulable", "Pod could not be scheduled"),
            (unschedulable(&json!(null)), Failed, "PodUnschedulable", "Pod could not be scheduled"),
        ],
    );
}

#[test]
fn stateful_sets_count_replicas_then_partitions_then_revisions() {
    let with = |spec: Value, status: Value| json!({"spec": spec, "status": status});
    let four = || json!({"replicas": 4});
    let full = |changes: &[(&str, Value)]| {
        let mut status = json!({"replicas": 4, "readyReplicas": 4, "currentReplicas": 4, "updatedReplicas": 4});
        for (name, value) in changes {
            status[*name] = value.clone();
        }
        status
    };
    let partition =
        json!({"replicas": 4, "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}});
    check(
        "apps/v1",
        "StatefulSet",
        &[
            (json!({}), InProgress, "LessReplicas", "Replicas: 0/1"),
            (
                with(json!({"updateStrategy": {"type": "OnDelete"}}), json!({})),
                Current,
                "",
                "StatefulSet is using the ondelete update strategy",
            ),
            (with(four(), full(&[])), Current, "", "All replicas scheduled as expected. Replicas: 4"),
            (with(four(), full(&[("readyReplicas", json!(2))])), InProgress, "LessReady", "Ready: 2/4"),
            (with(four(), full(&[("replicas", json!(8))])), InProgress, "ExtraPods", "Pending termination: 4"),
            (with(four(), full(&[("currentReplicas", json!(2))])), InProgress, "LessCurrent", "current: 2/4"),
            (
                with(four(), full(&[("currentRevision", json!("a")), ("updateRevision", json!("b"))])),
                InProgress,
                "RevisionMismatch",
                "Waiting for updated revision to match current",
            ),
            (
                with(partition.clone(), full(&[("updatedReplicas", json!(1))])),
                InProgress,
                "PartitionRollout",
                "updated: 1/2",
            ),
            (
                with(partition, full(&[("updatedReplicas", json!(2))])),
                Current,
                "",
                "Partition rollout complete. updated: 2",
            ),
            (with(json!({"replicas": 0}), json!({})), Current, "", "All replicas scheduled as expected. Replicas: 0"),
        ],
    );
}

#[test]
fn deployments_need_their_replicas_their_progress_and_to_be_available() {
    let available = || condition("Available", "True", "MinimumReplicasAvailable");
    let done = || condition("Progressing", "True", "NewReplicaSetAvailable");
    let with = |changes: Value, deadline: Value, conditions: Value| {
        let mut status = json!({"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1});
        for (name, value) in changes.as_object().into_iter().flatten() {
            status[name.as_str()] = value.clone();
        }
        status["conditions"] = conditions;
        json!({"spec": {"progressDeadlineSeconds": deadline}, "status": status})
    };
    for api_version in ["apps/v1", "extensions/v1beta1"] {
        check(
            api_version,
            "Deployment",
            &[
                (json!({}), InProgress, "LessReplicas", "Replicas: 0/1"),
                (
                    with(json!({}), json!(600), json!([done(), available()])),
                    Current,
                    "",
                    "Deployment is available. Replicas: 1",
                ),
                (
                    with(json!({}), json!(null), json!([available()])),
                    Current,
                    "",
                    "Deployment is available. Replicas: 1",
                ),
                (
                    with(json!({}), json!(i32::MAX), json!([available()])),
                    Current,
                    "",
                    "Deployment is available. Replicas: 1",
                ),
                (
                    with(json!({}), json!(45), json!([condition("Progressing", "False", "Some"), available()])),
                    InProgress,
                    "ReplicaSetNotAvailable",
                    "ReplicaSet not Available",
                ),
                (
                    with(
                        json!({}),
                        json!(45),
                        json!([condition("Progressing", "True", "ReplicaSetUpdated"), available()]),
                    ),
                    InProgress,
                    "ReplicaSetNotAvailable",
                    "ReplicaSet not Available",
                ),
                (
                    with(json!({}), json!(45), json!([done(), condition("Available", "False", "A")])),
                    InProgress,
                    "DeploymentNotAvailable",
                    "Deployment not Available",
                ),
                (
                    with(
                        json!({"replicas": 0}),
                        json!(45),
                        json!([condition("Progressing", "False", "ProgressDeadlineExceeded")]),
                    ),
                    Failed,
                    "ProgressDeadlineExceeded",
                    "Progress deadline exceeded",
                ),
                (with(json!({"updatedReplicas": 0}), json!(1), json!([])), InProgress, "LessUpdated", "Updated: 0/1"),
                (with(json!({"replicas": 3}), json!(1), json!([])), InProgress, "ExtraPods", "Pending termination: 2"),
                (
                    with(json!({"availableReplicas": 0}), json!(1), json!([])),
                    InProgress,
                    "LessAvailable",
                    "Available: 0/1",
                ),
                (with(json!({"readyReplicas": 0}), json!(1), json!([])), InProgress, "LessReady", "Ready: 0/1"),
            ],
        );
    }
}

#[test]
fn replica_sets_fail_to_finish_while_a_condition_says_so() {
    let with = |changes: Value| {
        let mut status = json!({"replicas": 4, "fullyLabeledReplicas": 4, "readyReplicas": 4, "availableReplicas": 4});
        for (name, value) in changes.as_object().into_iter().flatten() {
            status[name.as_str()] = value.clone();
        }
        json!({"spec": {"replicas": 4}, "status": status})
    };
    check(
        "apps/v1",
        "ReplicaSet",
        &[
            (json!({}), InProgress, "LessLabelled", "Labelled: 0/1"),
            (with(json!({})), Current, "", "ReplicaSet is available. Replicas: 4"),
            (with(json!({"readyReplicas": 2})), InProgress, "LessReady", "Ready: 2/4"),
            (with(json!({"availableReplicas": 2})), InProgress, "LessAvailable", "Available: 2/4"),
            (with(json!({"replicas": 5})), InProgress, "ExtraPods", "Pending termination: 1"),
            (
                with(json!({"conditions": [condition("ReplicaFailure", "True", "A")]})),
                InProgress,
                "ReplicaFailure",
                "Replica Failure condition. Check Pods",
            ),
            (
                with(json!({"conditions": [condition("ReplicaFailure", "False", "A")]})),
                Current,
                "",
                "ReplicaSet is available. Replicas: 4",
            ),
        ],
    );
}

#[test]
fn daemon_sets_must_have_been_seen_by_their_controller() {
    let with = |changes: Value| {
        let mut status = json!({
            "observedGeneration": 1, "desiredNumberScheduled": 4, "currentNumberScheduled": 4, "updatedNumberScheduled": 4,
            "numberAvailable": 4, "numberReady": 4,
        });
        for (name, value) in changes.as_object().into_iter().flatten() {
            status[name.as_str()] = value.clone();
        }
        json!({"metadata": {"generation": 1}, "status": status})
    };
    check(
        "apps/v1",
        "DaemonSet",
        &[
            (json!({}), InProgress, "NoGeneration", "DaemonSet metadata.generation not found"),
            (
                json!({"metadata": {"generation": 1}}),
                InProgress,
                "NoObservedGeneration",
                "DaemonSet status.observedGeneration not found",
            ),
            (
                json!({"metadata": {"generation": 1}, "status": {"observedGeneration": 1}}),
                InProgress,
                "NoDesiredNumber",
                "Missing .status.desiredNumberScheduled",
            ),
            (with(json!({})), Current, "", "All replicas scheduled as expected. Replicas: 4"),
            (
                with(json!({"observedGeneration": 2})),
                InProgress,
                "LatestGenerationNotObserved",
                "DaemonSet generation is 1, but latest observed generation is 2",
            ),
            (with(json!({"currentNumberScheduled": 2})), InProgress, "LessCurrent", "Current: 2/4"),
            (with(json!({"updatedNumberScheduled": 2})), InProgress, "LessUpdated", "Updated: 2/4"),
            (with(json!({"numberAvailable": 2})), InProgress, "LessAvailable", "Available: 2/4"),
            (with(json!({"numberReady": 2})), InProgress, "LessReady", "Ready: 2/4"),
        ],
    );
}

#[test]
fn jobs_are_in_progress_until_they_complete_and_current_when_suspended() {
    let deleted = json!({"deletionTimestamp": "2026-01-01T00:00:00Z", "generation": 2});
    let started = |status: Value| json!({"spec": {"completions": 3}, "status": status});
    check(
        "batch/v1",
        "Job",
        &[
            (json!({}), InProgress, "JobNotStarted", "Job not started. active: 0/1"),
            (json!({"spec": {"parallelism": 3}}), InProgress, "JobNotStarted", "Job not started. active: 0/3"),
            (
                started(json!({"startTime": "2026-01-01T00:00:00Z", "succeeded": 1, "active": 2, "failed": 1})),
                InProgress,
                "JobInProgress",
                "Job in progress. success:1, active: 2, failed: 1",
            ),
            (
                started(json!({"succeeded": 3, "conditions": [condition("Complete", "True", "A")]})),
                Current,
                "",
                "Job Completed. succeeded: 3/3",
            ),
            (
                started(json!({"failed": 2, "conditions": [condition("Failed", "True", "A")]})),
                Failed,
                "JobFailed",
                "Job Failed. failed: 2/3",
            ),
            (
                started(json!({"conditions": [condition("Complete", "False", "A")]})),
                InProgress,
                "JobNotStarted",
                "Job not started. active: 0/1",
            ),
            (json!({"spec": {"suspend": true}, "metadata": deleted}), Current, "", "Job is suspended"),
            (
                json!({"metadata": deleted, "status": {"observedGeneration": 1}}),
                InProgress,
                "JobNotStarted",
                "Job not started. active: 0/1",
            ),
        ],
    );
}

#[test]
fn budgets_are_current_once_observed() {
    check(
        "policy/v1",
        "PodDisruptionBudget",
        &[
            (
                json!({"metadata": {"generation": 1}, "status": {"observedGeneration": 1}}),
                Current,
                "",
                "AllowedDisruptions has been computed.",
            ),
            (
                json!({"metadata": {"generation": 2}, "status": {"observedGeneration": 1}}),
                InProgress,
                "LatestGenerationNotObserved",
                "PodDisruptionBudget generation is 2, but latest observed generation is 1",
            ),
        ],
    );
}

#[test]
fn definitions_wait_to_be_established() {
    let with = |conditions: Value| json!({"status": {"conditions": conditions}});
    check(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        &[
            (json!({}), InProgress, "Installing", "Install in progress"),
            (
                with(json!([condition("Established", "False", "Installing")])),
                InProgress,
                "Installing",
                "Install in progress",
            ),
            (with(json!([condition("Established", "False", "Broken")])), Failed, "Broken", "about Broken"),
            (with(json!([condition("NamesAccepted", "False", "Taken")])), Failed, "Taken", "about Taken"),
            (
                with(json!([condition("NamesAccepted", "True", "A"), condition("Established", "True", "B")])),
                Current,
                "",
                "CRD is established",
            ),
        ],
    );
}

#[test]
fn failed_pods_fail_what_is_in_progress_unless_they_leave_or_wait_for_a_node() {
    let pod = |fields: Value| object("v1", "Pod", fields);
    let mut leaving = looping(&["a"]);
    leaving["metadata"] = json!({"deletionTimestamp": "2026-01-01T00:00:00Z"});
    let harmless = [pod(unschedulable(&json!(null))), pod(leaving), pod(looping(&[])), json!(null)];
    let broken = pod(looping(&["a"]));
    let set = object("apps/v1", "StatefulSet", json!({}));
    let waiting = status(&set, now());
    assert_eq!(waiting.clone().with_pods(&[], now()), waiting);
    assert_eq!(waiting.clone().with_pods(&harmless, now()), waiting);
    let mixed = [harmless.to_vec(), vec![broken.clone(), broken.clone()]].concat();
    let failed = Status { state: Failed, reason: String::new(), message: "2 pods have failed".to_owned() };
    assert_eq!(waiting.with_pods(&mixed, now()), failed);
    let current = Status::current("fine");
    assert_eq!(current.clone().with_pods(&[broken], now()), current);
}

#[test]
fn only_stateful_sets_and_replica_sets_select_pods() {
    let kinds = [
        ("apps/v1", "StatefulSet", true),
        ("apps/v1", "ReplicaSet", true),
        ("extensions/v1beta1", "ReplicaSet", true),
        ("apps/v1", "Deployment", false),
        ("apps/v1", "DaemonSet", false),
        ("batch/v1", "Job", false),
        ("v1", "StatefulSet", false),
    ];
    for (api_version, kind, expected) in kinds {
        assert_eq!(selects_pods(&object(api_version, kind, json!({}))), expected, "{api_version} {kind}");
    }
}

#[test]
fn states_print_as_in_messages_about_health() {
    let printed = [InProgress, Failed, Current, Terminating, State::NotFound, Unknown].map(|state| state.to_string());
    assert_eq!(printed, ["InProgress", "Failed", "Current", "Terminating", "NotFound", "Unknown"]);
    assert_eq!(Status::not_found().message, "Resource not found");
    assert_eq!(Status::unknown("no mapping").state, Unknown);
}
