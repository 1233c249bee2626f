use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::server::{Limits, serve};
use crate::webhook::jwt::vectors::KEYS;

/// An issuer that counts what it is asked.
pub(in crate::webhook) struct Stub {
    /// Its address.
    pub(in crate::webhook) name: String,
    /// Discoveries and key fetches.
    pub(in crate::webhook) asked: Arc<AtomicUsize>,
    stop: CancellationToken,
}

impl Drop for Stub {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Stub {
    /// Serves `keys` at `/keys`, a discovery document that `change` has changed, and what `other` answers elsewhere.
    pub(in crate::webhook) async fn start(
        keys: String,
        change: impl Fn(&mut serde_json::Value) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let name = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let mut document = serde_json::json!({
            "issuer": name,
            "jwks_uri": format!("{name}/keys"),
            "id_token_signing_alg_values_supported": ["RS256", "EdDSA", "HS256", "ES512"],
        });
        change(&mut document);
        let count = Arc::clone(&asked);
        let router = Router::new().fallback(move |request: Request| {
            let (count, keys, document) = (Arc::clone(&count), keys.clone(), document.to_string());
            async move {
                count.fetch_add(1, Ordering::SeqCst);
                match request.uri().path() {
                    "/.well-known/openid-configuration" => document.into_response(),
                    "/keys" => keys.into_response(),
                    "/away" => (StatusCode::FOUND, [("location", "http://localhost:1/keys")]).into_response(),
                    "/huge" => vec![b' '; 1 << 20].into_response(),
                    _ => StatusCode::NOT_FOUND.into_response(),
                }
            }
        });
        let stop = CancellationToken::new();
        tokio::spawn(serve(listener, router, Limits::default(), stop.clone()));
        Self { name, asked, stop }
    }

    pub(in crate::webhook) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn issuer(&self) -> Issuer {
        Issuer::Discovered(self.name.clone())
    }
}

fn issuers() -> Issuers {
    Issuers::new().unwrap()
}

async fn failure(keys: &str, change: impl Fn(&mut serde_json::Value) + Send + Sync + 'static) -> String {
    let stub = Stub::start(keys.to_owned(), change).await;
    issuers().keys(&stub.issuer(), None).await.unwrap_err().to_string()
}

#[tokio::test]
async fn an_issuer_is_discovered_and_its_known_algorithms_and_keys_taken() {
    let stub = Stub::start(KEYS.to_owned(), |_| ()).await;
    let found = issuers().keys(&stub.issuer(), Some("r")).await.unwrap();
    assert_eq!(found.algorithms, [Algorithm::Rs256, Algorithm::EdDsa]);
    assert_eq!(found.keys.len(), 4);
    let none = Stub::start(KEYS.to_owned(), |document| {
        document["id_token_signing_alg_values_supported"] = serde_json::json!([]);
    })
    .await;
    assert_eq!(issuers().keys(&none.issuer(), None).await.unwrap().algorithms, [Algorithm::Rs256]);
}

#[tokio::test]
async fn one_trailing_slash_is_not_doubled_and_counts_in_the_name() {
    let stub = Stub::start(KEYS.to_owned(), |document| {
        document["issuer"] = format!("{}/", document["issuer"].as_str().unwrap()).into();
    })
    .await;
    assert!(issuers().keys(&Issuer::Discovered(format!("{}/", stub.name)), None).await.is_ok());
    let error = issuers().keys(&stub.issuer(), None).await.unwrap_err();
    assert!(matches!(*error, FetchError::CompareIssuer), "{error}");
}

#[tokio::test]
async fn callers_at_the_same_time_share_one_fetch_and_later_ones_what_it_found() {
    let stub = Stub::start(KEYS.to_owned(), |_| ()).await;
    let issuers = issuers();
    let callers = (0..50).map(|_| {
        let (issuers, issuer) = (issuers.clone(), stub.issuer());
        async move { issuers.keys(&issuer, Some("r")).await.is_ok() }
    });
    assert!(futures::future::join_all(callers).await.into_iter().all(|found| found));
    assert_eq!(stub.asked(), 2);
    // An unknown key does not make each caller ask again.
    for _ in 0..10 {
        assert!(issuers.keys(&stub.issuer(), Some("unknown")).await.is_ok());
    }
    assert_eq!(stub.asked(), 2);
}

#[test]
fn what_was_found_counts_for_a_minute_and_failures_or_unknown_keys_for_seconds() {
    let at = Instant::now();
    let keys = jwks::parse(KEYS.as_bytes()).unwrap();
    let found = Fetched { at, outcome: Ok(Arc::new(IssuerKeys { algorithms: Vec::new(), keys })) };
    let failed = Fetched { at, outcome: Err(Arc::new(FetchError::ParseKeys)) };
    for (age, known, nameless, unknown, failure) in [
        (0, true, true, true, true),
        (4, true, true, true, true),
        (5, true, true, false, false),
        (60, false, false, false, false),
    ] {
        let now = at + Duration::from_secs(age);
        assert_eq!(found.serves(Some("r"), now), known, "{age}");
        assert_eq!(found.serves(None, now), nameless, "{age}");
        assert_eq!(found.serves(Some("x"), now), unknown, "{age}");
        assert_eq!(failed.serves(None, now), failure, "{age}");
    }
}

#[tokio::test]
async fn a_failed_fetch_is_not_repeated_at_once() {
    let stub = Stub::start(KEYS.to_owned(), |document| document["jwks_uri"] = "ftp://x/keys".into()).await;
    let issuers = issuers();
    for _ in 0..5 {
        assert!(issuers.keys(&stub.issuer(), None).await.is_err());
    }
    assert_eq!(stub.asked(), 1);
}

#[tokio::test]
async fn answers_that_are_none_are_told_apart() {
    let at = |path: &'static str| {
        move |document: &mut serde_json::Value| {
            document["jwks_uri"] = format!("{}{path}", document["issuer"].as_str().unwrap()).into();
        }
    };
    assert_eq!(failure("no keys", |_| ()).await, "the issuer's key set is malformed");
    assert_eq!(failure(KEYS, at("/missing")).await, "the issuer answers with status 404 Not Found");
    assert_eq!(failure(KEYS, at("/away")).await, "failed to ask the issuer");
    assert_eq!(failure(KEYS, at("/huge")).await, "failed to ask the issuer");
    assert_eq!(
        failure(KEYS, |document| *document = serde_json::json!([])).await,
        "the issuer's discovery document is malformed"
    );
    let other = |document: &mut serde_json::Value| document["issuer"] = "https://other.example".into();
    assert_eq!(failure(KEYS, other).await, "the issuer calls itself by another name");
    let bad = issuers().keys(&Issuer::Discovered("https://[".to_owned()), None).await.unwrap_err();
    assert!(matches!(*bad, FetchError::ParseAddress), "{bad}");
}

#[test]
fn the_constant_address_of_google_s_keys_is_one() {
    assert!(address(GOOGLE_KEYS).is_ok());
}
