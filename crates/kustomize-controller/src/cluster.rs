//! Where a Kustomization is applied: the own cluster as the controller, the own cluster as a service account, or another cluster by
//! `spec.kubeConfig`.
//!
//! - **One stack of connections.** Acting as a service account is one header more, so it is a thin service in front of the client that is
//!   there: no new TLS stack and no new connections, however many accounts there are.
//! - **One discovery for each cluster.** Which kinds a server serves does not depend on who asks, and needs no rights but those of any
//!   authenticated user. It is asked for with the controller's (or the kubeconfig's) own rights and shared by everybody who acts there; all
//!   that a tenant learns through it is whether a kind is namespaced.
//! - **Secrets are read in each pass.** A connection to another cluster holds the credentials that it was made of. It is kept only while
//!   each pass finds the very same Secret or `ConfigMap` (same uid and resource version), and only for a short while unused; what the
//!   kubeconfig said is nowhere else. See `remotes`.
//!
//! Deliberately nothing that applies, and no decision on what a failure means: a phase gets a [`Target`] or a [`TargetError`].

mod config_map;
mod connect;
mod error;
mod impersonate;
mod kubeconfig;
mod proxy;
mod remotes;
mod secret;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client, ResourceExt as _};
use sluice_api::kustomize::Kustomization;
use sluice_cloud_identity::{InvolvedObject, Transport};
use sluice_http_client::ClientConfig;
use sluice_ssa::Discovery;
use sluice_workload_identity::Identities;

pub use error::{AccountUnknown, AddressProblem, KubeconfigError, ReadError, TargetError};
pub use kubeconfig::TlsPolicy;

use impersonate::{ServiceAccountUser, acting_as};
use remotes::Remotes;

/// What metrics call access to another cluster.
const OPERATION: &str = "fetch_kubeconfig";

/// The longest that one request to a cloud takes.
const MAX_CLOUD_REQUEST: Duration = Duration::from_secs(30);

/// What flags say of where to apply.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `--default-service-account`: who acts for objects that name nobody; empty for the controller itself.
    pub default_service_account: String,
    /// `--default-kubeconfig-service-account`: whose identity reaches other clusters where the `ConfigMap` names nobody; may be empty.
    pub default_kubeconfig_service_account: String,
    /// `--insecure-kubeconfig-tls`.
    pub tls: TlsPolicy,
}

/// As whom, and where, a target's requests are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetIdentity {
    /// On the own cluster as the controller.
    Own,
    /// On the own cluster as a service account.
    Impersonated,
    /// On another cluster, as its kubeconfig's user or as a service account there.
    Remote,
}

/// Where a Kustomization is applied, pruned and watched over. Clones share it; it is good for the pass that asked for it.
#[derive(Clone)]
pub struct Target {
    /// Makes the requests.
    pub client: Client,
    /// The kinds of the cluster, shared by all who act there.
    pub discovery: Arc<Discovery>,
    /// As whom and where.
    pub identity: TargetIdentity,
    /// The user that is impersonated, if one is: `system:serviceaccount:<namespace>:<name>`.
    pub user: Option<String>,
}

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("identity", &self.identity).field("user", &self.user).finish_non_exhaustive()
    }
}

/// Gives targets. Clones share it.
#[derive(Clone)]
pub struct Clusters(Arc<Shared>);

struct Shared {
    own: Client,
    discovery: Arc<Discovery>,
    identities: Identities,
    transport: Transport,
    remotes: Arc<Remotes>,
    settings: Settings,
}

impl Clusters {
    /// `own` is the controller's client of its own cluster, `discovery` what is known of that one.
    ///
    /// # Errors
    /// When no HTTP client can be made at all.
    pub fn new(
        own: Client,
        discovery: Arc<Discovery>,
        identities: Identities,
        settings: Settings,
    ) -> Result<Self, sluice_http_client::ConfigError> {
        let http = ClientConfig { request_timeout: Some(MAX_CLOUD_REQUEST), ..ClientConfig::default() };
        let transport = Transport::new(&http)?;
        Ok(Self(Arc::new(Shared { own, discovery, identities, transport, remotes: Arc::default(), settings })))
    }

    /// Where this object is applied. Reads what `spec.kubeConfig` names, as the controller.
    ///
    /// # Errors
    /// See [`TargetError`]. That the service account does not exist is none: the API server refuses what it may not do, by name.
    pub async fn target(&self, object: &Kustomization) -> Result<Target, TargetError> {
        let shared = &*self.0;
        let user = self.user(object);
        let Some(reference) = &object.spec.kube_config else {
            let identity = if user.is_some() { TargetIdentity::Impersonated } else { TargetIdentity::Own };
            return target(&shared.own, &shared.discovery, identity, user);
        };
        let access = match (&reference.config_map_ref, &reference.secret_ref) {
            (Some(config_map), _) => config_map::remote(shared, object, &config_map.name).await?,
            (None, Some(secret)) => secret::remote(shared, object, secret).await?,
            (None, None) => return Err(TargetError::NoReference),
        };
        target(&access.client, &access.discovery, TargetIdentity::Remote, user)
    }

    /// Whether the service account that acts for the object exists on the own cluster, wherever the object is applied; `None` if the
    /// controller acts as itself.
    ///
    /// # Errors
    /// The API server did not tell. That is not the same as "no": what depends on it would be orphaned for a moment's fault.
    pub async fn account_exists(&self, object: &Kustomization) -> Result<Option<bool>, AccountUnknown> {
        let Some(user) = self.user(object) else { return Ok(None) };
        let accounts: Api<ServiceAccount> = Api::namespaced(self.0.own.clone(), &user.namespace);
        match accounts.get_metadata_opt(&user.name).await {
            Ok(found) => Ok(Some(found.is_some())),
            Err(source) => Err(AccountUnknown { account: format!("{}/{}", user.namespace, user.name), source }),
        }
    }

    /// Drops the metrics' series of an object that is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.0.identities.forget(&involved(namespace, name));
    }

    /// Who acts for the object.
    fn user(&self, object: &Kustomization) -> Option<ServiceAccountUser> {
        let named = object.spec.service_account_name.as_deref().filter(|name| !name.is_empty());
        let default = Some(self.0.settings.default_service_account.as_str()).filter(|name| !name.is_empty());
        let name = named.or(default)?.to_owned();
        Some(ServiceAccountUser { namespace: object.namespace().unwrap_or_default(), name })
    }
}

fn target(
    client: &Client,
    discovery: &Arc<Discovery>,
    identity: TargetIdentity,
    user: Option<ServiceAccountUser>,
) -> Result<Target, TargetError> {
    let discovery = Arc::clone(discovery);
    Ok(match user {
        None => Target { client: client.clone(), discovery, identity, user: None },
        Some(user) => {
            let user = user.to_string();
            let client = acting_as(client, &user).map_err(|_| TargetError::User(user.escape_debug().to_string()))?;
            Target { client, discovery, identity, user: Some(user) }
        }
    })
}

fn involved(namespace: &str, name: &str) -> InvolvedObject {
    InvolvedObject {
        kind: "Kustomization".to_owned(),
        name: name.to_owned(),
        namespace: namespace.to_owned(),
        operation: OPERATION.to_owned(),
    }
}
