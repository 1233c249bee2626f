//! The `alertmanager` type against a real Alertmanager.

#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod common;

use common::{deliver, event};
use serde_json::{Value, json};
use sluice_http_client::{ClientConfig, HttpClient, Proxy, Request, Secret};
use sluice_testkit::alertmanager::{Alertmanager, AlertmanagerAuth, PASSWORD, USERNAME};

/// What it holds: labels, annotations, begin and state of each alert.
async fn alerts(server: &Alertmanager) -> Vec<Value> {
    let client = HttpClient::new(&ClientConfig { proxy: Proxy::Direct, ..ClientConfig::default() }).unwrap();
    let request = Request::get(format!("{}/api/v2/alerts", server.url()).parse().unwrap());
    let request = request.basic_auth(USERNAME, &Secret::new(PASSWORD.to_owned())).unwrap();
    let body = client.send(&request).await.unwrap().into_body(1 << 20).unwrap().bytes().await.unwrap();
    let all: Vec<Value> = serde_json::from_slice(&body).unwrap();
    let part = |alert: &Value| {
        json!({
            "labels": alert["labels"], "annotations": alert["annotations"], "startsAt": alert["startsAt"],
            "state": alert["status"]["state"],
        })
    };
    all.iter().map(part).collect()
}

fn spec(server: &Alertmanager) -> Value {
    json!({"type": "alertmanager", "address": format!("{}/api/v2/alerts/", server.url())})
}

#[tokio::test]
async fn an_alert_arrives_with_its_labels_and_fires() {
    let server = Alertmanager::start(AlertmanagerAuth::None).unwrap();
    for (severity, reason) in [("error", "HealthCheckFailed"), ("info", "ReconciliationSucceeded")] {
        deliver(&spec(&server), &[], event(severity, reason, "a <b> & c")).await.unwrap();
    }
    let expected = |name: &str, severity: &str, reason: &str| {
        json!({
            "labels": {
                "alertname": name, "severity": severity, "reason": reason, "kind": "Kustomization", "name": "web",
                "namespace": "apps", "reportingcontroller": "kustomize-controller", "revision": "main@sha1:abc",
            },
            "annotations": {"message": "a <b> & c", "summary": "prod <eu>"},
            "startsAt": "2026-01-02T03:04:05.000Z",
            "state": "active",
        })
    };
    let mut found = alerts(&server).await;
    found.sort_by_key(|alert| alert["labels"]["alertname"].to_string());
    let wanted = [
        expected("FluxKustomizationHealthcheckfailed", "error", "HealthCheckFailed"),
        expected("FluxKustomizationReconciliationsucceeded", "info", "ReconciliationSucceeded"),
    ];
    assert_eq!(found, wanted, "{}", server.log_tail());
}

#[tokio::test]
async fn basic_authentication_lets_in_and_its_absence_is_a_refusal_that_is_told() {
    let server = Alertmanager::start(AlertmanagerAuth::Basic).unwrap();
    let failed = || event("error", "BuildFailed", "no");
    let refused = deliver(&spec(&server), &[("token", "unused")], failed()).await.unwrap_err();
    assert_eq!(refused, "request failed: request failed with status code 401: Unauthorized");
    let login = [("username", USERNAME), ("password", PASSWORD), ("token", "beaten")];
    deliver(&spec(&server), &login, failed()).await.unwrap();
    assert_eq!(alerts(&server).await.len(), 1);
}
