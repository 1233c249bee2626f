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
use serde_json::json;
use sluice_api::notification::Receiver;
use sluice_runtime::logging::error_chain;
use tokio_util::task::TaskTracker;
use tracing::{debug, error, warn};

use super::ReceiverIndex;
use super::admit::{Admitted, Gatekeeper};
use super::evaluations::Evaluations;
use super::issuers::Issuers;
use super::mux::{Route, route};
use super::programs::{Program, Programs};
use super::readiness::takes_requests;
use super::resources::{Sieve, Trigger};
use super::{go_json, media_type};
use crate::CrossNamespace;
use crate::cluster::{Objects, Secrets};
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
    /// The keys of senders' tokens.
    pub issuers: Issuers,
}

/// Whether filters can see a request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Json,
    Other,
}

impl Content {
    fn of(headers: &HeaderMap) -> Self {
        if media_type::is_json(headers) { Self::Json } else { Self::Other }
    }
}

/// The webhook server without its listener. Cloning shares it.
#[derive(Clone)]
pub struct WebhookServer {
    ports: Ports,
    cross_namespace: CrossNamespace,
    programs: Arc<Programs>,
    evaluations: Evaluations,
    tasks: TaskTracker,
}

impl WebhookServer {
    /// A server over these ports.
    pub fn new(ports: Ports, cross_namespace: CrossNamespace) -> Self {
        let (programs, evaluations) = (Arc::default(), Evaluations::default());
        Self { ports, cross_namespace, programs, evaluations, tasks: TaskTracker::new() }
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
        let program = self.programs.of(&receiver).await;
        let admitted = self.gatekeeper().admit(&receiver, &program, headers, body).await;
        let admitted = match admitted {
            Ok(admitted) => admitted,
            Err(error) => {
                let error = error_chain(&error);
                warn!(receiver.name = name, receiver.namespace = namespace, error, "refused a request");
                return StatusCode::BAD_REQUEST;
            }
        };
        if let Err(error) = &program.filters {
            let error = error_chain(error);
            error!(receiver.name = name, receiver.namespace = namespace, error, "a filter cannot be used");
            return StatusCode::INTERNAL_SERVER_ERROR;
        }
        self.request_all(receiver, program, admitted, Content::of(headers)).await
    }

    fn gatekeeper(&self) -> Gatekeeper<'_> {
        Gatekeeper {
            secrets: &*self.ports.secrets,
            issuers: &self.ports.issuers,
            evaluations: &self.evaluations,
            now: Timestamp::now(),
        }
    }

    /// Handles the resources in a task of its own: a caller that hangs up must not leave half of them unasked.
    async fn request_all(
        &self,
        receiver: Arc<Receiver>,
        program: Arc<Program>,
        admitted: Admitted,
        content: Content,
    ) -> StatusCode {
        let server = self.clone();
        let task = self.tasks.spawn(async move {
            let triggering = server.trigger(&receiver, &program, admitted, content);
            tokio::time::timeout(RESOURCES, triggering).await
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

    /// Steps 5 and 6. Returns whether all went well; what did not is logged.
    async fn trigger(&self, receiver: &Receiver, program: &Program, admitted: Admitted, content: Content) -> bool {
        let filters = program.filters.as_ref().ok().filter(|filters| !filters.is_empty());
        let mut room = None;
        let mut sieve = None;
        if let Some(filters) = filters {
            let Admitted { payload, claims } = admitted;
            let req = match content {
                Content::Other => json!({}),
                Content::Json => {
                    room = self.evaluations.room_for(payload.len()).await;
                    let parsed = self.evaluations.run(move || go_json::object(&payload)).await;
                    match parsed {
                        Some(Ok(req)) => req,
                        Some(Err(error)) => {
                            let (name, namespace) = (&receiver.metadata.name, &receiver.metadata.namespace);
                            error!(receiver.name = ?name, receiver.namespace = ?namespace, %error, "a filter cannot see the body");
                            return false;
                        }
                        None => return false,
                    }
                }
            };
            let (filters, evaluations) = (filters.clone(), self.evaluations.clone());
            sieve = Some(Arc::new(Sieve { filters, req, claims, evaluations }));
        }
        let token = Timestamp::now().to_string();
        let (cross_namespace, objects) = (self.cross_namespace, &*self.ports.objects);
        let handled = Trigger { receiver, cross_namespace, objects, sieve, token: &token }.request_all().await;
        drop(room);
        handled
    }
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
