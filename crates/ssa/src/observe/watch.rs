//! The watch of one kind: list, watch, go on after a fault.
//!
//! `kube_runtime::watcher` would do the same but does not tell when it is connected again after a fault, and as long as it is not, a record
//! says nothing of the live object. Also, objects are taken as plain JSON here, one at a time, and a list is never held decoded.
//! Deliberately not here: what is kept of an object (`table`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use kube::api::{ListParams, WatchParams};
use kube::core::{Request, WatchEvent};
use serde_json::Value;
use sluice_manifest::{GroupKind, NAME_LABEL, Object};
use tokio::time::{Instant, sleep, timeout};

use super::digest::{owned_digest, writers};
use super::judge::{by_kind, judge};
use super::kind::Phase;
use super::mailbox::Waiter;
use super::page::read_page;
use super::record::{ObjectState, Sighting};
use super::{Settings, Shared};
use crate::error::RequestError;
use crate::resource::Resource;

/// Objects in one page of a list: some MiB of text.
const PAGE: u32 = 500;
/// The server ends a watch after this time, in seconds.
const WATCH_SECONDS: u32 = 290;
/// No event, bookmark or end for so long means that the connection is dead.
const SILENCE: Duration = Duration::from_secs(WATCH_SECONDS as u64 + 10);
/// How long opening a watch may take. The records count as current meanwhile.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long one page may take.
const LIST_TIMEOUT: Duration = Duration::from_secs(70);
/// Pauses after faults in a row. The last one repeats.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
];
/// Refusals in a row that a watch survives which has worked: a server that starts refuses before it knows roles and custom kinds.
const MAX_REFUSALS: usize = PAUSES.len();
/// A kind without objects that nobody asked for in this time is not watched any longer.
const UNUSED: Duration = Duration::from_secs(900);

/// Why a step of the watch ended.
enum Fault {
    /// The version is too old: list anew.
    Expired,
    /// The server refuses, for good unless it is starting.
    Refused(RequestError),
    /// Anything else; it may pass.
    Passing(RequestError),
    /// There is no room for the kind's objects.
    Full,
    /// Nobody needs the watch.
    Unused,
}

/// Watches until it is refused, there is no room, or nobody needs it.
pub(super) async fn follow(shared: &Arc<Shared>, resource: &Resource) {
    let of = GroupKind { group: resource.gvk.group.clone(), kind: resource.gvk.kind.clone() };
    let watch = Watch { shared, resource, of, opened: AtomicBool::new(false) };
    let mut version = None;
    let mut faults = 0;
    let mut has_worked = false;
    loop {
        let fault = watch.run(&mut version).await;
        if watch.opened.swap(false, Ordering::Relaxed) {
            has_worked = true;
            faults = 0;
        }
        if matches!(fault, Fault::Unused) {
            // The kind's records are gone, and may have been made anew by another watch since.
            return;
        }
        watch.shared.table().set_phase(&watch.of, Phase::Interrupted);
        let (kind, group) = (&watch.of.kind, &watch.of.group);
        match fault {
            Fault::Full => {
                tracing::warn!(kind, group, "too many objects to watch, polling");
                return watch.give_up();
            }
            Fault::Refused(error) if !has_worked || faults >= MAX_REFUSALS => {
                tracing::info!(kind, group, %error, "kind cannot be watched, polling");
                return watch.give_up();
            }
            Fault::Expired | Fault::Unused => version = None,
            Fault::Refused(error) | Fault::Passing(error) => {
                tracing::debug!(kind, group, %error, "watch failed, trying again");
            }
        }
        sleep(PAUSES[faults.min(PAUSES.len() - 1)]).await;
        faults += 1;
    }
}

struct Watch<'a> {
    shared: &'a Arc<Shared>,
    resource: &'a Resource,
    of: GroupKind,
    /// Whether a watch was opened since this was last looked at.
    opened: AtomicBool,
}

impl Watch<'_> {
    /// Lists unless there is a version to start from, then watches. `version` is what it has come to when it ends.
    async fn run(&self, version: &mut Option<String>) -> Fault {
        if version.is_none() {
            match self.list().await {
                Ok(listed) => *version = Some(listed),
                Err(fault) => return fault,
            }
        }
        let at = version.get_or_insert_default();
        loop {
            if let Err(fault) = self.watch(at).await {
                return fault;
            }
            let since = Instant::now().checked_sub(UNUSED);
            if since.is_some_and(|since| self.shared.table().retire(&self.of, since)) {
                return Fault::Unused;
            }
        }
    }

    /// Reads all objects. Returns the version of the list.
    async fn list(&self) -> Result<String, Fault> {
        self.shared.table().begin_list(&self.of);
        let mut next = None;
        loop {
            let params = ListParams {
                label_selector: Some(NAME_LABEL.to_owned()),
                limit: Some(PAGE),
                continue_token: next,
                ..ListParams::default()
            };
            let request = Request::new(self.collection()?).list(&params).map_err(|error| unsent(&error))?;
            let asked = timeout(LIST_TIMEOUT, self.shared.client.request_text(request)).await;
            let text = asked.map_err(|_| silent(LIST_TIMEOUT))?.map_err(|error| fault(&error))?;
            let mut is_full = false;
            let page = read_page(&text, |item| is_full |= !self.saw(item));
            let page = page.map_err(|error| Fault::Passing(RequestError::Answer(error.to_string())))?;
            if is_full {
                return Err(Fault::Full);
            }
            if page.next.is_empty() {
                let effects = self.shared.table().end_list(&self.of);
                self.shared.report(effects.drift);
                return Ok(page.resource_version);
            }
            next = Some(page.next);
        }
    }

    /// Follows events from a version on, until the server ends the watch as it does every few minutes.
    async fn watch(&self, at: &mut String) -> Result<(), Fault> {
        let params = WatchParams::default().labels(NAME_LABEL).timeout(WATCH_SECONDS);
        let request = Request::new(self.collection()?).watch(&params, at).map_err(|error| unsent(&error))?;
        let opened = timeout(OPEN_TIMEOUT, self.shared.client.request_events::<Value>(request)).await;
        let events = opened.map_err(|_| silent(OPEN_TIMEOUT))?.map_err(|error| fault(&error))?;
        let mut events = std::pin::pin!(events);
        self.opened.store(true, Ordering::Relaxed);
        self.shared.table().set_phase(&self.of, Phase::Synced);
        loop {
            let event = timeout(SILENCE, events.next()).await.map_err(|_| silent(SILENCE))?;
            let Some(event) = event else { return Ok(()) };
            match event.map_err(|error| fault(&error))? {
                WatchEvent::Added(object) | WatchEvent::Modified(object) => {
                    advance(at, &object);
                    if !self.saw(object) {
                        return Err(Fault::Full);
                    }
                }
                WatchEvent::Deleted(object) => {
                    advance(at, &object);
                    self.lost(object);
                }
                WatchEvent::Bookmark(bookmark) => *at = bookmark.metadata.resource_version,
                WatchEvent::Error(status) => return Err(fault(&kube::Error::Api(status.boxed()))),
            }
        }
    }

    /// Takes in an object as it is now. Returns false when there is no room for it.
    fn saw(&self, object: Value) -> bool {
        let Some((object, sighting)) = self.sight(object) else { return true };
        let version = sighting.state.resource_version;
        let Some(effects) = self.shared.table().observe(&self.of, sighting) else { return false };
        self.shared.report_about(&object, effects.writers.as_deref(), effects.drift);
        if !effects.judge.is_empty() {
            judge_for(&effects.judge, &object.into_value(), version);
        }
        true
    }

    /// Takes in that an object left the watch.
    fn lost(&self, object: Value) {
        if let Some((_, sighting)) = self.sight(object) {
            let effects = self.shared.table().deleted(&self.of, &sighting);
            self.shared.report(effects.drift);
        }
    }

    fn sight(&self, mut object: Value) -> Option<(Object, Sighting)> {
        // Items of a list do not say what they are.
        if let Some(fields) = object.as_object_mut() {
            fields.entry("apiVersion").or_insert_with(|| self.resource.gvk.api_version().into());
            fields.entry("kind").or_insert_with(|| self.resource.gvk.kind.clone().into());
        }
        sight(object, &self.shared.settings, Timestamp::now())
    }

    fn give_up(&self) {
        let mut table = self.shared.table();
        table.drop_seen(&self.of);
        table.set_phase(&self.of, Phase::Refused(Instant::now()));
    }

    fn collection(&self) -> Result<String, Fault> {
        let namespace = self.shared.settings.namespace.as_deref().unwrap_or_default();
        self.resource.collection(namespace).map_err(Fault::Refused)
    }
}

/// Reads off an object what is kept of it. `None` for what has no identity, which no server sends.
pub(super) fn sight(object: Value, settings: &Settings, now: Timestamp) -> Option<(Object, Sighting)> {
    let health = by_kind(&object, now).into();
    let object = Object::new(object).ok()?;
    let state = ObjectState {
        uid: object.uid().into(),
        resource_version: object.resource_version().parse().unwrap_or(0),
        generation: object.at(&["metadata", "generation"]).and_then(Value::as_i64),
        owner: super::owner_of(&object).map(Into::into),
        health,
        owned: owned_digest(&object, &settings.manager, &settings.override_managers),
        writers: writers(&object),
    };
    let sighting = Sighting { namespace: object.namespace().to_owned(), name: object.name().to_owned(), state };
    Some((object, sighting))
}

/// Tells waits what their expressions say of an object.
fn judge_for(waiters: &[Waiter], live: &Value, version: u64) {
    for waiter in waiters {
        if let Some((checks, order)) = &waiter.checks {
            let status = judge(live, checks, *order, Timestamp::now()).status;
            waiter.mailbox.judged(waiter.target, version, status);
        }
    }
}

fn advance(at: &mut String, object: &Value) {
    if let Some(version) = object.pointer("/metadata/resourceVersion").and_then(Value::as_str) {
        version.clone_into(at);
    }
}

fn fault(error: &kube::Error) -> Fault {
    let code = match error {
        kube::Error::Api(status) => status.code,
        _ => 0,
    };
    let error = RequestError::other(error);
    match code {
        410 => Fault::Expired,
        401 | 403 | 404 | 405 => Fault::Refused(error),
        _ => Fault::Passing(error),
    }
}

fn unsent(error: &kube::core::request::Error) -> Fault {
    Fault::Refused(RequestError::Transport(error.to_string()))
}

fn silent(after: Duration) -> Fault {
    Fault::Passing(RequestError::Timeout { seconds: after.as_secs() })
}
