use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;

use sluice_bucket::{BucketName, S3Settings, Scheme};
use sluice_http_client::{ClientConfig, StatusCode};
use sluice_testkit::sink::{Answer, Sink};

use super::*;

/// A store that a sink stands in for: what is under test are answers that no real server gives on demand.
fn store(sink: &Sink) -> Arc<Store> {
    let settings = S3Settings {
        endpoint: sink.address().to_string(),
        scheme: Scheme::Http,
        region: "us-east-1".into(),
        bucket: BucketName::new("apps").expect("a name"),
        credentials: None,
    };
    Arc::new(Store::s3(settings, &ClientConfig::default()).expect("a store"))
}

fn listing(entries: &[(&str, &str)], ignore_file: Option<&str>) -> Listing {
    let mut index = Index::default();
    for (key, etag) in entries {
        index.insert(*key, *etag).expect("no line break");
    }
    Listing { index, ignore_file: ignore_file.map(|text| text.as_bytes().to_vec()) }
}

fn content(text: &str, etag: &str) -> Answer {
    let mut answer = Answer { body: text.to_owned().into(), ..Answer::default() };
    answer.headers.insert("etag", format!("\"{etag}\"").parse().expect("a header"));
    answer
}

fn problem(status: StatusCode, code: &str) -> Answer {
    let body = format!("<Error><Code>{code}</Code></Error>");
    Answer { status, body: body.into(), ..Answer::default() }
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(30)
}

fn entries(index: &Index) -> Vec<(&str, &str)> {
    index.iter().collect()
}

#[tokio::test]
async fn an_object_that_changed_since_it_was_listed_is_taken_as_it_is_now() {
    let sink = Sink::start().await.expect("a sink");
    sink.answer_next([problem(StatusCode::PRECONDITION_FAILED, "PreconditionFailed"), content("new", "e2")]);
    let downloaded =
        download(&store(&sink), listing(&[("dir/a", "e1")], Some("*.txt")), soon()).await.expect("downloaded");
    assert_eq!(entries(&downloaded.index), [("dir/a", "e2")]);
    let read = |path: &str| std::fs::read_to_string(downloaded.dir.path().join(path)).expect("it is there");
    assert_eq!((read("dir/a"), read(".sourceignore")), ("new".to_owned(), "*.txt".to_owned()));
    let conditions: Vec<_> = sink.requests().iter().map(|request| request.header("if-match").to_owned()).collect();
    assert_eq!(conditions, ["\"e1\"", ""]);
}

#[tokio::test]
async fn an_object_that_vanished_since_it_was_listed_leaves_nothing() {
    let sink = Sink::start().await.expect("a sink");
    sink.answer_always(problem(StatusCode::NOT_FOUND, "NoSuchKey"));
    let downloaded = download(&store(&sink), listing(&[("dir/a", "e1")], None), soon()).await.expect("downloaded");
    assert_eq!(entries(&downloaded.index), []);
    assert_eq!(std::fs::read_dir(downloaded.dir.path()).expect("a directory").count(), 0);
}

#[tokio::test]
async fn one_object_that_does_not_come_fails_all_and_is_named() {
    let sink = Sink::start().await.expect("a sink");
    sink.answer_always(problem(StatusCode::FORBIDDEN, "AccessDenied"));
    let keys: Vec<_> = (0..100).map(|number| format!("dir/{number}")).collect();
    let listed: Vec<_> = keys.iter().map(|key| (key.as_str(), "e1")).collect();
    let failed = download(&store(&sink), listing(&listed, None), soon()).await.expect_err("refused").to_string();
    assert!(failed.starts_with("fetch from bucket 'apps' failed: failed to get 'dir/"), "{failed}");
}

#[tokio::test]
async fn keys_that_are_in_each_others_way_are_refused_before_anything_is_asked_for() {
    let sink = Sink::start().await.expect("a sink");
    for (keys, ignore_file, named) in [
        ([("a", "1"), ("a/b", "2")], None, "a/b"),
        ([("a//b", "1"), ("a/b", "2")], None, "a/b"),
        ([("/.sourceignore", "1"), ("b", "2")], Some("x"), "/.sourceignore"),
        ([("..", "1"), ("b", "2")], None, ".."),
    ] {
        let failed =
            download(&store(&sink), listing(&keys, ignore_file), soon()).await.expect_err("refused").to_string();
        assert_eq!(failed, format!("fetch from bucket 'apps' failed: failed to get '{named}' object"));
    }
    assert!(sink.requests().is_empty());
}

#[tokio::test]
async fn a_download_ends_at_its_deadline() {
    let sink = Sink::start().await.expect("a sink");
    sink.answer_always(Answer { delay: Duration::from_secs(60), ..Answer::default() });
    let deadline = Instant::now() + Duration::from_millis(100);
    let failed = download(&store(&sink), listing(&[("a", "1")], None), deadline).await.expect_err("too late");
    assert!(format!("{failed:?}").contains("DeadlinePassed"), "{failed:?}");
}

#[tokio::test]
async fn a_file_is_for_its_owner_alone_and_takes_no_more_than_is_left_for_all() {
    let dir = tempfile::tempdir().expect("a directory");
    let left = Arc::new(AtomicU64::new(5));
    let path = dir.path().join("a/b/c.txt");
    let file = create(path.clone()).await.expect("created");
    let mut first = Metered { file, left: Arc::clone(&left) };
    first.write_all(b"123").await.expect("written");
    first.flush().await.expect("flushed");
    let mode = |path: &Path| std::fs::metadata(path).expect("it is there").mode() & 0o777;
    assert_eq!((mode(&path), mode(&dir.path().join("a"))), (0o600, 0o700));
    let file = create(dir.path().join("a/d.txt")).await.expect("created");
    let mut second = Metered { file, left: Arc::clone(&left) };
    assert!(second.write_all(b"123").await.is_err(), "two bytes were left");
    second.write_all(b"12").await.expect("written");
    assert_eq!(left.load(Ordering::Relaxed), 0);
    assert!(create(path).await.is_err(), "a file is never opened twice");
}

#[test]
fn a_vanished_object_takes_its_empty_directories_with_it_and_no_others() {
    let dir = tempfile::tempdir().expect("a directory");
    for path in ["a/b/c/gone", "a/stays"] {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        std::fs::write(path, "x").expect("written");
    }
    remove_empty(dir.path(), Path::new("a/b/c/gone"));
    assert!(!dir.path().join("a/b").exists());
    assert!(dir.path().join("a/stays").exists());
    std::fs::remove_file(dir.path().join("a/stays")).expect("removed");
    remove_empty(dir.path(), Path::new("a/stays"));
    assert!(dir.path().exists() && !dir.path().join("a").exists());
}
