//! An OCI registry: Debian's `docker-registry` on loopback, behind a front that terminates TLS, records requests, hands out tokens and
//! breaks answers where a test asks for it.
//!
//! Deliberately no registry logic of its own: what is stored and answered is the real registry's. Nothing here checks signatures, and a
//! connection carries one request. The front has a thread and a runtime of its own, so that tests may block.

mod front;
mod push;
mod token;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use crate::git::ServerTls;
use crate::supervise::{Program, Supervised};
use crate::wait::free_ports;
use front::Shared;
pub use front::{Fault, FaultKind, RegistryRequest};
pub use push::{Image, Layer, media_type};
use token::TokenServer;

/// The user whom [`RegistryAuth::Basic`] and [`RegistryAuth::Token`] know.
pub const USERNAME: &str = "reader";

/// That user's password. The colon and the percent sign are there to be encoded wrongly.
pub const PASSWORD: &str = "p4ss:w%rd";

/// What that user may show to the token server in place of a password, as an identity token.
pub const IDENTITY_TOKEN: &str = "identity-0f1e2d3c";

/// Repositories below this may be pulled from without credentials under [`RegistryAuth::Token`].
pub const PUBLIC_PREFIX: &str = "public/";

/// `USERNAME` and bcrypt of `PASSWORD`, made by Apache's htpasswd at the lowest useful cost.
const HTPASSWD: &str = "reader:$2y$05$nMTC6flKM19DIfY/9z9H9.P.OhGDMGKmMA3pobku6XwuIeloYocZa\n";

/// How long the server may take to listen.
const START_DEADLINE: Duration = Duration::from_secs(20);

/// Whom the registry lets in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RegistryAuth {
    /// Everybody.
    #[default]
    None,
    /// [`USERNAME`] with [`PASSWORD`], by basic authentication.
    Basic,
    /// Who has a token; the token server knows [`USERNAME`] with [`PASSWORD`] or [`IDENTITY_TOKEN`].
    Token,
}

/// How a [`Registry`] answers.
#[derive(Clone, Debug)]
pub struct RegistryOptions {
    /// Whom it lets in.
    pub auth: RegistryAuth,
    /// Serve HTTPS under a certificate of a CA made for this server.
    pub tls: bool,
    /// With TLS: let nobody in who has not [`Registry::client_certificate`].
    pub client_certificates: bool,
    /// How long the tokens of [`RegistryAuth::Token`] are said to be, and are, good for.
    pub token_lifetime: Duration,
}

impl Default for RegistryOptions {
    fn default() -> Self {
        Self {
            auth: RegistryAuth::None,
            tls: false,
            client_certificates: false,
            token_lifetime: Duration::from_secs(300),
        }
    }
}

/// A running registry; it stops, and its content goes, when dropped.
pub struct Registry {
    shared: Arc<Shared>,
    options: RegistryOptions,
    address: std::net::SocketAddr,
    ca_pem: Option<String>,
    client: Option<(String, String)>,
    runtime: Option<tokio::runtime::Runtime>,
    server: Supervised,
}

impl Registry {
    /// Starts an empty registry on free loopback ports.
    ///
    /// # Errors
    /// When `docker-registry` is not installed or does not start.
    pub fn start(options: RegistryOptions) -> anyhow::Result<Self> {
        let program = crate::tools::program("docker-registry")?;
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).context("open the registry's port")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let tls = options.tls.then(|| ServerTls::generate(options.client_certificates)).transpose()?;
        let scheme = if options.tls { "https" } else { "http" };
        let realm = Url::parse(&format!("{scheme}://{address}{}", token::PATH))?;
        let token = TokenServer::new(realm, options.token_lifetime)?;

        let dir = tempfile::tempdir()?;
        let [port] = free_ports::<1>()?;
        let config = dir.path().join("config.yml");
        std::fs::write(dir.path().join("htpasswd"), HTPASSWD)?;
        std::fs::write(dir.path().join("token.pem"), token.certificate_pem())?;
        std::fs::write(&config, server_config(&options, dir.path(), port, &token))?;
        let args = vec!["serve".into(), config.into()];
        let server = Program { name: "docker-registry".into(), path: program, args, after_port: None };
        let server = Supervised::spawn(dir, &[server], &[("OTEL_TRACES_EXPORTER".into(), "none".into())])?;
        let upstream = std::net::SocketAddr::from(([127, 0, 0, 1], port));
        server.await_listening("docker-registry", upstream, START_DEADLINE)?;

        let (ca_pem, client) = tls.as_ref().map(|tls| (tls.ca_pem.clone(), tls.client.clone())).unzip();
        let shared = Arc::new(Shared::new(upstream, token, options.auth == RegistryAuth::Token));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.spawn(front::serve(listener, tls.map(|tls| tls.acceptor), Arc::clone(&shared)));
        Ok(Self { shared, options, address, ca_pem, client, runtime: Some(runtime), server })
    }

    /// `127.0.0.1:port`, as it stands in references.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// `oci://127.0.0.1:port/<repository>`.
    pub fn oci_url(&self, repository: &str) -> String {
        format!("oci://{}/{repository}", self.address)
    }

    /// The CA to trust, PEM, with TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Certificate and key, PEM, of a client that is let in, with TLS.
    pub fn client_certificate(&self) -> Option<(&str, &str)> {
        self.client.as_ref().map(|(certificate, key)| (certificate.as_str(), key.as_str()))
    }

    /// A docker config with [`USERNAME`] and [`PASSWORD`] for this registry, as pull secrets hold it.
    pub fn docker_config(&self) -> String {
        let auth = STANDARD.encode(format!("{USERNAME}:{PASSWORD}"));
        let auths = BTreeMap::from([(self.host(), serde_json::json!({"auth": auth}))]);
        serde_json::json!({"auths": auths}).to_string()
    }

    /// Every request so far, in the order of arrival; those of [`Registry::push_blob`] and its siblings do not pass here.
    pub fn requests(&self) -> Vec<RegistryRequest> {
        self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the requests so far and forgets them.
    pub fn take_requests(&self) -> Vec<RegistryRequest> {
        std::mem::take(&mut self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Breaks answers to come. Of several faults that fit a request, the one injected first counts.
    pub fn inject(&self, fault: Fault) {
        self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner).push(fault);
    }

    /// Takes all faults back.
    pub fn heal(&self) {
        self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// How many clients hung up on an answer that stalled.
    pub fn abandoned(&self) -> usize {
        self.shared.abandoned.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// The end of the server's log, for error messages.
    pub fn log_tail(&self) -> String {
        self.server.log_tail("docker-registry")
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn server_config(options: &RegistryOptions, dir: &std::path::Path, port: u16, token: &TokenServer) -> String {
    let dir = dir.display();
    let auth = match options.auth {
        RegistryAuth::None => String::new(),
        RegistryAuth::Basic => format!("auth:\n  htpasswd:\n    realm: test registry\n    path: {dir}/htpasswd\n"),
        RegistryAuth::Token => format!(
            "auth:\n  token:\n    realm: {}\n    service: {}\n    issuer: {}\n    rootcertbundle: {dir}/token.pem\n",
            token.realm(),
            token::SERVICE,
            token::ISSUER
        ),
    };
    format!(
        "version: 0.1\nlog:\n  level: warn\n  accesslog:\n    disabled: true\nstorage:\n  filesystem:\n    rootdirectory: \
         {dir}/content\n  delete:\n    enabled: true\nhttp:\n  addr: 127.0.0.1:{port}\n  relativeurls: true\n{auth}"
    )
}

#[cfg(test)]
mod tests;
