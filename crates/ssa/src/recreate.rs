//! Recreation of an object whose change is impossible, for a forced apply.
//!
//! Deliberately not here: the decision to force (`plan`).

use std::time::Duration;

use futures::StreamExt as _;
use kube::core::WatchEvent;
use serde_json::Value;
use sluice_manifest::{Object, ObjectId};

use crate::error::{ApplyError, RequestError};
use crate::request::{Mode, Requests};
use crate::resource::Resource;

/// Pause between attempts when a watch cannot be had or ended early.
const PAUSE: Duration = Duration::from_secs(1);

/// Deletes the live object, waits until it is gone, and applies the desired one. Returns what the server made of it.
///
/// Any refusal with 409 or 422 counts as "impossible", so a manifest that is simply wrong gets here too. It is tried as a new object first:
/// when that is invalid as well, deleting would destroy the live object for nothing, and the refusal is returned.
pub(crate) async fn recreate(
    requests: &Requests,
    (resource, desired, live): (&Resource, &Object, &Object),
    refusal: ApplyError,
    timeout: Duration,
) -> Result<Object, ApplyError> {
    let id = desired.id();
    if !reserves_addresses(desired)
        && requests.try_create(resource, desired).await.is_err_and(|error| error.has_code(422))
    {
        return Err(refusal);
    }
    let failed = |message: String| ApplyError::Recreate { subject: id.to_string(), message };
    requests.delete(resource, &id, live.uid()).await.map_err(|error| failed(error.to_string()))?;
    match tokio::time::timeout(timeout, until_gone(requests, resource, &id, live.uid())).await {
        Ok(gone) => gone.map_err(|error| failed(error.to_string()))?,
        Err(_) => return Err(failed(format!("still there after {}s", timeout.as_secs()))),
    }
    requests.apply(resource, desired, Mode::DryRun).await.map_err(|error| ApplyError::dry_run(&id, &error))?;
    requests
        .apply(resource, desired, Mode::Store)
        .await
        .map_err(|error| ApplyError::Apply { subject: id.to_string(), message: error.to_string() })
}

/// A Service's addresses and node ports are taken by the live one, so trying to create it is refused for that reason alone.
fn reserves_addresses(object: &Object) -> bool {
    object.is("", "Service")
}

/// Returns when there is no object of this name and uid.
async fn until_gone(requests: &Requests, resource: &Resource, id: &ObjectId, uid: &str) -> Result<(), RequestError> {
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
