//! All three binaries: a webhook makes a push arrive without waiting, and the message about it is sent.

use std::time::{Duration, Instant};

use anyhow::Result;
use serde_json::{Value, json};
use sluice_api::kustomize::Kustomization;
use sluice_e2e::{NS, PATIENCE, Stack, applied, apply, post, post_with, ready};
use sluice_testkit::wait::wait_until;

const TOKEN: &str = "s3cret-token";

struct Whole {
    stack: Stack,
    copy: sluice_testkit::git::WorkingCopy,
    controllers: Vec<sluice_e2e::Controller>,
    hook: String,
}

impl Whole {
    /// Everything that the demo has: a source with an interval of an hour, so that only the webhook can make a push arrive.
    async fn start() -> Result<Self> {
        let stack = Stack::start().await?;
        let copy = stack.repository("app", &[("config.yaml", &config("first"))])?;
        let controllers = vec![
            stack.source_controller()?.start().await?,
            stack.kustomize_controller()?.start().await?,
            stack.notification_controller()?.start().await?,
        ];
        let client = stack.client();
        let objects = [
            json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "hook" }, "stringData": { "token": TOKEN } }),
            json!({
                "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": { "name": "app" },
                "spec": { "url": stack.repository_url("app"), "interval": "1h", "ref": { "branch": "main" } }
            }),
            json!({
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization",
                "metadata": { "name": "app", "annotations": { "event.toolkit.fluxcd.io/cluster": "test" } },
                "spec": {
                    "interval": "1h", "retryInterval": "2s", "prune": true, "path": "./", "targetNamespace": NS,
                    "sourceRef": { "kind": "GitRepository", "name": "app" }
                }
            }),
            json!({
                "apiVersion": "notification.toolkit.fluxcd.io/v1", "kind": "Receiver", "metadata": { "name": "push" },
                "spec": {
                    "type": "github", "events": ["ping", "push"], "secretRef": { "name": "hook" },
                    "resources": [{ "kind": "GitRepository", "name": "app" }]
                }
            }),
            json!({
                "apiVersion": "notification.toolkit.fluxcd.io/v1beta3", "kind": "Provider", "metadata": { "name": "sink" },
                "spec": { "type": "generic", "address": format!("{}/messages", stack.sink.url().trim_end_matches('/')) }
            }),
            json!({
                "apiVersion": "notification.toolkit.fluxcd.io/v1beta3", "kind": "Alert", "metadata": { "name": "all" },
                "spec": {
                    "providerRef": { "name": "sink" }, "eventSeverity": "info",
                    "eventSources": [{ "kind": "Kustomization", "name": "*" }, { "kind": "GitRepository", "name": "app" }]
                }
            }),
        ];
        for object in objects {
            apply(&client, object).await?;
        }
        let hook = format!("{}{}", stack.webhook_base(), stack.webhook_path("push").await?);
        stack.config_value("app", "key", "first").await?;
        Ok(Self { stack, copy, controllers, hook })
    }

    /// Posts a push event as GitHub signs it; returns the status code.
    async fn push_event(&self, signature: &str) -> Result<u16> {
        let headers =
            [("content-type", "application/json"), ("x-github-event", "push"), ("x-hub-signature-256", signature)];
        post_with(&self.hook, BODY, &headers).await
    }

    fn commit(&self, value: &str) -> Result<String> {
        let head = self.copy.write("config.yaml", config(value))?.commit(&format!("Say {value}"))?;
        self.copy.push()?;
        Ok(head)
    }
}

const BODY: &str = r#"{"ref":"refs/heads/main"}"#;

/// HMAC-SHA256 of [`BODY`] by another implementation than ours: `openssl`.
#[expect(clippy::disallowed_methods, reason = "an independent implementation of HMAC; this is a test")]
fn signature() -> Result<String> {
    let dir = tempfile::tempdir()?;
    let body = dir.path().join("body");
    std::fs::write(&body, BODY)?;
    let output =
        std::process::Command::new("openssl").args(["dgst", "-sha256", "-hmac", TOKEN, "-r"]).arg(&body).output()?;
    let text = String::from_utf8(output.stdout)?;
    Ok(format!("sha256={}", text.split_whitespace().next().unwrap_or_default()))
}

fn config(value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata:\n  key: {value}\n")
}

fn about(kind: &'static str, reason: &'static str, text: String) -> impl Fn(&sluice_testkit::sink::Request) -> bool {
    move |request| {
        request.json().is_ok_and(|event| {
            event["involvedObject"]["kind"] == kind
                && event["reason"] == reason
                && event["message"].as_str().is_some_and(|message| message.contains(&text))
        })
    }
}

#[tokio::test]
async fn a_webhook_makes_a_push_arrive_at_once_and_the_message_has_its_fields() -> Result<()> {
    let whole = Whole::start().await?;
    let head = whole.commit("second")?;
    let started = Instant::now();
    assert_eq!(whole.push_event(&signature()?).await?, 200);
    whole.stack.config_value("app", "key", "second").await?;
    assert!(
        started.elapsed() < Duration::from_secs(30),
        "an interval is an hour; it was the webhook: {:?}",
        started.elapsed()
    );

    let revision = format!("main@sha1:{head}");
    let applied_it = about("Kustomization", "Progressing", "ConfigMap/apps/app configured".into());
    let request = whole.stack.sink.wait_for(applied_it, PATIENCE).await?;
    assert_eq!(request.method.as_str(), "POST");
    assert_eq!(request.path(), "/messages");
    assert_eq!(request.header("gotk-component"), "kustomize-controller");
    let event = request.json()?;
    let object = whole.stack.kustomization("app", "the revision", |object| applied(object) == revision).await?;
    let expected = json!({
        "severity": "info",
        "reason": "Progressing",
        "message": "ConfigMap/apps/app configured",
        "reportingController": "kustomize-controller",
        "metadata": { "revision": revision, "cluster": "test" },
    });
    for (field, value) in expected.as_object().expect("an object") {
        assert_eq!(&event[field], value, "{field}");
    }
    let involved = &event["involvedObject"];
    assert_eq!(involved["apiVersion"], "kustomize.toolkit.fluxcd.io/v1");
    assert_eq!(involved["kind"], "Kustomization");
    assert_eq!((&involved["namespace"], &involved["name"]), (&Value::from(NS), &Value::from("app")));
    assert_eq!(involved["uid"], Value::from(object.metadata.uid.clone().unwrap_or_default()));
    assert!(event["timestamp"].as_str().is_some_and(|time| time.ends_with('Z')), "{event}");
    assert!(event["reportingInstance"].as_str().is_some_and(|name| !name.is_empty()), "{event}");

    let stored = about("GitRepository", "NewArtifact", "stored artifact for commit 'Say second'".into());
    let event = whole.stack.sink.wait_for(stored, PATIENCE).await?.json()?;
    assert_eq!(event["metadata"]["revision"], Value::from(format!("main@sha1:{head}")));
    Ok(())
}

#[tokio::test]
async fn bad_webhooks_are_refused_and_change_nothing() -> Result<()> {
    let whole = Whole::start().await?;
    let good = signature()?;
    let bad = good.replace("sha256=", "sha256=00");
    assert_eq!(whole.push_event(&bad).await?, 400, "a wrong signature");
    assert_eq!(post(&whole.hook, BODY).await?, 400, "no signature and no event");
    let headers =
        [("content-type", "application/json"), ("x-github-event", "issues"), ("x-hub-signature-256", good.as_str())];
    assert_eq!(post_with(&whole.hook, BODY, &headers).await?, 400, "an event that is not listed");
    assert_eq!(
        post(&format!("{}/hook/{}", whole.stack.webhook_base(), "0".repeat(64)), BODY).await?,
        404,
        "an unknown path"
    );
    assert_eq!(post(&format!("{}?x=1", whole.hook), BODY).await?, 404, "a path with a query");
    assert_eq!(post(&whole.hook, vec![b' '; 3 * 1024 * 1024 + 1]).await?, 413, "an oversized body");
    assert_eq!(whole.push_event(&good).await?, 200, "and a good one still works");
    Ok(())
}

#[tokio::test]
async fn failures_are_told_and_healed_and_a_killed_notification_controller_carries_on() -> Result<()> {
    let mut whole = Whole::start().await?;
    let notification = whole.controllers.pop().expect("the third");
    notification.kill().await?;
    let again = notification.options().start().await?;

    whole.copy.write("config.yaml", "kind: [\n")?.commit("Break it")?;
    whole.copy.push()?;
    let accepted = async || Ok((whole.push_event(&signature()?).await? == 200).then_some(()));
    wait_until(PATIENCE, "the restarted controller to know its Receiver", accepted).await?;
    let failed = |object: &Kustomization| ready(object).starts_with("False BuildFailed: ");
    whole.stack.kustomization("app", "the broken build", failed).await?;
    let told = about("Kustomization", "BuildFailed", "config.yaml".into());
    let event = whole.stack.sink.wait_for(told, PATIENCE).await?.json()?;
    assert_eq!(event["severity"], "error");
    whole.stack.config_value("app", "key", "first").await?;

    whole.commit("mended")?;
    assert_eq!(whole.push_event(&signature()?).await?, 200);
    whole.stack.config_value("app", "key", "mended").await?;
    assert_eq!(again.terminate(Duration::from_secs(30)).await?, 0);
    for controller in &whole.controllers {
        assert_eq!(controller.terminate(Duration::from_secs(30)).await?, 0);
    }
    Ok(())
}
