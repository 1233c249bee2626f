//! Azure's clouds: which authority issues tokens, and what registries and services are called.
//!
//! Deliberately no discovery over the network: authorities are these or what the operator names.

use serde::Deserialize;
use sluice_http_client::Url;

use super::{AzureError, scope};
use crate::environment::{Environment, Files, read_secret};

const ENVIRONMENT_FILE: &str = "AZURE_ENVIRONMENT_FILEPATH";
const AUTHORITY_HOST: &str = "AZURE_AUTHORITY_HOST";
/// The registries of the clouds that are not custom.
const REGISTRY_SUFFIXES: [&str; 4] = [".azurecr.io", ".azurecr.cn", ".azurecr.de", ".azurecr.us"];

/// Who issues tokens: a host of Entra ID.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authority(Url);

impl Authority {
    /// Reads an authority that a Secret or the environment names: an https URL.
    ///
    /// # Errors
    /// [`AzureError::Authority`].
    pub fn parse(text: &str) -> Result<Self, AzureError> {
        let url = Url::parse(text).ok().filter(|url| url.scheme() == "https" && url.query().is_none());
        let url = url.filter(|url| url.username().is_empty() && url.password().is_none());
        url.map(Self).ok_or_else(|| AzureError::Authority(sluice_http_client::mask_url_text(text)))
    }

    /// What the environment names, else the public cloud's.
    ///
    /// # Errors
    /// [`AzureError::Authority`].
    pub fn of_environment(environment: &Environment) -> Result<Self, AzureError> {
        Self::parse(environment.get(AUTHORITY_HOST).unwrap_or("https://login.microsoftonline.com/"))
    }

    /// Any URL, for tests.
    pub fn trusted(url: Url) -> Self {
        Self(url)
    }

    /// Where a tenant's tokens are asked for.
    ///
    /// # Errors
    /// [`AzureError::Tenant`] for a tenant with any other character than those of names: it becomes part of the path, and `..` would
    /// choose another.
    pub(super) fn token_url(&self, tenant: &str) -> Result<Url, AzureError> {
        let refused = || AzureError::Tenant(tenant.chars().take(128).collect());
        let fine = (1..=256).contains(&tenant.len())
            && tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.')
            && tenant.bytes().any(|byte| byte != b'.');
        if !fine {
            return Err(refused());
        }
        let base = self.0.as_str().trim_end_matches('/');
        Url::parse(&format!("{base}/{tenant}/oauth2/v2.0/token")).map_err(|_| refused())
    }
}

/// The part of a cloud's description that matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AzureCloud {
    registry_scope: String,
    management_scope: String,
    management_endpoint: String,
    /// The suffix of a custom cloud's registries.
    registry_suffix: Option<String>,
}

impl AzureCloud {
    /// The cloud that the environment describes: a file of its own endpoints (`AZURE_ENVIRONMENT_FILEPATH`), else by the authority.
    ///
    /// # Errors
    /// [`AzureError::File`] or [`AzureError::EnvironmentFile`].
    pub fn of_environment(environment: &Environment, files: &dyn Files) -> Result<Self, AzureError> {
        if let Some(path) = environment.get(ENVIRONMENT_FILE) {
            return Self::of_file(read_secret(files, path)?.expose());
        }
        let authority = environment.get(AUTHORITY_HOST).unwrap_or_default();
        let (management, endpoint) = if authority.contains("chinacloudapi.cn") {
            ("https://management.core.chinacloudapi.cn/", "https://management.chinacloudapi.cn/")
        } else if authority.contains("microsoftonline.us") {
            ("https://management.core.usgovcloudapi.net/", "https://management.usgovcloudapi.net/")
        } else {
            ("https://management.core.windows.net/", "https://management.azure.com/")
        };
        Ok(Self {
            registry_scope: scope::CONTAINER_REGISTRY.to_owned(),
            management_scope: format!("{management}/.default"),
            management_endpoint: endpoint.to_owned(),
            registry_suffix: None,
        })
    }

    fn of_file(text: &str) -> Result<Self, AzureError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        #[derive(Default)]
        struct File {
            #[serde(rename = "containerRegistryDNSSuffix")]
            registry_suffix: String,
            resource_manager_endpoint: String,
            token_audience: String,
        }
        let file: File = serde_json::from_str(text).map_err(|_| AzureError::EnvironmentFile("it is not JSON"))?;
        if file.resource_manager_endpoint.is_empty() || file.token_audience.is_empty() {
            return Err(AzureError::EnvironmentFile("resourceManagerEndpoint and tokenAudience must be set"));
        }
        Ok(Self {
            registry_scope: format!("{}/.default", file.resource_manager_endpoint),
            management_scope: format!("{}/.default", file.token_audience),
            management_endpoint: file.resource_manager_endpoint,
            registry_suffix: Some(file.registry_suffix).filter(|suffix| !suffix.is_empty()),
        })
    }

    /// The scope of a token that a registry takes for a login.
    pub fn registry_scope(&self) -> &str {
        &self.registry_scope
    }

    /// The scope of a token for the resource manager.
    pub fn management_scope(&self) -> &str {
        &self.management_scope
    }

    /// Where the resource manager is asked.
    ///
    /// # Errors
    /// [`AzureError::EnvironmentFile`] when the operator's file names something else than an https URL: the token is sent there.
    pub fn management_endpoint(&self) -> Result<Url, AzureError> {
        let url = Url::parse(&self.management_endpoint).ok().filter(|url| url.scheme() == "https");
        url.ok_or(AzureError::EnvironmentFile("resourceManagerEndpoint must be an https URL"))
    }

    /// Whether a host is a registry of this cloud. A login sends the token there, so only such hosts get one.
    ///
    /// # Errors
    /// [`AzureError::Registry`].
    pub fn check_registry(&self, host: &str) -> Result<(), AzureError> {
        let ends = |suffix: &str| host.strip_suffix(suffix).is_some_and(|name| !name.is_empty());
        if REGISTRY_SUFFIXES.into_iter().any(ends) {
            return Ok(());
        }
        // The suffix of a file may come without its dot; without one, `evilazurecr.private` would be a registry of `azurecr.private`.
        let own = self.registry_suffix.as_ref().map(|suffix| format!(".{}", suffix.trim_start_matches('.')));
        if own.as_deref().is_some_and(ends) {
            return Ok(());
        }
        let suffixes = own.unwrap_or_else(|| REGISTRY_SUFFIXES.join(", "));
        Err(AzureError::Registry { registry: host.chars().take(256).collect(), suffixes })
    }
}
