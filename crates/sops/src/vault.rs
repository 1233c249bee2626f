//! Vault and `OpenBao`: a data key opened by the transit engine, and the login with a token of a `ServiceAccount`.
//!
//! Deliberately no other configuration of Vault's own client than its token, namespace and SOPS' list of allowed servers.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;
use sluice_cloud_identity::{Environment, jwt_subject};
use sluice_http_client::{HeaderName, HttpClient, HttpError, Request, Secret, Url, header};
use sluice_yaml::{Limits, read_config};
use tokio::sync::{Mutex, OnceCell};

use crate::http::{ExchangeError, ask};
use crate::keys::{DataKey, VaultKey};
use crate::ports::{AmbientError, VaultAccess};

/// The most servers of a configuration.
const MAX_INSTANCES: usize = 1024;

/// A data key that Vault did not give.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// The document names no server.
    #[error("'{0}' is not the address of a Vault server")]
    Address(String),
    /// The path is not one of a transit engine.
    #[error("'{0}' is not a path in Vault")]
    Path(String),
    /// `SOPS_HC_VAULT_ALLOWLIST` has not this server.
    #[error("Allowlist does not allow {0}")]
    NotAllowed(String),
    /// There is nothing to authenticate with.
    #[error("no Vault token is configured")]
    NoToken,
    /// The servers that are trusted with a token cannot be had.
    #[error("failed to get Vault configuration")]
    Instances(#[source] AmbientError),
    /// This one is not among them.
    #[error("no Vault login path configured for address '{0}'")]
    NoLoginPath(String),
    /// Kubernetes gave no token.
    #[error("failed to issue Kubernetes token for Vault authentication")]
    ServiceAccount(#[source] AmbientError),
    /// The token says nothing about its `ServiceAccount`.
    #[error("failed to derive Vault role for authentication")]
    Subject,
    /// The login was refused.
    #[error("failed to authenticate with Vault '{address}' at login path '{path}' as role '{role}'")]
    Login {
        /// The server.
        address: String,
        /// Where.
        path: String,
        /// As whom.
        role: String,
        /// Why.
        #[source]
        source: Box<ExchangeError>,
    },
    /// The login gave nothing.
    #[error("Vault '{address}' returned no token for login at '{path}' as role '{role}'")]
    LoginEmpty {
        /// The server.
        address: String,
        /// Where.
        path: String,
        /// As whom.
        role: String,
    },
    /// The transit engine refused.
    #[error("failed to decrypt sops data key from Vault transit backend '{path}'")]
    Decrypt {
        /// The path that was asked.
        path: String,
        /// Why.
        #[source]
        source: Box<ExchangeError>,
    },
    /// The request could not be built.
    #[error(transparent)]
    Request(#[from] HttpError),
}

/// A configuration that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VaultInstancesError {
    /// It is not YAML, or not of this form.
    #[error("failed to parse the Vault instances")]
    Unreadable,
    /// More than anybody has.
    #[error("more than {MAX_INSTANCES} Vault instances")]
    TooMany,
}

/// The servers that are trusted with a token of a `ServiceAccount`, and where each takes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VaultInstances(HashMap<String, String>);

impl VaultInstances {
    /// Reads `instances: [{address, loginPath}]`.
    ///
    /// # Errors
    /// [`VaultInstancesError`].
    pub fn parse(yaml: &str) -> Result<Self, VaultInstancesError> {
        #[derive(Deserialize, Default)]
        #[serde(default, rename_all = "camelCase")]
        struct Instance {
            address: String,
            login_path: String,
        }
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Config {
            instances: Vec<Instance>,
        }
        let limits = Limits { bytes: 1 << 20, depth: 16, nodes: 16 * MAX_INSTANCES };
        let node = read_config(yaml.as_bytes(), &limits).map_err(|_| VaultInstancesError::Unreadable)?;
        let Some(node) = node else { return Ok(Self::default()) };
        let json = node.to_json().map_err(|_| VaultInstancesError::Unreadable)?;
        let config = if json.is_null() { Ok(Config::default()) } else { serde_json::from_value(json) };
        let Config { instances } = config.map_err(|_| VaultInstancesError::Unreadable)?;
        if instances.len() > MAX_INSTANCES {
            return Err(VaultInstancesError::TooMany);
        }
        Ok(Self(instances.into_iter().map(|instance| (instance.address, instance.login_path)).collect()))
    }

    /// Where the server of exactly this address takes logins.
    pub fn login_path(&self, address: &str) -> Option<&str> {
        self.0.get(address).map(String::as_str).filter(|path| !path.is_empty())
    }
}

/// How Vault is told who asks. Tokens of logins are kept as long as this is: for one reconcile.
pub struct VaultLogin {
    token: Option<Secret<String>>,
    access: Option<Box<dyn VaultAccess>>,
    environment_token: Option<Secret<String>>,
    namespace: Option<String>,
    allowed: Option<Vec<String>>,
    instances: OnceCell<VaultInstances>,
    tokens: Mutex<HashMap<String, Secret<String>>>,
}

impl VaultLogin {
    /// By a token, else by `access`, else by the environment's `VAULT_TOKEN`. The environment may also name a namespace (`VAULT_NAMESPACE`)
    /// and the only servers that are asked (`SOPS_HC_VAULT_ALLOWLIST`).
    pub fn new(token: Option<Secret<String>>, access: Option<Box<dyn VaultAccess>>, environment: &Environment) -> Self {
        let get = |name| environment.get(name).map(str::to_owned);
        Self {
            token,
            access,
            environment_token: get("VAULT_TOKEN").map(Secret::new),
            namespace: get("VAULT_NAMESPACE"),
            allowed: get("SOPS_HC_VAULT_ALLOWLIST").and_then(|list| allowed(&list)),
            instances: OnceCell::new(),
            tokens: Mutex::default(),
        }
    }

    pub(crate) async fn decrypt(&self, client: &HttpClient, key: &VaultKey) -> Result<DataKey, VaultError> {
        #[derive(Deserialize)]
        struct Data {
            plaintext: Secret0,
        }
        #[derive(Deserialize)]
        struct Answer {
            data: Data,
        }
        let address = address(&key.address)?;
        self.check(&key.address)?;
        let path = format!("{}/decrypt/{}", key.engine_path.trim_matches('/'), key.key_name);
        let url = at(&address, &path)?;
        let token = self.token(client, (&key.address, &address)).await?;
        let request = Request::post(url, json!({"ciphertext": key.enc}).to_string());
        let request = self.headed(request)?.header(HeaderName::from_static("x-vault-token"), token.expose())?;
        let failed = |source| VaultError::Decrypt { path: path.clone(), source: Box::new(source) };
        let Answer { data } = ask(client, &request, refusal, &[&token]).await.map_err(failed)?;
        let plain = STANDARD.decode(data.plaintext.0.as_bytes());
        let plain = plain.map_err(|_| failed(ExchangeError::Malformed("the plaintext is not base64")))?;
        Ok(DataKey::new(plain))
    }

    /// A document chooses the server, and the server gets the token: without a list every server that a document names does.
    fn check(&self, address: &str) -> Result<(), VaultError> {
        let Some(allowed) = &self.allowed else { return Ok(()) };
        let whole = with_slash(address);
        if allowed.iter().any(|prefix| whole.starts_with(prefix)) {
            return Ok(());
        }
        Err(VaultError::NotAllowed(address.to_owned()))
    }

    async fn token(&self, client: &HttpClient, server: (&str, &Url)) -> Result<Secret<String>, VaultError> {
        if let Some(token) = &self.token {
            return Ok(token.clone());
        }
        let Some(access) = &self.access else {
            return self.environment_token.clone().ok_or(VaultError::NoToken);
        };
        // Held over the login: files of one reconcile that need the same token wait for it instead of logging in twice.
        let mut tokens = self.tokens.lock().await;
        if let Some(token) = tokens.get(server.0) {
            return Ok(token.clone());
        }
        let token = self.log_in(client, &**access, server).await?;
        tokens.insert(server.0.to_owned(), token.clone());
        Ok(token)
    }

    async fn log_in(
        &self,
        client: &HttpClient,
        access: &dyn VaultAccess,
        (address, url): (&str, &Url),
    ) -> Result<Secret<String>, VaultError> {
        #[derive(Deserialize)]
        struct Auth {
            client_token: Option<String>,
        }
        #[derive(Deserialize)]
        struct Answer {
            auth: Option<Auth>,
        }
        let instances = self.instances.get_or_try_init(|| access.instances()).await.map_err(VaultError::Instances)?;
        let path = instances.login_path(address).ok_or_else(|| VaultError::NoLoginPath(address.to_owned()))?;
        let jwt = access.service_account_token(address).await.map_err(VaultError::ServiceAccount)?;
        let role = role(jwt.expose()).ok_or(VaultError::Subject)?;
        let body = json!({"role": role, "jwt": jwt.expose()}).to_string();
        let request = self.headed(Request::post(at(url, path)?, body))?;
        let (address, path) = (address.to_owned(), path.to_owned());
        match ask::<Answer>(client, &request, refusal, &[&jwt]).await {
            Err(source) => Err(VaultError::Login { address, path, role, source: Box::new(source) }),
            Ok(Answer { auth }) => match auth.and_then(|auth| auth.client_token).filter(|token| !token.is_empty()) {
                Some(token) => Ok(Secret::new(token)),
                None => Err(VaultError::LoginEmpty { address, path, role }),
            },
        }
    }

    fn headed(&self, request: Request) -> Result<Request, VaultError> {
        let request = request
            .header(header::CONTENT_TYPE, "application/json")?
            .header(HeaderName::from_static("x-vault-request"), "true")?;
        match &self.namespace {
            Some(namespace) => Ok(request.header(HeaderName::from_static("x-vault-namespace"), namespace)?),
            None => Ok(request),
        }
    }
}

/// Text that zeroes itself.
#[derive(Deserialize)]
#[serde(from = "String")]
struct Secret0(zeroize::Zeroizing<String>);

impl From<String> for Secret0 {
    fn from(text: String) -> Self {
        Self(zeroize::Zeroizing::new(text))
    }
}

/// `<namespace>_<name>` of the `ServiceAccount` that a token is of.
fn role(jwt: &str) -> Option<String> {
    let subject = jwt_subject(jwt)?;
    let (namespace, name) = subject.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    (!namespace.is_empty() && !name.is_empty()).then(|| format!("{namespace}_{name}"))
}

/// `None` for every server.
fn allowed(list: &str) -> Option<Vec<String>> {
    match list {
        "all" => None,
        "none" => Some(Vec::new()),
        list => Some(list.split(',').map(|entry| with_slash(entry.trim_matches(' '))).collect()),
    }
}

/// With the slash, the entry for `https://vault.example` does not allow `https://vault.example.evil`.
fn with_slash(address: &str) -> String {
    if address.ends_with('/') { address.to_owned() } else { format!("{address}/") }
}

fn address(text: &str) -> Result<Url, VaultError> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    let url = url.filter(|url| url.query().is_none() && url.fragment().is_none());
    url.ok_or_else(|| VaultError::Address(sluice_http_client::mask_url_text(text)))
}

/// A path below `/v1/`. Names with `..` could leave it, and have the token spent on something else.
fn at(address: &Url, path: &str) -> Result<Url, VaultError> {
    let refused = || VaultError::Path(path.chars().take(256).collect());
    let mut url = address.clone();
    {
        let mut segments = url.path_segments_mut().map_err(|()| refused())?;
        segments.pop_if_empty().push("v1");
        for part in path.split('/').filter(|part| !part.is_empty()) {
            if matches!(part, "." | "..") || part.contains(['?', '#', '%', '\\']) {
                return Err(refused());
            }
            segments.push(part);
        }
    }
    Ok(url)
}

/// What Vault says is wrong.
fn refusal(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Refusal {
        errors: Vec<String>,
    }
    let Refusal { errors } = serde_json::from_slice(body).ok()?;
    (!errors.is_empty()).then(|| errors.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_found_by_their_exact_address() {
        let config = "instances:\n- address: https://vault.example:8200\n  loginPath: ns/auth/kubernetes/login\n- address: https://other\n";
        let instances = VaultInstances::parse(config).unwrap();
        assert_eq!(instances.login_path("https://vault.example:8200"), Some("ns/auth/kubernetes/login"));
        for address in ["https://vault.example:8200/", "https://vault.example", "https://other", ""] {
            assert_eq!(instances.login_path(address), None, "{address}");
        }
        assert_eq!(VaultInstances::parse(""), Ok(VaultInstances::default()));
        assert_eq!(VaultInstances::parse("instances: 1"), Err(VaultInstancesError::Unreadable));
    }

    #[test]
    fn only_allowed_servers_are_asked() {
        for (list, address, fine) in [
            (None, "https://any", true),
            (Some("all"), "https://any", true),
            (Some("none"), "https://any", false),
            (Some("https://vault.example, https://b:1/x"), "https://vault.example", true),
            (Some("https://vault.example"), "https://vault.example.evil", false),
            (Some("https://vault.example"), "https://vault.example@evil", false),
            (Some("https://a,https://b:1/x"), "https://b:1/x/", true),
        ] {
            let environment: Environment = list.iter().map(|list| ("SOPS_HC_VAULT_ALLOWLIST", *list)).collect();
            let login = VaultLogin::new(None, None, &environment);
            assert_eq!(login.check(address).is_ok(), fine, "{list:?} {address}");
        }
    }

    #[test]
    fn a_path_stays_below_the_api() {
        let base = address("https://vault.example:8200").unwrap();
        assert_eq!(
            at(&base, "a/transit/decrypt/key").unwrap().as_str(),
            "https://vault.example:8200/v1/a/transit/decrypt/key"
        );
        for bad in ["../sys", "a/../../b", "a?b", "a/%2e%2e/b", "a\\..\\b"] {
            assert!(at(&base, bad).is_err(), "{bad}");
        }
        for bad in ["", "vault", "ftp://vault", "https://vault/?x", "file:///etc"] {
            assert!(address(bad).is_err(), "{bad}");
        }
    }
}
