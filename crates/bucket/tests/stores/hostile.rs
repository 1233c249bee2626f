use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use sluice_bucket::{Download, ListLimits, S3Settings, Scheme, Store, StoreError, Wanted};
use sluice_testkit::Sink;
use sluice_testkit::sink::Answer;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::{LIMITS, answer, direct, get, list, name, soon, text};

fn store_at(endpoint: &str, region: &str) -> Store {
    let settings = S3Settings {
        endpoint: endpoint.to_owned(),
        scheme: Scheme::Http,
        region: region.to_owned(),
        bucket: name("apps"),
        credentials: None,
    };
    Store::s3(settings, &direct()).unwrap()
}

fn store(sink: &Sink) -> Store {
    store_at(&sink.address().to_string(), "r")
}

fn with_header(answer: Answer, header: &'static str, value: &'static str) -> Answer {
    Answer { headers: HeaderMap::from_iter([(header.parse().unwrap(), HeaderValue::from_static(value))]), ..answer }
}

fn page(count: usize, next: &str) -> String {
    let contents = "<Contents><Key>k</Key><ETag>e</ETag></Contents>".repeat(count);
    let next = format!("<IsTruncated>true</IsTruncated><NextContinuationToken>{next}</NextContinuationToken>");
    format!("<ListBucketResult>{contents}{next}</ListBucketResult>")
}

#[tokio::test]
async fn a_page_that_is_not_plain_xml_is_an_error_that_says_what_is_wrong() {
    let sink = Sink::start().await.unwrap();
    let store = store(&sink);
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><ListBucketResult>&b;</ListBucketResult>";
    for (body, expected) in [
        ("", "invalid XML: cut off"),
        ("<html></html>", "invalid XML: another root element"),
        ("<ListBucketResult><Contents><Key>a</Key>", "invalid XML: cut off"),
        (bomb, "invalid XML: a document type"),
        ("<ListBucketResult>&b;</ListBucketResult>", "invalid XML: an undefined entity"),
    ] {
        sink.answer_next([answer(200, body)]);
        let error = text(&list(&store, "secret", LIMITS).await.unwrap_err());
        assert_eq!(error, format!("GET {}/apps/: unreadable answer: {expected}", sink.url()));
    }
}

#[tokio::test]
async fn a_huge_page_is_not_read_to_its_end() {
    let sink = Sink::start().await.unwrap();
    sink.answer_always(answer(200, &format!("<ListBucketResult>{}", " ".repeat(33 << 20))));
    let error = text(&list(&store(&sink), "", LIMITS).await.unwrap_err());
    assert_eq!(error, format!("GET {}/apps/: response body is larger than 33554432 bytes", sink.url()));
}

#[tokio::test]
async fn a_listing_ends_at_its_limits_whatever_the_service_goes_on_to_say() {
    let sink = Sink::start().await.unwrap();
    let store = store(&sink);
    sink.answer_next([answer(200, &page(6, "1")), answer(200, &page(6, "2"))]);
    let limits = ListLimits { max_objects: 10, page_size: None };
    assert_eq!(text(&list(&store, "", limits).await.unwrap_err()), "more than 10 objects");

    sink.answer_always(answer(200, &page(1, "same")));
    assert_eq!(text(&list(&store, "", LIMITS).await.unwrap_err()), "the listing does not advance");

    sink.answer_always(Answer { delay: Duration::from_secs(60), ..answer(200, "") });
    let mut listing = store.list("", LIMITS, Instant::now() + Duration::from_millis(100));
    assert_eq!(text(&listing.next_page().await.unwrap_err()), "timed out");
    assert_eq!(listing.next_page().await.unwrap(), None);
}

#[tokio::test]
async fn an_object_larger_than_the_cap_is_refused_at_once_or_when_it_gets_there() {
    let sink = Sink::start().await.unwrap();
    sink.answer_always(with_header(answer(200, "0123456789"), "etag", "\"e\""));
    let store = store(&sink);
    let mut content = Vec::new();
    let wanted = Wanted { key: "k", etag: None, max_bytes: 9, deadline: soon() };
    let error = text(&store.get(wanted, &mut content).await.unwrap_err());
    assert_eq!(
        (error, content),
        (format!("GET {}/apps/k: response body is larger than 9 bytes", sink.url()), Vec::new())
    );
    let ten = Wanted { max_bytes: 10, ..wanted };
    let mut content = Vec::new();
    let done = Download::Done { etag: "e".to_owned(), size: 10 };
    assert_eq!((store.get(ten, &mut content).await.unwrap(), content.len()), (done, 10));
}

/// Answers every connection with these bytes and, then, nothing.
async fn raw(bytes: String, then_close: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        let mut open = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(bytes.as_bytes()).await;
            if !then_close {
                open.push(stream);
            }
        }
    });
    address
}

#[tokio::test]
async fn a_body_that_is_shorter_than_announced_is_an_error() {
    for head in ["Content-Length: 100\r\n\r\nshort", "Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n"] {
        let address = raw(format!("HTTP/1.1 200 OK\r\nETag: \"e\"\r\n{head}"), true).await;
        let error = text(&get(&store_at(&address, "r"), "k", None).await.unwrap_err());
        assert!(error.starts_with(&format!("GET http://{address}/apps/k: connection interrupted: ")), "{error}");
    }
}

#[tokio::test]
async fn a_body_that_stalls_is_given_up_at_the_deadline() {
    let address = raw("HTTP/1.1 200 OK\r\nETag: \"e\"\r\nContent-Length: 100\r\n\r\nstart".to_owned(), false).await;
    let store = store_at(&address, "r");
    let mut content = Vec::new();
    let wanted =
        Wanted { key: "k", etag: None, max_bytes: 1000, deadline: Instant::now() + Duration::from_millis(200) };
    let error = store.get(wanted, &mut content).await.unwrap_err();
    assert!(matches!(error, StoreError::DeadlinePassed), "{error}");
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_a_strange_success_is_none() {
    let elsewhere = Sink::start().await.unwrap();
    let sink = Sink::start().await.unwrap();
    let location = HeaderValue::from_str(&elsewhere.url()).unwrap();
    let headers = HeaderMap::from_iter([(http::header::LOCATION, location)]);
    sink.answer_next([Answer { headers, ..answer(302, "") }, answer(206, "part"), answer(204, "")]);
    for expected in ["302: Found", "206: Partial Content", "204: No Content"] {
        let error = text(&get(&store(&sink), "k", None).await.unwrap_err());
        assert_eq!(error, format!("GET {}/apps/k: status {expected}", sink.url()));
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn a_service_that_ignores_the_precondition_does_not_pass_for_unchanged() {
    let sink = Sink::start().await.unwrap();
    sink.answer_always(with_header(answer(200, "new"), "etag", "\"new\""));
    assert_eq!(get(&store(&sink), "k", Some("old")).await.unwrap(), (Download::Changed, String::new()));
    assert_eq!(sink.take_requests()[0].header("if-match"), "\"old\"");
    sink.answer_always(answer(200, "no tag"));
    let error = text(&get(&store(&sink), "k", None).await.unwrap_err());
    assert!(error.ends_with("unreadable answer: missing or invalid ETag"), "{error}");
}

#[tokio::test]
async fn keys_that_a_url_cannot_hold_are_not_asked_for() {
    let sink = Sink::start().await.unwrap();
    for key in ["../other/secret", "a/../../b", "..", "a/./b"] {
        let error = get(&store(&sink), key, None).await.unwrap_err();
        assert!(matches!(error, StoreError::UnrequestableKey { .. }), "{key}: {error}");
    }
    assert_eq!(get(&store(&sink), "", None).await.unwrap().0, Download::Vanished);
    assert!(sink.requests().is_empty());
}

#[tokio::test]
async fn the_region_is_asked_for_once_and_corrected_when_the_service_says_so() {
    let sink = Sink::start().await.unwrap();
    let store = store_at(&sink.address().to_string(), "");
    sink.answer_next([
        answer(200, "<LocationConstraint>eu-west-1</LocationConstraint>"),
        with_header(answer(400, ""), "x-amz-bucket-region", "eu-west-2"),
        answer(200, ""),
        answer(200, ""),
    ]);
    assert!(store.exists(soon()).await.unwrap());
    assert!(store.exists(soon()).await.unwrap());
    let requests: Vec<_> =
        sink.take_requests().iter().map(|request| format!("{} {}", request.method, request.uri)).collect();
    assert_eq!(requests, ["GET /apps/?location=", "HEAD /apps/", "HEAD /apps/", "HEAD /apps/"]);
}

#[tokio::test]
async fn a_service_that_does_not_tell_regions_is_taken_to_have_none() {
    let sink = Sink::start().await.unwrap();
    for (status, body, exists) in [
        (403, "<Error><Code>AccessDenied</Code></Error>", Some(true)),
        (403, "<Error><Code>AccessDenied</Code><Region>../evil</Region></Error>", Some(true)),
        (501, "<Error><Code>NotImplemented</Code></Error>", Some(true)),
        (404, "<Error><Code>NoSuchBucket</Code></Error>", Some(false)),
        (403, "<Error><Code>InvalidAccessKeyId</Code></Error>", None),
    ] {
        sink.answer_next([answer(status, body)]);
        let store = store_at(&sink.address().to_string(), "");
        assert_eq!(store.exists(soon()).await.ok(), exists, "{body}");
    }
}
