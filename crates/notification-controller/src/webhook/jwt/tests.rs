use serde_json::json;

use super::vectors::{CLAIMS, GOOGLE, KEYS, SIGNED};
use super::*;
use crate::webhook::jwks;

fn keys() -> Vec<Key> {
    jwks::parse(KEYS.as_bytes()).unwrap()
}

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn token(header: &str, claims: &str, signature: &str) -> String {
    format!("{header}.{claims}.{signature}")
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn expected() -> Expectation<'static> {
    Expectation { issuer: "https://issuer.example", audience: "notification-controller", now: now() }
}

fn signature(text: &str, algorithms: &[Algorithm]) -> Result<(), JwtError> {
    Token::parse(text)?.check_signature(&keys(), algorithms)
}

#[test]
fn usable_keys_are_kept_and_others_skipped() {
    let ids: Vec<Option<String>> = keys().iter().map(|key| key.id().map(str::to_owned)).collect();
    assert_eq!(ids, ["r", "p256", "p384", "ed"].map(|id| Some(id.to_owned())));
    for text in ["", "{}", "[]", "{\"keys\":1}"] {
        assert!(jwks::parse(text.as_bytes()).is_none(), "{text}");
    }
    let many = json!({"keys": vec![json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"}); 1000]});
    assert_eq!(jwks::parse(many.to_string().as_bytes()).unwrap().len(), 64);
}

#[test]
fn every_algorithm_accepts_its_signature_and_no_other() {
    for (name, header, good) in SIGNED {
        let algorithm = Algorithm::ALL.into_iter().find(|algorithm| algorithm.name() == name).unwrap();
        let text = token(header, CLAIMS, good);
        assert_eq!(signature(&text, &[algorithm]), Ok(()), "{name}");
        assert_eq!(Token::parse(&text).unwrap().check_claims(expected()), Ok(()), "{name}");
        let others: Vec<Algorithm> = Algorithm::ALL.into_iter().filter(|other| *other != algorithm).collect();
        assert_eq!(signature(&text, &others), Err(JwtError::SelectAlgorithm), "{name}");
        let forged = token(header, &encoded(&json!({"iss": "https://issuer.example", "admin": true})), good);
        assert_eq!(signature(&forged, &Algorithm::ALL), Err(JwtError::Signature), "{name}");
        for (other, _, signature_of_other) in SIGNED.into_iter().filter(|(other, ..)| *other != name) {
            let mixed = token(header, CLAIMS, signature_of_other);
            assert_eq!(signature(&mixed, &Algorithm::ALL), Err(JwtError::Signature), "{name} with {other}'s");
        }
        assert_eq!(signature(&token(header, CLAIMS, ""), &Algorithm::ALL), Err(JwtError::Signature), "{name}");
    }
}

#[test]
fn the_key_is_the_one_that_the_token_names() {
    let (_, _, good) = SIGNED[0];
    let unknown = token(&encoded(&json!({"alg": "RS256", "kid": "x"})), CLAIMS, good);
    assert_eq!(signature(&unknown, &Algorithm::ALL), Err(JwtError::Signature));
    // The signature is over the header too, so a token without the name needs one of its own; here only the search is seen.
    let nameless = token(&encoded(&json!({"alg": "RS256"})), CLAIMS, good);
    assert_eq!(Token::parse(&nameless).unwrap().key_id(), None);
    assert_eq!(signature(GOOGLE, &[Algorithm::Rs256]), Ok(()));
}

#[test]
fn no_and_symmetric_algorithms_are_never_accepted() {
    for name in ["none", "None", "HS256", "HS512", "ES512", "rs256", ""] {
        let text = token(&encoded(&json!({"alg": name, "kid": "r"})), CLAIMS, "");
        assert_eq!(signature(&text, &Algorithm::ALL), Err(JwtError::SelectAlgorithm), "{name}");
    }
}

#[test]
fn what_is_no_token_is_refused() {
    let header = encoded(&json!({"alg": "RS256"}));
    for text in [
        String::new(),
        "a".to_owned(),
        "a.b".to_owned(),
        "..".to_owned(),
        format!("{header}.{CLAIMS}"),
        format!("{header}.{CLAIMS}.AA.AA"),
        format!("{header}.{CLAIMS}.A"),
        format!("{header}.{CLAIMS}.A+/="),
        format!("{}.{CLAIMS}.AA", encoded(&json!({"kid": "r"}))),
        format!("{}.{CLAIMS}.AA", encoded(&json!([1]))),
        format!("{header}.{}.AA", encoded(&json!("x"))),
        format!("{header}.{}.AA", URL_SAFE_NO_PAD.encode("[".repeat(10_000))),
    ] {
        assert_eq!(Token::parse(&text).map(drop), Err(JwtError::Parse), "{text}");
    }
    let critical = format!("{}.{CLAIMS}.AA", encoded(&json!({"alg": "RS256", "crit": ["b64"]})));
    assert_eq!(Token::parse(&critical).map(drop), Err(JwtError::Critical));
    assert_eq!(Token::parse(&"a".repeat(100_000)).map(drop), Err(JwtError::Bound));
}

#[test]
fn issuer_audience_and_time_are_checked() {
    use JwtError::{Audience, Expired, Issuer, NotYet};
    let end = now().as_second();
    let base = json!({"iss": "https://issuer.example", "aud": "notification-controller", "exp": end});
    for (changes, outcome) in [
        (json!({}), Ok(())),
        (json!({"aud": ["x", "notification-controller"]}), Ok(())),
        (json!({"exp": 4_102_444_800.9}), Ok(())),
        (json!({"nbf": end + 300}), Ok(())),
        (json!({"nbf": null}), Ok(())),
        (json!({"nbf": end + 301}), Err(NotYet)),
        (json!({"nbf": "soon"}), Err(NotYet)),
        (json!({"exp": end - 1}), Err(Expired)),
        (json!({"exp": null}), Err(Expired)),
        (json!({"exp": "4102444800"}), Err(Expired)),
        (json!({"exp": 1e300}), Err(Expired)),
        (json!({"aud": "x"}), Err(Audience)),
        (json!({"aud": ["x"]}), Err(Audience)),
        (json!({"aud": []}), Err(Audience)),
        (json!({"aud": null}), Err(Audience)),
        (json!({"aud": {"notification-controller": 1}}), Err(Audience)),
        (json!({"iss": "https://issuer.example/"}), Err(Issuer)),
        (json!({"iss": "HTTPS://issuer.example"}), Err(Issuer)),
        (json!({"iss": null}), Err(Issuer)),
    ] {
        let mut claims = base.clone();
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        let text = token(&encoded(&json!({"alg": "RS256"})), &encoded(&claims), "");
        assert_eq!(Token::parse(&text).unwrap().check_claims(expected()), outcome, "{changes}");
    }
}
