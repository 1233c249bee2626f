//! A cluster of AKS: where it is and whose certificates it has, as Azure's resource manager tells.
//!
//! Deliberately nothing of the user's credentials that the resource manager sends along: access is by a token of Entra ID.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sluice_http_client::{Request, Url, header};
use sluice_yaml::{Limits, Node, read_config};

use super::AzureError;
use crate::cluster::{ClusterAddress, ClusterEndpoint, DescribedCluster};
use crate::credential::AccessToken;
use crate::transport::{Exchange, Transport};

const ISSUER: &str = "the Azure resource manager";
const API_VERSION: &str = "api-version=2024-09-01";
/// A kubeconfig of AKS has some six KiB and thirty nodes.
const LIMITS: Limits = Limits { bytes: 256 * 1024, depth: 32, nodes: 10_000 };
/// Kubeconfigs of one cluster: public, private and by its other names.
const MAX_KUBECONFIGS: usize = 16;

/// A cluster, by its full name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterId {
    subscription: String,
    group: String,
    name: String,
}

impl ClusterId {
    /// Reads `/subscriptions/<id>/resourceGroups/<group>/providers/Microsoft.ContainerService/managedClusters/<name>`, in any case.
    ///
    /// # Errors
    /// [`AzureError::ClusterId`].
    pub fn parse(text: &str) -> Result<Self, AzureError> {
        let parts: Vec<&str> = text.splitn(10, '/').collect();
        let is = |part: &str, name: &str| part.eq_ignore_ascii_case(name);
        // They become parts of a path, and `..` would choose another.
        let fine = |part: &str| {
            (1..=200).contains(&part.len())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.()".contains(&byte))
                && part.bytes().any(|byte| byte != b'.')
        };
        match parts.as_slice() {
            ["", subscriptions, subscription, groups, group, providers, provider, clusters, name]
                if is(subscriptions, "subscriptions")
                    && is(groups, "resourceGroups")
                    && is(providers, "providers")
                    && is(provider, "Microsoft.ContainerService")
                    && is(clusters, "managedClusters")
                    && subscription.len() == 36
                    && [subscription, group, name].into_iter().all(|part| fine(part)) =>
            {
                Ok(Self {
                    subscription: (*subscription).to_owned(),
                    group: (*group).to_owned(),
                    name: (*name).to_owned(),
                })
            }
            _ => Err(AzureError::ClusterId(text.chars().take(512).collect())),
        }
    }

    fn url(&self, management: &Url, action: &str) -> Url {
        let mut url = management.clone();
        let base = management.path().trim_end_matches('/');
        let Self { subscription, group, name } = self;
        url.set_path(&format!(
            "{base}/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{name}{action}"
        ));
        url.set_query(Some(API_VERSION));
        url
    }

    /// Asks the resource manager where the cluster is: at `wanted`, or at the first of its addresses.
    ///
    /// # Errors
    /// [`AzureError::Exchange`], or the cluster takes no tokens, or is not at that address.
    pub async fn describe(
        &self,
        transport: &Transport,
        management: &Url,
        token: &AccessToken,
        wanted: Option<&ClusterAddress>,
    ) -> Result<DescribedCluster, AzureError> {
        let bearer = format!("Bearer {}", token.token.expose());
        let get = Request::get(self.url(management, "")).header(header::AUTHORIZATION, &bearer)?;
        let exchange = Exchange::internet(ISSUER, get).hiding(&token.token);
        if !exchange.run(transport, takes_tokens, refusal).await? {
            return Err(AzureError::NoEntraId(self.full_name()));
        }
        let post = Request::post(self.url(management, "/listClusterUserCredential"), Vec::new());
        let exchange = Exchange::internet(ISSUER, post.header(header::AUTHORIZATION, &bearer)?).hiding(&token.token);
        let found = exchange.run(transport, endpoints, refusal).await?;
        let addresses: Vec<String> = found.iter().map(|endpoint| format!("'{}'", endpoint.address)).collect();
        match (found.into_iter().find(|endpoint| wanted.is_none_or(|wanted| *wanted == endpoint.address)), wanted) {
            (Some(endpoint), _) => Ok(endpoint),
            (None, None) => Err(AzureError::NoKubeconfig(self.full_name())),
            (None, Some(wanted)) => Err(AzureError::NoMatchingKubeconfig {
                cluster: self.full_name(),
                address: wanted.to_string(),
                found: addresses.join(", "),
            }),
        }
    }

    fn full_name(&self) -> String {
        let Self { subscription, group, name } = self;
        format!(
            "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerService/managedClusters/{name}"
        )
    }
}

/// Whether the cluster knows Entra ID.
fn takes_tokens(bytes: &[u8]) -> Result<bool, &'static str> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Properties {
        aad_profile: Option<serde_json::Map<String, serde_json::Value>>,
    }
    #[derive(Deserialize)]
    struct Answer {
        properties: Properties,
    }
    let answer: Answer = serde_json::from_slice(bytes).map_err(|_| "not the JSON of a cluster")?;
    Ok(answer.properties.aad_profile.is_some())
}

fn endpoints(bytes: &[u8]) -> Result<Vec<ClusterEndpoint>, &'static str> {
    #[derive(Deserialize)]
    struct Kubeconfig {
        value: String,
    }
    #[derive(Deserialize)]
    struct Answer {
        kubeconfigs: Option<Vec<Kubeconfig>>,
    }
    let answer: Answer = serde_json::from_slice(bytes).map_err(|_| "not the JSON of credentials")?;
    let kubeconfigs = answer.kubeconfigs.unwrap_or_default().into_iter().take(MAX_KUBECONFIGS);
    kubeconfigs.map(|kubeconfig| endpoint(&kubeconfig.value)).collect()
}

/// Address and certificate authority of the current context of a kubeconfig in base64.
fn endpoint(kubeconfig: &str) -> Result<ClusterEndpoint, &'static str> {
    let text = STANDARD.decode(kubeconfig).map_err(|_| "a kubeconfig is not base64")?;
    let root = read_config(&text, &LIMITS).ok().flatten().ok_or("a kubeconfig is not YAML")?;
    let context = root.get("current-context").and_then(Node::text).ok_or("a kubeconfig has no current context")?;
    let context = named(&root, "contexts", context).and_then(|entry| entry.at(&["context", "cluster"]));
    let cluster = context.and_then(Node::text).ok_or("a kubeconfig's current context has no cluster")?;
    let cluster = named(&root, "clusters", cluster).and_then(|entry| entry.get("cluster"));
    let cluster = cluster.ok_or("a kubeconfig lacks the cluster of its current context")?;
    let text = |key: &str| cluster.get(key).and_then(Node::text);
    ClusterEndpoint::described(text("server"), text("certificate-authority-data"))
}

fn named<'a>(root: &'a Node, list: &str, name: &str) -> Option<&'a Node> {
    root.get(list)?.as_sequence()?.iter().find(|entry| entry.get("name").and_then(Node::text) == Some(name))
}

/// `code: message`.
fn refusal(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Problem {
        code: Option<String>,
        message: Option<String>,
    }
    #[derive(Deserialize)]
    struct Refusal {
        error: Problem,
    }
    let Refusal { error: Problem { code, message } } = serde_json::from_slice(bytes).ok()?;
    let words: Vec<String> = [code, message].into_iter().flatten().filter(|text| !text.is_empty()).collect();
    (!words.is_empty()).then(|| words.join(": "))
}
