//! A Kubernetes cluster of a cloud: how an object names it, and what it takes to reach it.
//!
//! Deliberately no client and no connection. The requests by which each cloud tells where a cluster is are the clouds' own modules'.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sluice_http_client::{Secret, Url};

use crate::credential::{AccessToken, Expires};

/// The longest address that is read.
const MAX_ADDRESS_BYTES: usize = 2048;

/// How an object names a cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterReference {
    /// The cloud's name of it; may be empty where the address and certificate authority are given and the cloud needs no more.
    pub cluster: String,
    /// Where it is, if the object says so.
    pub address: Option<String>,
    /// Its certificate authority in PEM, if the object says so.
    pub certificate_authority: Option<Vec<u8>>,
}

/// An address at which no cluster can be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddressError {
    /// There is none.
    #[error("cluster address is required")]
    Empty,
    /// It is no URL, or one with parts that an API server's does not have.
    #[error("the Kubernetes API server address '{0}' is not a URL of a host, with or without a port")]
    Url(String),
    /// A token would travel in the clear.
    #[error("the Kubernetes API server address '{0}' must use https scheme")]
    Scheme(String),
}

/// The address of an API server: `https://<host>:<port>`, with a path if there is one.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ClusterAddress(String);

impl ClusterAddress {
    /// Reads an address: a URL, or a host with or without a port. The port is 443 if there is none.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let refused = || AddressError::Url(sluice_http_client::mask_url_text(text));
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.len() > MAX_ADDRESS_BYTES {
            return Err(AddressError::Url("too long".to_owned()));
        }
        let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let url = Url::parse(&full).map_err(|_| refused())?;
        if url.scheme() != "https" {
            return Err(AddressError::Scheme(sluice_http_client::mask_url_text(text)));
        }
        let plain =
            url.username().is_empty() && url.password().is_none() && url.query().is_none() && url.fragment().is_none();
        match (url.host_str(), url.port_or_known_default()) {
            (Some(host), Some(port)) if plain => {
                Ok(Self(format!("https://{host}:{port}{}", url.path().trim_end_matches('/'))))
            }
            _ => Err(refused()),
        }
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ClusterAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a cluster is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterEndpoint {
    /// Its address.
    pub address: ClusterAddress,
    /// Its certificate authority in PEM; the machine's, if there is none.
    pub certificate_authority: Option<Vec<u8>>,
}

/// Where a cloud says that a cluster is.
pub type DescribedCluster = ClusterEndpoint;

impl ClusterEndpoint {
    /// From the two texts that a cloud answers with: an address, and a certificate authority in base64.
    pub(crate) fn described(address: Option<&str>, authority: Option<&str>) -> Result<Self, &'static str> {
        let address = address.filter(|address| !address.is_empty()).ok_or("the cluster has no endpoint")?;
        let address = ClusterAddress::parse(address).map_err(|_| "the cluster's endpoint is not an address")?;
        let authority = authority.filter(|text| !text.is_empty()).ok_or("the cluster has no CA certificate")?;
        let authority = STANDARD.decode(authority).map_err(|_| "the cluster's CA certificate is not base64")?;
        Ok(Self { address, certificate_authority: Some(authority) })
    }
}

/// Where a cluster is, and a token for its API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterAccess {
    /// Where it is.
    pub endpoint: ClusterEndpoint,
    /// The bearer token.
    pub token: Secret<String>,
    /// When the token ends.
    pub expires_at: Timestamp,
}

impl ClusterAccess {
    /// Of these two.
    pub fn new(endpoint: ClusterEndpoint, token: AccessToken) -> Self {
        let AccessToken { token, expires_at } = token;
        Self { endpoint, token, expires_at }
    }
}

impl Expires for ClusterAccess {
    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_https_with_a_port_and_no_secret() {
        for (text, expected) in [
            ("https://API.example.com", "https://api.example.com:443"),
            ("api.example.com:6443", "https://api.example.com:6443"),
            ("203.0.113.7", "https://203.0.113.7:443"),
            ("https://[2001:db8::1]", "https://[2001:db8::1]:443"),
            ("https://rancher.example.com/k8s/clusters/c-1/", "https://rancher.example.com:443/k8s/clusters/c-1"),
        ] {
            assert_eq!(ClusterAddress::parse(text).map(|address| address.0), Ok(expected.to_owned()), "{text}");
        }
        for (text, expected) in [
            ("", "cluster address is required"),
            (
                "http://api.example.com",
                "the Kubernetes API server address 'http://api.example.com/' must use https scheme",
            ),
            (
                "https://user:pw@api.example.com",
                "the Kubernetes API server address 'https://***@api.example.com/' is not a URL of a host, with or without a port",
            ),
            (
                "https://api.example.com?x=1",
                "the Kubernetes API server address 'https://api.example.com/?***' is not a URL of a host, with or without a port",
            ),
            ("a b", "the Kubernetes API server address '***' is not a URL of a host, with or without a port"),
        ] {
            assert_eq!(ClusterAddress::parse(text).unwrap_err().to_string(), expected, "{text}");
        }
        assert!(ClusterAddress::parse(&"a".repeat(MAX_ADDRESS_BYTES + 1)).is_err());
    }
}
