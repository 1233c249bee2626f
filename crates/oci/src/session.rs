//! One client's conversation with its registry: finding out how it is spoken to, authenticating, redirects, and errors.
//!
//! A credential goes to the registry's own origin and to the token server that it names, never anywhere else: a redirect to another
//! origin is followed without it. Deliberately no knowledge of what is asked for.

mod login;

use bytes::Bytes;
use sluice_http_client::{
    FailureKind, HeaderMap, HttpClient, HttpError, Method, Request, Response, RetryPolicy, StatusCode, Url, header,
};
use tokio::sync::Mutex;

use crate::challenge;
use crate::error::said;
use crate::{Credentials, OciError, Refusal, Repository};
use login::{Auth, Authorization, State};

/// Hops that are followed: registries need one or two.
const MAX_REDIRECTS: usize = 5;

/// The most of an error's body that is looked at.
const MAX_ERROR_BYTES: usize = 16 << 10;

/// A request to the registry, before address and authorization.
pub(crate) struct Ask {
    pub(crate) method: Method,
    pub(crate) place: Place,
    pub(crate) accept: &'static str,
    /// From which byte on.
    pub(crate) from: u64,
}

/// Where a request goes.
pub(crate) enum Place {
    /// Below the repository: a path and an optional query.
    Repository(String),
    /// The next page of a list.
    Page(Url),
}

impl Ask {
    /// `GET /v2/<repository>/<path>`.
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self { method: Method::GET, place: Place::Repository(path.into()), accept: "*/*", from: 0 }
    }

    pub(crate) fn accept(mut self, accept: &'static str) -> Self {
        self.accept = accept;
        self
    }

    fn request(&self, url: Url, authorization: Option<&Authorization>) -> Result<Request, HttpError> {
        let mut request = Request::new(self.method.clone(), url).header(header::ACCEPT, self.accept)?;
        if self.from > 0 {
            request = request.header(header::RANGE, &format!("bytes={}-", self.from))?;
        }
        match authorization {
            None => Ok(request),
            Some(Authorization::Basic(username, password)) => request.basic_auth(username, password),
            Some(Authorization::Bearer(token)) => request.bearer_auth(token),
        }
    }
}

pub(crate) struct Session {
    http: HttpClient,
    repository: Repository,
    /// Tried in this order until one works.
    schemes: &'static [&'static str],
    credentials: Credentials,
    retry: RetryPolicy,
    /// Held while the registry is asked how it is spoken to and while a token is got: others wait instead of asking too.
    state: Mutex<Option<State>>,
}

impl Session {
    pub(crate) fn new(
        http: HttpClient,
        repository: Repository,
        schemes: &'static [&'static str],
        credentials: Credentials,
        retry: RetryPolicy,
    ) -> Self {
        Self { http, repository, schemes, credentials, retry, state: Mutex::new(None) }
    }

    pub(crate) fn repository(&self) -> &Repository {
        &self.repository
    }

    pub(crate) fn attempts(&self) -> u32 {
        self.retry.attempts.max(1)
    }

    /// Sends, with what the registry asks for; a refused authorization is renewed once. Returns a 2xx response.
    pub(crate) async fn send(&self, ask: &Ask) -> Result<Response, OciError> {
        let response = self.send_any(ask).await?;
        if response.status().is_success() {
            Ok(response)
        } else {
            Err(self.refusal(ask.method.as_str(), response).await)
        }
    }

    /// As [`Session::send`], but any status is a response.
    pub(crate) async fn send_any(&self, ask: &Ask) -> Result<Response, OciError> {
        let (base, used) = self.authorization().await?;
        let response = self.follow(ask, &base, used.as_ref()).await?;
        // Another host's 401 is nothing that the registry's credentials could answer.
        if response.status() != StatusCode::UNAUTHORIZED || response.url().origin() != base.origin() {
            return Ok(response);
        }
        match self.renewed(challenge::find(response.headers()), used.as_ref()).await? {
            Some(fresh) => self.follow(ask, &base, Some(&fresh)).await,
            None => Ok(response),
        }
    }

    /// Sends and reads a whole small body. A body that breaks off is asked for again, as often as a request is.
    pub(crate) async fn get_bytes(&self, ask: &Ask, max_bytes: u64) -> Result<(Url, HeaderMap, Bytes), OciError> {
        let mut attempt = 1;
        loop {
            let response = self.send(ask).await?;
            let (url, headers) = (response.url().clone(), response.headers().clone());
            match response.into_body(max_bytes)?.bytes().await {
                Ok(bytes) => return Ok((url, headers, bytes)),
                Err(error) if error.kind() == Some(FailureKind::Interrupted) && attempt < self.attempts() => {
                    attempt += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Follows redirects by hand: the authorization stays behind when the origin changes, and https does not become http.
    async fn follow(&self, ask: &Ask, base: &Url, authorization: Option<&Authorization>) -> Result<Response, OciError> {
        let mut url = match &ask.place {
            Place::Repository(path) => {
                let path = format!("/v2/{}/{path}", self.repository.path());
                base.join(&path).map_err(|_| self.malformed("an address cannot be made"))?
            }
            Place::Page(url) => url.clone(),
        };
        let mut authorization = authorization.filter(|_| url.origin() == base.origin());
        let mut target = String::new();
        for _ in 0..=MAX_REDIRECTS {
            let request = ask.request(url.clone(), authorization)?;
            let response = self.http.send_with_retry(&request, &self.retry).await?;
            if !is_redirect(response.status()) {
                return Ok(response);
            }
            target = request.target();
            url = redirect_target(&url, response.headers())
                .map_err(|reason| OciError::Redirect { target: target.clone(), reason })?;
            authorization = authorization.filter(|_| url.origin() == base.origin());
        }
        Err(OciError::Redirect { target, reason: "too many" })
    }

    /// The error for an answer that is none of the wanted ones.
    pub(crate) async fn refusal(&self, method: &str, response: Response) -> OciError {
        let guard = self.state.lock().await;
        let mut secrets = Vec::new();
        if let Some(state) = guard.as_ref() {
            secrets = state.credential.secrets();
            if let Auth::Bearer { token: Some((token, _)), .. } = &state.auth {
                secrets.push(token.expose().clone());
            }
        }
        // Others go on while the body is read.
        drop(guard);
        refusal(method, response, &secrets).await
    }

    fn malformed(&self, reason: &str) -> OciError {
        OciError::Malformed { what: self.repository.to_string(), reason: reason.to_owned() }
    }
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where a redirect of `from` leads.
fn redirect_target(from: &Url, headers: &HeaderMap) -> Result<Url, &'static str> {
    let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok()).ok_or("no location")?;
    let target = from.join(location).map_err(|_| "not a URL")?;
    match (from.scheme(), target.scheme()) {
        (_, "https") | ("http", "http") => {}
        ("https", "http") => return Err("from https to http"),
        _ => return Err("neither http nor https"),
    }
    // Userinfo would become an authorization of somebody else's making.
    if !target.username().is_empty() || target.password().is_some() {
        return Err("credentials in the address");
    }
    Ok(target)
}

async fn refusal(method: &str, response: Response, secrets: &[String]) -> OciError {
    let status = response.status();
    let target = Request::get(without_query(response.url())).target();
    let mut bytes = Vec::new();
    // What is said is a help only: a body that is too long or breaks off changes nothing about the status.
    if let Ok(mut body) = response.into_body(u64::MAX) {
        while let Ok(Some(chunk)) = body.chunk().await {
            bytes.extend_from_slice(&chunk[..chunk.len().min(MAX_ERROR_BYTES - bytes.len())]);
            if bytes.len() >= MAX_ERROR_BYTES {
                break;
            }
        }
    }
    OciError::refused(Refusal { method: method.to_owned(), target, status, said: said(&bytes, secrets) })
}

fn without_query(url: &Url) -> Url {
    let mut url = url.clone();
    url.set_query(None);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirect_leads_to_http_or_https_and_never_down() {
        for (from, location, expected) in [
            ("https://a/v2/x", "https://cdn/y?sig=1", Ok("https://cdn/y?sig=1")),
            ("https://a/v2/x", "/y", Ok("https://a/y")),
            ("http://a/v2/x", "https://cdn/y", Ok("https://cdn/y")),
            ("http://a/v2/x", "http://cdn/y", Ok("http://cdn/y")),
            ("https://a/v2/x", "http://a/y", Err("from https to http")),
            ("http://a/v2/x", "file:///etc/passwd", Err("neither http nor https")),
            ("https://a/v2/x", "https://u:p@cdn/y", Err("credentials in the address")),
            ("https://a/v2/x", "https://", Err("not a URL")),
        ] {
            let headers = HeaderMap::from_iter([(header::LOCATION, location.parse().unwrap())]);
            let target = redirect_target(&Url::parse(from).unwrap(), &headers);
            assert_eq!(target.as_ref().map(Url::as_str).map_err(|reason| *reason), expected, "{from} {location}");
        }
        let target = redirect_target(&Url::parse("https://a/").unwrap(), &HeaderMap::new());
        assert_eq!(target, Err("no location"));
    }
}
