use sluice_bucket::{Download, Entry, GcsAuth, GcsSettings, Store};
use sluice_http_client::Secret;
use sluice_testkit::Sink;

use crate::{LIMITS, answer, direct, done, get, list, name, pages_of, soon, text};

fn store(sink: &Sink, auth: GcsAuth) -> Store {
    let settings = GcsSettings { endpoint: sink.url().parse().unwrap(), bucket: name("apps"), auth };
    Store::gcs(settings, &direct()).unwrap()
}

fn bearer() -> GcsAuth {
    GcsAuth::Bearer(Secret::new("token".to_owned()))
}

fn uris(sink: &Sink) -> Vec<String> {
    sink.take_requests().iter().map(|request| request.uri.to_string()).collect()
}

const NOT_FOUND: &str = r#"{"error":{"code":404,"message":"Not there.","errors":[{"reason":"notFound"}]}}"#;

#[tokio::test]
async fn a_listing_follows_page_tokens_and_carries_the_token() {
    let sink = Sink::start().await.unwrap();
    sink.answer_next([
        answer(200, r#"{"items":[{"name":"a b/ü","etag":"CAE=","size":"3"}],"nextPageToken":"t+/="}"#),
        answer(200, r#"{"kind":"storage#objects"}"#),
    ]);
    let pages = list(&store(&sink, bearer()), "a b/", pages_of(1)).await.unwrap();
    assert_eq!(pages, [vec![Entry { key: "a b/ü".to_owned(), etag: "CAE=".to_owned(), size: 3 }], vec![]]);
    let requests = sink.take_requests();
    assert!(requests.iter().all(|request| request.header("authorization") == "Bearer token"));
    let fields = "fields=nextPageToken%2Citems%28name%2Cetag%2Csize%29&projection=noAcl&prefix=a%20b%2F";
    assert_eq!(requests[0].uri.to_string(), format!("/storage/v1/b/apps/o?{fields}&maxResults=1"));
    assert_eq!(requests[1].uri.to_string(), format!("/storage/v1/b/apps/o?{fields}&pageToken=t%2B%2F%3D&maxResults=1"));
}

#[tokio::test]
async fn a_download_is_of_the_generation_that_has_the_tag() {
    let sink = Sink::start().await.unwrap();
    let store = store(&sink, GcsAuth::Anonymous);
    sink.answer_next([answer(200, r#"{"etag":"CAE=","generation":"17"}"#), answer(200, "content")]);
    assert_eq!(get(&store, "../a b", Some("CAE=")).await.unwrap(), done("CAE=", "content"));
    let requests = sink.requests();
    assert!(requests.iter().all(|request| request.header("authorization").is_empty()));
    let object = "/storage/v1/b/apps/o/..%2Fa%20b";
    let expected = [format!("{object}?fields=etag%2Cgeneration"), format!("{object}?alt=media&ifGenerationMatch=17")];
    assert_eq!(uris(&sink), expected);
}

#[tokio::test]
async fn what_changes_or_vanishes_between_the_two_requests_is_no_error() {
    let sink = Sink::start().await.unwrap();
    let store = store(&sink, bearer());
    let is = |etag: &str| answer(200, &format!(r#"{{"etag":"{etag}","generation":"1"}}"#));
    for (answers, etag, expected) in [
        (vec![answer(404, NOT_FOUND)], None, (Download::Vanished, String::new())),
        (vec![is("new")], Some("old"), (Download::Changed, String::new())),
        (vec![is("a"), answer(404, "No such object")], None, (Download::Vanished, String::new())),
        (vec![is("a"), answer(412, ""), is("b"), answer(200, "x")], None, done("b", "x")),
        (vec![is("a"), answer(412, ""), is("b")], Some("a"), (Download::Changed, String::new())),
    ] {
        let count = answers.len();
        sink.answer_next(answers);
        assert_eq!(get(&store, "k", etag).await.unwrap(), expected);
        assert_eq!(sink.take_requests().len(), count);
    }
    // It never stops changing.
    sink.answer_next([is("a"), answer(412, ""), is("b"), answer(412, ""), is("c"), answer(412, "")]);
    assert_eq!(get(&store, "k", None).await.unwrap(), (Download::Changed, String::new()));
}

#[tokio::test]
async fn a_bucket_exists_or_does_not_or_is_hidden() {
    let sink = Sink::start().await.unwrap();
    let store = store(&sink, bearer());
    sink.answer_next([answer(200, r#"{"name":"apps"}"#), answer(404, NOT_FOUND)]);
    assert!(store.exists(soon()).await.unwrap());
    assert!(!store.exists(soon()).await.unwrap());
    assert_eq!(uris(&sink), ["/storage/v1/b/apps?fields=name"; 2]);
    sink.answer_next([answer(403, r#"{"error":{"message":"No\naccess.","errors":[{"reason":"forbidden"}]}}"#)]);
    let error = text(&store.exists(soon()).await.unwrap_err());
    assert_eq!(error, format!("GET {}/storage/v1/b/apps: status 403: forbidden: No\\naccess.", sink.url()));
}

#[tokio::test]
async fn an_answer_that_is_not_googles_is_an_error() {
    let sink = Sink::start().await.unwrap();
    let store = store(&sink, bearer());
    for (body, expected) in [
        ("", "invalid JSON"),
        ("[]", "invalid JSON"),
        (r#"{"items":[{"name":"a"}]}"#, "invalid JSON"),
        (r#"{"items":[{"name":"a","etag":""}]}"#, "missing or invalid etag"),
        (r#"{"items":[{"name":"","etag":"x"}]}"#, "invalid object key ''"),
        (r#"{"items":[{"name":"a","etag":"x","size":"-1"}]}"#, "missing or invalid size"),
    ] {
        sink.answer_next([answer(200, body)]);
        let error = text(&list(&store, "", LIMITS).await.unwrap_err());
        assert_eq!(error, format!("GET {}/storage/v1/b/apps/o: unreadable answer: {expected}", sink.url()));
    }
    sink.answer_next([answer(200, r#"{"etag":"x","generation":"1&alt=json"}"#)]);
    let error = text(&get(&store, "k", None).await.unwrap_err());
    assert!(error.ends_with("unreadable answer: missing or invalid generation"), "{error}");
}
