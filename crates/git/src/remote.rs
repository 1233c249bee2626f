//! One remote repository over HTTP(S): its first answer, its references, its packs.
//!
//! Limits hold for every operation: the time of [`RemoteConfig::timeout`], the sizes of [`Limits`]. Dropping a future ends its transfer.
//! Deliberately no retries: the reconciler comes back.

use std::future::Future;
use std::time::Duration;

use sluice_http_client::{
    Body, ClientConfig, ConfigError, HttpClient, HttpError, Proxy, Redirects, Request, Response, StatusCode,
    TrustRoots, Url, header,
};
use tokio::sync::OnceCell;

use crate::advertisement::{Advertisement, encode_ls_refs, parse_advertisement, parse_ls_refs};
use crate::fetch::{PackReader, Plan};
use crate::pkt_line::{Decoder, Packet};
use crate::resolve::resolve;
use crate::{Auth, ObjectId, ProtocolError, Reference, RemoteRef, ResolveError, Resolved, Tls};

/// Some hosts tell Git clients from browsers by the `git/` at the beginning.
const USER_AGENT: &str = concat!("git/2.0 (sluice/", env!("CARGO_PKG_VERSION"), ")");

/// The same for the protocol's own `agent` capability, which allows no blanks.
const AGENT: &str = concat!("sluice/", env!("CARGO_PKG_VERSION"));

/// Redirects followed from the repository's URL to where it is now. Git itself allows 20; a moved repository needs one or two.
const MAX_REDIRECTS: usize = 5;

/// A connection that is not made after this time is not going to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);

const SERVICE: &str = "info/refs?service=git-upload-pack";

/// Everything that is known of a remote.
#[derive(Clone, Debug)]
pub struct RemoteConfig {
    /// The repository, `http` or `https`. Userinfo is ignored here: [`crate::auth_from_secret`] makes `auth` of it.
    pub url: Url,
    /// Authentication of every request. Sent at once, without waiting to be asked, and to no other host.
    pub auth: Auth,
    /// Certificates.
    pub tls: Tls,
    /// The way there.
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
}

impl Default for Limits {
    /// 500,000 references in 64 MiB (128 bytes each; the largest public repositories have about 300,000), a pack of 2 GiB and
    /// 4 million objects (the largest trees have about 500,000 entries).
    fn default() -> Self {
        Self { refs: 500_000, ref_bytes: 64 << 20, pack_bytes: 2 << 30, pack_objects: 4_000_000 }
    }
}

/// Why a remote did not give what it was asked for. No variant holds a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The URL's scheme is not http or https.
    #[error("unsupported URL scheme '{0}'")]
    Scheme(String),
    /// No client could be made of certificates and proxy.
    #[error("failed to configure the connection")]
    Config(#[source] ConfigError),
    /// 401, and no credentials were sent.
    #[error("authentication required")]
    AuthenticationRequired,
    /// 401 despite credentials.
    #[error("authentication failed: the server rejected the credentials")]
    AuthenticationRejected,
    /// 403.
    #[error("authorization failed: access to the repository is denied")]
    AccessDenied,
    /// 404 or 410.
    #[error("repository not found")]
    RepositoryNotFound,
    /// Another status than 200.
    #[error("unexpected status {0}")]
    Status(StatusCode),
    /// A redirect to another host, from https to http, of a POST, or one too many.
    #[error("redirect refused: {0}")]
    Redirect(&'static str),
    /// The answer is of something else than a Git server, or of one older than 2010.
    #[error("the server does not speak the smart Git protocol")]
    NotGit,
    /// The time is over.
    #[error("timed out after {}s", .0.as_secs_f64())]
    Timeout(Duration),
    /// The remote has no reference at all.
    #[error("git repository is empty")]
    EmptyRepository,
    /// The commit is not there, or not to be had.
    #[error("unable to resolve commit object for '{0}': object not found")]
    CommitNotFound(ObjectId),
    /// The reference is not there.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The answer is not what the protocol allows.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The request failed on the way: unknown host, refused connection, unknown certificate.
    #[error(transparent)]
    Http(#[from] HttpError),
}

/// A remote and, once asked, what it said of itself. Make one for each reconcile: nothing of it is kept longer.
#[derive(Debug)]
pub struct Remote {
    config: RemoteConfig,
    client: HttpClient,
    session: OnceCell<Session>,
}

#[derive(Debug)]
struct Session {
    /// The repository's URL after redirects, without a slash at its end.
    base: Url,
    advertisement: Advertisement,
}

impl Remote {
    /// Prepares a remote; nothing is sent.
    ///
    /// # Errors
    /// [`RemoteError::Scheme`], [`RemoteError::Config`].
    pub fn new(mut config: RemoteConfig) -> Result<Self, RemoteError> {
        if !matches!(config.url.scheme(), "http" | "https") {
            return Err(RemoteError::Scheme(config.url.scheme().to_owned()));
        }
        // A URL with http(s) always has a host, so these cannot fail. Without them the HTTP library would make a header of its own.
        let _ = config.url.set_username("");
        let _ = config.url.set_password(None);
        config.url.set_query(None);
        config.url.set_fragment(None);
        let client = HttpClient::new(&ClientConfig {
            roots: config.tls.ca.clone().map_or(TrustRoots::System, TrustRoots::SystemAnd),
            identity: config.tls.identity.clone(),
            proxy: config.proxy.clone(),
            connect_timeout: Some(CONNECT_TIMEOUT),
            request_timeout: None,
            user_agent: USER_AGENT.to_owned(),
            // Followed here, by `connect`: the client would not send credentials on from http to https.
            redirects: Redirects::Never,
        })
        .map_err(RemoteError::Config)?;
        Ok(Self { config, client, session: OnceCell::new() })
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
        let limits = self.config.limits;
        let session = self.session().await?;
        let mut refs = match &session.advertisement {
            Advertisement::V0(_, refs) => refs.clone(),
            Advertisement::V2(_) => {
                let body = self.post(session, encode_ls_refs(prefixes, AGENT)).await?.into_body(limits.ref_bytes)?;
                parse_ls_refs(&Packets::new(body).all().await?, limits.refs)?
            }
        };
        refs.retain(|remote| prefixes.is_empty() || prefixes.iter().any(|prefix| remote.name.starts_with(prefix)));
        Ok(refs)
    }

    /// Starts the transfer of a pack with the objects wanted.
    pub(crate) async fn open_pack(
        &self,
        wants: Vec<ObjectId>,
        have: Option<ObjectId>,
    ) -> Result<PackStream, RemoteError> {
        let session = self.session().await?;
        let missing = wants.first().copied().unwrap_or(ObjectId::ZERO);
        let plan = Plan::new(&session.advertisement, wants, have).ok_or(RemoteError::CommitNotFound(missing))?;
        let body = plan.encode(&session.advertisement, AGENT)?;
        let answer = self.post(session, body).await?.into_body(self.config.limits.pack_bytes)?;
        let reader = PackReader::new(&plan, &session.advertisement, self.config.limits.pack_objects);
        Ok(PackStream { packets: Packets::new(answer), reader, wanted: missing })
    }

    async fn session(&self) -> Result<&Session, RemoteError> {
        self.session.get_or_try_init(|| self.connect()).await
    }

    /// Asks for the first answer, following redirects by hand: each hop must stay with the host that the user named, and gets the
    /// credentials only then.
    async fn connect(&self) -> Result<Session, RemoteError> {
        let mut base = self.config.url.clone();
        base.set_path(self.config.url.path().trim_end_matches('/'));
        for _ in 0..=MAX_REDIRECTS {
            let request = self.authenticate(Request::get(below(&base, SERVICE)?))?;
            let request = request.header(header::HeaderName::from_static("git-protocol"), "version=2")?;
            let response = self.client.send(&request).await?;
            if response.status().is_redirection() {
                base = Self::redirected(&base, &response)?;
                continue;
            }
            let response = self.check(response, "application/x-git-upload-pack-advertisement")?;
            let body = response.into_body(self.config.limits.ref_bytes)?;
            let packets = Packets::new(body).all().await?;
            let advertisement = parse_advertisement(&packets, self.config.limits.refs)?;
            return Ok(Session { base, advertisement });
        }
        Err(RemoteError::Redirect("too many redirects"))
    }

    /// Where the repository is now, by the answer from `base`.
    fn redirected(base: &Url, response: &Response) -> Result<Url, RemoteError> {
        let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
        let location = location.and_then(|text| below(base, SERVICE).ok()?.join(text).ok());
        let mut target = location.ok_or(RemoteError::Redirect("no usable location"))?;
        if !sluice_http_client::redirect_stays(base, &target) {
            return Err(RemoteError::Redirect("it leads to another host"));
        }
        let path = target.path().strip_suffix("/info/refs").map(str::to_owned);
        target.set_path(&path.ok_or(RemoteError::Redirect("it does not lead to a repository"))?);
        target.set_query(None);
        target.set_fragment(None);
        let _ = target.set_username("");
        let _ = target.set_password(None);
        Ok(target)
    }

    async fn post(&self, session: &Session, body: bytes::Bytes) -> Result<Response, RemoteError> {
        let request = self.authenticate(Request::post(below(&session.base, "git-upload-pack")?, body))?;
        let mut request = request
            .header(header::CONTENT_TYPE, "application/x-git-upload-pack-request")?
            .header(header::ACCEPT, "application/x-git-upload-pack-result")?;
        if matches!(session.advertisement, Advertisement::V2(_)) {
            request = request.header(header::HeaderName::from_static("git-protocol"), "version=2")?;
        }
        let response = self.client.send(&request).await?;
        if response.status().is_redirection() {
            return Err(RemoteError::Redirect("a request with a body is not repeated elsewhere"));
        }
        self.check(response, "application/x-git-upload-pack-result")
    }

    fn authenticate(&self, request: Request) -> Result<Request, RemoteError> {
        match &self.config.auth {
            Auth::None => Ok(request),
            Auth::Basic { username, password } => Ok(request.basic_auth(username, password)?),
            Auth::Bearer(token) => Ok(request.bearer_auth(token)?),
        }
    }

    fn check(&self, response: Response, content_type: &str) -> Result<Response, RemoteError> {
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED if self.config.auth == Auth::None => {
                return Err(RemoteError::AuthenticationRequired);
            }
            StatusCode::UNAUTHORIZED => return Err(RemoteError::AuthenticationRejected),
            StatusCode::FORBIDDEN => return Err(RemoteError::AccessDenied),
            StatusCode::NOT_FOUND | StatusCode::GONE => return Err(RemoteError::RepositoryNotFound),
            other => return Err(RemoteError::Status(other)),
        }
        // A login page is a 200 as well.
        let found = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let found = found.and_then(|value| value.split(';').next()).unwrap_or_default().trim();
        if found.eq_ignore_ascii_case(content_type) { Ok(response) } else { Err(RemoteError::NotGit) }
    }
}

/// `rest` below the repository's URL.
fn below(base: &Url, rest: &str) -> Result<Url, RemoteError> {
    let text = format!("{}/{rest}", base.as_str().trim_end_matches('/'));
    Url::parse(&text).map_err(|_| RemoteError::Redirect("no usable location"))
}

/// The packets of a response.
#[derive(Debug)]
struct Packets {
    body: Body,
    decoder: Decoder,
}

impl Packets {
    fn new(body: Body) -> Self {
        Self { body, decoder: Decoder::default() }
    }

    async fn next(&mut self) -> Result<Option<Packet>, RemoteError> {
        loop {
            if let Some(packet) = self.decoder.next()? {
                return Ok(Some(packet));
            }
            match self.body.chunk().await? {
                Some(chunk) => self.decoder.push(&chunk),
                None if self.decoder.is_empty() => return Ok(None),
                None => return Err(ProtocolError::Truncated.into()),
            }
        }
    }

    async fn all(&mut self) -> Result<Vec<Packet>, RemoteError> {
        let mut packets = Vec::new();
        while let Some(packet) = self.next().await? {
            packets.push(packet);
        }
        Ok(packets)
    }
}

/// A pack under way.
#[derive(Debug)]
pub(crate) struct PackStream {
    packets: Packets,
    reader: PackReader,
    wanted: ObjectId,
}

impl PackStream {
    /// The next piece of the pack; `None` when it is whole.
    pub(crate) async fn next(&mut self) -> Result<Option<bytes::Bytes>, RemoteError> {
        loop {
            let packet = match self.packets.next().await {
                Ok(Some(packet)) => packet,
                Ok(None) if self.reader.is_complete() => return Ok(None),
                Ok(None) => return Err(ProtocolError::Truncated.into()),
                Err(error) => return Err(self.explain(error)),
            };
            match self.reader.take(packet) {
                Ok(Some(piece)) => return Ok(Some(piece)),
                Ok(None) => {}
                Err(error) => return Err(self.explain(error.into())),
            }
        }
    }

    /// Bytes received so far, framing included.
    pub(crate) fn received(&self) -> u64 {
        self.packets.body.received()
    }

    /// Servers say `upload-pack: not our ref …` of a commit that they do not have or do not give.
    fn explain(&self, error: RemoteError) -> RemoteError {
        match error {
            RemoteError::Protocol(ProtocolError::Remote(text)) if text.contains("not our ref") => {
                RemoteError::CommitNotFound(self.wanted)
            }
            other => other,
        }
    }
}
