//! Phase: the spec and its Secrets become a remote to talk to.
//!
//! Deliberately sends nothing to the Git server; the only call is the live read of Secrets.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret as KubeSecret;
use kube::{Api, Client, ResourceExt};
use sluice_api::source::GitRepository;
use sluice_git::{AuthError, Remote, RemoteConfig, RemoteError, auth_from_secret};
use sluice_http_client::{Proxy, Secret, Url};

/// The longest proxy address. The contract's bound.
const MAX_PROXY_ADDRESS: usize = 2048;

/// Why there is no remote.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrepareError {
    /// `spec.url` is no URL.
    #[error("failed to parse url '{url}'")]
    Url {
        url: String,
        #[source]
        source: url::ParseError,
    },
    /// A Secret cannot be read.
    #[error("failed to get secret '{secret}'")]
    Secret {
        secret: String,
        #[source]
        source: kube::Error,
    },
    /// A Secret does not exist.
    #[error("failed to get secret '{0}': secrets \"{name}\" not found", name = .0.rsplit('/').next().unwrap_or(.0))]
    SecretNotFound(String),
    /// The Secret's data makes no credentials.
    #[error("failed to configure authentication options")]
    Auth(#[source] AuthError),
    /// The proxy Secret's data makes no proxy.
    #[error("failed to configure proxy options: {0}")]
    Proxy(String),
    /// No client can be made of it.
    #[error("failed to create Git client")]
    Client(#[source] RemoteError),
}

/// Reads `spec.secretRef` and `spec.proxySecretRef` and makes the remote of the object.
pub(super) async fn prepare(client: &Client, object: &GitRepository) -> Result<Remote, PrepareError> {
    let text = &object.spec.url;
    let url: Url =
        text.parse().map_err(|source| PrepareError::Url { url: sluice_http_client::mask_url_text(text), source })?;
    let secrets: Api<KubeSecret> = Api::namespaced(client.clone(), &object.namespace().unwrap_or_default());
    let data = match &object.spec.secret_ref {
        Some(reference) => read(&secrets, object, &reference.name).await?,
        None => BTreeMap::new(),
    };
    let credentials = auth_from_secret(&url, &data).map_err(PrepareError::Auth)?;
    let proxy = match &object.spec.proxy_secret_ref {
        Some(reference) => proxy_from_secret(&read(&secrets, object, &reference.name).await?)?,
        None => Proxy::Environment,
    };
    let config = RemoteConfig {
        url,
        auth: credentials.auth,
        tls: credentials.tls,
        proxy,
        timeout: object.timeout(),
        limits: sluice_git::Limits::default(),
    };
    Remote::new(config).map_err(PrepareError::Client)
}

async fn read(
    secrets: &Api<KubeSecret>,
    object: &GitRepository,
    name: &str,
) -> Result<BTreeMap<String, Vec<u8>>, PrepareError> {
    let secret = format!("{}/{name}", object.namespace().unwrap_or_default());
    let found = match secrets.get_opt(name).await {
        Ok(Some(found)) => found,
        Ok(None) => return Err(PrepareError::SecretNotFound(secret)),
        Err(source) => return Err(PrepareError::Secret { secret, source }),
    };
    Ok(found.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect())
}

/// `address` with `username` and `password` as userinfo.
fn proxy_from_secret(data: &BTreeMap<String, Vec<u8>>) -> Result<Proxy, PrepareError> {
    let text = |key: &str| data.get(key).map(|value| String::from_utf8_lossy(value).into_owned());
    let refuse = |why: &str| PrepareError::Proxy(why.to_owned());
    let address = text("address").ok_or_else(|| refuse("the proxy secret has no key 'address'"))?;
    if address.len() > MAX_PROXY_ADDRESS {
        return Err(refuse("the address is longer than 2048 bytes"));
    }
    let mut url: Url = address.trim().parse().map_err(|_| refuse("the address is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https" | "socks5") {
        return Err(refuse("the address must have the scheme http, https or socks5"));
    }
    if let Some(username) = text("username") {
        // These fail only for URLs without a host, which the schemes above always have.
        let _ = url.set_username(&username);
        let _ = url.set_password(text("password").as_deref());
    }
    Ok(Proxy::Url(Secret::new(url)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(entries: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        entries.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn a_proxy_is_made_of_address_and_credentials() {
        let data = secret(&[("address", "http://proxy.example:3128"), ("username", "a"), ("password", "b@c")]);
        let proxy = proxy_from_secret(&data).expect("complete");
        let expected = "http://a:b%40c@proxy.example:3128".parse().expect("a URL");
        assert_eq!(proxy, Proxy::Url(Secret::new(expected)));
    }

    #[test]
    fn a_bad_proxy_secret_is_refused_without_its_values() {
        let long = format!("http://{}", "a".repeat(MAX_PROXY_ADDRESS));
        for entries in [&[][..], &[("address", "not a url")], &[("address", "ftp://h")], &[("address", long.as_str())]]
        {
            let error = proxy_from_secret(&secret(entries)).expect_err("refused").to_string();
            assert!(error.starts_with("failed to configure proxy options: the "), "{error}");
        }
    }
}
