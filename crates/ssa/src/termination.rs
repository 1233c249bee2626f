//! Waiting until objects are gone: for the recreation of one, and for a deletion that is to be complete.
//!
//! By watch, from the version that was read, so that nothing is polled; where watching is not allowed, by reading once in [`PAUSE`].
//! Deliberately not here: deleting them.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::{StreamExt as _, stream};
use kube::core::WatchEvent;
use serde_json::Value;
use sluice_manifest::{Entry, Gvk, Object, ObjectId};
use thiserror::Error;

use crate::discovery::Discovery;
use crate::error::RequestError;
use crate::ports::{Rest, rested};
use crate::request::Requests;
use crate::resource::Resource;

/// Pause between attempts when a watch cannot be had or ended early.
const PAUSE: Duration = Duration::from_secs(2);

/// Objects that are watched at the same time. All must go in the end, so it does not matter which ones.
const MAX_WATCHES: usize = 16;

/// Objects that an error names.
const MAX_NAMED: usize = 20;

/// Objects are still there.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("timeout waiting for termination of: [{}]", names(.objects))]
pub struct StillThere {
    /// Which ones, in the order in which they were given.
    pub objects: Vec<ObjectId>,
}

fn names(objects: &[ObjectId]) -> String {
    let mut names: Vec<String> = objects.iter().take(MAX_NAMED).map(ToString::to_string).collect();
    if objects.len() > MAX_NAMED {
        names.push(format!("and {} more", objects.len() - MAX_NAMED));
    }
    names.join(", ")
}

/// Waits until deleted objects are gone. An object that is there without being deleted is another one of the same name, and not waited for.
///
/// # Errors
/// When some are still there after `timeout`; what could not be read counts as there.
///
/// # Cancellation
/// May be dropped at any time.
pub async fn wait_until_gone(
    client: kube::Client,
    discovery: &Discovery,
    deleted: &[Entry],
    timeout: Duration,
    rest: &impl Rest,
) -> Result<(), StillThere> {
    let requests = Requests::new(client, "");
    let there = Mutex::new(vec![true; deleted.len()]);
    let waits = stream::iter(0..deleted.len()).for_each_concurrent(MAX_WATCHES, |index| {
        let (requests, there) = (&requests, &there);
        // Boxed: the compiler cannot see otherwise that the future is `Send` for any lifetime of what it borrows.
        async move {
            entry_gone(requests, discovery, &deleted[index]).await;
            there.lock().unwrap_or_else(PoisonError::into_inner)[index] = false;
        }
        .boxed()
    });
    // Whether it was in time shows in what is left.
    let _ = rested(rest, tokio::time::timeout(timeout, waits)).await;
    let there = there.into_inner().unwrap_or_else(PoisonError::into_inner);
    let left = deleted.iter().zip(there).filter(|(_, there)| *there).map(|(entry, _)| entry.id.clone());
    match left.collect::<Vec<_>>() {
        objects if objects.is_empty() => Ok(()),
        objects => Err(StillThere { objects }),
    }
}

async fn entry_gone(requests: &Requests, discovery: &Discovery, entry: &Entry) {
    let Entry { id, version } = entry;
    let gvk = Gvk { group: id.group.clone(), version: version.clone(), kind: id.kind.clone() };
    loop {
        match discovery.resolve_any_version(&gvk).await {
            Ok(resource) => match requests.get(&resource, id).await {
                Ok(None) => return,
                Ok(Some(live)) if !is_terminating(&live) => return,
                Ok(Some(live)) if until_gone(requests, &resource, id, live.uid()).await.is_ok() => return,
                Ok(Some(_)) | Err(_) => {}
            },
            // With its CRD gone the server has deleted the objects.
            Err(RequestError::NoMatch { .. }) => return,
            Err(_) => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn is_terminating(live: &Object) -> bool {
    live.at(&["metadata", "deletionTimestamp"]).is_some_and(|value| !value.is_null())
}

/// Returns when there is no object of this name and uid. The first error of a read ends it.
pub(crate) async fn until_gone(
    requests: &Requests,
    resource: &Resource,
    id: &ObjectId,
    uid: &str,
) -> Result<(), RequestError> {
    loop {
        let Some(live) = requests.get(resource, id).await?.filter(|live| live.uid() == uid) else { return Ok(()) };
        if let Ok(events) = requests.watch(resource, id, live.resource_version()).await {
            let mut events = std::pin::pin!(events);
            while let Some(Ok(event)) = events.next().await {
                if is_gone(&event, uid) {
                    return Ok(());
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn is_gone(event: &WatchEvent<Value>, uid: &str) -> bool {
    match event {
        WatchEvent::Deleted(_) => true,
        WatchEvent::Added(object) | WatchEvent::Modified(object) => {
            object.pointer("/metadata/uid").and_then(Value::as_str) != Some(uid)
        }
        WatchEvent::Bookmark(_) | WatchEvent::Error(_) => false,
    }
}
