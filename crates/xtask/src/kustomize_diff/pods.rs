//! Random pod specifications: the part of the API with most lists that merge and most references.
//!
//! Deliberately only the fields that a table of kustomize names, and a few of each kind that it does not.

use fastrand::Rng;
use serde_json::{Value, json};

use super::kinds::{labels, selector};
use super::scalars::{NAMES, chance, choose, odd, pick, tame, text};
use super::tree::flow;

const IMAGES: [&str; 9] = [
    "nginx",
    "nginx:1.2",
    "nginx:1.2@sha256:24a0c4b4a4c0eb97a1aabb8e29f18e917d05abfe1b7a7c07857230879ce7d3d3",
    "reg.example.com:5000/team/app:v1",
    "reg.example.com:5000/team/app",
    "app@sha256:24a0c4b4a4c0eb97a1aabb8e29f18e917d05abfe1b7a7c07857230879ce7d3d3",
    "busybox:latest",
    "library/nginx:1",
    "$(WHO)",
];

/// A pod template.
pub(super) fn template(rng: &mut Rng) -> Value {
    let mut template = json!({"spec": pod_spec(rng)});
    if chance(rng, 50) {
        template["metadata"] = json!({"labels": labels(rng)});
        if chance(rng, 20) {
            template["metadata"]["annotations"] = json!({"note": text(rng), "who": "$(WHO)"});
        }
    }
    template
}

/// A pod specification.
pub(super) fn pod_spec(rng: &mut Rng) -> Value {
    let mut names = vec!["main", "side", "aux"];
    rng.shuffle(&mut names);
    names.truncate(rng.usize(1..4));
    let mut spec = json!({"containers": names.iter().map(|name| container(rng, name)).collect::<Vec<_>>()});
    if chance(rng, 15) {
        spec["initContainers"] = json!([container(rng, "init")]);
    }
    if chance(rng, 40) {
        spec["volumes"] = volumes(rng);
    }
    for (percent, field, value) in [
        (25, "serviceAccountName", json!(pick(rng, &NAMES))),
        (10, "priorityClassName", json!(pick(rng, &NAMES))),
        (15, "imagePullSecrets", json!([{"name": pick(rng, &NAMES)}, {"name": "pull"}])),
        (10, "nodeSelector", labels(rng)),
        (
            8,
            "hostAliases",
            json!([{"ip": pick(rng, &["10.0.0.1", "10.0.0.2"]), "hostnames": ["h"]}, {"ip": "10.0.0.3"}]),
        ),
        (10, "tolerations", json!([{"key": "a", "operator": "Exists"}, {"key": pick(rng, &NAMES), "value": odd(rng)}])),
        (
            8,
            "topologySpreadConstraints",
            json!([
                {"topologyKey": pick(rng, &["zone", "host"]), "whenUnsatisfiable": "DoNotSchedule", "maxSkew": 1, "labelSelector": selector(rng)},
                {"topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"},
            ]),
        ),
        (
            8,
            "affinity",
            json!({"podAntiAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "host", "labelSelector": selector(rng)}],
                "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 1, "podAffinityTerm": {"labelSelector": selector(rng)}}],
            }}),
        ),
        (10, "terminationGracePeriodSeconds", odd(rng)),
    ] {
        if chance(rng, percent) {
            spec[field] = value;
        }
    }
    spec
}

fn container(rng: &mut Rng, name: &str) -> Value {
    let mut container = json!({"name": name, "image": pick(rng, &IMAGES)});
    if chance(rng, 50) {
        container["env"] = (0..rng.usize(1..4)).map(|_| env(rng)).collect();
    }
    if chance(rng, 20) {
        container["envFrom"] =
            json!([{"configMapRef": {"name": pick(rng, &NAMES)}}, {"secretRef": {"name": pick(rng, &NAMES)}}]);
    }
    if chance(rng, 40) {
        container["ports"] = (0..rng.usize(1..4))
            .map(|_| {
                let mut port = json!({"containerPort": choose(rng, [80, 8080, 9000])});
                if chance(rng, 50) {
                    port["protocol"] = json!(pick(rng, &["TCP", "UDP"]));
                }
                if chance(rng, 40) {
                    port["name"] = json!(pick(rng, &["http", "metrics"]));
                }
                if chance(rng, 30) { flow(port) } else { port }
            })
            .collect();
    }
    if chance(rng, 30) {
        container["volumeMounts"] = json!([{"name": "config", "mountPath": pick(rng, &["/etc/a", "/etc/b", "/$(WHO)"])}, {"name": "data", "mountPath": "/data"}]);
    }
    if chance(rng, 30) {
        container["args"] = json!(["--name=$(WHO)", text(rng), tame(rng), "$(WHO)"]);
    }
    if chance(rng, 15) {
        container["command"] = flow(json!(["sh", "-c", text(rng)]));
    }
    if chance(rng, 15) {
        container["resources"] = json!({"limits": {"cpu": odd(rng), "memory": "1Gi"}});
    }
    if chance(rng, 10) {
        container["livenessProbe"] = json!({"httpGet": {"path": "/", "port": odd(rng)}});
    }
    container
}

fn env(rng: &mut Rng) -> Value {
    let mut env = json!({"name": pick(rng, &["A", "B", "WHO", "LOG"])});
    match rng.u8(..6) {
        0 => env["valueFrom"] = json!({"configMapKeyRef": {"name": pick(rng, &NAMES), "key": "a"}}),
        1 => env["valueFrom"] = json!({"secretKeyRef": {"name": pick(rng, &NAMES), "key": "a"}}),
        2 => env["value"] = json!("$(WHO)"),
        3 => env["value"] = odd(rng),
        4 => env["value"] = text(rng),
        _ => env["value"] = json!("pre-$(WHO)-$$(WHO)-$(OTHER)"),
    }
    env
}

fn volumes(rng: &mut Rng) -> Value {
    json!([
        {"name": "config", "configMap": {"name": pick(rng, &NAMES)}},
        match rng.u8(..5) {
            0 => json!({"name": "data", "secret": {"secretName": pick(rng, &NAMES)}}),
            1 => json!({"name": "data", "persistentVolumeClaim": {"claimName": pick(rng, &NAMES)}}),
            2 => json!({"name": "data", "projected": {"sources": [{"configMap": {"name": pick(rng, &NAMES)}}, {"secret": {"name": pick(rng, &NAMES)}}]}}),
            3 => json!({"name": "data", "nfs": {"server": "$(WHO)"}, "image": {"reference": "nginx:1"}}),
            _ => json!({"name": "data", "emptyDir": {}}),
        },
    ])
}
