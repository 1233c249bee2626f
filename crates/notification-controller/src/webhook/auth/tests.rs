use http::{HeaderName, HeaderValue};
use serde_json::json;

use super::*;
use crate::fakes::object;

/// Signed with `openssl dgst -<algorithm> -hmac t0ken`.
const PUSH: &str = r#"{"ref":"refs/heads/main"}"#;
const PUSH_SHA1: &str = "sha1=45e3f64b50b12a6de557c771dfb3d5800d853b51";
const PUSH_SHA256: &str = "sha256=899571598279ea07c972c5446511e3675d651bfa304efa18d845a25704721e8f";
const PUSH_SHA512: &str = "sha512=a745f7c951e318931d8bd64e9cf479edca9c9673a9fbb4843b6b60ed4b8591869edb7c4562d99d767a60364c196c1b75c1e15cb551b9fe987f654174426b1087";
const FORM: &str = "payload=%7B%22ref%22%3A%22refs%2Fheads%2Fmain%22%7D";
const FORM_SHA256: &str = "sha256=cf762a25c19fbaa4157709837ae47b64bd206f08d55778827a12b82a957caadf";
const NEXUS: &str = r#"{"action":"UPDATED","repositoryName":"web"}"#;
const NEXUS_SHA1: &str = "e9bbcb114ee580b1196e27088a8df7cdddc91ce0";
const NEXUS_SHA256: &str = "d64760305366c38fcb970e237b321ab55b131c9b35a9e1b042d30328d2cc4fbb";

const JSON: (&str, &str) = ("content-type", "application/json");
const FORM_TYPE: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

type Headers<'a> = &'a [(&'a str, &'a str)];

fn headers(pairs: Headers<'_>) -> HeaderMap {
    let pair =
        |(name, value): &(&str, &str)| -> (HeaderName, HeaderValue) { (name.parse().unwrap(), value.parse().unwrap()) };
    pairs.iter().map(pair).collect()
}

/// The payload, or the error's text.
fn check(type_: &str, token: &str, pairs: Headers<'_>, body: &str) -> Result<String, String> {
    let spec: ReceiverSpec = object(json!({"type": type_, "events": ["ping", "Push", "Push Hook"], "resources": []}));
    let headers = headers(pairs);
    let checked = authenticate(&spec, token.as_bytes(), &headers, body.as_bytes());
    checked.map(|payload| String::from_utf8(payload.into_owned()).unwrap()).map_err(|error| error.to_string())
}

const UNSIGNED: &str = "missing signature";
const BAD: &str = "invalid signature";
const TYPE: &str = "content type is neither application/json nor application/x-www-form-urlencoded";

#[test]
fn generic_needs_nothing_beyond_the_path() {
    for body in ["anything", "", "{"] {
        assert_eq!(check("generic", "t", &[], body), Ok(body.to_owned()));
    }
}

#[test]
fn generic_hmac_needs_a_good_signature() {
    let table: [(&str, Headers<'_>, &str, Result<(), &str>); 9] = [
        ("t0ken", &[("x-signature", PUSH_SHA1)], PUSH, Ok(())),
        ("t0ken", &[("x-signature", PUSH_SHA256)], PUSH, Ok(())),
        ("t0ken", &[("x-signature", PUSH_SHA512)], PUSH, Ok(())),
        ("t0ken", &[], PUSH, Err(UNSIGNED)),
        ("t0ken", &[("x-signature", "")], PUSH, Err(UNSIGNED)),
        ("t0ken\n", &[("x-signature", PUSH_SHA256)], PUSH, Err(BAD)),
        ("t0ken", &[("x-signature", PUSH_SHA256)], "{}", Err(BAD)),
        ("t0ken", &[("x-signature", "md5=00")], PUSH, Err(BAD)),
        ("", &[], PUSH, Err(UNSIGNED)),
    ];
    for (token, headers, body, expected) in table {
        let expected = expected.map(|()| body.to_owned()).map_err(str::to_owned);
        assert_eq!(check("generic-hmac", token, headers, body), expected, "{token:?} {headers:?}");
    }
}

#[test]
fn github_and_bitbucket_need_a_content_type_a_signature_and_a_wanted_event() {
    for (type_, event) in [("github", "x-github-event"), ("bitbucket", "x-event-key")] {
        let push = (event, "push");
        let newer = ("x-hub-signature-256", PUSH_SHA256);
        let older = ("x-hub-signature", PUSH_SHA1);
        let table: [(&str, Headers<'_>, Result<(), &str>); 17] = [
            ("t0ken", &[JSON, push, newer], Ok(())),
            ("t0ken", &[JSON, push, older], Ok(())),
            ("t0ken", &[JSON, push, ("x-hub-signature", PUSH_SHA512)], Ok(())),
            ("t0ken", &[("content-type", "Application/JSON; charset=utf-8"), push, newer], Ok(())),
            ("t0ken", &[JSON, (event, "PUSH"), newer], Ok(())),
            ("t0ken", &[JSON, push, ("x-hub-signature-256", PUSH_SHA1), ("x-hub-signature", "junk")], Ok(())),
            ("t0ken", &[JSON, push, ("x-hub-signature-256", "junk"), older], Err(BAD)),
            ("t0ken", &[JSON, push, ("x-hub-signature-256", FORM_SHA256)], Err(BAD)),
            ("wrong", &[JSON, push, newer], Err(BAD)),
            ("t0ken", &[JSON, push], Err(UNSIGNED)),
            ("t0ken", &[push, newer], Err(TYPE)),
            ("t0ken", &[("content-type", "text/plain"), push, newer], Err(TYPE)),
            ("t0ken", &[("content-type", "application/json; charset"), push, newer], Err(TYPE)),
            ("t0ken", &[JSON, (event, "issues"), newer], Err("event \"issues\" is not one of the receiver's")),
            ("t0ken", &[JSON, newer], Err("event \"\" is not one of the receiver's")),
            // Without a secret a forge signs nothing, and what is signed all the same is checked.
            ("", &[JSON, push], Ok(())),
            ("", &[JSON, push, newer], Err(BAD)),
        ];
        for (token, headers, expected) in table {
            let expected = expected.map(|()| PUSH.to_owned()).map_err(str::to_owned);
            assert_eq!(check(type_, token, headers, PUSH), expected, "{type_} {token:?} {headers:?}");
        }
        let form = check(type_, "t0ken", &[FORM_TYPE, push, ("x-hub-signature-256", FORM_SHA256)], FORM);
        assert_eq!(form, Ok(PUSH.to_owned()), "{type_}");
        let over_payload = check(type_, "t0ken", &[FORM_TYPE, push, newer], FORM);
        assert_eq!(over_payload, Err(BAD.to_owned()), "{type_}");
        let malformed = check(type_, "", &[FORM_TYPE, push], "payload=%7");
        assert_eq!(malformed, Err("malformed form body".to_owned()), "{type_}");
    }
}

#[test]
fn the_other_forge_s_event_header_does_not_count() {
    let signed = [JSON, ("x-hub-signature-256", PUSH_SHA256)];
    let with = |event| [signed[0], signed[1], (event, "push")];
    assert!(check("github", "t0ken", &with("x-event-key"), PUSH).is_err());
    assert!(check("bitbucket", "t0ken", &with("x-github-event"), PUSH).is_err());
}

#[test]
fn gitlab_and_harbor_need_the_token_as_it_is() {
    let hook = ("x-gitlab-event", "push hook");
    let mismatch = |name: &str| format!("the header '{name}' does not match the receiver's token");
    let table: [(&str, &str, Headers<'_>, Result<(), String>); 12] = [
        ("gitlab", "t0ken", &[("x-gitlab-token", "t0ken"), hook], Ok(())),
        ("gitlab", "t0ken", &[("x-gitlab-token", "T0ken"), hook], Err(mismatch("X-Gitlab-Token"))),
        ("gitlab", "t0ken", &[("x-gitlab-token", ""), hook], Err(mismatch("X-Gitlab-Token"))),
        ("gitlab", "t0ken\n", &[("x-gitlab-token", "t0ken"), hook], Err(mismatch("X-Gitlab-Token"))),
        ("gitlab", "t0ken", &[hook], Err(mismatch("X-Gitlab-Token"))),
        ("gitlab", "", &[hook], Ok(())),
        (
            "gitlab",
            "t0ken",
            &[("x-gitlab-token", "t0ken"), ("x-gitlab-event", "Tag Push Hook")],
            Err("event \"Tag Push Hook\" is not one of the receiver's".to_owned()),
        ),
        ("harbor", "t0ken", &[("authorization", "t0ken")], Ok(())),
        ("harbor", "Bearer t0ken", &[("authorization", "Bearer t0ken")], Ok(())),
        ("harbor", "t0ken", &[("authorization", "Bearer t0ken")], Err(mismatch("Authorization"))),
        ("harbor", "t0ken", &[("authorization", "Basic t0ken")], Err(mismatch("Authorization"))),
        ("harbor", "t0ken", &[], Err(mismatch("Authorization"))),
    ];
    for (type_, token, headers, expected) in table {
        let expected = expected.map(|()| "not read".to_owned());
        assert_eq!(check(type_, token, headers, "not read"), expected, "{type_} {token:?} {headers:?}");
    }
}

#[test]
fn registries_without_signatures_are_known_by_their_bodies() {
    let table = [
        ("dockerhub", r#"{"push_data":{"tag":"1"},"repository":{"repo_url":"https://r"},"callback_url":1}"#, true),
        ("dockerhub", r#"{"PUSH_DATA":{"Tag":"1"}} trailing"#, true),
        ("dockerhub", "{}", true),
        ("dockerhub", r#"{"push_data":{"tag":1}}"#, false),
        ("dockerhub", r#"{"repository":[]}"#, false),
        ("dockerhub", "[]", false),
        ("dockerhub", "", false),
        ("quay", r#"{"docker_url":"r/web","updated_tags":["a","b"],"name":{}}"#, true),
        ("quay", r#"{"docker_url":null,"updated_tags":null}{"#, true),
        ("quay", r#"{"updated_tags":"a"}"#, false),
        ("quay", r#"{"updated_tags":[1]}"#, false),
        ("quay", r#"{"docker_url":"#, false),
        ("acr", r#"{"action":"push","target":{"repository":"web","tag":"1","size":5},"id":"x"}"#, true),
        ("acr", r#"{"action":"push"}garbage"#, true),
        ("acr", r#"{"target":{"tag":{}}}"#, false),
        ("acr", "not JSON", false),
    ];
    for (type_, body, accepted) in table {
        let checked = check(type_, "unused", &[], body);
        assert_eq!(checked.is_ok(), accepted, "{type_} {body}: {checked:?}");
        if accepted {
            assert_eq!(checked.as_deref(), Ok(body), "{type_}");
        }
    }
}

#[test]
fn nexus_needs_a_bare_lower_case_signature_and_nothing_behind_its_body() {
    let upper = NEXUS_SHA1.to_uppercase();
    let prefixed = format!("sha1={NEXUS_SHA1}");
    for (token, signature, expected) in [
        ("t0ken", Some(NEXUS_SHA1), Ok(())),
        ("wrong", Some(NEXUS_SHA1), Err(BAD)),
        ("t0ken", Some(upper.as_str()), Err(BAD)),
        ("t0ken", Some(prefixed.as_str()), Err(BAD)),
        ("t0ken", Some(NEXUS_SHA256), Err(BAD)),
        ("t0ken", Some(&NEXUS_SHA1[..39]), Err(BAD)),
        ("t0ken", None, Err(UNSIGNED)),
    ] {
        let pair = [("x-nexus-webhook-signature", signature.unwrap_or_default())];
        let pairs = if signature.is_some() { &pair[..] } else { &[] };
        let expected = expected.map(|()| NEXUS.to_owned()).map_err(str::to_owned);
        assert_eq!(check("nexus", token, pairs, NEXUS), expected, "{token} {signature:?}");
    }
    // printf '{"action":1}' and '{}{}', each | openssl dgst -sha1 -hmac t0ken
    for (body, signature) in [
        (r#"{"action":1}"#, "fdfd483d75065720d1cf68f16d3e33fc17e25c59"),
        ("{}{}", "b50a03699a83d118723cf00f6a7761c2b9e77b17"),
    ] {
        let refused = check("nexus", "t0ken", &[("x-nexus-webhook-signature", signature)], body);
        assert!(refused.clone().is_err_and(|error| error.starts_with("malformed JSON body")), "{refused:?}");
    }
}

#[test]
fn none_listed_means_every_event() {
    for (type_, pairs) in [
        ("github", vec![JSON, ("x-hub-signature-256", PUSH_SHA256)]),
        ("bitbucket", vec![JSON, ("x-hub-signature-256", PUSH_SHA256), ("x-event-key", "any")]),
        ("gitlab", vec![("x-gitlab-token", "t0ken")]),
    ] {
        let spec: ReceiverSpec = object(json!({"type": type_, "resources": []}));
        assert!(authenticate(&spec, b"t0ken", &headers(&pairs), PUSH.as_bytes()).is_ok(), "{type_}");
    }
}

#[test]
fn types_that_need_keys_or_are_unknown_are_refused_here() {
    for type_ in ["generic-oidc", "gcr"] {
        assert_eq!(check(type_, "t", &[], ""), Err("the receiver's type needs the keys of an issuer".to_owned()));
    }
    let newer = "of-a-newer-version";
    assert_eq!(check(newer, "t", &[], ""), Err(format!("receiver type '{newer}' is not supported")));
}

#[test]
fn a_bearer_token_is_trimmed_and_its_scheme_exact() {
    for (value, expected) in [
        ("Bearer a.b.c", Some("a.b.c")),
        ("Bearer   a.b.c ", Some("a.b.c")),
        ("bearer a.b.c", None),
        ("Bearer", None),
        ("Bearer  ", None),
        ("a.b.c", None),
        ("", None),
    ] {
        assert_eq!(bearer(&headers(&[("authorization", value)])).ok(), expected, "{value:?}");
    }
    assert_eq!(bearer(&HeaderMap::new()), Err(AuthError::FindBearer));
}

#[test]
fn what_is_repeated_of_a_caller_is_short() {
    let long = "x".repeat(10_000);
    let spec: ReceiverSpec = object(json!({"type": "gitlab", "events": ["a"], "resources": []}));
    let headers = headers(&[("x-gitlab-event", &long)]);
    let refused = authenticate(&spec, b"", &headers, b"");
    assert!(refused.unwrap_err().to_string().len() < 200);
}
