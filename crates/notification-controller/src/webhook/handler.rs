//! The webhook server's HTTP side: the steps of a request in their order, and the status code of each failure.
//!
//! The order is part of the contract: the body's limit comes before the lookup, and the lookup before anything that
//! could tell a caller whether a Receiver exists.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::LOCATION;
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use sluice_api::notification::Receiver;
use sluice_runtime::logging::error_chain;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, warn};

use super::ReceiverIndex;
use super::auth::{AuthError, authenticate};
use super::mux::{Route, route};
use super::readiness::takes_requests;
use super::resources::request_all;
use crate::CrossNamespace;
use crate::cluster::{Objects, Secrets};
use crate::receiver::{TokenError, token, validate};
use crate::server::{BodyError, read_body};

/// Longest time for the requests of one call: a minute is some thousand patches.
const RESOURCES: Duration = Duration::from_secs(60);

/// The ports of the webhook server.
#[derive(Clone)]
pub struct Ports {
    /// Receivers by path.
    pub receivers: Arc<dyn ReceiverIndex>,
    /// Secrets, read live.
    pub secrets: Arc<dyn Secrets>,
    /// The objects to be reconciled.
    pub objects: Arc<dyn Objects>,
}

/// The webhook server without its listener. Cloning shares it.
#[derive(Clone)]
pub struct WebhookServer {
    ports: Ports,
    cross_namespace: CrossNamespace,
    tasks: TaskTracker,
}

impl WebhookServer {
    /// A server over these ports.
    pub fn new(ports: Ports, cross_namespace: CrossNamespace) -> Self {
        Self { ports, cross_namespace, tasks: TaskTracker::new() }
    }

    /// The routes, to be served with `server::serve`.
    pub fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(self.clone())
    }

    /// Waits for requests of reconciles under way, for at most `limit`. Returns how many were still not done.
    /// To be called when no more requests come in.
    pub async fn drain(&self, limit: Duration) -> usize {
        self.tasks.close();
        let _ = tokio::time::timeout(limit, self.tasks.wait()).await;
        self.tasks.len()
    }

    /// Steps 2 to 7: from the lookup to the answer. `uri` is the request's as sent, with its query.
    async fn answer(&self, uri: &str, headers: &HeaderMap, body: &Bytes) -> StatusCode {
        let receiver = match self.ports.receivers.by_path(uri) {
            Ok(Some(receiver)) => receiver,
            Ok(None) => return StatusCode::NOT_FOUND,
            Err(error) => {
                error!(%error, "failed to look up a receiver");
                return StatusCode::INTERNAL_SERVER_ERROR;
            }
        };
        let (name, namespace) = (receiver.metadata.name.as_deref(), receiver.metadata.namespace.as_deref());
        if !takes_requests(&receiver) {
            debug!(receiver.name = name, receiver.namespace = namespace, "receiver is suspended or not ready");
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        if let Err(error) = self.admit(&receiver, headers, body).await {
            let error = error_chain(&error);
            warn!(receiver.name = name, receiver.namespace = namespace, error, "refused a request");
            return StatusCode::BAD_REQUEST;
        }
        // A Receiver that another controller has accepted may carry what is not supported here.
        if let Err(error) = validate(&receiver.spec) {
            error!(receiver.name = name, receiver.namespace = namespace, %error, "receiver cannot be served");
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
        self.request_all(receiver).await
    }

    async fn admit(&self, receiver: &Receiver, headers: &HeaderMap, body: &Bytes) -> Result<(), AdmitError> {
        let namespace = receiver.metadata.namespace.as_deref().unwrap_or_default();
        let secret = receiver.spec.secret_ref.as_ref().ok_or(AdmitError::NameSecret)?;
        let read = self.ports.secrets.read(namespace, &secret.name).await;
        let token = token(namespace, &secret.name, read)?;
        authenticate(&receiver.spec, &token, headers, body)?;
        Ok(())
    }

    /// Handles the resources in a task of its own: a caller that hangs up must not leave half of them unasked.
    async fn request_all(&self, receiver: Arc<Receiver>) -> StatusCode {
        let (objects, cross_namespace) = (Arc::clone(&self.ports.objects), self.cross_namespace);
        let task = self.tasks.spawn(async move {
            let token = Timestamp::now().to_string();
            tokio::time::timeout(RESOURCES, request_all(&receiver, cross_namespace, &*objects, &token)).await
        });
        match task.await {
            Ok(Ok(true)) => StatusCode::OK,
            Ok(Ok(false)) => StatusCode::INTERNAL_SERVER_ERROR,
            Ok(Err(_)) => {
                error!("the resources of a receiver were not handled in time");
                StatusCode::INTERNAL_SERVER_ERROR
            }
            Err(error) => {
                error!(%error, "the handling of a receiver's resources failed unexpectedly");
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }
}

/// Why a request was not let in.
#[derive(Debug, thiserror::Error)]
enum AdmitError {
    #[error("the receiver names no secret")]
    NameSecret,
    #[error(transparent)]
    ReadToken(#[from] TokenError),
    #[error(transparent)]
    Authenticate(#[from] AuthError),
}

async fn handle(State(server): State<WebhookServer>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    match route(parts.uri.path()) {
        Route::Hook => {}
        Route::Redirect(path) => {
            let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
            // Of the redirects, this one keeps method and body.
            return (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, format!("{path}{query}"))]).into_response();
        }
        Route::Nowhere => return StatusCode::NOT_FOUND.into_response(),
    }
    let body = match read_body(body).await {
        Ok(body) => body,
        Err(BodyError::Exceed) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        Err(error) => {
            debug!(error = error_chain(&error), "failed to read a request");
            return StatusCode::BAD_REQUEST.into_response();
        }
    };
    server.answer(&parts.uri.to_string(), &parts.headers, &body).await.into_response()
}

#[cfg(test)]
mod tests;
