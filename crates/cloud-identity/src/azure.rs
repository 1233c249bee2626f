//! Microsoft Azure: tokens of Entra ID for an application, a managed identity or a `ServiceAccount`, and logins to ACR.
//!
//! Deliberately no user flows, no command-line tools, no PKCS#12 files and no encrypted keys.

pub mod aks;
mod cloud;
mod credential;
mod managed_identity;
pub mod registry;
#[cfg(test)]
mod tests;
mod token_service;

pub use cloud::{Authority, AzureCloud};
pub use credential::{Assertion, AzureCredential, ClientCertificate, SendChain, ServiceAccountIdentity};
pub use managed_identity::INSTANCE_METADATA;

use crate::environment::FileError;
use crate::jwt::KeyError;
use crate::transport::ExchangeError;

/// The audience of a `ServiceAccount`'s token for Azure.
pub const AUDIENCE: &str = "api://AzureADTokenExchange";

/// The annotation of a `ServiceAccount` with the application's client id.
pub const CLIENT_ID_ANNOTATION: &str = "azure.workload.identity/client-id";

/// The annotation of a `ServiceAccount` with the application's tenant.
pub const TENANT_ID_ANNOTATION: &str = "azure.workload.identity/tenant-id";

/// What a token is for. Source: Azure's documentation of each service.
pub mod scope {
    /// Blob storage.
    pub const STORAGE: &str = "https://storage.azure.com/.default";
    /// Azure DevOps.
    pub const DEVOPS: &str = "499b84ac-1321-427f-aa17-267ca6975798/.default";
    /// Event Hubs. The two slashes are the audience's own.
    pub const EVENT_HUBS: &str = "https://eventhubs.azure.net//.default";
    /// Container registries, in every cloud.
    pub const CONTAINER_REGISTRY: &str = "https://containerregistry.azure.net/.default";
    /// The API server of any AKS cluster.
    pub const AKS: &str = "6dae42f8-4368-4678-94ff-3960e28e3630/.default";
    /// Key vaults.
    pub const KEY_VAULT: &str = "https://vault.azure.net/.default";
}

/// A token or a login that could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AzureError {
    /// The exchange failed.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The request could not be built.
    #[error(transparent)]
    Request(#[from] sluice_http_client::HttpError),
    /// A file of the environment cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The client certificate's key cannot be used.
    #[error("invalid client certificate")]
    Key(#[from] KeyError),
    /// There is no certificate.
    #[error("no PEM certificate was found in the client certificate")]
    NoCertificate,
    /// A tenant is a name of letters, digits, dots and dashes.
    #[error("invalid Azure tenant ID: '{0}'")]
    Tenant(String),
    /// The authority is not an https URL with a host alone.
    #[error("invalid Azure authority host: '{0}'. must be an https URL")]
    Authority(String),
    /// A `ServiceAccount` lacks one of its annotations.
    #[error("azure {what} ID is not set in the service account annotation {annotation}")]
    Annotation {
        /// `tenant` or `client`.
        what: &'static str,
        /// The annotation.
        annotation: &'static str,
    },
    /// The environment has half of what it must have.
    #[error("{present} is set but {absent} is not")]
    Incomplete {
        /// The variable that is there.
        present: &'static str,
        /// The variable that is not.
        absent: &'static str,
    },
    /// The managed identity's service cannot be at that place.
    #[error("AZURE_POD_IDENTITY_AUTHORITY_HOST is not a URL")]
    MetadataUrl,
    /// The registry is not an ACR one.
    #[error("invalid Azure registry: '{registry}'. must end with {suffixes}")]
    Registry {
        /// The host.
        registry: String,
        /// What it may end with.
        suffixes: String,
    },
    /// The cluster's name is not one.
    #[error(
        "invalid AKS cluster ID: '{0}'. must match \
         /subscriptions/<id>/resourceGroups/<group>/providers/Microsoft.ContainerService/managedClusters/<name>"
    )]
    ClusterId(String),
    /// The cluster does not know Entra ID, so that no token of it would be taken.
    #[error("AKS cluster {0} does not have Microsoft Entra ID integration enabled")]
    NoEntraId(String),
    /// The cluster is nowhere.
    #[error("no kubeconfig found for AKS cluster {0}")]
    NoKubeconfig(String),
    /// The cluster is elsewhere than where the object says.
    #[error(
        "no kubeconfig found for AKS cluster {cluster} matching the specified address '{address}'. cluster addresses: [{found}]"
    )]
    NoMatchingKubeconfig {
        /// The cluster's id.
        cluster: String,
        /// What the object says.
        address: String,
        /// Where the cluster is.
        found: String,
    },
    /// The environment file is not one.
    #[error("the Azure environment file cannot be used: {0}")]
    EnvironmentFile(&'static str),
}
