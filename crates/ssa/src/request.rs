//! The requests: get, server-side apply, patch, delete and watch of one object of any kind.
//!
//! Requests stay plain (no validation directive, no warnings), so that old servers take them. Answers are parsed here rather than by the
//! client's own helpers, which log a body that they cannot parse: it may be a Secret. Deliberately not here: any decision.

use std::time::Duration;

use futures::{Stream, StreamExt as _};
use kube::api::{DeleteParams, GetParams, Patch, PatchParams, PostParams, Preconditions, WatchParams};
use kube::core::{Request, WatchEvent};
use serde_json::{Value, json};
use sluice_manifest::{Object, ObjectId};

use crate::error::RequestError;
use crate::resource::{Resource, segment};

/// The server itself ends a mutating request after 60 s; this is that plus the way there and back.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(70);

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
        match self.send(id, request).await {
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
        parse(&self.send(&id, request).await?)
    }

    /// A JSON patch of the live object.
    pub(crate) async fn patch(
        &self,
        resource: &Resource,
        id: &ObjectId,
        operations: &[Value],
    ) -> Result<(), RequestError> {
        let params = PatchParams { field_manager: Some(self.manager.clone()), ..PatchParams::default() };
        let mut request = item(resource, id)?.patch(&segment(&id.name)?, &params, &Patch::Merge(operations));
        if let Ok(request) = &mut request {
            // The client's own JSON patch needs one more crate for the same bytes.
            let content_type = http::HeaderValue::from_static("application/json-patch+json");
            request.headers_mut().insert(http::header::CONTENT_TYPE, content_type);
        }
        self.send(id, request).await.map(drop)
    }

    /// Tries to create the object, storing nothing.
    pub(crate) async fn try_create(&self, resource: &Resource, object: &Object) -> Result<(), RequestError> {
        let id = object.id();
        let params = PostParams { dry_run: true, field_manager: Some(self.manager.clone()) };
        let body = json!(object.as_map()).to_string().into_bytes();
        let request = item(resource, &id)?.create(&params, body);
        self.send(&id, request).await.map(drop)
    }

    /// Deletes with background propagation, if the object is still the one with this uid. Returns false when it was gone already.
    pub(crate) async fn delete(&self, resource: &Resource, id: &ObjectId, uid: &str) -> Result<bool, RequestError> {
        let preconditions = Preconditions { resource_version: None, uid: Some(uid.to_owned()) };
        let params = DeleteParams::background().preconditions(preconditions);
        let request = item(resource, id)?.delete(&segment(&id.name)?, &params);
        match self.send(id, request).await {
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
        let events = opened.map_err(|_| timeout())?.map_err(|error| RequestError::about(id, error))?;
        let id = id.clone();
        Ok(events.map(move |event| event.map_err(|error| RequestError::about(&id, error))))
    }

    /// Reads any path, such as a discovery document.
    pub(crate) async fn read(&self, path: &str) -> Result<String, RequestError> {
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", path));
        let request = Request::new(parent).get(name, &GetParams::default()).map_err(|error| transport(&error))?;
        let sent = tokio::time::timeout(REQUEST_TIMEOUT, self.client.request_text(request)).await;
        sent.map_err(|_| timeout())?.map_err(|error| RequestError::other(&error))
    }
}

impl Requests {
    async fn send(
        &self,
        about: &ObjectId,
        request: Result<http::Request<Vec<u8>>, kube::core::request::Error>,
    ) -> Result<String, RequestError> {
        let request = request.map_err(|error| transport(&error))?;
        let sent = tokio::time::timeout(REQUEST_TIMEOUT, self.client.request_text(request)).await;
        sent.map_err(|_| timeout())?.map_err(|error| RequestError::about(about, error))
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

fn timeout() -> RequestError {
    RequestError::Timeout { seconds: REQUEST_TIMEOUT.as_secs() }
}
