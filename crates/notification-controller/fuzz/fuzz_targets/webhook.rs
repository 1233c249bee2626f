//! Any request to a Receiver of any type: it is let in or refused, soon and without a panic.

#![no_main]

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use notification_controller::webhook::auth::{authenticate, push_payload};
use notification_controller::webhook::media_type::is_json;
use sluice_api::notification::{ReceiverSpec, ReceiverType};

/// Where a line of the input goes.
const HEADERS: [&str; 4] = ["content-type", "authorization", "x-github-event", "ce-type"];

/// Headers that carry signatures; all get the same line.
const SIGNATURES: [&str; 4] = ["x-signature", "x-hub-signature-256", "x-nexus-webhook-signature", "x-gitlab-token"];

// The first byte chooses the type, five lines are headers, and the rest is the body. Half of the tokens are empty, which lets forges' bodies
// in without a signature.
fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let mut parts = rest.splitn(HEADERS.len() + 2, |byte| *byte == b'\n');
    let mut headers = HeaderMap::new();
    for name in HEADERS {
        if let Some(Ok(value)) = parts.next().map(HeaderValue::from_bytes) {
            headers.insert(name, value);
        }
    }
    if let Some(Ok(value)) = parts.next().map(HeaderValue::from_bytes) {
        for name in SIGNATURES {
            headers.insert(name, value.clone());
        }
    }
    let body = parts.next().unwrap_or_default();
    let type_ = ReceiverType::KNOWN[usize::from(first >> 1) % ReceiverType::KNOWN.len()];
    let spec = serde_json::json!({"type": type_, "resources": []});
    let spec: ReceiverSpec = serde_json::from_value(spec).expect("a spec");
    let token: &[u8] = if first & 1 == 0 { b"" } else { b"t" };
    let _ = is_json(&headers);
    let _ = push_payload(body);
    if let Ok(payload) = authenticate(&spec, token, &headers, body) {
        assert!(payload.len() <= body.len().max(2) * 3, "a payload is no larger than its body");
    }
});
