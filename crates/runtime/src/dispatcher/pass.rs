//! One pass over one object: the steps around what the kind decides.
//!
//! Deliberately knows nothing of why a pass runs; the object's state says what to do.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::object::HasStatus;
use kube::{Api, Resource, ResourceExt};
use serde_json::{Value, json};
use sluice_api::constants::{annotation, condition};
use sluice_api::status::{ObjectStatus, Reconcilable};
use sluice_conditions::Stamp;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::patch::WriteError;
use super::{Finalized, Next, Outcome, Pass, Reconciler, Shared, Slot, StatusOf, StatusWriter, kind_of, trigger};
use crate::backoff::jittered;
use crate::cache::{Entry, Undecodable};
use crate::logging::error_chain;
use crate::metrics::PassResult;
use crate::queue::Key;
use crate::recorder::{Involved, Notice, Severity};

/// Reason of `Ready` and `Stalled` on an object whose stored JSON does not fit its kind.
const INVALID_OBJECT: &str = "InvalidObject";
/// Reason of `Ready` on an object whose pass panicked.
const INTERNAL_ERROR: &str = "InternalError";

/// Runs one pass over `key` and plans the next one.
pub(super) async fn run<R: Reconciler>(shared: &Arc<Shared<R>>, key: &Key, slot: Slot, stop: CancellationToken) {
    let kind = kind_of::<R>();
    let span = tracing::info_span!(
        "reconcile",
        controller = kind.to_ascii_lowercase(),
        controllerKind = kind,
        name = key.name,
        namespace = key.namespace,
    );
    let started = Instant::now();
    // A clone stays here: the worker is occupied until the status is written, not only while the reconciler has the pass.
    let (next, result) = one(shared, key, Around { slot: slot.clone(), stop }).instrument(span).await;
    if let Some(result) = result {
        shared.metrics.observe_pass(&kind, key, result, started.elapsed());
        // The pass that finalized the object may end after the watch told that it is gone.
        if shared.cache.entry(key).is_none() {
            shared.metrics.forget_object(&kind, key);
        }
    }
    plan(shared, key, next);
    shared.queue.done(key);
    drop(slot);
}

fn plan<R: Reconciler>(shared: &Shared<R>, key: &Key, next: Next) {
    let delay = match next {
        Next::Interval(interval) => {
            shared.backoff.reset(key);
            jittered(interval, shared.settings.jitter_percentage, fastrand::f64())
        }
        Next::After(delay) => {
            shared.backoff.reset(key);
            delay
        }
        Next::Now => Duration::ZERO,
        Next::Backoff => shared.backoff.next(key),
        Next::Never => return,
    };
    shared.queue.add_after(key.clone(), delay);
}

/// What surrounds a pass.
struct Around {
    slot: Slot,
    stop: CancellationToken,
}

async fn one<R: Reconciler>(shared: &Arc<Shared<R>>, key: &Key, around: Around) -> (Next, Option<PassResult>) {
    match shared.cache.entry(key) {
        None => (Next::Never, None),
        Some(Entry::Undecodable(object)) => {
            report_undecodable(shared, key, &object).await;
            (Next::Never, Some(PassResult::Error))
        }
        Some(Entry::Decoded(object)) => {
            match AssertUnwindSafe(decoded(shared, key, Arc::clone(&object), around)).catch_unwind().await {
                Ok(next) => (next, Some(result_of(next))),
                Err(panic) => {
                    report_panic(shared, key, &object, &panic_text(panic.as_ref())).await;
                    (Next::Backoff, Some(PassResult::Panic))
                }
            }
        }
    }
}

fn result_of(next: Next) -> PassResult {
    match next {
        Next::Interval(_) | Next::After(_) => PassResult::RequeueAfter,
        Next::Now => PassResult::Requeue,
        Next::Backoff => PassResult::Error,
        Next::Never => PassResult::Success,
    }
}

async fn decoded<R: Reconciler>(shared: &Arc<Shared<R>>, key: &Key, object: Arc<R::Object>, around: Around) -> Next {
    let writer = StatusWriter::new(
        shared.client.clone(),
        shared.cache.clone(),
        key.clone(),
        shared.settings.field_manager,
        Arc::clone(&object),
    );
    let outcome = if object.meta().deletion_timestamp.is_some() {
        finalize(shared, key, &writer, around).await
    } else if shared.reconciler.unmanaged(&object) {
        release(shared, key, &writer, around).await
    } else if object.suspended() {
        suspended(shared, &writer).await
    } else {
        live(shared, key, &writer, around).await
    };
    outcome.unwrap_or_else(|error| {
        tracing::error!(error = error_chain(&error), "cannot write to the object, trying again");
        Next::Backoff
    })
}

fn pass_of<R: Reconciler>(
    shared: &Shared<R>,
    key: &Key,
    writer: &StatusWriter<R::Object>,
    around: Around,
) -> Pass<R::Object> {
    let object = writer.current();
    let handled = object.status().and_then(|status| status.last_handled_reconcile_at().map(str::to_owned));
    let requested = request_token(object.as_ref()).is_some_and(|token| handled.as_deref() != Some(token));
    let Around { slot, stop } = around;
    let (key, writer, queue) = (key.clone(), writer.clone(), shared.queue.clone());
    Pass { key, object, now: now(), writer, requested, stop, queue, slot }
}

/// Conditions and times in a status have whole seconds.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

fn request_token<K: Resource>(object: &K) -> Option<&str> {
    object.meta().annotations.as_ref()?.get(annotation::REQUESTED_AT).map(String::as_str)
}

async fn live<R: Reconciler>(
    shared: &Arc<Shared<R>>,
    key: &Key,
    writer: &StatusWriter<R::Object>,
    around: Around,
) -> Result<Next, WriteError> {
    if !trigger::has_finalizer(writer.current().meta()) {
        writer.add_finalizer().await?;
    }
    let pass = pass_of(shared, key, writer, around);
    let object = Arc::clone(&pass.object);
    let Outcome { mut status, notices, next } = shared.reconciler.reconcile(pass).await;
    mark_handled(object.as_ref(), &mut status);
    writer.write(&status).await?;
    let written = writer.current();
    shared.reconciler.written(&written, &shared.queue);
    tell(shared, &written, notices);
    Ok(next)
}

async fn suspended<R: Reconciler>(
    shared: &Arc<Shared<R>>,
    writer: &StatusWriter<R::Object>,
) -> Result<Next, WriteError> {
    // Deleting a suspended object still cleans up, so it needs the finalizer as well.
    if !trigger::has_finalizer(writer.current().meta()) {
        writer.add_finalizer().await?;
    }
    let object = writer.current();
    let mut status = object.status().cloned().unwrap_or_default();
    let notices = shared.reconciler.settle_suspended(&object, &mut status);
    mark_handled(object.as_ref(), &mut status);
    writer.write(&status).await?;
    tell(shared, writer.current().as_ref(), notices);
    Ok(Next::Never)
}

/// The request token is copied on every pass, whatever came of it.
fn mark_handled<K: super::Dispatched>(object: &K, status: &mut StatusOf<K>) {
    if let Some(token) = request_token(object) {
        status.set_last_handled_reconcile_at(Some(token.to_owned()));
    }
}

async fn finalize<R: Reconciler>(
    shared: &Arc<Shared<R>>,
    key: &Key,
    writer: &StatusWriter<R::Object>,
    around: Around,
) -> Result<Next, WriteError> {
    if !trigger::has_finalizer(writer.current().meta()) {
        return Ok(Next::Never);
    }
    let pass = pass_of(shared, key, writer, around);
    match shared.reconciler.finalize(pass).await {
        Finalized::Done(notices) => {
            tell(shared, writer.current().as_ref(), notices);
            writer.remove_finalizer().await?;
            Ok(Next::Never)
        }
        Finalized::Wait(delay) => Ok(Next::After(delay)),
        Finalized::Failed(notices) => {
            tell(shared, writer.current().as_ref(), notices);
            Ok(Next::Backoff)
        }
    }
}

/// Takes everything from an object that is not to be reconciled.
async fn release<R: Reconciler>(
    shared: &Arc<Shared<R>>,
    key: &Key,
    writer: &StatusWriter<R::Object>,
    around: Around,
) -> Result<Next, WriteError> {
    let object = writer.current();
    let managed = trigger::has_finalizer(object.meta());
    let empty = StatusOf::<R::Object>::default();
    let has_status = object.status().is_some_and(|status| *status != empty);
    if object.suspended() || !(managed || has_status) {
        return Ok(Next::Never);
    }
    let pass = pass_of(shared, key, writer, around);
    match shared.reconciler.finalize(pass).await {
        Finalized::Done(notices) => {
            writer.write(&empty).await?;
            if managed {
                tell(shared, writer.current().as_ref(), notices);
                writer.remove_finalizer().await?;
            }
            Ok(Next::Never)
        }
        Finalized::Wait(delay) => Ok(Next::After(delay)),
        Finalized::Failed(notices) => {
            tell(shared, writer.current().as_ref(), notices);
            Ok(Next::Backoff)
        }
    }
}

fn tell<R: Reconciler>(shared: &Shared<R>, object: &R::Object, notices: Vec<Notice>) {
    let involved = Involved::of(object);
    for notice in notices {
        match notice.severity {
            Severity::Error => tracing::error!(reason = notice.reason, "{}", notice.message),
            Severity::Info => tracing::info!(reason = notice.reason, "{}", notice.message),
            Severity::Trace => tracing::trace!(reason = notice.reason, "{}", notice.message),
        }
        shared.recorder.record(&involved, object.meta().annotations.as_ref(), notice);
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text =
        panic.downcast_ref::<&str>().map(ToString::to_string).or_else(|| panic.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no message".to_owned())
}

async fn report_panic<R: Reconciler>(shared: &Arc<Shared<R>>, key: &Key, object: &Arc<R::Object>, text: &str) {
    let message = format!("the controller failed on this object (a fault of the controller, please report it): {text}");
    let current = shared.cache.get(key).unwrap_or_else(|| Arc::clone(object));
    let writer = StatusWriter::new(
        shared.client.clone(),
        shared.cache.clone(),
        key.clone(),
        shared.settings.field_manager,
        Arc::clone(&current),
    );
    let mut status = current.status().cloned().unwrap_or_default();
    let stamp = Stamp { generation: current.meta().generation.unwrap_or(0), now: now() };
    sluice_conditions::mark_false(status.conditions_mut(), stamp, condition::READY, INTERNAL_ERROR, &message);
    if let Err(error) = writer.write(&status).await {
        tracing::error!(error = error_chain(&error), "cannot show the panic on its object");
    }
    tell(shared, &current, vec![Notice::new(Severity::Error, INTERNAL_ERROR, message)]);
}

/// Shows on the object itself that its stored JSON does not decode; its siblings go on.
async fn report_undecodable<R: Reconciler>(shared: &Arc<Shared<R>>, key: &Key, bad: &Undecodable) {
    let kind = kind_of::<R>();
    let message =
        format!("the stored {kind} does not decode: {}; correct the field and apply the object again", bad.error);
    tracing::error!(reason = INVALID_OBJECT, "{message}");
    let object = &bad.object;
    let stamp = Stamp { generation: object.metadata.generation.unwrap_or(0), now: now() };
    let mut conditions: Vec<Condition> = object
        .data
        .pointer("/status/conditions")
        .cloned()
        .and_then(|list| serde_json::from_value(list).ok())
        .unwrap_or_default();
    sluice_conditions::mark_stalled(&mut conditions, stamp, INVALID_OBJECT, &message);
    sluice_conditions::mark_false(&mut conditions, stamp, condition::READY, INVALID_OBJECT, &message);
    let mut status = json!({ "conditions": conditions, "observedGeneration": stamp.generation });
    if let Some(token) = request_token(object) {
        status["lastHandledReconcileAt"] = Value::from(token);
    }
    let api: Api<DynamicObject> =
        Api::namespaced_with(shared.client.clone(), &key.namespace, &ApiResource::erase::<R::Object>(&()));
    let params =
        PatchParams { field_manager: Some(shared.settings.field_manager.to_owned()), ..PatchParams::default() };
    if let Err(error) = api.patch_status(&key.name, &params, &Patch::Merge(json!({ "status": status }))).await {
        tracing::error!(error = error_chain(&error), "cannot show on the object that it does not decode");
    }
    let involved = Involved {
        api_version: <R::Object as Resource>::api_version(&()).into_owned(),
        kind,
        namespace: key.namespace.clone(),
        name: key.name.clone(),
        uid: object.uid().unwrap_or_default(),
        resource_version: object.resource_version().unwrap_or_default(),
    };
    shared.recorder.record(
        &involved,
        object.metadata.annotations.as_ref(),
        Notice::new(Severity::Error, INVALID_OBJECT, message),
    );
}
