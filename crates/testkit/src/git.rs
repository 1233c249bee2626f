//! A Git server over HTTP and the working copies that fill it: git's own `http-backend` behind a loopback port.
//!
//! Deliberately no Git logic of its own: what the server answers is what git answers. The server has a thread and a runtime of its own,
//! so that tests may block.

mod cgi;
mod tls;
mod working_copy;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use tempfile::TempDir;
use tokio::sync::oneshot;
use url::Url;

pub(crate) use tls::{CountingListener, ServerTls, TlsListener};
pub use working_copy::WorkingCopy;
pub(crate) use working_copy::git as run_git;

/// How a [`GitServer`] answers.
#[derive(Clone, Debug, Default)]
pub struct GitServerOptions {
    /// User and password of basic authentication; without it everybody may read and push. A password alone (empty user) is asked for
    /// as a bearer token.
    pub auth: Option<(String, String)>,
    /// Serve HTTPS under a certificate of a CA made for this server.
    pub tls: bool,
    /// With TLS: let nobody in who has not [`GitServer::client_certificate`].
    pub client_certificates: bool,
    /// Which protocol versions the server knows.
    pub protocol: Protocol,
}

/// The Git wire protocol versions that a server knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// As current git: version 2 for who asks for it.
    #[default]
    Current,
    /// The client's wish is not heard, as with old servers: version 0 for everybody.
    V0Only,
}

/// One request as the server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestRecord {
    /// `GET` or `POST`.
    pub method: String,
    /// Path with query.
    pub target: String,
    /// Status of the answer.
    pub status: u16,
    /// Bytes of the answer's body.
    pub sent: u64,
}

struct Shared {
    root: PathBuf,
    backend: PathBuf,
    options: GitServerOptions,
    requests: Mutex<Vec<RequestRecord>>,
    redirect: Mutex<Option<(String, String)>>,
    no_answer: AtomicBool,
    refused_wants: Mutex<Vec<String>>,
    stall_after: AtomicUsize,
    abandoned: Arc<AtomicUsize>,
}

/// A running server; it stops when dropped.
pub struct GitServer {
    shared: Arc<Shared>,
    base: Url,
    tls: Option<ServerTls>,
    connections: Arc<AtomicUsize>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
    _root: TempDir,
}

impl GitServer {
    /// Starts a server on a free loopback port, without repositories.
    ///
    /// # Errors
    /// When git is not installed or no port is to be had.
    pub fn start(options: GitServerOptions) -> anyhow::Result<Self> {
        let root = tempfile::tempdir()?;
        let exec_path = working_copy::git(root.path(), &["--exec-path"])?;
        let backend = PathBuf::from(exec_path).join("git-http-backend");
        anyhow::ensure!(backend.is_file(), "{} does not exist", backend.display());
        let tls = options.tls.then(|| ServerTls::generate(options.client_certificates)).transpose()?;
        let acceptor = tls.as_ref().map(|tls| tls.acceptor.clone());
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let scheme = if options.tls { "https" } else { "http" };
        let base = Url::parse(&format!("{scheme}://localhost:{}/", listener.local_addr()?.port()))?;
        let shared = Arc::new(Shared {
            root: root.path().to_owned(),
            backend,
            options,
            requests: Mutex::default(),
            redirect: Mutex::default(),
            no_answer: AtomicBool::new(false),
            refused_wants: Mutex::default(),
            stall_after: AtomicUsize::new(usize::MAX),
            abandoned: Arc::default(),
        });
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let state = Arc::clone(&shared);
        let connections: Arc<AtomicUsize> = Arc::default();
        let counter = Arc::clone(&connections);
        let thread = std::thread::Builder::new().name("git-server".into()).spawn(move || {
            runtime.block_on(cgi::serve(listener, acceptor, state, counter, stopped));
        })?;
        Ok(Self { shared, base, tls, connections, stop: Some(stop), thread: Some(thread), _root: root })
    }

    /// Creates an empty bare repository whose `HEAD` names `main`, and returns its URL (without credentials).
    ///
    /// # Errors
    /// When git fails.
    pub fn create_repo(&self, name: &str) -> anyhow::Result<Url> {
        let path = self.repo_path(name);
        working_copy::git(
            &self.shared.root,
            &["init", "--quiet", "--bare", "--initial-branch=main", path.to_str().context("path is not UTF-8")?],
        )?;
        working_copy::git(&path, &["config", "http.receivepack", "true"])?;
        // What the large hosts allow; version 0 clients cannot ask for a commit by its hash otherwise.
        working_copy::git(&path, &["config", "uploadpack.allowReachableSHA1InWant", "true"])?;
        Ok(self.base.join(&format!("{name}.git"))?)
    }

    /// The bare repository's directory, to push to or to change behind the server's back.
    pub fn repo_path(&self, name: &str) -> PathBuf {
        self.shared.root.join(format!("{name}.git"))
    }

    /// A working copy whose [`WorkingCopy::push`] goes to this repository (through the file system, so that it is not counted).
    ///
    /// # Errors
    /// When git fails.
    pub fn working_copy(&self, name: &str) -> anyhow::Result<WorkingCopy> {
        WorkingCopy::new(&self.repo_path(name))
    }

    /// The server's root URL.
    pub fn base(&self) -> &Url {
        &self.base
    }

    /// The CA to trust, PEM, when the server speaks TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.tls.as_ref().map(|tls| tls.ca_pem.as_str())
    }

    /// Certificate and key that a client needs, PEM, when the server speaks TLS.
    pub fn client_certificate(&self) -> Option<(&str, &str)> {
        self.tls.as_ref().map(|tls| (tls.client.0.as_str(), tls.client.1.as_str()))
    }

    /// How many connections were made so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Answers requests for this object as servers do that give only what their references name; git itself gives everything.
    pub fn refuse_want(&self, id: &str) {
        self.shared.refused_wants.lock().unwrap_or_else(PoisonError::into_inner).push(id.to_owned());
    }

    /// From now on answers stop after this many bytes of their body, and never end.
    pub fn stall_after(&self, bytes: usize) {
        self.shared.stall_after.store(bytes, Ordering::SeqCst);
    }

    /// How many stalled answers the client has given up by closing the connection.
    pub fn abandoned(&self) -> usize {
        self.shared.abandoned.load(Ordering::SeqCst)
    }

    /// The directory of all repositories.
    pub fn root(&self) -> &Path {
        &self.shared.root
    }

    /// Answers requests below the path prefix `from` (`/old.git`) with a redirect to the same place below `to`, a URL or path.
    pub fn redirect(&self, from: &str, to: &str) {
        *self.shared.redirect.lock().unwrap_or_else(PoisonError::into_inner) = Some((from.into(), to.into()));
    }

    /// From now on requests are taken and never answered.
    pub fn stop_answering(&self) {
        self.shared.no_answer.store(true, Ordering::SeqCst);
    }

    /// The requests answered since the start or since the last [`GitServer::take_requests`].
    pub fn take_requests(&self) -> Vec<RequestRecord> {
        std::mem::take(&mut *self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for GitServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
