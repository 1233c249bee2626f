//! Any text as a list of content types, a signature and a bearer token.

#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use notification_controller::webhook::auth::{authenticate, bearer};
use notification_controller::webhook::media_type::{is_json, parse};
use sluice_api::notification::ReceiverSpec;

fuzz_target!(|data: &[u8]| {
    let Ok(value) = HeaderValue::from_bytes(data) else { return };
    let headers: HeaderMap = ["content-type", "authorization", "x-signature"]
        .map(|name| (name.parse().expect("a name"), value.clone()))
        .into_iter()
        .collect();
    if let Ok(text) = std::str::from_utf8(data) {
        if let Some(media_type) = parse(text) {
            assert_eq!(parse(&media_type), Some(media_type.clone()), "a media type reads as itself");
        }
    }
    let _ = is_json(&headers);
    let _ = bearer(&headers);
    let spec: ReceiverSpec =
        serde_json::from_value(serde_json::json!({"type": "generic-hmac", "resources": []})).expect("a spec");
    assert!(authenticate(&spec, b"key", &headers, b"body").is_err(), "nobody guesses a signature");
});
