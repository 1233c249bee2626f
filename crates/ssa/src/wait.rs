//! The wait after a stage: until all of its objects are ready.
//!
//! By watch, from the resource version that the apply returned, so that nothing is missed and nothing is polled; where watching is not
//! allowed, by reading once in [`PAUSE`]. What is ready is `sluice-kstatus`'s word. An object that has failed may recover, as a CRD does
//! whose name another one gives up, so only the time ends the wait. Deliberately not here: waiting for health (`spec.wait`).

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::{StreamExt as _, stream};
use jiff::Timestamp;
use kube::core::WatchEvent;
use serde_json::Value;
use sluice_kstatus::{State, Status, status};
use sluice_manifest::{Object, ObjectId};

use crate::failure::ApplyError;
use crate::ports::{Rest, rested};
use crate::request::Requests;
use crate::resource::Resource;

/// Pause between attempts when a watch cannot be had or ended early.
const PAUSE: Duration = Duration::from_secs(2);

/// Watches at the same time. Each starts where its object was applied, so a later start misses nothing.
const MAX_WATCHES: usize = 32;

/// An object that is not ready yet.
struct Pending {
    id: ObjectId,
    resource: Resource,
    live: Value,
    status: Status,
}

/// Waits until every object is [`State::Current`]. The worker rests meanwhile, if there is anything to wait for.
///
/// # Errors
/// When some are not after `timeout`.
pub(crate) async fn until_current(
    requests: &Requests,
    objects: Vec<(Resource, Object)>,
    timeout: Duration,
    rest: &impl Rest,
) -> Result<(), ApplyError> {
    let pending = |(resource, object): (Resource, Object)| {
        let id = object.id();
        let live = object.into_value();
        let status = judge(&live);
        (status.state != State::Current).then_some(Pending { id, resource, live, status })
    };
    let pending: Vec<Pending> = objects.into_iter().filter_map(pending).collect();
    if pending.is_empty() {
        return Ok(());
    }
    let states = States::new(&pending);
    let watches = stream::iter(pending.into_iter().enumerate())
        .for_each_concurrent(MAX_WATCHES, |(index, pending)| follow(requests, (index, pending), &states));
    // Whether it was in time shows in what is left.
    let _ = rested(rest, tokio::time::timeout(timeout, watches)).await;
    match states.unready() {
        unready if unready.is_empty() => Ok(()),
        unready => Err(ApplyError::WaitTimeout { unready }),
    }
}

fn judge(live: &Value) -> Status {
    status(live, Timestamp::now())
}

/// The last known state of each object, in apply order.
struct States(Mutex<BTreeMap<usize, (ObjectId, Status)>>);

impl States {
    fn new(objects: &[Pending]) -> Self {
        let states = objects.iter().map(|pending| (pending.id.clone(), pending.status.clone())).enumerate();
        Self(Mutex::new(states.collect()))
    }

    /// Takes over what an object says. Returns whether it is ready.
    fn set(&self, index: usize, status: Status) -> bool {
        let is_current = status.state == State::Current;
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, known)) = all.get_mut(&index) {
            *known = status;
        }
        is_current
    }

    fn unready(self) -> Vec<(ObjectId, Status)> {
        let states = self.0.into_inner().unwrap_or_else(PoisonError::into_inner);
        states.into_values().filter(|(_, status)| status.state != State::Current).collect()
    }
}

/// Follows one object until it is ready.
async fn follow(requests: &Requests, (index, pending): (usize, Pending), states: &States) {
    let Pending { id, resource, live, .. } = pending;
    let mut known = Some(live);
    loop {
        if states.set(index, known.as_ref().map_or_else(Status::not_found, judge)) {
            return;
        }
        let from = known.as_ref().and_then(|live| live.pointer("/metadata/resourceVersion")?.as_str()).unwrap_or("");
        if let Ok(events) = requests.watch(&resource, &id, from).await {
            let mut events = std::pin::pin!(events);
            while let Some(Ok(event)) = events.next().await {
                if status_of(&event).is_some_and(|status| states.set(index, status)) {
                    return;
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
        // An error is like an early end of the watch: the deadline decides, and the state shown is the last one known.
        if let Ok(live) = requests.get(&resource, &id).await {
            known = live.map(Object::into_value);
        }
    }
}

fn status_of(event: &WatchEvent<Value>) -> Option<Status> {
    match event {
        WatchEvent::Added(object) | WatchEvent::Modified(object) => Some(judge(object)),
        WatchEvent::Deleted(_) => Some(Status::not_found()),
        WatchEvent::Bookmark(_) | WatchEvent::Error(_) => None,
    }
}
