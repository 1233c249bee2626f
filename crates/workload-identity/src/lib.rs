//! Who an object is to a cloud or to another cluster: the controller, or a service account of the object's namespace; and the one cache of
//! tokens of the process.
//!
//! Deliberately no exchange with a cloud: this reads service accounts and asks the API server for their tokens, the crate `cloud-identity`
//! does the rest. No Secret is read here either: where one has the credentials, nobody needs an identity.

mod metrics;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ServiceAccount as KubeServiceAccount;
use kube::{Api, Client};
use sluice_cloud_identity::{
    AccessToken, CacheKey, CacheKeyBuilder, Clock, Identity, InvolvedObject, Platform, ServiceAccount, TokenCache,
    Transport,
};

pub use metrics::TokenMetrics;
pub use tokens::TokenError;

use tokens::{OwnAccount, Tokens, request};

/// Whether objects may be somebody else than the controller: the gate `ObjectLevelWorkloadIdentity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceAccountIdentity {
    /// The gate is on.
    Permitted,
    /// The gate is off.
    Refused,
}

/// What flags say of identities.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// The gate.
    pub permission: ServiceAccountIdentity,
    /// `--token-cache-max-size`.
    pub cache_size: usize,
    /// `--token-cache-max-duration`.
    pub cache_duration: Duration,
}

/// Which service account stands for an object: the one that it names, else the one of a flag, else none. Empty names are none.
#[derive(Debug, Clone, Copy, Default)]
pub struct AccountChoice<'a> {
    /// What the object names.
    pub named: Option<&'a str>,
    /// What the flag names.
    pub default: Option<&'a str>,
}

/// It cannot be said who the object is.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// A service account is named, and the gate is off.
    #[error("ObjectLevelWorkloadIdentity feature gate is not enabled")]
    Gate,
    /// The service account cannot be read.
    #[error("failed to get service account '{account}'")]
    Read {
        /// Namespace and name.
        account: String,
        /// What the API server says.
        #[source]
        source: kube::Error,
    },
    /// There is no service account of the name that the object has.
    #[error("failed to get service account '{namespace}/{name}': serviceaccounts \"{name}\" not found")]
    NotFound {
        /// The object's.
        namespace: String,
        /// What the object names.
        name: String,
    },
    /// There is no service account of the name that stands in for all objects.
    #[error(
        "the default service account '{name}' does not exist in namespace '{namespace}': the cluster is under multi-tenant workload \
         identity lockdown, ask its administrator for help"
    )]
    Lockdown {
        /// The object's.
        namespace: String,
        /// Of the flag.
        name: String,
    },
}

/// What the process is and what it keeps: one for all kinds. Clones share it.
#[derive(Clone)]
pub struct Identities(Arc<Shared>);

struct Shared {
    client: Client,
    platform: Platform,
    cache: TokenCache,
    metrics: TokenMetrics,
    permission: ServiceAccountIdentity,
}

impl Identities {
    /// Reads service accounts with `client`; `platform` is the process's environment, taken once.
    pub fn new(client: Client, platform: Platform, settings: Settings, metrics: TokenMetrics) -> Self {
        let Settings { permission, cache_size, cache_duration } = settings;
        let cache = TokenCache::new(cache_size, cache_duration, Clock::system(), Arc::new(metrics.clone()));
        Self(Arc::new(Shared { client, platform, cache, metrics, permission }))
    }

    /// The environment, files and clock of the process.
    pub fn platform(&self) -> &Platform {
        &self.0.platform
    }

    /// Whether objects may be somebody else than the controller.
    pub fn permission(&self) -> ServiceAccountIdentity {
        self.0.permission
    }

    /// The service account that stands for an object of this namespace, read from the API server; `None` for the controller. Its tokens
    /// are for `audiences`, or for what the cloud expects if there are none.
    ///
    /// # Errors
    /// See [`AccountError`].
    pub async fn account(
        &self,
        namespace: &str,
        choice: AccountChoice<'_>,
        audiences: Vec<String>,
    ) -> Result<Option<ServiceAccount>, AccountError> {
        let named = choice.named.filter(|name| !name.is_empty());
        let Some(name) = named.or(choice.default.filter(|name| !name.is_empty())) else { return Ok(None) };
        if self.0.permission == ServiceAccountIdentity::Refused {
            return Err(AccountError::Gate);
        }
        let api: Api<KubeServiceAccount> = Api::namespaced(self.0.client.clone(), namespace);
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        let found = match api.get_opt(&name).await {
            Ok(Some(found)) => found,
            Ok(None) if named.is_some() => return Err(AccountError::NotFound { namespace, name }),
            Ok(None) => return Err(AccountError::Lockdown { namespace, name }),
            Err(source) => return Err(AccountError::Read { account: format!("{namespace}/{name}"), source }),
        };
        let annotations = found.metadata.annotations.unwrap_or_default();
        let tokens = Arc::new(Tokens { api, name: name.clone() });
        Ok(Some(ServiceAccount { namespace, name, annotations, audiences, tokens }))
    }

    /// Somebody who acts: `account`, or the controller if there is none. `object` is whose metrics count what is asked for, `transport` is
    /// the way to the cloud.
    pub fn acting(
        &self,
        object: Option<InvolvedObject>,
        account: Option<ServiceAccount>,
        transport: Transport,
    ) -> ObjectIdentity {
        ObjectIdentity { shared: Arc::clone(&self.0), transport, object, account }
    }

    /// Drops the series of an object that is gone, for one operation.
    pub fn forget(&self, object: &InvolvedObject) {
        self.0.metrics.forget(object);
    }
}

/// Who one object is, and its way to the cloud. Dropping what it is asked for ends the exchange.
#[derive(Clone)]
pub struct ObjectIdentity {
    shared: Arc<Shared>,
    transport: Transport,
    object: Option<InvolvedObject>,
    account: Option<ServiceAccount>,
}

impl ObjectIdentity {
    /// Credentials, tokens and logins of clouds are to be had from this.
    pub fn cloud(&self) -> Identity<'_> {
        Identity {
            platform: &self.shared.platform,
            transport: &self.transport,
            cache: &self.shared.cache,
            object: self.object.as_ref(),
            service_account: self.account.as_ref(),
        }
    }

    /// The same for nobody's metrics.
    pub fn uncounted(&self) -> Self {
        Self { object: None, ..self.clone() }
    }

    /// A token of Kubernetes itself, of the service account or of the controller's own, for these audiences; the API server's own if there
    /// are none.
    ///
    /// # Errors
    /// See [`TokenError`].
    pub async fn kubernetes_token(&self, audiences: &[String]) -> Result<AccessToken, TokenError> {
        let own;
        let (namespace, name) = if let Some(account) = &self.account {
            (&account.namespace, &account.name)
        } else {
            own = OwnAccount::of_files(&*self.shared.platform.files)?;
            (&own.namespace, &own.name)
        };
        let api: Api<KubeServiceAccount> = Api::namespaced(self.shared.client.clone(), namespace);
        let make = async {
            // Without a time of its own: the API server's hour, for the token is used as it is, again and again.
            request(&api, name, audiences, None)
                .await
                .map_err(|source| TokenError::Request { account: format!("{namespace}/{name}"), source })
        };
        let key = token_key(namespace, name, audiences);
        self.shared.cache.get_or_make(&key, self.object.as_ref(), Box::pin(make)).await
    }
}

fn token_key(namespace: &str, name: &str, audiences: &[String]) -> CacheKey {
    let key = CacheKeyBuilder::new("kubernetes-token").part("namespace", namespace).part("name", name);
    audiences.iter().fold(key, |key, audience| key.part("audience", audience)).build()
}
