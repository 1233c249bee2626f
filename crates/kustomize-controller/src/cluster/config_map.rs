//! `spec.kubeConfig.configMapRef`: a cluster that is reached by workload identity, described by a `ConfigMap` of the object's namespace.
//!
//! Deliberately nothing secret: what it takes to reach the cluster is asked for with an identity, and again at each request when it ends.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;

use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::ObjectMeta;
use kube::{Api, Config, ResourceExt as _};
use sluice_api::kustomize::Kustomization;
use sluice_cloud_identity::{
    CacheKey, CacheKeyBuilder, ClusterAccess, ClusterAddress, ClusterEndpoint, ClusterReference, Provider,
    ServiceAccount,
};
use sluice_ssa::Discovery;
use sluice_workload_identity::{AccountChoice, ObjectIdentity};

use super::connect::{Tokens, connect, with_tokens};
use super::error::{ReadError, TargetError};
use super::kubeconfig::certificates;
use super::remotes::{Origin, Remote};
use super::{Shared, involved, proxy};

/// The cluster that a `ConfigMap` describes.
pub(super) async fn remote(shared: &Shared, object: &Kustomization, name: &str) -> Result<Remote, TargetError> {
    let namespace = object.namespace().unwrap_or_default();
    let origin = Origin { kind: "ConfigMap", namespace: namespace.clone(), name: name.to_owned(), key: String::new() };
    let made = connected(shared, object, &origin).await;
    made.inspect_err(|_| shared.remotes.forget(&origin))
}

async fn connected(shared: &Shared, object: &Kustomization, origin: &Origin) -> Result<Remote, TargetError> {
    let config_map = read(shared, origin).await?;
    let description = Description::of_data(&config_map.data.unwrap_or_default())?;
    let choice = AccountChoice {
        named: description.account.as_deref(),
        default: Some(&shared.settings.default_kubeconfig_service_account),
    };
    let account = shared.identities.account(&origin.namespace, choice, description.audiences.clone()).await;
    let account = account.map_err(TargetError::Account)?;
    let mut key = version_of(&config_map.metadata, account.as_ref());
    let who = shared.identities.acting(
        Some(involved(&origin.namespace, &object.name_any())),
        account,
        shared.transport.clone(),
    );
    let access = Access { who, reach: description.reach };
    let ClusterEndpoint { address, certificate_authority } = access.access().await?.endpoint;
    key = key.part("address", address.as_str());
    if let Some(authority) = &certificate_authority {
        key = key.part("certificateAuthority", authority);
    }
    let version: CacheKey = key.build();
    let environment = &shared.identities.platform().environment;
    let kept = shared.remotes.get_or_make(origin.clone(), version, || {
        let server: http::Uri =
            address.as_str().parse().map_err(|_| TargetError::Connect("the address cannot be used"))?;
        let mut config = Config::new(server);
        config.proxy_url = proxy::of_environment(environment, &config.cluster_url);
        if let Some(pem) = certificate_authority.filter(|pem| !pem.is_empty()) {
            let roots = certificates(&pem).ok_or(TargetError::Connect("the CA certificate cannot be used"))?;
            config.root_cert = Some(roots);
        }
        let client = connect(config)?;
        // Shared by all who come here, so it counts for nobody.
        let tokens = Arc::new(Access { who: access.who.uncounted(), reach: access.reach.clone() });
        Ok::<_, TargetError>(Remote { discovery: Arc::new(Discovery::new(with_tokens(&client, tokens))), client })
    })?;
    Ok(Remote { client: with_tokens(&kept.client, Arc::new(access)), ..kept })
}

async fn read(shared: &Shared, origin: &Origin) -> Result<ConfigMap, TargetError> {
    let api: Api<ConfigMap> = Api::namespaced(shared.own.clone(), &origin.namespace);
    let source = match api.get_opt(&origin.name).await {
        Ok(Some(found)) => return Ok(found),
        Ok(None) => ReadError::NotFound { plural: "configmaps", name: origin.name.clone() },
        Err(error) => ReadError::of(error),
    };
    Err(TargetError::ReadConfigMap { config_map: format!("{}/{}", origin.namespace, origin.name), source })
}

/// Another `ConfigMap` of the same name, a changed one, and a service account that is somebody else now, are other versions.
fn version_of(metadata: &ObjectMeta, account: Option<&ServiceAccount>) -> CacheKeyBuilder {
    let key = CacheKeyBuilder::new("kubeconfig-configmap").optional("uid", metadata.uid.as_deref());
    let key = key.optional("resourceVersion", metadata.resource_version.as_deref());
    let Some(account) = account else { return key };
    let key = key.part("account", &account.name);
    account.annotations.iter().fold(key, |key, (name, value)| key.part("annotation", name).part("value", value))
}

/// What a `ConfigMap` says.
#[derive(Debug, PartialEq, Eq)]
struct Description {
    reach: Reach,
    /// Whose identity reaches the cluster.
    account: Option<String>,
    /// What that one's tokens are for; empty for what the cloud expects.
    audiences: Vec<String>,
}

/// How a cluster is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reach {
    /// By a token of Kubernetes itself, which the cluster is made to trust.
    Generic { endpoint: ClusterEndpoint, audiences: Vec<String> },
    /// By a token of a cloud.
    Cloud { provider: Provider, reference: ClusterReference },
}

impl Description {
    fn of_data(data: &BTreeMap<String, String>) -> Result<Self, TargetError> {
        let get = |key: &str| data.get(key).map(String::as_str).unwrap_or_default();
        let given = |key: &str| Some(get(key)).filter(|value| !value.is_empty());
        let audiences: Vec<String> = get("audiences")
            .split('\n')
            .map(str::trim)
            .filter(|audience| !audience.is_empty())
            .map(str::to_owned)
            .collect();
        let address = given("address");
        let certificate_authority = given("ca.crt").map(|pem| pem.as_bytes().to_vec());
        let reach = match get("provider") {
            "generic" => {
                let text = address.unwrap_or_default();
                let endpoint = ClusterEndpoint {
                    address: ClusterAddress::parse(text).map_err(TargetError::Address)?,
                    certificate_authority,
                };
                // The cluster's own name, so that a token for it is of no use elsewhere.
                let audiences = if audiences.is_empty() { vec![text.to_owned()] } else { audiences.clone() };
                Reach::Generic { endpoint, audiences }
            }
            name => {
                let provider = Provider::parse(name).map_err(|_| TargetError::Provider(shown(name)))?;
                let cluster = get("cluster").to_owned();
                let address = address.map(str::to_owned);
                Reach::Cloud { provider, reference: ClusterReference { cluster, address, certificate_authority } }
            }
        };
        Ok(Self { reach, account: given("serviceAccountName").map(str::to_owned), audiences })
    }
}

/// A name that goes into an error: it is the tenant's.
fn shown(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).take(256).collect()
}

/// Access to one cluster in one identity's name.
struct Access {
    who: ObjectIdentity,
    reach: Reach,
}

impl Tokens for Access {
    fn access<'a>(&'a self) -> Pin<Box<dyn Future<Output = Result<ClusterAccess, TargetError>> + Send + 'a>> {
        Box::pin(async move {
            match &self.reach {
                Reach::Generic { endpoint, audiences } => {
                    let token = self.who.kubernetes_token(audiences).await.map_err(TargetError::Token)?;
                    Ok(ClusterAccess::new(endpoint.clone(), token))
                }
                Reach::Cloud { provider, reference } => {
                    let access = self.who.cloud().kubernetes_access(*provider, reference).await;
                    access.map_err(|error| TargetError::Cloud(Box::new(error)))
                }
            }
        })
    }
}

#[cfg(test)]
mod tests;
