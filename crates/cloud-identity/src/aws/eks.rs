//! A token for an EKS cluster's API server: a presigned request to STS that the cluster makes to learn who is asking. Pure.
//!
//! Deliberately not the cluster's address and certificate authority: whoever connects brings them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use sluice_http_client::{Method, Secret, Url};

use super::{AwsError, StsEndpoint, check_region};
use crate::credential::{AccessToken, after};
use crate::sigv4::{AwsCredentials, Dialect, Payload, Signer, Unsigned};

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
                let name = name.filter(|name| (1..=200).contains(&name.len()) && !name.contains(char::is_control));
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
