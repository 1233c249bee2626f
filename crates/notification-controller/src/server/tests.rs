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
    let task = tokio::spawn(serve(listener, router, limits, shutdown.clone()));
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
async fn a_connection_beyond_the_bound_waits_for_a_place() {
    let Running { address, .. } = start(Limits { connections: 1, ..Limits::default() }).await;
    let mut first = TcpStream::connect(address).await.unwrap();
    first.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut byte = [0];
    first.read_exact(&mut byte).await.unwrap();
    let second = tokio::spawn(exchange(address, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
    tokio::task::yield_now().await;
    assert!(!second.is_finished());
    drop(first);
    assert!(second.await.unwrap().starts_with("HTTP/1.1 200 "));
}
