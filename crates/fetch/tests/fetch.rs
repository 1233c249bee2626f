//! Fetching from a real HTTP server.

#![expect(clippy::unwrap_used, reason = "Clippy takes only the test functions themselves for tests, not their helpers")]

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Path as UrlPath, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use flate2::Compression;
use flate2::write::GzEncoder;
use sluice_artifact::{Algorithm, Digest};
use sluice_fetch::{ArtifactCache, ArtifactRef, FetchError, FetchLimits, HostOverrides, OpenError, Tree};
use sluice_http_client::{ClientConfig, HttpClient, RetryPolicy, install_crypto_provider};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

/// A tar.gz with these files. Names are written as they are, bad ones too.
fn archive(files: &[(&str, &str)]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    {
        let mut tar = tar::Builder::new(&mut gzip);
        for (name, content) in files {
            let mut header = tar::Header::new_gnu();
            header.as_gnu_mut().unwrap().name[..name.len()].copy_from_slice(name.as_bytes());
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            tar.append(&header, content.as_bytes()).unwrap();
        }
        tar.finish().unwrap();
    }
    gzip.finish().unwrap()
}

#[derive(Clone)]
struct Content {
    files: Arc<Vec<Vec<u8>>>,
    requests: Arc<AtomicUsize>,
    gate: Arc<Semaphore>,
}

struct Server {
    base: String,
    content: Content,
    root: TempDir,
    client: HttpClient,
}

impl Server {
    /// Serves file N at `/N`; `/broken/N` announces one byte more than it sends; `/flaky/N` fails once.
    async fn start(files: Vec<Vec<u8>>) -> Self {
        install_crypto_provider();
        let content =
            Content { files: Arc::new(files), requests: Arc::default(), gate: Arc::new(Semaphore::new(1000)) };
        let routes = Router::new()
            .route("/{index}", get(serve))
            .route("/broken/{index}", get(serve_broken))
            .route("/flaky/{index}", get(serve_flaky))
            .with_state(content.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        let client = HttpClient::new(&ClientConfig::default()).unwrap();
        Self { base, content, root: TempDir::new().unwrap(), client }
    }

    fn requests(&self) -> usize {
        self.content.requests.load(Ordering::SeqCst)
    }

    fn artifact(&self, path: &str, digest: &Digest) -> ArtifactRef {
        let url = format!("{}/{path}", self.base);
        ArtifactRef::parse(&url, &digest.to_string(), &HostOverrides::default()).unwrap()
    }

    fn digest(&self, index: usize) -> Digest {
        Digest::of(Algorithm::Sha256, &self.content.files[index])
    }

    fn good(&self, index: usize) -> ArtifactRef {
        self.artifact(&index.to_string(), &self.digest(index))
    }

    fn cache(&self, limits: FetchLimits) -> ArtifactCache {
        ArtifactCache::new(self.root.path(), limits).unwrap()
    }

    async fn get(&self, cache: &ArtifactCache, artifact: &ArtifactRef) -> Result<Arc<Tree>, FetchError> {
        cache.get(&self.client, artifact, &RetryPolicy::NEVER).await
    }

    fn directories(&self) -> usize {
        std::fs::read_dir(self.root.path()).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_dir()).count()
    }

    /// Trees are removed by a thread of their own.
    async fn wait_for_directories(&self, expected: usize) {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.directories() != expected {
            assert!(Instant::now() < deadline, "{} directories, expected {expected}", self.directories());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn serve(UrlPath(index): UrlPath<usize>, State(content): State<Content>) -> Response {
    content.requests.fetch_add(1, Ordering::SeqCst);
    let _permit = content.gate.acquire().await.unwrap();
    content.files.get(index).cloned().ok_or(StatusCode::NOT_FOUND).into_response()
}

async fn serve_broken(UrlPath(index): UrlPath<usize>, State(content): State<Content>) -> Response {
    let file = content.files[index].clone();
    let length = file.len() + 1;
    let pieces = futures::stream::iter([Ok(file), Err(std::io::Error::other("gone"))]);
    ([(header::CONTENT_LENGTH, length)], Body::from_stream(pieces)).into_response()
}

async fn serve_flaky(UrlPath(index): UrlPath<usize>, State(content): State<Content>) -> Response {
    if content.requests.fetch_add(1, Ordering::SeqCst) == 0 {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    content.files[index].clone().into_response()
}

fn read(tree: &Tree, name: &str) -> String {
    std::fs::read_to_string(tree.path().join(name)).unwrap()
}

#[tokio::test]
async fn an_artifact_is_downloaded_verified_and_unpacked() {
    let server = Server::start(vec![archive(&[("a/b.yaml", "content"), ("top", "x")])]).await;
    let cache = server.cache(FetchLimits::default());
    let tree = server.get(&cache, &server.good(0)).await.unwrap();
    assert_eq!(read(&tree, "a/b.yaml"), "content");
    let mut names: Vec<_> = std::fs::read_dir(tree.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["a", "top"], "nothing but the archive's files is there");
}

#[tokio::test]
async fn every_digest_algorithm_but_sha1_verifies() {
    let file = archive(&[("a", "x")]);
    let server = Server::start(vec![file.clone()]).await;
    let cache = server.cache(FetchLimits::default());
    for algorithm in [Algorithm::Sha256, Algorithm::Sha384, Algorithm::Sha512, Algorithm::Blake3] {
        let artifact = server.artifact("0", &Digest::of(algorithm, &file));
        assert_eq!(read(&server.get(&cache, &artifact).await.unwrap(), "a"), "x", "{algorithm}");
    }
}

#[tokio::test]
async fn another_content_than_promised_is_refused_before_it_is_unpacked() {
    let server = Server::start(vec![archive(&[("a", "x")])]).await;
    let cache = server.cache(FetchLimits::default());
    let digest = Digest::of(Algorithm::Sha256, b"something else");
    let error = server.get(&cache, &server.artifact("0", &digest)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "failed to verify archive: computed digest doesn't match provided '{digest}' \
             (check whether file size exceeds max download size)"
        )
    );
    assert_eq!(server.directories(), 0);
}

#[tokio::test]
async fn a_missing_artifact_has_its_own_error_and_is_not_asked_for_again() {
    let server = Server::start(vec![]).await;
    let cache = server.cache(FetchLimits::default());
    let artifact = server.artifact("7", &Digest::of(Algorithm::Sha256, b""));
    let policy = RetryPolicy { attempts: 5, min_wait: Duration::from_millis(1), max_wait: Duration::from_millis(1) };
    let error = cache.get(&server.client, &artifact, &policy).await.unwrap_err();
    assert!(matches!(error, FetchError::NotFound), "{error:?}");
    assert_eq!((server.requests(), server.directories()), (1, 0));
}

#[tokio::test]
async fn a_server_error_is_asked_for_again() {
    let server = Server::start(vec![archive(&[("a", "x")])]).await;
    let cache = server.cache(FetchLimits::default());
    let policy = RetryPolicy { attempts: 2, min_wait: Duration::from_millis(1), max_wait: Duration::from_millis(1) };
    let artifact = server.artifact("flaky/0", &server.digest(0));
    cache.get(&server.client, &artifact, &policy).await.unwrap();
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_broken_or_too_large_download_is_an_error_and_leaves_nothing() {
    let server = Server::start(vec![archive(&[("a", "x")])]).await;
    let cache = server.cache(FetchLimits::default());
    let error = server.get(&cache, &server.artifact("broken/0", &server.digest(0))).await.unwrap_err();
    assert!(matches!(error, FetchError::Download(_)), "{error:?}");
    drop(cache);

    let cache = server.cache(FetchLimits { download_bytes: 10, ..FetchLimits::default() });
    let error = server.get(&cache, &server.good(0)).await.unwrap_err();
    assert!(matches!(error, FetchError::Download(_)), "{error:?}");
    assert_eq!(server.directories(), 0);
}

#[tokio::test]
async fn hostile_archives_are_refused_and_leave_nothing() {
    let truncated = {
        let whole = archive(&[("a", "some content that does not fit into few bytes")]);
        whole[..whole.len() - 12].to_vec()
    };
    let bomb = {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
        for _ in 0..64 {
            gzip.write_all(&vec![0; 65536]).unwrap();
        }
        gzip.finish().unwrap()
    };
    let server = Server::start(vec![
        archive(&[("../evil", "x")]),
        archive(&[("/tmp/evil", "x")]),
        archive(&[("a/../../evil", "x")]),
        archive(&[("a\\b", "x")]),
        b"this is not gzip".to_vec(),
        truncated,
        bomb,
    ])
    .await;
    let limits = FetchLimits {
        unpack: sluice_archive::Limits { total_bytes: 1 << 20, ..sluice_archive::Limits::default() },
        ..FetchLimits::default()
    };
    let cache = server.cache(limits);
    for index in 0..server.content.files.len() {
        let outcome = server.get(&cache, &server.good(index)).await;
        assert!(matches!(outcome, Err(FetchError::Unpack(_))), "{index}: {outcome:?}");
    }
    assert_eq!(server.directories(), 0);
    assert!(!server.root.path().join("evil").exists() && !Path::new("/tmp/evil").exists());
}

#[tokio::test]
async fn simultaneous_callers_share_one_download_and_one_tree() {
    let server = Server::start(vec![archive(&[("a", "x")])]).await;
    let cache = server.cache(FetchLimits::default());
    let artifact = server.good(0);
    let trees = futures::future::join_all((0..50).map(|_| server.get(&cache, &artifact))).await;
    let trees: Vec<Arc<Tree>> = trees.into_iter().map(Result::unwrap).collect();
    assert_eq!(server.requests(), 1);
    assert!(trees.iter().all(|tree| tree.path() == trees[0].path()));
    server.get(&cache, &artifact).await.unwrap();
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn simultaneous_callers_share_one_error_and_a_later_one_tries_anew() {
    let server = Server::start(vec![]).await;
    let cache = server.cache(FetchLimits::default());
    let artifact = server.artifact("0", &Digest::of(Algorithm::Sha256, b""));
    let outcomes = futures::future::join_all((0..10).map(|_| server.get(&cache, &artifact))).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Err(FetchError::NotFound))));
    assert_eq!(server.requests(), 1);
    server.get(&cache, &artifact).await.unwrap_err();
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_caller_who_gives_up_leaves_the_download_to_the_others() {
    let server = Server::start(vec![archive(&[("a", "x")])]).await;
    let cache = Arc::new(server.cache(FetchLimits::default()));
    let closed = server.content.gate.acquire_many(1000).await.unwrap();
    let artifact = server.good(0);
    let spawn = || {
        let (cache, client, artifact) = (cache.clone(), server.client.clone(), artifact.clone());
        tokio::spawn(async move { cache.get(&client, &artifact, &RetryPolicy::NEVER).await })
    };
    let first = spawn();
    while server.requests() == 0 {
        tokio::task::yield_now().await;
    }
    let second = spawn();
    tokio::task::yield_now().await;
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    drop(closed);
    assert_eq!(read(&second.await.unwrap().unwrap(), "a"), "x");
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_download_that_nobody_waits_for_ends_and_leaves_nothing() {
    let server = Server::start(vec![archive(&[("a", "x")])]).await;
    let cache = server.cache(FetchLimits::default());
    let closed = server.content.gate.acquire_many(1000).await.unwrap();
    let artifact = server.good(0);
    tokio::select! {
        _ = server.get(&cache, &artifact) => panic!("the server does not answer"),
        () = async { while server.requests() == 0 { tokio::task::yield_now().await } } => {}
    }
    server.wait_for_directories(0).await;
    drop(closed);
    server.get(&cache, &artifact).await.unwrap();
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_server_that_stands_still_is_given_up() {
    let server = Server::start(vec![archive(&[("a", "x")])]).await;
    let limits = FetchLimits { total_time: Duration::from_millis(100), ..FetchLimits::default() };
    let cache = server.cache(limits);
    let _closed = server.content.gate.acquire_many(1000).await.unwrap();
    let error = server.get(&cache, &server.good(0)).await.unwrap_err();
    assert_eq!(error.to_string(), "failed to download archive: not complete within 0s");
}

#[tokio::test]
async fn a_tree_goes_when_nobody_holds_it_and_it_is_not_recent() {
    let server = Server::start((0..4).map(|n| archive(&[("a", &n.to_string())])).collect()).await;
    let cache = server.cache(FetchLimits { recent_trees: 2, ..FetchLimits::default() });
    let held = server.get(&cache, &server.good(0)).await.unwrap();
    for index in [1, 2, 1, 3] {
        server.get(&cache, &server.good(index)).await.unwrap();
    }
    // 0 is held, 3 and 1 are recent.
    server.wait_for_directories(3).await;
    assert_eq!(read(&held, "a"), "0");
    let requests = server.requests();
    for index in [1, 3, 0] {
        server.get(&cache, &server.good(index)).await.unwrap();
    }
    assert_eq!(server.requests(), requests, "all three were still there");
    // 0 and 3 are recent now, and 1 is neither that nor held.
    server.wait_for_directories(2).await;
    drop(held);
    server.get(&cache, &server.good(1)).await.unwrap();
    assert_eq!(server.requests(), requests + 1);
    server.wait_for_directories(2).await;
}

#[tokio::test]
async fn leftovers_of_a_crash_are_removed_and_other_files_are_not() {
    let server = Server::start(vec![]).await;
    let leftover = server.root.path().join("artifact-0123-abc/tree");
    std::fs::create_dir_all(&leftover).unwrap();
    std::fs::write(leftover.join("file"), "x").unwrap();
    std::fs::create_dir(server.root.path().join("other")).unwrap();
    let _cache = server.cache(FetchLimits::default());
    assert!(!server.root.path().join("artifact-0123-abc").exists());
    assert!(server.root.path().join("other").exists());
}

#[tokio::test]
async fn a_directory_is_used_by_one_process_only() {
    let server = Server::start(vec![]).await;
    let cache = server.cache(FetchLimits::default());
    let second = ArtifactCache::new(server.root.path(), FetchLimits::default());
    assert!(matches!(second, Err(OpenError::InUse { .. })));
    drop(cache);
    server.cache(FetchLimits::default());
}
