//! HTTP on one side, `git http-backend` as a CGI program on the other.
//!
//! Answers go on as the program writes them, so that a client can work while the server still does. Deliberately buffers whole request
//! bodies: pushes of tests are small.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{ChildStdout, Command, Stdio};
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
use tokio::sync::{mpsc, oneshot};
use tokio_rustls::TlsAcceptor;

use super::tls::{CountingListener, TlsListener};
use super::{Protocol, RequestRecord, Shared};

/// The largest request body: pushes of tests.
const MAX_BODY: usize = 256 << 20;

/// The most bytes of an answer that go on at a time.
const PIECE: usize = 64 << 10;

/// Pieces that wait for the client.
const PIECES_IN_FLIGHT: usize = 16;

/// The longest line of a CGI header.
const MAX_HEADER_LINE: u64 = 16 << 10;

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
    let (status, headers, content) = match respond(&shared, request).await {
        Ok(answer) => answer,
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, HeaderMap::new(), Content::Whole(format!("{error:#}\n").into()))
        }
    };
    let record = RequestRecord { method, target, status: status.as_u16(), sent: 0 };
    let record = Recording { shared: Arc::clone(&shared), record: Some(record) };
    let stall_after = shared.stall_after.load(Ordering::SeqCst);
    (status, headers, content.into_body(record, stall_after)).into_response()
}

/// Notes a request once: when its answer is whole, before the client can know, or when the client does not want the rest.
struct Recording {
    shared: Arc<Shared>,
    record: Option<RequestRecord>,
}

impl Recording {
    fn add(&mut self, bytes: usize) {
        if let Some(record) = &mut self.record {
            record.sent += bytes as u64;
        }
    }

    fn finish(&mut self) {
        let mut requests = self.shared.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.extend(self.record.take());
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.finish();
    }
}

/// The body of an answer.
enum Content {
    Whole(Bytes),
    /// As the program writes it.
    Pieces(mpsc::Receiver<Bytes>),
}

impl Content {
    /// A body that stops after `stall_after` bytes, and never ends then.
    fn into_body(self, mut record: Recording, stall_after: usize) -> Body {
        let pieces = match self {
            Self::Whole(bytes) if bytes.len() <= stall_after => {
                record.add(bytes.len());
                record.finish();
                return bytes.into();
            }
            Self::Whole(bytes) => {
                let (sender, pieces) = mpsc::channel(1);
                // There is a place for one.
                let _ = sender.try_send(bytes);
                pieces
            }
            Self::Pieces(pieces) => pieces,
        };
        let sending = Sending { pieces, record, left: stall_after, stalled: false };
        Body::from_stream(futures::stream::unfold(sending, Sending::next).map(Ok::<_, std::convert::Infallible>))
    }
}

/// A body under way.
struct Sending {
    pieces: mpsc::Receiver<Bytes>,
    record: Recording,
    /// Bytes until it stalls.
    left: usize,
    stalled: bool,
}

impl Sending {
    async fn next(mut self) -> Option<(Bytes, Self)> {
        if self.stalled {
            let _abandoned = Abandoned(Arc::clone(&self.record.shared.abandoned));
            std::future::pending::<()>().await;
        }
        let Some(mut piece) = self.pieces.recv().await else {
            self.record.finish();
            return None;
        };
        self.stalled = piece.len() > self.left;
        piece.truncate(self.left);
        self.left -= piece.len();
        self.record.add(piece.len());
        Some((piece, self))
    }
}

/// Counts a client that gives up waiting.
struct Abandoned(Arc<AtomicUsize>);

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

type Answer = (StatusCode, HeaderMap, Content);

async fn respond(shared: &Arc<Shared>, request: Request<Body>) -> anyhow::Result<Answer> {
    let path_and_query = request.uri().path_and_query().map_or("/", http::uri::PathAndQuery::as_str).to_owned();
    let redirect = shared.redirect.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some((from, to)) = redirect
        && let Some(rest) = path_and_query.strip_prefix(&from)
    {
        let headers = HeaderMap::from_iter([(header::LOCATION, format!("{to}{rest}").parse()?)]);
        return Ok((StatusCode::FOUND, headers, Content::Whole(Bytes::new())));
    }
    if let Some((user, password)) = &shared.options.auth {
        let expected = if user.is_empty() {
            format!("Bearer {password}")
        } else {
            format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
        };
        if request.headers().get(header::AUTHORIZATION).map(http::HeaderValue::as_bytes) != Some(expected.as_bytes()) {
            let headers = HeaderMap::from_iter([(header::WWW_AUTHENTICATE, "Basic realm=\"test\"".parse()?)]);
            return Ok((StatusCode::UNAUTHORIZED, headers, Content::Whole(Bytes::new())));
        }
    }
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, MAX_BODY).await?;
    if let Some(refused) = refused_want(shared, &body) {
        let line = format!("ERR upload-pack: not our ref {refused}");
        let kind = "application/x-git-upload-pack-result".parse()?;
        let answer = Content::Whole(format!("{:04x}{line}", line.len() + 4).into());
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
    let mut output = BufReader::with_capacity(PIECE, child.stdout.take().context("no standard output")?);
    let (status, headers) = read_cgi_header(&mut output)?;
    let (sender, pieces) = mpsc::channel(PIECES_IN_FLIGHT);
    std::thread::spawn(move || {
        if copy(&mut output, &sender).is_err() {
            // The client has gone; a program that waits for its output to be read would wait for ever.
            let _ = child.kill();
        }
        let _ = writer.join();
        // Before the sender goes, which ends the answer: who has the whole answer finds no program left.
        let _ = child.wait();
        drop(sender);
    });
    Ok((status, headers, Content::Pieces(pieces)))
}

/// Hands on what is written until its end.
fn copy(output: &mut BufReader<ChildStdout>, sender: &mpsc::Sender<Bytes>) -> anyhow::Result<()> {
    loop {
        let piece = Bytes::copy_from_slice(output.fill_buf()?);
        if piece.is_empty() {
            return Ok(());
        }
        output.consume(piece.len());
        sender.blocking_send(piece)?;
    }
}

fn read_cgi_header(output: &mut BufReader<ChildStdout>) -> anyhow::Result<(StatusCode, HeaderMap)> {
    let mut status = StatusCode::OK;
    let mut headers = HeaderMap::new();
    loop {
        let mut line = String::new();
        let count = output.by_ref().take(MAX_HEADER_LINE).read_line(&mut line)?;
        anyhow::ensure!(count > 0 && line.ends_with('\n'), "no CGI header");
        let line = line.trim_end();
        if line.is_empty() {
            return Ok((status, headers));
        }
        let (name, value) = line.split_once(':').context("malformed CGI header")?;
        let value = value.trim();
        if name.eq_ignore_ascii_case("status") {
            status = value.split(' ').next().unwrap_or_default().parse()?;
        } else {
            headers.append(name.parse::<http::HeaderName>()?, value.parse()?);
        }
    }
}
