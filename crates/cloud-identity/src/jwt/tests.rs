//! Tokens against those that openssl made from the same key and text.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::testing::{CERTIFICATE, PKCS1, PKCS8, verified};

const PLAIN: &str = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCJ9.eyJleHAiOjE3NjczMjMxMzUsImlhdCI6MTc2NzMyMzAxNSwiaXNzIjoiMTIzNDUifQ.sD4OrTbONEzwQDwsD6kEs7RMbcyANAN9B0hrDfHo9dbaJgF3bq8WJvEPOQlUZvjgqxTOpglhdD55eTMjd6laDL-uS4Hqz-VdhRsvWVhqoGdItMqqj9w_AafDRxSawgfwd4kgi5v7gANeEx_boXOzPZZT5NaCPONvYVNUjNImQ7VPNHCCQyuKF_Iw9HhanrkD1TCB8WxEP46bBD5EZidHkdck6u81TaXAieZmvNSacMoOMLDrGWMnzrdl2f8vy09_LmCrOhu5xZlhWhzBJzzUH6N41cgTV_FdYYUBrsdLYAFHrYqfAYa9Ogybb3tX2d3VrNZba_KhEp8AoenYpFivzA";
const WITH_KEY_ID: &str = "eyJhbGciOiJSUzI1NiIsImtpZCI6ImtleS0xIiwidHlwIjoiSldUIn0.eyJhdWQiOiJodHRwczovL3Rva2VuLmV4YW1wbGUvIiwiZXhwIjoxNzY3MzI2NjQ1LCJpYXQiOjE3NjczMjMwNDUsImlzcyI6InJvYm90QHByb2plY3QuaWFtLmdzZXJ2aWNlYWNjb3VudC5jb20iLCJzY29wZSI6Im9uZSB0d28ifQ.HyJDfBMffzYLq_ClEbznfPiy0YlEdLGRvR9bEaerTPNAfEkXOV3cGBRHcrDXAQr7uF3HWcUoDq4zSKg0DlB4zTD3KbxJunNgY1yBYQVV-JZ1_4vyKXOZ8siWocmYjmJDUdhOqeXw3GnN8lLAqu8kj5OQtj1HQLHb_pF-QgJfwzrRifsVOmOUYfvDYotCbqkyhRXWisysIYTbo5IUs0w7HN3ABHiXZhH0SKbjqBBtafDNqwMZkhe-0gwVNcIWJLczv-S-HadA1n5_oBRKtNieiboZ34LZvOeiQSx0b2_i_PD-dmFAXRoHpIIFF8UkrbGJO9SCqm6vtxtVROkfCF8PaA";

#[test]
fn rs256_is_what_openssl_makes_of_the_same_key_in_either_form() {
    for pem in [PKCS1, PKCS8, &format!("{CERTIFICATE}{PKCS8}")] {
        let key = RsaKey::from_pem(pem.as_bytes()).unwrap();
        let claims =
            BTreeMap::from([("exp", json!(1_767_323_135)), ("iat", json!(1_767_323_015)), ("iss", json!("12345"))]);
        assert_eq!(key.sign(Algorithm::Rs256, &[], &claims).unwrap().expose(), PLAIN);
        let claims = BTreeMap::from([
            ("scope", json!("one two")),
            ("iss", json!("robot@project.iam.gserviceaccount.com")),
            ("iat", json!(1_767_323_045)),
            ("exp", json!(1_767_326_645)),
            ("aud", json!("https://token.example/")),
        ]);
        let signed = key.sign(Algorithm::Rs256, &[("kid", json!("key-1"))], &claims).unwrap();
        assert_eq!(signed.expose(), WITH_KEY_ID);
    }
}

#[test]
fn ps256_verifies() {
    let key = RsaKey::from_pem(PKCS8.as_bytes()).unwrap();
    let token = key.sign(Algorithm::Ps256, &[], &BTreeMap::from([("iss", json!("me"))])).unwrap();
    assert_eq!(verified(token.expose()), (json!({"alg": "PS256", "typ": "JWT"}), json!({"iss": "me"})));
}

#[test]
fn what_is_no_usable_rsa_key_is_refused_without_showing_it() {
    // Made for this test, of no use anywhere.
    const EC: &str = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgH65Lj30Ly6JIBSSH\nOSqRgMKr9BipRHeMaEww1FgVwLahRANCAATtrd1C8ADaqTnTjt/WRG5xGCGMiiMD\nwvMkOecfds2I65xLnUXH1KDCr/QtFgmP198Muf4v8GrgAF4Z+3VTCepM\n-----END PRIVATE KEY-----\n";
    let encrypted = PKCS1.replacen('\n', "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n", 1);
    for (pem, expected) in [
        ("", "no unencrypted PEM private key in PKCS#1 or PKCS#8 form was found"),
        ("secret words", "no unencrypted PEM private key in PKCS#1 or PKCS#8 form was found"),
        (CERTIFICATE, "no unencrypted PEM private key in PKCS#1 or PKCS#8 form was found"),
        (&encrypted, "no unencrypted PEM private key in PKCS#1 or PKCS#8 form was found"),
        (EC, "the private key is not an RSA key"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----\n",
            "the RSA private key was refused: it must have 2048 to 4096 bits and be consistent in itself",
        ),
    ] {
        assert_eq!(RsaKey::from_pem(pem.as_bytes()).unwrap_err().to_string(), expected, "{pem}");
    }
    assert_eq!(format!("{:?}", RsaKey::from_pem(PKCS1.as_bytes()).unwrap()), "RsaKey(***)");
}

#[test]
fn the_end_of_a_foreign_token_is_its_claim_exp_or_none() {
    let token = |claims: &str| format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims));
    let huge = token(&format!(r#"{{"exp":1,"x":"{}"}}"#, "x".repeat(70_000)));
    for (token, expected) in [
        (token(r#"{"exp":1767323045}"#), Some("2026-01-02T03:04:05Z")),
        (token(r#"{"exp":1767323045.9}"#), Some("2026-01-02T03:04:05Z")),
        (token(r#"{"exp":1e300}"#), None),
        (token(r#"{"exp":"soon"}"#), None),
        (token("{}"), None),
        (token("not json"), None),
        ("no token".to_owned(), None),
        ("h.***.s".to_owned(), None),
        (huge, None),
    ] {
        assert_eq!(expiry(&token), expected.map(|text| text.parse().unwrap()), "{token:.80}");
    }
}
