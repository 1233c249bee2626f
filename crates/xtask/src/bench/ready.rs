//! Watches objects until they show what is waited for.
//!
//! Deliberately one watch for all objects of a kind, opened before the clock starts: asking for each would cost the machine what is measured.

use std::collections::HashMap;
use std::pin::Pin;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use kube::api::{ApiResource, DynamicObject, PostParams};
use kube::core::gvk::GroupVersionKind;
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client};
use serde_json::Value;
use sluice_e2e::NS;

/// Requests to the API server at a time when many objects are created.
const CREATED_AT_ONCE: usize = 16;

/// The API of a kind of Flux's, in version 1 of its group (`source`, `kustomize`).
pub(crate) fn api(client: Client, group: &str, kind: &str, plural: &str) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk(&format!("{group}.toolkit.fluxcd.io"), "v1", kind);
    Api::namespaced_with(client, NS, &ApiResource::from_gvk_with_plural(&kind, plural))
}

/// Creates objects, some at a time.
///
/// # Errors
/// When the API server refuses one.
pub(crate) async fn create(api: &Api<DynamicObject>, objects: Vec<Value>) -> anyhow::Result<()> {
    let create = async |object: Value| -> anyhow::Result<()> {
        let object: DynamicObject = serde_json::from_value(object).context("read the object")?;
        api.create(&PostParams::default(), &object).await.context("create an object")?;
        Ok(())
    };
    futures::stream::iter(objects).map(create).buffer_unordered(CREATED_AT_ONCE).try_collect().await
}

/// An open watch.
pub(crate) struct Watch(Pin<Box<dyn Stream<Item = Result<DynamicObject, watcher::Error>> + Send>>);

impl Watch {
    /// Watches all objects of a kind.
    pub(crate) fn open(api: Api<DynamicObject>) -> Self {
        Self(Box::pin(watcher(api, watcher::Config::default()).applied_objects()))
    }

    /// Waits until one object is ready with a revision that ends in `commit`.
    ///
    /// # Errors
    /// When that takes longer than `patience`; the message has what the object shows.
    pub(crate) async fn published(&mut self, name: &str, commit: &str, patience: Duration) -> anyhow::Result<()> {
        let mut last = Value::Null;
        let arrival = async {
            while let Some(object) = self.0.try_next().await? {
                if object.metadata.name.as_deref() != Some(name) {
                    continue;
                }
                let revision = object.data.pointer("/status/artifact/revision").and_then(Value::as_str);
                if is_ready(&object) && revision.is_some_and(|revision| revision.ends_with(commit)) {
                    return Ok(());
                }
                last = object.data["status"]["conditions"].clone();
            }
            anyhow::bail!("the watch ended")
        };
        let arrived = tokio::time::timeout(patience, arrival).await;
        arrived.with_context(|| format!("{name} did not publish {commit}; its conditions are {last}"))?
    }

    /// Waits until `count` objects are ready; returns the times since `started` at which they became so, in order.
    ///
    /// # Errors
    /// When that takes longer than `patience`; the message has what one of the others shows.
    pub(crate) async fn all_ready(
        &mut self,
        count: usize,
        started: Instant,
        patience: Duration,
    ) -> anyhow::Result<Vec<Duration>> {
        self.all(count, started, patience, is_ready).await
    }

    /// As [`Watch::all_ready`], of objects for which `holds` does.
    ///
    /// # Errors
    /// The same.
    pub(crate) async fn all(
        &mut self,
        count: usize,
        started: Instant,
        patience: Duration,
        holds: impl Fn(&DynamicObject) -> bool,
    ) -> anyhow::Result<Vec<Duration>> {
        let mut ready: HashMap<String, Duration> = HashMap::new();
        let mut last = String::new();
        let arrival = async {
            while ready.len() < count {
                let object = self.0.try_next().await?.context("the watch ended")?;
                let name = object.metadata.name.clone().unwrap_or_default();
                if holds(&object) {
                    ready.entry(name).or_insert_with(|| started.elapsed());
                } else {
                    last = format!("{name}: {}", object.data["status"]["conditions"]);
                }
            }
            Ok::<_, anyhow::Error>(())
        };
        let arrived = tokio::time::timeout(patience, arrival).await;
        match arrived {
            Ok(arrived) => arrived?,
            Err(_) => anyhow::bail!("{} of {count} objects are ready; of the others, {last}", ready.len()),
        }
        let mut times: Vec<Duration> = ready.into_values().collect();
        times.sort_unstable();
        Ok(times)
    }
}

/// Ready, with what its spec says now.
pub(crate) fn is_ready(object: &DynamicObject) -> bool {
    let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
    let is_true = conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"));
    let observed = object.data.pointer("/status/observedGeneration").and_then(Value::as_i64);
    is_true && observed == object.metadata.generation
}
