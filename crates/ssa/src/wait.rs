//! The wait after a stage: until all of its objects are ready.
//!
//! By watch, from the resource version that the apply returned, so that nothing is missed and nothing is polled; where watching is not
//! allowed, by reading once in [`PAUSE`]. Deliberately not here: waiting for health (`spec.wait`), which holds no worker.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use kube::core::WatchEvent;
use serde_json::Value;
use sluice_manifest::{Object, ObjectId};

use crate::error::ApplyError;
use crate::readiness::Readiness;
use crate::request::Requests;
use crate::resource::Resource;

/// Pause between attempts when a watch cannot be had or ended early.
const PAUSE: Duration = Duration::from_secs(1);

/// Watches at the same time. Each starts where its object was applied, so a later start misses nothing.
const MAX_WATCHES: usize = 16;

/// Waits until every object is [`Readiness::Current`].
///
/// # Errors
/// When some are not after `timeout`, or when some have failed and all others are ready.
pub(crate) async fn until_current(
    requests: &Requests,
    objects: Vec<(Resource, Object)>,
    timeout: Duration,
) -> Result<(), ApplyError> {
    let pending: Vec<(Resource, Object)> =
        objects.into_iter().filter(|(_, object)| Readiness::of(object) != Readiness::Current).collect();
    if pending.is_empty() {
        return Ok(());
    }
    let states = States::new(&pending);
    let watches = stream::iter(pending.into_iter().enumerate())
        .for_each_concurrent(MAX_WATCHES, |(index, (resource, object))| {
            follow(requests, (index, resource, object), &states)
        });
    let in_time = tokio::time::timeout(timeout, watches).await.is_ok();
    match (states.unready(), in_time) {
        (unready, _) if unready.is_empty() => Ok(()),
        (failed, true) => Err(ApplyError::WaitFailed { failed }),
        (unready, false) => Err(ApplyError::WaitTimeout { unready }),
    }
}

/// The last known state of each object, in apply order.
struct States(Mutex<BTreeMap<usize, (ObjectId, Readiness)>>);

impl States {
    fn new(objects: &[(Resource, Object)]) -> Self {
        let states = objects.iter().map(|(_, object)| (object.id(), Readiness::of(object))).enumerate();
        Self(Mutex::new(states.collect()))
    }

    fn set(&self, index: usize, state: Readiness) {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = states.get_mut(&index) {
            *known = state;
        }
    }

    fn unready(self) -> Vec<(ObjectId, Readiness)> {
        let states = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        states.into_values().filter(|(_, state)| *state != Readiness::Current).collect()
    }
}

/// Follows one object until it is ready or has failed.
async fn follow(requests: &Requests, (index, resource, object): (usize, Resource, Object), states: &States) {
    let id = object.id();
    let settle = |state: Readiness| {
        states.set(index, state);
        matches!(state, Readiness::Current | Readiness::Failed)
    };
    let mut known = Some(object);
    loop {
        if settle(known.as_ref().map_or(Readiness::NotFound, Readiness::of)) {
            return;
        }
        let from = known.as_ref().map_or("", Object::resource_version);
        if let Ok(events) = requests.watch(&resource, &id, from).await {
            let mut events = std::pin::pin!(events);
            while let Some(Ok(event)) = events.next().await {
                if state_of(event).is_some_and(settle) {
                    return;
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
        // An error is like an early end of the watch: the deadline decides, and the state shown is the last one known.
        if let Ok(live) = requests.get(&resource, &id).await {
            known = live;
        }
    }
}

fn state_of(event: WatchEvent<Value>) -> Option<Readiness> {
    match event {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => {
            Object::new(object).ok().map(|object| Readiness::of(&object))
        }
        WatchEvent::Deleted(_) => Some(Readiness::NotFound),
        WatchEvent::Bookmark(_) | WatchEvent::Error(_) => None,
    }
}
