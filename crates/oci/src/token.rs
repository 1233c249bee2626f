//! Tokens: the request for one as a value, what came back, and which scopes are asked for.
//!
//! Deliberately without I/O and clock; the session sends and keeps.

use std::time::Duration;

use serde::Deserialize;
use sluice_http_client::{HeaderName, HttpError, Request, Secret, Url, header};

use crate::Credential;

/// How long a token is good for that does not say: the protocol's minimum.
const DEFAULT_LIFETIME: Duration = Duration::from_secs(60);

/// The longest lifetime that is believed; a token that is not accepted any more is renewed anyway.
const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// What is cut from a lifetime at most, for the way and for clocks that differ.
const MAX_SLACK: Duration = Duration::from_secs(10);

/// The longest scope that a registry may ask for, in bytes.
const MAX_SCOPE: usize = 1024;

/// How many scopes a token is asked for at most.
const MAX_SCOPES: usize = 4;

/// How this client names itself to token servers.
const CLIENT_ID: &str = "sluice";

/// A token server and what to ask it for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenSource {
    /// Its address.
    pub(crate) realm: Url,
    /// For whom the token is; may be empty.
    pub(crate) service: String,
    /// What the token is to permit.
    pub(crate) scopes: Vec<String>,
}

impl TokenSource {
    /// Checks the realm that a registry at `base` names. It is where credentials go, so: no other scheme than http and https, and a
    /// registry behind TLS cannot have them sent in the clear.
    ///
    /// # Errors
    /// Why it is not usable.
    pub(crate) fn new(base: &Url, realm: &str, service: String, scopes: Vec<String>) -> Result<Self, &'static str> {
        let realm = Url::parse(realm).map_err(|_| "its address is no URL")?;
        match (base.scheme(), realm.scheme()) {
            (_, "https") | ("http", "http") => {}
            (_, "http") => return Err("its address is http, the registry's is https"),
            _ => return Err("its address is neither http nor https"),
        }
        if !realm.username().is_empty() || realm.password().is_some() {
            return Err("its address has credentials in it");
        }
        Ok(Self { realm, service, scopes })
    }

    /// The request for a token by GET, with basic authentication where there are user and password.
    pub(crate) fn get(&self, credential: &Credential) -> Result<Request, HttpError> {
        let mut url = self.realm.clone();
        {
            let mut query = url.query_pairs_mut();
            for scope in &self.scopes {
                query.append_pair("scope", scope);
            }
            if !self.service.is_empty() {
                query.append_pair("service", &self.service);
            }
        }
        let request = Request::get(url);
        match credential {
            Credential::Basic { username, password } => request.basic_auth(username, password),
            Credential::Anonymous | Credential::IdentityToken(_) | Credential::RegistryToken(_) => Ok(request),
        }
    }

    /// The request for a token in exchange for an identity token.
    pub(crate) fn exchange(&self, identity: &Secret<String>) -> Result<Request, HttpError> {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "refresh_token")
            .append_pair("refresh_token", identity.expose())
            .append_pair("scope", &self.scopes.join(" "))
            .append_pair("client_id", CLIENT_ID);
        if !self.service.is_empty() {
            form.append_pair("service", &self.service);
        }
        let content_type: HeaderName = header::CONTENT_TYPE;
        Request::post(self.realm.clone(), form.finish()).header(content_type, "application/x-www-form-urlencoded")
    }
}

/// The scope to pull from a repository.
pub(crate) fn pull_scope(path: &str) -> String {
    format!("repository:{path}:pull")
}

/// Adds what a challenge asks for on top. What would permit to write is left out: a token that leaks is worth as little as possible.
pub(crate) fn add_scopes(scopes: &mut Vec<String>, asked: &str) {
    for scope in asked.split(' ').filter(|scope| !scope.is_empty() && scope.len() <= MAX_SCOPE) {
        let actions = scope.rsplit(':').next().unwrap_or_default();
        let writes = actions.split(',').any(|action| matches!(action, "push" | "delete" | "*"));
        if !writes && !scopes.iter().any(|known| known == scope) && scopes.len() < MAX_SCOPES {
            scopes.push(scope.to_owned());
        }
    }
}

#[derive(Deserialize)]
struct TokenBody {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<i64>,
}

/// The token in a token server's answer, and how long to use it.
///
/// # Errors
/// What is wrong with the answer.
pub(crate) fn read(body: &[u8]) -> Result<(Secret<String>, Duration), &'static str> {
    // The parser's own text could quote the token.
    let body: TokenBody = serde_json::from_slice(body).map_err(|_| "not a token response")?;
    let token = body.token.into_iter().chain(body.access_token).find(|token| !token.is_empty());
    let token = token.ok_or("no token in the token response")?;
    let lifetime = body.expires_in.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
    let lifetime = lifetime.map_or(DEFAULT_LIFETIME, Duration::from_secs).min(MAX_LIFETIME);
    Ok((Secret::new(token), lifetime.saturating_sub((lifetime / 10).min(MAX_SLACK))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_server_must_be_http_and_not_less_secure_than_its_registry() {
        for (base, realm, good) in [
            ("https://reg.example/", "https://auth.example/token", true),
            ("http://reg.example/", "https://auth.example/token", true),
            ("http://reg.example/", "http://auth.example/token", true),
            ("https://reg.example/", "http://auth.example/token", false),
            ("https://reg.example/", "http://reg.example/token", false),
            ("https://reg.example/", "file:///etc/passwd", false),
            ("http://reg.example/", "ftp://reg.example/", false),
            ("https://reg.example/", "/token", false),
            ("https://reg.example/", "", false),
            ("https://reg.example/", "https://user:pw@auth.example/token", false),
        ] {
            let source = TokenSource::new(&Url::parse(base).unwrap(), realm, String::new(), Vec::new());
            assert_eq!(source.is_ok(), good, "{base} {realm}");
        }
    }

    #[test]
    fn a_token_is_asked_for_by_query_and_an_identity_token_is_sent_in_a_body_only() {
        let base = Url::parse("https://reg.example/").unwrap();
        let scopes = vec![pull_scope("a/b"), "repository:a/b:metadata_read".to_owned()];
        let source = TokenSource::new(&base, "https://auth.example/token?x=1", "a b".to_owned(), scopes).unwrap();
        let get = source.get(&Credential::Anonymous).unwrap();
        // Errors and logs show a request like this.
        assert_eq!(format!("{get:?}"), "Request(GET https://auth.example/token?***, 0 bytes)");
        let post = source.exchange(&Secret::new("secret&x".to_owned())).unwrap();
        let form = "grant_type=refresh_token&refresh_token=secret%26x&scope=repository%3Aa%2Fb%3Apull+repository%3Aa%2Fb%3Ametadata_read\
                    &client_id=sluice&service=a+b";
        assert_eq!(format!("{post:?}"), format!("Request(POST https://auth.example/token?***, {} bytes)", form.len()));
    }

    #[test]
    fn a_challenge_may_widen_the_scope_but_not_to_writing() {
        let mut scopes = vec![pull_scope("a")];
        add_scopes(
            &mut scopes,
            "repository:a:pull repository:a:pull,push registry:catalog:* repository:a:metadata_read",
        );
        assert_eq!(scopes, ["repository:a:pull", "repository:a:metadata_read"]);
        add_scopes(&mut scopes, &format!("repository:{}:pull", "x".repeat(2_000)));
        add_scopes(&mut scopes, &(0..100).map(|n| format!("repository:{n}:pull")).collect::<Vec<_>>().join(" "));
        assert_eq!(scopes.len(), 4);
    }

    #[test]
    fn a_token_is_used_for_a_little_less_than_it_is_good_for() {
        for (body, expected) in [
            (r#"{"token":"t","expires_in":300}"#, Ok(("t", 290))),
            (r#"{"access_token":"t","expires_in":60}"#, Ok(("t", 54))),
            (r#"{"token":"","access_token":"t"}"#, Ok(("t", 54))),
            (r#"{"token":"t","access_token":"u","expires_in":0}"#, Ok(("t", 54))),
            (r#"{"token":"t","expires_in":-5}"#, Ok(("t", 54))),
            (r#"{"token":"t","expires_in":99999999999}"#, Ok(("t", 86_390))),
            (r#"{"expires_in":300}"#, Err("no token in the token response")),
            (r#"{"token":7}"#, Err("not a token response")),
            ("", Err("not a token response")),
        ] {
            let read = read(body.as_bytes()).map(|(token, lifetime)| (token.expose().clone(), lifetime.as_secs()));
            assert_eq!(read, expected.map(|(token, seconds): (&str, u64)| (token.to_owned(), seconds)), "{body}");
        }
    }
}
