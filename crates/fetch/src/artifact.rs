//! Which artifact: a URL and the digest of what it serves.
//!
//! Deliberately not here: the CRD's wire type.

use sluice_artifact::{Algorithm, Digest};
use url::Url;

use crate::error::FetchError;

/// Hosts to use instead of the ones in artifact URLs, for a controller that runs outside the cluster.
///
/// The environment is not read here: the values of `SOURCE_CONTROLLER_LOCALHOST` and `SOURCE_WATCHER_LOCALHOST` are given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostOverrides {
    /// `host` or `host:port` instead of source-controller's.
    pub source_controller: Option<String>,
    /// `host` or `host:port` instead of source-watcher's, for URLs that contain `//source-watcher`.
    pub source_watcher: Option<String>,
}

/// An artifact to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactRef {
    pub(crate) url: Url,
    pub(crate) digest: Digest,
}

impl ArtifactRef {
    /// Takes `url` and `digest` of a source's `status.artifact`. A digest without an algorithm is SHA-256.
    ///
    /// # Errors
    /// When the URL is no HTTP URL, the digest is empty, malformed or of a broken algorithm (SHA-1), or an override is no host.
    pub fn parse(url: &str, digest: &str, hosts: &HostOverrides) -> Result<Self, FetchError> {
        let digest = Digest::parse_lenient(digest)?;
        if digest.algorithm() == Algorithm::Sha1 {
            return Err(FetchError::WeakDigest { algorithm: digest.algorithm() });
        }
        let host = if url.contains("//source-watcher") { &hosts.source_watcher } else { &hosts.source_controller };
        let mut url = Url::parse(url).map_err(FetchError::ParseUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(FetchError::Scheme { scheme: url.scheme().to_owned() });
        }
        if let Some(host) = host.as_deref().filter(|host| !host.is_empty()) {
            replace_host(&mut url, host).ok_or_else(|| FetchError::HostOverride { host: host.to_owned() })?;
        }
        Ok(Self { url, digest })
    }

    /// Where it is fetched from.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// What it must be.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

fn replace_host(url: &mut Url, host: &str) -> Option<()> {
    let other = Url::parse(&format!("{}://{host}/", url.scheme())).ok()?;
    // Anything beside host and port would be lost in silence.
    let plain =
        other.path() == "/" && other.query().is_none() && other.fragment().is_none() && other.username().is_empty();
    if !plain {
        return None;
    }
    url.set_host(other.host_str()).ok()?;
    url.set_port(other.port()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn hosts_are_replaced_by_who_serves_the_artifact() {
        let hosts = HostOverrides {
            source_controller: Some("localhost:9090".into()),
            source_watcher: Some("127.0.0.1".into()),
        };
        for (url, hosts, expected) in [
            (
                "http://source-controller.ns.svc./a/b.tar.gz",
                &HostOverrides::default(),
                "http://source-controller.ns.svc./a/b.tar.gz",
            ),
            ("http://source-controller.ns.svc.:80/a?x=1", &hosts, "http://localhost:9090/a?x=1"),
            ("http://source-watcher.ns.svc.:8080/a", &hosts, "http://127.0.0.1/a"),
        ] {
            let artifact = ArtifactRef::parse(url, HEX, hosts).unwrap();
            assert_eq!(artifact.url().as_str(), expected);
            assert_eq!(artifact.digest().to_string(), format!("sha256:{HEX}"));
        }
    }

    #[test]
    fn what_cannot_be_fetched_or_verified_is_refused() {
        let plain = HostOverrides::default();
        let bad_host = HostOverrides { source_controller: Some("a/b".into()), ..HostOverrides::default() };
        for (url, digest, hosts, message) in [
            ("http://h/a", "", &plain, "empty digest"),
            (
                "http://h/a",
                "sha1:da39a3ee5e6b4b0d3255bfef95601890afd80709",
                &plain,
                "unsupported digest algorithm: sha1",
            ),
            ("file:///etc/passwd", HEX, &plain, "artifact URL has scheme 'file', expected http or https"),
            ("a b", HEX, &plain, "invalid artifact URL"),
            ("http://h/a", HEX, &bad_host, "invalid host override 'a/b'"),
        ] {
            assert_eq!(ArtifactRef::parse(url, digest, hosts).unwrap_err().to_string(), message);
        }
    }
}
