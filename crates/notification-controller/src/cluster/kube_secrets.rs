//! Secrets, read live: nothing is kept, so a rotated credential counts at once and none outlives its use.

use futures::FutureExt;
use futures::future::BoxFuture;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use sluice_notify::SecretData;

use super::{ClusterError, Secrets};

/// Secrets from the API server.
#[derive(Clone)]
pub struct KubeSecrets(Client);

impl KubeSecrets {
    /// Reads with this client's rights.
    pub fn new(client: Client) -> Self {
        Self(client)
    }
}

impl Secrets for KubeSecrets {
    fn read<'a>(&'a self, namespace: &'a str, name: &'a str) -> BoxFuture<'a, Result<SecretData, ClusterError>> {
        async move {
            let secret = Api::<Secret>::namespaced(self.0.clone(), namespace).get(name).await?;
            Ok(secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect())
        }
        .boxed()
    }
}
