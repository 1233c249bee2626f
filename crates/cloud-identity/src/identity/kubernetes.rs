//! Access to a Kubernetes cluster of a cloud: where it is, and a token for its API server, both kept as long as the token.
//!
//! Deliberately no cluster without a cloud: tokens of a `ServiceAccount` as such are Kubernetes' own, and no exchange makes them.

use super::{CloudError, Identity, IdentityError, Provider};
use crate::aws::StsEndpoint;
use crate::aws::eks::ClusterArn;
use crate::azure::{self, AzureCloud, aks};
use crate::cache::CacheKey;
use crate::cluster::{ClusterAccess, ClusterAddress, ClusterEndpoint, ClusterReference};
use crate::gcp::gke;

impl Identity<'_> {
    /// Where a cluster is, and a token for it. What the object says of address and certificate authority wins; the cloud is asked for what
    /// it does not say, with the same identity.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub async fn kubernetes_access(
        &self,
        provider: Provider,
        reference: &ClusterReference,
    ) -> Result<ClusterAccess, IdentityError> {
        let key = self.cluster_key(provider, reference);
        match provider {
            Provider::Aws => self.cached(&key, Box::pin(self.eks(reference))).await,
            Provider::Azure => self.cached(&key, Box::pin(self.aks(reference))).await,
            Provider::Gcp => self.cached(&key, Box::pin(self.gke(reference))).await,
        }
    }

    async fn eks(&self, reference: &ClusterReference) -> Result<ClusterAccess, IdentityError> {
        let cluster = ClusterArn::parse(&reference.cluster).map_err(CloudError::from)?;
        let given = Given::of(reference)?;
        let credentials = self.aws_credentials(Some(cluster.region()), None).await;
        let credentials = credentials.map_err(IdentityError::cluster_token)?;
        let environment = &self.platform.environment;
        let now = self.platform.clock.now();
        let endpoint = if let Some(endpoint) = given.complete() {
            endpoint
        } else {
            let failed = describing("EKS", reference);
            let api = match &self.platform.endpoints.aws_eks {
                Some(url) => Ok(url.clone()),
                None => cluster.api(environment),
            };
            let api = api.map_err(|error| failed(error.into()))?;
            let described = cluster.describe(self.transport, &api, &credentials, now).await;
            given.over(described.map_err(|error| failed(error.into()))?)
        };
        let sts = match &self.platform.endpoints.aws_sts {
            Some(url) => StsEndpoint::trusted(url.clone()),
            None => StsEndpoint::of_region(cluster.region(), environment).map_err(CloudError::from)?,
        };
        Ok(ClusterAccess::new(endpoint, cluster.token(&sts, &credentials, now)))
    }

    async fn aks(&self, reference: &ClusterReference) -> Result<ClusterAccess, IdentityError> {
        let given = Given::of(reference)?;
        let token = self.azure_token(azure::scope::AKS).await.map_err(IdentityError::cluster_token)?;
        let endpoint = if let Some(endpoint) = given.complete() {
            endpoint
        } else {
            let failed = describing("AKS", reference);
            let cluster = aks::ClusterId::parse(&reference.cluster).map_err(CloudError::from)?;
            let cloud = AzureCloud::of_environment(&self.platform.environment, &*self.platform.files);
            let cloud = cloud.map_err(CloudError::from)?;
            let management = match &self.platform.endpoints.azure_management {
                Some(url) => Ok(url.clone()),
                None => cloud.management_endpoint(),
            };
            let management = management.map_err(CloudError::from)?;
            let manager = self.azure_token(cloud.management_scope()).await.map_err(IdentityError::cluster_token)?;
            let described = cluster.describe(self.transport, &management, &manager, given.address.as_ref()).await;
            given.over(described.map_err(|error| failed(error.into()))?)
        };
        Ok(ClusterAccess::new(endpoint, token))
    }

    async fn gke(&self, reference: &ClusterReference) -> Result<ClusterAccess, IdentityError> {
        let given = Given::of(reference)?;
        let token = self.gcp_token().await.map_err(IdentityError::cluster_token)?;
        let endpoint = if let Some(endpoint) = given.complete() {
            endpoint
        } else {
            let failed = describing("GKE", reference);
            let cluster = gke::ClusterId::parse(&reference.cluster).map_err(CloudError::from)?;
            let own = || gke::API.parse().map_err(|_| crate::gcp::GcpError::ClusterId(reference.cluster.clone()));
            let api = match &self.platform.endpoints.gcp_container {
                Some(url) => url.clone(),
                None => own().map_err(CloudError::from)?,
            };
            let described = cluster.describe(self.transport, &api, &token).await;
            given.over(described.map_err(|error| failed(error.into()))?)
        };
        Ok(ClusterAccess::new(endpoint, token))
    }

    fn cluster_key(&self, provider: Provider, reference: &ClusterReference) -> CacheKey {
        let ClusterReference { cluster, address, certificate_authority } = reference;
        let key = self.whole_key(provider).part("cluster", cluster).optional("address", address.as_deref());
        match certificate_authority {
            Some(authority) => key.part("certificateAuthority", authority).build(),
            None => key.build(),
        }
    }
}

/// What an object says of where its cluster is.
struct Given {
    address: Option<ClusterAddress>,
    certificate_authority: Option<Vec<u8>>,
}

impl Given {
    fn of(reference: &ClusterReference) -> Result<Self, IdentityError> {
        let address = reference.address.as_deref().filter(|address| !address.is_empty());
        let address = address.map(ClusterAddress::parse).transpose().map_err(IdentityError::ClusterAddress)?;
        let certificate_authority = reference.certificate_authority.clone().filter(|pem| !pem.is_empty());
        Ok(Self { address, certificate_authority })
    }

    /// When there is nothing to ask the cloud for.
    fn complete(&self) -> Option<ClusterEndpoint> {
        let (address, certificate_authority) = (self.address.clone()?, self.certificate_authority.clone()?);
        Some(ClusterEndpoint { address, certificate_authority: Some(certificate_authority) })
    }

    fn over(self, described: ClusterEndpoint) -> ClusterEndpoint {
        ClusterEndpoint {
            address: self.address.unwrap_or(described.address),
            certificate_authority: self.certificate_authority.or(described.certificate_authority),
        }
    }
}

fn describing(service: &'static str, reference: &ClusterReference) -> impl Fn(CloudError) -> IdentityError {
    let cluster = reference.cluster.clone();
    move |source| IdentityError::DescribeCluster { service, cluster: cluster.clone(), source: Box::new(source) }
}
