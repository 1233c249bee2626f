use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::{Value, json};
use sluice_api::meta::{Event, EventSeverity};
use sluice_http_client::{ClientConfig, HeaderMap, Proxy, Redirects, StatusCode};

use super::fixtures::{config, error, event, notification, progressing, secret};
use super::*;
use crate::request::{Acceptance, Retry};

mod alerting;
mod chat;
mod queues;
mod refusals;
mod secrets;
mod tracing;

/// A client that goes straight, whatever the environment says. Making one reads the machine's certificates, so a test makes one only.
fn direct_client() -> HttpClient {
    let config = ClientConfig { proxy: Proxy::Direct, redirects: Redirects::SameHost, ..ClientConfig::default() };
    HttpClient::new(&config).unwrap()
}

/// Every request for an event, each of them answered with an empty 200.
fn requests(event: &Event, config: &ProviderConfig) -> Result<Vec<OutboundRequest>, RenderError> {
    static CLIENT: OnceLock<HttpClient> = OnceLock::new();
    let client = CLIENT.get_or_init(direct_client);
    let context = Context { client, identity: None, retry: &RetryPolicy::NEVER };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let prepared = match runtime.block_on(prepare(config.clone(), &context)) {
        Ok(prepared) => prepared,
        Err(PrepareError::Render(error)) => return Err(error),
        Err(error) => panic!("{error}"),
    };
    Ok(walk(prepared.notifier.plan(&notification(event.clone()), config)?))
}

fn walk(plan: Plan) -> Vec<OutboundRequest> {
    let Plan::Http(mut step) = plan else { panic!("not HTTP") };
    let mut requests = Vec::new();
    while let Some(request) = step.request() {
        requests.push(request.clone());
        let answer = Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: Vec::new() };
        step = step.answered(answer).unwrap();
    }
    requests
}

/// The one request for an event.
fn render(event: &Event, config: &ProviderConfig) -> Result<OutboundRequest, RenderError> {
    let mut requests = requests(event, config)?;
    assert_eq!(requests.len(), 1);
    Ok(requests.remove(0))
}

/// Method, URL, headers and body; the body as JSON where it is that.
type Shown = (String, BTreeMap<String, String>, Value);

fn shown(request: &OutboundRequest) -> Shown {
    let body = serde_json::from_slice(&request.body)
        .unwrap_or_else(|_| Value::String(String::from_utf8(request.body.clone()).unwrap()));
    (format!("{} {}", request.method, request.url), headers_of(request), body)
}

/// The same of what is expected; a JSON content type is understood unless there is another.
fn expected(line: &str, headers: &[(&str, &str)], body: Value) -> Shown {
    let mut headers = map(headers);
    headers.entry("content-type".to_owned()).or_insert("application/json".to_owned());
    (line.to_owned(), headers, body)
}

fn refusal(event: &Event, config: &ProviderConfig) -> String {
    requests(event, config).unwrap_err().to_string()
}

fn headers_of(request: &OutboundRequest) -> BTreeMap<String, String> {
    request.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn body_of(request: &OutboundRequest) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

#[test]
fn generic_posts_the_event_itself() {
    let request = render(&event(), &config(Kind::Generic)).unwrap();
    assert_eq!(
        (request.method.as_str(), request.url.as_str(), request.acceptance),
        ("POST", "https://chat.example/hook/1", Acceptance::Success2xx)
    );
    assert_eq!(
        headers_of(&request),
        map(&[("content-type", "application/json"), ("gotk-component", "source-controller")])
    );
    let expected = json!({
        "involvedObject": {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "GitRepository",
            "name": "web",
            "namespace": "apps",
            "uid": "u-1",
        },
        "severity": "info",
        "timestamp": "2026-01-02T03:04:05Z",
        "message": "stored artifact\nin two lines",
        "reason": "NewArtifact",
        "metadata": {"revision": "main@sha1:abc", "summary": "prod"},
        "reportingController": "source-controller",
        "reportingInstance": "pod-0",
    });
    assert_eq!(body_of(&request), expected);
}

#[test]
fn configured_headers_override_all_but_the_framing_and_the_signature() {
    let mut config = config(Kind::GenericHmac);
    config.token = Some(secret("key"));
    for (name, value) in [
        ("Gotk-Component", "mine"),
        ("X-Signature", "forged"),
        ("Authorization", "Bearer t"),
        ("Host", "internal"),
        ("Content-Length", "1"),
        ("Transfer-Encoding", "chunked"),
        ("Content-Type", "application/cloudevents+json"),
    ] {
        config.headers.insert(name.to_owned(), secret(value));
    }
    let request = render(&event(), &config).unwrap();
    let mut headers = headers_of(&request);
    let signature = headers.remove("x-signature").unwrap();
    assert!(signature.starts_with("sha256=") && signature.len() == 7 + 64, "{signature}");
    assert_eq!(
        headers,
        map(&[
            ("authorization", "Bearer t"),
            ("content-type", "application/cloudevents+json"),
            ("gotk-component", "mine"),
        ])
    );
    assert!(request.headers.values().filter(|value| value.is_sensitive()).count() >= 3);
}

#[test]
fn plain_generic_passes_a_configured_signature_through() {
    let mut config = config(Kind::Generic);
    config.token = Some(secret("key"));
    config.headers.insert("X-Signature".to_owned(), secret("mine"));
    assert_eq!(headers_of(&render(&event(), &config).unwrap())["x-signature"], "mine");
}

/// HMAC by its definition: H((key ^ opad) || H((key ^ ipad) || text)).
fn hmac_by_hand(key: &[u8], text: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    assert!(key.len() <= 64);
    let pad = |byte: u8| -> Vec<u8> { (0..64).map(|i| key.get(i).copied().unwrap_or(0) ^ byte).collect() };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(text).finalize();
    hex::encode(Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize())
}

#[test]
fn the_signature_is_the_hmac_of_exactly_the_body_with_the_untrimmed_token() {
    for token in ["key", " key\n", "ключ"] {
        let mut config = config(Kind::GenericHmac);
        config.token = Some(secret(token));
        let request = render(&event(), &config).unwrap();
        let expected = format!("sha256={}", hmac_by_hand(token.as_bytes(), &request.body));
        assert_eq!(headers_of(&request)["x-signature"], expected, "{token:?}");
    }
}

#[test]
fn slack_gets_one_attachment_with_every_field_present() {
    let mut config = config(Kind::Slack);
    config.token = Some(secret("xoxb-1"));
    let request = render(&event(), &config).unwrap();
    assert_eq!(headers_of(&request), map(&[("authorization", "Bearer xoxb-1"), ("content-type", "application/json")]));
    let expected = json!({
        "channel": "",
        "username": "source-controller",
        "icon_url": "",
        "icon_emoji": "",
        "attachments": [{
            "fallback": "gitrepository/web.apps: stored artifact",
            "color": "good",
            "author_name": "gitrepository/web.apps",
            "text": "stored artifact\nin two lines",
            "mrkdwn_in": ["text"],
            "fields": [
                {"title": "revision", "value": "main@sha1:abc", "short": false},
                {"title": "summary", "value": "prod", "short": false},
            ],
        }],
    });
    assert_eq!(body_of(&request), expected);
}

#[test]
fn slack_shows_errors_in_red_and_uses_channel_and_username_as_configured() {
    let config = ProviderConfig { channel: "ops".to_owned(), username: "bot".to_owned(), ..config(Kind::Slack) };
    let event = Event { severity: EventSeverity::Error, metadata: BTreeMap::new(), ..event() };
    let body = body_of(&render(&event, &config).unwrap());
    assert_eq!(
        (&body["channel"], &body["username"], &body["attachments"][0]["color"], &body["attachments"][0]["fields"]),
        (&json!("ops"), &json!("bot"), &json!("danger"), &json!([]))
    );
}

#[test]
fn only_the_exact_address_of_the_web_api_is_judged_by_its_body() {
    for (address, expected) in [
        ("https://slack.com/api/chat.postMessage", Acceptance::SlackOk),
        ("https://slack.com/api/chat.postMessage?x=1", Acceptance::Success2xx),
        ("https://hooks.slack.com/services/T/B/x", Acceptance::Success2xx),
    ] {
        let config = ProviderConfig { address: secret(address), ..config(Kind::Slack) };
        assert_eq!(render(&event(), &config).unwrap().acceptance, expected, "{address}");
    }
}

#[test]
fn what_cannot_be_sent_is_an_error_that_repeats_no_secret() {
    let base = config(Kind::Slack);
    let table = [
        (
            ProviderConfig { address: secret("not a url hunter2"), ..base.clone() },
            "invalid address: not an absolute http or https URL",
        ),
        (ProviderConfig { address: secret(""), ..base.clone() }, "invalid address: not an absolute http or https URL"),
        (
            ProviderConfig { address: secret("file:///etc/passwd"), ..base.clone() },
            "invalid address: not an absolute http or https URL",
        ),
        (
            ProviderConfig { token: Some(secret("hunter2\nX-Evil: 1")), ..base.clone() },
            "header 'Authorization' has a name or a value that HTTP does not allow",
        ),
        (ProviderConfig { kind: Kind::GenericHmac, ..base.clone() }, "HMAC key is empty"),
        (ProviderConfig { kind: Kind::GenericHmac, token: Some(secret("")), ..base.clone() }, "HMAC key is empty"),
        (
            ProviderConfig {
                kind: Kind::Generic,
                headers: [("bad name".to_owned(), secret("hunter2"))].into(),
                ..base.clone()
            },
            "header 'bad name' has a name or a value that HTTP does not allow",
        ),
    ];
    for (config, expected) in table {
        assert_eq!(render(&event(), &config).unwrap_err().to_string(), expected);
    }
}

#[test]
fn the_body_is_escaped_as_receivers_know_it() {
    let message = "a <b> & \u{2028}\u{2029} \"c\"".to_owned();
    let request = render(&Event { message: message.clone(), ..event() }, &config(Kind::Generic)).unwrap();
    let text = String::from_utf8(request.body.clone()).unwrap();
    assert!(text.contains(r#""message":"a \u003cb\u003e \u0026 \u2028\u2029 \"c\"""#), "{text}");
    assert_eq!(body_of(&request)["message"], message);
}
