//! Logins that are not in a Secret as they are: of GitHub Apps. Those of clouds are refused by name.
//!
//! Deliberately no exchange of its own: what is asked of whom is the business of the crate `cloud-identity`.

use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt as _;
use sluice_api::source::{GitProvider, GitRepository};
use sluice_cloud_identity::github_app::KEY_APP_ID;
use sluice_cloud_identity::{
    GitHubApp, GitHubAppError, GitLogin, GitScheme, Identity, InvolvedObject, Platform, TokenCache, Transport,
};
use sluice_git::{Auth, Tls};
use sluice_http_client::{ClientConfig, ConfigError, Proxy, TrustRoots};

use crate::source::secrets::SecretData;

/// A login that could not be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProviderError {
    /// GitHub, and no Secret that could have an app's data.
    #[error("secretRef with github app data must be specified when provider is set to github")]
    NoSecret,
    /// GitHub, and a Secret without an app's data.
    #[error("secretRef with github app data must be specified when provider is set to github")]
    NoAppData,
    /// An app's data, and nobody who asked for it.
    #[error("secretRef '{0}' has github app data but provider is not set to github")]
    UnexpectedAppData(String),
    /// A service account, and the gate is closed.
    #[error(
        "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller"
    )]
    GateClosed,
    /// The app's data are wrong, or GitHub refused.
    #[error("failed to configure authentication options")]
    App(#[source] Box<GitHubAppError>),
    /// A cloud whose logins are not built. Going on without one would be another access than the one that is asked for.
    #[error(
        "spec.provider '{0}' is not supported by this version of source-controller; remove the field, or run Flux's source-controller for this object"
    )]
    Unsupported(GitProvider),
    /// Certificates or proxy are unusable.
    #[error("failed to configure authentication options")]
    Config(#[source] ConfigError),
}

/// Whether objects may have an identity of their own: a service account's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ObjectIdentities {
    /// They may not: the gate is closed.
    #[default]
    Refused,
    /// They may.
    Allowed,
}

/// What a process has for logins.
#[derive(Debug)]
pub(crate) struct Providers {
    platform: Platform,
    cache: Arc<TokenCache>,
    object_identities: ObjectIdentities,
}

impl Default for Providers {
    fn default() -> Self {
        Self::new(Arc::new(TokenCache::disabled()), ObjectIdentities::Refused)
    }
}

/// What the object itself gives.
pub(super) struct From<'a> {
    /// `NAMESPACE/NAME` of `spec.secretRef`.
    pub(super) secret: Option<&'a str>,
    pub(super) data: &'a SecretData,
    pub(super) tls: &'a Tls,
    pub(super) proxy: &'a Proxy,
}

impl Providers {
    /// Keeps tokens in `cache`.
    pub(crate) fn new(cache: Arc<TokenCache>, object_identities: ObjectIdentities) -> Self {
        Self { platform: Platform::of_process(), cache, object_identities }
    }

    /// The login that takes the place of what Secret and URL have; `None` where they are all there is.
    pub(super) async fn login(&self, object: &GitRepository, from: &From<'_>) -> Result<Option<Auth>, ProviderError> {
        let has_app_data = from.data.get(KEY_APP_ID).is_some_and(|id| !id.is_empty());
        match object.provider() {
            GitProvider::GitHub if from.secret.is_none() => Err(ProviderError::NoSecret),
            GitProvider::GitHub if !has_app_data => Err(ProviderError::NoAppData),
            GitProvider::GitHub => self.github(object, from).await.map(Some),
            provider @ (GitProvider::Azure | GitProvider::Aws) => {
                let account = object.spec.service_account_name.as_deref().filter(|name| !name.is_empty());
                match (account, self.object_identities) {
                    (Some(_), ObjectIdentities::Refused) => Err(ProviderError::GateClosed),
                    (Some(_), ObjectIdentities::Allowed) | (None, _) => Err(ProviderError::Unsupported(provider)),
                }
            }
            GitProvider::Generic | GitProvider::Other(_) => match from.secret.filter(|_| has_app_data) {
                Some(secret) => Err(ProviderError::UnexpectedAppData(secret.to_owned())),
                None => Ok(None),
            },
        }
    }

    async fn github(&self, object: &GitRepository, from: &From<'_>) -> Result<Auth, ProviderError> {
        let app = GitHubApp::from_secret(from.data).map_err(refused)?;
        let (transport, involved) = (transport(object, from)?, involved(object));
        let identity = self.identity(&transport, &involved);
        identity.github_app_git_login(&app).await.map(auth).map_err(refused)
    }

    fn identity<'a>(&'a self, transport: &'a Transport, object: &'a InvolvedObject) -> Identity<'a> {
        Identity {
            platform: &self.platform,
            transport,
            cache: &self.cache,
            object: Some(object),
            service_account: None,
        }
    }
}

fn refused(error: GitHubAppError) -> ProviderError {
    ProviderError::App(Box::new(error))
}

fn transport(object: &GitRepository, from: &From<'_>) -> Result<Transport, ProviderError> {
    let config = ClientConfig {
        roots: from.tls.ca.clone().map_or(TrustRoots::System, TrustRoots::SystemAnd),
        identity: from.tls.identity.clone(),
        proxy: from.proxy.clone(),
        request_timeout: Some(object.timeout().min(MAX_EXCHANGE)),
        ..ClientConfig::default()
    };
    Transport::new(&config).map_err(ProviderError::Config)
}

fn involved(object: &GitRepository) -> InvolvedObject {
    InvolvedObject {
        kind: "GitRepository".to_owned(),
        name: object.name_any(),
        namespace: object.namespace().unwrap_or_default(),
        operation: "reconcile".to_owned(),
    }
}

fn auth(login: GitLogin) -> Auth {
    match login.scheme {
        GitScheme::Basic { username, password } => Auth::Basic { username: username.expose().clone(), password },
        GitScheme::Bearer(token) => Auth::Bearer(token),
    }
}

/// The longest that one request for a login takes; there are up to three.
const MAX_EXCHANGE: Duration = Duration::from_secs(30);
