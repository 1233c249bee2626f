//! HTTP on one side, `git http-backend` as a CGI program on the other.
//!
//! Deliberately buffers whole bodies: test repositories are small.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::StreamExt as _;
use http::{HeaderMap, Request, StatusCode, header};
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use super::tls::{CountingListener, TlsListener};
use super::{Protocol, RequestRecord, Shared};

/// The largest request body: pushes of tests.
const MAX_BODY: usize = 256 << 20;

/// Serves until `stopped` is dropped or sent to. Connections still open then are cut.
pub(super) async fn serve(
    listener: std::net::TcpListener,
    acceptor: Option<TlsAcceptor>,
    shared: Arc<Shared>,
    connections: Arc<AtomicUsize>,
    stopped: oneshot::Receiver<()>,
) {
    let router = Router::new().fallback(answer).with_state(shared);
    let server = async move {
        let listener = CountingListener { listener: tokio::net::TcpListener::from_std(listener)?, connections };
        match acceptor {
            Some(acceptor) => axum::serve(TlsListener { listener, acceptor }, router).await,
            None => axum::serve(listener, router).await,
        }
    };
    tokio::select! {
        _ = server => {}
        _ = stopped => {}
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    if shared.no_answer.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    let method = request.method().to_string();
    let target = request.uri().to_string();
    let (status, headers, body) = match respond(&shared, request).await {
        Ok(answer) => answer,
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, HeaderMap::new(), format!("{error:#}\n").into()),
    };
    let record = RequestRecord { method, target, status: status.as_u16(), sent: body.len() as u64 };
    shared.requests.lock().unwrap_or_else(PoisonError::into_inner).push(record);
    let stall_after = shared.stall_after.load(Ordering::SeqCst);
    if body.len() > stall_after {
        return (status, headers, stalling(body.slice(..stall_after), &shared)).into_response();
    }
    (status, headers, body).into_response()
}

/// The bytes, then nothing until the client gives up, which is counted.
fn stalling(bytes: Bytes, shared: &Shared) -> Body {
    struct Abandoned(Arc<AtomicUsize>);
    impl Drop for Abandoned {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let abandoned = Abandoned(Arc::clone(&shared.abandoned));
    let first = futures::stream::once(async move { Ok::<_, std::convert::Infallible>(bytes) });
    let never = futures::stream::once(async move {
        let _abandoned = abandoned;
        std::future::pending().await
    });
    Body::from_stream(first.chain(never))
}

type Answer = (StatusCode, HeaderMap, Bytes);

async fn respond(shared: &Arc<Shared>, request: Request<Body>) -> anyhow::Result<Answer> {
    let path_and_query = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
    let redirect = shared.redirect.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((from, to)) = redirect
        && let Some(rest) = path_and_query.strip_prefix(&from)
    {
        let headers = HeaderMap::from_iter([(header::LOCATION, format!("{to}{rest}").parse()?)]);
        return Ok((StatusCode::FOUND, headers, Bytes::new()));
    }
    if let Some((user, password)) = &shared.options.auth {
        let expected = if user.is_empty() {
            format!("Bearer {password}")
        } else {
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
        };
        if request.headers().get(header::AUTHORIZATION).map(http::HeaderValue::as_bytes) != Some(expected.as_bytes()) {
            let headers = HeaderMap::from_iter([(header::WWW_AUTHENTICATE, "Basic realm=\"test\"".parse()?)]);
            return Ok((StatusCode::UNAUTHORIZED, headers, Bytes::new()));
        }
    }
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_BODY).await?;
    if let Some(refused) = refused_want(shared, &body) {
        let line = format!("ERR upload-pack: not our ref {refused}");
        let kind = "application/x-git-upload-pack-result".parse()?;
        let answer = format!("{:04x}{line}", line.len() + 4).into();
        return Ok((StatusCode::OK, HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]), answer));
    }
    let shared = Arc::clone(shared);
    tokio::task::spawn_blocking(move || run_backend(&shared, &parts, &body)).await?
}

fn refused_want(shared: &Shared, body: &Bytes) -> Option<String> {
    let refused = shared.refused_wants.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let wants = |id: &String| body.windows(45).any(|window| window == format!("want {id}").as_bytes());
    refused.into_iter().find(wants)
}

fn run_backend(shared: &Shared, request: &http::request::Parts, body: &Bytes) -> anyhow::Result<Answer> {
    let text = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    #[expect(clippy::disallowed_methods, reason = "a test server; git's own http-backend is the point of it")]
    let mut command = Command::new(&shared.backend);
    command
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", &shared.root)
        .env("GIT_PROJECT_ROOT", &shared.root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REQUEST_METHOD", request.method.as_str())
        .env("PATH_INFO", request.uri.path())
        .env("QUERY_STRING", request.uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", text("content-type"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", text("content-encoding"))
        .env("REMOTE_ADDR", "127.0.0.1")
        .env("REMOTE_USER", "test");
    if shared.options.protocol == Protocol::Current && !text("git-protocol").is_empty() {
        command.env("GIT_PROTOCOL", text("git-protocol"));
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    let mut child = command.spawn().context("failed to start git http-backend")?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let input = body.clone();
    // A thread of its own: a large answer would otherwise fill its pipe while we still fill the other one.
    let writer = std::thread::spawn(move || {
        // A backend that refuses the request closes its end early; its answer says why.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output()?;
    let _ = writer.join();
    parse_cgi(&output.stdout)
}

fn parse_cgi(output: &[u8]) -> anyhow::Result<Answer> {
    let end = output.windows(4).position(|window| window == b"\r\n\r\n").context("no CGI header")?;
    let mut status = StatusCode::OK;
    let mut headers = HeaderMap::new();
    for line in std::str::from_utf8(&output[..end])?.lines() {
        let (name, value) = line.split_once(':').context("malformed CGI header")?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            status = value.split(' ').next().unwrap_or_default().parse()?;
        } else {
            headers.append(name.parse::<http::HeaderName>()?, value.parse()?);
        }
    }
    Ok((status, headers, Bytes::copy_from_slice(&output[end + 4..])))
}
