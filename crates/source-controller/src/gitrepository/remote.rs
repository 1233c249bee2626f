//! Phase: the spec and its Secrets become a remote to talk to.
//!
//! Deliberately sends nothing to the Git server; the only call is the live read of Secrets.

use std::collections::BTreeMap;

use kube::Client;
use sluice_api::source::GitRepository;
use sluice_git::{AuthError, Remote, RemoteConfig, RemoteError, auth_from_secret};
use sluice_http_client::{Proxy, Url};

use crate::source::secrets::{self, BadSecret, SecretError, Secrets};

/// Why there is no remote.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrepareError {
    /// `spec.url` is no URL.
    #[error("failed to parse url '{url}'")]
    Url {
        url: String,
        #[source]
        source: url::ParseError,
    },
    /// A Secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The Secret's data makes no credentials.
    #[error("failed to configure authentication options")]
    Auth(#[source] AuthError),
    /// The proxy Secret's data makes no proxy.
    #[error("failed to configure proxy options")]
    Proxy(#[source] BadSecret),
    /// No client can be made of it.
    #[error("failed to create Git client")]
    Client(#[source] RemoteError),
}

/// Reads `spec.secretRef` and `spec.proxySecretRef` and makes the remote of the object.
pub(crate) async fn prepare(client: &Client, object: &GitRepository) -> Result<Remote, PrepareError> {
    let text = &object.spec.url;
    let url: Url =
        text.parse().map_err(|source| PrepareError::Url { url: sluice_http_client::mask_url_text(text), source })?;
    let secrets = Secrets::of(client, object);
    let data = match &object.spec.secret_ref {
        Some(reference) => secrets.data(&reference.name).await?,
        None => BTreeMap::new(),
    };
    let credentials = auth_from_secret(&url, &data).map_err(PrepareError::Auth)?;
    let proxy = match &object.spec.proxy_secret_ref {
        Some(reference) => secrets::proxy(&secrets.data(&reference.name).await?).map_err(PrepareError::Proxy)?,
        None => Proxy::Environment,
    };
    let config = RemoteConfig {
        url,
        auth: credentials.auth,
        tls: credentials.tls,
        proxy,
        timeout: object.timeout(),
        limits: sluice_git::Limits::default(),
    };
    Remote::new(config).map_err(PrepareError::Client)
}
