//! Random objects of all kinds that the built-in tables mention, and of some that they do not.
//!
//! Objects are plausible, not valid: no API server sees them.

use fastrand::Rng;
use serde_json::{Map, Value, json};

use super::pods::{pod_spec, template};
use super::scalars::{NAMES, chance, choose, odd, pick, tame, text};
use super::tree::{flow, raw};

const RBAC: &str = "rbac.authorization.k8s.io/v1";

/// API version and kind, most frequent kinds repeated.
const KINDS: [(&str, &str); 53] = [
    ("apps/v1", "Deployment"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "Deployment"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "StatefulSet"),
    ("apps/v1", "DaemonSet"),
    ("apps/v1", "ReplicaSet"),
    ("batch/v1", "Job"),
    ("batch/v1", "CronJob"),
    ("batch/v1beta1", "CronJob"),
    ("v1", "Pod"),
    ("v1", "Pod"),
    ("v1", "PodTemplate"),
    ("v1", "ReplicationController"),
    ("v1", "Service"),
    ("v1", "Service"),
    ("v1", "Service"),
    ("v1", "ConfigMap"),
    ("v1", "ConfigMap"),
    ("v1", "ConfigMap"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "Secret"),
    ("v1", "ServiceAccount"),
    ("v1", "ServiceAccount"),
    ("v1", "Namespace"),
    ("v1", "PersistentVolume"),
    ("v1", "PersistentVolumeClaim"),
    ("v1", "Endpoints"),
    ("v1", "LimitRange"),
    ("v1", "ResourceQuota"),
    ("v1", "Node"),
    ("networking.k8s.io/v1", "Ingress"),
    ("networking.k8s.io/v1beta1", "Ingress"),
    ("networking.k8s.io/v1", "IngressClass"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    (RBAC, "Role"),
    (RBAC, "RoleBinding"),
    (RBAC, "ClusterRole"),
    (RBAC, "ClusterRoleBinding"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("policy/v1", "PodDisruptionBudget"),
    ("storage.k8s.io/v1", "StorageClass"),
    ("scheduling.k8s.io/v1", "PriorityClass"),
    ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ("apiregistration.k8s.io/v1", "APIService"),
    ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration"),
    ("admissionregistration.k8s.io/v1", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io/v1", "ValidatingAdmissionPolicyBinding"),
    ("serving.knative.dev/v1", "Service"),
    ("example.com/v1", "Widget"),
    ("example.com/v1", "Widget"),
];

/// A random API version and kind.
pub(super) fn any_kind(rng: &mut Rng) -> (&'static str, &'static str) {
    KINDS[rng.usize(..KINDS.len())]
}

/// An object of a kind with a name; the namespace may be absent.
pub(super) fn object(rng: &mut Rng, api_version: &str, kind: &str, name: &str) -> Value {
    let mut object = json!({"apiVersion": api_version, "kind": kind, "metadata": metadata(rng, name)});
    for (field, value) in fields(rng, api_version, kind) {
        object[field] = value;
    }
    if chance(rng, 3) {
        object["status"] =
            json!({"conditions": [{"type": "Ready", "status": "True"}, {"type": pick(rng, &NAMES)}], "x": odd(rng)});
    }
    object
}

fn metadata(rng: &mut Rng, name: &str) -> Value {
    let mut metadata = json!({"name": name});
    if chance(rng, 30) {
        metadata["labels"] = labels(rng);
    }
    if chance(rng, 20) {
        let key = pick(
            rng,
            &[
                "note",
                "example.com/long",
                "ingress.kubernetes.io/auth-secret",
                "nginx.ingress.kubernetes.io/auth-tls-secret",
            ],
        );
        metadata["annotations"] = json!({key: text(rng)});
        if chance(rng, 4) {
            metadata["annotations"]["config.kubernetes.io/local-config"] = json!("true");
        }
        if chance(rng, 5) {
            let value = odd(rng);
            // Whether a value is encoded is known to the reader only.
            metadata["annotations"]["odd"] = if value.to_string().contains("!!binary") { json!("web") } else { value };
        }
    }
    if chance(rng, 4) {
        metadata["finalizers"] = json!([pick(rng, &NAMES), "f.example.com/x"]);
    }
    if chance(rng, 3) {
        metadata["creationTimestamp"] = raw("null");
    }
    if chance(rng, 15) { flow(metadata) } else { metadata }
}

/// A few labels.
pub(super) fn labels(rng: &mut Rng) -> Value {
    let mut labels = Map::new();
    for _ in 0..rng.usize(1..4) {
        labels.insert(
            pick(rng, &["app", "tier", "example.com/team", "app.kubernetes.io/name"]).to_owned(),
            tame(rng).into(),
        );
    }
    let labels = Value::Object(labels);
    if chance(rng, 30) { flow(labels) } else { labels }
}

/// A selector of labels, sometimes with expressions.
pub(super) fn selector(rng: &mut Rng) -> Value {
    let mut selector = json!({"matchLabels": labels(rng)});
    if chance(rng, 15) {
        selector["matchExpressions"] = json!([{"key": "app", "operator": "In", "values": [tame(rng), tame(rng)]}]);
    }
    selector
}

fn spec(value: Value) -> Vec<(&'static str, Value)> {
    vec![("spec", value)]
}

fn fields(rng: &mut Rng, api_version: &str, kind: &str) -> Vec<(&'static str, Value)> {
    match kind {
        "Pod" => spec(pod_spec(rng)),
        "PodTemplate" => vec![("template", template(rng))],
        "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job" | "ReplicationController" => {
            spec(workload(rng, kind))
        }
        "CronJob" => spec(json!({"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": template(rng)}}})),
        "Service" if api_version != "v1" => spec(json!({"template": template(rng)})),
        "Service" => spec(service(rng)),
        "ConfigMap" | "Secret" => data(rng, kind),
        "ServiceAccount" => vec![
            ("imagePullSecrets", json!([{"name": pick(rng, &NAMES)}])),
            ("secrets", json!([{"name": pick(rng, &NAMES)}, {"name": "other"}])),
        ],
        "Role" | "ClusterRole" => vec![(
            "rules",
            json!([{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": [pick(rng, &NAMES), pick(rng, &NAMES)], "verbs": ["get"]}]),
        )],
        "RoleBinding" | "ClusterRoleBinding" => binding(rng, kind),
        "HorizontalPodAutoscaler" => spec(json!({
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": pick(rng, &["Deployment", "StatefulSet"]), "name": pick(rng, &NAMES)},
            "maxReplicas": rng.u8(1..9),
        })),
        "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration" => vec![(
            "webhooks",
            json!([
                {"name": "one.example.com", "clientConfig": {"service": {"name": pick(rng, &NAMES), "namespace": pick(rng, &["default", "shop"]), "path": "/v"}}},
                {"name": pick(rng, &NAMES), "rules": [{"operations": ["CREATE"]}]},
            ]),
        )],
        "StorageClass" => vec![
            ("provisioner", json!("example.com/disk")),
            ("parameters", json!({"secretName": pick(rng, &NAMES), "x": tame(rng)})),
        ],
        "PriorityClass" => vec![("value", json!(1000))],
        "Endpoints" => vec![("subsets", json!([{"addresses": [{"ip": "10.0.0.1"}], "ports": [{"port": 80}]}]))],
        "Namespace" => Vec::new(),
        _ => spec(other(rng, api_version, kind)),
    }
}

fn workload(rng: &mut Rng, kind: &str) -> Value {
    let mut spec = json!({"template": template(rng)});
    if chance(rng, 40) {
        spec["replicas"] = json!(rng.u8(0..4));
    }
    if chance(rng, 50) {
        spec["selector"] = if kind == "ReplicationController" { labels(rng) } else { selector(rng) };
    }
    match kind {
        "Deployment" if chance(rng, 15) => {
            spec["strategy"] = json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": odd(rng)}});
        }
        "StatefulSet" => {
            spec["serviceName"] = json!(pick(rng, &NAMES));
            if chance(rng, 30) {
                spec["volumeClaimTemplates"] = json!([{"metadata": {"name": "data"}, "spec": {"storageClassName": pick(rng, &NAMES), "nfs": {"server": "$(WHO)"}}}]);
            }
        }
        _ => {}
    }
    spec
}

fn service(rng: &mut Rng) -> Value {
    let mut spec = json!({"ports": (0..rng.usize(1..4)).map(|_| {
        let mut port = json!({"port": choose(rng, [80, 443, 8080])});
        if chance(rng, 50) { port["protocol"] = json!(pick(rng, &["TCP", "UDP"])); }
        if chance(rng, 50) { port["targetPort"] = odd(rng); }
        port
    }).collect::<Vec<_>>()});
    if chance(rng, 70) {
        spec["selector"] = labels(rng);
    }
    spec
}

fn data(rng: &mut Rng, kind: &str) -> Vec<(&'static str, Value)> {
    let mut data = Map::new();
    for _ in 0..rng.usize(0..5) {
        let key =
            pick(rng, &["a", "b", "z1", "z10", "z9", "KEY", "app.conf", "y", "10", "1a", "9", "01", "_x", "é", "null"]);
        let value = if kind == "Secret" && chance(rng, 80) {
            json!("aGVsbG8=")
        } else if chance(rng, 80) {
            text(rng)
        } else {
            odd(rng)
        };
        data.insert(key.to_owned(), value);
    }
    let mut fields = vec![("data", Value::Object(data))];
    if kind == "Secret" && chance(rng, 40) {
        fields.push(("stringData", json!({"a": text(rng)})));
    }
    if chance(rng, 5) {
        fields.push(("immutable", json!(true)));
    }
    fields
}

fn binding(rng: &mut Rng, kind: &str) -> Vec<(&'static str, Value)> {
    let role = if kind == "ClusterRoleBinding" { "ClusterRole" } else { pick(rng, &["Role", "ClusterRole"]) };
    let subjects: Vec<Value> = (0..rng.usize(1..3))
        .map(|_| {
            let mut subject = json!({"kind": pick(rng, &["ServiceAccount", "ServiceAccount", "User"]), "name": pick(rng, &["web", "api", "default"])});
            if chance(rng, 60) {
                subject["namespace"] = json!(pick(rng, &["default", "shop", "zoo"]));
            }
            subject
        })
        .collect();
    vec![
        ("roleRef", json!({"apiGroup": "rbac.authorization.k8s.io", "kind": role, "name": pick(rng, &NAMES)})),
        ("subjects", Value::Array(subjects)),
    ]
}

fn other(rng: &mut Rng, api_version: &str, kind: &str) -> Value {
    match kind {
        "PersistentVolumeClaim" => {
            json!({"storageClassName": pick(rng, &NAMES), "volumeName": pick(rng, &NAMES), "resources": {"requests": {"storage": "1Gi"}}})
        }
        "PersistentVolume" => {
            json!({"storageClassName": pick(rng, &NAMES), "nfs": {"server": "$(WHO).local"}, "azureFile": {"secretName": pick(rng, &NAMES)}})
        }
        "LimitRange" => json!({"limits": [{"type": "Container", "default": {"cpu": odd(rng)}}]}),
        "ResourceQuota" => json!({"hard": {"pods": odd(rng), "cpu": "1"}}),
        "Node" => {
            json!({"configSource": {"configMap": {"name": pick(rng, &NAMES), "namespace": "shop"}}, "podCIDRs": ["10.0.0.0/24"]})
        }
        "Ingress" if api_version.ends_with("beta1") => json!({
            "tls": [{"hosts": ["$(WHO).example.com"], "secretName": pick(rng, &NAMES)}],
            "rules": [{"host": "a.example.com", "http": {"paths": [{"path": "/", "backend": {"serviceName": pick(rng, &NAMES), "servicePort": 80}}]}}],
        }),
        "Ingress" => json!({
            "ingressClassName": pick(rng, &NAMES),
            "defaultBackend": {"service": {"name": pick(rng, &NAMES), "port": {"number": 80}}},
            "rules": [{"host": "$(WHO)", "http": {"paths": [{"path": "/", "backend": {"service": {"name": pick(rng, &NAMES)}}}]}}],
        }),
        "IngressClass" => json!({"controller": "example.com/ingress"}),
        "NetworkPolicy" => {
            json!({"podSelector": selector(rng), "ingress": [{"from": [{"podSelector": selector(rng)}, {"namespaceSelector": {}}]}]})
        }
        "PodDisruptionBudget" => json!({"minAvailable": odd(rng), "selector": selector(rng)}),
        "CustomResourceDefinition" => {
            json!({"group": "example.com", "names": {"kind": "Widget"}, "conversion": {"strategy": "Webhook", "webhook": {"clientConfig": {"service": {"name": pick(rng, &NAMES), "namespace": "default"}}}}})
        }
        "APIService" => json!({"service": {"name": pick(rng, &NAMES), "namespace": "default"}, "group": "example.com"}),
        "ValidatingAdmissionPolicyBinding" => json!({"policyName": pick(rng, &NAMES)}),
        _ => widget(rng),
    }
}

fn widget(rng: &mut Rng) -> Value {
    let mut spec = json!({"configRef": {"name": pick(rng, &NAMES)}, "size": rng.u8(..4), "image": "nginx:1", "values": (0..rng.usize(0..5)).map(|_| odd(rng)).collect::<Vec<_>>()});
    if chance(rng, 30) {
        spec["containers"] = json!([{"name": "main", "image": "nginx:1"}]);
    }
    if chance(rng, 30) {
        spec["deep"] = json!({"list": [{"name": "x", "v": odd(rng)}, [odd(rng), []], {}], "nested": {"a.b/c": odd(rng), "~t": text(rng)}});
    }
    if chance(rng, 15) {
        spec["shared"] = raw("&shared {one: 1, two: [a, \"b c\"]}");
        spec["using"] = json!({"again": raw("*shared"), "<<": raw("*shared"), "two": 2});
    }
    if chance(rng, 10) {
        spec["sizes"] = json!({pick(rng, &["1a", "y", "no", "1.5", "a b", ": x"]): odd(rng), "10": 1, "9": 2});
    }
    spec
}
