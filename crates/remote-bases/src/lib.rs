//! What a kustomization names on other hosts: [`NetworkSource`] fetches files and Git repositories over HTTP(S), with our own client and Git
//! library.
//!
//! Everything is bounded: bytes, entries, time. Deliberately no credentials (neither from URLs nor from the machine), no SSH, no
//! submodules (their directories are absent), no cache between two builds, and no work tree: a repository's tree is read into memory.

use std::sync::atomic::{AtomicBool, Ordering};

use sluice_git::{
    Auth, EntryKind, FetchError, Limits, Mirror, Reference, ReferenceError, ReferenceSpec, Remote, RemoteConfig,
    RemoteError, StoreError, Tls, Visit, WalkError, WalkLimits,
};
use sluice_http_client::{ClientConfig, ConfigError, HttpClient, HttpError, Proxy, Request, Url};
use sluice_kustomize::{DEFAULT_TIMEOUT, FileTree, LinkTree, RelPath, RemoteSource, RepoSpec};
use thiserror::Error;

/// Bytes of one file; kustomizations and manifests are far smaller.
const MAX_FILE_BYTES: usize = 64 << 20;

/// Bytes of one pack as transferred, and again of all files of a tree, which are in memory together.
const MAX_TREE_BYTES: u64 = 256 << 20;

/// Bounds of a tree.
const WALK: WalkLimits = WalkLimits { entries: 200_000, depth: 64, bytes: MAX_TREE_BYTES };

/// Why something could not be fetched.
#[derive(Debug, Error)]
pub enum RemoteSourceError {
    /// The text is no URL.
    #[error("'{text}' is not a URL")]
    Url {
        /// The text.
        text: String,
    },
    /// The URL has a user name or password.
    #[error("credentials in a URL are not supported")]
    Credentials,
    /// Repositories are not to be fetched.
    #[error("remote bases are disabled (--no-remote-bases)")]
    Refused,
    /// The runtime or a temporary directory cannot be had.
    #[error("preparing to fetch")]
    Prepare(#[source] std::io::Error),
    /// No client can be made.
    #[error("configuring the connection")]
    Client(#[from] ConfigError),
    /// Another status than success.
    #[error("HTTP Error: status code {code} ({reason})")]
    Status {
        /// The code.
        code: u16,
        /// Its standard text.
        reason: &'static str,
    },
    /// The transfer failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The reference is no name that Git could have.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The remote did not answer as it should.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The commit could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The commit could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The tree could not be read.
    #[error(transparent)]
    Walk(#[from] WalkError),
}

/// Which remote things are fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Scope {
    /// Files and repositories.
    #[default]
    Everything,
    /// Files only: what is left of remote bases under kustomize-controller's `--no-remote-bases`.
    FilesOnly,
}

/// Fetches over the network. It blocks, so it must not be used on a thread that drives an async runtime.
#[derive(Debug, Default)]
pub struct NetworkSource {
    scope: Scope,
    used: AtomicBool,
}

impl NetworkSource {
    /// A source that fetches what `scope` permits.
    pub fn new(scope: Scope) -> Self {
        Self { scope, used: AtomicBool::new(false) }
    }

    /// Whether anything was asked for: a build that did so may give something else next time, although its own files are the same.
    pub fn was_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }
}

impl RemoteSource for NetworkSource {
    fn file(&self, url: &str, max_bytes: usize) -> Result<Vec<u8>, sluice_kustomize::Cause> {
        self.used.store(true, Ordering::Relaxed);
        Ok(block_on(fetch_file(url, max_bytes.min(MAX_FILE_BYTES)))?)
    }

    fn repository(&self, spec: &RepoSpec) -> Result<Box<dyn FileTree>, sluice_kustomize::Cause> {
        self.used.store(true, Ordering::Relaxed);
        if self.scope == Scope::FilesOnly {
            return Err(RemoteSourceError::Refused.into());
        }
        Ok(Box::new(block_on(fetch_tree(spec))?))
    }
}

fn block_on<T>(task: impl Future<Output = Result<T, RemoteSourceError>>) -> Result<T, RemoteSourceError> {
    sluice_http_client::install_crypto_provider();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(RemoteSourceError::Prepare)?;
    runtime.block_on(task)
}

fn parse(text: &str) -> Result<Url, RemoteSourceError> {
    // The text is not repeated with a password that it may have.
    let url = Url::parse(text)
        .map_err(|_| RemoteSourceError::Url { text: text.split('@').next_back().unwrap_or_default().to_owned() })?;
    if url.username().is_empty() && url.password().is_none() { Ok(url) } else { Err(RemoteSourceError::Credentials) }
}

async fn fetch_file(url: &str, max_bytes: usize) -> Result<Vec<u8>, RemoteSourceError> {
    let config = ClientConfig { request_timeout: Some(DEFAULT_TIMEOUT), ..ClientConfig::default() };
    let response = HttpClient::new(&config)?.send(&Request::get(parse(url)?)).await?;
    let status = response.status();
    if !status.is_success() {
        let (code, reason) = (status.as_u16(), status.canonical_reason().unwrap_or_default());
        return Err(RemoteSourceError::Status { code, reason });
    }
    let max_bytes = u64::try_from(max_bytes).unwrap_or(u64::MAX);
    Ok(response.into_body(max_bytes)?.bytes().await?.to_vec())
}

async fn fetch_tree(spec: &RepoSpec) -> Result<LinkTree, RemoteSourceError> {
    let remote = Remote::new(RemoteConfig {
        url: parse(&spec.url)?,
        auth: Auth::None,
        tls: Tls::default(),
        proxy: Proxy::Environment,
        timeout: spec.timeout,
        limits: Limits { pack_bytes: MAX_TREE_BYTES, ..Limits::default() },
    })?;
    let reference = reference(&remote, &spec.reference).await?;
    let resolved = remote.resolve(&reference).await?;
    let dir = tempfile::tempdir().map_err(RemoteSourceError::Prepare)?;
    let mirror = Mirror::new(dir.path().join("mirror"), MAX_TREE_BYTES);
    let fetched = mirror.fetch(&remote, &resolved).await?;
    let tree = mirror.tree(fetched.commit.id).await?;
    let mut files = LinkTree::new();
    tree.walk(WALK, &mut |entry| {
        // No manifest can name a path that is not UTF-8.
        let Some(path) = entry.path().to_str().and_then(|path| RelPath::new(path).ok()) else {
            return Ok(Visit::Skip);
        };
        match entry.kind() {
            EntryKind::File | EntryKind::Executable => files.insert(path, entry.with_content(<[u8]>::to_vec)?),
            EntryKind::Symlink => {
                if let Ok(target) = entry.with_content(|target| String::from_utf8(target.to_vec()))? {
                    files.link(path, target);
                }
            }
            EntryKind::Directory | EntryKind::Submodule => {}
        }
        Ok(Visit::Continue)
    })?;
    Ok(files)
}

/// What `git fetch` would take a name for: the default branch for none, a commit for a full hash, then a full name, a tag, a branch.
async fn reference(remote: &Remote, name: &str) -> Result<Reference, RemoteSourceError> {
    let spec = ReferenceSpec::default();
    if name.is_empty() {
        return Ok(Reference::from_spec(&ReferenceSpec { name: Some("HEAD"), ..spec })?);
    }
    if name.len() == 40 && name.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(Reference::from_spec(&ReferenceSpec { commit: Some(name), ..spec })?);
    }
    // Checks the name before any of it is sent.
    Reference::from_spec(&ReferenceSpec { branch: Some(name), ..spec })?;
    let candidates =
        [name.to_owned(), format!("refs/{name}"), format!("refs/tags/{name}"), format!("refs/heads/{name}")];
    let refs = remote.list_refs(&candidates).await?;
    let found = candidates.iter().find(|candidate| refs.iter().any(|known| known.name == **candidate));
    // None of them: the branch is the one that the message names.
    let full = found.unwrap_or(&candidates[3]);
    Ok(Reference::from_spec(&ReferenceSpec { name: Some(full), ..spec })?)
}
