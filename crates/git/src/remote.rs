//! One remote repository: its first answer, its references, its packs, whichever way it is reached.
//!
//! Limits hold for every operation: the time of [`RemoteConfig::timeout`], the sizes of [`Limits`]. Dropping a future ends its transfer.
//! Deliberately no retries: the reconciler comes back.

use std::future::Future;
use std::time::Duration;

use sluice_http_client::{Proxy, TrustRoots, Url};
use tokio::sync::OnceCell;

use crate::advertisement::{Advertisement, encode_ls_refs, parse_advertisement, parse_ls_refs};
use crate::error::RemoteError;
use crate::fetch::{PackReader, Plan};
use crate::pack_stream::PackStream;
use crate::pool::{ClientPool, PooledClient};
use crate::resolve::resolve;
use crate::submodule::may_have_credentials;
use crate::transport::{Http, Ssh, Transport, Version};
use crate::{Auth, ObjectId, Reference, RemoteRef, Resolved, Tls};

/// The protocol's `agent` capability, which allows no blanks.
const AGENT: &str = concat!("sluice/", env!("CARGO_PKG_VERSION"));

/// Everything that is known of a remote.
#[derive(Clone, Debug)]
pub struct RemoteConfig {
    /// The repository: `http`, `https` or `ssh`. Userinfo is ignored here: [`crate::auth_from_secret`] makes `auth` of it.
    pub url: Url,
    /// Authentication of every request. Sent at once, without waiting to be asked, and to no other host. [`Auth::Ssh`] with `ssh`, any
    /// other with the rest.
    pub auth: Auth,
    /// Certificates; with `ssh` those of an `https` proxy alone.
    pub tls: Tls,
    /// The way there. With `ssh` the environment names none.
    pub proxy: Proxy,
    /// The time for each public operation as a whole.
    pub timeout: Duration,
    /// The sizes accepted.
    pub limits: Limits,
}

/// What a remote may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// References in one list.
    pub refs: usize,
    /// Bytes of one list of references.
    pub ref_bytes: u64,
    /// Bytes of one pack, as transferred.
    pub pack_bytes: u64,
    /// Objects of one pack.
    pub pack_objects: u32,
    /// Bytes of one object when it is whole. A few objects of this size are in memory at a time while a pack is indexed.
    pub object_bytes: u64,
}

impl Default for Limits {
    /// 500,000 references in 64 MiB (128 bytes each; the largest public repositories have about 300,000), a pack of 2 GiB and
    /// 4 million objects (the largest trees have about 500,000 entries) of 256 MiB each (the large hosts take files of 100 MB).
    fn default() -> Self {
        Self {
            refs: 500_000,
            ref_bytes: 64 << 20,
            pack_bytes: 2 << 30,
            pack_objects: 4_000_000,
            object_bytes: 256 << 20,
        }
    }
}

/// A remote and, once asked, what it said of itself. Make one for each reconcile: the pool keeps connections, and which repositories
/// speak version 2, nothing else.
#[derive(Debug)]
pub struct Remote {
    config: RemoteConfig,
    pool: ClientPool,
    transport: Transport,
    advertisement: OnceCell<Advertisement>,
    /// Keeps the connections of the pool alive as long as they may be used.
    _client: Option<PooledClient>,
}

impl Remote {
    /// Prepares a remote with connections of its own; nothing is sent.
    ///
    /// # Errors
    /// [`RemoteError::Scheme`], [`RemoteError::AuthScheme`], [`RemoteError::Url`], [`RemoteError::Config`].
    pub fn new(config: RemoteConfig) -> Result<Self, RemoteError> {
        Self::with_pool(config, &ClientPool::default())
    }

    /// Prepares a remote that shares HTTP connections with the pool's other remotes; nothing is sent.
    ///
    /// # Errors
    /// As [`Remote::new`].
    pub fn with_pool(config: RemoteConfig, pool: &ClientPool) -> Result<Self, RemoteError> {
        let RemoteConfig { mut url, auth, tls, proxy, timeout: _, limits: _ } = config.clone();
        let (transport, client) = match (url.scheme(), auth) {
            ("ssh", Auth::Ssh(auth)) => {
                let roots = tls.ca.map_or(TrustRoots::System, TrustRoots::SystemAnd);
                (Transport::Ssh(Box::new(Ssh::new(&url, *auth, proxy, roots)?)), None)
            }
            ("http" | "https", auth @ (Auth::None | Auth::Basic { .. } | Auth::Bearer(_))) => {
                // A URL with http(s) always has a host, so these cannot fail. Without them the HTTP library would make a header of its own.
                let _ = url.set_username("");
                let _ = url.set_password(None);
                url.set_query(None);
                url.set_fragment(None);
                let client = pool.client(&tls, &proxy).map_err(RemoteError::Config)?;
                (Transport::Http(Box::new(Http::new(client.client().clone(), url, auth))), Some(client))
            }
            ("http" | "https" | "ssh", _) => return Err(RemoteError::AuthScheme(url.scheme().to_owned())),
            (other, _) => return Err(RemoteError::Scheme(other.to_owned())),
        };
        Ok(Self { config, pool: pool.clone(), transport, advertisement: OnceCell::new(), _client: client })
    }

    /// The remote of a submodule. A host that the user did not name gets no credentials: whoever may push to the repository could have
    /// them sent anywhere. With a key nothing is given away, and the host must be in `known_hosts`.
    pub(crate) fn of_submodule(&self, url: Url) -> Result<Self, RemoteError> {
        let mut config = RemoteConfig { url, ..self.config.clone() };
        let same_host = may_have_credentials(&self.config.url, &config.url);
        match (&mut config.auth, config.url.scheme()) {
            (Auth::Ssh(auth), "ssh") => {
                if !config.url.username().is_empty() {
                    auth.user = crate::auth::unescape(config.url.username());
                }
            }
            _ if same_host => {}
            (auth, _) => {
                *auth = Auth::None;
                config.tls.identity = None;
            }
        }
        Self::with_pool(config, &self.pool)
    }

    pub(crate) fn url(&self) -> &Url {
        &self.config.url
    }

    /// The references whose names begin with one of `prefixes`; without prefixes, all. An old server sends all in any case; they are
    /// filtered here.
    ///
    /// # Errors
    /// See [`RemoteError`]. An empty repository is an empty list, not an error.
    pub async fn list_refs(&self, prefixes: &[String]) -> Result<Vec<RemoteRef>, RemoteError> {
        self.within(self.list_refs_untimed(prefixes)).await
    }

    /// Lists what it must and finds the reference. A commit is taken as given: whether it exists is found out by fetching it.
    ///
    /// # Errors
    /// [`RemoteError::EmptyRepository`], [`RemoteError::Resolve`], and those of [`Remote::list_refs`].
    pub async fn resolve(&self, reference: &Reference) -> Result<Resolved, RemoteError> {
        self.within(async {
            let prefixes = reference.prefixes();
            let refs = if prefixes.is_empty() { Vec::new() } else { self.list_refs_untimed(&prefixes).await? };
            match resolve(reference, &refs) {
                Ok(resolved) => Ok(resolved),
                // Only a failure is worth the question whether there is anything at all.
                Err(_) if refs.is_empty() && self.is_empty().await? => Err(RemoteError::EmptyRepository),
                Err(error) => Err(error.into()),
            }
        })
        .await
    }

    async fn is_empty(&self) -> Result<bool, RemoteError> {
        // HEAD alone answers for nearly every repository that is not empty.
        Ok(self.list_refs_untimed(&["HEAD".to_owned()]).await?.is_empty()
            && self.list_refs_untimed(&[]).await?.is_empty())
    }

    /// Runs an operation under the remote's timeout.
    pub(crate) async fn within<T, E>(&self, operation: impl Future<Output = Result<T, E>>) -> Result<T, E>
    where
        E: From<RemoteError>,
    {
        let timeout = self.config.timeout;
        let outcome = tokio::time::timeout(timeout, operation).await;
        outcome.unwrap_or_else(|_| Err(RemoteError::Timeout(timeout).into()))
    }

    async fn list_refs_untimed(&self, prefixes: &[String]) -> Result<Vec<RemoteRef>, RemoteError> {
        let mut refs = match self.list_refs_at_once(prefixes).await {
            Some(refs) => refs,
            None => match self.advertisement().await? {
                Advertisement::V0(_, refs) => refs.clone(),
                Advertisement::V2(_) => self.list_refs_v2(prefixes).await?,
            },
        };
        refs.retain(|remote| prefixes.is_empty() || prefixes.iter().any(|prefix| remote.name.starts_with(prefix)));
        Ok(refs)
    }

    /// One request in place of two: a repository that spoke version 2 the last time is asked for its references without asking for the
    /// version first. `None` when that is not known, or no longer so; whatever is wrong then shows on the usual way.
    async fn list_refs_at_once(&self, prefixes: &[String]) -> Option<Vec<RemoteRef>> {
        let url = self.transport.http_url().filter(|url| self.pool.speaks_v2(url))?;
        if self.advertisement.initialized() {
            return None;
        }
        let refs = self.list_refs_v2(prefixes).await.ok().filter(|refs| !refs.is_empty());
        if refs.is_none() {
            self.pool.forget_v2(url);
        }
        refs
    }

    async fn list_refs_v2(&self, prefixes: &[String]) -> Result<Vec<RemoteRef>, RemoteError> {
        let request = encode_ls_refs(prefixes, AGENT);
        let answer = self.transport.request(Version::V2, request, self.config.limits.ref_bytes).await?;
        Ok(parse_ls_refs(&answer.list().await?, self.config.limits.refs)?)
    }

    /// Starts the transfer of a pack with the objects wanted.
    pub(crate) async fn open_pack(
        &self,
        wants: Vec<ObjectId>,
        have: Option<ObjectId>,
    ) -> Result<PackStream, RemoteError> {
        let missing = wants.first().copied().unwrap_or(ObjectId::ZERO);
        let advertisement = self.advertisement().await?;
        let plan = Plan::new(advertisement, wants, have).ok_or(RemoteError::CommitNotFound(missing))?;
        self.start(&plan, missing).await
    }

    /// Starts the transfer of everything that the remote's branches lead to: the way to a commit that the remote does not give by its
    /// name.
    pub(crate) async fn open_history(&self, wanted: ObjectId) -> Result<PackStream, RemoteError> {
        let branches = self.list_refs_untimed(&["refs/heads/".to_owned()]).await?;
        let plan = Plan::history(&branches).ok_or(RemoteError::CommitNotFound(wanted))?;
        self.start(&plan, wanted).await
    }

    async fn start(&self, plan: &Plan, wanted: ObjectId) -> Result<PackStream, RemoteError> {
        let advertisement = self.advertisement().await?;
        let version = match advertisement {
            Advertisement::V2(_) => Version::V2,
            Advertisement::V0(..) => Version::V0,
        };
        let body = plan.encode(advertisement, AGENT)?;
        let answer = self.transport.request(version, body, self.config.limits.pack_bytes).await?;
        let limits = self.config.limits;
        let reader = PackReader::new(plan, advertisement, limits.pack_objects);
        Ok(PackStream::new(answer, reader, wanted, limits.object_bytes))
    }

    async fn advertisement(&self) -> Result<&Advertisement, RemoteError> {
        let ask = async || {
            let packets = self.transport.open(self.config.limits.ref_bytes).await?;
            let advertisement = parse_advertisement(&packets, self.config.limits.refs)?;
            if let (Advertisement::V2(_), Some(url)) = (&advertisement, self.transport.http_url()) {
                self.pool.remember_v2(url);
            }
            Ok(advertisement)
        };
        self.advertisement.get_or_try_init(ask).await
    }
}

#[cfg(test)]
mod tests {
    use sluice_testkit::git::{GitServer, GitServerOptions, Protocol};

    use super::*;

    #[tokio::test]
    async fn a_repository_that_no_longer_speaks_version_2_is_listed_all_the_same() {
        let server =
            GitServer::start(GitServerOptions { protocol: Protocol::V0Only, ..GitServerOptions::default() }).unwrap();
        let url = server.create_repo("app").unwrap();
        let copy = server.working_copy("app").unwrap();
        copy.commit("first").unwrap();
        copy.push().unwrap();
        let config = RemoteConfig {
            url: url.clone(),
            auth: Auth::None,
            tls: Tls::default(),
            proxy: Proxy::Direct,
            timeout: Duration::from_secs(30),
            limits: Limits::default(),
        };
        let pool = ClientPool::default();
        pool.remember_v2(&url);
        for _ in 0..2 {
            let refs = Remote::with_pool(config.clone(), &pool).unwrap().list_refs(&[]).await.unwrap();
            assert_eq!(refs.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["HEAD", "refs/heads/main"]);
            assert!(!pool.speaks_v2(&url));
        }
        let methods: Vec<String> = server.take_requests().into_iter().map(|request| request.method).collect();
        assert_eq!(methods, ["POST", "GET", "GET"]);
    }
}
