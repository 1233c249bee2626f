//! Why there are no credentials, in the words that are shown on objects.
//!
//! Deliberately without any secret: what an issuer says is masked where it is read.

use crate::aws::AwsError;
use crate::azure::AzureError;
use crate::gcp::GcpError;

/// What the port to Kubernetes fails with.
pub type PortError = Box<dyn std::error::Error + Send + Sync>;

/// The error of one cloud.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloudError {
    /// Of AWS.
    #[error(transparent)]
    Aws(#[from] AwsError),
    /// Of Azure.
    #[error(transparent)]
    Azure(#[from] AzureError),
    /// Of Google Cloud.
    #[error(transparent)]
    Gcp(#[from] GcpError),
}

/// Credentials that could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// A provider that is none.
    #[error("provider '{0}' not implemented")]
    Provider(String),
    /// The provider has no Git hosts.
    #[error("provider '{0}' does not support Git credentials")]
    NoGit(&'static str),
    /// The registry or the repository is not one of the provider's.
    #[error(transparent)]
    Cloud(#[from] CloudError),
    /// The controller's own identity gave no token.
    #[error("failed to create provider access token for the controller")]
    Controller(#[source] CloudError),
    /// The `ServiceAccount`'s annotations do not say who it is.
    #[error("failed to get provider identity from service account '{account}' annotations")]
    Annotations {
        /// Namespace and name.
        account: String,
        /// Why.
        #[source]
        source: CloudError,
    },
    /// What a `ServiceAccount`'s token is to be for could not be learnt.
    #[error("failed to get provider audience")]
    Audience(#[source] CloudError),
    /// The API server gave no token of the `ServiceAccount`.
    #[error("failed to create kubernetes token for service account '{account}'")]
    KubernetesToken {
        /// Namespace and name.
        account: String,
        /// Why.
        #[source]
        source: PortError,
    },
    /// The cloud gave no token for the `ServiceAccount`'s.
    #[error("failed to create provider access token for service account '{account}'")]
    ServiceAccount {
        /// Namespace and name.
        account: String,
        /// Why.
        #[source]
        source: CloudError,
    },
    /// There is no token to ask for a registry's login with.
    #[error("failed to get access token for artifact registry")]
    RegistryToken(#[source] Box<IdentityError>),
    /// The login was refused.
    #[error("failed to create artifact registry credentials")]
    Registry(#[source] CloudError),
    /// There is no token for a Git host.
    #[error("failed to get access token for Git repository")]
    GitToken(#[source] Box<IdentityError>),
    /// There is no token to reach or describe a cluster with.
    #[error("failed to get access token for cluster")]
    ClusterToken(#[source] Box<IdentityError>),
    /// The cloud does not say where a cluster is.
    #[error("failed to describe {service} cluster '{cluster}'")]
    DescribeCluster {
        /// What the cloud calls its clusters.
        service: &'static str,
        /// The cluster, as the object names it.
        cluster: String,
        /// Why.
        #[source]
        source: Box<CloudError>,
    },
    /// The object names an address at which no cluster can be.
    #[error("failed to parse cluster address")]
    ClusterAddress(#[source] crate::cluster::AddressError),
}

impl IdentityError {
    pub(super) fn controller(source: impl Into<CloudError>) -> Self {
        Self::Controller(source.into())
    }

    pub(super) fn registry(source: impl Into<CloudError>) -> Self {
        Self::Registry(source.into())
    }

    pub(super) fn registry_token(source: Self) -> Self {
        Self::RegistryToken(Box::new(source))
    }

    pub(super) fn cluster_token(source: Self) -> Self {
        Self::ClusterToken(Box::new(source))
    }

    pub(super) fn git_token(source: Self) -> Self {
        Self::GitToken(Box::new(source))
    }
}
