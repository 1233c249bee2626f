//! Outbound HTTP for every controller: TLS roots and client certificates, proxies, timeouts, byte caps, retries, and errors without secrets.
//! Also bare connections through the same proxies, for protocols that are not HTTP.
//!
//! The only crate that knows the HTTP library. Deliberately not here: what a request means (authentication schemes of Git hosts,
//! registries or chat services), caching, and any server.

mod client;
mod config;
mod error;
mod request;
mod retry;
mod secret;
mod tunnel;

pub use client::{Body, HttpClient, Response};
pub use config::{ClientConfig, ClientIdentity, ConfigError, Proxy, Redirects, TrustRoots, USER_AGENT, redirect_stays};
pub use error::{FailureKind, HttpError};
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
pub use request::Request;
pub use retry::RetryPolicy;
pub use secret::{Secret, mask_url, mask_url_text};
pub use tunnel::{Stream, TunnelError, connect};
pub use url::Url;

/// Makes ring the process's TLS implementation. May be called any number of times, from any thread.
///
/// The libraries below choose their implementation at run time; with several compiled in they would refuse to choose.
pub fn install_crypto_provider() {
    // An error means that somebody else was first, which is what idempotent is to mean here.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
