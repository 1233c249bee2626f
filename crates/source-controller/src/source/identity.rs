//! Who an object is to a cloud: the controller, or a service account of the object's namespace; and the one cache of tokens of the process.
//!
//! Deliberately no exchange: this reads service accounts and asks the API server for their tokens, the crate `cloud-identity` does the rest.
//! No Secret is read here either: where one has the credentials, nobody needs an identity.

mod metrics;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::ServiceAccount as KubeServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client, ResourceExt as _};
use sluice_cloud_identity::{
    Clock, Identity, InvolvedObject, Platform, Port, PortError, ServiceAccount, ServiceAccountTokens, TokenCache,
    Transport,
};
use sluice_http_client::{ClientConfig, ConfigError, Secret};
use sluice_runtime::queue::Key;

use super::SourceKind;

pub(crate) use metrics::TokenMetrics;

/// What metrics call the only thing that is done here.
const OPERATION: &str = "reconcile";

/// The life of a service account's token, in seconds: the shortest that the API server grants. It is exchanged at once.
const TOKEN_SECONDS: i64 = 600;

/// The longest that one request for a token takes; an exchange has up to three.
const MAX_REQUEST: Duration = Duration::from_secs(30);

/// Whether objects may be somebody else than the controller: the gate `ObjectLevelWorkloadIdentity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServiceAccountIdentity {
    /// The gate is on.
    Permitted,
    /// The gate is off.
    Refused,
}

/// An object names a service account, and the gate is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller"
)]
pub(crate) struct GateDisabled;

/// It cannot be said who the object is.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ObjectIdentityError {
    /// It names a service account, and the gate is off.
    #[error(transparent)]
    Gate(#[from] GateDisabled),
    /// The service account cannot be read.
    #[error("failed to get service account '{account}'")]
    Read {
        /// Namespace and name.
        account: String,
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
    /// There is no way out to the cloud.
    #[error("failed to set up the HTTP client")]
    Transport(#[source] ConfigError),
}

/// What the process is and what it keeps: one for all kinds. Clones share it.
#[derive(Clone)]
pub(crate) struct Identities(Arc<Shared>);

struct Shared {
    client: Client,
    platform: Platform,
    cache: TokenCache,
    metrics: TokenMetrics,
    permission: ServiceAccountIdentity,
    /// The service account of objects that name none.
    default_account: Option<String>,
}

/// What flags say of identities.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// The gate.
    pub(crate) permission: ServiceAccountIdentity,
    /// `--default-service-account`; empty for none.
    pub(crate) default_account: String,
    /// `--token-cache-max-size`.
    pub(crate) cache_size: usize,
    /// `--token-cache-max-duration`.
    pub(crate) cache_duration: Duration,
}

impl Identities {
    /// Reads service accounts with `client`; `platform` is the process's environment, taken once.
    pub(crate) fn new(client: Client, platform: Platform, settings: Settings, metrics: TokenMetrics) -> Self {
        let Settings { permission, default_account, cache_size, cache_duration } = settings;
        let cache = TokenCache::new(cache_size, cache_duration, Clock::system(), Arc::new(metrics.clone()));
        let default_account = Some(default_account).filter(|name| !name.is_empty());
        Self(Arc::new(Shared { client, platform, cache, metrics, permission, default_account }))
    }

    /// The environment, files and clock of the process.
    pub(crate) fn platform(&self) -> &Platform {
        &self.0.platform
    }

    /// Whether an object may name this service account, before anything is read for it.
    ///
    /// # Errors
    /// The gate is off, and it names one.
    pub(crate) fn check(&self, account: Option<&str>) -> Result<(), GateDisabled> {
        match (account.filter(|name| !name.is_empty()), self.0.permission) {
            (Some(_), ServiceAccountIdentity::Refused) => Err(GateDisabled),
            (Some(_), ServiceAccountIdentity::Permitted) | (None, _) => Ok(()),
        }
    }

    /// Who an object is: the service account that it names, else the one of the flag, else the controller. `http` brings proxy and TLS of
    /// the way to the cloud, `timeout` is the object's.
    ///
    /// # Errors
    /// See [`ObjectIdentityError`].
    pub(crate) async fn of_object<K: SourceKind>(
        &self,
        object: &K,
        account: Option<&str>,
        http: &ClientConfig,
        timeout: Duration,
    ) -> Result<ObjectIdentity, ObjectIdentityError> {
        self.check(account)?;
        let named = account.filter(|name| !name.is_empty());
        let account = match named.or(self.0.default_account.as_deref()) {
            Some(name) => Some(self.service_account(&object.namespace().unwrap_or_default(), name, named).await?),
            None => None,
        };
        Ok(ObjectIdentity { account, ..self.of_controller(object, http, timeout)? })
    }

    /// The controller, whatever the object and the flag name. For exchanges of credentials that are the object's own, too.
    ///
    /// # Errors
    /// [`ObjectIdentityError::Transport`].
    pub(crate) fn of_controller<K: SourceKind>(
        &self,
        object: &K,
        http: &ClientConfig,
        timeout: Duration,
    ) -> Result<ObjectIdentity, ObjectIdentityError> {
        let config = ClientConfig { request_timeout: Some(timeout.min(MAX_REQUEST)), ..http.clone() };
        Ok(ObjectIdentity {
            shared: Arc::clone(&self.0),
            transport: Transport::new(&config).map_err(ObjectIdentityError::Transport)?,
            involved: involved(K::KIND, &Key::new(object.namespace().unwrap_or_default(), object.name_any())),
            account: None,
        })
    }

    /// Drops the series of an object that is gone.
    pub(crate) fn forget(&self, kind: &str, key: &Key) {
        self.0.metrics.forget(&involved(kind, key));
    }

    async fn service_account(
        &self,
        namespace: &str,
        name: &str,
        named: Option<&str>,
    ) -> Result<ServiceAccount, ObjectIdentityError> {
        let api: Api<KubeServiceAccount> = Api::namespaced(self.0.client.clone(), namespace);
        let (namespace, name) = (namespace.to_owned(), name.to_owned());
        let found = match api.get_opt(&name).await {
            Ok(Some(found)) => found,
            Ok(None) if named.is_some() => return Err(ObjectIdentityError::NotFound { namespace, name }),
            Ok(None) => return Err(ObjectIdentityError::Lockdown { namespace, name }),
            Err(source) => return Err(ObjectIdentityError::Read { account: format!("{namespace}/{name}"), source }),
        };
        let annotations = found.metadata.annotations.unwrap_or_default();
        let tokens = Arc::new(Tokens { api, name: name.clone() });
        Ok(ServiceAccount { namespace, name, annotations, audiences: Vec::new(), tokens })
    }
}

fn involved(kind: &str, key: &Key) -> InvolvedObject {
    InvolvedObject {
        kind: kind.to_owned(),
        name: key.name.clone(),
        namespace: key.namespace.clone(),
        operation: OPERATION.to_owned(),
    }
}

/// Who one object is, and its way to the cloud. Lives as long as a pass: dropping what it awaits ends the exchange.
pub(crate) struct ObjectIdentity {
    shared: Arc<Shared>,
    transport: Transport,
    involved: InvolvedObject,
    account: Option<ServiceAccount>,
}

impl ObjectIdentity {
    /// Credentials, tokens and logins are to be had from this.
    pub(crate) fn cloud(&self) -> Identity<'_> {
        Identity {
            platform: &self.shared.platform,
            transport: &self.transport,
            cache: &self.shared.cache,
            object: Some(&self.involved),
            service_account: self.account.as_ref(),
        }
    }
}

/// Tokens of one service account.
struct Tokens {
    api: Api<KubeServiceAccount>,
    name: String,
}

impl ServiceAccountTokens for Tokens {
    fn service_account_token<'a>(&'a self, audiences: &'a [String]) -> Port<'a, Secret<String>> {
        Box::pin(async move {
            let spec = TokenRequestSpec {
                audiences: audiences.to_vec(),
                expiration_seconds: Some(TOKEN_SECONDS),
                ..TokenRequestSpec::default()
            };
            let request = TokenRequest { spec, ..TokenRequest::default() };
            let answer = self.api.create_token_request(&self.name, &PostParams::default(), &request).await?;
            let token = answer.status.map(|status| status.token).filter(|token| !token.is_empty());
            token.map(Secret::new).ok_or_else(|| PortError::from("the API server gave no token"))
        })
    }
}
