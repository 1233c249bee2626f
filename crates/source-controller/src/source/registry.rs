//! What it takes to talk to a registry on behalf of an object: pull secrets, the login at a cloud, TLS, and the way out.
//!
//! Deliberately sends nothing to a registry: what comes of it are the options of a client. The only calls are live reads of Secrets and of
//! the service account.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Secret as KubeSecret, ServiceAccount};
use kube::{Api, Client, ResourceExt as _};
use sluice_api::source::RegistryProvider;
use sluice_cloud_identity::Provider;
use sluice_http_client::{ClientConfig, Proxy};
use sluice_oci::{
    ClientOptions, Credential, CredentialError, CredentialFuture, CredentialProvider, Credentials, DEFAULT_RETRY,
    Keyring, Repository, Security,
};
use sluice_runtime::queue::Key;

use super::SourceKind;
use super::identity::Identities;
use super::secrets::{self, BadSecret, SecretError, Secrets, TlsMaterial};

/// Keys of pull secrets, the present format and the older one.
const DOCKER_CONFIG_JSON: &str = ".dockerconfigjson";
const DOCKER_CFG: &str = ".dockercfg";

/// The most pull secrets of one service account that are read: each is a request.
const MAX_PULL_SECRETS: usize = 64;

/// What a spec says of its registry.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Registry<'a> {
    /// `spec.url`, for messages.
    pub(crate) url: &'a str,
    /// Name of the Secret with a docker configuration.
    pub(crate) secret: Option<&'a str>,
    /// Name of the service account whose pull secrets are used, or whose identity logs in.
    pub(crate) service_account: Option<&'a str>,
    /// Name of the Secret with certificates.
    pub(crate) certificates: Option<&'a str>,
    /// Name of the Secret with a proxy.
    pub(crate) proxy: Option<&'a str>,
    /// Where to log in when there are no pull secrets.
    pub(crate) provider: &'a RegistryProvider,
    /// Whether TLS may be done without.
    pub(crate) security: Security,
    /// The time of one operation.
    pub(crate) timeout: Duration,
}

/// A Secret cannot be read, or its data make nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretFailed {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] SecretError),
    /// Its data are not what they should be.
    #[error(transparent)]
    Data(#[from] BadSecret),
}

/// Why there are no pull secrets.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PullSecretError {
    /// The Secret that the object names.
    #[error(transparent)]
    Secret(SecretError),
    /// The service account that the object names is not there.
    #[error("serviceaccounts \"{0}\" not found")]
    NoServiceAccount(String),
    /// The service account cannot be read.
    #[error("failed to get service account '{0}'")]
    ServiceAccount(String, #[source] kube::Error),
    /// A Secret that the service account names.
    #[error(transparent)]
    Pull(SecretError),
    /// A Secret's docker configuration is none.
    #[error("secret '{0}'")]
    Config(String, #[source] CredentialError),
}

impl PullSecretError {
    /// What is told quietly besides: which Secret is missing.
    pub(crate) fn missing(&self) -> Option<String> {
        let name = |full: &str| full.rsplit('/').next().unwrap_or(full).to_owned();
        match self {
            Self::Secret(SecretError::NotFound(full)) => Some(format!("auth secret '{}' not found", name(full))),
            Self::Pull(SecretError::NotFound(full)) => Some(format!("image pull secret '{}' not found", name(full))),
            Self::Secret(_)
            | Self::Pull(_)
            | Self::NoServiceAccount(_)
            | Self::ServiceAccount(..)
            | Self::Config(..) => None,
        }
    }
}

/// Why the registry cannot be talked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AccessError {
    /// Pull secrets.
    #[error("failed to get credential")]
    Credential(#[source] PullSecretError),
    /// The proxy.
    #[error("failed to get proxy address")]
    Proxy(#[source] SecretFailed),
    /// The certificates.
    #[error("failed to generate transport for '{url}'")]
    Transport {
        url: String,
        #[source]
        source: SecretFailed,
    },
    /// A service account's identity is an option that has to be switched on.
    #[error(
        "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller"
    )]
    GateDisabled,
    /// There is no login for this provider.
    #[error("failed to get credential from {0}: the provider is not known")]
    Provider(String),
}

/// Makes options of clients for objects.
#[derive(Clone)]
pub(crate) struct Registries {
    client: Client,
    clouds: Identities,
}

/// A login at a cloud, for one object.
struct CloudLogin<K> {
    clouds: Identities,
    provider: Provider,
    object: K,
    account: Option<String>,
    http: ClientConfig,
    timeout: Duration,
}

impl<K> std::fmt::Debug for CloudLogin<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "CloudLogin({}, {:?})", self.provider.name(), self.account)
    }
}

impl<K: SourceKind> CredentialProvider for CloudLogin<K> {
    fn credential<'a>(&'a self, repository: &'a Repository) -> CredentialFuture<'a> {
        Box::pin(async move {
            let who = self.clouds.of_object(&self.object, self.account.as_deref(), &self.http, self.timeout).await?;
            let login = who.cloud().registry_login(self.provider, repository.registry()).await?;
            Ok(Credential::basic(login.username, login.password.expose().clone()))
        })
    }
}

impl Registries {
    /// Reads Secrets and service accounts with `client`, and logs in at clouds as `clouds` has it.
    pub(crate) fn new(client: Client, clouds: Identities) -> Self {
        Self { client, clouds }
    }

    /// Drops the series of an object that is gone.
    pub(crate) fn forget<K: SourceKind>(&self, key: &Key) {
        self.clouds.forget(K::KIND, key);
    }

    /// The options of a client for the registry of an object: whatever it names is read now.
    ///
    /// # Errors
    /// See [`AccessError`].
    pub(crate) async fn options<K: SourceKind>(
        &self,
        object: &K,
        registry: &Registry<'_>,
    ) -> Result<ClientOptions, AccessError> {
        let secrets = Secrets::of(&self.client, object);
        let keyring = self.keyring(object, &secrets, registry).await.map_err(AccessError::Credential)?;
        let proxy = match registry.proxy {
            Some(name) => proxy(&secrets, name).await.map_err(AccessError::Proxy)?,
            None => Proxy::Environment,
        };
        let credentials = match keyring {
            Some(keyring) => Credentials::Keyring(Arc::new(keyring)),
            None => self.login(object, registry, &proxy)?,
        };
        let mut http = ClientConfig { proxy, ..ClientConfig::default() };
        if let Some(name) = registry.certificates {
            let failed = |source| AccessError::Transport { url: registry.url.to_owned(), source };
            let TlsMaterial { roots, identity } = tls(&secrets, name).await.map_err(failed)?;
            (http.roots, http.identity) = (roots, identity);
        }
        let (security, timeout) = (registry.security, registry.timeout);
        Ok(ClientOptions { http, security, credentials, retry: DEFAULT_RETRY, timeout })
    }

    /// The login at a provider: got when the registry first asks for it, so that what goes wrong with it is an error of that request.
    fn login<K: SourceKind>(
        &self,
        object: &K,
        registry: &Registry<'_>,
        proxy: &Proxy,
    ) -> Result<Credentials, AccessError> {
        if *registry.provider == RegistryProvider::Generic {
            return Ok(Credentials::Anonymous);
        }
        self.clouds.check(registry.service_account).map_err(|_| AccessError::GateDisabled)?;
        let name = registry.provider.to_string();
        let provider = Provider::parse(&name).map_err(|_| AccessError::Provider(name))?;
        Ok(Credentials::Provider(Arc::new(CloudLogin {
            clouds: self.clouds.clone(),
            provider,
            object: object.clone(),
            account: registry.service_account.map(str::to_owned),
            http: ClientConfig { proxy: proxy.clone(), ..ClientConfig::default() },
            timeout: registry.timeout,
        })))
    }

    /// The pull secrets of an object and its service account; `None` if it names none.
    async fn keyring<K: kube::Resource>(
        &self,
        object: &K,
        secrets: &Secrets,
        registry: &Registry<'_>,
    ) -> Result<Option<Keyring>, PullSecretError> {
        let mut keyring = None;
        if let Some(name) = registry.secret {
            let secret = secrets.get(name).await.map_err(PullSecretError::Secret)?;
            add(keyring.get_or_insert_default(), &secret, || secrets.full_name(name))?;
        }
        if let Some(account) = registry.service_account {
            for name in self.pull_secrets(object, account).await? {
                let secret = secrets.get(&name).await.map_err(PullSecretError::Pull)?;
                add(keyring.get_or_insert_default(), &secret, || secrets.full_name(&name))?;
            }
        }
        Ok(keyring)
    }

    /// The names of a service account's pull secrets.
    async fn pull_secrets<K: kube::Resource>(&self, object: &K, account: &str) -> Result<Vec<String>, PullSecretError> {
        let api: Api<ServiceAccount> =
            Api::namespaced(self.client.clone(), &object.meta().namespace.clone().unwrap_or_default());
        let found = api.get_opt(account).await.map_err(|e| PullSecretError::ServiceAccount(account.to_owned(), e))?;
        let found = found.ok_or_else(|| PullSecretError::NoServiceAccount(account.to_owned()))?;
        let names = found.image_pull_secrets.unwrap_or_default().into_iter().map(|reference| reference.name);
        Ok(names.filter(|name| !name.is_empty()).take(MAX_PULL_SECRETS).collect())
    }
}

/// Adds the docker configuration of a Secret. One without any adds nothing, as with a kubelet.
fn add(keyring: &mut Keyring, secret: &KubeSecret, name: impl Fn() -> String) -> Result<(), PullSecretError> {
    let data = |key: &str| secret.data.as_ref().and_then(|data| data.get(key));
    let added = match (data(DOCKER_CONFIG_JSON), data(DOCKER_CFG)) {
        (Some(json), _) => keyring.add_config_json(&json.0),
        (None, Some(json)) => keyring.add_cfg(&json.0),
        (None, None) => {
            tracing::debug!(secret = secret.name_any(), "the pull secret has no docker configuration");
            Ok(())
        }
    };
    added.map_err(|error| PullSecretError::Config(name(), error))
}

async fn proxy(secrets: &Secrets, name: &str) -> Result<Proxy, SecretFailed> {
    Ok(secrets::proxy(&secrets.data(name).await?)?)
}

async fn tls(secrets: &Secrets, name: &str) -> Result<TlsMaterial, SecretFailed> {
    Ok(secrets::tls(&secrets.data(name).await?, &secrets.full_name(name))?)
}
