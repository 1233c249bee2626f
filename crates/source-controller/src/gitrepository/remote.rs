//! Phase: the spec and its Secrets become a remote to talk to.
//!
//! Deliberately sends nothing to the Git server; the calls are the live read of Secrets and, for providers, of a login.

use std::collections::BTreeMap;

use kube::Client;
use sluice_api::source::GitRepository;
use sluice_git::{Auth, AuthError, ClientPool, Remote, RemoteConfig, RemoteError, SshAlgorithms, auth_from_secret};
use sluice_http_client::{Proxy, Url};

use super::provider::{self, Providers};
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
    /// The Secret cannot be read.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The Secret's data makes no credentials.
    #[error("failed to configure authentication options")]
    Auth(#[source] AuthError),
    /// The SSH key needs a passphrase. The Secret is named as `NAMESPACE/NAME`.
    #[error("SSH identity key is encrypted but no 'password' field was provided in the secret '{0}'")]
    IdentityEncrypted(String),
    /// The proxy's Secret cannot be read.
    #[error("failed to configure proxy options")]
    ProxySecret(#[source] SecretError),
    /// The proxy Secret's data makes no proxy.
    #[error("failed to configure proxy options")]
    Proxy(#[source] BadSecret),
    /// The provider gives no login.
    #[error(transparent)]
    Provider(#[from] provider::ProviderError),
    /// No client can be made of it.
    #[error("failed to create Git client")]
    Client(#[source] RemoteError),
}

/// What all remotes of the process share.
pub(crate) struct Connections {
    /// HTTP connections.
    pub(crate) pool: ClientPool,
    /// What SSH may use.
    pub(crate) ssh: SshAlgorithms,
    /// Logins of providers.
    pub(crate) providers: Providers,
}

/// Reads `spec.secretRef` and `spec.proxySecretRef` and makes the remote of the object.
pub(crate) async fn prepare(
    client: &Client,
    connections: &Connections,
    object: &GitRepository,
) -> Result<Remote, PrepareError> {
    let text = &object.spec.url;
    let secrets = Secrets::of(client, object);
    let proxy = match &object.spec.proxy_secret_ref {
        Some(reference) => {
            let data = secrets.data(&reference.name).await.map_err(PrepareError::ProxySecret)?;
            secrets::proxy(&data).map_err(PrepareError::Proxy)?
        }
        None => Proxy::Environment,
    };
    let url: Url =
        text.parse().map_err(|source| PrepareError::Url { url: sluice_http_client::mask_url_text(text), source })?;
    let reference = object.spec.secret_ref.as_ref();
    let data = match reference {
        Some(reference) => secrets.data(&reference.name).await?,
        None => BTreeMap::new(),
    };
    let secret = reference.map(|reference| secrets.full_name(&reference.name));
    let credentials = auth_from_secret(&url, &data).map_err(|error| match (error, &secret) {
        (AuthError::IdentityEncrypted, Some(secret)) => PrepareError::IdentityEncrypted(secret.clone()),
        (error, _) => PrepareError::Auth(error),
    })?;
    let mut auth = credentials.auth;
    // Algorithms are the process's, not the object's.
    if let Auth::Ssh(ssh) = &mut auth {
        ssh.algorithms = connections.ssh.clone();
    }
    let from =
        provider::From { secret: secret.as_deref(), url: &url, data: &data, tls: &credentials.tls, proxy: &proxy };
    if let Some(login) = connections.providers.login(object, &from).await? {
        auth = login;
    }
    let config = RemoteConfig {
        url,
        auth,
        tls: credentials.tls,
        proxy,
        timeout: object.timeout(),
        limits: sluice_git::Limits::default(),
    };
    Remote::with_pool(config, &connections.pool).map_err(PrepareError::Client)
}
