//! The whole way from "this object, this provider, perhaps this `ServiceAccount`" to credentials, through the cache.
//!
//! Deliberately no feature gate and no default `ServiceAccount`: whether an object may name one, and which stands in, the controller
//! decides before.

use sluice_http_client::Url;

use crate::aws::codecommit::CodeCommitUrl;
use crate::aws::ecr::{EcrRegistry, login as ecr_login};
use crate::aws::{self, AwsError, RoleArn, StsEndpoint, WebIdentity, assume_role_with_web_identity, role_session_name};
use crate::azure::{self, Authority, AzureCloud, AzureCredential, AzureError};
use crate::cache::{CacheKey, CacheKeyBuilder, InvolvedObject, TokenCache};
use crate::credential::{AccessToken, Expires, GitLogin, GitScheme, RegistryLogin};
use crate::gcp::{self, DefaultCredential, Exchanger, GcpError, GkeCluster, MetadataServer, SubjectToken};
use crate::github_app::{self, GitHubApp, GitHubAppError};
use crate::sigv4::AwsCredentials;
use crate::transport::Transport;

mod error;
mod kubernetes;
mod platform;
mod port;
#[cfg(test)]
mod tests;

pub use error::{CloudError, IdentityError, PortError};
pub use platform::{Endpoints, Platform};
pub use port::{Port, ServiceAccount, ServiceAccountTokens};

/// A cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Cloud.
    Gcp,
}

impl Provider {
    /// Reads the name that objects give it.
    ///
    /// # Errors
    /// [`IdentityError::Provider`].
    pub fn parse(name: &str) -> Result<Self, IdentityError> {
        match name {
            "aws" => Ok(Self::Aws),
            "azure" => Ok(Self::Azure),
            "gcp" => Ok(Self::Gcp),
            other => Err(IdentityError::Provider(other.to_owned())),
        }
    }

    /// The name that objects give it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Gcp => "gcp",
        }
    }
}

/// Who asks: the controller, or a `ServiceAccount` in its place; by which way, and for which object.
#[derive(Clone, Copy, Debug)]
pub struct Identity<'a> {
    /// The process.
    pub platform: &'a Platform,
    /// The way out, with the object's proxy.
    pub transport: &'a Transport,
    /// The tokens that are there already.
    pub cache: &'a TokenCache,
    /// The object, for the metrics.
    pub object: Option<&'a InvolvedObject>,
    /// In whose name.
    pub service_account: Option<&'a ServiceAccount>,
}

impl<'a> Identity<'a> {
    /// Credentials of AWS. A `ServiceAccount` needs `region`; the controller falls back to its `AWS_REGION`. `sts` is asked instead of
    /// the region's own.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub async fn aws_credentials(
        &self,
        region: Option<&str>,
        sts: Option<&StsEndpoint>,
    ) -> Result<AwsCredentials, IdentityError> {
        let key = |audiences: &[String], identity: &str| {
            let key = self.key(Provider::Aws, audiences, identity).optional("stsRegion", region);
            key.optional("stsEndpoint", sts.map(|endpoint| endpoint.url().as_str())).build()
        };
        let Some(account) = self.service_account else {
            return self.cached(&key(&[], ""), Box::pin(self.aws_of_controller(region, sts))).await;
        };
        let role = account.annotations.get(aws::ROLE_ANNOTATION).map_or("", String::as_str);
        let role = RoleArn::parse(role).map_err(|error| account.identity_error(error))?;
        let audiences = account.audiences_or(|| aws::AUDIENCE.to_owned());
        let make = Box::pin(async {
            let region = region.ok_or(AwsError::NoRegion).map_err(|error| account.error(error))?;
            let sts = self.sts(region, sts).map_err(|error| account.error(error))?;
            let token = account.token(&audiences).await?;
            let session_name = &role_session_name(&account.namespace, &account.name, region);
            let identity = WebIdentity { role: &role, session_name, token: &token };
            let made = assume_role_with_web_identity(self.transport, &sts, &identity).await;
            made.map_err(|error| account.error(error))
        });
        self.cached(&key(&audiences, role.as_str()), make).await
    }

    async fn aws_of_controller(
        &self,
        region: Option<&str>,
        sts: Option<&StsEndpoint>,
    ) -> Result<AwsCredentials, IdentityError> {
        let from = (&*self.platform.environment, &*self.platform.files);
        let overridden = self.platform.endpoints.aws_sts.clone().map(StsEndpoint::trusted);
        let made = aws::controller_credentials(self.transport, from, region, sts.or(overridden.as_ref())).await;
        made.map_err(IdentityError::controller)
    }

    fn sts(&self, region: &str, given: Option<&StsEndpoint>) -> Result<StsEndpoint, AwsError> {
        match (given, &self.platform.endpoints.aws_sts) {
            (Some(endpoint), _) => Ok(endpoint.clone()),
            (None, Some(url)) => Ok(StsEndpoint::trusted(url.clone())),
            (None, None) => StsEndpoint::of_region(region, &self.platform.environment),
        }
    }

    /// A token of Azure for `scope` (see [`azure::scope`]).
    ///
    /// # Errors
    /// [`IdentityError`].
    pub async fn azure_token(&self, scope: &str) -> Result<AccessToken, IdentityError> {
        let environment = &*self.platform.environment;
        let Some(account) = self.service_account else {
            let key = self.key(Provider::Azure, &[], "").part("scopes", scope).build();
            let make = Box::pin(async {
                let credential = AzureCredential::of_environment(environment, &*self.platform.files);
                self.azure_token_of(&credential.map_err(IdentityError::controller)?, None, scope)
                    .await
                    .map_err(IdentityError::controller)
            });
            return self.cached(&key, make).await;
        };
        let identity = azure::ServiceAccountIdentity::of_annotations(&account.annotations);
        let identity = identity.map_err(|error| account.identity_error(error))?;
        let audiences = account.audiences_or(|| azure::AUDIENCE.to_owned());
        let name = format!("{}/{}", identity.tenant_id, identity.client_id);
        let key = self.key(Provider::Azure, &audiences, &name).part("scopes", scope).build();
        let make = Box::pin(async {
            let credential = identity.credential(account.token(&audiences).await?);
            self.azure_token_of(&credential, None, scope).await.map_err(|error| account.error(error))
        });
        self.cached(&key, make).await
    }

    /// A token of another credential than the controller's or the `ServiceAccount`'s: one of a Secret. It is not kept. `authority` is the
    /// environment's if `None`.
    ///
    /// # Errors
    /// [`AzureError`].
    pub async fn azure_token_of(
        &self,
        credential: &AzureCredential,
        authority: Option<&Authority>,
        scope: &str,
    ) -> Result<AccessToken, AzureError> {
        let authority = match (authority, &self.platform.endpoints.azure_authority) {
            (Some(authority), _) => authority.clone(),
            (None, Some(url)) => Authority::trusted(url.clone()),
            (None, None) => Authority::of_environment(&self.platform.environment)?,
        };
        let id = crate::crypto::random_id().ok_or(crate::jwt::KeyError::Sign)?;
        let at = (&authority, &*self.platform.files);
        credential.token(self.transport, at, scope, (self.platform.clock.now(), &id)).await
    }

    /// A token of Google Cloud for [`gcp::SCOPES`].
    ///
    /// # Errors
    /// [`IdentityError`].
    pub async fn gcp_token(&self) -> Result<AccessToken, IdentityError> {
        let platform = self.platform;
        let Some(account) = self.service_account else {
            let key = self.key(Provider::Gcp, &[], "").build();
            let make = Box::pin(async {
                let credential = DefaultCredential::of_environment(&platform.environment, &*platform.files);
                let credential = credential.map_err(IdentityError::controller)?;
                let now = platform.clock.now();
                let made = credential.token(self.transport, &*platform.files, &gcp::SCOPES, now).await;
                made.map_err(IdentityError::controller)
            });
            return self.cached(&key, make).await;
        };
        // The audience first, as its failure is the more telling one outside GKE.
        let identity = gcp::ServiceAccountIdentity::of_annotations(&account.annotations);
        let identity = identity.map_err(|error| account.identity_error(error))?;
        let (token_audience, audience) = if let Some(provider) = &identity.provider {
            (provider.audience(), provider.audience())
        } else {
            let cluster = self.cluster().await.map_err(|error| IdentityError::Audience(error.into()))?;
            (cluster.pool(), cluster.audience())
        };
        let audiences = account.audiences_or(|| token_audience);
        let email = identity.email.as_deref();
        let key = self.key(Provider::Gcp, &audiences, email.unwrap_or_default()).part("audience", &audience).build();
        let make = Box::pin(async {
            let subject = SubjectToken::jwt(account.token(&audiences).await?);
            let exchanger = self.exchanger(email).map_err(|error| account.error(error))?;
            let now = platform.clock.now();
            let made = exchanger.token(self.transport, (&subject, &audience), &gcp::SCOPES, now).await;
            made.map_err(|error| account.error(error))
        });
        self.cached(&key, make).await
    }

    fn exchanger(&self, email: Option<&str>) -> Result<Exchanger, GcpError> {
        match (&self.platform.endpoints.gcp_sts, &self.platform.endpoints.gcp_iam) {
            (Some(sts), Some(iam)) => Exchanger::at(sts, iam, email),
            _ => Exchanger::google(email),
        }
    }

    async fn cluster(&self) -> Result<&'a GkeCluster, GcpError> {
        let ask = async || MetadataServer::of_environment(&self.platform.environment)?.cluster(self.transport).await;
        self.platform.cluster.get_or_try_init(ask).await
    }

    /// A login to a container registry of `provider`, by its host.
    ///
    /// # Errors
    /// [`IdentityError`]; a host that is none of the provider's gets nothing and is sent nothing.
    pub async fn registry_login(&self, provider: Provider, host: &str) -> Result<RegistryLogin, IdentityError> {
        let key = self.registry_key(provider, host);
        match provider {
            Provider::Aws => {
                let registry = EcrRegistry::parse(host).map_err(CloudError::from)?;
                let region = registry.region().to_owned();
                let make = Box::pin(async {
                    let credentials = self.aws_credentials(Some(&region), None).await;
                    let credentials = credentials.map_err(IdentityError::registry_token)?;
                    let api = match &self.platform.endpoints.aws_ecr {
                        Some(url) => Ok(url.clone()),
                        None => registry.api(),
                    };
                    let api = api.map_err(IdentityError::registry)?;
                    let now = self.platform.clock.now();
                    let made = ecr_login(self.transport, (&registry, &api), &credentials, now).await;
                    made.map_err(IdentityError::registry)
                });
                self.cached(&key, make).await
            }
            Provider::Azure => self.azure_registry_login(&key, host).await,
            Provider::Gcp => {
                gcp::check_registry(host).map_err(CloudError::from)?;
                let token = self.gcp_token().await.map_err(IdentityError::registry_token)?;
                Ok(gcp::registry_login(&token))
            }
        }
    }

    async fn azure_registry_login(&self, key: &CacheKey, host: &str) -> Result<RegistryLogin, IdentityError> {
        let cloud = AzureCloud::of_environment(&self.platform.environment, &*self.platform.files);
        let cloud = cloud.map_err(CloudError::from)?;
        let own = azure::registry::exchange_url(&cloud, host).map_err(CloudError::from)?;
        let url = self.platform.endpoints.azure_registry.clone().unwrap_or(own);
        let make = Box::pin(async {
            let token = self.azure_token(cloud.registry_scope()).await.map_err(IdentityError::registry_token)?;
            let made = azure::registry::login(self.transport, (host, &url), &token).await;
            made.map_err(IdentityError::registry)
        });
        self.cached(key, make).await
    }

    /// The whole identity, as far as it decides about a registry's login, and the host.
    fn registry_key(&self, provider: Provider, host: &str) -> CacheKey {
        self.whole_key(provider).part("registry", host).build()
    }

    /// The beginning of a key for what depends on the whole identity.
    fn whole_key(&self, provider: Provider) -> CacheKeyBuilder {
        let key = self.key(provider, &[], "");
        match self.service_account {
            None => key,
            Some(account) => {
                let annotations = account.annotations.iter();
                // Any annotation may be the one that says who it is.
                annotations.fold(key, |key, (name, value)| key.part("annotation", name).part("value", value))
            }
        }
    }

    /// A login to a Git host of `provider`: `CodeCommit` or Azure DevOps.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub async fn git_login(&self, provider: Provider, url: &Url) -> Result<GitLogin, IdentityError> {
        match provider {
            Provider::Aws => {
                let repository = CodeCommitUrl::parse(url).map_err(CloudError::from)?;
                let credentials = self.aws_credentials(Some(repository.region()), None).await;
                let credentials = credentials.map_err(IdentityError::git_token)?;
                // Signing asks nobody, so there is nothing to keep.
                Ok(repository.login(&credentials, self.platform.clock.now()))
            }
            Provider::Azure => {
                let token = self.azure_token(azure::scope::DEVOPS).await.map_err(IdentityError::git_token)?;
                Ok(GitLogin { scheme: GitScheme::Bearer(token.token), expires_at: token.expires_at })
            }
            Provider::Gcp => Err(IdentityError::NoGit(provider.name())),
        }
    }

    /// A token of an app's installation. The app is its own identity: a `ServiceAccount` plays no part.
    ///
    /// # Errors
    /// [`GitHubAppError`].
    pub async fn github_app_token(&self, app: &GitHubApp) -> Result<AccessToken, GitHubAppError> {
        let key = CacheKeyBuilder::new("github-app-token").part("app", app.cache_key().as_bytes());
        let key = key.part("transport", self.transport.fingerprint().as_bytes()).build();
        let make = Box::pin(app.token(self.transport, self.platform.clock.now()));
        self.cache.get_or_make(&key, self.object, make).await
    }

    /// The login to Git of an app's installation.
    ///
    /// # Errors
    /// [`GitHubAppError`].
    pub async fn github_app_git_login(&self, app: &GitHubApp) -> Result<GitLogin, GitHubAppError> {
        Ok(github_app::git_login(&self.github_app_token(app).await?))
    }

    fn key(&self, provider: Provider, audiences: &[String], identity: &str) -> CacheKeyBuilder {
        let key = CacheKeyBuilder::new("identity").part("provider", provider.name());
        let key = key.part("transport", self.transport.fingerprint().as_bytes());
        let Some(account) = self.service_account else { return key };
        let own = account.audiences.iter().chain(audiences);
        own.fold(key, |key, audience| key.part("audience", audience))
            .part("providerIdentity", identity)
            .part("serviceAccountName", &account.name)
            .part("serviceAccountNamespace", &account.namespace)
    }

    /// `make` comes boxed: an exchange holds some twenty KiB of connection state, which would otherwise be part of every future above.
    async fn cached<T>(
        &self,
        key: &CacheKey,
        make: impl Future<Output = Result<T, IdentityError>>,
    ) -> Result<T, IdentityError>
    where
        T: Expires + Clone + Send + Sync + 'static,
    {
        self.cache.get_or_make(key, self.object, make).await
    }
}
