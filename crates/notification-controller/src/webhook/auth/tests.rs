use hmac::{Hmac, KeyInit, Mac};
use http::{HeaderName, HeaderValue};
use serde_json::json;
use sha2::Sha256;

use super::*;
use crate::fakes::object;

const BODY: &[u8] = b"{\"ref\":\"main\"}";

fn sign(key: &[u8], body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(body);
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair =
        |(name, value): &(&str, &str)| -> (HeaderName, HeaderValue) { (name.parse().unwrap(), value.parse().unwrap()) };
    pairs.iter().map(pair).collect()
}

fn check<'a>(type_: &str, token: &str, pairs: &[(&str, &str)], body: &'a [u8]) -> Result<Cow<'a, [u8]>, AuthError> {
    let spec: ReceiverSpec = object(json!({"type": type_, "events": ["ping", "Push"], "resources": []}));
    authenticate(&spec, token.as_bytes(), &headers(pairs), body)
}

fn github(token: &str, pairs: &[(&str, &str)], body: &[u8]) -> Result<(), AuthError> {
    check("github", token, pairs, body).map(drop)
}

const JSON: (&str, &str) = ("content-type", "application/json");
const PUSH: (&str, &str) = ("x-github-event", "push");

#[test]
fn generic_needs_nothing_beyond_the_path() {
    assert_eq!(check("generic", "t", &[], b"anything").unwrap().as_ref(), b"anything");
}

#[test]
fn generic_hmac_needs_a_good_signature() {
    let good = sign(b"t\n", BODY);
    assert_eq!(check("generic-hmac", "t\n", &[("x-signature", &good)], BODY).unwrap().as_ref(), BODY);
    assert_eq!(check("generic-hmac", "t", &[], BODY), Err(AuthError::FindSignature));
    let bad = check("generic-hmac", "t", &[("x-signature", &good)], BODY);
    assert_eq!(bad, Err(AuthError::Signature(SignatureError::Verify)));
}

#[test]
fn github_takes_either_header_and_the_newer_one_counts() {
    let good = sign(b"t", BODY);
    let bad = sign(b"x", BODY);
    assert_eq!(github("t", &[JSON, PUSH, ("x-hub-signature-256", &good)], BODY), Ok(()));
    assert_eq!(github("t", &[JSON, PUSH, ("x-hub-signature", &good)], BODY), Ok(()));
    assert_eq!(
        github("t", &[JSON, PUSH, ("x-hub-signature-256", &bad), ("x-hub-signature", &good)], BODY),
        Err(AuthError::Signature(SignatureError::Verify))
    );
    assert_eq!(github("t", &[JSON, PUSH], BODY), Err(AuthError::FindSignature));
}

#[test]
fn with_an_empty_token_a_signature_is_optional_and_still_checked() {
    assert_eq!(github("", &[JSON, PUSH], BODY), Ok(()));
    assert_eq!(github("", &[JSON, PUSH, ("x-hub-signature-256", &sign(b"", BODY))], BODY), Ok(()));
    assert_eq!(
        github("", &[JSON, PUSH, ("x-hub-signature-256", &sign(b"x", BODY))], BODY),
        Err(AuthError::Signature(SignatureError::Verify))
    );
}

#[test]
fn github_sends_json_or_a_form_and_nothing_else() {
    let good = sign(b"t", BODY);
    let signed =
        |content_type: &str| github("t", &[("content-type", content_type), PUSH, ("x-hub-signature-256", &good)], BODY);
    assert_eq!(signed("application/json; charset=utf-8"), Ok(()));
    assert_eq!(signed("Application/JSON"), Ok(()));
    assert_eq!(signed("application/x-www-form-urlencoded"), Ok(()));
    assert_eq!(signed("text/plain"), Err(AuthError::ContentType));
    assert_eq!(github("t", &[PUSH, ("x-hub-signature-256", &good)], BODY), Err(AuthError::ContentType));
}

#[test]
fn a_form_is_signed_as_sent_and_its_payload_taken_out() {
    let form = b"payload=%7B%22ref%22%3A%22main%22%7D";
    let form_type = ("content-type", "application/x-www-form-urlencoded");
    let payload = check("github", "t", &[form_type, PUSH, ("x-hub-signature-256", &sign(b"t", form))], form);
    assert_eq!(payload.unwrap().as_ref(), BODY);
    let over_payload = [form_type, PUSH, ("x-hub-signature-256", &sign(b"t", BODY))];
    assert_eq!(github("t", &over_payload, form), Err(AuthError::Signature(SignatureError::Verify)));
    assert_eq!(github("", &[form_type, PUSH], b"payload=%7"), Err(AuthError::DecodeForm));
}

#[test]
fn events_are_compared_without_case_and_none_listed_means_all() {
    let good = sign(b"t", BODY);
    let with_event =
        |event: &str| github("t", &[JSON, ("x-github-event", event), ("x-hub-signature-256", &good)], BODY);
    assert_eq!(with_event("PUSH"), Ok(()));
    assert_eq!(with_event("issues"), Err(AuthError::UnwantedEvent("issues".to_owned())));
    assert_eq!(
        github("t", &[JSON, ("x-hub-signature-256", &good)], BODY),
        Err(AuthError::UnwantedEvent(String::new()))
    );
    let spec: ReceiverSpec = object(json!({"type": "github", "resources": []}));
    let no_event = headers(&[JSON, ("x-hub-signature-256", &good)]);
    assert!(authenticate(&spec, b"t", &no_event, BODY).is_ok());
}

#[test]
fn types_that_are_not_supported_are_refused_by_name() {
    for name in ["gitlab", "gcr", "generic-oidc", "of-a-newer-version"] {
        assert_eq!(check(name, "t", &[], BODY), Err(AuthError::SelectType(name.to_owned())));
    }
}
