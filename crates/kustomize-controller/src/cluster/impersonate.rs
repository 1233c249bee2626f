//! Acting as a service account: a client whose requests carry one more header, over the connections of the client that is there.
//!
//! Deliberately no groups: the API server gives a service account its own.

use std::fmt;
use std::task::{Context, Poll};

use http::header::{HeaderName, HeaderValue, InvalidHeaderValue};
use http::{Request, Response};
use kube::Client;
use kube::client::Body;
use tower_service::Service;

use super::connect::Answer;

const IMPERSONATE_USER: HeaderName = HeaderName::from_static("impersonate-user");

/// A service account as a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ServiceAccountUser {
    pub(super) namespace: String,
    pub(super) name: String,
}

impl fmt::Display for ServiceAccountUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "system:serviceaccount:{}:{}", self.namespace, self.name)
    }
}

/// A client that acts as `user` over `client`'s connections.
pub(super) fn acting_as(client: &Client, user: &str) -> Result<Client, InvalidHeaderValue> {
    let service = Impersonate { client: client.clone(), user: HeaderValue::from_str(user)? };
    Ok(Client::new(service, client.default_namespace()))
}

struct Impersonate {
    client: Client,
    user: HeaderValue,
}

impl Service<Request<Body>> for Impersonate {
    type Response = Response<Body>;
    type Error = kube::Error;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // The inner client's queue is waited for in `send`.
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        request.headers_mut().insert(IMPERSONATE_USER, self.user.clone());
        let client = self.client.clone();
        Box::pin(async move { client.send(request).await })
    }
}
