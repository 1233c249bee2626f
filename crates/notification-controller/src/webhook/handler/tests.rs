use axum::body::Body;
use hmac::{Hmac, KeyInit, Mac};
use http::Method;
use serde_json::{Value, json};
use sha2::Sha256;
use tower_service::Service;

use super::*;
use crate::fakes::{Cluster, map, object};
use crate::receiver::webhook_path;
use crate::server::MAX_BODY_BYTES;

const BODY: &str = "{\"ref\":\"main\"}";

fn receiver(name: &str, spec: &Value) -> Arc<Receiver> {
    Arc::new(object(json!({
        "apiVersion": "notification.toolkit.fluxcd.io/v1",
        "kind": "Receiver",
        "metadata": {"name": name, "namespace": "apps", "generation": 1},
        "spec": spec,
        "status": {
            "webhookPath": webhook_path(b"t", name, "apps"),
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Succeeded", "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z",
            }],
        },
    })))
}

fn spec(changes: Value) -> Value {
    let mut spec = json!({
        "type": "github",
        "events": ["push"],
        "secretRef": {"name": "token"},
        "resources": [{"kind": "GitRepository", "name": "web"}],
    });
    let Value::Object(changes) = changes else { panic!("not an object") };
    spec.as_object_mut().unwrap().extend(changes);
    spec
}

fn cluster(receivers: Vec<Arc<Receiver>>) -> Cluster {
    Cluster {
        receivers,
        is_synced: true,
        secrets: [("apps/token".to_owned(), [("token", "t")].into_iter().collect())].into(),
        objects: [
            ("GitRepository/apps/web".to_owned(), map(&[("team", "a")])),
            ("GitRepository/apps/api".to_owned(), map(&[("team", "a")])),
            ("Bucket/other/data".to_owned(), map(&[])),
        ]
        .into(),
        ..Cluster::default()
    }
}

/// A server over this cluster.
struct Server(Arc<Cluster>, CrossNamespace);

impl Server {
    fn with(changes: Value) -> Self {
        Self(Arc::new(cluster(vec![receiver("hook", &spec(changes))])), CrossNamespace::Allowed)
    }

    async fn call(&self, request: Request) -> Response {
        let Self(cluster, cross_namespace) = self;
        let (receivers, secrets, objects) = (cluster.clone(), cluster.clone(), cluster.clone());
        let issuers = Issuers::new().unwrap();
        let server = WebhookServer::new(Ports { receivers, secrets, objects, issuers }, *cross_namespace);
        let response = server.router().call(request).await.unwrap();
        assert_eq!(server.drain(Duration::from_secs(5)).await, 0);
        response
    }

    /// The status of a request; the body of every answer is empty.
    async fn status(&self, request: Request) -> u16 {
        let response = self.call(request).await;
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1024).await.unwrap();
        assert_eq!(body, "", "status {status}");
        status
    }
}

fn path() -> String {
    webhook_path(b"t", "hook", "apps")
}

fn sign(body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(b"t").unwrap();
    mac.update(body.as_bytes());
    format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
}

fn push(uri: &str) -> http::request::Builder {
    http::Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header("content-type", "application/json")
        .header("x-github-event", "push")
        .header("x-hub-signature-256", sign(BODY))
}

fn good() -> Request {
    push(&path()).body(BODY.into()).unwrap()
}

#[tokio::test]
async fn a_good_request_makes_the_resource_reconcile() {
    let server = Server::with(json!({}));
    assert_eq!(server.status(good()).await, 200);
    assert_eq!(server.0.annotated(), ["source.toolkit.fluxcd.io/v1 GitRepository/apps/web"]);
}

#[tokio::test]
async fn the_method_does_not_matter() {
    let server = Server::with(json!({"type": "generic"}));
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let request = http::Request::builder().method(method.clone()).uri(path()).body(Body::empty()).unwrap();
        assert_eq!(server.status(request).await, 200, "{method}");
    }
    assert_eq!(server.0.annotated().len(), 3);
}

#[tokio::test]
async fn whatever_is_not_exactly_a_path_is_not_found() {
    let server = Server::with(json!({}));
    let unknown = webhook_path(b"x", "hook", "apps");
    for uri in [unknown, format!("{}?x=1", path()), format!("{}/", path()), "/".to_owned(), "/metrics".to_owned()] {
        assert_eq!(server.status(push(&uri).body(BODY.into()).unwrap()).await, 404, "{uri}");
    }
    assert_eq!(server.0.annotated(), [""; 0]);
}

#[tokio::test]
async fn a_dirty_path_is_redirected_to_its_clean_form() {
    let server = Server::with(json!({}));
    let response = server.call(push(&format!("/{}?x=1", path())).body(BODY.into()).unwrap()).await;
    assert_eq!(response.status(), StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(response.headers()[LOCATION], format!("{}?x=1", path()));
}

#[tokio::test]
async fn an_oversized_body_is_refused_before_the_lookup() {
    let server = Server::with(json!({"type": "generic"}));
    let sized = |uri: &str, size: usize| {
        // In chunks, so that no length announces it.
        let chunks = futures::stream::iter(
            (0..size.div_ceil(65536))
                .map(move |at| Ok::<_, std::io::Error>(vec![b'x'; (size - at * 65536).min(65536)])),
        );
        http::Request::builder().method(Method::POST).uri(uri).body(Body::from_stream(chunks)).unwrap()
    };
    assert_eq!(server.status(sized(&path(), MAX_BODY_BYTES)).await, 200);
    assert_eq!(server.status(sized(&path(), MAX_BODY_BYTES + 1)).await, 413);
    assert_eq!(server.status(sized("/hook/unknown", MAX_BODY_BYTES + 1)).await, 413);
    let announced = http::Request::builder().uri("/hook/unknown").body(vec![0; MAX_BODY_BYTES + 1].into()).unwrap();
    assert_eq!(server.status(announced).await, 413);
}

#[tokio::test]
async fn every_failure_of_authentication_is_the_same_400() {
    let cases = [
        ("bad signature", json!({}), push(&path()).body("{}".into()).unwrap()),
        ("unwanted event", json!({"events": ["release"]}), good()),
        ("missing secret", json!({"secretRef": {"name": "gone"}}), good()),
        ("no secret named", json!({"secretRef": null}), good()),
        ("another type's request", json!({"type": "gitlab"}), good()),
        ("a type of a newer version", json!({"type": "newer"}), good()),
        ("no bearer token", json!({"type": "gcr"}), good()),
        ("no providers", json!({"type": "generic-oidc"}), good()),
        ("a body of another registry", json!({"type": "quay"}), push(&path()).body("[]".into()).unwrap()),
        ("other content type", json!({}), {
            let mut request = good();
            request.headers_mut().insert("content-type", "text/plain".parse().unwrap());
            request
        }),
    ];
    for (what, changes, request) in cases {
        let server = Server::with(changes);
        assert_eq!(server.status(request).await, 400, "{what}");
        assert_eq!(server.0.annotated(), [""; 0], "{what}");
    }
}

#[tokio::test]
async fn a_secret_without_the_key_is_a_400() {
    let mut cluster = cluster(vec![receiver("hook", &spec(json!({})))]);
    cluster.secrets.insert("apps/token".to_owned(), [("other", "t")].into_iter().collect());
    assert_eq!(Server(Arc::new(cluster), CrossNamespace::Allowed).status(good()).await, 400);
}

#[tokio::test]
async fn a_receiver_that_is_not_ready_is_unavailable_whoever_asks() {
    let suspended = Server::with(json!({"suspend": true}));
    assert_eq!(suspended.status(good()).await, 503);
    assert_eq!(suspended.status(push(&path()).body("forged".into()).unwrap()).await, 503);
    let with_conditions = |conditions: &[(&str, &str)]| {
        let mut receiver = Receiver::clone(&receiver("hook", &spec(json!({}))));
        let status = receiver.status.as_mut().unwrap();
        let ready = status.conditions.pop().unwrap();
        for &(type_, value) in conditions {
            let mut condition = ready.clone();
            (condition.type_, condition.status) = (type_.to_owned(), value.to_owned());
            status.conditions.push(condition);
        }
        Server(Arc::new(cluster(vec![Arc::new(receiver)])), CrossNamespace::Allowed)
    };
    for (conditions, expected) in [
        (&[][..], 503),
        (&[("Ready", "False")], 503),
        (&[("Ready", "Unknown")], 503),
        (&[("Ready", "True"), ("Stalled", "True")], 503),
        (&[("Ready", "True"), ("Reconciling", "True")], 503),
        (&[("Ready", "True"), ("Stalled", "False"), ("Reconciling", "False")], 200),
    ] {
        assert_eq!(with_conditions(conditions).status(good()).await, expected, "{conditions:?}");
    }
}

/// The status and the names of what was annotated, for a signed request with this body.
async fn filtered(changes: Value, content_type: &str, body: &str) -> (u16, Vec<String>) {
    let mut all = json!({"resources": [
        {"kind": "GitRepository", "name": "web"},
        {"kind": "GitRepository", "name": "*", "matchLabels": {"team": "a"}, "filter": "res.metadata.name == 'api'"},
        {"kind": "Bucket", "name": "data", "namespace": "other"},
    ]});
    all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    let server = Server::with(all);
    let request = http::Request::builder()
        .uri(path())
        .header("content-type", content_type)
        .header("x-github-event", "push")
        .header("x-hub-signature-256", sign(body))
        .body(body.to_owned().into())
        .unwrap();
    let status = server.status(request).await;
    (status, server.0.annotated().iter().map(|path| path.rsplit('/').next().unwrap().to_owned()).collect())
}

#[tokio::test]
async fn filters_choose_among_the_resources_and_leaving_all_out_is_a_success() {
    let json = "application/json; charset=utf-8";
    let with = |filter: &str| json!({"type": "github", "resourceFilter": filter});
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<String>>();
    for (changes, body, expected) in [
        (json!({}), "{}", names(&["web", "api", "data"])),
        (with("req.ref == 'main'"), BODY, names(&["web", "api", "data"])),
        (with("req.ref == 'dev'"), BODY, names(&[])),
        (with("res.kind == 'Bucket' && res.apiVersion.startsWith('source.')"), BODY, names(&["data"])),
        (with("res.metadata.labels.?team.orValue('') == 'a'"), BODY, names(&["web", "api"])),
        (with("res.metadata.namespace == 'other' || req.n > 1"), "{\"n\":2}trailing", names(&["web", "api", "data"])),
    ] {
        assert_eq!(filtered(changes.clone(), json, body).await, (200, expected), "{changes}");
    }
}

#[tokio::test]
async fn filters_of_a_body_that_is_not_announced_as_json_see_an_empty_one() {
    let filter = json!({"type": "generic", "resourceFilter": "req.size() == 0"});
    for content_type in ["text/plain", "application/cloudevents+json", "application/x-www-form-urlencoded"] {
        assert_eq!(filtered(filter.clone(), content_type, "not JSON").await.0, 200, "{content_type}");
    }
    // The form's payload is JSON, but the content type is not.
    let form = "payload=%7B%22ref%22%3A%22main%22%7D";
    let github = json!({"resourceFilter": "!has(req.ref)"});
    let answer = filtered(github, "application/x-www-form-urlencoded", form).await;
    assert_eq!(answer.1.len(), 3, "{answer:?}");
}

#[tokio::test]
async fn a_body_that_filters_cannot_see_is_a_500_and_without_filters_nobody_looks() {
    let resources = json!([{"kind": "GitRepository", "name": "web"}]);
    let deep = "[".repeat(200) + &"]".repeat(200);
    let deep = format!("{{\"a\":{deep}}}");
    for body in ["", "{", "[]", "null", "1", deep.as_str()] {
        let plain = json!({"type": "generic", "resources": resources});
        assert_eq!(filtered(plain, "application/json", body).await.0, 200, "{body}");
        let with = json!({"type": "generic", "resources": resources, "resourceFilter": "true"});
        assert_eq!(filtered(with, "application/json", body).await, (500, Vec::new()), "{body}");
        let each =
            json!([{"kind": "GitRepository", "name": "web"}, {"kind": "Bucket", "name": "data", "filter": "true"}]);
        let with = json!({"type": "generic", "resources": each});
        assert_eq!(filtered(with, "application/json", body).await, (500, Vec::new()), "{body}");
    }
}

#[tokio::test]
async fn a_filter_that_fails_on_one_object_is_a_500_and_the_others_are_handled() {
    let resources = json!([
        {"kind": "GitRepository", "name": "web", "filter": "req.absent == 'x'"},
        {"kind": "GitRepository", "name": "missing", "filter": "true"},
        {"kind": "GitRepository", "name": "api"},
    ]);
    let answer = filtered(json!({"type": "generic", "resources": resources}), "application/json", "{}").await;
    assert_eq!(answer, (500, vec!["api".to_owned()]));
}

#[tokio::test]
async fn a_filter_that_cannot_be_compiled_stops_the_request_after_authentication() {
    for filter in ["req.flag", "claims.sub == 'x'", "1 +"] {
        let server = Server::with(json!({"resourceFilter": filter}));
        assert_eq!(server.status(good()).await, 500, "{filter}");
        assert_eq!(server.status(push(&path()).body("forged".into()).unwrap()).await, 400, "{filter}");
        assert_eq!(server.0.annotated(), [""; 0], "{filter}");
    }
}

#[tokio::test]
async fn one_failing_resource_makes_500_and_the_others_still_reconcile() {
    let server = Server::with(json!({"resources": [
        {"kind": "GitRepository", "name": "missing"},
        {"kind": "Kustomization", "name": "no-version"},
        {"kind": "GitRepository", "name": "*"},
        {"kind": "GitRepository", "name": "web"},
        {"kind": "Bucket", "name": "data", "namespace": "other"},
    ]}));
    assert_eq!(server.status(good()).await, 500);
    let expected =
        ["source.toolkit.fluxcd.io/v1 GitRepository/apps/web", "source.toolkit.fluxcd.io/v1 Bucket/other/data"];
    assert_eq!(server.0.annotated(), expected);
}

#[tokio::test]
async fn an_asterisk_takes_what_has_the_labels_and_stops_at_its_first_failure() {
    let resources = json!([
        {"kind": "GitRepository", "name": "*", "matchLabels": {"team": "a"}},
        {"kind": "GitRepository", "name": "*", "matchLabels": {"team": "nobody"}},
    ]);
    let server = Server::with(json!({"resources": resources}));
    assert_eq!(server.status(good()).await, 200);
    let both =
        ["GitRepository/apps/api", "GitRepository/apps/web"].map(|path| format!("source.toolkit.fluxcd.io/v1 {path}"));
    assert_eq!(server.0.annotated(), both);

    let mut broken = cluster(vec![receiver("hook", &spec(json!({"resources": resources})))]);
    broken.broken.insert("GitRepository/apps/api".to_owned());
    let server = Server(Arc::new(broken), CrossNamespace::Allowed);
    assert_eq!(server.status(good()).await, 500);
    assert_eq!(server.0.annotated(), [""; 0]);
}

#[tokio::test]
async fn a_forbidden_namespace_is_an_error_of_that_resource() {
    let resources = json!([
        {"kind": "Bucket", "name": "data", "namespace": "other"},
        {"kind": "GitRepository", "name": "web"},
    ]);
    let cluster = Arc::new(cluster(vec![receiver("hook", &spec(json!({"resources": resources})))]));
    let server = Server(cluster, CrossNamespace::Blocked);
    assert_eq!(server.status(good()).await, 500);
    assert_eq!(server.0.annotated(), ["source.toolkit.fluxcd.io/v1 GitRepository/apps/web"]);
}

#[tokio::test]
async fn a_form_post_is_accepted_with_the_signature_over_the_form() {
    let form = "payload=%7B%22ref%22%3A%22main%22%7D";
    let mut request = push(&path()).body(form.into()).unwrap();
    request.headers_mut().insert("content-type", "application/x-www-form-urlencoded".parse().unwrap());
    request.headers_mut().insert("x-hub-signature-256", sign(form).parse().unwrap());
    assert_eq!(Server::with(json!({})).status(request).await, 200);
}

#[tokio::test]
async fn before_the_first_sync_lookups_fail() {
    let cluster = Cluster { is_synced: false, ..cluster(Vec::new()) };
    assert_eq!(Server(Arc::new(cluster), CrossNamespace::Allowed).status(good()).await, 500);
}
