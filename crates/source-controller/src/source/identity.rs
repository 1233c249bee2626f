//! Who a source is to a cloud: the controller, or the service account that the source or a flag names.
//!
//! Deliberately thin: reading service accounts, their tokens and the cache are the crate `workload-identity`.

use std::sync::Arc;
use std::time::Duration;

use kube::{Client, ResourceExt as _};
use sluice_cloud_identity::{InvolvedObject, Platform, Transport};
use sluice_http_client::{ClientConfig, ConfigError};
use sluice_runtime::queue::Key;
use sluice_workload_identity::{AccountChoice, AccountError};

use super::SourceKind;

pub(crate) use sluice_workload_identity::{ObjectIdentity, ServiceAccountIdentity, TokenMetrics};

/// What metrics call the only thing that is done here.
const OPERATION: &str = "reconcile";

/// The longest that one request for a token takes; an exchange has up to three.
const MAX_REQUEST: Duration = Duration::from_secs(30);

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
    #[error(transparent)]
    Lockdown(AccountError),
    /// There is no way out to the cloud.
    #[error("failed to set up the HTTP client")]
    Transport(#[source] ConfigError),
}

impl From<AccountError> for ObjectIdentityError {
    fn from(error: AccountError) -> Self {
        match error {
            AccountError::Gate => Self::Gate(GateDisabled),
            AccountError::Read { account, source } => Self::Read { account, source },
            AccountError::NotFound { namespace, name } => Self::NotFound { namespace, name },
            AccountError::Lockdown { .. } => Self::Lockdown(error),
        }
    }
}

/// What the process is and what it keeps: one for all kinds. Clones share it.
#[derive(Clone)]
pub(crate) struct Identities {
    shared: sluice_workload_identity::Identities,
    /// The service account of objects that name none.
    default_account: Arc<str>,
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
        let settings = sluice_workload_identity::Settings { permission, cache_size, cache_duration };
        let shared = sluice_workload_identity::Identities::new(client, platform, settings, metrics);
        Self { shared, default_account: default_account.into() }
    }

    /// The environment, files and clock of the process.
    pub(crate) fn platform(&self) -> &Platform {
        self.shared.platform()
    }

    /// Whether an object may name this service account, before anything is read for it.
    ///
    /// # Errors
    /// The gate is off, and it names one.
    pub(crate) fn check(&self, account: Option<&str>) -> Result<(), GateDisabled> {
        match (account.filter(|name| !name.is_empty()), self.shared.permission()) {
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
        let choice = AccountChoice { named: account, default: Some(&self.default_account) };
        let account = self.shared.account(&object.namespace().unwrap_or_default(), choice, Vec::new()).await?;
        Ok(self.shared.acting(Some(involved_of(object)), account, transport(http, timeout)?))
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
        Ok(self.shared.acting(Some(involved_of(object)), None, transport(http, timeout)?))
    }

    /// Drops the series of an object that is gone.
    pub(crate) fn forget(&self, kind: &str, key: &Key) {
        self.shared.forget(&involved(kind, key));
    }
}

fn transport(http: &ClientConfig, timeout: Duration) -> Result<Transport, ObjectIdentityError> {
    let config = ClientConfig { request_timeout: Some(timeout.min(MAX_REQUEST)), ..http.clone() };
    Transport::new(&config).map_err(ObjectIdentityError::Transport)
}

fn involved_of<K: SourceKind>(object: &K) -> InvolvedObject {
    involved(K::KIND, &Key::new(object.namespace().unwrap_or_default(), object.name_any()))
}

fn involved(kind: &str, key: &Key) -> InvolvedObject {
    InvolvedObject {
        kind: kind.to_owned(),
        name: key.name.clone(),
        namespace: key.namespace.clone(),
        operation: OPERATION.to_owned(),
    }
}
