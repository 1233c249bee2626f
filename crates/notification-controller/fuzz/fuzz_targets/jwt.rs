//! Any text as a token, and any bytes as a key set: nothing forged is ever accepted.

#![no_main]

use libfuzzer_sys::fuzz_target;
use notification_controller::webhook::jwks::{self, Algorithm};
use notification_controller::webhook::jwt::{Expectation, Token};

/// One key of each kind, made by nobody who kept the other half.
const KEYS: &str = r#"{"keys":[
    {"kty":"OKP","crv":"Ed25519","kid":"ed","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"},
    {"kty":"EC","crv":"P-256","kid":"ec","x":"axfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5RdiYwpY","y":"T-NC4v4af5uO5-tKfA-eFivOM1drMV7Oy7ZAaDe_UfU"},
    {"kty":"RSA","kid":"rsa","e":"AQAB","n":"AQAB"}
]}"#;

// The first line may be a key set, the rest is a token.
fuzz_target!(|data: &[u8]| {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let given = jwks::parse(&data[..at]).unwrap_or_default();
    let own = jwks::parse(KEYS.as_bytes()).expect("a key set");
    let Ok(text) = std::str::from_utf8(&data[at..]) else { return };
    let Ok(token) = Token::parse(text.trim()) else { return };
    let now = jiff::Timestamp::UNIX_EPOCH;
    let _ = token.check_claims(Expectation { issuer: "i", audience: "a", now });
    let _ = token.check_signature(&given, &Algorithm::ALL);
    assert!(token.check_signature(&own, &Algorithm::ALL).is_err(), "nobody guesses a signature");
});
