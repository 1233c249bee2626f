//! The floor: the same writes, sent bare. No controller that applies by server-side apply with a dry-run before it can be faster.
//!
//! Deliberately nothing but the requests: no watch, no status, no events, no build.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{StreamExt as _, TryStreamExt as _};
use kube::Client;
use serde_json::Value;

use super::objects::app;

/// Clients at once, as the probe that the goal is stated by had.
const CLIENTS: usize = 16;

/// How long the writes took.
pub(super) struct Floor {
    /// All dry-runs.
    pub(super) dry_runs: Duration,
    /// All real writes.
    pub(super) writes: Duration,
}

/// Sends the dry-runs and then the writes of `count` apps to `namespace`.
///
/// # Errors
/// When the API server refuses one.
pub(super) async fn measure(client: &Client, namespace: &str, count: usize) -> anyhow::Result<Floor> {
    let dry_runs = timed(client, namespace, count, "&dryRun=All").await?;
    let writes = timed(client, namespace, count, "").await?;
    Ok(Floor { dry_runs, writes })
}

async fn timed(client: &Client, namespace: &str, count: usize, more: &str) -> anyhow::Result<Duration> {
    let started = Instant::now();
    let objects = (0..count).flat_map(|number| app(&format!("floor-{number}"), 1));
    let send = async |object: Value| -> anyhow::Result<()> {
        let request = apply_request(&object, namespace, more)?;
        client.request_text(request).await.context("apply an object")?;
        Ok(())
    };
    futures::stream::iter(objects).map(send).buffer_unordered(CLIENTS).try_collect::<()>().await?;
    Ok(started.elapsed())
}

fn apply_request(object: &Value, namespace: &str, more: &str) -> anyhow::Result<http::Request<Vec<u8>>> {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).context("an object's field");
    let (version, name) = (text("/apiVersion")?, text("/metadata/name")?);
    let root = if version.contains('/') { "apis" } else { "api" };
    let plural = match text("/kind")? {
        "Ingress" => "ingresses".to_owned(),
        kind => format!("{}s", kind.to_lowercase()),
    };
    let path = format!("/{root}/{version}/namespaces/{namespace}/{plural}/{name}?fieldManager=floor&force=true{more}");
    let request = http::Request::patch(path).header("content-type", "application/apply-patch+yaml");
    request.body(object.to_string().into_bytes()).context("a request")
}
