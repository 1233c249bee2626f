use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use super::*;
use crate::fakes::{Cluster, object};
use crate::webhook::issuers::tests::Stub;
use crate::webhook::jwt::vectors::{GOOGLE, KEYS};
use crate::webhook::programs::Programs;

/// The seed of the issuer's key: what it is does not matter, only that the test has it.
const SEED: [u8; 32] = [7; 32];

fn issuer_keys() -> String {
    let pair = Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap();
    let x = URL_SAFE_NO_PAD.encode(pair.public_key());
    json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": "k", "x": x}]}).to_string()
}

fn signed(claims: &Value) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", encode(&json!({"alg": "EdDSA", "kid": "k"})), encode(claims));
    let signature = Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap().sign(text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn headers(authorization: &str) -> HeaderMap {
    HeaderMap::from_iter([(http::header::AUTHORIZATION, authorization.parse().unwrap())])
}

async fn admit(
    issuers: &Issuers,
    cluster: &Cluster,
    spec: Value,
    headers: &HeaderMap,
    body: &str,
) -> Result<Admitted, String> {
    let receiver: Arc<Receiver> = Arc::new(object(json!({
        "apiVersion": "notification.toolkit.fluxcd.io/v1",
        "kind": "Receiver",
        "metadata": {"name": "hook", "namespace": "apps"},
        "spec": spec,
    })));
    let program = Programs::default().of(&receiver).await;
    let now = "2026-06-01T00:00:00Z".parse().unwrap();
    let evaluations = Evaluations::default();
    let gatekeeper = Gatekeeper { secrets: cluster, issuers, evaluations: &evaluations, now };
    let admitted = gatekeeper.admit(&receiver, &program, headers, &Bytes::from(body.to_owned())).await;
    admitted.map_err(|error| sluice_runtime::logging::error_chain(&error))
}

fn oidc(issuer: &str) -> Value {
    json!({"type": "generic-oidc", "resources": [], "oidcProviders": [
        {"issuerURL": "https://first.invalid", "validations": [{"expression": "true", "message": "m"}]},
        {
            "issuerURL": issuer,
            "variables": [{"name": "org", "expression": "claims.sub.split('/')[0]"}],
            "validations": [
                {"expression": "vars.org == 'org'", "message": "wrong organisation"},
                {"expression": "claims.ref == 'main'", "message": "wrong branch"},
            ],
        },
    ]})
}

fn claims(issuer: &str) -> Value {
    json!({"iss": issuer, "aud": "notification-controller", "exp": 4_102_444_800_i64, "sub": "org/web", "ref": "main"})
}

#[tokio::test]
async fn a_token_of_a_listed_issuer_that_says_the_right_things_is_let_in() {
    let stub = Stub::start(issuer_keys(), |_| ()).await;
    let (issuers, cluster) = (Issuers::new().unwrap(), Cluster::default());
    let bearer = headers(&format!("Bearer {}", signed(&claims(&stub.name))));
    let admitted = admit(&issuers, &cluster, oidc(&stub.name), &bearer, "body").await;
    assert_eq!(admitted, Ok(Admitted { payload: "body".into(), claims: Some(claims(&stub.name)) }));
}

#[tokio::test]
async fn every_other_token_is_refused_and_most_without_asking_the_issuer() {
    let stub = Stub::start(issuer_keys(), |_| ()).await;
    let (issuers, cluster) = (Issuers::new().unwrap(), Cluster::default());
    let with = |changes: Value| {
        let mut claims = claims(&stub.name);
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        format!("Bearer {}", signed(&claims))
    };
    let good = with(json!({}));
    let forged = format!("{}.AAAA", good.rsplit_once('.').unwrap().0);
    let slashed = format!("{}/", stub.name);
    let table = [
        (String::new(), "the Authorization header is missing or malformed".to_owned(), 0),
        (good.replace("Bearer", "bearer"), "the Authorization header is missing or malformed".to_owned(), 0),
        ("Bearer x".to_owned(), "invalid bearer token: the token is not a JWT".to_owned(), 0),
        (with(json!({"iss": slashed})), format!("no oidcProvider configured for issuer {slashed:?}"), 0),
        (with(json!({"iss": null})), "the token's claim 'iss' is not as expected".to_owned(), 0),
        (with(json!({"aud": "other"})), "invalid bearer token: the token is for another audience".to_owned(), 0),
        (with(json!({"exp": 1})), "invalid bearer token: the token is expired".to_owned(), 0),
        (forged, "invalid bearer token: the token's signature is not good".to_owned(), 2),
        (
            with(json!({"sub": "x/y", "ref": "dev"})),
            "token validation failed: wrong organisation; wrong branch".to_owned(),
            2,
        ),
        (with(json!({"ref": "dev"})), "token validation failed: wrong branch".to_owned(), 2),
    ];
    for (authorization, expected, asked) in table {
        let refused = admit(&issuers, &cluster, oidc(&stub.name), &headers(&authorization), "").await;
        assert_eq!(refused, Err(expected), "{authorization}");
        assert_eq!(stub.asked(), asked, "{authorization}");
    }
    let missing = admit(&issuers, &cluster, oidc(&stub.name), &headers(&with(json!({"ref": null}))), "").await;
    assert!(missing.is_err());
}

#[tokio::test]
async fn an_issuer_that_does_not_answer_is_a_refusal() {
    let stub = Stub::start("nothing".to_owned(), |_| ()).await;
    let bearer = headers(&format!("Bearer {}", signed(&claims(&stub.name))));
    let refused = admit(&Issuers::new().unwrap(), &Cluster::default(), oidc(&stub.name), &bearer, "").await;
    let expected = format!("failed to get the keys of the issuer '{}': the issuer's key set is malformed", stub.name);
    assert_eq!(refused, Err(expected));
}

fn gcr() -> Value {
    json!({"type": "gcr", "resources": [], "secretRef": {"name": "hook"}})
}

fn gcr_secret(audience: &str) -> Cluster {
    let keys = [("token", "t"), ("email", "push@project.iam.example"), ("audience", audience)];
    Cluster { secrets: [("apps/hook".to_owned(), keys.into_iter().collect())].into(), ..Cluster::default() }
}

const PUSH: &str = r#"{"message":{"data":"eyJ0YWciOiJyL3dlYjoxIn0="}}"#;

#[tokio::test]
async fn a_push_with_google_s_token_is_let_in_with_the_message_inside() {
    let stub = Stub::start(KEYS.to_owned(), |_| ()).await;
    let issuers = Issuers::with_google(&format!("{}/keys", stub.name)).unwrap();
    let cluster = gcr_secret("https://hooks.example/");
    let bearer = headers(&format!("Bearer {GOOGLE}"));
    let admitted = admit(&issuers, &cluster, gcr(), &bearer, PUSH).await;
    let payload = r#"{"action":"","digest":"","tag":"r/web:1"}"#.into();
    assert_eq!(admitted, Ok(Admitted { payload, claims: None }));
    assert_eq!(stub.asked(), 1);
    let malformed = admit(&issuers, &cluster, gcr(), &bearer, "{}").await;
    assert!(malformed.is_err());
}

#[tokio::test]
async fn pushes_for_others_or_with_forged_tokens_are_refused() {
    let stub = Stub::start(KEYS.to_owned(), |_| ()).await;
    let issuers = Issuers::with_google(&format!("{}/keys", stub.name)).unwrap();
    let good = format!("Bearer {GOOGLE}");
    let forged = format!("Bearer {}.AAAA", GOOGLE.rsplit_once('.').unwrap().0);
    let no_audience = "invalid secret data: required field 'audience'";
    for (audience, authorization, expected) in [
        ("https://other.example/", good.as_str(), "the token's claim 'aud' is not as expected"),
        ("", good.as_str(), no_audience),
        ("https://hooks.example/", "", "the Authorization header is missing or malformed"),
        ("https://hooks.example/", GOOGLE, "the Authorization header is missing or malformed"),
        ("https://hooks.example/", "Bearer x.y.z", "invalid bearer token: the token is not a JWT"),
        ("https://hooks.example/", forged.as_str(), "invalid bearer token: the token's signature is not good"),
    ] {
        let refused = admit(&issuers, &gcr_secret(audience), gcr(), &headers(authorization), PUSH).await;
        assert_eq!(refused, Err(expected.to_owned()), "{audience} {authorization}");
    }
    let gone = admit(&issuers, &Cluster::default(), gcr(), &headers(&good), PUSH).await;
    assert!(gone.unwrap_err().starts_with("unable to read token from secret 'apps/hook'"));
}
