use super::*;

const ZERO: &str = "0001-01-01T00:00:00Z";

#[test]
fn alertmanager_gets_one_firing_alert_with_the_summary_as_an_annotation() {
    let labels = |name: &str, severity: &str, reason: &str| {
        json!({
            "alertname": name, "severity": severity, "reason": reason, "kind": "GitRepository", "name": "web",
            "namespace": "apps", "reportingcontroller": "source-controller",
        })
    };
    let mut with_revision = labels("FluxGitRepositoryNewartifact", "info", "NewArtifact");
    with_revision["revision"] = json!("main@sha1:abc");
    let message = "stored artifact\nin two lines";
    let failed = labels("FluxGitRepositoryGitoperationfailed", "error", "GitOperationFailed");
    for (event, labels, annotations) in [
        (event(), with_revision, json!({"message": message, "summary": "prod"})),
        (error(), failed, json!({"message": message})),
    ] {
        let alert = json!({
            "status": "firing", "labels": labels, "annotations": annotations, "startsAt": "2026-01-02T03:04:05Z",
            "endsAt": ZERO,
        });
        let wanted = expected("POST https://chat.example/hook/1", &[], json!([alert]));
        assert_eq!(shown(&render(&event, &config(Kind::Alertmanager)).unwrap()), wanted);
    }
}

#[test]
fn metadata_cannot_take_the_place_of_an_alerts_own_labels() {
    let event = Event { metadata: map(&[("severity", "none"), ("alertname", "mine")]), ..error() };
    let body = body_of(&render(&event, &config(Kind::Alertmanager)).unwrap());
    assert_eq!(
        (&body[0]["labels"]["severity"], &body[0]["labels"]["alertname"]),
        (&json!("error"), &json!("FluxGitRepositoryGitoperationfailed"))
    );
}

#[test]
fn basic_wins_at_alertmanager_and_the_token_at_grafana_and_half_a_pair_is_nothing() {
    let table = [
        (Kind::Alertmanager, Some("t"), "u", Some("p"), Some("Basic dTpw")),
        (Kind::Alertmanager, Some("t"), "u", None, Some("Bearer t")),
        (Kind::Alertmanager, None, "u", None, None),
        (Kind::Grafana, Some("t"), "u", Some("p"), Some("Bearer t")),
        (Kind::Grafana, None, "u", Some("p"), Some("Basic dTpw")),
        (Kind::Grafana, None, "", Some("p"), None),
    ];
    for (kind, token, username, password, wanted) in table {
        let config = ProviderConfig {
            token: token.map(secret),
            username: username.to_owned(),
            password: password.map(secret),
            ..config(kind)
        };
        let headers = headers_of(&render(&event(), &config).unwrap());
        assert_eq!(headers.get("authorization").map(String::as_str), wanted, "{kind:?} {token:?} {username}");
    }
}

#[test]
fn grafana_gets_an_annotation_whose_tags_have_no_colon_of_their_own() {
    let tags = |more: &[&str]| {
        let own = ["kind: GitRepository", "name: web", "namespace: apps"];
        let all: Vec<&str> = ["flux", "source-controller"].iter().chain(more).chain(&own).copied().collect();
        json!({"when": 1_767_323_045, "text": "gitrepository/web.apps", "tags": all})
    };
    for (event, body) in [(event(), tags(&["revision: main@sha1|abc", "summary: prod"])), (error(), tags(&[]))] {
        let wanted = expected("POST https://chat.example/hook/1", &[], body);
        assert_eq!(shown(&render(&event, &config(Kind::Grafana)).unwrap()), wanted);
    }
}

#[test]
fn opsgenie_gets_one_alert_per_object_and_reason() {
    let config = ProviderConfig { token: Some(secret("k")), ..config(Kind::Opsgenie) };
    // Digests of "p-1/GitRepository/apps/web/NewArtifact" and ".../GitOperationFailed".
    let alias = |reason: &str| {
        use sha2::{Digest, Sha256};
        hex::encode(Sha256::digest(format!("p-1/GitRepository/apps/web/{reason}")))
    };
    for (event, alias, details) in [
        (event(), alias("NewArtifact"), json!({"severity": "info", "revision": "main@sha1:abc", "summary": "prod"})),
        (error(), alias("GitOperationFailed"), json!({"severity": "error"})),
    ] {
        let body = json!({
            "message": "GitRepository/web", "alias": alias, "description": "stored artifact\nin two lines",
            "details": details,
        });
        let headers = [("authorization", "GenieKey k")];
        let wanted = expected("POST https://chat.example/hook/1", &headers, body);
        assert_eq!(shown(&render(&event, &config).unwrap()), wanted);
    }
    let bare = super::config(Kind::Opsgenie);
    assert_eq!(refusal(&event(), &bare), "empty opsgenie apikey/token");
}

#[test]
fn pagerduty_gets_an_alert_and_for_an_info_a_change() {
    let config = ProviderConfig { channel: "key".to_owned(), ..config(Kind::PagerDuty) };
    let alerts = "POST https://chat.example/v2/enqueue";
    let details = json!({
        "message": "stored artifact\nin two lines", "metadata": {"revision": "main@sha1:abc", "summary": "prod"},
    });
    let change = json!({"routing_key": "key", "payload": {
        "summary": "new artifact: gitrepository/web", "source": "Flux source-controller",
        "timestamp": "2026-01-02T03:04:05Z", "custom_details": details,
    }});
    let resolve = json!({"routing_key": "key", "event_action": "resolve", "dedup_key": "u-1"});
    let all = |event: &Event| -> Vec<Shown> { requests(event, &config).unwrap().iter().map(shown).collect() };
    let wanted =
        [expected(alerts, &[], resolve.clone()), expected("POST https://chat.example/v2/change/enqueue", &[], change)];
    assert_eq!(all(&event()), wanted);

    let trigger = json!({"routing_key": "key", "event_action": "trigger", "dedup_key": "u-1", "payload": {
        "summary": "git operation failed: gitrepository/web", "source": "Flux source-controller", "severity": "error",
        "timestamp": "2026-01-02T03:04:05Z", "component": "web", "group": "GitRepository",
        "custom_details": {"message": "stored artifact\nin two lines", "metadata": null},
    }});
    assert_eq!(all(&error()), [expected(alerts, &[], trigger)]);
    assert_eq!(all(&progressing()), []);
    let trace = Event { severity: EventSeverity::Trace, ..event() };
    assert_eq!(all(&trace), [expected(alerts, &[], resolve)]);
    let mut anonymous = trace;
    anonymous.involved_object.uid.clear();
    assert_eq!(all(&anonymous)[0].2, json!({"routing_key": "key", "event_action": "resolve"}));
    let bad = ProviderConfig { address: secret("pagerduty"), ..config.clone() };
    assert_eq!(refusal(&progressing(), &bad), "invalid address: not an absolute http or https URL");
}

#[test]
fn datadog_gets_lower_case_tags_once() {
    let config = ProviderConfig {
        token: Some(secret("k")),
        address: secret("https://api.datadoghq.eu/some/path"),
        ..config(Kind::Datadog)
    };
    let own = |reason: &str| {
        vec![
            "flux_reporting_controller:source-controller".to_owned(),
            format!("flux_reason:{reason}"),
            "kube_kind:gitrepository".to_owned(),
            "kube_name:web".to_owned(),
            "kube_namespace:apps".to_owned(),
        ]
    };
    let mut tags = own("newartifact");
    tags.extend(["revision:main@sha1:abc".to_owned(), "summary:prod".to_owned()]);
    for (event, alert_type, tags) in [(event(), "info", tags), (error(), "error", own("gitoperationfailed"))] {
        let body = json!({
            "title": "Events from the GitRepository web/apps", "text": "stored artifact\nin two lines",
            "source_type_name": "fluxcd", "date_happened": 1_767_323_045, "alert_type": alert_type, "tags": tags,
        });
        let request = render(&event, &config).unwrap();
        let wanted = expected("POST https://api.datadoghq.eu/api/v1/events", &[("dd-api-key", "k")], body);
        assert_eq!((shown(&request), request.retry), (wanted, Retry::Never));
    }
    assert_eq!(refusal(&event(), &super::config(Kind::Datadog)), "empty Datadog API key");
}

#[test]
fn incident_io_gets_an_alert_event_that_fires_or_resolves() {
    let config = ProviderConfig { token: Some(secret("k")), ..config(Kind::IncidentIo) };
    let headers = [("authorization", "Bearer k")];
    let body = |status: &str, reason: &str, metadata: Value| {
        json!({
            "title": format!("gitrepository/web.apps: {reason}"), "status": status, "deduplication_key": "u-1",
            "description": "stored artifact\nin two lines", "metadata": metadata,
        })
    };
    let full = json!({
        "revision": "main@sha1:abc", "summary": "prod", "severity": "info", "reason": "NewArtifact",
        "reportingController": "source-controller",
    });
    let mut anonymous = error();
    anonymous.reporting_controller.clear();
    anonymous.message.clear();
    let mut bare = body("firing", "GitOperationFailed", json!({"severity": "error", "reason": "GitOperationFailed"}));
    bare.as_object_mut().unwrap().remove("description");
    for (event, body) in [(event(), body("resolved", "NewArtifact", full)), (anonymous, bare)] {
        let wanted = expected("POST https://chat.example/hook/1", &headers, body);
        assert_eq!(shown(&render(&event, &config).unwrap()), wanted);
    }
    assert_eq!(requests(&progressing(), &config).unwrap(), []);
    assert_eq!(refusal(&event(), &super::config(Kind::IncidentIo)), "empty incident.io token");
}
