//! Charts that do not come from an index: out of a bucket, as a packaged file in Git, and signed ones of a registry.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sluice_e2e::{Applied, PATIENCE, Stack, apply};
use sluice_testkit::registry::{Image, Registry, RegistryOptions};
use sluice_testkit::s3::S3Server;
use sluice_testkit::tools;
use sluice_testkit::wait::wait_until;

const SOURCE_API: &str = "source.toolkit.fluxcd.io/v1";

fn object(kind: &str, name: &str, mut spec: Value, more: &Value) -> Value {
    if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
        spec.extend(more.clone());
    }
    json!({ "apiVersion": SOURCE_API, "kind": kind, "metadata": { "name": name }, "spec": spec })
}

fn chart(name: &str, chart: &str, source: (&str, &str), more: &Value) -> Value {
    let source = json!({ "kind": source.0, "name": source.1 });
    object("HelmChart", name, json!({ "chart": chart, "interval": "1h", "sourceRef": source }), more)
}

fn secret(name: &str, data: &Value) -> Value {
    json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name }, "stringData": data })
}

/// A condition of a status, as `status reason: message`; empty when there is none.
fn condition(status: &Value, type_: &str) -> String {
    let all = status["conditions"].as_array().cloned().unwrap_or_default();
    let text = |found: &Value, key: &str| found[key].as_str().unwrap_or_default().to_owned();
    all.iter().find(|found| found["type"] == type_).map_or_else(String::new, |found| {
        format!("{} {}: {}", text(found, "status"), text(found, "reason"), text(found, "message"))
    })
}

/// The status, once it fulfils `holds`; the failure of the wait shows it.
async fn wait(object: &Applied, what: &str, holds: impl Fn(&Value) -> bool) -> Result<Value> {
    let status = async || Ok::<_, anyhow::Error>(object.get().await?.map(|found| found.data["status"].clone()));
    let waited = wait_until(PATIENCE, what, async || Ok(status().await?.filter(|status| holds(status)))).await;
    match waited {
        Ok(status) => Ok(status),
        Err(error) => Err(error.context(format!("the status is {:?}", status().await?))),
    }
}

/// Waits until Ready starts like this, and a good one is not being worked on.
async fn wait_ready(object: &Applied, start: &str) -> Result<Value> {
    let settled = |status: &Value| start.starts_with("False") || condition(status, "Reconciling").is_empty();
    wait(object, start, |status| condition(status, "Ready").starts_with(start) && settled(status)).await
}

#[expect(clippy::disallowed_methods, reason = "independent readers and writers; this is a test")]
fn tar(args: &[&str]) -> Result<Vec<u8>> {
    let output = Command::new("tar").args(args).output().context("run tar")?;
    ensure!(output.status.success(), "tar {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout)
}

const VALUES: &str = "replicas: 1\nimage: {name: web, tag: old}\n";

fn about(version: &str) -> String {
    format!("apiVersion: v2\nname: web\nversion: {version}\n")
}

/// The archive of a chart, made by the system's `tar`.
fn archive(version: &str) -> Result<Vec<u8>> {
    let dir = tempfile::tempdir()?;
    let root = dir.path().join("web");
    std::fs::create_dir_all(root.join("templates"))?;
    std::fs::write(root.join("Chart.yaml"), about(version))?;
    std::fs::write(root.join("values.yaml"), VALUES)?;
    std::fs::write(root.join("templates/config.yaml"), "kind: ConfigMap\n")?;
    tar(&["-czf", "-", "-C", &dir.path().display().to_string(), "web"])
}

fn stored(stack: &Stack, status: &Value) -> PathBuf {
    stack.data.path().join("storage").join(status["artifact"]["path"].as_str().unwrap_or_default())
}

fn file_of(stack: &Stack, status: &Value, name: &str) -> Result<String> {
    Ok(String::from_utf8(tar(&["-xzOf", &stored(stack, status).display().to_string(), name])?)?)
}

#[tokio::test]
async fn charts_of_a_bucket_are_packaged_and_follow_its_revision() -> Result<()> {
    let stack = Stack::start().await?;
    let s3 = S3Server::start().await?;
    let client = stack.client();
    apply(&client, secret("keys", &json!({ "accesskey": S3Server::ACCESS_KEY, "secretkey": S3Server::SECRET_KEY })))
        .await?;
    for (key, content) in [
        ("charts/web/Chart.yaml", about("0.1.0").as_bytes()),
        ("charts/web/values.yaml", VALUES.as_bytes()),
        ("charts/web/templates/config.yaml", b"kind: ConfigMap\n"),
        ("charts/web-0.2.0.tgz", &archive("0.2.0")?),
        ("values/prod.yaml", b"image: {tag: new}\n"),
    ] {
        s3.put("charts", key, content).await?;
    }
    let _controller = stack.source_controller()?.start().await?;
    let bucket = json!({ "bucketName": "charts", "endpoint": s3.endpoint(), "insecure": true, "interval": "1h",
        "secretRef": { "name": "keys" } });
    let bucket = apply(&client, object("Bucket", "charts", bucket, &json!({}))).await?;
    let of = ("Bucket", "charts");
    let apply_chart = async |name: &str, path: &str, more: Value| apply(&client, chart(name, path, of, &more)).await;
    let source = wait_ready(&bucket, "True Succeeded: ").await?;
    let revision = source["artifact"]["revision"].as_str().context("a revision")?;
    let short = |revision: &str| revision.trim_start_matches("sha256:")[..12].to_owned();

    let plain = apply_chart("plain", "charts/web", json!({})).await?;
    let status = wait_ready(&plain, "True ChartPackageSucceeded: packaged 'web' chart with version '0.1.0'").await?;
    assert_eq!(status["observedSourceArtifactRevision"], revision);
    assert_eq!(file_of(&stack, &status, "web/values.yaml")?, VALUES);
    let by_revision = apply_chart("revision", "charts/web", json!({ "reconcileStrategy": "Revision" })).await?;
    let packaged = |version: &str| format!("True ChartPackageSucceeded: packaged 'web' chart with version '{version}'");
    wait_ready(&by_revision, &packaged(&format!("0.1.0+{}", short(revision)))).await?;
    let values = apply_chart("values", "charts/web", json!({ "valuesFiles": ["values/prod.yaml"] })).await?;
    let text = format!("{} and merged values files [values/prod.yaml]", packaged("0.1.0+1"));
    let status = wait_ready(&values, &text).await?;
    assert_eq!(file_of(&stack, &status, "web/values.yaml")?, "image:\n  tag: new\n");
    let file = apply_chart("file", "charts/web-0.2.0.tgz", json!({})).await?;
    let status = wait_ready(&file, "True ChartPullSucceeded: pulled 'web' chart with version '0.2.0'").await?;
    assert_eq!(std::fs::read(stored(&stack, &status))?, archive_in(&s3, &archive("0.2.0")?), "byte for byte");
    let absent = apply_chart("absent", "charts/none", json!({})).await?;
    wait_ready(&absent, "False InvalidChartReference: invalid chart reference: ").await?;

    s3.put("charts", "charts/web/templates/config.yaml", b"kind: Secret\n").await?;
    bucket.request_and_wait("changed").await?;
    let source = wait_ready(&bucket, "True Succeeded: ").await?;
    let newer = source["artifact"]["revision"].as_str().context("a revision")?;
    assert_ne!(newer, revision);
    let status = wait_ready(&by_revision, &packaged(&format!("0.1.0+{}", short(newer)))).await?;
    assert_eq!(file_of(&stack, &status, "web/templates/config.yaml")?, "kind: Secret\n");
    Ok(())
}

/// What was put; the system's `tar` writes the time, so that the archive is not made a second time.
fn archive_in(_: &S3Server, archive: &[u8]) -> Vec<u8> {
    archive.to_vec()
}
