//! What a provider needs to know to render and send, after its spec and its Secrets have been put together.
//!
//! Nothing here reads or checks anything: `secret::resolve` is the only maker.

use std::collections::BTreeMap;
use std::time::Duration;

use sluice_http_client::{ClientConfig, ClientIdentity, Proxy, Redirects, Secret, TrustRoots, Url};

use crate::git::RepositoryAddress;
use crate::kind::Kind;
use crate::secret::SecretData;

/// PEM material for TLS. A certificate authority replaces the system's roots; it is never merged with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsMaterial {
    /// Certificate authorities, PEM.
    pub ca: Option<Vec<u8>>,
    /// Client certificate and key, PEM.
    pub identity: Option<ClientIdentity>,
}

/// A Provider with everything that its Secrets add. `Debug` shows no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderConfig {
    /// What to render.
    pub kind: Kind,
    /// The Provider's uid.
    pub uid: String,
    /// Where to send. It may hold a secret (a webhook's path), so errors do not repeat it.
    pub address: Secret<String>,
    /// `spec.channel`, or empty.
    pub channel: String,
    /// The Secret's user name, else `spec.username`, else empty.
    pub username: String,
    /// The Secret's `token`, untrimmed.
    pub token: Option<Secret<String>>,
    /// The Secret's `password`.
    pub password: Option<Secret<String>>,
    /// The Secret's `headers`.
    pub headers: BTreeMap<String, Secret<String>>,
    /// The Secret's keys of a GitHub App; empty without one.
    pub github_app: SecretData,
    /// The Secret's `creds`, of NATS.
    pub creds: Option<Secret<String>>,
    /// The Secret's `nkey`, of NATS.
    pub nkey: Option<Secret<String>>,
    /// `spec.serviceAccountName`, if it is not empty.
    pub service_account: Option<String>,
    /// Proxy to use instead of the environment's.
    pub proxy: Option<Secret<Url>>,
    /// TLS material from `certSecretRef`; from `secretRef` for Git statuses.
    pub tls: Option<TlsMaterial>,
    /// Bound of one delivery, retries included.
    pub timeout: Duration,
    /// What the Provider's owner should change, one text each, for the log.
    pub deprecations: Vec<&'static str>,
}

impl ProviderConfig {
    /// The token, if there is one that is not empty.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_ref().map(|token| token.expose().as_str()).filter(|token| !token.is_empty())
    }

    /// The password, or empty.
    pub(crate) fn password(&self) -> &str {
        self.password.as_ref().map(|password| password.expose().as_str()).unwrap_or_default()
    }

    /// The way to the provider itself, of which only the parts are used that its type honours.
    pub fn http(&self) -> ClientConfig {
        let proxy = self.proxy.as_ref().filter(|_| self.kind.uses_proxy());
        let tls = self.tls.as_ref().filter(|_| self.kind.uses_tls() && !self.is_github_com());
        client_config(proxy, tls)
    }

    /// Whether it is a type of GitHub at github.com, whose certificates are the public ones whatever the Secrets say.
    fn is_github_com(&self) -> bool {
        let is_github = matches!(self.kind, Kind::GitHub | Kind::GitHubDispatch | Kind::GitHubPullRequestComment);
        let address = RepositoryAddress::parse(self.address.expose());
        is_github && address.is_ok_and(|address| address.origin.host_str() == Some("github.com"))
    }

    /// The way to who gives out tokens: a cloud or GitHub's Apps.
    pub fn exchange_http(&self) -> ClientConfig {
        client_config(self.proxy.as_ref(), self.tls.as_ref())
    }

    /// Whether [`crate::Context`] must have an identity: the credentials come from a cloud, or from GitHub in exchange for an App's.
    pub fn needs_identity(&self) -> bool {
        match self.kind {
            Kind::GooglePubSub | Kind::AzureDevOps => self.token().is_none(),
            // Also with a token: the environment says in which cloud the namespace is.
            Kind::AzureEventHub => !crate::provider::azure_event_hub::is_sas(self.address.expose()),
            Kind::GitHub | Kind::GitHubDispatch | Kind::GitHubPullRequestComment => {
                self.token().is_none() && self.password().is_empty() && !self.github_app.is_empty()
            }
            _ => false,
        }
    }
}

/// Redirects stay on the host: another one would get the secret headers and the message, and could be inside the cluster.
fn client_config(proxy: Option<&Secret<Url>>, tls: Option<&TlsMaterial>) -> ClientConfig {
    let tls = tls.cloned().unwrap_or_default();
    ClientConfig {
        roots: tls.ca.map_or(TrustRoots::System, TrustRoots::Only),
        identity: tls.identity,
        proxy: proxy.cloned().map_or(Proxy::Environment, Proxy::Url),
        redirects: Redirects::SameHost,
        ..ClientConfig::default()
    }
}
