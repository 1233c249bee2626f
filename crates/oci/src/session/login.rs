//! How a registry is spoken to: its scheme, what it asks for, and what is shown to it.
//!
//! Deliberately one state per client and lazily: nothing is sent before something is wanted, and nothing is kept longer than the client.

use std::time::Duration;

use sluice_http_client::{
    FailureKind, HttpError, Method, Request, RetryPolicy, Secret, StatusCode, Url, redirect_stays,
};
use tokio::time::Instant;

use super::{MAX_REDIRECTS, Session, is_redirect, redirect_target, refusal};
use crate::challenge::{self, Challenge};
use crate::token::{self, TokenSource};
use crate::{Credential, Credentials, OciError};

/// The largest answer of a token server.
const MAX_TOKEN_BYTES: u64 = 1 << 20;

/// How long https may take to answer where plain http is an alternative.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a request carries to be let in.

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Authorization {
    Basic(String, Secret<String>),
    Bearer(Secret<String>),
}

/// What is known about the registry, once it has been asked.
pub(super) struct State {
    pub(super) base: Url,
    pub(super) credential: Credential,
    pub(super) auth: Auth,
}

/// What the registry asks for.
pub(super) enum Auth {
    /// The registry asks for nothing.
    None,
    Basic,
    Bearer {
        source: TokenSource,
        token: Option<(Secret<String>, Instant)>,
    },
}

impl Session {
    /// The registry's address and what to show to it. Asks it first, once, how it is spoken to.
    pub(super) async fn authorization(&self) -> Result<(Url, Option<Authorization>), OciError> {
        let mut guard = self.state.lock().await;
        let state = match guard.as_mut() {
            Some(state) => state,
            None => guard.insert(self.start().await?),
        };
        let authorization = self.current(state).await?;
        Ok((state.base.clone(), authorization))
    }

    /// What to show after `used` was refused with this challenge; none if nothing else is to be had.
    pub(super) async fn renewed(
        &self,
        challenge: Option<Challenge>,
        used: Option<&Authorization>,
    ) -> Result<Option<Authorization>, OciError> {
        let mut guard = self.state.lock().await;
        let (Some(state), Some(challenge)) = (guard.as_mut(), challenge) else { return Ok(None) };
        if let Auth::Bearer { token: Some((token, _)), .. } = &state.auth {
            let current = Authorization::Bearer(token.clone());
            if used.is_some_and(|used| *used != current) {
                // Somebody else has renewed it meanwhile.
                return Ok(Some(current));
            }
        }
        state.auth = self.answer_to(&state.base, challenge, Some(&state.auth))?;
        let fresh = self.current(state).await?;
        Ok(fresh.filter(|fresh| Some(fresh) != used))
    }

    /// Tries the schemes. Only where nobody speaks TLS is http an alternative, never where a certificate is not accepted.
    async fn start(&self) -> Result<State, OciError> {
        let credential = match &self.credentials {
            Credentials::Anonymous => Credential::Anonymous,
            Credentials::Fixed(credential) => credential.clone(),
            Credentials::Keyring(keyring) => keyring.for_repository(&self.repository),
            Credentials::Provider(provider) => {
                provider.credential(&self.repository).await.map_err(OciError::Credential)?
            }
        };
        let mut schemes = self.schemes.iter();
        loop {
            let Some(scheme) = schemes.next() else { return Err(self.malformed("no scheme to speak to it")) };
            let is_last = schemes.as_slice().is_empty();
            let base = Url::parse(&format!("{scheme}://{}/", self.repository.registry()));
            let base = base.map_err(|_| self.malformed("not a host"))?;
            let ping = self.ping(base, if is_last { &self.retry } else { &RetryPolicy::NEVER });
            let result = if is_last { Ok(ping.await) } else { tokio::time::timeout(PROBE_TIMEOUT, ping).await };
            match result {
                Ok(Ok((base, auth))) => return Ok(State { base, credential, auth }),
                Ok(Err(error)) if is_last || !maybe_plain_http(&error) => return Err(error),
                Ok(Err(_)) | Err(_) => {}
            }
        }
    }

    /// Asks `/v2/` what the registry wants. Redirects are followed on its own host only.
    async fn ping(&self, mut base: Url, retry: &RetryPolicy) -> Result<(Url, Auth), OciError> {
        let mut url = base.join("/v2/").map_err(|_| self.malformed("not a host"))?;
        for _ in 0..=MAX_REDIRECTS {
            let response = self.http.send_with_retry(&Request::get(url.clone()), retry).await?;
            let status = response.status();
            if is_redirect(status) {
                let next = redirect_target(&url, response.headers()).ok().filter(|next| redirect_stays(&url, next));
                let Some(next) = next else { return Ok((base, Auth::None)) };
                base = next.join("/").map_err(|_| self.malformed("not a host"))?;
                url = next;
                continue;
            }
            if status == StatusCode::TOO_MANY_REQUESTS || status.is_server_error() {
                return Err(refusal("GET", response, &[]).await);
            }
            let auth = match challenge::find(response.headers()) {
                Some(challenge) if status == StatusCode::UNAUTHORIZED => self.answer_to(&base, challenge, None)?,
                _ => Auth::None,
            };
            return Ok((base, auth));
        }
        Err(OciError::Redirect { target: base.into(), reason: "too many" })
    }

    fn answer_to(&self, base: &Url, challenge: Challenge, before: Option<&Auth>) -> Result<Auth, OciError> {
        let Challenge::Bearer { realm, service, scope } = challenge else { return Ok(Auth::Basic) };
        let mut scopes = match before {
            Some(Auth::Bearer { source, .. }) => source.scopes.clone(),
            Some(Auth::None | Auth::Basic) | None => vec![token::pull_scope(self.repository.path())],
        };
        // The answer to a ping carries an example at best; a refused request says what it needs.
        if before.is_some() {
            token::add_scopes(&mut scopes, &scope);
        }
        let source = TokenSource::new(base, &realm, service, scopes);
        let source =
            source.map_err(|reason| OciError::Realm { registry: self.repository.registry().to_owned(), reason })?;
        Ok(Auth::Bearer { source, token: None })
    }

    /// What to show now; gets a token where there is none that is still good.
    async fn current(&self, state: &mut State) -> Result<Option<Authorization>, OciError> {
        let State { credential, auth, .. } = state;
        if let Credential::RegistryToken(token) = credential {
            return Ok(Some(Authorization::Bearer(token.clone())));
        }
        match auth {
            // Some registries answer everybody's ping and then say "not found" to those without credentials.
            Auth::None | Auth::Basic => Ok(match credential {
                Credential::Basic { username, password } => {
                    Some(Authorization::Basic(username.clone(), password.clone()))
                }
                Credential::Anonymous | Credential::IdentityToken(_) | Credential::RegistryToken(_) => None,
            }),
            Auth::Bearer { token: Some((token, until)), .. } if Instant::now() < *until => {
                Ok(Some(Authorization::Bearer(token.clone())))
            }
            Auth::Bearer { source, token } => {
                let (fresh, lifetime) = self.fetch_token(source, credential).await?;
                *token = Some((fresh.clone(), Instant::now() + lifetime));
                Ok(Some(Authorization::Bearer(fresh)))
            }
        }
    }

    async fn fetch_token(
        &self,
        source: &TokenSource,
        credential: &Credential,
    ) -> Result<(Secret<String>, Duration), OciError> {
        let mut request = match credential {
            Credential::IdentityToken(identity) => source.exchange(identity)?,
            _ => source.get(credential)?,
        };
        let mut response = self.http.send_with_retry(&request, &self.retry).await?;
        // Not every token server knows the exchange; what it then gives by GET is at least everybody's.
        if *request.method() == Method::POST
            && matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)
        {
            request = source.get(credential)?;
            response = self.http.send_with_retry(&request, &self.retry).await?;
        }
        if !response.status().is_success() {
            return Err(refusal(request.method().as_str(), response, &credential.secrets()).await);
        }
        let body = response.into_body(MAX_TOKEN_BYTES)?.bytes().await?;
        token::read(&body).map_err(|reason| OciError::Malformed { what: request.target(), reason: reason.to_owned() })
    }
}

/// Whether a failure over TLS leaves room for the other end speaking plain http: it did not answer, or not with TLS.
fn maybe_plain_http(error: &OciError) -> bool {
    let OciError::Http(HttpError::Transport { kind, cause, .. }) = error else { return false };
    match kind {
        FailureKind::Connect | FailureKind::Timeout | FailureKind::Interrupted => true,
        // Garbage instead of a handshake; a certificate or an alert is TLS all right, and falling back would be a downgrade.
        FailureKind::Tls => cause.contains("corrupt message"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_silence_and_garbage_leave_room_for_plain_http() {
        let failure = |kind, cause: &str| {
            let target = "https://a/".to_owned();
            OciError::Http(HttpError::Transport { method: Method::GET, target, kind, cause: cause.to_owned() })
        };
        for (kind, cause, expected) in [
            (FailureKind::Connect, "Connection refused", true),
            (FailureKind::Timeout, "", true),
            (FailureKind::Tls, "received corrupt message of type InvalidContentType", true),
            (FailureKind::Tls, "invalid peer certificate: UnknownIssuer", false),
            (FailureKind::Tls, "received fatal alert: CertificateRequired", false),
            (FailureKind::UnknownHost, "", false),
            (FailureKind::Request, "", false),
        ] {
            assert_eq!(maybe_plain_http(&failure(kind, cause)), expected, "{kind} {cause}");
        }
    }
}
