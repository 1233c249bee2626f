//! Phase: the spec and its Secrets become a repository to talk to over HTTP.
//!
//! Also for charts, which come from the same place by the same means. Deliberately sends nothing to the repository; the only call is the
//! live read of Secrets.

use std::time::Duration;

use kube::Client;
use kube::ResourceExt as _;
use sluice_api::source::HelmRepository;
use sluice_helm::urls::{self, UrlError};
use sluice_http_client::{ClientConfig, ConfigError, HttpClient, HttpError, Request, RetryPolicy, Secret, Url};
use tokio::io::AsyncWrite;

use crate::source::secrets::{self, BadSecret, SecretData, SecretError, Secrets, TlsMaterial};

/// The time limit of repositories that no object describes.
const ANONYMOUS_TIMEOUT: Duration = Duration::from_secs(60);

/// Why there is no repository to talk to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PrepareError {
    /// `spec.url` is no URL of an HTTP repository.
    #[error("invalid Helm repository URL")]
    Url(#[source] UrlFault),
    /// The Secret with the credentials cannot be read.
    #[error("failed to get authentication secret '{name}'")]
    AuthSecret {
        name: String,
        #[source]
        source: SecretError,
    },
    /// The Secret with certificates cannot be read.
    #[error("failed to get TLS authentication secret '{name}'")]
    TlsSecret {
        name: String,
        #[source]
        source: SecretError,
    },
    /// A Secret's data are not what they should be.
    #[error("failed to configure authentication options")]
    Auth(#[source] BadSecret),
    /// Certificates or key cannot be used.
    #[error("failed to construct TLS config")]
    Tls(#[source] ConfigError),
    /// There is no client of it.
    #[error("failed to construct Helm client")]
    Client(#[source] ConfigError),
}

/// What is wrong with a repository's URL.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UrlFault {
    /// A registry's URL without the type for it.
    #[error("'oci' URL scheme cannot be used with 'default' HelmRepository type")]
    Oci,
    /// It is none.
    #[error(transparent)]
    Malformed(#[from] UrlError),
    /// It is none that a request can go to.
    #[error(transparent)]
    Unusable(#[from] url::ParseError),
}

/// User and password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Basic {
    pub(crate) username: String,
    pub(crate) password: Secret<String>,
}

/// Credentials and certificates of a repository, as its Secrets have them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Access {
    pub(crate) basic: Option<Basic>,
    pub(crate) tls: Option<TlsMaterial>,
}

impl Access {
    /// The part of a client's configuration that comes from the Secrets.
    pub(crate) fn client_config(&self) -> ClientConfig {
        match &self.tls {
            Some(tls) => {
                ClientConfig { roots: tls.roots.clone(), identity: tls.identity.clone(), ..ClientConfig::default() }
            }
            None => ClientConfig::default(),
        }
    }
}

/// A repository over HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    url: String,
    http: HttpClient,
    basic: Option<Basic>,
    pass_credentials: bool,
    timeout: Duration,
}

/// A file of a repository could not be downloaded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GetError {
    /// Its address is none that a request can go to.
    #[error("invalid URL")]
    Url(#[source] url::ParseError),
    /// Its scheme is not http or https.
    #[error("scheme '{0}' is not supported")]
    Scheme(String),
    /// The request failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// It took too long.
    #[error("download did not end within {0:?}")]
    Timeout(Duration),
}

impl Remote {
    /// A repository that no object describes.
    pub(crate) fn anonymous(normalised_url: &str) -> Result<Self, PrepareError> {
        let http = HttpClient::new(&ClientConfig::default()).map_err(PrepareError::Client)?;
        let url = normalised_url.to_owned();
        Ok(Self { url, http, basic: None, pass_credentials: false, timeout: ANONYMOUS_TIMEOUT })
    }

    /// The repository's URL in its one spelling. May hold credentials.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Downloads a file, of at most `max_bytes`. The credentials go along only to the repository's own origin, unless the user says
    /// otherwise: an index may name charts on hosts of other people.
    pub(crate) async fn get<W>(&self, url: &str, max_bytes: u64, out: &mut W) -> Result<(), GetError>
    where
        W: AsyncWrite + Unpin + Send + ?Sized,
    {
        let target: Url = url.parse().map_err(GetError::Url)?;
        if !matches!(target.scheme(), "http" | "https") {
            return Err(GetError::Scheme(target.scheme().to_owned()));
        }
        let mut request = Request::get(target);
        if let Some(Basic { username, password }) = &self.basic
            && (self.pass_credentials || urls::same_origin(&self.url, url))
        {
            request = request.basic_auth(username, password)?;
        }
        let download = self.http.download(&request, &RetryPolicy::NEVER, max_bytes, out);
        match tokio::time::timeout(self.timeout, download).await {
            Ok(done) => Ok(done.map(|_| ())?),
            Err(_) => Err(GetError::Timeout(self.timeout)),
        }
    }
}

/// The URL in its one spelling, of an HTTP repository.
pub(crate) fn repository_url(object: &HelmRepository) -> Result<String, UrlFault> {
    let url = urls::normalise(&object.spec.url)?;
    if url.to_ascii_lowercase().starts_with("oci:") {
        return Err(UrlFault::Oci);
    }
    url.parse::<Url>()?;
    Ok(url)
}

/// Reads the Secrets of a repository and makes what talks to it.
pub(crate) async fn prepare(client: &Client, object: &HelmRepository) -> Result<Remote, PrepareError> {
    let url = repository_url(object).map_err(PrepareError::Url)?;
    let access = access(client, object).await?;
    let http = HttpClient::new(&access.client_config()).map_err(|error| match error {
        // A Secret may be put right without a change of the object.
        error @ (ConfigError::CaBundle | ConfigError::Identity(_)) => PrepareError::Tls(error),
        error => PrepareError::Client(error),
    })?;
    let pass_credentials = object.spec.pass_credentials;
    Ok(Remote { url, http, basic: access.basic, pass_credentials, timeout: object.timeout() })
}

async fn access(client: &Client, object: &HelmRepository) -> Result<Access, PrepareError> {
    let secrets = Secrets::of(client, object);
    let mut access = Access::default();
    if let Some(reference) = &object.spec.secret_ref {
        let name = secrets.full_name(&reference.name);
        let data = secrets.data(&reference.name).await;
        let data = data.map_err(|source| PrepareError::AuthSecret { name: name.clone(), source })?;
        access.basic = basic(&data, &name).map_err(PrepareError::Auth)?;
        if object.spec.cert_secret_ref.is_none() && has_tls(&data) {
            let object = object.name_any();
            tracing::warn!(object, secret = name, "TLS keys in secretRef are deprecated, use certSecretRef");
            access.tls = Some(secrets::tls(&data, &name).map_err(PrepareError::Auth)?);
        }
    }
    access.tls = match &object.spec.cert_secret_ref {
        Some(_) => tls(&secrets, object).await?,
        None => access.tls,
    };
    Ok(access)
}

/// What `certSecretRef` names.
pub(crate) async fn tls(secrets: &Secrets, object: &HelmRepository) -> Result<Option<TlsMaterial>, PrepareError> {
    let Some(reference) = &object.spec.cert_secret_ref else { return Ok(None) };
    let name = secrets.full_name(&reference.name);
    let data = secrets.data(&reference.name).await;
    let data = data.map_err(|source| PrepareError::TlsSecret { name: name.clone(), source })?;
    secrets::tls(&data, &name).map(Some).map_err(PrepareError::Auth)
}

/// User and password: both or neither.
pub(crate) fn basic(data: &SecretData, secret: &str) -> Result<Option<Basic>, BadSecret> {
    let value = |key: &str| Ok::<_, BadSecret>(secrets::text(data, key)?.filter(|value| !value.is_empty()));
    match (value("username")?, value("password")?) {
        (Some(username), Some(password)) => {
            Ok(Some(Basic { username: username.to_owned(), password: Secret::new(password.to_owned()) }))
        }
        (None, None) => Ok(None),
        _ => {
            let why = format!("invalid '{secret}' secret data: required fields 'username' and 'password'");
            Err(BadSecret::new(why))
        }
    }
}

fn has_tls(data: &SecretData) -> bool {
    ["ca.crt", "caFile", "tls.crt", "tls.key", "certFile", "keyFile"]
        .iter()
        .any(|key| data.get(*key).is_some_and(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_password_come_together_or_not_at_all() {
        let data = |entries: &[(&str, &str)]| -> SecretData {
            entries.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
        };
        assert_eq!(basic(&data(&[]), "apps/s"), Ok(None));
        assert_eq!(basic(&data(&[("username", ""), ("password", "")]), "apps/s"), Ok(None));
        let both = Basic { username: "u".into(), password: Secret::new("p".into()) };
        assert_eq!(basic(&data(&[("username", "u"), ("password", "p")]), "apps/s"), Ok(Some(both)));
        for half in ["username", "password"] {
            let error = basic(&data(&[(half, "s3cret")]), "apps/s").expect_err("half of a pair").to_string();
            assert_eq!(error, "invalid 'apps/s' secret data: required fields 'username' and 'password'");
        }
    }

    #[test]
    fn a_registry_is_no_default_repository() {
        let of = |url: &str| {
            let spec = sluice_api::source::HelmRepositorySpec { url: url.into(), ..Default::default() };
            repository_url(&HelmRepository::new("r", spec)).map_err(|error| error.to_string())
        };
        assert_eq!(of("https://example.com/charts"), Ok("https://example.com/charts/".into()));
        let refused = "'oci' URL scheme cannot be used with 'default' HelmRepository type";
        assert_eq!(of("oci://example.com/charts"), Err(refused.into()));
        assert!(of("https://exa mple/").is_err());
    }
}
