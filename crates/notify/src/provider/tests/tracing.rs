//! OTLP and Sentry.

use super::*;

/// A protobuf field as it stands on the wire.
#[derive(Clone, Debug, PartialEq)]
enum Field {
    Number(u64),
    Fixed(u64),
    Bytes(Vec<u8>),
}

/// Reads a message's fields, knowing nothing of the writer.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field)> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let (mut value, mut shift) = (0, 0);
        loop {
            let (first, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(first & 0x7f) << shift;
            shift += 7;
            if first & 0x80 == 0 {
                return value;
            }
        }
    }
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let field = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => {
                let (head, rest) = bytes.split_at(8);
                bytes = rest;
                Field::Fixed(u64::from_le_bytes(head.try_into().unwrap()))
            }
            2 => {
                let length = usize::try_from(varint(&mut bytes)).unwrap();
                let (head, rest) = bytes.split_at(length);
                bytes = rest;
                Field::Bytes(head.to_vec())
            }
            other => panic!("wire type {other}"),
        };
        fields.push((key >> 3, field));
    }
    fields
}

fn all(message: &[u8], number: u64) -> Vec<Field> {
    fields(message).into_iter().filter(|(found, _)| *found == number).map(|(_, field)| field).collect()
}

fn bytes(message: &[u8], number: u64) -> Vec<u8> {
    match &all(message, number)[..] {
        [Field::Bytes(bytes)] => bytes.clone(),
        other => panic!("{number}: {other:?}"),
    }
}

fn text(message: &[u8], number: u64) -> String {
    String::from_utf8(bytes(message, number)).unwrap()
}

/// `KeyValue`s with texts.
fn attributes(message: &[u8], number: u64) -> Vec<(String, String)> {
    let pair = |field: Field| {
        let Field::Bytes(pair) = field else { panic!("{field:?}") };
        (text(&pair, 1), text(&bytes(&pair, 2), 1))
    };
    all(message, number).into_iter().map(pair).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn otel_gets_one_span_in_the_trace_of_alert_and_revision() {
    use sha2::{Digest, Sha256};
    let request = render(&event(), &config(Kind::Otel)).unwrap();
    assert_eq!(request.url.as_str(), "https://chat.example/hook/1");
    assert_eq!(headers_of(&request), map(&[("content-type", "application/x-protobuf")]));
    let resource_spans = bytes(&request.body, 1);
    assert_eq!(text(&resource_spans, 3), "https://opentelemetry.io/schemas/1.34.0");
    let resource = bytes(&resource_spans, 1);
    let wanted =
        pairs(&[("service.name", "apps/on-call"), ("service.namespace", "apps"), ("service.instance.id", "a-1")]);
    assert_eq!(attributes(&resource, 1), wanted);
    let scope_spans = bytes(&resource_spans, 2);
    assert_eq!(text(&bytes(&scope_spans, 1), 1), "flux:notification-controller");
    let span = bytes(&scope_spans, 2);
    assert_eq!(bytes(&span, 1), Sha256::digest("a-1:main@sha1:abc")[..16]);
    assert_eq!(bytes(&span, 2), [0, 1, 2, 3, 4, 5, 6, 7]);
    assert_eq!(text(&span, 5), "GitRepository: apps/web");
    assert_eq!(all(&span, 6), [Field::Number(1)]);
    assert_eq!(all(&span, 7), [Field::Fixed(1_767_323_045_000_000_000)]);
    assert_eq!(all(&span, 8), [Field::Fixed(1_767_323_046_500_000_000)]);
    let wanted = pairs(&[
        ("object.uid", "u-1"),
        ("object.kind", "GitRepository"),
        ("object.name", "web"),
        ("object.namespace", "apps"),
        ("revision", "main@sha1:abc"),
        ("summary", "prod"),
    ]);
    assert_eq!(attributes(&span, 9), wanted);
    assert_eq!(fields(&bytes(&span, 15)), [(3, Field::Number(1))]);

    let failed = render(&error(), &config(Kind::Otel)).unwrap();
    let span = bytes(&bytes(&bytes(&failed.body, 1), 2), 2);
    assert_eq!(bytes(&span, 1), Sha256::digest("a-1:unknown")[..16]);
    let status = bytes(&span, 15);
    assert_eq!((text(&status, 2).as_str(), all(&status, 3)), ("stored artifact\nin two lines", vec![Field::Number(2)]));

    let chart =
        Event { metadata: map(&[("app-version", "1.2"), ("oci-digest", "sha256:x"), ("revision", "r")]), ..event() };
    let span = bytes(&bytes(&bytes(&render(&chart, &config(Kind::Otel)).unwrap().body, 1), 2), 2);
    assert_eq!(bytes(&span, 1), Sha256::digest("a-1:1.2@sha256:x")[..16]);
}

#[test]
fn otel_has_a_default_path_and_leaves_out_helm_repositories() {
    for (address, url) in [
        ("http://collector:4318", "http://collector:4318/v1/traces"),
        ("https://collector/", "https://collector/v1/traces"),
        ("https://collector/custom", "https://collector/custom"),
    ] {
        let config = ProviderConfig { address: secret(address), ..config(Kind::Otel) };
        assert_eq!(render(&event(), &config).unwrap().url.as_str(), url);
    }
    let mut repository = event();
    repository.involved_object.kind = "HelmRepository".to_owned();
    assert_eq!(requests(&repository, &config(Kind::Otel)).unwrap(), []);
}

#[test]
fn otel_sends_credentials_only_beside_headers_and_a_header_wins() {
    let sent = |headers: &[(&str, &str)], token: Option<&str>, username: &str, password: Option<&str>| {
        let config = ProviderConfig {
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), secret(value))).collect(),
            token: token.map(secret),
            username: username.to_owned(),
            password: password.map(secret),
            ..config(Kind::Otel)
        };
        headers_of(&render(&event(), &config).unwrap()).remove("authorization")
    };
    let some = |text: &str| Some(text.to_owned());
    let tenant = [("X-Tenant", "a")];
    assert_eq!(sent(&[], Some("t"), "u", Some("p")), None);
    assert_eq!(sent(&tenant, Some("t"), "", None), some("Bearer t"));
    assert_eq!(sent(&tenant, None, "", Some("p")), some("Bearer p"));
    assert_eq!(sent(&tenant, Some("t"), "u", Some("p")), some("Basic dTpw"));
    assert_eq!(sent(&tenant, None, "", None), None);
    assert_eq!(sent(&[("authorization", "ApiKey x")], Some("t"), "u", Some("p")), some("ApiKey x"));
}

/// The three lines of an envelope.
fn envelope(request: &OutboundRequest) -> [Value; 3] {
    let text = String::from_utf8(request.body.clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let [head, item_head, item] = lines[..] else { panic!("{text}") };
    let parsed: [Value; 3] = [head, item_head, item].map(|line| serde_json::from_str(line).unwrap());
    assert_eq!(parsed[1]["length"], item.len());
    parsed
}

fn sentry() -> ProviderConfig {
    ProviderConfig { address: secret("https://key@sentry.example/base/42"), ..config(Kind::Sentry) }
}

#[test]
fn sentry_gets_an_error_as_an_event() {
    let config = ProviderConfig { channel: "staging".to_owned(), ..sentry() };
    let event = Event { metadata: map(&[("revision", "r")]), ..error() };
    let request = render(&event, &config).unwrap();
    assert_eq!(request.url.as_str(), "https://sentry.example/base/api/42/envelope/");
    let client = concat!("sluice/", env!("CARGO_PKG_VERSION"));
    let auth = format!("Sentry sentry_version=7, sentry_client={client}, sentry_key=key");
    let wanted = [("content-type", "application/x-sentry-envelope"), ("x-sentry-auth", &auth)];
    assert_eq!(headers_of(&request), map(&wanted));
    let id = "000102030405060708090a0b0c0d0e0f";
    let [head, item_head, item] = envelope(&request);
    assert_eq!((&head["event_id"], &head["sent_at"]), (&json!(id), &json!("2026-01-02T03:04:06Z")));
    assert_eq!(item_head["type"], "event");
    let wanted = json!({
        "event_id": id,
        "timestamp": "2026-01-02T03:04:05Z",
        "level": "error",
        "environment": "staging",
        "server_name": "source-controller",
        "transaction": "GitRepository: apps/web",
        "message": "stored artifact\nin two lines",
        "platform": "go",
        "contexts": {"metadata": {"revision": "r"}},
    });
    assert_eq!(item, wanted);
}

#[test]
fn sentry_gets_everything_else_as_a_transaction_with_one_span() {
    let [_, item_head, item] = envelope(&render(&event(), &sentry()).unwrap());
    assert_eq!(item_head["type"], "transaction");
    let trace = "101112131415161718191a1b1c1d1e1f";
    let wanted = json!({
        "event_id": "000102030405060708090a0b0c0d0e0f",
        "type": "transaction",
        "start_timestamp": "2026-01-02T03:04:05Z",
        "timestamp": "2026-01-02T03:04:05Z",
        "environment": "production",
        "server_name": "source-controller",
        "transaction": "GitRepository: apps/web",
        "message": "stored artifact\nin two lines",
        "platform": "go",
        "contexts": {"trace": {"trace_id": trace, "span_id": "08090a0b0c0d0e0f", "op": "event"}},
        "tags": {
            "flux_involved_object_kind": "GitRepository",
            "flux_involved_object_namespace": "apps",
            "flux_involved_object_name": "web",
            "flux_reporting_controller": "source-controller",
            "flux_reporting_instance": "pod-0",
            "flux_reason": "NewArtifact",
            "revision": "main@sha1:abc",
            "summary": "prod",
        },
        "spans": [{
            "trace_id": trace,
            "span_id": "18191a1b1c1d1e1f",
            "parent_span_id": "08090a0b0c0d0e0f",
            "op": "event",
            "description": "stored artifact\nin two lines",
            "start_timestamp": "2026-01-02T03:04:05Z",
            "timestamp": "2026-01-02T03:04:05Z",
        }],
    });
    assert_eq!(item, wanted);
}

#[test]
fn a_sentry_key_that_is_none_is_refused_without_being_repeated() {
    let address = |text: &str| ProviderConfig { address: secret(text), ..sentry() };
    assert_eq!(refusal(&event(), &address("")), "DSN cannot be empty");
    for bad in ["hunter2", "https://sentry.example/42", "https://hunter2@sentry.example/", "ftp://hunter2@h/1"] {
        assert_eq!(refusal(&event(), &address(bad)), "invalid Sentry DSN", "{bad}");
    }
    let old = render(&event(), &address("https://key:hunter2@sentry.example/42")).unwrap();
    assert!(headers_of(&old)["x-sentry-auth"].ends_with("sentry_key=key, sentry_secret=hunter2"));
    assert!(!old.url.as_str().contains("hunter2"));
}
