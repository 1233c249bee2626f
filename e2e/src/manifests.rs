//! The objects that most tests start from.
//!
//! Deliberately with intervals that a test never lives to see: what happens, happens for another reason.

use serde_json::{Value, json};

use crate::{NS, Stack};

/// A GitRepository of the stack's repository of the same name, on its branch `main`.
pub fn repository(stack: &Stack, name: &str) -> Value {
    json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": { "name": name },
        "spec": { "url": stack.repository_url(name), "interval": "1h", "ref": { "branch": "main" } }
    })
}

/// A Kustomization of a GitRepository's root that prunes and tries again soon; `more` is put over its spec.
pub fn kustomization(name: &str, source: &str, more: &Value) -> Value {
    let mut spec = json!({
        "interval": "1h", "retryInterval": "2s", "prune": true, "path": "./",
        "targetNamespace": NS, "sourceRef": { "kind": "GitRepository", "name": source }
    });
    if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
        spec.extend(more.clone());
    }
    json!({ "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": { "name": name }, "spec": spec })
}

/// A `ConfigMap` with one key, as a file of a repository.
pub fn config(name: &str, value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  key: {value}\n")
}

/// A Deployment of that many replicas, as a file of a repository.
pub fn deployment(name: &str, replicas: u32) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: {name}\nspec:\n  replicas: {replicas}\n  selector:\n    matchLabels: \
         {{app: {name}}}\n  template:\n    metadata:\n      labels: {{app: {name}}}\n    spec:\n      containers:\n      - name: app\n        \
         image: app\n"
    )
}

/// A source of that kind; `more` is put over its spec.
pub fn source(kind: &str, name: &str, mut spec: Value, more: &Value) -> Value {
    if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
        spec.extend(more.clone());
    }
    json!({ "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": kind, "metadata": { "name": name }, "spec": spec })
}

/// A `HelmChart` of a source, which is given by kind and name; `more` is put over its spec.
pub fn chart(name: &str, chart: &str, (kind, of): (&str, &str), more: &Value) -> Value {
    let spec = json!({ "chart": chart, "interval": "1h", "sourceRef": { "kind": kind, "name": of } });
    source("HelmChart", name, spec, more)
}

/// A Secret with these texts.
pub fn secret(name: &str, data: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": data })
}
