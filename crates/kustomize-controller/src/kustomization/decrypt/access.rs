//! The ports of decryption to identities: clouds and Vault are asked as the service account that the object names, else the one that flags
//! name, else the controller.
//!
//! Deliberately lazy: a service account is read when a document turns out to need one, and once.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, Client, ResourceExt as _};
use sluice_api::kustomize::Kustomization;
use sluice_cloud_identity::{AccessToken, AwsCredentials, InvolvedObject, ServiceAccount, Transport};
use sluice_http_client::Secret;
use sluice_sops::{Ambient, AmbientError, AmbientFuture, VaultAccess, VaultInstances};
use sluice_workload_identity::{AccountChoice, Identities, ObjectIdentity};
use tokio::sync::OnceCell;

/// The entry of the `ConfigMap` with the servers.
const VAULT_CONFIG: &str = "config.yaml";
/// The operations, as the metrics name them.
const WITH_AWS: &str = "decrypt_with_aws";
const WITH_AZURE: &str = "decrypt_with_azure";
const WITH_GCP: &str = "decrypt_with_gcp";
const WITH_VAULT: &str = "decrypt_with_vault";

/// What flags say of identities.
#[derive(Debug, Clone, Default)]
pub struct AccessSettings {
    /// `--default-decryption-service-account`, empty for none.
    pub default_service_account: String,
    /// `--sops-vault-configmap`, empty for none.
    pub vault_config_map: String,
}

/// The identities of the process, and its way out.
#[derive(Clone)]
pub struct Access {
    /// Identities.
    pub identities: Identities,
    /// To the clouds.
    pub transport: Transport,
}

impl Access {
    /// Who an object is.
    pub(super) fn of(&self, client: &Client, object: &Kustomization, settings: &AccessSettings) -> ObjectAccess {
        let named = object.spec.decryption.as_ref().and_then(|decryption| decryption.service_account_name.clone());
        ObjectAccess {
            access: self.clone(),
            client: client.clone(),
            name: object.name_any(),
            namespace: object.namespace().unwrap_or_default(),
            named,
            default: settings.default_service_account.clone(),
            account: OnceCell::new(),
        }
    }
}

/// Who one object is.
pub(super) struct ObjectAccess {
    access: Access,
    client: Client,
    name: String,
    namespace: String,
    named: Option<String>,
    default: String,
    account: OnceCell<Option<ServiceAccount>>,
}

impl ObjectAccess {
    async fn acting(&self, operation: &str) -> Result<ObjectIdentity, AmbientError> {
        let choice = AccountChoice { named: self.named.as_deref(), default: Some(self.default.as_str()) };
        let read = || self.access.identities.account(&self.namespace, choice, Vec::new());
        let account = self.account.get_or_try_init(read).await?.clone();
        let object = InvolvedObject {
            kind: "Kustomization".to_owned(),
            name: self.name.clone(),
            namespace: self.namespace.clone(),
            operation: operation.to_owned(),
        };
        Ok(self.access.identities.acting(Some(object), account, self.access.transport.clone()))
    }
}

impl Ambient for ObjectAccess {
    fn aws<'a>(&'a self, region: &'a str) -> AmbientFuture<'a, AwsCredentials> {
        Box::pin(async move { Ok(self.acting(WITH_AWS).await?.cloud().aws_credentials(Some(region), None).await?) })
    }

    fn azure<'a>(&'a self, scope: &'a str) -> AmbientFuture<'a, AccessToken> {
        Box::pin(async move { Ok(self.acting(WITH_AZURE).await?.cloud().azure_token(scope).await?) })
    }

    fn gcp(&self) -> AmbientFuture<'_, AccessToken> {
        Box::pin(async move { Ok(self.acting(WITH_GCP).await?.cloud().gcp_token().await?) })
    }
}

/// A Vault configuration that cannot be had.
#[derive(Debug, thiserror::Error)]
enum VaultConfigError {
    /// The `ConfigMap` cannot be read.
    #[error("failed to get Vault ConfigMap '{0}'")]
    Read(String, #[source] kube::Error),
    /// It is not there.
    #[error("failed to get Vault ConfigMap '{0}': it does not exist")]
    NotFound(String),
    /// It has no configuration.
    #[error("Vault ConfigMap '{0}' is missing the '{VAULT_CONFIG}' key")]
    NoConfig(String),
    /// Its configuration is none.
    #[error("failed to parse '{VAULT_CONFIG}' in Vault ConfigMap '{0}'")]
    Parse(String, #[source] sluice_sops::VaultInstancesError),
}

/// The servers of the operator's `ConfigMap`, and tokens for them.
pub(super) struct VaultOfCluster {
    access: Arc<ObjectAccess>,
    name: String,
    namespace: String,
}

impl VaultOfCluster {
    /// `None` if flags name no `ConfigMap`: nobody logs in to Vault then.
    pub(super) fn new(access: Arc<ObjectAccess>, name: &str, namespace: &str) -> Option<Self> {
        (!name.is_empty()).then(|| Self { access, name: name.to_owned(), namespace: namespace.to_owned() })
    }

    async fn config(&self) -> Result<VaultInstances, VaultConfigError> {
        let full_name = || format!("{}/{}", self.namespace, self.name);
        let api: Api<ConfigMap> = Api::namespaced(self.access.client.clone(), &self.namespace);
        let found = api.get_opt(&self.name).await.map_err(|source| VaultConfigError::Read(full_name(), source))?;
        let data = found.ok_or_else(|| VaultConfigError::NotFound(full_name()))?.data.unwrap_or_default();
        let text = data.get(VAULT_CONFIG).ok_or_else(|| VaultConfigError::NoConfig(full_name()))?;
        VaultInstances::parse(text).map_err(|source| VaultConfigError::Parse(full_name(), source))
    }
}

impl VaultAccess for VaultOfCluster {
    fn instances(&self) -> AmbientFuture<'_, VaultInstances> {
        Box::pin(async move { Ok(self.config().await?) })
    }

    fn service_account_token<'a>(&'a self, audience: &'a str) -> AmbientFuture<'a, Secret<String>> {
        Box::pin(async move {
            let identity = self.access.acting(WITH_VAULT).await?;
            Ok(identity.kubernetes_token(&[audience.to_owned()]).await?.token)
        })
    }
}
