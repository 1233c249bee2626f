//! Logins that are not in a Secret as they are: of GitHub Apps, and of clouds.
//!
//! Deliberately no exchange of its own: what is asked of whom is the business of the crate `cloud-identity`.

use sluice_api::source::{GitProvider, GitRepository};
use sluice_cloud_identity::github_app::KEY_APP_ID;
use sluice_cloud_identity::{GitHubApp, GitHubAppError, GitLogin, GitScheme, IdentityError, Provider};
use sluice_git::{Auth, Tls};
use sluice_http_client::{ClientConfig, Proxy, TrustRoots, Url};
use sluice_runtime::queue::Key;

use crate::source::SourceKind as _;
use crate::source::identity::{Identities, ObjectIdentityError};
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
    /// It cannot be said who the object is, or the gate is closed.
    #[error(transparent)]
    Who(#[from] ObjectIdentityError),
    /// The cloud gave no login.
    #[error("failed to configure authentication options")]
    Cloud(#[source] Box<IdentityError>),
    /// The app's data are wrong, or GitHub refused.
    #[error("failed to configure authentication options")]
    App(#[source] Box<GitHubAppError>),
}

/// Logs in at GitHub and at clouds.
pub(crate) struct Providers(Identities);

/// What the object itself gives.
pub(super) struct From<'a> {
    /// `NAMESPACE/NAME` of `spec.secretRef`.
    pub(super) secret: Option<&'a str>,
    pub(super) url: &'a Url,
    pub(super) data: &'a SecretData,
    pub(super) tls: &'a Tls,
    pub(super) proxy: &'a Proxy,
}

impl Providers {
    /// Logs in as `clouds` has it, and keeps tokens there.
    pub(crate) fn new(clouds: Identities) -> Self {
        Self(clouds)
    }

    /// Drops the series of an object that is gone.
    pub(super) fn forget(&self, key: &Key) {
        self.0.forget(GitRepository::KIND, key);
    }

    /// The login that takes the place of what Secret and URL have; `None` where they are all there is.
    pub(super) async fn login(&self, object: &GitRepository, from: &From<'_>) -> Result<Option<Auth>, ProviderError> {
        let has_app_data = from.data.get(KEY_APP_ID).is_some_and(|id| !id.is_empty());
        match object.provider() {
            GitProvider::GitHub if from.secret.is_none() => Err(ProviderError::NoSecret),
            GitProvider::GitHub if !has_app_data => Err(ProviderError::NoAppData),
            GitProvider::GitHub => self.github(object, from).await.map(Some),
            GitProvider::Azure => self.cloud(object, from, Provider::Azure).await.map(Some),
            GitProvider::Aws => self.cloud(object, from, Provider::Aws).await.map(Some),
            GitProvider::Generic | GitProvider::Other(_) => match from.secret.filter(|_| has_app_data) {
                Some(secret) => Err(ProviderError::UnexpectedAppData(secret.to_owned())),
                None => Ok(None),
            },
        }
    }

    async fn cloud(&self, object: &GitRepository, from: &From<'_>, provider: Provider) -> Result<Auth, ProviderError> {
        let account = object.spec.service_account_name.as_deref();
        let http = ClientConfig { proxy: from.proxy.clone(), ..ClientConfig::default() };
        let who = self.0.of_object(object, account, &http, object.timeout()).await?;
        let login = who.cloud().git_login(provider, from.url).await;
        login.map(auth).map_err(|error| ProviderError::Cloud(Box::new(error)))
    }

    async fn github(&self, object: &GitRepository, from: &From<'_>) -> Result<Auth, ProviderError> {
        let app = GitHubApp::from_secret(from.data).map_err(refused)?;
        let http = ClientConfig {
            roots: from.tls.ca.clone().map_or(TrustRoots::System, TrustRoots::SystemAnd),
            identity: from.tls.identity.clone(),
            proxy: from.proxy.clone(),
            ..ClientConfig::default()
        };
        let who = self.0.of_controller(object, &http, object.timeout())?;
        who.cloud().github_app_git_login(&app).await.map(auth).map_err(refused)
    }
}

fn refused(error: GitHubAppError) -> ProviderError {
    ProviderError::App(Box::new(error))
}

fn auth(login: GitLogin) -> Auth {
    match login.scheme {
        GitScheme::Basic { username, password } => Auth::Basic { username: username.expose().clone(), password },
        GitScheme::Bearer(token) => Auth::Bearer(token),
    }
}
