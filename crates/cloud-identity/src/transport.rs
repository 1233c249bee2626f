//! Sending one exchange: bounded in time and bytes, with errors that quote what the issuer says and never what was sent.
//!
//! Deliberately knows no provider: each brings its request, its reader of answers, and its reader of refusals.

use std::time::Duration;

use sluice_http_client::{
    ClientConfig, ConfigError, HttpClient, HttpError, Proxy, Redirects, Request, RetryPolicy, Secret, StatusCode,
    TrustRoots,
};

use crate::cache::{CacheKey, CacheKeyBuilder};

/// The largest answer that is read. Tokens have up to some KiB, and refusals are short.
pub const MAX_ANSWER_BYTES: u64 = 256 * 1024;
/// One request, from connecting to the last byte, unless the configuration says otherwise.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Metadata services are a hop away or not there at all; a machine without one must not hold a reconcile for long.
const LOCAL_CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Exchanges are safe to repeat: an issued token that nobody got is forgotten.
const RETRY: RetryPolicy =
    RetryPolicy { attempts: 3, min_wait: Duration::from_millis(200), max_wait: Duration::from_secs(2) };
/// How much of an issuer's own words an error carries, in characters.
const MAX_QUOTE_CHARS: usize = 300;

/// The ways out: one to the internet, one to the services that are local to the node.
#[derive(Clone, Debug)]
pub struct Transport {
    internet: HttpClient,
    local: HttpClient,
    retry: RetryPolicy,
    fingerprint: CacheKey,
}

impl Transport {
    /// Makes both clients. `config` is the object's proxy, roots and client certificate; its timeouts are kept, with
    /// [`REQUEST_TIMEOUT`] where it has none. Redirects are followed on the same host only, whatever it says: a redirect to another
    /// would be handed the assertion or key that the request carries. The local client never uses a proxy: metadata services answer to
    /// whoever asks from the node, so a proxy would be asked for its own identity.
    ///
    /// # Errors
    /// When certificates, key or proxy are unusable.
    pub fn new(config: &ClientConfig) -> Result<Self, ConfigError> {
        let internet = internet(config);
        let local = ClientConfig {
            roots: TrustRoots::System,
            identity: None,
            proxy: Proxy::Direct,
            connect_timeout: Some(LOCAL_CONNECT_TIMEOUT),
            request_timeout: internet.request_timeout,
            user_agent: config.user_agent.clone(),
            redirects: Redirects::Never,
        };
        Ok(Self {
            internet: HttpClient::new(&internet)?,
            local: HttpClient::new(&local)?,
            retry: RETRY,
            fingerprint: fingerprint(config),
        })
    }

    /// Of another configuration, an object's own, with the same local client. Making a client reads the machine's roots, so an object
    /// without a configuration of its own best uses the one that is there.
    ///
    /// # Errors
    /// When certificates, key or proxy are unusable.
    pub fn with_config(&self, config: &ClientConfig) -> Result<Self, ConfigError> {
        let internet = HttpClient::new(&internet(config))?;
        Ok(Self { internet, local: self.local.clone(), retry: self.retry.clone(), fingerprint: fingerprint(config) })
    }

    /// With another policy of repetition.
    pub fn with_retry(self, retry: RetryPolicy) -> Self {
        Self { retry, ..self }
    }

    /// A digest of proxy, roots and client certificate. Part of every cache key: a token that was had through one proxy is not given
    /// to an object that names another.
    pub fn fingerprint(&self) -> &CacheKey {
        &self.fingerprint
    }
}

fn internet(config: &ClientConfig) -> ClientConfig {
    let request_timeout = Some(config.request_timeout.unwrap_or(REQUEST_TIMEOUT));
    ClientConfig { redirects: Redirects::SameHost, request_timeout, ..config.clone() }
}

fn fingerprint(config: &ClientConfig) -> CacheKey {
    let ClientConfig { roots, identity, proxy, connect_timeout: _, request_timeout: _, user_agent: _, redirects: _ } =
        config;
    let key = CacheKeyBuilder::new("transport");
    let key = match proxy {
        Proxy::Environment => key.part("proxy", "environment"),
        Proxy::Direct => key.part("proxy", "direct"),
        Proxy::Url(url) => key.part("proxyURL", url.expose().as_str()),
    };
    let key = match roots {
        TrustRoots::System => key.part("roots", "system"),
        TrustRoots::SystemAnd(pem) => key.part("rootsAnd", pem),
        TrustRoots::Only(pem) => key.part("rootsOnly", pem),
        TrustRoots::Unverified => key.part("roots", "unverified"),
    };
    let key = match identity {
        None => key,
        Some(identity) => key.part("certificate", &identity.certificate).part("key", identity.key.expose()),
    };
    key.build()
}

/// An exchange that gave nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// No whole answer came, or the request could not be built.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The issuer refused.
    #[error("{issuer} answered {status}{}", reason(.says))]
    Refused {
        /// Who was asked.
        issuer: &'static str,
        /// The status.
        status: StatusCode,
        /// The issuer's own words, cut and masked; empty if it has none.
        says: String,
    },
    /// The answer is not what the issuer's protocol has. Its content is not in the error, for it may be a token.
    #[error("{issuer} gave an answer that cannot be used: {problem}")]
    Malformed {
        /// Who was asked.
        issuer: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
}

fn reason(says: &str) -> String {
    if says.is_empty() { String::new() } else { format!(": {says}") }
}

impl ExchangeError {
    /// The status of a refusal.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::Http(error) => error.status(),
            Self::Malformed { .. } => None,
        }
    }
}

/// Which client sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    Internet,
    Local,
}

/// One exchange, ready to send.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// Who is asked, in the words of the error texts.
    pub(crate) issuer: &'static str,
    pub(crate) request: Request,
    pub(crate) way: Way,
    /// What was put into the request and must not come back in an error.
    pub(crate) secrets: Vec<Secret<String>>,
}

impl Exchange {
    /// To a service on the internet.
    pub(crate) fn internet(issuer: &'static str, request: Request) -> Self {
        Self { issuer, request, way: Way::Internet, secrets: Vec::new() }
    }

    /// To a service of the node.
    pub(crate) fn local(issuer: &'static str, request: Request) -> Self {
        Self { issuer, request, way: Way::Local, secrets: Vec::new() }
    }

    /// Names a secret that the request carries.
    pub(crate) fn hiding(mut self, secret: &Secret<String>) -> Self {
        self.secrets.push(secret.clone());
        self
    }

    /// Sends, and reads the answer. `parse` says in a fixed text what is wrong with an answer; `refusal` finds the issuer's words in
    /// the body of a refusal.
    pub(crate) async fn run<T>(
        &self,
        transport: &Transport,
        parse: impl FnOnce(&[u8]) -> Result<T, &'static str>,
        refusal: fn(&[u8]) -> Option<String>,
    ) -> Result<T, ExchangeError> {
        let client = match self.way {
            Way::Internet => &transport.internet,
            Way::Local => &transport.local,
        };
        let response = client.send_with_retry(&self.request, &transport.retry).await?;
        let status = response.status();
        if !status.is_success() {
            // What is too long or breaks off has no words; the status is enough.
            let mut text = Vec::new();
            if let Ok(body) = response.into_body(MAX_ANSWER_BYTES) {
                text.extend_from_slice(&body.bytes().await.unwrap_or_default());
            }
            let says = refusal(&text).map(|words| quote(&words, &self.secrets)).unwrap_or_default();
            return Err(ExchangeError::Refused { issuer: self.issuer, status, says });
        }
        let body = response.into_body(MAX_ANSWER_BYTES)?.bytes().await?;
        parse(&body).map_err(|problem| ExchangeError::Malformed { issuer: self.issuer, problem })
    }
}

/// Text from outside, fit for a condition: on one line, of bounded length, without the secrets that were sent. An issuer under an
/// attacker's control could send them back, and conditions are read by more people than Secrets are.
fn quote(text: &str, secrets: &[Secret<String>]) -> String {
    let mut clean = text.to_owned();
    for secret in secrets.iter().map(|secret| secret.expose().as_str()).filter(|secret| !secret.is_empty()) {
        clean = clean.replace(secret, "***");
    }
    let words = clean.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    let line = words.collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_QUOTE_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_issuer_says_is_one_short_line_without_what_was_sent() {
        let secrets = [Secret::new("s3cret".to_owned()), Secret::new(String::new())];
        for (text, expected) in [
            ("bad\r\n\tvalue  s3cret\u{1b}[0m", "bad value *** [0m".to_owned()),
            ("", String::new()),
            (&"é".repeat(400), format!("{}…", "é".repeat(300))),
        ] {
            assert_eq!(quote(text, &secrets), expected);
        }
    }

    #[test]
    fn the_fingerprint_tells_proxies_roots_and_identities_apart() {
        let url = |text: &str| Proxy::Url(Secret::new(text.parse().unwrap()));
        let config = ClientConfig::default();
        let configs = [
            config.clone(),
            ClientConfig { proxy: Proxy::Direct, ..config.clone() },
            ClientConfig { proxy: url("http://a:1@proxy"), ..config.clone() },
            ClientConfig { proxy: url("http://a:2@proxy"), ..config.clone() },
            ClientConfig { roots: TrustRoots::Only(b"x".to_vec()), ..config.clone() },
            ClientConfig { roots: TrustRoots::SystemAnd(b"x".to_vec()), ..config.clone() },
        ];
        let distinct: std::collections::HashSet<_> = configs.iter().map(fingerprint).collect();
        assert_eq!(distinct.len(), configs.len());
        let patient = ClientConfig { request_timeout: Some(Duration::from_secs(1)), ..config.clone() };
        assert_eq!(fingerprint(&patient), fingerprint(&config));
    }
}
