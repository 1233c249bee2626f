//! From a Provider's spec and the Secrets it names to a [`ProviderConfig`].
//!
//! Pure: the caller reads the Secrets, and decides whether a service account may be named. The rules that look odd are the reference's: the
//! authentication keys of the main Secret are parsed as one, and when one of them is malformed none counts, the token included.

use std::collections::BTreeMap;
use std::fmt;

use sluice_api::notification::{Provider, ProviderSpec};
use sluice_http_client::{ClientIdentity, Secret, Url};
use thiserror::Error;

use crate::config::{ProviderConfig, TlsMaterial};
use crate::kind::Kind;

mod auth;
mod headers;
#[cfg(test)]
mod tests;

/// Longest address, in bytes, from a Secret (the CRD bounds the spec's own to the same).
const MAX_ADDRESS_BYTES: usize = 2048;

/// A Secret's data. `Debug` shows the keys only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretData(BTreeMap<String, Vec<u8>>);

impl SecretData {
    /// The value of `key`, as stored.
    pub fn get(&self, key: &str) -> Option<&[u8]> {
        self.0.get(key).map(Vec::as_slice)
    }

    /// Whether it has no key.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The data as a map, for those who read several keys.
    pub fn as_map(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.0
    }

    /// The part whose keys begin with this.
    fn with_prefix(&self, prefix: &str) -> Self {
        let part = self.0.iter().filter(|(key, _)| key.starts_with(prefix));
        Self(part.map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    fn secret(&self, key: &'static str) -> Result<Option<Secret<String>>, ResolveError> {
        Ok(self.text(key)?.map(|text| Secret::new(text.to_owned())))
    }

    fn text(&self, key: &'static str) -> Result<Option<&str>, ResolveError> {
        self.get(key).map(std::str::from_utf8).transpose().map_err(|_| ResolveError::DecodeValue { key })
    }

    /// The first of the keys that is there and not empty: the standard name before the legacy one.
    fn either(&self, key: &str, legacy: &str) -> Option<Vec<u8>> {
        [key, legacy].into_iter().filter_map(|key| self.0.get(key)).find(|value| !value.is_empty()).cloned()
    }
}

impl<K: Into<String>, V: Into<Vec<u8>>> FromIterator<(K, V)> for SecretData {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(iter: I) -> Self {
        Self(iter.into_iter().map(|(key, value)| (key.into(), value.into())).collect())
    }
}

impl fmt::Debug for SecretData {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The Secrets that a Provider names, read from its namespace. `None` means not named.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    /// `spec.secretRef`.
    pub secret: Option<SecretData>,
    /// `spec.proxySecretRef`.
    pub proxy: Option<SecretData>,
    /// `spec.certSecretRef`.
    pub cert: Option<SecretData>,
}

/// Why a Provider's settings cannot be used. No message repeats a value.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// The type is known to the API, and not implemented.
    #[error("provider type '{0}' is not supported yet")]
    SelectType(String),
    /// A value is not text.
    #[error("invalid secret data: the value of '{key}' is not valid UTF-8")]
    DecodeValue {
        /// The Secret's key.
        key: &'static str,
    },
    /// An address from a Secret is longer than an address may be.
    #[error("invalid secret data: 'address' exceeds the maximum length of {MAX_ADDRESS_BYTES} bytes")]
    BoundAddress,
    /// The value of `headers` is not a map of strings.
    #[error("failed to read the headers from the secret")]
    ParseHeaders(#[from] headers::HeadersError),
    /// The proxy, from wherever it comes, is not a URL with an allowed scheme.
    #[error("invalid proxy: not an absolute URL with scheme {schemes}")]
    ParseProxy {
        /// The schemes allowed there.
        schemes: &'static str,
    },
    /// The proxy Secret lacks its address.
    #[error("invalid proxy secret data: required field 'address'")]
    FindProxyAddress,
    /// The certificate Secret holds neither an authority nor a whole pair.
    #[error("invalid certificate secret data: it needs 'ca.crt', or 'tls.crt' and 'tls.key', or all of them")]
    FindTlsMaterial,
    /// The main Secret, which for Git statuses has the TLS material too, is malformed.
    #[error("failed to get TLS config")]
    ReadGitSecret(#[source] auth::AuthError),
}

/// Puts a Provider's spec and its Secrets together.
///
/// # Errors
/// An unsupported type, a malformed value, or settings that contradict each other.
pub fn resolve(provider: &Provider, secrets: &Secrets) -> Result<ProviderConfig, ResolveError> {
    let spec = &provider.spec;
    let unsupported = || ResolveError::SelectType(spec.type_.to_string());
    let kind = Kind::of(&spec.type_).ok_or_else(unsupported)?;
    let empty = SecretData::default();
    let secret = secrets.secret.as_ref().unwrap_or(&empty);
    let mut deprecations = Vec::new();
    let (proxy, is_deprecated) = proxy(spec, secret, secrets.proxy.as_ref())?;
    if is_deprecated {
        deprecations.push("the proxy of a Provider or of its Secret is deprecated, use spec.proxySecretRef instead");
    }
    let auth = auth::parse(secret)?;
    let tls = match (&secrets.cert, &auth) {
        (Some(cert), _) => Some(tls(cert)?),
        (None, Ok(auth)) if kind.is_git_status() => auth.tls.clone(),
        (None, Err(error)) if kind.is_git_status() => return Err(ResolveError::ReadGitSecret(*error)),
        (None, _) => None,
    };
    // A malformed Secret is no error beyond that: its keys do not count, all of them.
    let auth = auth.unwrap_or_default();
    let (username, password) = match auth.basic {
        Some((username, password)) => (username, Some(password)),
        None => (spec.username.clone().unwrap_or_default(), None),
    };
    Ok(ProviderConfig {
        kind,
        uid: provider.metadata.uid.clone().unwrap_or_default(),
        address: address(spec, secret)?,
        channel: spec.channel.clone().unwrap_or_default(),
        username,
        token: auth.token,
        password,
        headers: headers::parse(secret.text("headers")?)?,
        github_app: auth.github_app,
        creds: secret.secret("creds")?,
        nkey: secret.secret("nkey")?,
        service_account: spec.service_account_name.clone().filter(|name| !name.is_empty()),
        proxy,
        tls,
        timeout: provider.timeout(),
        deprecations,
    })
}

fn address(spec: &ProviderSpec, secret: &SecretData) -> Result<Secret<String>, ResolveError> {
    let Some(address) = secret.text("address")? else {
        return Ok(Secret::new(spec.address.clone().unwrap_or_default()));
    };
    if address.len() > MAX_ADDRESS_BYTES {
        return Err(ResolveError::BoundAddress);
    }
    Ok(Secret::new(address.trim().to_owned()))
}

/// The strongest of the three places for a proxy: the proxy Secret, the main Secret, the spec. And whether it is one of the latter two, which
/// are deprecated.
fn proxy(
    spec: &ProviderSpec,
    secret: &SecretData,
    proxy_secret: Option<&SecretData>,
) -> Result<(Option<Secret<Url>>, bool), ResolveError> {
    let deprecated = secret.text("proxy")?.or(spec.proxy.as_deref()).filter(|proxy| !proxy.is_empty());
    let deprecated =
        deprecated.map(|text| parse_proxy(text.trim(), &["http", "https"], "http or https")).transpose()?;
    match proxy_secret {
        Some(data) => Ok((Some(Secret::new(proxy_from_secret(data)?)), false)),
        None => Ok((deprecated.clone().map(Secret::new), deprecated.is_some())),
    }
}

fn proxy_from_secret(data: &SecretData) -> Result<Url, ResolveError> {
    const SCHEMES: &str = "http, https or socks5";
    let address = data.text("address")?.filter(|address| !address.is_empty()).ok_or(ResolveError::FindProxyAddress)?;
    if address.len() > MAX_ADDRESS_BYTES {
        return Err(ResolveError::BoundAddress);
    }
    let mut url = parse_proxy(address, &["http", "https", "socks5"], SCHEMES)?;
    let Some(username) = data.text("username")? else { return Ok(url) };
    let refused = || ResolveError::ParseProxy { schemes: SCHEMES };
    url.set_username(username).map_err(|()| refused())?;
    url.set_password(data.text("password")?).map_err(|()| refused())?;
    Ok(url)
}

fn parse_proxy(text: &str, allowed: &[&str], schemes: &'static str) -> Result<Url, ResolveError> {
    let url = Url::parse(text).map_err(|_| ResolveError::ParseProxy { schemes })?;
    if allowed.contains(&url.scheme()) && url.has_host() { Ok(url) } else { Err(ResolveError::ParseProxy { schemes }) }
}

fn tls(data: &SecretData) -> Result<TlsMaterial, ResolveError> {
    let ca = data.either("ca.crt", "caFile");
    let identity = match (data.either("tls.crt", "certFile"), data.either("tls.key", "keyFile")) {
        (Some(certificate), Some(key)) => Some(ClientIdentity { certificate, key: Secret::new(key) }),
        (None, None) => None,
        _ => return Err(ResolveError::FindTlsMaterial),
    };
    if ca.is_none() && identity.is_none() {
        return Err(ResolveError::FindTlsMaterial);
    }
    Ok(TlsMaterial { ca, identity })
}
