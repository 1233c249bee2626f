//! The built controller against a real API server: what a user of a stock Flux sees of it.

mod common;

use std::time::Duration;

use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use sluice_http_client::StatusCode;
use sluice_testkit::sink::Answer;
use sluice_testkit::{Sink, wait_until};

use common::{
    NOTIFICATION_BETA, NOTIFICATION_V1, Replica, SOON, SOURCE_V1, api, conditions, control_plane, create,
    create_secret, wait_for, wait_for_event, wait_gone,
};

const FINALIZER: &str = "finalizers.fluxcd.io";
const REQUESTED_AT: &str = "reconcile.fluxcd.io/requestedAt";

fn path_of(token: &str, name: &str) -> String {
    format!("/hook/{}", hex::encode(Sha256::digest(format!("{token}{name}apps"))))
}

fn receiver(secret: &str) -> Value {
    json!({"spec": {"type": "generic", "secretRef": {"name": secret}, "resources": [{"kind": "GitRepository", "name": "web"}]}})
}

fn git_repository() -> Value {
    json!({"spec": {"interval": "1h", "url": "https://git.invalid/web"}})
}

fn has_path(path: &str) -> impl Fn(&DynamicObject) -> bool {
    move |object| object.data.pointer("/status/webhookPath").and_then(Value::as_str) == Some(path)
}

fn requested_at(object: &DynamicObject) -> Option<String> {
    object.metadata.annotations.as_ref()?.get(REQUESTED_AT).cloned()
}

fn has_finalizer(object: &DynamicObject) -> bool {
    object.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
}

fn event(message: &str) -> Value {
    json!({
        "involvedObject": {"kind": "GitRepository", "namespace": "apps", "name": "web", "apiVersion": SOURCE_V1},
        "severity": "info",
        "timestamp": "2026-01-01T00:00:00Z",
        "message": message,
        "reason": "NewArtifact",
        "metadata": {"source.toolkit.fluxcd.io/revision": "main@sha1:ab", "forged.example/x": "y"},
        "reportingController": "source-controller",
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_webhook_asks_for_a_reconcile_and_follows_its_secret() {
    let cluster = control_plane().await;
    let client = cluster.client();
    let replica = Replica::start(&cluster, &[]).await;
    create_secret(&client, "hook", "first").await;
    create(&client, SOURCE_V1, "GitRepository", "web", git_repository()).await;
    create(&client, NOTIFICATION_V1, "Receiver", "push", receiver("hook")).await;

    let receivers = api(&client, NOTIFICATION_V1, "Receiver");
    let first = path_of("first", "push");
    let ready = wait_for(&receivers, "push", "the path", has_path(&first)).await;
    let message = format!("Receiver initialized for path: {first}");
    assert_eq!(conditions(&ready), [["Ready", "True", "Succeeded", &message]]);
    assert_eq!(ready.data.pointer("/status/observedGeneration"), Some(&json!(1)));
    assert!(has_finalizer(&ready));
    let told = wait_for_event(&client, "Receiver", "push", "Succeeded").await;
    assert_eq!(told, ("Normal".to_owned(), "Reconciliation finished, next run in 10m0s".to_owned()));

    replica.webhook_answers(&first, 200).await;
    let repositories = api(&client, SOURCE_V1, "GitRepository");
    let annotated = repositories.get("web").await.expect("it was created");
    assert!(requested_at(&annotated).is_some());
    assert_eq!(replica.post_webhook("/hook/0000").await, 404);
    assert_eq!(replica.post_webhook(&format!("{first}?x=1")).await, 404);
    assert_eq!(replica.post_webhook("/other").await, 404);

    // The interval is ten minutes: only the watch of Secrets can bring this about in time.
    let rotated = Patch::Merge(json!({"stringData": {"token": "second"}}));
    let secrets = api(&client, "v1", "Secret");
    secrets.patch("hook", &PatchParams::default(), &rotated).await.expect("Secrets can be patched");
    let second = path_of("second", "push");
    wait_for(&receivers, "push", "the new path", has_path(&second)).await;
    replica.webhook_answers(&second, 200).await;
    assert_eq!(replica.post_webhook(&first).await, 404);

    receivers.delete("push", &DeleteParams::default()).await.expect("Receivers can be deleted");
    wait_gone(&receivers, "push").await;
    replica.webhook_answers(&second, 404).await;
    assert_eq!(replica.controller.terminate(SOON).await.expect("it runs"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_without_its_secret_says_so_and_recovers() {
    let cluster = control_plane().await;
    let client = cluster.client();
    let replica = Replica::start(&cluster, &[]).await;
    create(&client, NOTIFICATION_V1, "Receiver", "push", receiver("hook")).await;

    let receivers = api(&client, NOTIFICATION_V1, "Receiver");
    let lost = wait_for(&receivers, "push", "conditions", |object| !conditions(object).is_empty()).await;
    let text = "unable to read token from secret 'apps/hook' error: secrets \"hook\" not found";
    let expected = [
        ["Reconciling", "True", "ProgressingWithRetry", "Reconciliation in progress"],
        ["Ready", "False", "TokenNotFound", text],
    ];
    assert_eq!(conditions(&lost), expected);
    assert_eq!(lost.data.pointer("/status/observedGeneration"), Some(&json!(-1)));
    assert_eq!(wait_for_event(&client, "Receiver", "push", "Failed").await, ("Warning".to_owned(), text.to_owned()));

    create_secret(&client, "hook", "token").await;
    wait_for(&receivers, "push", "the path", has_path(&path_of("token", "push"))).await;

    // A filter that is not sure to give a bool must not be ignored; the path is kept, and the webhook refuses.
    let filtered = Patch::Merge(json!({"spec": {"resourceFilter": "req.flag"}}));
    receivers.patch("push", &PatchParams::default(), &filtered).await.expect("Receivers can be patched");
    let stalled = wait_for(&receivers, "push", "Stalled", |object| {
        conditions(object).first().is_some_and(|first| first[0] == "Stalled")
    });
    let stalled = stalled.await;
    assert!(has_path(&path_of("token", "push"))(&stalled));
    let text = "Reconciliation failed terminally due to configuration error: invalid resourceFilter expression: \
                CEL expression output type mismatch: expected bool, got dyn";
    let terminal = |type_, status| [type_, status, "InvalidCELExpression", text];
    assert_eq!(conditions(&stalled), [terminal("Stalled", "True"), terminal("Ready", "False")]);
    assert_eq!(stalled.data.pointer("/status/observedGeneration"), Some(&json!(2)));
    replica.webhook_answers(&path_of("token", "push"), 503).await;

    // Written so that it is a bool, it decides: the request's body has no such field, so nothing is reconciled, and that is no failure.
    create(&client, SOURCE_V1, "GitRepository", "web", git_repository()).await;
    let repaired = Patch::Merge(json!({"spec": {"resourceFilter": "res.metadata.name != 'web' || req.size() > 0"}}));
    receivers.patch("push", &PatchParams::default(), &repaired).await.expect("Receivers can be patched");
    replica.webhook_answers(&path_of("token", "push"), 200).await;
    let left_out = api(&client, SOURCE_V1, "GitRepository").get("web").await.expect("it was created");
    assert_eq!(requested_at(&left_out), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_for_tokens_has_a_path_without_a_secret_and_its_rules_are_checked() {
    let cluster = control_plane().await;
    let client = cluster.client();
    let replica = Replica::start(&cluster, &[]).await;
    let provider = |expression: &str| json!({"issuerURL": "https://issuer.invalid", "validations": [{"expression": expression, "message": "no"}]});
    let oidc = json!({"type": "generic-oidc", "resources": [], "oidcProviders": [provider("claims.sub == 'x'")]});
    create(&client, NOTIFICATION_V1, "Receiver", "tokens", json!({"spec": oidc})).await;
    let receivers = api(&client, NOTIFICATION_V1, "Receiver");
    let path = path_of("", "tokens");
    wait_for(&receivers, "tokens", "the path", has_path(&path)).await;
    // Whoever knows the path, and everybody does, still needs a token.
    replica.webhook_answers(&path, 400).await;

    let with = |providers: Value| Patch::Merge(json!({"spec": {"oidcProviders": providers}}));
    let mistyped = with(json!([provider("claims.admin")]));
    receivers.patch("tokens", &PatchParams::default(), &mistyped).await.expect("Receivers can be patched");
    let (_, message) = wait_for_event(&client, "Receiver", "tokens", "InvalidCELExpression").await;
    let start = "Reconciliation failed terminally due to configuration error: \
                 oidcProviders[0] (issuerURL=\"https://issuer.invalid\"): invalid expression for validation \"no\": ";
    assert!(message.starts_with(start), "{message}");
    receivers.patch("tokens", &PatchParams::default(), &with(json!([]))).await.expect("the rule is not in the schema");
    let (_, message) = wait_for_event(&client, "Receiver", "tokens", "ValidationFailed").await;
    assert!(message.ends_with("generic-oidc receivers must define at least one oidcProvider"), "{message}");
    replica.webhook_answers(&path, 503).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_reaches_the_provider_once_and_a_failure_its_alert() {
    let cluster = control_plane().await;
    let client = cluster.client();
    let sink = Sink::start().await.expect("loopback has free ports");
    let replica = Replica::start(&cluster, &[]).await;
    let source = json!([{"kind": "GitRepository", "name": "*"}]);
    let alert = |provider: &str| json!({"spec": {"providerRef": {"name": provider}, "eventSources": source}});
    create(&client, NOTIFICATION_BETA, "Provider", "chat", json!({"spec": {"type": "generic", "address": sink.url()}}))
        .await;
    create(&client, NOTIFICATION_BETA, "Provider", "spare", json!({"spec": {"type": "generic", "suspend": true}}))
        .await;
    create(&client, NOTIFICATION_BETA, "Alert", "good", alert("chat")).await;
    create(&client, NOTIFICATION_BETA, "Alert", "lost", alert("nobody")).await;
    let mut old = alert("chat");
    old["metadata"] = json!({"finalizers": [FINALIZER]});
    old["spec"]["eventSources"] = json!([]);
    create(&client, NOTIFICATION_BETA, "Alert", "old", old).await;

    let providers = api(&client, NOTIFICATION_BETA, "Provider");
    for name in ["chat", "spare"] {
        wait_for(&providers, name, "the finalizer", has_finalizer).await;
    }
    wait_for(&api(&client, NOTIFICATION_BETA, "Alert"), "old", "no finalizer", |object| !has_finalizer(object)).await;
    let migrated = ("Normal".to_owned(), "removed finalizer from Alert to migrate to static Alert".to_owned());
    assert_eq!(wait_for_event(&client, "Alert", "old", "Migration").await, migrated);

    assert_eq!(replica.post_event(&event("stored artifact <1>")).await, 202);
    let request = sink.wait_for(|_| true, SOON).await.expect("the message arrives");
    let body = concat!(
        r#"{"involvedObject":{"kind":"GitRepository","namespace":"apps","name":"web","apiVersion":"source.toolkit.fluxcd.io/v1"},"#,
        r#""severity":"info","timestamp":"2026-01-01T00:00:00Z","message":"stored artifact \u003c1\u003e","reason":"NewArtifact","#,
        r#""metadata":{"revision":"main@sha1:ab"},"reportingController":"source-controller"}"#,
    );
    assert_eq!(request.text().trim_end(), body);
    assert_eq!(request.header("gotk-component"), "source-controller");
    let failed = "failed to dispatch notification for GitRepository/apps/web: failed to read provider: \
                  providers.notification.toolkit.fluxcd.io \"nobody\" not found";
    let told = wait_for_event(&client, "Alert", "lost", "NotificationDispatchFailed").await;
    assert_eq!(told, ("Warning".to_owned(), failed.to_owned()));

    assert_eq!(replica.post_event(&event("stored artifact <1>")).await, 429);
    assert_eq!(replica.post_event(&event("another")).await, 202);
    let requests = sink.wait_for_count(2, SOON).await.expect("the other message arrives");
    assert_eq!(requests.len(), 2);

    providers.delete("spare", &DeleteParams::default()).await.expect("Providers can be deleted");
    wait_gone(&providers, "spare").await;
    let metrics = replica.controller.metrics().await.expect("metrics are served");
    let duplicates =
        r#"gotk_event_http_request_duration_seconds_count{service="",handler="/",method="POST",code="429"} 1"#;
    assert!(metrics.contains(duplicates), "{metrics}");

    // A send that is under way when the end is asked for gets to its own end, and so does the event about its failure.
    sink.answer_always(Answer {
        status: StatusCode::BAD_REQUEST,
        delay: Duration::from_millis(700),
        ..Answer::default()
    });
    assert_eq!(replica.post_event(&event("too late")).await, 202);
    sink.wait_for_count(3, SOON).await.expect("the last message arrives");
    assert_eq!(replica.controller.terminate(SOON).await.expect("it runs"), 0);
    let log = replica.controller.log();
    assert!(!log.contains("could not be sent"), "{log}");
    let (_, message) = wait_for_event(&client, "Alert", "good", "NotificationDispatchFailed").await;
    let expected = "failed to send notification for GitRepository/apps/web: request failed: ";
    assert!(message.starts_with(expected), "{message}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_does_not_lead_serves_too_and_takes_over() {
    let cluster = control_plane().await;
    let client = cluster.client();
    let sink = Sink::start().await.expect("loopback has free ports");
    let election = ["--enable-leader-election", "--leader-election-retry-period=200ms"];
    let leader = Replica::start(&cluster, &election).await;
    create_secret(&client, "hook", "token").await;
    create(&client, SOURCE_V1, "GitRepository", "web", git_repository()).await;
    create(&client, NOTIFICATION_V1, "Receiver", "push", receiver("hook")).await;
    create(&client, NOTIFICATION_BETA, "Provider", "chat", json!({"spec": {"type": "generic", "address": sink.url()}}))
        .await;
    let alert =
        json!({"spec": {"providerRef": {"name": "chat"}, "eventSources": [{"kind": "GitRepository", "name": "*"}]}});
    create(&client, NOTIFICATION_BETA, "Alert", "chat", alert).await;
    let receivers = api(&client, NOTIFICATION_V1, "Receiver");
    let path = path_of("token", "push");
    wait_for(&receivers, "push", "the path", has_path(&path)).await;

    let standby = Replica::start(&cluster, &election).await;
    standby.webhook_answers(&path, 200).await;
    // Each replica has its own memory of what was sent, and fills its own caches.
    let mut number = 0;
    let delivered = wait_until(SOON, "a message through the standby", async || {
        number += 1;
        assert_eq!(standby.post_event(&event(&format!("message {number}"))).await, 202);
        Ok((!sink.requests().is_empty()).then_some(()))
    });
    delivered.await.expect("the standby delivers");

    assert_eq!(leader.controller.terminate(SOON).await.expect("it runs"), 0);
    create(&client, NOTIFICATION_V1, "Receiver", "other", receiver("hook")).await;
    wait_for(&receivers, "other", "the path, from the new leader", has_path(&path_of("token", "other"))).await;
    let third = Replica::start(&cluster, &election).await;
    assert_eq!(third.controller.terminate(SOON).await.expect("it runs"), 0);
}
