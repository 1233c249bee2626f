use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use http::{Request, Response};
use kube::client::Body;
use serde_json::Value;
use tower_service::Service;

use super::*;
use crate::cluster::{KubeSecrets, Secrets};
use crate::fakes::map;

/// An API server that knows its answers in advance and writes down what it was asked.
#[derive(Clone)]
struct Script {
    answers: Arc<Mutex<VecDeque<(u16, Value)>>>,
    asked: Arc<Mutex<Vec<Request<Body>>>>,
}

impl Service<Request<Body>> for Script {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.asked.lock().unwrap().push(request);
        let (status, body) = self.answers.lock().unwrap().pop_front().expect("no call beyond the script");
        ready(Ok(Response::builder().status(status).body(body.to_string().into_bytes().into()).unwrap()))
    }
}

fn script<const N: usize>(answers: [(u16, Value); N]) -> (Client, Script) {
    let script = Script { answers: Arc::new(Mutex::new(answers.into())), asked: Arc::default() };
    (Client::new(script.clone(), "default"), script)
}

impl Script {
    /// Method, path and query, and the header that says what form is wanted or sent.
    fn asked(&self, header: &str) -> Vec<(String, String, String)> {
        assert!(self.answers.lock().unwrap().is_empty(), "every answer is used");
        let describe = |request: &Request<Body>| {
            let header = request.headers().get(header).map(|value| value.to_str().unwrap().to_owned());
            (request.method().to_string(), request.uri().to_string(), header.unwrap_or_default())
        };
        self.asked.lock().unwrap().iter().map(describe).collect()
    }
}

const PATH: &str = "/apis/source.toolkit.fluxcd.io/v1/namespaces/apps/gitrepositories";
const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
const METADATA_LIST: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

fn resource() -> Resource {
    Resource::parse("source.toolkit.fluxcd.io/v1", "GitRepository").unwrap()
}

fn name(name: &str) -> ObjectName {
    ObjectName::parse("apps", name).unwrap()
}

fn metadata(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
        "metadata": {"name": name, "namespace": "apps", "labels": labels}})
}

fn list(names: &[&str], token: &str) -> Value {
    let items: Vec<Value> = names.iter().map(|name| metadata(name, &json!({}))).collect();
    json!({"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
        "metadata": {"continue": token}, "items": items})
}

fn refusal(code: u16, message: &str) -> (u16, Value) {
    (code, json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message}))
}

#[tokio::test]
async fn a_reconcile_is_requested_by_a_merge_patch_of_the_annotation_alone() {
    let (client, script) = script([(200, metadata("web", &json!({})))]);
    KubeObjects::new(client).request_reconcile(&resource(), &name("web"), "now").await.unwrap();
    let content_type = "application/merge-patch+json".to_owned();
    assert_eq!(script.asked("content-type"), [("PATCH".to_owned(), format!("{PATH}/web?"), content_type)]);
    assert_eq!(script.asked("accept")[0].2, METADATA);
    let request = script.asked.lock().unwrap().remove(0);
    let body: Value = serde_json::from_slice(&request.into_body().collect_bytes().await.unwrap()).unwrap();
    assert_eq!(body, json!({"metadata": {"annotations": {"reconcile.fluxcd.io/requestedAt": "now"}}}));
}

#[tokio::test]
async fn labels_are_read_from_the_metadata_alone() {
    let (client, script) = script([(200, metadata("web", &json!({"team": "a"})))]);
    let labels = KubeObjects::new(client).labels(&resource(), &name("web")).await.unwrap();
    assert_eq!(labels, map(&[("team", "a")]));
    assert_eq!(script.asked("accept"), [("GET".to_owned(), format!("{PATH}/web"), METADATA.to_owned())]);
}

#[tokio::test]
async fn metadata_comes_without_the_managers_of_its_fields() {
    let mut answer = metadata("web", &json!({"team": "a"}));
    answer["metadata"]["managedFields"] = json!([{"manager": "x"}]);
    let (client, script) = script([(200, answer)]);
    let found = KubeObjects::new(client).metadata(&resource(), &name("web")).await.unwrap();
    assert_eq!(serde_json::to_value(found).unwrap(), metadata("web", &json!({"team": "a"}))["metadata"]);
    assert_eq!(script.asked("accept"), [("GET".to_owned(), format!("{PATH}/web"), METADATA.to_owned())]);
}

#[tokio::test]
async fn a_selection_reads_page_after_page() {
    let (client, script) = script([(200, list(&["a", "b"], "next")), (200, list(&["c"], ""))]);
    let selector = LabelSelector::parse(&map(&[("app", "x"), ("team", "a")])).unwrap();
    let names = KubeObjects::new(client).select(&resource(), "apps", &selector).await.unwrap();
    let names: Vec<ObjectName> = names.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, [name("a"), name("b"), name("c")]);
    let query = format!("{PATH}?&labelSelector=app%3Dx%2Cteam%3Da&limit=500");
    let expected = [query.clone(), format!("{query}&continue=next")]
        .map(|query| ("GET".to_owned(), query, METADATA_LIST.to_owned()));
    assert_eq!(script.asked("accept"), expected);
}

#[tokio::test]
async fn a_refusal_is_the_server_s_own_text() {
    let missing = "gitrepositories.source.toolkit.fluxcd.io \"web\" not found";
    let (client, _script) = script([refusal(404, missing), refusal(403, "forbidden"), refusal(404, "no secret")]);
    let objects = KubeObjects::new(client.clone());
    let error = objects.request_reconcile(&resource(), &name("web"), "now").await.unwrap_err();
    assert!(matches!(&error, ClusterError::Find(text) if text == missing), "{error:?}");
    let error = objects.labels(&resource(), &name("web")).await.unwrap_err();
    assert!(matches!(&error, ClusterError::Request(text) if text == "forbidden"), "{error:?}");
    let error = KubeSecrets::new(client).read("apps", "x").await.unwrap_err();
    assert_eq!(error.to_string(), "no secret");
}

#[tokio::test]
async fn a_secret_is_its_decoded_data() {
    let body = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x"}, "data": {"token": "dAo="}});
    let (client, script) = script([(200, body)]);
    let data = KubeSecrets::new(client).read("apps", "x").await.unwrap();
    assert_eq!(data, [("token", "t\n")].into_iter().collect());
    assert_eq!(script.asked("accept")[0].1, "/api/v1/namespaces/apps/secrets/x");
}
