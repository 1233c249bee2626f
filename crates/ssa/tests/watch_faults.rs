//! How the watch goes on after what an API server rarely does: a server that answers by a script.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;
use serde_json::{Value, json};
use sluice_manifest::{GroupKind, Gvk, ObjectId};
use sluice_ssa::{Discovery, Observer, ObserverSettings, Resource};

/// One answer of the server.
enum Answer {
    /// A list at a version.
    List(u32, Vec<Value>),
    /// Events, and then the end of the watch.
    Events(Vec<Value>),
    /// An error.
    Error(u16),
}

#[derive(Clone, Default)]
struct Script {
    answers: Arc<Mutex<VecDeque<Answer>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

async fn answer(State(script): State<Script>, uri: Uri) -> Response {
    let query = percent_encoding::percent_decode_str(uri.query().unwrap_or_default()).decode_utf8_lossy().into_owned();
    let query: HashMap<&str, &str> = query.split('&').filter_map(|pair| pair.split_once('=')).collect();
    assert_eq!(query.get("labelSelector"), Some(&"kustomize.toolkit.fluxcd.io/name"));
    let is_watch = query.contains_key("watch");
    let request =
        if is_watch { format!("watch {}", query.get("resourceVersion").unwrap_or(&"")) } else { "list".to_owned() };
    locked(&script.requests).push(request);
    let next = locked(&script.answers).pop_front();
    match next {
        Some(Answer::List(version, items)) => {
            assert!(!is_watch);
            json!({"metadata": {"resourceVersion": version.to_string()}, "items": items}).to_string().into_response()
        }
        Some(Answer::Events(events)) => {
            assert!(is_watch);
            events.iter().map(Value::to_string).collect::<Vec<_>>().join("\n").into_response()
        }
        Some(Answer::Error(code)) => {
            let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code,
                "reason": "", "message": "refused"});
            (StatusCode::from_u16(code).unwrap_or_default(), status.to_string()).into_response()
        }
        None => Body::from_stream(futures::stream::pending::<Result<String, std::io::Error>>().boxed()).into_response(),
    }
}

fn object(name: &str, version: u32) -> Value {
    json!({"metadata": {"name": name, "namespace": "default", "uid": name, "resourceVersion": version.to_string(),
        "labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}})
}

fn event(kind: &str, object: &Value) -> Value {
    json!({"type": kind, "object": object})
}

fn gone() -> Value {
    event(
        "ERROR",
        &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": 410,
        "reason": "Expired", "message": "too old resource version"}),
    )
}

/// What is known in the end: whether the kind is watched, and the versions of `a` and `b`.
type Known = (bool, [Option<u64>; 2]);

/// Plays the answers, and waits until that is known which is expected and the requests are those expected.
async fn play(answers: Vec<Answer>, expected: Known, requests: &[&str]) -> anyhow::Result<()> {
    let script = Script { answers: Arc::new(Mutex::new(answers.into())), ..Script::default() };
    let app = Router::new().fallback(answer).with_state(script.clone());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let config = kube::Config::new(format!("http://{}", listener.local_addr()?).parse()?);
    let server = tokio::spawn(async move { axum::serve(listener, app).await });
    let client = kube::Client::try_from(config)?;
    let discovery = Arc::new(Discovery::new(client.clone()));
    let observer = Observer::new(client, discovery, ObserverSettings::new("kustomize-controller"));
    observer.watch(&Resource { gvk: Gvk::new("v1", "ConfigMap"), plural: "configmaps".into(), namespaced: true });

    let config_map = |name: &str| ObjectId {
        group: String::new(),
        kind: "ConfigMap".into(),
        namespace: "default".into(),
        name: name.into(),
    };
    let known = || {
        let of = GroupKind { group: String::new(), kind: "ConfigMap".into() };
        let version = |name| observer.state(&config_map(name)).map(|state| state.resource_version);
        (observer.is_watched(&of), [version("a"), version("b")])
    };
    let all = tokio::time::timeout(Duration::from_secs(20), async {
        while known() != expected || locked(&script.requests).len() < requests.len() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    let in_time = all.await;
    assert_eq!(known(), expected);
    assert_eq!(*locked(&script.requests), requests);
    in_time?;
    server.abort();
    Ok(())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no test panics with the lock")
}

#[tokio::test]
async fn an_expired_watch_lists_anew_and_notices_what_is_gone() -> anyhow::Result<()> {
    let answers = vec![
        Answer::List(10, vec![object("a", 5), object("b", 6)]),
        Answer::Events(vec![event("MODIFIED", &object("a", 11)), gone()]),
        Answer::List(20, vec![object("b", 19)]),
        Answer::Error(410),
        Answer::List(30, vec![object("b", 29)]),
    ];
    let requests = ["list", "watch 10", "list", "watch 20", "list", "watch 30"];
    play(answers, (true, [None, Some(29)]), &requests).await
}

#[tokio::test]
async fn a_watch_that_ends_or_fails_goes_on_where_it_was() -> anyhow::Result<()> {
    let bookmark =
        event("BOOKMARK", &json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"resourceVersion": "15"}}));
    let answers = vec![
        Answer::List(10, vec![object("a", 5)]),
        Answer::Events(vec![event("ADDED", &object("b", 12)), bookmark]),
        Answer::Events(vec![event("DELETED", &object("a", 16))]),
        Answer::Error(500),
        // A server that has just started does not know roles yet.
        Answer::Error(403),
        Answer::Events(vec![event("MODIFIED", &object("b", 18))]),
    ];
    let requests = ["list", "watch 10", "watch 15", "watch 16", "watch 16", "watch 16", "watch 18"];
    play(answers, (true, [None, Some(18)]), &requests).await
}

#[tokio::test]
async fn a_kind_that_may_be_listed_but_not_watched_is_given_up() -> anyhow::Result<()> {
    for code in [403, 404, 405] {
        let answers = vec![Answer::List(10, vec![object("a", 5)]), Answer::Error(code)];
        play(answers, (false, [None, None]), &["list", "watch 10"]).await?;
    }
    Ok(())
}
