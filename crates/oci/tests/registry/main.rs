//! The client against Debian's docker-registry, and against answers broken on the way.

#![expect(clippy::unwrap_used, reason = "what helpers of tests cannot do, fails the test")]

mod auth;
mod faults;
mod pull;
mod tools;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sluice_http_client::{ClientConfig, ClientIdentity, Proxy, RetryPolicy, Secret, TrustRoots};
use sluice_oci::{
    Client, ClientOptions, Credential, CredentialFuture, CredentialProvider, Credentials, Descriptor, Digest, Document,
    Keyring, OciError, Platform, Pointer, Repository, Security, Tag,
};
use sluice_testkit::proxy::{ProxyKind, ProxyServer};
use sluice_testkit::registry::{
    Fault, FaultKind, IDENTITY_TOKEN, Image, Layer, PASSWORD, Registry, RegistryAuth, RegistryOptions, RegistryRequest,
    USERNAME, media_type,
};

/// Retries that take no time.
const QUICK: RetryPolicy =
    RetryPolicy { attempts: 3, min_wait: Duration::from_millis(1), max_wait: Duration::from_millis(20) };

const UNLIMITED: u64 = u64::MAX;

fn options() -> ClientOptions {
    let http = ClientConfig { proxy: Proxy::Direct, ..ClientConfig::default() };
    ClientOptions { http, retry: QUICK, timeout: Duration::from_secs(30), ..ClientOptions::default() }
}

fn with(credentials: Credentials) -> ClientOptions {
    ClientOptions { credentials, ..options() }
}

fn login() -> Credentials {
    Credentials::Fixed(Credential::basic(USERNAME, PASSWORD))
}

fn client(registry: &Registry, repository: &str, options: ClientOptions) -> Client {
    Client::new(Repository::parse_url(&registry.oci_url(repository)).unwrap(), options).unwrap()
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn digest(text: &str) -> Digest {
    sluice_oci::parse_digest(text).unwrap()
}

fn plain() -> Registry {
    Registry::start(RegistryOptions::default()).unwrap()
}

fn locked(auth: RegistryAuth) -> Registry {
    Registry::start(RegistryOptions { auth, ..RegistryOptions::default() }).unwrap()
}

fn lines(registry: &Registry) -> Vec<String> {
    registry.take_requests().iter().map(RegistryRequest::line).collect()
}

/// The layer of a pushed image.
async fn layer(client: &Client, pushed: &str) -> Descriptor {
    client.image(&digest(pushed), &Platform::default()).await.unwrap().manifest.layers[0].clone()
}
