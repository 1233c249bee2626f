//! A real Kubernetes control plane per test: etcd, kube-apiserver with RBAC and, where asked for, kube-controller-manager.
//!
//! Every instance has its own temporary directory and its own loopback ports, is ready in a few seconds and ends with the process that
//! started it. Deliberately no nodes: pods are accepted and never run, so a test that needs a ready Deployment writes its status.

mod binaries;
mod certificates;
mod crds;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use base64::Engine as _;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::{Api, ObjectMeta, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use serde_json::json;

use self::binaries::Binaries;
use self::certificates::{Authority, Identity, write_private, write_signing_key};
use crate::supervise::{Program, Supervised};
use crate::wait::{free_ports, wait_until};

/// The API server's names in log files and messages.
const APISERVER: &str = "kube-apiserver";

/// The controllers to run, by the names that old and new releases both accept.
const CONTROLLERS: &str = "namespace,garbagecollector,serviceaccount,serviceaccount-token,root-ca-cert-publisher,\
    clusterrole-aggregation,deployment,replicaset,statefulset,daemonset,job,cronjob,endpoint";

/// Starting takes about three seconds alone; two cores shared with a compiler take their time.
const START_DEADLINE: Duration = Duration::from_secs(90);

/// Another process may take a port between finding and binding it.
const START_ATTEMPTS: u32 = 3;

/// What the control plane consists of.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whether kube-controller-manager runs: namespace deletion, garbage collection, service accounts, Deployments.
    pub controller_manager: bool,
    /// Where to make the directory with data and logs; the system's temporary directory by default.
    pub parent_dir: Option<PathBuf>,
}

/// A running control plane. Dropping it stops it and removes its directory.
pub struct ControlPlane {
    servers: Supervised,
    url: String,
    authority: String,
    config: kube::Config,
    client: kube::Client,
}

impl ControlPlane {
    /// Starts etcd and kube-apiserver, and returns once the server is ready.
    ///
    /// # Errors
    /// If the programs can neither be found nor built, or the server does not get ready; the message ends with its log.
    pub async fn start() -> anyhow::Result<Self> {
        Self::start_with(&Options::default()).await
    }

    /// Like [`ControlPlane::start`], with kube-controller-manager if the options say so.
    ///
    /// # Errors
    /// As for [`ControlPlane::start`].
    pub async fn start_with(options: &Options) -> anyhow::Result<Self> {
        // Fails only if a provider is installed already, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let binaries = binaries::find_or_build(options.controller_manager)?;
        let mut attempt = 1;
        loop {
            match Self::try_start(&binaries, options).await {
                Err(error) if attempt < START_ATTEMPTS && format!("{error:#}").contains("address already in use") => {
                    attempt += 1;
                }
                result => return result,
            }
        }
    }

    async fn try_start(binaries: &Binaries, options: &Options) -> anyhow::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("sluice-control-plane-");
        let dir = match &options.parent_dir {
            Some(parent) => builder.tempdir_in(parent),
            None => builder.tempdir(),
        }
        .context("create the control plane's directory")?;
        let layout = Layout::new(dir.path(), free_ports()?);
        let authority = Authority::new().context("create the certificate authority")?;
        let admin = authority.client("sluice-admin", Some("system:masters"))?;
        let kubeconfig = layout.kubeconfig(&authority.certificate(), &admin);
        layout.write_files(&authority, &kubeconfig)?;

        let mut programs = vec![layout.etcd(&binaries.etcd), layout.apiserver(&binaries.apiserver, options)];
        if let Some(manager) = binaries.controller_manager.as_ref().filter(|_| options.controller_manager) {
            programs.push(layout.controller_manager(manager)?);
        }
        let kubeconfig: Kubeconfig = serde_json::from_value(kubeconfig).context("read back the kubeconfig")?;
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
        let client = kube::Client::try_from(config.clone())?;
        let servers = Supervised::spawn(dir, &programs, &[])?;
        let started = Self { servers, url: layout.url, authority: authority.certificate(), config, client };
        started.wait_ready(options).await?;
        Ok(started)
    }

    /// Ready means: every start hook has run, and the objects that every cluster has are there.
    async fn wait_ready(&self, options: &Options) -> anyhow::Result<()> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.client.clone(), "default");
        let namespaces: Api<Namespace> = Api::all(self.client.clone());
        let ready = wait_until(START_DEADLINE, "the control plane to be ready", async || {
            if self.servers.ended().is_some() {
                return Ok(Some(()));
            }
            self.client.request_text(http::Request::get("/readyz").body(Vec::new())?).await?;
            namespaces.get("default").await?;
            if options.controller_manager {
                accounts.get("default").await?;
            }
            Ok(Some(()))
        });
        let error = match (ready.await, self.servers.ended()) {
            (Ok(()), None) => return Ok(()),
            (Err(error), None) => error,
            (_, Some(ended)) => {
                let log = self.servers.log_tail(&ended.name);
                anyhow::bail!("{} ended with code {}; its log ends with:\n{log}", ended.name, ended.code)
            }
        };
        Err(error.context(format!("kube-apiserver's log ends with:\n{}", self.servers.log_tail(APISERVER))))
    }

    /// A client with all rights. It belongs to the async runtime that first uses it: one per test, not one in a static.
    pub fn client(&self) -> kube::Client {
        self.client.clone()
    }

    /// The configuration behind [`ControlPlane::client`], to build clients with other settings.
    pub fn config(&self) -> kube::Config {
        self.config.clone()
    }

    /// The API server's `https://127.0.0.1:port`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate authority of the API server, PEM.
    pub fn certificate_authority(&self) -> &str {
        &self.authority
    }

    /// A kubeconfig with all rights, in this control plane's directory.
    pub fn kubeconfig_path(&self) -> PathBuf {
        self.servers.dir().join("kubeconfig")
    }

    /// The end of the API server's log, for a message about a failure.
    pub fn log_tail(&self) -> String {
        self.servers.log_tail(APISERVER)
    }

    /// Which of the servers has ended, if one has: nothing works any more then.
    pub fn ended(&self) -> Option<String> {
        self.servers.ended().map(|ended| format!("{} ended with code {}", ended.name, ended.code))
    }

    /// Creates a namespace.
    ///
    /// # Errors
    /// If the API server refuses it, for instance because it exists.
    pub async fn create_namespace(&self, name: &str) -> anyhow::Result<()> {
        let namespace = Namespace {
            metadata: ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            ..Namespace::default()
        };
        let api: Api<Namespace> = Api::all(self.client());
        api.create(&PostParams::default(), &namespace).await.with_context(|| format!("create namespace {name}"))?;
        Ok(())
    }

    /// Creates the custom resource definitions of `config/crd` and waits until the API server serves them.
    ///
    /// # Errors
    /// If there are none, one is refused, or one is not served within the deadline.
    pub async fn install_crds(&self) -> anyhow::Result<()> {
        self.install_crds_from(&crate::workspace::root().join("config/crd")).await
    }

    /// Like [`ControlPlane::install_crds`], from the `.yaml` files of another directory, one definition per file.
    ///
    /// # Errors
    /// As for [`ControlPlane::install_crds`].
    pub async fn install_crds_from(&self, dir: &Path) -> anyhow::Result<()> {
        crds::install(&self.client, dir).await
    }
}

impl std::fmt::Debug for ControlPlane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The client has no such representation, and the configuration holds a private key.
        f.debug_struct("ControlPlane").field("servers", &self.servers).field("url", &self.url).finish_non_exhaustive()
    }
}

/// Paths and ports of one control plane, and the command lines that follow from them.
struct Layout {
    dir: PathBuf,
    etcd_port: u16,
    peer_port: u16,
    api_port: u16,
    manager_port: u16,
    url: String,
}

impl Layout {
    fn new(dir: &Path, [etcd_port, peer_port, api_port, manager_port]: [u16; 4]) -> Self {
        let url = format!("https://127.0.0.1:{api_port}");
        Self { dir: dir.to_owned(), etcd_port, peer_port, api_port, manager_port, url }
    }

    fn write_files(&self, authority: &Authority, admin: &serde_json::Value) -> anyhow::Result<()> {
        write_private(&self.dir.join("ca.crt"), &authority.certificate())?;
        authority.server()?.write(&self.dir, "apiserver")?;
        write_signing_key(&self.dir)?;
        write_private(&self.dir.join("kubeconfig"), &admin.to_string())?;
        let manager = authority.client("system:kube-controller-manager", None)?;
        let manager = self.kubeconfig(&authority.certificate(), &manager);
        write_private(&self.dir.join("controller-manager.kubeconfig"), &manager.to_string())
    }

    /// A kubeconfig with everything embedded (JSON is YAML), so that a copy of the file works too.
    fn kubeconfig(&self, authority: &str, identity: &Identity) -> serde_json::Value {
        let encode = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "sluice",
            "contexts": [{"name": "sluice", "context": {"cluster": "sluice", "user": "sluice"}}],
            "clusters": [{"name": "sluice", "cluster": {
                "server": self.url,
                "certificate-authority-data": encode(authority),
            }}],
            "users": [{"name": "sluice", "user": {
                "client-certificate-data": encode(&identity.certificate),
                "client-key-data": encode(&identity.key),
            }}],
        })
    }

    fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    fn etcd(&self, path: &Path) -> Program {
        let client = format!("http://127.0.0.1:{}", self.etcd_port);
        let peer = format!("http://127.0.0.1:{}", self.peer_port);
        let args = vec![
            format!("--data-dir={}", self.path("etcd")),
            format!("--listen-client-urls={client}"),
            format!("--advertise-client-urls={client}"),
            format!("--listen-peer-urls={peer}"),
            format!("--initial-advertise-peer-urls={peer}"),
            format!("--initial-cluster=default={peer}"),
            // Nobody needs this data after a power cut.
            "--unsafe-no-fsync".to_owned(),
        ];
        program("etcd", path, args, None)
    }

    fn apiserver(&self, path: &Path, options: &Options) -> Program {
        let mut args = vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.etcd_port),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.api_port),
            format!("--cert-dir={}", self.path("certs")),
            format!("--tls-cert-file={}", self.path("apiserver.crt")),
            format!("--tls-private-key-file={}", self.path("apiserver.key")),
            format!("--client-ca-file={}", self.path("ca.crt")),
            "--authorization-mode=RBAC".to_owned(),
            "--anonymous-auth=false".to_owned(),
            "--allow-privileged=true".to_owned(),
            "--service-cluster-ip-range=10.0.0.0/24".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={}", self.path("service-account.pub")),
            format!("--service-account-signing-key-file={}", self.path("service-account.key")),
        ];
        if !options.controller_manager {
            // It would refuse every pod, for want of the service account that the controller manager makes.
            args.push("--disable-admission-plugins=ServiceAccount".to_owned());
        }
        program(APISERVER, path, args, Some(self.etcd_port))
    }

    fn controller_manager(&self, path: &Path) -> anyhow::Result<Program> {
        let kubeconfig = self.path("controller-manager.kubeconfig");
        let mut args = vec![
            format!("--kubeconfig={kubeconfig}"),
            format!("--authentication-kubeconfig={kubeconfig}"),
            format!("--authorization-kubeconfig={kubeconfig}"),
            "--authentication-skip-lookup=true".to_owned(),
            "--bind-address=127.0.0.1".to_owned(),
            format!("--secure-port={}", self.manager_port),
            format!("--cert-dir={}", self.path("certs")),
            format!("--root-ca-file={}", self.path("ca.crt")),
            format!("--service-account-private-key-file={}", self.path("service-account.key")),
            "--use-service-account-credentials=true".to_owned(),
            "--leader-elect=false".to_owned(),
            // Its start is bound by its own rate limit, and by controllers for nodes and volumes that are not there.
            "--kube-api-qps=500".to_owned(),
            "--kube-api-burst=1000".to_owned(),
            format!("--controllers={CONTROLLERS}"),
        ];
        if has_insecure_port(path)? {
            args.push("--port=0".to_owned());
        }
        Ok(program("kube-controller-manager", path, args, Some(self.api_port)))
    }
}

fn program(name: &str, path: &Path, args: Vec<String>, after_port: Option<u16>) -> Program {
    let args = args.into_iter().map(OsString::from).collect();
    Program { name: name.to_owned(), path: path.to_owned(), args, after_port }
}

/// Old releases also listen on a fixed plain port, on which two instances would clash, unless told otherwise; new ones have no such flag.
fn has_insecure_port(path: &Path) -> anyhow::Result<bool> {
    #[expect(clippy::disallowed_methods, reason = "the test kit runs real servers")]
    let output = std::process::Command::new(path).arg("--help").output();
    let output = output.with_context(|| format!("run {}", path.display()))?;
    Ok(String::from_utf8_lossy(&output.stdout).lines().any(|line| line.trim_start().starts_with("--port int")))
}

#[cfg(test)]
mod tests;
