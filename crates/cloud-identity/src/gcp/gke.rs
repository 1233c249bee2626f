//! A cluster of GKE: where it is and whose certificates it has.
//!
//! Deliberately the address that the API calls the endpoint; a cluster that is to be reached by another is given its address by the object.

use serde::Deserialize;
use sluice_http_client::{Request, Url, header};

use super::{GcpError, refusal};
use crate::cluster::{ClusterEndpoint, DescribedCluster};
use crate::credential::AccessToken;
use crate::transport::{Exchange, Transport};

/// Where clusters are asked for.
pub const API: &str = "https://container.googleapis.com/";

/// A cluster, by its full name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterId(String);

impl ClusterId {
    /// Reads `projects/<project>/locations/<location>/clusters/<name>`.
    ///
    /// # Errors
    /// [`GcpError::ClusterId`].
    pub fn parse(text: &str) -> Result<Self, GcpError> {
        let parts: Vec<&str> = text.splitn(7, '/').collect();
        // They become parts of a path, and `..` would choose another.
        let fine = |part: &&str| {
            (1..=200).contains(&part.len())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
                && part.bytes().any(|byte| byte != b'.')
        };
        match parts.as_slice() {
            ["projects", project, "locations", location, "clusters", name]
                if [project, location, name].into_iter().all(fine) =>
            {
                Ok(Self(text.to_owned()))
            }
            _ => Err(GcpError::ClusterId(text.chars().take(512).collect())),
        }
    }

    /// Asks `api` ([`API`]) where the cluster is.
    ///
    /// # Errors
    /// [`GcpError::Exchange`] or [`GcpError::Request`].
    pub async fn describe(
        &self,
        transport: &Transport,
        api: &Url,
        token: &AccessToken,
    ) -> Result<DescribedCluster, GcpError> {
        let mut url = api.clone();
        url.set_path(&format!("{}/v1/{}", api.path().trim_end_matches('/'), self.0));
        let request = Request::get(url).header(header::AUTHORIZATION, &format!("Bearer {}", token.token.expose()))?;
        let exchange = Exchange::internet("Google Kubernetes Engine", request).hiding(&token.token);
        Ok(exchange.run(transport, parse, refusal).await?)
    }
}

fn parse(bytes: &[u8]) -> Result<DescribedCluster, &'static str> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct MasterAuth {
        cluster_ca_certificate: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        endpoint: Option<String>,
        master_auth: Option<MasterAuth>,
    }
    let answer: Answer = serde_json::from_slice(bytes).map_err(|_| "not the JSON of a cluster")?;
    let authority = answer.master_auth.and_then(|auth| auth.cluster_ca_certificate);
    ClusterEndpoint::described(answer.endpoint.as_deref(), authority.as_deref())
}
