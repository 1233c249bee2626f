//! The token server of the distribution project's token authentication: basic credentials or an identity token in, a signed token out.
//!
//! Deliberately knows one user and one rule: that user may do everything, everybody may pull below the public prefix.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair, SigningKey as _};
use url::Url;

use super::{IDENTITY_TOKEN, PASSWORD, PUBLIC_PREFIX, USERNAME};

/// Where the front answers for the token server.
pub(super) const PATH: &str = "/token";

/// The service that tokens are for; the space is there to be encoded wrongly.
pub(super) const SERVICE: &str = "test registry";

/// Who signs.
pub(super) const ISSUER: &str = "test issuer";

/// A signer whose certificate the registry is told.
pub(super) struct TokenServer {
    realm: Url,
    lifetime: Duration,
    key: KeyPair,
    certificate: rcgen::Certificate,
    /// Makes every token another one.
    issued: AtomicU64,
}

impl TokenServer {
    pub(super) fn new(realm: Url, lifetime: Duration) -> anyhow::Result<Self> {
        // The default of the library: ECDSA on P-256 with SHA-256, which is ES256.
        let key = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["token.test".to_owned()])?.self_signed(&key)?;
        Ok(Self { realm, lifetime, key, certificate, issued: AtomicU64::new(0) })
    }

    pub(super) fn realm(&self) -> &Url {
        &self.realm
    }

    pub(super) fn certificate_pem(&self) -> String {
        self.certificate.pem()
    }

    /// Answers a request to the realm: status and JSON.
    pub(super) fn answer(
        &self,
        method: &str,
        target: &str,
        authorization: &str,
        body: &[u8],
    ) -> anyhow::Result<(u16, String)> {
        let url = self.realm.join(target)?;
        let refused =
            || (401, r#"{"errors":[{"code":"UNAUTHORIZED","message":"incorrect username or password"}]}"#.to_owned());
        let query: Vec<(String, String)> = if method == "POST" {
            url::form_urlencoded::parse(body).into_owned().collect()
        } else {
            url.query_pairs().into_owned().collect()
        };
        let value = |name: &str| query.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.as_str());
        if value("service") != SERVICE {
            return Ok((400, r#"{"details":"unknown service"}"#.to_owned()));
        }
        let known = if method == "POST" {
            let refresh = value("grant_type") == "refresh_token" && value("refresh_token") == IDENTITY_TOKEN;
            let password =
                value("grant_type") == "password" && value("username") == USERNAME && value("password") == PASSWORD;
            if !refresh && !password {
                return Ok(refused());
            }
            true
        } else if authorization.is_empty() {
            false
        } else if authorization == format!("Basic {}", STANDARD.encode(format!("{USERNAME}:{PASSWORD}"))) {
            true
        } else {
            return Ok(refused());
        };
        let scopes = query.iter().filter(|(key, _)| key == "scope").flat_map(|(_, value)| value.split(' '));
        let token = self.sign(&granted(scopes, known))?;
        let name = if method == "POST" { "access_token" } else { "token" };
        let seconds = self.lifetime.as_secs();
        Ok((200, serde_json::json!({name: token, "expires_in": seconds}).to_string()))
    }

    /// A token for whatever is asked, for the test kit's own pushes.
    pub(super) fn for_push(&self, repository: &str) -> anyhow::Result<String> {
        let scope = format!("repository:{repository}:pull,push,delete");
        self.sign(&granted([scope.as_str()].into_iter(), true))
    }

    fn sign(&self, access: &[serde_json::Value]) -> anyhow::Result<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let header =
            serde_json::json!({"typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(self.certificate.der())]});
        let claims = serde_json::json!({
            "iss": ISSUER, "sub": USERNAME, "aud": SERVICE,
            "iat": now, "nbf": now.saturating_sub(30), "exp": now + self.lifetime.as_secs(),
            "jti": self.issued.fetch_add(1, Ordering::SeqCst).to_string(),
            "access": access,
        });
        let encode = |json: &serde_json::Value| URL_SAFE_NO_PAD.encode(json.to_string());
        let signed = format!("{}.{}", encode(&header), encode(&claims));
        let signature = fixed_signature(&self.key.sign(signed.as_bytes())?).context("an ECDSA signature")?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// The `access` claim: each scope asked for, with the actions that are given.
fn granted<'a>(scopes: impl Iterator<Item = &'a str>, known: bool) -> Vec<serde_json::Value> {
    let mut access = BTreeMap::<&str, Vec<&str>>::new();
    for scope in scopes {
        let Some((name, actions)) = scope.strip_prefix("repository:").and_then(|rest| rest.rsplit_once(':')) else {
            continue;
        };
        let given = actions.split(',').filter(|action| known || (*action == "pull" && name.starts_with(PUBLIC_PREFIX)));
        access.entry(name).or_default().extend(given);
    }
    let claims = access.into_iter().filter(|(_, actions)| !actions.is_empty());
    claims.map(|(name, actions)| serde_json::json!({"type": "repository", "name": name, "actions": actions})).collect()
}

/// The two numbers of an ASN.1 signature side by side, 32 bytes each, as JWT has it.
fn fixed_signature(der: &[u8]) -> Option<[u8; 64]> {
    let mut fixed = [0; 64];
    // SEQUENCE { INTEGER r, INTEGER s }, all lengths below 128 for P-256.
    let [0x30, _, rest @ ..] = der else { return None };
    let mut rest = rest;
    for half in fixed.chunks_mut(32) {
        let [0x02, length, tail @ ..] = rest else { return None };
        let (number, after) = tail.split_at_checked(usize::from(*length))?;
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        half.get_mut(32_usize.checked_sub(number.len())?..)?.copy_from_slice(number);
        rest = after;
    }
    Some(fixed)
}
