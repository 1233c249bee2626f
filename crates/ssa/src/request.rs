//! The requests: get, server-side apply, patch, delete and watch of one object of any kind.
//!
//! Requests stay plain (no validation directive, no warnings), so that old servers take them. Answers are parsed here rather than by the
//! client's own helpers, which log a body that they cannot parse: it may be a Secret. What fails is made again by the rules of `retry`, and
//! every attempt has a bound in time, so that a server that hangs holds nobody for ever. Deliberately not here: any other decision.

use std::time::Duration;

use futures::{Stream, StreamExt as _};
use kube::api::{DeleteParams, GetParams, Patch, PatchParams, PostParams, Preconditions, WatchParams};
use kube::client::Body;
use kube::core::{Request, WatchEvent};
use serde_json::{Value, json};
use sluice_manifest::{Object, ObjectId};

use crate::error::RequestError;
use crate::resource::{Resource, segment};
use crate::retry::{Conflicts, Fault};

/// The server itself ends a mutating request after 60 s; this is that plus the way there and back.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(70);

/// Reads of one object or of a discovery document are quick, or the server hangs. A request that had no answer in time is not made again.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the server keeps one watch open. Longer waits open another.
const WATCH_SECONDS: u32 = 60;

/// Whether a write is only tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Nothing is stored.
    DryRun,
    /// It is stored.
    Store,
}

/// A client with our field manager.
#[derive(Clone)]
pub(crate) struct Requests {
    client: kube::Client,
    manager: String,
}

impl Requests {
    pub(crate) fn new(client: kube::Client, manager: &str) -> Self {
        Self { client, manager: manager.to_owned() }
    }

    pub(crate) fn manager(&self) -> &str {
        &self.manager
    }

    /// The live object, or `None` when it is not there.
    pub(crate) async fn get(&self, resource: &Resource, id: &ObjectId) -> Result<Option<Object>, RequestError> {
        let request = item(resource, id)?.get(&segment(&id.name)?, &GetParams::default());
        match self.send(id, request, READ_TIMEOUT, Conflicts::Outdated).await {
            Ok(text) => parse(&text).map(Some),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Server-side apply with forced ownership. Returns the resulting object.
    pub(crate) async fn apply(&self, resource: &Resource, object: &Object, mode: Mode) -> Result<Object, RequestError> {
        let id = object.id();
        let params = PatchParams {
            dry_run: mode == Mode::DryRun,
            force: true,
            field_manager: Some(self.manager.clone()),
            field_validation: None,
        };
        let request = item(resource, &id)?.patch(&segment(&id.name)?, &params, &Patch::Apply(object.as_map()));
        parse(&self.send(&id, request, REQUEST_TIMEOUT, Conflicts::Race).await?)
    }

    /// A JSON patch of the live object. Returns what it is then.
    pub(crate) async fn patch(
        &self,
        resource: &Resource,
        id: &ObjectId,
        operations: &[Value],
    ) -> Result<Object, RequestError> {
        let params = PatchParams { field_manager: Some(self.manager.clone()), ..PatchParams::default() };
        let mut request = item(resource, id)?.patch(&segment(&id.name)?, &params, &Patch::Merge(operations));
        if let Ok(request) = &mut request {
            // The client's own JSON patch needs one more crate for the same bytes.
            let content_type = http::HeaderValue::from_static("application/json-patch+json");
            request.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
        }
        parse(&self.send(id, request, REQUEST_TIMEOUT, Conflicts::Outdated).await?)
    }

    /// Tries to create the object, storing nothing.
    pub(crate) async fn try_create(&self, resource: &Resource, object: &Object) -> Result<(), RequestError> {
        let id = object.id();
        let params = PostParams { dry_run: true, field_manager: Some(self.manager.clone()) };
        let body = json!(object.as_map()).to_string().into_bytes();
        let request = item(resource, &id)?.create(&params, body);
        self.send(&id, request, REQUEST_TIMEOUT, Conflicts::Outdated).await.map(drop)
    }

    /// Deletes with background propagation, if the object is still the one with this uid. Returns false when it was gone already.
    pub(crate) async fn delete(&self, resource: &Resource, id: &ObjectId, uid: &str) -> Result<bool, RequestError> {
        let preconditions = Preconditions { resource_version: None, uid: Some(uid.to_owned()) };
        let params = DeleteParams::background().preconditions(preconditions);
        let request = item(resource, id)?.delete(&segment(&id.name)?, &params);
        match self.send(id, request, REQUEST_TIMEOUT, Conflicts::Outdated).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The events of one object after a resource version. The stream ends after [`WATCH_SECONDS`].
    pub(crate) async fn watch(
        &self,
        resource: &Resource,
        id: &ObjectId,
        resource_version: &str,
    ) -> Result<impl Stream<Item = Result<WatchEvent<Value>, RequestError>> + use<>, RequestError> {
        let params = WatchParams::default().fields(&format!("metadata.name={}", id.name)).timeout(WATCH_SECONDS);
        let request = item(resource, id)?.watch(&params, resource_version).map_err(|error| transport(&error))?;
        let opened = tokio::time::timeout(REQUEST_TIMEOUT, self.client.request_events::<Value>(request)).await;
        let events = opened.map_err(|_| timeout(REQUEST_TIMEOUT))?.map_err(|error| RequestError::about(id, error))?;
        let id = id.clone();
        Ok(events.map(move |event| event.map_err(|error| RequestError::about(&id, error))))
    }

    /// Reads any path, such as a discovery document.
    pub(crate) async fn read(&self, path: &str) -> Result<String, RequestError> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let request = Request::new(parent).get(name, &GetParams::default()).map_err(|error| transport(&error))?;
        self.exchange(request, READ_TIMEOUT, Conflicts::Outdated, |error| RequestError::other(&error)).await
    }
}

impl Requests {
    async fn send(
        &self,
        about: &ObjectId,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
        bound: Duration,
        conflicts: Conflicts,
    ) -> Result<String, RequestError> {
        let request = request.map_err(|error| transport(&error))?;
        self.exchange(request, bound, conflicts, |error| RequestError::about(about, error)).await
    }

    /// Makes a request until it has an answer that another attempt would not change. `bound` is that of one attempt.
    async fn exchange(
        &self,
        request: http::Request<Vec<u8>>,
        bound: Duration,
        conflicts: Conflicts,
        describe: impl FnOnce(kube::Error) -> RequestError,
    ) -> Result<String, RequestError> {
        let mut attempt = 1;
        loop {
            let sent = tokio::time::timeout(bound, self.attempt(request.clone())).await;
            let fault = match sent.map_err(|_| timeout(bound))? {
                Ok(text) => return Ok(text),
                Err(fault) => fault,
            };
            let Some(pause) = fault.pause(attempt, conflicts) else {
                return Err(describe(fault.into_error()).tried(attempt));
            };
            tokio::time::sleep(pause).await;
            attempt += 1;
        }
    }

    async fn attempt(&self, request: http::Request<Vec<u8>>) -> Result<String, Fault> {
        let (head, body) = self.client.send(request.map(Body::from)).await.map_err(Fault::of)?.into_parts();
        let body = body.collect_bytes().await.map_err(Fault::of)?;
        if head.status.is_client_error() || head.status.is_server_error() {
            return Err(Fault::answered(head.status.as_u16(), &head.headers, &body));
        }
        String::from_utf8(body.into()).map_err(|error| Fault::Local(kube::Error::FromUtf8(error)))
    }
}

fn item(resource: &Resource, id: &ObjectId) -> Result<Request, RequestError> {
    Ok(Request::new(resource.collection(&id.namespace)?))
}

fn parse(text: &str) -> Result<Object, RequestError> {
    let document: Value = serde_json::from_str(text).map_err(|error| RequestError::Answer(error.to_string()))?;
    Object::new(document).map_err(|error| RequestError::Answer(error.to_string()))
}

fn transport(error: &kube::core::request::Error) -> RequestError {
    RequestError::Transport(error.to_string())
}

fn timeout(bound: Duration) -> RequestError {
    RequestError::Timeout { seconds: bound.as_secs() }
}
