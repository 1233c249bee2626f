//! [`Services`]: the real way from a master key to its data key, over the keys at hand and the services of others.
//!
//! Deliberately one answer for each key and no order among them: which key is tried when is the document's business.

use std::sync::Arc;
use std::time::Duration;

use sluice_cloud_identity::{Identity, Platform, TokenCache, Transport, gcp as google};
use sluice_http_client::{ClientConfig, ConfigError, HttpClient, Redirects, Secret, Url};
use tokio::time::timeout;

use crate::aws::{self, AwsKmsError};
use crate::azure::{self, AzureKeyVaultError};
use crate::gcp::{self, GcpKmsError};
use crate::keys::{AwsKmsKey, AzureKeyVaultKey, DataKey, GcpKmsKey, KeyError, KeyFuture, KeyServices, MasterKey};
use crate::ports::{Ambient, VaultAccess};
use crate::ring::KeyRing;
use crate::vault::VaultLogin;

/// How long one service may take, logins included.
const KEY_TIMEOUT: Duration = Duration::from_secs(30);

/// Places to ask instead of the services' own, for tests. Vault needs none: documents name it whole.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// AWS KMS.
    pub aws_kms: Option<Url>,
    /// AWS STS, for roles of keys.
    pub aws_sts: Option<Url>,
    /// Google Cloud KMS.
    pub gcp_kms: Option<Url>,
    /// Any Azure Key Vault.
    pub azure_key_vault: Option<Url>,
}

/// Everybody who can open a data key, for one reconcile.
pub struct Services {
    ring: KeyRing,
    vault: VaultLogin,
    ambient: Arc<dyn Ambient>,
    platform: Platform,
    transport: Transport,
    client: HttpClient,
    endpoints: Endpoints,
}

impl Services {
    /// A client as key services are asked: no redirects, since they would be handed the token, and bounded in time.
    ///
    /// Make one for the process: it reads the machine's roots.
    ///
    /// # Errors
    /// When certificates or proxy are unusable.
    pub fn client(config: &ClientConfig) -> Result<HttpClient, ConfigError> {
        let config = ClientConfig {
            redirects: Redirects::Never,
            request_timeout: Some(config.request_timeout.unwrap_or(KEY_TIMEOUT)),
            ..config.clone()
        };
        HttpClient::new(&config)
    }

    /// Over the keys of `ring`. Clouds for which it has no credentials take those of `ambient`, Vaults those of `vault` (see
    /// [`VaultLogin::new`]).
    pub fn new(
        mut ring: KeyRing,
        (ambient, vault): (Arc<dyn Ambient>, Option<Box<dyn VaultAccess>>),
        platform: Platform,
        transport: Transport,
        client: HttpClient,
    ) -> Self {
        let vault = VaultLogin::new(ring.vault_token.take(), vault, &platform.environment);
        Self { ring, vault, ambient, platform, transport, client, endpoints: Endpoints::default() }
    }

    /// With other places to ask.
    pub fn with_endpoints(self, endpoints: Endpoints) -> Self {
        Self { endpoints, ..self }
    }

    async fn open(&self, key: &MasterKey) -> Result<DataKey, KeyError> {
        match key {
            MasterKey::Age(key) => Ok(self.ring.age.decrypt(&key.enc)?),
            MasterKey::OpenPgp(key) => Ok(self.ring.openpgp.decrypt(&key.enc)?),
            MasterKey::AwsKms(key) => self.aws(key).await.map_err(KeyError::AwsKms),
            MasterKey::GcpKms(key) => self.gcp(key).await.map_err(KeyError::GcpKms),
            MasterKey::AzureKeyVault(key) => self.azure(key).await.map_err(KeyError::AzureKeyVault),
            MasterKey::Vault(key) => self.vault.decrypt(&self.client, key).await.map_err(KeyError::Vault),
            MasterKey::HuaweiKms(_) => Err(KeyError::Unsupported),
        }
    }

    async fn aws(&self, key: &AwsKmsKey) -> Result<DataKey, AwsKmsError> {
        let region = aws::region(&key.arn)?;
        let credentials = match &self.ring.aws {
            Some(credentials) => credentials.clone(),
            None => self.ambient.aws(region).await.map_err(AwsKmsError::Credentials)?,
        };
        let Endpoints { aws_kms, aws_sts, .. } = &self.endpoints;
        let (kms, sts) = (aws_kms.as_ref(), aws_sts.as_ref());
        aws::Ask { client: &self.client, kms, sts, now: self.platform.clock.now() }.decrypt(key, &credentials).await
    }

    async fn gcp(&self, key: &GcpKmsKey) -> Result<DataKey, GcpKmsError> {
        gcp::check(&key.resource_id)?;
        let token = match &self.ring.gcp {
            Some(account) => {
                let now = self.platform.clock.now();
                let token = account.token(&self.transport, &google::SCOPES, now).await;
                token.map_err(|error| GcpKmsError::Credentials(error.into()))?
            }
            None => self.ambient.gcp().await.map_err(GcpKmsError::Credentials)?,
        };
        gcp::decrypt((&self.client, self.endpoints.gcp_kms.as_ref()), key, &token.token).await
    }

    async fn azure(&self, key: &AzureKeyVaultKey) -> Result<DataKey, AzureKeyVaultError> {
        let scope = azure::scope(&key.vault_url)?;
        let token = self.azure_token(scope).await?;
        azure::decrypt((&self.client, self.endpoints.azure_key_vault.as_ref()), key, &token).await
    }

    async fn azure_token(&self, scope: &str) -> Result<Secret<String>, AzureKeyVaultError> {
        let Some(login) = &self.ring.azure else {
            let token = self.ambient.azure(scope).await;
            return token.map(|token| token.token).map_err(AzureKeyVaultError::Credentials);
        };
        // A Secret's own credential goes past the cache: nothing of it outlives the reconcile.
        let cache = TokenCache::disabled();
        let (platform, transport) = (&self.platform, &self.transport);
        let identity = Identity { platform, transport, cache: &cache, object: None, service_account: None };
        let token = identity.azure_token_of(&login.credential, login.authority.as_ref(), scope).await;
        token.map(|token| token.token).map_err(AzureKeyVaultError::Login)
    }
}

impl KeyServices for Services {
    fn decrypt<'a>(&'a self, key: &'a MasterKey) -> KeyFuture<'a> {
        Box::pin(async move {
            match timeout(KEY_TIMEOUT, self.open(key)).await {
                Ok(outcome) => outcome,
                Err(_) => Err(KeyError::Timeout(KEY_TIMEOUT.as_secs())),
            }
        })
    }
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod tests;
