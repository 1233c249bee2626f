//! What a client is made of: roots of trust, identity, proxy, timeouts, redirects.
//!
//! Deliberately reads neither files nor the environment itself, with one exception that the caller must ask for:
//! [`Proxy::Environment`] is the usual `HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`.

use std::time::Duration;

use http::HeaderValue;
use reqwest::redirect;
use url::Url;

use crate::Secret;

/// The default `User-Agent`. Hosts that count or route clients by the established `flux/v2` prefix see the same prefix.
pub const USER_AGENT: &str = concat!("flux/v2 (sluice/", env!("CARGO_PKG_VERSION"), ")");

/// Hops that [`Redirects::Anywhere`] and [`Redirects::SameHost`] follow, as Go's client does.
const MAX_REDIRECTS: usize = 10;

/// Everything that makes a client. The default: system roots, proxy from the environment, 30 s to connect, no total timeout.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// Whose server certificates are accepted.
    pub roots: TrustRoots,
    /// The client's own certificate, for mutual TLS.
    pub identity: Option<ClientIdentity>,
    /// The way out.
    pub proxy: Proxy,
    /// Time for name resolution, TCP and TLS together.
    pub connect_timeout: Option<Duration>,
    /// Time for one request from connecting to the last byte of the body.
    pub request_timeout: Option<Duration>,
    /// The `User-Agent` header.
    pub user_agent: String,
    /// Which redirects are followed.
    pub redirects: Redirects,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            roots: TrustRoots::System,
            identity: None,
            proxy: Proxy::Environment,
            connect_timeout: Some(Duration::from_secs(30)),
            request_timeout: None,
            user_agent: USER_AGENT.to_owned(),
            redirects: Redirects::Anywhere,
        }
    }
}

/// Whose server certificates are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustRoots {
    /// The machine's CA store. Where there is none, plain http works and every TLS handshake fails.
    System,
    /// The machine's CA store and these PEM certificates.
    SystemAnd(Vec<u8>),
    /// These PEM certificates alone.
    Only(Vec<u8>),
    /// Nobody's: every certificate is accepted, so the connection is private to nobody in particular. Only where the user says, in so
    /// many words, that the connection may be insecure.
    Unverified,
}

/// A client certificate chain and its key, both PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity {
    /// The chain, leaf first.
    pub certificate: Vec<u8>,
    /// The private key: PKCS#8, PKCS#1 or SEC1.
    pub key: Secret<Vec<u8>>,
}

/// The way out of the process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proxy {
    /// `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, either case.
    Environment,
    /// None, whatever the environment says.
    Direct,
    /// This one for everything: `http`, `https` or `socks5`, user and password in the URL. With `socks5` the proxy resolves
    /// host names, as Go's client has it.
    Url(Secret<Url>),
}

/// Which redirects are followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Redirects {
    /// None: the 3xx response is the answer.
    Never,
    /// On the same host and port only, and from http to https on the same host.
    SameHost,
    /// To any host; credentials are not sent on to another one.
    Anywhere,
}

/// A configuration of which no client can be made. Never holds key material.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The CA bundle is not PEM or holds no certificate.
    #[error("failed to parse CA certificate bundle")]
    CaBundle,
    /// The client certificate and key are not a usable PEM pair.
    #[error("failed to parse client certificate and key: {0}")]
    Identity(String),
    /// The proxy's URL has a scheme other than http, https and socks5.
    #[error("proxy scheme '{0}' is not one of http, https, socks5")]
    ProxyScheme(String),
    /// The proxy's URL cannot be used for another reason.
    #[error("invalid proxy address")]
    ProxyAddress,
    /// The user agent is not a header value.
    #[error("invalid user agent")]
    UserAgent,
    /// The HTTP library refused the combination.
    #[error("failed to set up the HTTP client: {0}")]
    Setup(String),
}

impl ClientConfig {
    pub(crate) fn build(&self) -> Result<reqwest::Client, ConfigError> {
        crate::install_crypto_provider();
        let mut built = self.builder(&self.roots)?.build();
        if built.is_err() && self.roots == TrustRoots::System {
            // The verifier of the system's roots refuses to exist without any root. A machine without a CA store must still be able
            // to talk plain http, so it gets a client to which every server certificate is unknown.
            built = self.builder(&TrustRoots::Only(Vec::new()))?.build();
        }
        built.map_err(|error| {
            let cause = crate::error::root_cause(&error);
            // With readable PEM, what is left to fail is that key and certificate do not belong together.
            if self.identity.is_some() { ConfigError::Identity(cause) } else { ConfigError::Setup(cause) }
        })
    }

    fn builder(&self, roots: &TrustRoots) -> Result<reqwest::ClientBuilder, ConfigError> {
        let user_agent = HeaderValue::from_str(&self.user_agent).map_err(|_| ConfigError::UserAgent)?;
        let mut builder = reqwest::Client::builder()
            .user_agent(user_agent)
            // The referer header would carry one host's URL to the next.
            .referer(false)
            .redirect(redirect_policy(self.redirects));
        builder = match roots {
            TrustRoots::System => builder,
            TrustRoots::SystemAnd(pem) => builder.tls_certs_merge(certificates(pem)?),
            TrustRoots::Only(pem) if pem.is_empty() => builder.tls_certs_only([]),
            TrustRoots::Only(pem) => builder.tls_certs_only(certificates(pem)?),
            TrustRoots::Unverified => builder.tls_certs_only([]).tls_danger_accept_invalid_certs(true),
        };
        if let Some(identity) = &self.identity {
            let mut pem = identity.key.expose().clone();
            pem.push(b'\n');
            pem.extend_from_slice(&identity.certificate);
            let identity = reqwest::Identity::from_pem(&pem)
                .map_err(|error| ConfigError::Identity(crate::error::root_cause(&error)))?;
            builder = builder.identity(identity);
        }
        builder = match &self.proxy {
            Proxy::Environment => builder,
            Proxy::Direct => builder.no_proxy(),
            Proxy::Url(url) => builder.proxy(proxy(url.expose())?),
        };
        if let Some(timeout) = self.connect_timeout {
            builder = builder.connect_timeout(timeout);
        }
        if let Some(timeout) = self.request_timeout {
            builder = builder.timeout(timeout);
        }
        Ok(builder)
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<reqwest::Certificate>, ConfigError> {
    let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(|_| ConfigError::CaBundle)?;
    if certificates.is_empty() { Err(ConfigError::CaBundle) } else { Ok(certificates) }
}

fn proxy(url: &Url) -> Result<reqwest::Proxy, ConfigError> {
    let address = match url.scheme() {
        "http" | "https" => url.to_string(),
        "socks5" => url.as_str().replacen("socks5:", "socks5h:", 1),
        other => return Err(ConfigError::ProxyScheme(other.to_owned())),
    };
    reqwest::Proxy::all(address).map_err(|_| ConfigError::ProxyAddress)
}

fn redirect_policy(redirects: Redirects) -> redirect::Policy {
    match redirects {
        Redirects::Never => redirect::Policy::none(),
        Redirects::Anywhere => redirect::Policy::limited(MAX_REDIRECTS),
        Redirects::SameHost => redirect::Policy::custom(|attempt| {
            if attempt.previous().len() > MAX_REDIRECTS {
                return attempt.error("too many redirects");
            }
            match attempt.previous().last() {
                Some(from) if redirect_stays(from, attempt.url()) => attempt.follow(),
                _ => attempt.error("redirect to another host refused"),
            }
        }),
    }
}

/// Whether a redirect stays with the host that the user named: same scheme, host and port, or http to https on that host. Anything
/// else would let one host send the client, and what it carries, to another (or inside the cluster).
pub fn redirect_stays(from: &Url, to: &Url) -> bool {
    let same_host = from.host_str() == to.host_str();
    let same_scheme = from.scheme() == to.scheme() && from.port_or_known_default() == to.port_or_known_default();
    same_host && (same_scheme || (from.scheme() == "http" && to.scheme() == "https"))
}
