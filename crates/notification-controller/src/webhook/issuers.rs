//! The public keys of issuers: discovered, fetched, and kept for a short while.
//!
//! Anybody who can call a webhook makes us ask an issuer. So what was fetched counts for a minute, callers at the same time share one
//! fetch, a token that names an unknown key causes another one only every few seconds, and a failed fetch is not repeated at once. Which
//! issuers may be asked at all is the caller's decision. Deliberately nothing here of tokens.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use sluice_http_client::{ClientConfig, ConfigError, HttpClient, HttpError, Redirects, Request, StatusCode, Url};
use thiserror::Error;
use tokio::time::Instant;

use super::jwks::{self, Algorithm, Key};

/// Where Google publishes the keys of its tokens.
const GOOGLE_KEYS: &str = "https://www.googleapis.com/oauth2/v3/certs";

/// How long keys count.
const FRESH: Duration = Duration::from_secs(60);

/// How long keys count for a token that names none of them, and how long a failure does.
const MIN_AGE: Duration = Duration::from_secs(5);

/// Time to connect to an issuer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Time for one request to an issuer; there are two.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest answer of an issuer: real ones have some kilobytes.
const MAX_ANSWER_BYTES: u64 = 512 << 10;

/// Most issuers whose keys are kept at once.
const MAX_ISSUERS: usize = 256;

/// Why there are no keys.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The issuer's address, or one that it gives, is no URL of http or https.
    #[error("invalid address of the issuer or of its keys")]
    ParseAddress,
    /// No answer, or too much of one.
    #[error("failed to ask the issuer")]
    Ask(#[from] HttpError),
    /// An answer that is none.
    #[error("the issuer answers with status {0}")]
    Status(StatusCode),
    /// The discovery document is none.
    #[error("the issuer's discovery document is malformed")]
    ParseDiscovery,
    /// The discovery document is of somebody else.
    #[error("the issuer calls itself by another name")]
    CompareIssuer,
    /// The key set is none.
    #[error("the issuer's key set is malformed")]
    ParseKeys,
    /// The task that fetched has ended early.
    #[error("the fetch was abandoned")]
    Abandon,
}

/// What an issuer signs with.
#[derive(Debug)]
pub struct IssuerKeys {
    /// Its algorithms, those that are known here.
    pub algorithms: Vec<Algorithm>,
    /// Its keys.
    pub keys: Vec<Key>,
}

/// Whose keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Issuer {
    /// Of an issuer with a discovery document at this address.
    Discovered(String),
    /// Google's.
    Google,
}

/// The keys of all issuers. Clones share them.
#[derive(Clone)]
pub struct Issuers(Arc<Inner>);

struct Inner {
    http: HttpClient,
    google: String,
    slots: Mutex<HashMap<Issuer, Slot>>,
}

type Slot = Arc<tokio::sync::Mutex<Option<Fetched>>>;

#[derive(Clone)]
struct Fetched {
    at: Instant,
    outcome: Result<Arc<IssuerKeys>, Arc<FetchError>>,
}

impl Fetched {
    /// Whether it answers for a token that names this key.
    fn serves(&self, key_id: Option<&str>, now: Instant) -> bool {
        let age = now.duration_since(self.at);
        let has_key = match (&self.outcome, key_id) {
            (Ok(found), Some(id)) => found.keys.iter().any(|key| key.id() == Some(id)),
            (Ok(_), None) => true,
            (Err(_), _) => false,
        };
        age < if has_key { FRESH } else { MIN_AGE }
    }
}

impl Issuers {
    /// Issuers of the real world.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn new() -> Result<Self, ConfigError> {
        Self::with_google(GOOGLE_KEYS)
    }

    /// Issuers with another place for Google's keys.
    ///
    /// # Errors
    /// When no HTTP client can be made.
    pub fn with_google(google: &str) -> Result<Self, ConfigError> {
        let http = HttpClient::new(&ClientConfig {
            connect_timeout: Some(CONNECT_TIMEOUT),
            request_timeout: Some(REQUEST_TIMEOUT),
            redirects: Redirects::SameHost,
            ..ClientConfig::default()
        })?;
        Ok(Self(Arc::new(Inner { http, google: google.to_owned(), slots: Mutex::default() })))
    }

    /// The keys of an issuer, for a token that names the key `key_id` or none.
    ///
    /// # Errors
    /// The failure of the last fetch, which may be some seconds old.
    pub async fn keys(&self, issuer: &Issuer, key_id: Option<&str>) -> Result<Arc<IssuerKeys>, Arc<FetchError>> {
        let mut slot = self.slot(issuer).lock_owned().await;
        if let Some(known) = slot.as_ref().filter(|known| known.serves(key_id, Instant::now())) {
            return known.outcome.clone();
        }
        // In a task of its own: callers who hang up must not make each next one start over.
        let (inner, issuer) = (Arc::clone(&self.0), issuer.clone());
        let fetching = tokio::spawn(async move {
            let outcome = inner.fetch(&issuer).await.map(Arc::new).map_err(Arc::new);
            *slot = Some(Fetched { at: Instant::now(), outcome: outcome.clone() });
            outcome
        });
        fetching.await.unwrap_or_else(|_| Err(Arc::new(FetchError::Abandon)))
    }

    fn slot(&self, issuer: &Issuer) -> Slot {
        let mut slots = self.0.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = slots.get(issuer) {
            return Arc::clone(slot);
        }
        if slots.len() >= MAX_ISSUERS {
            // Those of deleted Receivers. One in use just has to be fetched again.
            slots.clear();
        }
        Arc::clone(slots.entry(issuer.clone()).or_default())
    }
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
    #[serde(default)]
    id_token_signing_alg_values_supported: Vec<String>,
}

impl Inner {
    async fn fetch(&self, issuer: &Issuer) -> Result<IssuerKeys, FetchError> {
        let (keys, algorithms) = match issuer {
            Issuer::Google => (address(&self.google)?, vec![Algorithm::Rs256]),
            Issuer::Discovered(name) => self.discover(name).await?,
        };
        let keys = jwks::parse(&self.get(keys).await?).ok_or(FetchError::ParseKeys)?;
        Ok(IssuerKeys { algorithms, keys })
    }

    async fn discover(&self, name: &str) -> Result<(Url, Vec<Algorithm>), FetchError> {
        let base = name.strip_suffix('/').unwrap_or(name);
        let document = self.get(address(&format!("{base}/.well-known/openid-configuration"))?).await?;
        let Discovery { issuer, jwks_uri, id_token_signing_alg_values_supported: names } =
            serde_json::from_slice(&document).map_err(|_| FetchError::ParseDiscovery)?;
        if issuer != name {
            return Err(FetchError::CompareIssuer);
        }
        let known = |name: &String| Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == *name);
        let mut algorithms: Vec<Algorithm> = names.iter().filter_map(known).collect();
        if algorithms.is_empty() {
            algorithms.push(Algorithm::Rs256);
        }
        Ok((address(&jwks_uri)?, algorithms))
    }

    async fn get(&self, url: Url) -> Result<bytes::Bytes, FetchError> {
        let response = self.http.send(&Request::get(url)).await?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(response.status()));
        }
        Ok(response.into_body(MAX_ANSWER_BYTES)?.bytes().await?)
    }
}

fn address(text: &str) -> Result<Url, FetchError> {
    let url: Url = text.parse().map_err(|_| FetchError::ParseAddress)?;
    if matches!(url.scheme(), "http" | "https") { Ok(url) } else { Err(FetchError::ParseAddress) }
}

#[cfg(test)]
pub(in crate::webhook) mod tests;
