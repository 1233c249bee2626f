use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use http::StatusCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;

struct Running {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

async fn start(limits: Limits) -> Running {
    start_measured(limits, ConnectionMetrics::default()).await
}

async fn start_measured(limits: Limits, metrics: ConnectionMetrics) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let shutdown = CancellationToken::new();
    let router = Router::new().fallback(|request: Request| async move {
        if request.uri().path() == "/hang" {
            std::future::pending::<()>().await;
        }
        match read_body(request.into_body()).await {
            Ok(body) => (StatusCode::OK, body.len().to_string()),
            Err(BodyError::Exceed) => (StatusCode::PAYLOAD_TOO_LARGE, String::new()),
            Err(_) => (StatusCode::BAD_REQUEST, String::new()),
        }
    });
    let task = tokio::spawn(serve_measured(listener, router, limits, shutdown.clone(), metrics));
    Running { address, shutdown, task }
}

/// Sends raw bytes and reads until the server closes.
async fn exchange(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    // A reset after an early answer is as good as an end.
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_request_is_served_and_a_cancelled_server_ends() {
    let Running { address, shutdown, task } = start(Limits::default()).await;
    let answer =
        exchange(address, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n2"), "{answer}");
    shutdown.cancel();
    task.await.unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn headers_over_the_limit_are_refused() {
    let Running { address, .. } = start(Limits::default()).await;
    let request =
        |size: usize| format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: {}\r\n\r\n", "a".repeat(size));
    assert!(exchange(address, request(200 * 1024).as_bytes()).await.starts_with("HTTP/1.1 200 "));
    assert!(exchange(address, request(256 * 1024).as_bytes()).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn a_client_that_does_not_end_its_headers_is_cut_off() {
    let limits = Limits { header_read: Duration::from_millis(50), ..Limits::default() };
    let Running { address, .. } = start(limits).await;
    let answer = exchange(address, b"GET / HTTP/1.1\r\nHost:").await;
    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test]
async fn an_announced_oversized_body_that_does_not_come_is_refused_soon() {
    let Running { address, .. } = start(Limits::default()).await;
    let request =
        format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", MAX_BODY_BYTES + 1);
    assert!(exchange(address, request.as_bytes()).await.starts_with("HTTP/1.1 413 "));
}

#[tokio::test]
async fn shutdown_drops_what_does_not_end_in_time() {
    let limits = Limits { drain: Duration::from_millis(50), ..Limits::default() };
    let Running { address, shutdown, task } = start(limits).await;
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    // Answered after the hanging request has been accepted.
    exchange(address, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    shutdown.cancel();
    tokio::time::timeout(Duration::from_secs(20), task).await.unwrap().unwrap();
    let mut answer = Vec::new();
    let _ = client.read_to_end(&mut answer).await;
    assert_eq!(answer, b"");
}

#[tokio::test]
async fn a_connection_beyond_the_bound_gets_the_place_of_an_idle_one() {
    let Running { address, .. } = start(Limits { connections: 1, ..Limits::default() }).await;
    let mut first = stalled(address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let mut byte = [0];
    first.read_exact(&mut byte).await.unwrap();
    assert_eq!(post(address, "ab").await, "HTTP/1.1 200 OK");
    let mut rest = Vec::new();
    first.read_to_end(&mut rest).await.unwrap();
    assert!(rest.starts_with(b"TTP/1.1 200 OK"));
}

/// A whole request and its answer's status line, on a connection of its own.
async fn post(address: SocketAddr, body: &str) -> String {
    let length = body.len();
    let request = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    let answer = exchange(address, request.as_bytes()).await;
    answer.lines().next().unwrap_or_default().to_owned()
}

async fn stalled(address: SocketAddr, start: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(start).await.unwrap();
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_on_all_places_do_not_keep_others_from_their_answers() {
    let metrics = ConnectionMetrics::default();
    let limits = Limits { connections: 20, ..Limits::default() };
    let Running { address, .. } = start_measured(limits, metrics.clone()).await;
    let mut slow = Vec::new();
    for number in 0..200 {
        let start: &[u8] = if number % 2 == 0 {
            b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow:"
        } else {
            b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nstart"
        };
        slow.push(stalled(address, start).await);
    }
    let before = std::time::Instant::now();
    assert_eq!(post(address, "ab").await, "HTTP/1.1 200 OK");
    assert!(before.elapsed() < Duration::from_secs(8), "{:?}", before.elapsed());
    assert!(metrics.displaced.get() > 100, "{}", metrics.displaced.get());
    assert!(metrics.open.get() <= 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_has_been_read_keeps_its_place() {
    let Running { address, .. } = start(Limits { connections: 2, ..Limits::default() }).await;
    let mut hanging = stalled(address, b"GET /hang HTTP/1.1\r\nHost: x\r\n\r\n").await;
    for _ in 0..3 {
        let _idle = stalled(address, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert_eq!(post(address, "ab").await, "HTTP/1.1 200 OK");
    }
    let mut byte = [0];
    let ended = tokio::time::timeout(Duration::from_millis(300), hanging.read(&mut byte)).await;
    assert!(ended.is_err(), "the connection was closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_large_bodies_at_once_are_all_read() {
    let Running { address, .. } = start(Limits::default()).await;
    let body = "x".repeat(MAX_BODY_BYTES);
    let posts = (0..40).map(|_| {
        let body = body.clone();
        tokio::spawn(async move { post(address, &body).await })
    });
    for answer in futures::future::join_all(posts).await {
        assert_eq!(answer.unwrap(), "HTTP/1.1 200 OK");
    }
}

#[tokio::test]
async fn a_client_that_waits_to_be_told_is_told() {
    let Running { address, .. } = start(Limits::default()).await;
    let head = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\nConnection: close\r\n\r\n";
    let mut stream = stalled(address, head).await;
    let mut told = [0; 25];
    stream.read_exact(&mut told).await.unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"ab").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn requests_in_a_row_on_one_connection_are_answered_in_order() {
    let Running { address, .. } = start(Limits::default()).await;
    let one = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na";
    let two = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n";
    let last = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc";
    let answer = exchange(address, format!("{one}{two}{last}").as_bytes()).await;
    let bodies: Vec<&str> = answer.split("\r\n\r\n").skip(1).map(|part| &part[..1]).collect();
    assert_eq!(bodies, ["1", "2", "3"], "{answer}");
}

#[tokio::test]
async fn what_is_no_http_is_refused_and_ambiguous_lengths_too() {
    let Running { address, .. } = start(Limits::default()).await;
    for request in [
        "nonsense\r\n\r\n".to_owned(),
        "POST / HTTP/9.9\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab".to_owned(),
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n".to_owned(),
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\nzz\r\n".to_owned(),
    ] {
        let answer = exchange(address, request.as_bytes()).await;
        assert!(!answer.starts_with("HTTP/1.1 200"), "{request:?}: {answer}");
    }
}
