//! GitHub Apps: a token of an installation, for an app that proves itself with its key.
//!
//! Deliberately no permissions narrowed to repositories, and no OAuth of users.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use sluice_http_client::{HeaderName, Method, Request, Secret, Url, header};

use crate::cache::{CacheKey, CacheKeyBuilder};
use crate::credential::{AccessToken, GitLogin, GitScheme, after};
use crate::jwt::{Algorithm, KeyError, RsaKey};
use crate::transport::{Exchange, ExchangeError, Transport};

#[cfg(test)]
mod tests;

/// The key of a Secret with the app's id.
pub const KEY_APP_ID: &str = "githubAppID";
/// The key of a Secret with the account that has the installation.
pub const KEY_INSTALLATION_OWNER: &str = "githubAppInstallationOwner";
/// The key of a Secret with the installation's id.
pub const KEY_INSTALLATION_ID: &str = "githubAppInstallationID";
/// The key of a Secret with the app's private key.
pub const KEY_PRIVATE_KEY: &str = "githubAppPrivateKey";
/// The key of a Secret with the API's address, where it is not github.com's.
pub const KEY_BASE_URL: &str = "githubAppBaseURL";
/// The user of Git with an installation's token.
pub const GIT_USERNAME: &str = "x-access-token";

const API: &str = "https://api.github.com/";
/// Between our clock and theirs.
const DRIFT_SECONDS: i64 = 30;
/// How long the app's own token is good; it is used at once.
const LIFE_SECONDS: i64 = 120;
const VERSION: HeaderName = HeaderName::from_static("x-github-api-version");

/// Which installation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Installation {
    /// By its id.
    Id(u64),
    /// The one of this organisation or user.
    Owner(String),
}

/// An app, one of its installations, and where to ask.
#[derive(Clone, Debug)]
pub struct GitHubApp {
    app_id: u64,
    installation: Installation,
    key: RsaKey,
    api: Url,
    cache_key: CacheKey,
}

/// A token that could not be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GitHubAppError {
    /// No id of an app.
    #[error("app ID must be provided to use github app authentication")]
    NoAppId,
    /// No installation.
    #[error("app installation owner or ID must be provided to use github app authentication")]
    NoInstallation,
    /// An installation in both ways.
    #[error("only one of app installation owner or ID must be provided to use github app authentication")]
    TwoInstallations,
    /// No key.
    #[error("private key must be provided to use github app authentication")]
    NoKey,
    /// A key that cannot be used.
    #[error("could not parse private key")]
    Key(#[source] KeyError),
    /// The app's own token could not be signed.
    #[error("could not sign with the private key")]
    Sign(#[source] KeyError),
    /// The API's address is not one.
    #[error("invalid API URL: {0}")]
    BaseUrl(String),
    /// The owner is neither of the two, or the app is not installed there.
    #[error("failed to find organization installation: {organization}\nfailed to find user installation: {user}")]
    Owner {
        /// What was said of the organisation.
        organization: Box<ExchangeError>,
        /// What was said of the user.
        user: Box<ExchangeError>,
    },
    /// The token was refused.
    #[error("failed to create installation token")]
    Token(#[source] ExchangeError),
    /// The request could not be built.
    #[error(transparent)]
    Request(#[from] sluice_http_client::HttpError),
}

impl GitHubApp {
    /// Reads the data of a Secret, by the `KEY_` constants. An id that is not a number counts as absent.
    ///
    /// # Errors
    /// [`GitHubAppError`], with the text that is shown on the object.
    pub fn from_secret<V: AsRef<[u8]>>(data: &BTreeMap<String, V>) -> Result<Self, GitHubAppError> {
        let text = |key: &str| data.get(key).map(|value| String::from_utf8_lossy(value.as_ref()).into_owned());
        let number = |key: &str| text(key).and_then(|text| text.parse::<u64>().ok()).filter(|number| *number != 0);
        let app_id = number(KEY_APP_ID).ok_or(GitHubAppError::NoAppId)?;
        let owner = text(KEY_INSTALLATION_OWNER).filter(|owner| !owner.is_empty());
        let installation = match (owner, number(KEY_INSTALLATION_ID)) {
            (None, None) => return Err(GitHubAppError::NoInstallation),
            (Some(_), Some(_)) => return Err(GitHubAppError::TwoInstallations),
            (Some(owner), None) => Installation::Owner(owner),
            (None, Some(id)) => Installation::Id(id),
        };
        let pem = data.get(KEY_PRIVATE_KEY).map(AsRef::as_ref).filter(|pem| !pem.is_empty());
        let pem = pem.ok_or(GitHubAppError::NoKey)?;
        let key = RsaKey::from_pem(pem).map_err(GitHubAppError::Key)?;
        let api = base_url(&text(KEY_BASE_URL).unwrap_or_default())?;
        let cache_key = CacheKeyBuilder::new("github-app").part(KEY_APP_ID, app_id.to_be_bytes());
        let cache_key = match &installation {
            Installation::Id(id) => cache_key.part(KEY_INSTALLATION_ID, id.to_be_bytes()),
            Installation::Owner(owner) => cache_key.part(KEY_INSTALLATION_OWNER, owner),
        };
        let cache_key = cache_key.part(KEY_BASE_URL, api.as_str()).part(KEY_PRIVATE_KEY, pem).build();
        Ok(Self { app_id, installation, key, api, cache_key })
    }

    /// A digest of app, installation, address and key.
    pub fn cache_key(&self) -> &CacheKey {
        &self.cache_key
    }

    /// Which installation.
    pub fn installation(&self) -> &Installation {
        &self.installation
    }

    /// A token of the installation. GitHub gives it an hour.
    ///
    /// # Errors
    /// [`GitHubAppError`].
    pub async fn token(&self, transport: &Transport, now: Timestamp) -> Result<AccessToken, GitHubAppError> {
        let jwt = self.jwt(now).map_err(GitHubAppError::Sign)?;
        let id = match &self.installation {
            Installation::Id(id) => *id,
            Installation::Owner(owner) => self.find(transport, owner, &jwt).await?,
        };
        let exchange =
            self.exchange(Method::POST, &["app", "installations", &id.to_string(), "access_tokens"], &jwt)?;
        exchange.run(transport, parse_token, refusal).await.map_err(GitHubAppError::Token)
    }

    /// The app's own token: who it is, as of half a minute ago, for two minutes.
    fn jwt(&self, now: Timestamp) -> Result<Secret<String>, KeyError> {
        let issued = after(now, -DRIFT_SECONDS);
        let claims = BTreeMap::from([
            ("exp", after(issued, LIFE_SECONDS).as_second().into()),
            ("iat", issued.as_second().into()),
            ("iss", self.app_id.to_string().into()),
        ]);
        self.key.sign(Algorithm::Rs256, &[], &claims)
    }

    async fn find(&self, transport: &Transport, owner: &str, jwt: &Secret<String>) -> Result<u64, GitHubAppError> {
        let ask = async |kind: &str| {
            let exchange = self.exchange(Method::GET, &[kind, owner, "installation"], jwt)?;
            Ok::<_, GitHubAppError>(exchange.run(transport, parse_installation, refusal).await)
        };
        let organization = match ask("orgs").await? {
            Ok(id) => return Ok(id),
            Err(error) => Box::new(error),
        };
        match ask("users").await? {
            Ok(id) => Ok(id),
            Err(user) => Err(GitHubAppError::Owner { organization, user: Box::new(user) }),
        }
    }

    /// Segments are encoded, so an owner's name cannot reach another part of the API.
    fn exchange(&self, method: Method, path: &[&str], jwt: &Secret<String>) -> Result<Exchange, GitHubAppError> {
        let mut url = self.api.clone();
        if path.iter().any(|segment| matches!(*segment, "." | "..")) {
            return Err(GitHubAppError::BaseUrl("a segment of its path is a dot".to_owned()));
        }
        match url.path_segments_mut() {
            Ok(mut segments) => segments.pop_if_empty().extend(path),
            Err(()) => return Err(GitHubAppError::BaseUrl(sluice_http_client::mask_url(&self.api))),
        };
        let request = Request::new(method, url)
            .bearer_auth(jwt)?
            .header(header::ACCEPT, "application/vnd.github.v3+json")?
            .header(VERSION, "2022-11-28")?;
        Ok(Exchange::internet("GitHub", request).hiding(jwt))
    }
}

/// The login to Git with an installation's token.
pub fn git_login(token: &AccessToken) -> GitLogin {
    GitLogin {
        scheme: GitScheme::Basic { username: Secret::new(GIT_USERNAME.to_owned()), password: token.token.clone() },
        expires_at: token.expires_at,
    }
}

fn base_url(text: &str) -> Result<Url, GitHubAppError> {
    let text = if text.is_empty() { API } else { text };
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http") && !url.cannot_be_a_base());
    url.ok_or_else(|| GitHubAppError::BaseUrl(sluice_http_client::mask_url_text(text)))
}

fn parse_installation(bytes: &[u8]) -> Result<u64, &'static str> {
    #[derive(Deserialize)]
    struct Answer {
        id: u64,
    }
    serde_json::from_slice(bytes).map(|Answer { id }| id).map_err(|_| "not the JSON of an installation")
}

fn parse_token(bytes: &[u8]) -> Result<AccessToken, &'static str> {
    #[derive(Deserialize)]
    struct Answer {
        token: Option<String>,
        expires_at: Option<Timestamp>,
    }
    let answer: Answer = serde_json::from_slice(bytes).map_err(|_| "not the JSON of a token")?;
    let token = answer.token.filter(|token| !token.is_empty()).ok_or("no token")?;
    Ok(AccessToken { token: Secret::new(token), expires_at: answer.expires_at.ok_or("no expiration")? })
}

fn refusal(bytes: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        message: String,
    }
    serde_json::from_slice(bytes).map(|Refusal { message }| message).ok()
}
