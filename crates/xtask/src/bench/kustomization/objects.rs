//! The objects that are applied: what the published benchmark of Flux has in each Kustomization.
//!
//! Deliberately a Deployment scaled to zero: it becomes healthy by its controller alone, since there are no nodes.

use anyhow::Context as _;
use serde_json::{Value, json};
use sluice_testkit::registry::Image;

/// A Deployment, a `ServiceAccount`, a Service and an Ingress, as they are written in `version`.
pub(super) fn app(name: &str, version: usize) -> Vec<Value> {
    let labels = json!({ "app": name });
    let meta = json!({ "name": name, "labels": labels, "annotations": { "version": version.to_string() } });
    vec![
        json!({ "apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta }),
        json!({ "apiVersion": "v1", "kind": "Service", "metadata": meta,
            "spec": { "selector": labels, "ports": [{ "name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP" }] } }),
        json!({ "apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta,
            "spec": { "replicas": 0, "selector": { "matchLabels": labels }, "template": {
                "metadata": { "labels": labels },
                "spec": { "serviceAccountName": name, "containers": [{ "name": "app", "image": format!("app:{version}"),
                    "ports": [{ "name": "http", "containerPort": 8080, "protocol": "TCP" }],
                    "resources": { "requests": { "cpu": "10m", "memory": "16Mi" } } }] } } } }),
        json!({ "apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": meta,
            "spec": { "rules": [{ "host": format!("{name}.example.com"), "http": { "paths": [{ "path": "/", "pathType": "Prefix",
                "backend": { "service": { "name": name, "port": { "name": "http" } } } }] } }] } }),
    ]
}

/// The objects as one file of manifests. JSON is YAML.
pub(super) fn manifests(name: &str, version: usize) -> String {
    let documents: Vec<String> = app(name, version).iter().map(Value::to_string).collect();
    documents.join("\n---\n")
}

/// An image as `flux push artifact` makes one, with these files; packed by the system's `tar`.
///
/// # Errors
/// When `tar` fails.
#[expect(clippy::disallowed_methods, reason = "a task of the repository; the images are not to be of our making")]
pub(super) fn image(name: &str, version: usize) -> anyhow::Result<Image> {
    let dir = tempfile::tempdir().context("a directory for the image")?;
    std::fs::write(dir.path().join("app.yaml"), manifests(name, version)).context("write the image's file")?;
    let mut tar = std::process::Command::new("tar");
    let output = tar.arg("-C").arg(dir.path()).args(["-czf", "-", "."]).output().context("run tar")?;
    anyhow::ensure!(output.status.success(), "tar: {}", String::from_utf8_lossy(&output.stderr));
    Ok(Image::flux(output.stdout))
}
