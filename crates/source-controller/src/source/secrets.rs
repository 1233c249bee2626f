//! Live reads of Secrets in the object's namespace, and what several kinds make of them.
//!
//! Deliberately no cache: a Secret is read when it is needed and dropped with the pass.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Secret as KubeSecret;
use kube::{Api, Client, ResourceExt as _};
use sluice_http_client::{ClientIdentity, Proxy, Secret, TrustRoots, Url};

/// The longest proxy address. The contract's bound.
const MAX_PROXY_ADDRESS: usize = 2048;

/// The data of a Secret, by key.
pub(crate) type SecretData = BTreeMap<String, Vec<u8>>;

/// A Secret cannot be read. The object is named as `NAMESPACE/NAME`.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// The API server did not answer as it should.
    #[error("failed to get secret '{secret}'")]
    Read {
        secret: String,
        #[source]
        source: kube::Error,
    },
    /// There is none.
    #[error("failed to get secret '{0}': secrets \"{name}\" not found", name = .0.rsplit('/').next().unwrap_or(.0))]
    NotFound(String),
}

/// Reads Secrets of one namespace.
#[derive(Debug, Clone)]
pub(crate) struct Secrets {
    api: Api<KubeSecret>,
    namespace: String,
}

impl Secrets {
    /// Those that an object may name: of its own namespace.
    pub(crate) fn of<K: kube::Resource>(client: &Client, object: &K) -> Self {
        let namespace = object.namespace().unwrap_or_default();
        Self { api: Api::namespaced(client.clone(), &namespace), namespace }
    }

    /// The data of a Secret.
    ///
    /// # Errors
    /// See [`SecretError`].
    pub(crate) async fn data(&self, name: &str) -> Result<SecretData, SecretError> {
        let secret = self.get(name).await?;
        Ok(secret.data.unwrap_or_default().into_iter().map(|(key, value)| (key, value.0)).collect())
    }

    /// A whole Secret, for those whose type matters.
    ///
    /// # Errors
    /// See [`SecretError`].
    pub(crate) async fn get(&self, name: &str) -> Result<KubeSecret, SecretError> {
        match self.api.get_opt(name).await {
            Ok(Some(found)) => Ok(found),
            Ok(None) => Err(SecretError::NotFound(self.full_name(name))),
            Err(source) => Err(SecretError::Read { secret: self.full_name(name), source }),
        }
    }

    /// `NAMESPACE/NAME`, as messages have it.
    pub(crate) fn full_name(&self, name: &str) -> String {
        format!("{}/{name}", self.namespace)
    }
}

/// The data of a Secret do not make what they should. Never holds a value of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct BadSecret(String);

impl BadSecret {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// A value as text.
///
/// # Errors
/// It is no UTF-8.
pub(crate) fn text<'d>(data: &'d SecretData, key: &str) -> Result<Option<&'d str>, BadSecret> {
    let Some(value) = data.get(key) else { return Ok(None) };
    match std::str::from_utf8(value) {
        Ok(text) => Ok(Some(text)),
        Err(_) => Err(BadSecret::new(format!("the key '{key}' of the secret is not valid UTF-8"))),
    }
}

/// A proxy: `address` with `username` and `password` as userinfo.
///
/// # Errors
/// There is no address, or it is none.
pub(crate) fn proxy(data: &SecretData) -> Result<Proxy, BadSecret> {
    let address = text(data, "address")?.ok_or_else(|| BadSecret::new("the proxy secret has no key 'address'"))?;
    if address.len() > MAX_PROXY_ADDRESS {
        return Err(BadSecret::new("the address is longer than 2048 bytes"));
    }
    let mut url: Url = address.trim().parse().map_err(|_| BadSecret::new("the address is not a URL"))?;
    if !matches!(url.scheme(), "http" | "https" | "socks5") {
        return Err(BadSecret::new("the address must have the scheme http, https or socks5"));
    }
    if let Some(username) = text(data, "username")? {
        // These fail only for URLs without a host, which the schemes above always have.
        let _ = url.set_username(username);
        let _ = url.set_password(text(data, "password")?);
    }
    Ok(Proxy::Url(Secret::new(url)))
}

/// TLS material of a `certSecretRef`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TlsMaterial {
    pub(crate) roots: TrustRoots,
    pub(crate) identity: Option<ClientIdentity>,
}

/// `ca.crt`, and `tls.crt` with `tls.key`; the older names `caFile`, `certFile` and `keyFile` where those are missing. A CA is trusted
/// besides the system's. The type of the Secret does not matter.
///
/// # Errors
/// Half of a pair, or nothing at all.
pub(crate) fn tls(data: &SecretData, secret: &str) -> Result<TlsMaterial, BadSecret> {
    let either = |name: &str, old: &str| {
        let found = [name, old].into_iter().find_map(|key| data.get(key).filter(|value| !value.is_empty()));
        found.cloned()
    };
    let ca = either("ca.crt", "caFile");
    let identity = match (either("tls.crt", "certFile"), either("tls.key", "keyFile")) {
        (Some(certificate), Some(key)) => Some(ClientIdentity { certificate, key: Secret::new(key) }),
        (None, None) => None,
        (Some(_), None) => return Err(BadSecret::new(format!("secret '{secret}' has 'tls.crt' but no 'tls.key'"))),
        (None, Some(_)) => return Err(BadSecret::new(format!("secret '{secret}' has 'tls.key' but no 'tls.crt'"))),
    };
    if ca.is_none() && identity.is_none() {
        let why = format!("secret '{secret}' must have 'ca.crt', or both 'tls.crt' and 'tls.key'");
        return Err(BadSecret::new(why));
    }
    Ok(TlsMaterial { roots: ca.map_or(TrustRoots::System, TrustRoots::SystemAnd), identity })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(entries: &[(&str, &str)]) -> SecretData {
        entries.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
    }

    #[test]
    fn a_proxy_is_made_of_address_and_credentials() {
        let data = secret(&[("address", "http://proxy.example:3128"), ("username", "a"), ("password", "b@c")]);
        let expected = "http://a:b%40c@proxy.example:3128".parse().expect("a URL");
        assert_eq!(proxy(&data), Ok(Proxy::Url(Secret::new(expected))));
    }

    #[test]
    fn a_bad_proxy_secret_is_refused_without_its_values() {
        let long = format!("http://{}", "a".repeat(MAX_PROXY_ADDRESS));
        for entries in [&[][..], &[("address", "not a url")], &[("address", "ftp://h")], &[("address", long.as_str())]]
        {
            let error = proxy(&secret(entries)).expect_err("refused").to_string();
            assert!(error.starts_with("the "), "{error}");
        }
    }

    #[test]
    fn tls_takes_new_names_before_old_ones_and_refuses_halves() {
        let identity = |certificate: &str, key: &str| {
            Some(ClientIdentity { certificate: certificate.into(), key: Secret::new(key.into()) })
        };
        let check = |entries: &[(&str, &str)], expected: Result<TlsMaterial, &str>| {
            let found = tls(&secret(entries), "apps/tls").map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{entries:?}");
        };
        let roots = |pem: &str| TrustRoots::SystemAnd(pem.into());
        check(&[("ca.crt", "new"), ("caFile", "old")], Ok(TlsMaterial { roots: roots("new"), identity: None }));
        check(
            &[("caFile", "old"), ("certFile", "c"), ("keyFile", "k")],
            Ok(TlsMaterial { roots: roots("old"), identity: identity("c", "k") }),
        );
        check(
            &[("tls.crt", "c"), ("tls.key", "k")],
            Ok(TlsMaterial { roots: TrustRoots::System, identity: identity("c", "k") }),
        );
        check(&[("tls.crt", "c")], Err("secret 'apps/tls' has 'tls.crt' but no 'tls.key'"));
        check(&[("tls.key", "k"), ("ca.crt", "a")], Err("secret 'apps/tls' has 'tls.key' but no 'tls.crt'"));
        check(&[], Err("secret 'apps/tls' must have 'ca.crt', or both 'tls.crt' and 'tls.key'"));
    }
}
