//! What the key services need of the world around them: credentials of whoever the controller, or a `ServiceAccount` in its place, is to a
//! cloud; and logins to Vault.
//!
//! Deliberately no Kubernetes client: the controller that has one implements [`VaultAccess`].

use std::pin::Pin;

use sluice_cloud_identity::{AccessToken, AwsCredentials};
use sluice_http_client::Secret;

use crate::VaultInstances;

/// Why the world around had nothing. Implementations make sure that no secret is in it.
pub type AmbientError = Box<dyn std::error::Error + Send + Sync>;

/// What the ports' methods return.
pub type AmbientFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, AmbientError>> + Send + 'a>>;

/// Credentials where no Secret has any.
pub trait Ambient: Send + Sync {
    /// Credentials of AWS; a role is asked for in this region.
    fn aws<'a>(&'a self, region: &'a str) -> AmbientFuture<'a, AwsCredentials>;
    /// A token of Azure.
    fn azure<'a>(&'a self, scope: &'a str) -> AmbientFuture<'a, AccessToken>;
    /// A token of Google Cloud.
    fn gcp(&self) -> AmbientFuture<'_, AccessToken>;
}

/// Where Vault takes a token of a `ServiceAccount`, and that token.
pub trait VaultAccess: Send + Sync {
    /// The servers that are trusted with one. Asked for once, and only if a document needs it.
    fn instances(&self) -> AmbientFuture<'_, VaultInstances>;
    /// A token for this audience: the server's address.
    fn service_account_token<'a>(&'a self, audience: &'a str) -> AmbientFuture<'a, Secret<String>>;
}

/// Nobody: no cloud knows us.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoAmbient;

fn nothing<T>() -> AmbientFuture<'static, T> {
    Box::pin(async { Err("no credentials are configured".into()) })
}

impl Ambient for NoAmbient {
    fn aws<'a>(&'a self, _region: &'a str) -> AmbientFuture<'a, AwsCredentials> {
        nothing()
    }

    fn azure<'a>(&'a self, _scope: &'a str) -> AmbientFuture<'a, AccessToken> {
        nothing()
    }

    fn gcp(&self) -> AmbientFuture<'_, AccessToken> {
        nothing()
    }
}
