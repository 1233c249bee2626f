//! A cluster of EKS: its address and certificate authority, and a token for its API server, which is a presigned request to STS that the
//! cluster makes to learn who is asking.
//!
//! Deliberately not the choice between these and what an object says itself.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use sluice_http_client::{Method, Secret, Url};

use super::ecr::refusal;
use super::{AwsError, StsEndpoint, check_region, partition};
use crate::cluster::{ClusterEndpoint, DescribedCluster};
use crate::credential::{AccessToken, after};
use crate::environment::Environment;
use crate::sigv4::{AwsCredentials, Dialect, Payload, Signer, Unsigned, signed_request};
use crate::transport::{Exchange, Transport};

/// The longest that a cluster takes such a token.
const VALIDITY: SignedDuration = SignedDuration::from_mins(15);
/// The header that binds the token to one cluster: without it, any other cluster that got it could use it here.
const CLUSTER_HEADER: &str = "x-k8s-aws-id";

/// A cluster, by its full name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterArn {
    region: String,
    name: String,
}

impl ClusterArn {
    /// Reads `arn:aws[-partition]:eks:<region>:<account>:cluster/<name>`.
    ///
    /// # Errors
    /// [`AwsError::ClusterArn`].
    pub fn parse(text: &str) -> Result<Self, AwsError> {
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let parsed = match parts.as_slice() {
            ["arn", partition, "eks", region, account, resource]
                if partition.starts_with("aws")
                    && check_region(region).is_ok()
                    && (1..=30).contains(&account.len())
                    && account.bytes().all(|byte| byte.is_ascii_digit()) =>
            {
                let name = resource.strip_prefix("cluster/");
                // It becomes part of a path and a header, so nothing but what EKS allows may be in it.
                let fine = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
                let name = name.filter(|name| (1..=200).contains(&name.len()) && name.bytes().all(fine));
                name.map(|name| Self { region: (*region).to_owned(), name: name.to_owned() })
            }
            _ => None,
        };
        parsed.ok_or_else(|| AwsError::ClusterArn(text.chars().take(256).collect()))
    }

    /// The cluster's region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// The cluster's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The API of EKS in the cluster's region.
    ///
    /// # Errors
    /// None in practice: the region's shape is known.
    pub fn api(&self, environment: &Environment) -> Result<Url, AwsError> {
        let fips = environment.get("AWS_USE_FIPS_ENDPOINT") == Some("true");
        let name = if fips { "fips.eks" } else { "eks" };
        let text = format!("https://{name}.{}.{}/", self.region, partition::domain(&self.region));
        Url::parse(&text).map_err(|_| AwsError::Region(self.region.clone()))
    }

    /// Asks `api` (see [`ClusterArn::api`]) where the cluster is.
    ///
    /// # Errors
    /// [`AwsError::Exchange`] or [`AwsError::Request`].
    pub async fn describe(
        &self,
        transport: &Transport,
        api: &Url,
        credentials: &AwsCredentials,
        now: Timestamp,
    ) -> Result<DescribedCluster, AwsError> {
        let mut url = api.clone();
        url.set_path(&format!("/clusters/{}", self.name));
        let signer =
            Signer { credentials, region: &self.region, service: "eks", dialect: Dialect::Standard, time: now };
        let request = signed_request(&signer, &Method::GET, &url, &[("accept", "application/json")], b"")?;
        let mut exchange = Exchange::internet("Amazon EKS", request);
        exchange.secrets.extend(credentials.session_token.clone());
        Ok(exchange.run(transport, parse, refusal).await?)
    }

    /// A token at this time, good for a quarter of an hour, or as long as the credentials.
    pub fn token(&self, sts: &StsEndpoint, credentials: &AwsCredentials, now: Timestamp) -> AccessToken {
        let mut url: Url = sts.url().clone();
        url.set_path("/");
        url.set_query(Some("Action=GetCallerIdentity&Version=2011-06-15"));
        let signer =
            Signer { credentials, region: &self.region, service: "sts", dialect: Dialect::Standard, time: now };
        let headers = [(CLUSTER_HEADER, self.name.as_str())];
        let request = Unsigned { method: &Method::GET, url: &url, headers: &headers, payload: Payload::Bytes(b"") };
        let presigned = signer.presign(&request, Duration::from_secs(VALIDITY.as_secs().unsigned_abs()));
        let end = after(now, VALIDITY.as_secs());
        AccessToken {
            token: Secret::new(format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(presigned.expose().as_str()))),
            expires_at: credentials.expires_at.map_or(end, |own| own.min(end)),
        }
    }
}

fn parse(bytes: &[u8]) -> Result<DescribedCluster, &'static str> {
    #[derive(Deserialize)]
    struct Authority {
        data: Option<String>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Cluster {
        endpoint: Option<String>,
        certificate_authority: Option<Authority>,
    }
    #[derive(Deserialize)]
    struct Answer {
        cluster: Cluster,
    }
    let Answer { cluster } = serde_json::from_slice(bytes).map_err(|_| "not the JSON of a cluster")?;
    let authority = cluster.certificate_authority.and_then(|authority| authority.data);
    ClusterEndpoint::described(cluster.endpoint.as_deref(), authority.as_deref())
}
