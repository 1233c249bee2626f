//! Smart HTTP: a GET for the first answer, a POST for each request. Redirects are followed here, not by the HTTP library.
//!
//! Deliberately no dumb HTTP: its servers cannot leave out what we have.

use bytes::Bytes;
use sluice_http_client::{Body, HttpClient, Request, Response, StatusCode, Url, header};
use tokio::sync::OnceCell;

use super::{Packets, Source, Version};
use crate::Auth;
use crate::error::RemoteError;
use crate::pkt_line::Packet;

/// Redirects followed from the repository's URL to where it is now. Git itself allows 20; a moved repository needs one or two.
const MAX_REDIRECTS: usize = 5;

const SERVICE: &str = "info/refs?service=git-upload-pack";

/// One repository on an HTTP server.
#[derive(Debug)]
pub(crate) struct Http {
    client: HttpClient,
    url: Url,
    auth: Auth,
    /// The repository's URL after redirects, without a slash at its end.
    base: OnceCell<Url>,
}

impl Http {
    /// `url` is without userinfo, query and fragment.
    pub(crate) fn new(client: HttpClient, url: Url, auth: Auth) -> Self {
        Self { client, url, auth, base: OnceCell::new() }
    }

    /// The repository's URL; `None` when the repository has turned out to be elsewhere.
    pub(super) fn url(&self) -> Option<&Url> {
        let path = self.url.path().trim_end_matches('/');
        self.base.get().is_none_or(|base| base.path() == path).then_some(&self.url)
    }

    /// Asks for the first answer, following redirects by hand: each hop must stay with the host that the user named, and gets the
    /// credentials only then.
    pub(super) async fn open(&self, max_bytes: u64) -> Result<Vec<Packet>, RemoteError> {
        let mut base = self.url.clone();
        base.set_path(self.url.path().trim_end_matches('/'));
        for _ in 0..=MAX_REDIRECTS {
            let request = self.authenticate(Request::get(below(&base, SERVICE)?))?;
            let request = request.header(header::HeaderName::from_static("git-protocol"), "version=2")?;
            let response = self.client.send(&request).await?;
            if response.status().is_redirection() {
                base = redirected(&base, &response)?;
                continue;
            }
            let response = self.check(response, "application/x-git-upload-pack-advertisement")?;
            let packets = Packets::new(Source::Http(response.into_body(max_bytes)?)).list().await?;
            let _ = self.base.set(base);
            return Ok(packets);
        }
        Err(RemoteError::Redirect("too many redirects"))
    }

    pub(super) async fn post(&self, version: Version, body: Bytes, max_bytes: u64) -> Result<Body, RemoteError> {
        let base = self.base.get().unwrap_or(&self.url);
        let request = self.authenticate(Request::post(below(base, "git-upload-pack")?, body))?;
        let mut request = request
            .header(header::CONTENT_TYPE, "application/x-git-upload-pack-request")?
            .header(header::ACCEPT, "application/x-git-upload-pack-result")?;
        if version == Version::V2 {
            request = request.header(header::HeaderName::from_static("git-protocol"), "version=2")?;
        }
        let response = self.client.send(&request).await?;
        if response.status().is_redirection() {
            return Err(RemoteError::Redirect("a request with a body is not repeated elsewhere"));
        }
        Ok(self.check(response, "application/x-git-upload-pack-result")?.into_body(max_bytes)?)
    }

    fn authenticate(&self, request: Request) -> Result<Request, RemoteError> {
        match &self.auth {
            // A key is for SSH; `Remote` does not let it come here.
            Auth::None | Auth::Ssh(_) => Ok(request),
            Auth::Basic { username, password } => Ok(request.basic_auth(username, password)?),
            Auth::Bearer(token) => Ok(request.bearer_auth(token)?),
        }
    }

    fn check(&self, response: Response, content_type: &str) -> Result<Response, RemoteError> {
        match response.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED if self.auth == Auth::None => return Err(RemoteError::AuthenticationRequired),
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

/// `rest` below the repository's URL.
fn below(base: &Url, rest: &str) -> Result<Url, RemoteError> {
    let text = format!("{}/{rest}", base.as_str().trim_end_matches('/'));
    Url::parse(&text).map_err(|_| RemoteError::Redirect("no usable location"))
}
