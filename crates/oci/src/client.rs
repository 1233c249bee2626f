//! The client: what it is made of, and the operations on manifests.
//!
//! Deliberately one repository per client: a token, a credential and a connection never serve another one.

use std::net::Ipv4Addr;
use std::time::Duration;

use sluice_artifact::{Algorithm, Digest};
use sluice_http_client::{ClientConfig, HttpClient, Method, Redirects, RetryPolicy, TrustRoots};

use crate::manifest::{ACCEPT, Image};
use crate::session::{Ask, Session};
use crate::{
    Credentials, Document, MAX_MANIFEST_BYTES, Manifest, OciError, Platform, Pointer, Repository, Tag, parse_digest,
};

/// How often and how patiently a request is repeated by default: three times within some seconds.
pub const DEFAULT_RETRY: RetryPolicy =
    RetryPolicy { attempts: 3, min_wait: Duration::from_millis(500), max_wait: Duration::from_secs(10) };

/// Indexes within indexes that are followed to an image.
const MAX_INDEX_DEPTH: usize = 3;

/// The header with a manifest's digest.
const DIGEST_HEADER: &str = "docker-content-digest";

/// How well the connection to a registry is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Security {
    /// TLS with a certificate that is trusted. Only registries on this machine or in a private network (loopback, RFC 1918, `.local`),
    /// where nobody speaks TLS, are spoken to in plain HTTP, as the established tools do.
    #[default]
    Verified,
    /// TLS, else plain HTTP; without any trust or identity configured, with whatever certificate. Only on the user's explicit wish.
    Insecure,
}

/// Everything that makes a client.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// Roots of trust, client certificate, proxy, user agent, connect timeout. Redirects are the client's own business.
    pub http: ClientConfig,
    /// How well the connection is protected.
    pub security: Security,
    /// What to show to the registry.
    pub credentials: Credentials,
    /// When a request is repeated.
    pub retry: RetryPolicy,
    /// The time for one operation as a whole, retries and transfer of content included. When it passes the connection is closed.
    pub timeout: Duration,
}

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            http: ClientConfig::default(),
            security: Security::Verified,
            credentials: Credentials::Anonymous,
            retry: DEFAULT_RETRY,
            timeout: Duration::from_secs(60),
        }
    }
}

/// A client of one repository. Every method's future may be dropped at any time.
pub struct Client {
    pub(crate) session: Session,
    timeout: Duration,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({})", self.repository())
    }
}

impl Client {
    /// Makes a client; nothing is sent yet.
    ///
    /// # Errors
    /// [`OciError::Config`].
    pub fn new(repository: Repository, options: ClientOptions) -> Result<Self, OciError> {
        let ClientOptions { mut http, security, credentials, retry, timeout } = options;
        http.redirects = Redirects::Never;
        if security == Security::Insecure && http.roots == TrustRoots::System && http.identity.is_none() {
            http.roots = TrustRoots::Unverified;
        }
        let schemes: &[&str] = match security {
            Security::Verified if !is_local(repository.registry()) => &["https"],
            Security::Verified | Security::Insecure => &["https", "http"],
        };
        let http = HttpClient::new(&http).map_err(OciError::Config)?;
        Ok(Self { session: Session::new(http, repository, schemes, credentials, retry), timeout })
    }

    /// The repository.
    pub fn repository(&self) -> &Repository {
        self.session.repository()
    }

    /// What a tag names now. Asks for the digest alone where the registry tells it, so that nothing counts as pulled.
    ///
    /// # Errors
    /// [`OciError::NotFound`] without such a tag, and the others.
    pub async fn resolve(&self, tag: &Tag) -> Result<Digest, OciError> {
        self.within(&format!("resolve {}:{tag}", self.repository()), async {
            let head = Ask { method: Method::HEAD, ..Ask::get(format!("manifests/{tag}")).accept(ACCEPT) };
            match self.session.send(&head).await {
                Ok(response) => {
                    let told = response.headers().get(DIGEST_HEADER).and_then(|value| value.to_str().ok());
                    if let Some(digest) = told.and_then(|text| parse_digest(text).ok()) {
                        return Ok(digest);
                    }
                }
                // An answer to HEAD has no words to it: let the registry say it again with them.
                Err(OciError::RateLimited(refusal)) => return Err(OciError::RateLimited(refusal)),
                Err(error) if error.refusal().is_none() => return Err(error),
                Err(_) => {}
            }
            self.pull(&Pointer::Tag(tag.clone())).await.map(|manifest| manifest.digest)
        })
        .await
    }

    /// A manifest or index, verified against its digest when it is asked for by that. Bounded by [`MAX_MANIFEST_BYTES`].
    ///
    /// # Errors
    /// [`OciError::NotFound`], [`OciError::DigestMismatch`], [`OciError::Malformed`], and the others.
    pub async fn manifest(&self, pointer: &Pointer) -> Result<Manifest, OciError> {
        self.within(&format!("get {}", self.repository().at(pointer.clone())), self.pull(pointer)).await
    }

    /// The image behind a digest: itself, or the one for the platform if it is an index.
    ///
    /// # Errors
    /// [`OciError::NoPlatform`], and those of [`Client::manifest`].
    pub async fn image(&self, digest: &Digest, platform: &Platform) -> Result<Image, OciError> {
        let what = self.repository().at(*digest).to_string();
        self.within(&format!("get {what}"), async {
            let mut digest = *digest;
            for _ in 0..=MAX_INDEX_DEPTH {
                let Manifest { digest: found, bytes, document, .. } = self.pull(&Pointer::Digest(digest)).await?;
                match document {
                    Document::Image(manifest) => return Ok(Image { digest: found, bytes, manifest: *manifest }),
                    Document::Index(index) => {
                        let entry = index.select(platform).map(|entry| entry.digest);
                        digest = entry.ok_or_else(|| OciError::NoPlatform {
                            what: what.clone(),
                            platform: platform.to_string(),
                        })?;
                    }
                }
            }
            Err(OciError::TooMany { what: what.clone(), limit: MAX_INDEX_DEPTH, unit: "indexes within each other" })
        })
        .await
    }

    pub(crate) async fn pull(&self, pointer: &Pointer) -> Result<Manifest, OciError> {
        let ask = Ask::get(format!("manifests/{pointer}")).accept(ACCEPT);
        let (_, headers, bytes) = self.session.get_bytes(&ask, MAX_MANIFEST_BYTES).await?;
        let what = || self.repository().at(pointer.clone()).to_string();
        let digest = match pointer {
            Pointer::Tag(_) => Digest::of(Algorithm::Sha256, &bytes),
            Pointer::Digest(expected) => {
                let actual = Digest::of(expected.algorithm(), &bytes);
                if actual != *expected {
                    let (expected, actual) = (expected.to_string(), actual.to_string());
                    return Err(OciError::DigestMismatch { what: what(), expected, actual });
                }
                actual
            }
        };
        let content_type = headers.get("content-type").and_then(|value| value.to_str().ok()).unwrap_or_default();
        Manifest::parse(bytes, digest, content_type).map_err(|reason| OciError::Malformed { what: what(), reason })
    }

    /// Runs an operation under the client's timeout.
    pub(crate) async fn within<T>(
        &self,
        what: &str,
        operation: impl Future<Output = Result<T, OciError>>,
    ) -> Result<T, OciError> {
        match tokio::time::timeout(self.timeout, operation).await {
            Ok(result) => result,
            Err(_elapsed) => Err(OciError::Timeout { what: what.to_owned(), after: self.timeout }),
        }
    }
}

/// Whether a registry is on this machine or in a private network, by its name alone.
fn is_local(registry: &str) -> bool {
    let host = match registry.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => registry,
    };
    let host = host.to_ascii_lowercase();
    host == "localhost"
        || host == "[::1]"
        || host.strip_suffix("local").is_some_and(|rest| rest.ends_with('.'))
        || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback() || address.is_private())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_local_by_name_or_private_address() {
        for local in [
            "localhost",
            "localhost:5000",
            "127.0.0.1",
            "127.1.2.3:80",
            "10.0.0.1:5000",
            "192.168.1.1",
            "172.16.0.1",
            "[::1]:5000",
            "reg.local",
            "Reg.LOCAL:443",
        ] {
            assert!(is_local(local), "{local}");
        }
        for remote in [
            "ghcr.io",
            "index.docker.io",
            "8.8.8.8",
            "172.32.0.1",
            "local",
            "reg.local.example",
            "localhost.example:80",
            "127.0.0.1.example",
            "[2001:db8::1]:5000",
        ] {
            assert!(!is_local(remote), "{remote}");
        }
    }
}
