//! Who a Provider is to a cloud or to GitHub: the controller, or the service account that the Provider or a flag names.
//!
//! Deliberately thin: reading service accounts, their tokens and the cache are the crate `workload-identity`; which types need an identity at all
//! says the crate `notify`.

use std::sync::Arc;

use sluice_api::notification::Provider;
use sluice_cloud_identity::{InvolvedObject, Transport};
use sluice_http_client::ConfigError;
use sluice_notify::{Kind, ProviderConfig};
use sluice_runtime::queue::Key;
use sluice_workload_identity::{AccountChoice, AccountError, Identities, ObjectIdentity, ServiceAccountIdentity};
use thiserror::Error;

use crate::ServiceAccounts;

/// What metrics call the only thing that is done here.
const OPERATION: &str = "post";

/// It cannot be said who the Provider is.
#[derive(Debug, Error)]
pub enum ProviderIdentityError {
    /// The service account cannot be used.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// There is no way out.
    #[error("failed to set up the HTTP client")]
    Transport(#[source] ConfigError),
}

/// The identities of Providers. Clones share them.
#[derive(Clone)]
pub struct ProviderIdentities {
    shared: Identities,
    default_account: Arc<str>,
}

impl ProviderIdentities {
    /// Identities out of those of the process; `default_account` is the flag `--default-service-account`, empty for none.
    pub fn new(shared: Identities, default_account: &str) -> Self {
        Self { shared, default_account: default_account.into() }
    }

    /// Whether Providers may name service accounts.
    pub fn service_accounts(&self) -> ServiceAccounts {
        match self.shared.permission() {
            ServiceAccountIdentity::Permitted => ServiceAccounts::Allowed,
            ServiceAccountIdentity::Refused => ServiceAccounts::Refused,
        }
    }

    /// Who a Provider is, with its own way out.
    ///
    /// # Errors
    /// See [`ProviderIdentityError`].
    pub(super) async fn of(
        &self,
        provider: &Provider,
        config: &ProviderConfig,
    ) -> Result<ObjectIdentity, ProviderIdentityError> {
        let meta = &provider.metadata;
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        let key = Key::new(namespace, meta.name.clone().unwrap_or_default());
        let choice = AccountChoice {
            named: config.service_account.as_deref(),
            default: Some(&*self.default_account).filter(|name| !name.is_empty()),
        };
        let account = match config.kind {
            // A GitHub App is its own identity, and so is a token in the Secret.
            Kind::GooglePubSub | Kind::AzureEventHub | Kind::AzureDevOps if config.token.is_none() => {
                self.shared.account(namespace, choice, Vec::new()).await?
            }
            _ => None,
        };
        let transport = Transport::new(&config.exchange_http()).map_err(ProviderIdentityError::Transport)?;
        Ok(self.shared.acting(Some(involved(&key)), account, transport))
    }

    /// Drops the metrics of a Provider that is gone.
    pub fn forget(&self, provider: &Key) {
        self.shared.forget(&involved(provider));
    }
}

fn involved(key: &Key) -> InvolvedObject {
    InvolvedObject {
        kind: "Provider".to_owned(),
        name: key.name.clone(),
        namespace: key.namespace.clone(),
        operation: OPERATION.to_owned(),
    }
}
