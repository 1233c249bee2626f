//! The port to Kubernetes: a `ServiceAccount` as its annotations, and where its tokens come from.
//!
//! Deliberately no client: the controller that has one implements the port.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use sluice_http_client::Secret;

use super::{CloudError, IdentityError, PortError};

/// What the port's method returns.
pub type Port<'a, T> = Pin<Box<dyn Future<Output = Result<T, PortError>> + Send + 'a>>;

/// The port to Kubernetes: tokens of one `ServiceAccount`.
pub trait ServiceAccountTokens: Send + Sync {
    /// A fresh token for these audiences (the API server's `TokenRequest`).
    fn service_account_token<'a>(&'a self, audiences: &'a [String]) -> Port<'a, Secret<String>>;
}

/// A `ServiceAccount` whose identity is used in place of the controller's.
#[derive(Clone)]
pub struct ServiceAccount {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its annotations, which say who it is to a cloud.
    pub annotations: BTreeMap<String, String>,
    /// The audiences of its tokens; empty for what the provider expects.
    pub audiences: Vec<String>,
    /// Where its tokens come from.
    pub tokens: Arc<dyn ServiceAccountTokens>,
}

impl fmt::Debug for ServiceAccount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceAccount({}/{})", self.namespace, self.name)
    }
}

impl ServiceAccount {
    pub(super) fn audiences_or(&self, expected: impl FnOnce() -> String) -> Vec<String> {
        if self.audiences.is_empty() { vec![expected()] } else { self.audiences.clone() }
    }

    pub(super) async fn token(&self, audiences: &[String]) -> Result<Secret<String>, IdentityError> {
        self.tokens
            .service_account_token(audiences)
            .await
            .map_err(|source| IdentityError::KubernetesToken { account: self.full_name(), source })
    }

    pub(super) fn error(&self, source: impl Into<CloudError>) -> IdentityError {
        IdentityError::ServiceAccount { account: self.full_name(), source: source.into() }
    }

    pub(super) fn identity_error(&self, source: impl Into<CloudError>) -> IdentityError {
        IdentityError::Annotations { account: self.full_name(), source: source.into() }
    }

    fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}
