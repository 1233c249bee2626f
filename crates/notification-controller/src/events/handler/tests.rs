use std::collections::BTreeMap;
use std::sync::Mutex as StdMutex;

use axum::body::Body;
use http::Method;
use serde_json::{Value, json};
use sluice_api::notification::{Alert, Provider};
use tokio::net::TcpListener;
use tower_service::Service;

use super::*;
use crate::fakes::{Cluster, Warning, map, object};
use crate::server::MAX_BODY_BYTES;

const FAST: RetryPolicy =
    RetryPolicy { attempts: 5, min_wait: Duration::from_millis(1), max_wait: Duration::from_millis(5) };

/// What a receiving service saw: headers in lower case, and the body.
type Received = (BTreeMap<String, String>, Value);

#[derive(Clone)]
struct Sink {
    url: String,
    failures: Arc<StdMutex<u32>>,
    received: Arc<StdMutex<Vec<Received>>>,
}

impl Sink {
    /// A service on the loopback that answers 500 this many times before it takes a message.
    async fn start(failures: u32) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/in", listener.local_addr().unwrap());
        let sink = Self { url, failures: Arc::new(StdMutex::new(failures)), received: Arc::default() };
        let router = Router::new().fallback(receive).with_state(sink.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        sink
    }

    fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

async fn receive(State(sink): State<Sink>, request: Request) -> (StatusCode, &'static str) {
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap();
    sink.received.lock().unwrap().push((headers, serde_json::from_slice(&body).unwrap()));
    let mut failures = sink.failures.lock().unwrap();
    if *failures > 0 {
        *failures -= 1;
        return (StatusCode::INTERNAL_SERVER_ERROR, "token s3cr3t-token is tired");
    }
    (StatusCode::OK, "ok")
}

fn alert(name: &str, provider: &str, changes: Value) -> Arc<Alert> {
    let mut spec = json!({
        "providerRef": {"name": provider},
        "eventSources": [{"kind": "Kustomization", "name": "*"}],
    });
    let Value::Object(changes) = changes else { panic!("not an object") };
    spec.as_object_mut().unwrap().extend(changes);
    let metadata = json!({"name": name, "namespace": "apps"});
    let api_version = "notification.toolkit.fluxcd.io/v1beta3";
    Arc::new(object(json!({"apiVersion": api_version, "kind": "Alert", "metadata": metadata, "spec": spec})))
}

fn provider(name: &str, spec: &Value) -> Arc<Provider> {
    let metadata = json!({"name": name, "namespace": "apps"});
    let api_version = "notification.toolkit.fluxcd.io/v1beta3";
    Arc::new(object(json!({"apiVersion": api_version, "kind": "Provider", "metadata": metadata, "spec": spec})))
}

fn cluster(alerts: Vec<Arc<Alert>>, providers: Vec<Arc<Provider>>) -> Cluster {
    Cluster { alerts, providers, is_synced: true, ..Cluster::default() }
}

fn server(cluster: &Arc<Cluster>, cross_namespace: CrossNamespace) -> EventServer {
    let settings = EventServerSettings { cross_namespace, retry: FAST, ..EventServerSettings::default() };
    let (catalog, secrets, objects, warnings) = (cluster.clone(), cluster.clone(), cluster.clone(), cluster.clone());
    EventServer::new(settings, Ports { catalog, secrets, objects, warnings, identities: None }, EventMetrics::default())
}

fn event(changes: Value) -> Value {
    let mut event = json!({
        "involvedObject": {
            "kind": "Kustomization", "namespace": "apps", "name": "web",
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        },
        "severity": "info",
        "timestamp": "2026-01-02T03:04:05Z",
        "message": "applied",
        "reason": "Progressing",
        "metadata": {
            "kustomize.toolkit.fluxcd.io/revision": "main@sha1:abc",
            "kustomize.toolkit.fluxcd.io/token": "unique",
            "kustomize.toolkit.fluxcd.io/digest": "sha256:1",
            "foreign/key": "x",
        },
        "reportingController": "kustomize-controller",
    });
    let Value::Object(changes) = changes else { panic!("not an object") };
    event.as_object_mut().unwrap().extend(changes);
    event
}

async fn post(server: &EventServer, body: impl Into<Body>) -> Response {
    let request = http::Request::builder().method(Method::POST).uri("/").body(body.into()).unwrap();
    server.router().call(request).await.unwrap()
}

/// Posts one event to a new server and waits for everything that it causes.
async fn deliver(cluster: &Arc<Cluster>, cross_namespace: CrossNamespace, event: &Value) -> Vec<Warning> {
    let server = server(cluster, cross_namespace);
    assert_eq!(post(&server, event.to_string()).await.status(), StatusCode::ACCEPTED);
    assert_eq!(server.drain(Duration::from_secs(20)).await, 0);
    cluster.warnings()
}

fn failed(alert: &str, message: &str) -> Warning {
    (alert.to_owned(), "NotificationDispatchFailed".to_owned(), message.to_owned(), BTreeMap::new())
}

#[tokio::test]
async fn an_event_is_accepted_once_per_window_and_the_headers_say_until_when() {
    let server = server(&Arc::new(cluster(Vec::new(), Vec::new())), CrossNamespace::Allowed);
    let first = post(&server, event(json!({})).to_string()).await;
    assert_eq!(first.status(), StatusCode::ACCEPTED);
    let header =
        |response: &Response, name: &str| response.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    for (name, expected) in [("x-ratelimit-limit", "1"), ("x-ratelimit-remaining", "0")] {
        assert_eq!(header(&first, name).as_deref(), Some(expected), "{name}");
    }
    let reset = header(&first, "x-ratelimit-reset").unwrap();
    let end = jiff::civil::DateTime::strptime("%a, %d %b %Y %H:%M:%S UTC", &reset).unwrap();
    let wait = end.to_zoned(TimeZone::UTC).unwrap().timestamp().duration_since(Timestamp::now()).as_secs();
    assert!((295..=300).contains(&wait), "{reset}");
    assert_eq!(header(&first, "retry-after"), None);
    assert_eq!(axum::body::to_bytes(first.into_body(), 10).await.unwrap(), "");

    // The severity is no part of an event's identity.
    let second = post(&server, event(json!({"severity": "error"})).to_string()).await;
    assert_eq!(second.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(header(&second, "retry-after"), header(&second, "x-ratelimit-reset"));
    assert_eq!(header(&second, "content-type").as_deref(), Some("text/plain; charset=utf-8"));
    assert_eq!(axum::body::to_bytes(second.into_body(), 100).await.unwrap(), "Too Many Requests\n");

    let other = post(&server, event(json!({"message": "other"})).to_string()).await;
    assert_eq!(other.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn bodies_that_are_no_event_are_refused() {
    let server = server(&Arc::new(cluster(Vec::new(), Vec::new())), CrossNamespace::Allowed);
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    for body in ["", "{", "[]", "{\"metadata\":{\"a\":1}}", "{\"timestamp\":\"soon\"}", "{} x", deep.as_str()] {
        let response = post(&server, body.to_owned()).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{}", &body[..body.len().min(30)]);
        assert_eq!(axum::body::to_bytes(response.into_body(), 10).await.unwrap(), "");
    }
    assert_eq!(post(&server, vec![b' '; MAX_BODY_BYTES + 1]).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(post(&server, "{\"Severity\":\"odd\",\"unknown\":1}").await.status(), StatusCode::ACCEPTED);
}

#[tokio::test]
async fn the_generic_provider_receives_the_event_with_merged_metadata() {
    let sink = Sink::start(0).await;
    let alerts = vec![alert("on-call", "hook", json!({"eventMetadata": {"cluster": "prod", "revision": "mine"}}))];
    let providers = vec![provider("hook", &json!({"type": "generic", "address": sink.url}))];
    let cluster = Arc::new(cluster(alerts, providers));
    let warnings = deliver(&cluster, CrossNamespace::Allowed, &event(json!({}))).await;
    let (headers, body) = sink.received().remove(0);
    assert_eq!(
        (headers["content-type"].as_str(), headers["gotk-component"].as_str()),
        ("application/json", "kustomize-controller")
    );
    let expected = json!({
        "involvedObject": {
            "kind": "Kustomization", "namespace": "apps", "name": "web",
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        },
        "severity": "info",
        "timestamp": "2026-01-02T03:04:05Z",
        "message": "applied",
        "reason": "Progressing",
        "metadata": {"cluster": "prod", "revision": "main@sha1:abc"},
        "reportingController": "kustomize-controller",
    });
    assert_eq!(body, expected);
    let sources = "Alert object .spec.eventMetadata, involved object controller metadata";
    let conflict = super::super::dispatch::CONFLICT_TEXT.to_owned();
    let warning = ("on-call".to_owned(), "MetadataAppendFailed".to_owned(), conflict, map(&[("revision", sources)]));
    assert_eq!(warnings, [warning]);
}

#[tokio::test]
async fn slack_receives_its_message_after_a_server_error_and_a_retry() {
    let sink = Sink::start(1).await;
    let spec = json!({"type": "slack", "channel": "general", "address": sink.url, "secretRef": {"name": "slack"}});
    let mut cluster = cluster(vec![alert("on-call", "chat", json!({}))], vec![provider("chat", &spec)]);
    cluster.secrets.insert("apps/slack".to_owned(), [("token", "xoxb")].into_iter().collect());
    let cluster = Arc::new(cluster);
    assert_eq!(deliver(&cluster, CrossNamespace::Allowed, &event(json!({"severity": "error"}))).await, []);
    let received = sink.received();
    assert_eq!(received.len(), 2);
    assert_eq!(received[0], received[1]);
    assert_eq!(received[1].0["authorization"], "Bearer xoxb");
    let expected = json!({
        "channel": "general",
        "username": "kustomize-controller",
        "icon_url": "",
        "icon_emoji": "",
        "attachments": [{
            "fallback": "kustomization/web.apps: applied",
            "color": "danger",
            "author_name": "kustomization/web.apps",
            "text": "applied",
            "mrkdwn_in": ["text"],
            "fields": [{"title": "revision", "value": "main@sha1:abc", "short": false}],
        }],
    });
    assert_eq!(received[1].1, expected);
}

#[tokio::test]
async fn a_send_that_fails_for_good_is_told_to_the_alert_without_the_token() {
    let sink = Sink::start(100).await;
    let spec = json!({"type": "generic", "address": sink.url, "secretRef": {"name": "hook"}});
    let mut cluster = cluster(vec![alert("on-call", "hook", json!({}))], vec![provider("hook", &spec)]);
    cluster.secrets.insert("apps/hook".to_owned(), [("token", "s3cr3t-token")].into_iter().collect());
    let warnings = deliver(&Arc::new(cluster), CrossNamespace::Allowed, &event(json!({}))).await;
    let text = "failed to send notification for Kustomization/apps/web: request failed: request failed with status \
                code 500: token ***** is tired";
    assert_eq!(warnings, [failed("on-call", text)]);
    assert_eq!(sink.received().len(), 5);
}

#[tokio::test]
async fn one_alert_that_cannot_be_prepared_is_warned_and_the_others_are_served() {
    let sink = Sink::start(0).await;
    let alerts = vec![
        alert("no-provider", "gone", json!({})),
        alert("no-secret", "secretive", json!({})),
        alert("not-yet", "teams", json!({})),
        alert("good", "hook", json!({})),
        alert("suspended-provider", "asleep", json!({})),
        alert("suspended", "gone", json!({"suspend": true})),
        alert("other-source", "gone", json!({"eventSources": []})),
        alert("excluded", "gone", json!({"exclusionList": ["app.*"]})),
    ];
    let hook = json!({"type": "generic", "address": sink.url});
    let providers = vec![
        provider("secretive", &json!({"type": "slack", "address": sink.url, "secretRef": {"name": "gone"}})),
        provider("teams", &json!({"type": "smoke-signals", "address": sink.url})),
        provider("hook", &hook),
        provider("asleep", &json!({"type": "generic", "address": sink.url, "suspend": true})),
    ];
    let warnings = deliver(&Arc::new(cluster(alerts, providers)), CrossNamespace::Allowed, &event(json!({}))).await;
    let prefix = "failed to dispatch notification for Kustomization/apps/web: ";
    let expected = [
        failed(
            "no-provider",
            &format!("{prefix}failed to read provider: providers.notification.toolkit.fluxcd.io \"gone\" not found"),
        ),
        failed(
            "no-secret",
            &format!(
                "{prefix}failed to initialize notifier for provider 'secretive': failed to get secret 'apps/gone': \
                 secrets \"gone\" not found"
            ),
        ),
        failed(
            "not-yet",
            &format!(
                "{prefix}failed to initialize notifier for provider 'teams': provider type 'smoke-signals' \
                 is not supported yet"
            ),
        ),
    ];
    assert_eq!(warnings, expected);
    assert_eq!(sink.received().len(), 1);
}

#[tokio::test]
async fn an_update_of_a_commit_status_reaches_generic_providers_and_no_chat() {
    let sink = Sink::start(0).await;
    let alerts = vec![alert("a", "hook", json!({})), alert("b", "chat", json!({})), alert("c", "forge", json!({}))];
    let providers = vec![
        provider("hook", &json!({"type": "generic", "address": sink.url})),
        provider("chat", &json!({"type": "slack", "address": sink.url})),
        provider("forge", &json!({"type": "githubpullrequestcomment", "address": sink.url})),
    ];
    let update = event(json!({"metadata": {"kustomize.toolkit.fluxcd.io/commit_status": "update"}}));
    assert_eq!(deliver(&Arc::new(cluster(alerts, providers)), CrossNamespace::Allowed, &update).await, []);
    let metadata: Vec<Value> = sink.received().into_iter().map(|(_, body)| body["metadata"].clone()).collect();
    assert_eq!(metadata, [json!({"commit_status": "update"})]);
}

#[tokio::test]
async fn an_event_of_a_forbidden_namespace_fails_at_dispatch() {
    let sink = Sink::start(0).await;
    let source = json!({"eventSources": [{"kind": "Kustomization", "name": "*", "namespace": "team"}]});
    let hook = provider("hook", &json!({"type": "generic", "address": sink.url}));
    let cluster = Arc::new(cluster(vec![alert("a", "hook", source)], vec![hook]));
    let mut foreign = event(json!({}));
    foreign["involvedObject"]["namespace"] = json!("team");
    assert_eq!(deliver(&cluster, CrossNamespace::Allowed, &foreign).await, []);
    assert_eq!(sink.received().len(), 1);
    let text = "failed to dispatch notification for Kustomization/team/web: can't access 'Kustomization/team/web', \
                cross-namespace references have been blocked";
    assert_eq!(deliver(&cluster, CrossNamespace::Blocked, &foreign).await, [failed("a", text)]);
    assert_eq!(sink.received().len(), 1);
}

#[tokio::test]
async fn labels_are_read_once_per_event_and_a_failed_read_is_no_match() {
    let sink = Sink::start(0).await;
    let labelled =
        |team: &str| json!({"eventSources": [{"kind": "Kustomization", "name": "*", "matchLabels": {"team": team}}]});
    let alerts = vec![alert("a", "hook", labelled("a")), alert("b", "hook", labelled("b"))];
    let hook = provider("hook", &json!({"type": "generic", "address": sink.url}));
    let mut with_object = cluster(alerts.clone(), vec![hook.clone()]);
    with_object.objects.insert("Kustomization/apps/web".to_owned(), map(&[("team", "a"), ("x", "y")]));
    let with_object = Arc::new(with_object);
    assert_eq!(deliver(&with_object, CrossNamespace::Allowed, &event(json!({}))).await, []);
    assert_eq!((sink.received().len(), *with_object.label_reads.lock().unwrap()), (1, 1));

    let without_object = Arc::new(cluster(alerts, vec![hook]));
    let warnings = deliver(&without_object, CrossNamespace::Allowed, &event(json!({}))).await;
    let warning = |name: &str| {
        let text = "error getting source object Kustomization/apps/web".to_owned();
        (name.to_owned(), "SourceFetchFailed".to_owned(), text, BTreeMap::new())
    };
    assert_eq!(warnings, [warning("a"), warning("b")]);
    assert_eq!(sink.received().len(), 1);
}

#[tokio::test]
async fn invalid_settings_of_an_alert_are_told_to_it() {
    let alerts = vec![
        alert("regex", "gone", json!({"inclusionList": ["("]})),
        alert(
            "labels",
            "gone",
            json!({"eventSources": [
                {"kind": "Kustomization", "name": "*", "matchLabels": {"a": "b,c"}},
            ]}),
        ),
    ];
    let warnings = deliver(&Arc::new(cluster(alerts, Vec::new())), CrossNamespace::Allowed, &event(json!({}))).await;
    let told: Vec<(&str, &str)> = warnings.iter().map(|(name, reason, ..)| (name.as_str(), reason.as_str())).collect();
    assert_eq!(told, [("regex", "InvalidConfig"), ("labels", "InvalidConfig")]);
}

#[tokio::test]
async fn an_event_before_the_first_sync_is_accepted_and_lost() {
    let cluster = Arc::new(Cluster::default());
    assert_eq!(deliver(&cluster, CrossNamespace::Allowed, &event(json!({}))).await, []);
}

#[tokio::test]
async fn a_service_account_is_refused_while_its_gate_is_off() {
    let sink = Sink::start(0).await;
    let spec = json!({"type": "generic", "address": sink.url, "serviceAccountName": "sa"});
    let cluster = Arc::new(cluster(vec![alert("a", "hook", json!({}))], vec![provider("hook", &spec)]));
    let text = "failed to dispatch notification for Kustomization/apps/web: failed to initialize notifier for provider \
                'hook': to use spec.serviceAccountName for provider authentication please enable the \
                ObjectLevelWorkloadIdentity feature gate in the controller";
    assert_eq!(deliver(&cluster, CrossNamespace::Allowed, &event(json!({}))).await, [failed("a", text)]);
    assert_eq!(sink.received().len(), 0);

    let settings = EventServerSettings { service_accounts: ServiceAccounts::Allowed, ..EventServerSettings::default() };
    let (catalog, secrets, objects, warnings) = (cluster.clone(), cluster.clone(), cluster.clone(), cluster.clone());
    let server = EventServer::new(
        settings,
        Ports { catalog, secrets, objects, warnings, identities: None },
        EventMetrics::default(),
    );
    post(&server, event(json!({})).to_string()).await;
    assert_eq!(server.drain(Duration::from_secs(20)).await, 0);
    assert_eq!(sink.received().len(), 1);
}

#[tokio::test]
async fn what_a_type_does_not_tell_is_neither_sent_nor_told_of() {
    let sink = Sink::start(0).await;
    let spec = json!({"type": "pagerduty", "address": sink.url, "channel": "key"});
    let cluster = Arc::new(cluster(vec![alert("a", "pager", json!({}))], vec![provider("pager", &spec)]));
    assert_eq!(deliver(&cluster, CrossNamespace::Allowed, &event(json!({}))).await, []);
    assert_eq!(sink.received().len(), 0);
    let done = event(json!({"reason": "ReconciliationSucceeded"}));
    assert_eq!(deliver(&cluster, CrossNamespace::Allowed, &done).await, []);
    assert_eq!(sink.received().len(), 2);
}

#[tokio::test]
async fn an_expression_for_a_commit_status_that_gives_nothing_is_told_before_a_secret_is_read() {
    let spec = json!({
        "type": "github", "address": "https://github.com/o/r", "secretRef": {"name": "gone"},
        "commitStatusExpr": "event.metadata.cluster",
    });
    let cluster = Arc::new(cluster(vec![alert("a", "forge", json!({}))], vec![provider("forge", &spec)]));
    let warnings = deliver(&cluster, CrossNamespace::Allowed, &event(json!({"severity": "error"}))).await;
    let text = "failed to dispatch notification for Kustomization/apps/web: failed to create commit status: failed to \
                evaluate the spec.commitStatusExpr CEL expression for the event: CEL expression output type mismatch: \
                expected string, got dyn";
    assert_eq!(warnings, [failed("a", text)]);
}

#[tokio::test]
async fn what_sentry_and_otel_do_not_take_is_not_told_to_the_alert() {
    let alerts = vec![alert("a", "sentry", json!({})), alert("b", "otel", json!({}))];
    let providers = vec![
        provider("sentry", &json!({"type": "sentry", "address": "http://key@127.0.0.1:1/42"})),
        provider("otel", &json!({"type": "otel", "address": "http://127.0.0.1:1"})),
    ];
    let cluster = Arc::new(cluster(alerts, providers));
    assert_eq!(deliver(&cluster, CrossNamespace::Allowed, &event(json!({}))).await, []);
}

#[tokio::test]
async fn a_conflict_of_metadata_is_told_even_if_the_provider_then_fails() {
    let alerts = vec![alert("a", "hook", json!({"eventMetadata": {"revision": "mine"}}))];
    let spec = json!({"type": "generic-hmac", "address": "http://127.0.0.1:1"});
    let warnings =
        deliver(&Arc::new(cluster(alerts, vec![provider("hook", &spec)])), CrossNamespace::Allowed, &event(json!({})))
            .await;
    let reasons: Vec<&str> = warnings.iter().map(|(_, reason, ..)| reason.as_str()).collect();
    assert_eq!(reasons, ["MetadataAppendFailed", "NotificationDispatchFailed"]);
    assert!(warnings[1].2.ends_with("failed to initialize notifier for provider 'hook': HMAC key is empty"));
}

#[tokio::test]
async fn a_burst_of_more_messages_than_may_be_sent_at_once_is_sent_whole() {
    const BURST: usize = 400;
    let sink = Sink::start(0).await;
    let alerts = (0..BURST).map(|i| alert(&format!("a{i}"), "hook", json!({}))).collect();
    let hook = provider("hook", &json!({"type": "generic", "address": sink.url}));
    let cluster = Arc::new(cluster(alerts, vec![hook]));
    assert_eq!(deliver(&cluster, CrossNamespace::Allowed, &event(json!({}))).await, []);
    assert_eq!(sink.received().len(), BURST);
}
