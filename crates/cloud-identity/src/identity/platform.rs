//! What a process is to a cloud: its environment, files and clock, and the cluster that it runs in.
//!
//! Deliberately nothing of a single object.

use std::fmt;
use std::sync::Arc;

use sluice_http_client::Url;
use tokio::sync::OnceCell;

use crate::credential::Clock;
use crate::environment::{Environment, Files, LocalFiles};
use crate::gcp::GkeCluster;

/// Places to ask instead of the clouds' own, for tests: plain http is fine here.
#[derive(Clone, Debug, Default)]
pub struct Endpoints {
    /// AWS STS.
    pub aws_sts: Option<Url>,
    /// Amazon ECR, private and public.
    pub aws_ecr: Option<Url>,
    /// Microsoft Entra ID.
    pub azure_authority: Option<Url>,
    /// The exchange of a registry of Azure.
    pub azure_registry: Option<Url>,
    /// Amazon EKS.
    pub aws_eks: Option<Url>,
    /// Azure's resource manager.
    pub azure_management: Option<Url>,
    /// Google Kubernetes Engine.
    pub gcp_container: Option<Url>,
    /// Google's security token service.
    pub gcp_sts: Option<Url>,
    /// Google's IAM credentials service, with a slash at the end.
    pub gcp_iam: Option<Url>,
}

/// What a process is: its environment, files and clock. One for each process, shared by all reconciles.
#[derive(Clone)]
pub struct Platform {
    /// The environment.
    pub environment: Arc<Environment>,
    /// The files.
    pub files: Arc<dyn Files>,
    /// The clock.
    pub clock: Clock,
    /// Places to ask instead of the clouds' own.
    pub endpoints: Endpoints,
    /// The cluster of GKE that this runs in, once it was asked for.
    pub(super) cluster: Arc<OnceCell<GkeCluster>>,
}

impl Platform {
    /// Of these.
    pub fn new(environment: Environment, files: Arc<dyn Files>, clock: Clock) -> Self {
        let endpoints = Endpoints::default();
        Self { environment: Arc::new(environment), files, clock, endpoints, cluster: Arc::default() }
    }

    /// This process's.
    pub fn of_process() -> Self {
        Self::new(Environment::of_process(), Arc::new(LocalFiles), Clock::system())
    }

    /// With other places to ask.
    pub fn with_endpoints(self, endpoints: Endpoints) -> Self {
        Self { endpoints, ..self }
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform").field("environment", &self.environment).finish_non_exhaustive()
    }
}
