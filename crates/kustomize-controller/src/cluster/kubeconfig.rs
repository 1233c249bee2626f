//! A kubeconfig from a Secret, as far as it is trusted. Pure.
//!
//! Kept: server, server name, certificate authority, client certificate and key as data, token, user name and password, proxy. Left out:
//! paths of files, which would be the controller's own; auth providers; impersonation; and insecure TLS unless a flag allows it. An exec
//! plugin is refused by name: leaving it out would only make the cluster say "unauthorized".
//!
//! Deliberately read by our own reader into our own types: what is not named here cannot be honoured by accident, and no error quotes a value.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::HeaderValue;
use kube::Config;
use kube::config::AuthInfo;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde::Deserialize;
use serde_json::json;
use sluice_cloud_identity::Environment;
use sluice_http_client::{Url, mask_url_text};
use sluice_yaml::{Limits, read_config};

use super::error::{AddressProblem, KubeconfigError};
use super::proxy;

/// The largest kubeconfig. A Secret has no more either.
pub(super) const MAX_BYTES: usize = 1 << 20;
/// A kubeconfig is six levels deep; a hundred clusters with their users have some two thousand nodes.
const LIMITS: Limits = Limits { bytes: MAX_BYTES, depth: 32, nodes: 50_000 };
/// How much of a name or address an error shows, in characters.
const MAX_SHOWN: usize = 256;

/// Whether a kubeconfig may switch off the check of the server's certificate: `--insecure-kubeconfig-tls`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsPolicy {
    /// It may not: what it says of that is left out.
    AlwaysVerify,
    /// It may.
    MayBeInsecure,
}

#[derive(Deserialize)]
struct File {
    #[serde(rename = "current-context")]
    current_context: Option<String>,
    contexts: Option<Vec<NamedContext>>,
    clusters: Option<Vec<NamedCluster>>,
    users: Option<Vec<NamedUser>>,
}

#[derive(Deserialize)]
struct NamedContext {
    name: Option<String>,
    context: Option<Context>,
}

#[derive(Deserialize)]
struct Context {
    cluster: Option<String>,
    user: Option<String>,
}

#[derive(Deserialize)]
struct NamedCluster {
    name: Option<String>,
    cluster: Option<Cluster>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: Option<String>,
    tls_server_name: Option<String>,
    certificate_authority_data: Option<String>,
    insecure_skip_tls_verify: Option<bool>,
    proxy_url: Option<String>,
    disable_compression: Option<bool>,
}

#[derive(Deserialize)]
struct NamedUser {
    name: Option<String>,
    user: Option<User>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "kebab-case")]
struct User {
    token: Option<String>,
    username: Option<String>,
    password: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
    /// Whatever it is, it is refused.
    exec: Option<serde_json::Value>,
}

/// Reads the current context of a kubeconfig. `environment` names the proxy if the kubeconfig names none.
///
/// # Errors
/// See [`KubeconfigError`].
pub(super) fn read(text: &[u8], tls: TlsPolicy, environment: &Environment) -> Result<Config, KubeconfigError> {
    let file = parse(text)?;
    let (cluster_name, cluster, user_name, user) = current(file)?;
    let server = server(cluster.server.as_deref(), &cluster_name)?;
    let mut config = Config::new(server);
    if let Some(data) = given(cluster.certificate_authority_data.as_deref()) {
        const FIELD: &str = "certificate-authority-data";
        config.root_cert = Some(certificates(&decode(FIELD, data)?).ok_or(KubeconfigError::NoCertificate(FIELD))?);
    }
    config.accept_invalid_certs =
        tls == TlsPolicy::MayBeInsecure && cluster.insecure_skip_tls_verify.unwrap_or_default();
    config.tls_server_name = cluster.tls_server_name.filter(|name| !name.is_empty());
    config.disable_compression = cluster.disable_compression.unwrap_or_default();
    config.proxy_url = match given(cluster.proxy_url.as_deref()) {
        Some(url) => Some(proxy_url(url)?),
        None => proxy::of_environment(environment, &config.cluster_url),
    };
    config.auth_info = login(&user_name, user)?;
    Ok(config)
}

/// The DER of the certificates of a PEM text; `None` if there is none, or one of them is broken.
pub(super) fn certificates(pem: &[u8]) -> Option<Vec<Vec<u8>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found: Vec<Vec<u8>> = found.ok()?.into_iter().map(|certificate| certificate.to_vec()).collect();
    (!found.is_empty()).then_some(found)
}

fn parse(text: &[u8]) -> Result<File, KubeconfigError> {
    if text.len() > MAX_BYTES {
        return Err(KubeconfigError::TooLarge { limit: MAX_BYTES });
    }
    // The reader's words may quote the text, so only the line is shown.
    let root = read_config(text, &LIMITS).map_err(|error| KubeconfigError::Yaml { line: error.line() })?;
    let root = root.filter(|root| !root.is_null()).ok_or(KubeconfigError::Empty)?;
    let json = root.to_json().map_err(|_| KubeconfigError::Yaml { line: None })?;
    serde_path_to_error::deserialize(json).map_err(|error| KubeconfigError::Field(shown(&error.path().to_string())))
}

/// The cluster and the user of the current context, with their names.
fn current(file: File) -> Result<(String, Cluster, String, User), KubeconfigError> {
    let missing = |what, name: &str| KubeconfigError::Missing { what, name: shown(name) };
    let name = file.current_context.filter(|name| !name.is_empty()).ok_or(KubeconfigError::NoContext)?;
    let is = |found: &Option<String>, name: &str| found.as_deref() == Some(name);
    let context = file.contexts.into_iter().flatten().find(|context| is(&context.name, &name));
    let context = context.and_then(|context| context.context).ok_or_else(|| missing("context", &name))?;
    let cluster_name = context.cluster.unwrap_or_default();
    let cluster = file.clusters.into_iter().flatten().find(|cluster| is(&cluster.name, &cluster_name));
    let cluster = cluster.and_then(|cluster| cluster.cluster).ok_or_else(|| missing("cluster", &cluster_name))?;
    let user_name = context.user.unwrap_or_default();
    let user = file.users.into_iter().flatten().find(|user| is(&user.name, &user_name));
    // Nobody in particular is somebody too: the cluster decides what that one may do.
    let user = match user {
        Some(user) => user.user.unwrap_or_default(),
        None if user_name.is_empty() => User::default(),
        None => return Err(missing("user", &user_name)),
    };
    Ok((cluster_name, cluster, user_name, user))
}

fn server(server: Option<&str>, cluster: &str) -> Result<http::Uri, KubeconfigError> {
    const SCHEMES: &str = "https, http";
    let text = given(server).ok_or_else(|| KubeconfigError::NoServer(shown(cluster)))?;
    let text = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let failed = |problem| address("server", &text, problem);
    let url = Url::parse(&text).map_err(|_| failed(AddressProblem::NotUrl))?;
    if !matches!(url.scheme(), "https" | "http") {
        return Err(failed(AddressProblem::Scheme(SCHEMES)));
    }
    let has_parts =
        !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some();
    if has_parts {
        return Err(failed(AddressProblem::Parts));
    }
    url.as_str().parse().map_err(|_| failed(AddressProblem::NotUrl))
}

fn proxy_url(text: &str) -> Result<http::Uri, KubeconfigError> {
    let failed = |problem| address("proxy-url", text, problem);
    let url = Url::parse(text).map_err(|_| failed(AddressProblem::NotUrl))?;
    if !matches!(url.scheme(), "http" | "https" | "socks5") {
        return Err(failed(AddressProblem::Scheme("http, https, socks5")));
    }
    url.as_str().parse().map_err(|_| failed(AddressProblem::NotUrl))
}

fn address(field: &'static str, address: &str, problem: AddressProblem) -> KubeconfigError {
    KubeconfigError::Address { field, address: shown(&mask_url_text(address)), problem }
}

/// The credentials that are data, and nothing else.
fn login(name: &str, user: User) -> Result<AuthInfo, KubeconfigError> {
    let User { token, username, password, client_certificate_data, client_key_data, exec } = user;
    if exec.is_some_and(|exec| !exec.is_null()) {
        return Err(KubeconfigError::Exec(shown(name)));
    }
    let some = |value: Option<String>| value.filter(|value| !value.is_empty());
    let (token, username, password) = (some(token), some(username), some(password));
    if token.is_some() && (username.is_some() || password.is_some()) {
        return Err(KubeconfigError::TwoLogins(shown(name)));
    }
    if [&token, &username, &password].into_iter().flatten().any(|value| HeaderValue::from_str(value).is_err()) {
        return Err(KubeconfigError::Unsendable(shown(name)));
    }
    let certificate = client_certificate_data.filter(|data| !data.is_empty());
    let key = client_key_data.filter(|data| !data.is_empty());
    let mut login = json!({});
    match (certificate, key) {
        (Some(certificate), Some(key)) => {
            const FIELD: &str = "client-certificate-data";
            let certificate = decode(FIELD, &certificate)?;
            certificates(&certificate).ok_or(KubeconfigError::NoCertificate(FIELD))?;
            login["client-certificate-data"] = STANDARD.encode(certificate).into();
            login["client-key-data"] = STANDARD.encode(decode("client-key-data", &key)?).into();
        }
        (None, None) => {}
        _ => return Err(KubeconfigError::HalfCertificate(shown(name))),
    }
    if let Some(token) = token {
        login["token"] = token.into();
    } else if username.is_some() || password.is_some() {
        login["username"] = username.unwrap_or_default().into();
        login["password"] = password.unwrap_or_default().into();
    }
    serde_json::from_value(login).map_err(|_| KubeconfigError::Field("users".to_owned()))
}

/// Base64, over as many lines as it likes.
fn decode(field: &'static str, text: &str) -> Result<Vec<u8>, KubeconfigError> {
    let text: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    STANDARD.decode(text).map_err(|_| KubeconfigError::Base64(field))
}

fn given(text: Option<&str>) -> Option<&str> {
    text.filter(|text| !text.is_empty())
}

/// A name, on one line and not too long: it is the tenant's, and the error goes where others read it.
fn shown(name: &str) -> String {
    name.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_SHOWN).collect()
}

#[cfg(test)]
mod tests;
