//! The exchange with GitHub: the exact requests, the app's own token, and the texts of the errors.

use serde_json::json;
use sluice_testkit::Sink;

use super::*;
use crate::testing::{PKCS1, PKCS8, answer, arrived, chain, now, secret, status, transport, verified};

fn data(pairs: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect()
}

fn app(sink: &Sink, path: &str, installation: (&str, &str)) -> GitHubApp {
    let base = format!("{}{path}", sink.url());
    let pairs = [(KEY_APP_ID, "12345"), installation, (KEY_PRIVATE_KEY, PKCS1), (KEY_BASE_URL, &base)];
    GitHubApp::from_secret(&data(&pairs)).unwrap()
}

const TOKEN: &str = r#"{"token":"ghs_1","expires_at":"2026-01-02T04:04:05Z","permissions":{}}"#;

fn issued() -> AccessToken {
    AccessToken { token: secret("ghs_1"), expires_at: "2026-01-02T04:04:05Z".parse().unwrap() }
}

/// A request's text with the app's token, which is told apart, as `JWT`.
fn without_token(text: &str) -> String {
    let (before, rest) = text.split_once("Bearer ").unwrap();
    let (token, after) = rest.split_once('\n').unwrap();
    let (header, claims) = verified(token);
    assert_eq!(header, json!({"alg": "RS256", "typ": "JWT"}));
    assert_eq!(claims, json!({"exp": 1_767_323_135, "iat": 1_767_323_015, "iss": "12345"}));
    format!("{before}Bearer JWT\n{after}")
}

fn request(line: &str) -> String {
    format!(
        "{line}\naccept: application/vnd.github.v3+json\nauthorization: Bearer JWT\nx-github-api-version: 2022-11-28"
    )
}

#[tokio::test]
async fn a_token_is_asked_for_by_the_installations_id() {
    let sink = Sink::start().await.unwrap();
    sink.answer_always(status(201, TOKEN));
    for (path, prefix) in [("", ""), ("/", ""), ("/api/v3", "/api/v3"), ("/api/v3/", "/api/v3")] {
        let app = app(&sink, path, (KEY_INSTALLATION_ID, "42"));
        assert_eq!(app.token(&transport(), now()).await.unwrap(), issued());
        let requests: Vec<_> = arrived(&sink).iter().map(|text| without_token(text)).collect();
        assert_eq!(requests, [request(&format!("POST {prefix}/app/installations/42/access_tokens"))]);
    }
}

#[tokio::test]
async fn an_owner_is_looked_up_as_organisation_and_then_as_user() {
    let sink = Sink::start().await.unwrap();
    let app = app(&sink, "", (KEY_INSTALLATION_OWNER, "acme/../x"));
    let (found, absent) = (answer(r#"{"id":7,"account":{}}"#), status(404, r#"{"message":"Not Found"}"#));
    let organisation = request("GET /orgs/acme%2F..%2Fx/installation");
    let user = request("GET /users/acme%2F..%2Fx/installation");
    let post = request("POST /app/installations/7/access_tokens");
    for (answers, expected) in [
        (vec![found.clone(), answer(TOKEN)], vec![&organisation, &post]),
        (vec![absent.clone(), found, answer(TOKEN)], vec![&organisation, &user, &post]),
    ] {
        sink.answer_next(answers);
        assert_eq!(app.token(&transport(), now()).await.unwrap(), issued());
        let requests: Vec<_> = arrived(&sink).iter().map(|text| without_token(text)).collect();
        assert_eq!(requests.iter().collect::<Vec<_>>(), expected);
    }
    sink.answer_next([absent, answer("[]")]);
    let expected = "failed to find organization installation: GitHub answered 404 Not Found: Not Found\n\
        failed to find user installation: GitHub gave an answer that cannot be used: not the JSON of an installation";
    assert_eq!(chain(&app.token(&transport(), now()).await.unwrap_err()), expected);
}

#[tokio::test]
async fn answers_that_are_no_token_are_refused() {
    let sink = Sink::start().await.unwrap();
    let app = app(&sink, "", (KEY_INSTALLATION_ID, "42"));
    let malformed = |problem: &str| format!("GitHub gave an answer that cannot be used: {problem}");
    for (given, expected) in [
        (
            status(401, r#"{"message":"Bad credentials"}"#),
            "GitHub answered 401 Unauthorized: Bad credentials".to_owned(),
        ),
        (status(502, "<html>"), "GitHub answered 502 Bad Gateway".to_owned()),
        (answer("<html>"), malformed("not the JSON of a token")),
        (answer("{}"), malformed("no token")),
        (answer(r#"{"token":"x"}"#), malformed("no expiration")),
        (answer(r#"{"token":"x","expires_at":"soon"}"#), malformed("not the JSON of a token")),
    ] {
        sink.answer_always(given);
        let error = chain(&app.token(&transport(), now()).await.unwrap_err());
        assert_eq!(error, format!("failed to create installation token: {expected}"));
    }
}

#[test]
fn a_secret_that_lacks_something_is_told_so() {
    let (id, owner) = ((KEY_INSTALLATION_ID, "42"), (KEY_INSTALLATION_OWNER, "acme"));
    let (app, key) = ((KEY_APP_ID, "1"), (KEY_PRIVATE_KEY, PKCS8));
    let suffix = "to use github app authentication";
    for (pairs, expected) in [
        (vec![id, key], format!("app ID must be provided {suffix}")),
        (vec![(KEY_APP_ID, "x"), id, key], format!("app ID must be provided {suffix}")),
        (vec![(KEY_APP_ID, "0"), id, key], format!("app ID must be provided {suffix}")),
        (vec![app, key], format!("app installation owner or ID must be provided {suffix}")),
        (vec![app, (KEY_INSTALLATION_ID, "x"), key], format!("app installation owner or ID must be provided {suffix}")),
        (vec![app, id, owner, key], format!("only one of app installation owner or ID must be provided {suffix}")),
        (vec![app, id], format!("private key must be provided {suffix}")),
        (
            vec![app, id, (KEY_PRIVATE_KEY, "hunter2")],
            "could not parse private key: no unencrypted PEM private key in PKCS#1 or PKCS#8 form was found".to_owned(),
        ),
        (vec![app, id, key, (KEY_BASE_URL, "ssh://host")], "invalid API URL: ssh://host".to_owned()),
        (vec![app, id, key, (KEY_BASE_URL, "https://u:p@")], "invalid API URL: ***".to_owned()),
    ] {
        assert_eq!(chain(&GitHubApp::from_secret(&data(&pairs)).unwrap_err()), expected);
    }
}

#[test]
fn the_cache_key_changes_with_whatever_makes_the_token() {
    let base = [(KEY_APP_ID, "1"), (KEY_INSTALLATION_ID, "2"), (KEY_PRIVATE_KEY, PKCS8)];
    let key = |pairs: &[(&str, &str)]| GitHubApp::from_secret(&data(pairs)).unwrap().cache_key().clone();
    let keys = [
        key(&base),
        key(&[(KEY_APP_ID, "3"), base[1], base[2]]),
        key(&[base[0], (KEY_INSTALLATION_ID, "3"), base[2]]),
        key(&[base[0], (KEY_INSTALLATION_OWNER, "2"), base[2]]),
        key(&[base[0], base[1], (KEY_PRIVATE_KEY, PKCS1)]),
        key(&[base[0], base[1], base[2], (KEY_BASE_URL, "https://github.example/api/v3")]),
    ];
    assert_eq!(keys.iter().collect::<std::collections::HashSet<_>>().len(), keys.len());
    assert_eq!(key(&[base[0], base[1], base[2], (KEY_BASE_URL, "https://api.github.com")]), keys[0]);
}

#[test]
fn git_takes_the_token_as_a_password() {
    let scheme = GitScheme::Basic { username: secret("x-access-token"), password: secret("ghs_1") };
    assert_eq!(git_login(&issued()), GitLogin { scheme, expires_at: issued().expires_at });
}
