//! Who a controller is to a cloud: credentials and access tokens of AWS, Azure, Google Cloud and GitHub Apps, for itself or on behalf of a
//! `ServiceAccount`; and the logins to registries and Git hosts that follow from them.
//!
//! [`Identity`] is the whole way for a reconcile; the modules below it are the single exchanges, each a request, a reader of the answer
//! and a thin sender.
//!
//! Deliberately no Kubernetes client: a `ServiceAccount` is its annotations and a port that gives its tokens. No environment and no
//! files of its own accord: both are arguments. Nothing is written anywhere.

pub mod aws;
pub mod azure;
pub mod cache;
pub mod cluster;
pub mod credential;
mod crypto;
pub mod environment;
pub mod gcp;
pub mod github_app;
mod identity;
mod jwt;
pub mod sigv4;
#[cfg(test)]
mod testing;
mod transport;

pub use cache::{CacheEvent, CacheKey, CacheKeyBuilder, CacheObserver, CacheOutcome, InvolvedObject, TokenCache};
pub use cluster::{AddressError, ClusterAccess, ClusterAddress, ClusterEndpoint, ClusterReference};
pub use credential::{AccessToken, Clock, Expires, GitLogin, GitScheme, RegistryLogin};
pub use environment::{Environment, FileError, Files, LocalFiles};
pub use github_app::{GitHubApp, GitHubAppError};
pub use identity::{
    CloudError, Endpoints, Identity, IdentityError, Platform, Port, PortError, Provider, ServiceAccount,
    ServiceAccountTokens,
};
pub use jwt::{KeyError, RsaKey, subject as jwt_subject};
pub use sigv4::AwsCredentials;
pub use transport::{ExchangeError, MAX_ANSWER_BYTES, REQUEST_TIMEOUT, Transport};
