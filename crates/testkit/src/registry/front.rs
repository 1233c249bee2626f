//! The front: one request per connection, passed through as bytes, recorded, and broken where a fault fits.
//!
//! Deliberately no HTTP library: a fault is about what is on the wire, such as a body that ends before its announced length.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::token::{self, TokenServer};

/// The longest head of a request or response.
const MAX_HEAD: usize = 64 << 10;

/// One request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryRequest {
    /// The method.
    pub method: String,
    /// Path with query.
    pub target: String,
    /// Names in lower case, values as sent.
    pub headers: Vec<(String, String)>,
    /// Status of the answer; 0 while there is none.
    pub status: u16,
}

impl RegistryRequest {
    /// A header's value; empty without it.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(header, _)| header == name).map_or("", |(_, value)| value)
    }

    /// `METHOD path status`, without the query: what most tests compare.
    pub fn line(&self) -> String {
        let path = self.target.split('?').next().unwrap_or_default();
        format!("{} {path} {}", self.method, self.status)
    }
}

/// What goes wrong, with which requests, and how often.
#[derive(Clone, Debug)]
pub struct Fault {
    method: Option<&'static str>,
    path: String,
    times: usize,
    kind: FaultKind,
}

/// What goes wrong.
#[derive(Clone, Debug)]
pub enum FaultKind {
    /// The registry is not asked; this is answered.
    Answer {
        /// The status.
        status: u16,
        /// Headers to send.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// The connection is closed after so many bytes of the body.
    Truncate(usize),
    /// Nothing comes after so many bytes of the body, until the client hangs up.
    Stall(usize),
    /// The bits of this byte of the body are turned over.
    Corrupt(usize),
    /// A header of the answer is replaced, or removed with `None`.
    Header(&'static str, Option<String>),
}

impl Fault {
    /// Answers a status with a registry's error body.
    pub fn status(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({"errors": [{"code": code, "message": message}]}).to_string();
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        Self::of(FaultKind::Answer { status, headers, body: body.into() })
    }

    /// Answers with this body and these headers.
    pub fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Self::of(FaultKind::Answer { status, headers, body: body.into() })
    }

    /// Any kind of fault, for every request, for good.
    pub fn of(kind: FaultKind) -> Self {
        Self { method: None, path: String::new(), times: usize::MAX, kind }
    }

    /// Only requests of this method.
    pub fn method(mut self, method: &'static str) -> Self {
        self.method = Some(method);
        self
    }

    /// Only requests whose path and query contain this.
    pub fn path(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// Only the first so many that fit.
    pub fn times(mut self, times: usize) -> Self {
        self.times = times;
        self
    }

    /// Adds a header to a fault that answers.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        if let FaultKind::Answer { headers, .. } = &mut self.kind {
            headers.push((name.to_owned(), value.to_owned()));
        }
        self
    }

    fn fits(&self, request: &RegistryRequest) -> bool {
        self.times > 0
            && self.method.is_none_or(|method| method == request.method)
            && request.target.contains(&self.path)
    }
}

pub(super) struct Shared {
    pub(super) upstream: SocketAddr,
    pub(super) token: TokenServer,
    /// Whether the front answers for the token server; else its path is the registry's business.
    serves_tokens: bool,
    pub(super) requests: Mutex<Vec<RegistryRequest>>,
    pub(super) faults: Mutex<Vec<Fault>>,
    pub(super) abandoned: AtomicUsize,
}

impl Shared {
    pub(super) fn new(upstream: SocketAddr, token: TokenServer, serves_tokens: bool) -> Self {
        let (requests, faults) = (Mutex::default(), Mutex::default());
        Self { upstream, token, serves_tokens, requests, faults, abandoned: AtomicUsize::new(0) }
    }

    fn record(&self, request: &RegistryRequest) -> usize {
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        requests.push(request.clone());
        requests.len() - 1
    }

    fn answered(&self, index: usize, status: u16) {
        // Not there any more if the test took the record in between.
        if let Some(request) = self.requests.lock().unwrap_or_else(PoisonError::into_inner).get_mut(index) {
            request.status = status;
        }
    }

    fn fault_for(&self, request: &RegistryRequest) -> Option<FaultKind> {
        let mut faults = self.faults.lock().unwrap_or_else(PoisonError::into_inner);
        let fault = faults.iter_mut().find(|fault| fault.fits(request))?;
        fault.times = fault.times.saturating_sub(1);
        Some(fault.kind.clone())
    }
}

pub(super) async fn serve(listener: std::net::TcpListener, acceptor: Option<TlsAcceptor>, shared: Arc<Shared>) {
    let Ok(listener) = TcpListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        tokio::spawn(async move {
            // A client that breaks off, or whose handshake fails, is part of what is tested.
            let _ = match acceptor {
                Some(acceptor) => match acceptor.accept(stream).await {
                    Ok(stream) => exchange(stream, &shared).await,
                    Err(error) => Err(error.into()),
                },
                None => exchange(stream, &shared).await,
            };
        });
    }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(mut client: S, shared: &Shared) -> anyhow::Result<()> {
    let (head, rest) = read_head(&mut client).await?;
    let request = parse_request(&head)?;
    let index = shared.record(&request);
    let fault = shared.fault_for(&request);
    let path = request.target.split('?').next().unwrap_or_default();
    if let Some(FaultKind::Answer { status, headers, body }) = fault {
        shared.answered(index, status);
        return answer(&mut client, &request, status, &headers, &body).await;
    }
    if shared.serves_tokens && path == token::PATH {
        let length = request.header("content-length").parse().unwrap_or(0_usize);
        anyhow::ensure!(length < MAX_HEAD, "request body too long");
        let mut body = rest;
        let missing = length.saturating_sub(body.len()) as u64;
        (&mut client).take(missing).read_to_end(&mut body).await?;
        let (status, text) =
            shared.token.answer(&request.method, &request.target, request.header("authorization"), &body)?;
        shared.answered(index, status);
        let headers = [("Content-Type".to_owned(), "application/json".to_owned())];
        return answer(&mut client, &request, status, &headers, text.as_bytes()).await;
    }
    pass(client, &request, &rest, fault, index, shared).await
}

async fn answer<S: AsyncWrite + Unpin>(
    client: &mut S,
    request: &RegistryRequest,
    status: u16,
    headers: &[(String, String)],
    body: &[u8],
) -> anyhow::Result<()> {
    let mut head = format!("HTTP/1.1 {status} Test\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    client.write_all(head.as_bytes()).await?;
    if request.method != "HEAD" {
        client.write_all(body).await?;
    }
    client.flush().await?;
    client.shutdown().await?;
    Ok(())
}

/// Passes a request to the registry and its answer back.
async fn pass<S: AsyncRead + AsyncWrite + Unpin>(
    client: S,
    request: &RegistryRequest,
    rest: &[u8],
    fault: Option<FaultKind>,
    index: usize,
    shared: &Shared,
) -> anyhow::Result<()> {
    let upstream = TcpStream::connect(shared.upstream).await?;
    let (mut from_upstream, mut to_upstream) = upstream.into_split();
    let mut head = format!("{} {} HTTP/1.1\r\nconnection: close\r\n", request.method, request.target);
    for (name, value) in request.headers.iter().filter(|(name, _)| name != "connection") {
        head.extend([name, ": ", value, "\r\n"]);
    }
    head.push_str("\r\n");
    to_upstream.write_all(head.as_bytes()).await?;
    to_upstream.write_all(rest).await?;
    let (mut from_client, mut to_client) = tokio::io::split(client);
    let back = async {
        let (mut head, mut body) = read_head(&mut from_upstream).await?;
        while head.starts_with(b"HTTP/1.1 1") {
            to_client.write_all(&head).await?;
            // What came with an interim answer is the start of the next one.
            let mut start = std::io::Cursor::new(body).chain(&mut from_upstream);
            (head, body) = read_head(&mut start).await?;
        }
        let head = String::from_utf8(head)?;
        shared.answered(index, head.split(' ').nth(1).context("no status")?.parse()?);
        to_client.write_all(changed_head(&head, fault.as_ref()).as_bytes()).await?;
        let mut body = std::io::Cursor::new(body).chain(from_upstream);
        copy_body(&mut body, &mut to_client, fault.as_ref()).await
    };
    let upload = async {
        // The end of the client's side is no reason to stop answering; without an end there is nothing to do either.
        let _ = tokio::io::copy(&mut from_client, &mut to_upstream).await;
        shared.abandoned.fetch_add(usize::from(matches!(fault, Some(FaultKind::Stall(_)))), Ordering::SeqCst);
        if !matches!(fault, Some(FaultKind::Stall(_))) {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        result = back => result?,
        () = upload => {}
    }
    to_client.shutdown().await?;
    Ok(())
}

fn changed_head(head: &str, fault: Option<&FaultKind>) -> String {
    let Some(FaultKind::Header(name, value)) = fault else { return head.to_owned() };
    let is_it = |line: &&str| line.split(':').next().is_some_and(|header| header.eq_ignore_ascii_case(name));
    let mut lines: Vec<String> =
        head.trim_end().split("\r\n").filter(|line| !is_it(line)).map(ToOwned::to_owned).collect();
    lines.extend(value.as_ref().map(|value| format!("{name}: {value}")));
    lines.join("\r\n") + "\r\n\r\n"
}

async fn copy_body<R, W>(from: &mut R, to: &mut W, fault: Option<&FaultKind>) -> anyhow::Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    match fault {
        Some(FaultKind::Truncate(after)) => {
            tokio::io::copy(&mut from.take(*after as u64), to).await?;
        }
        Some(FaultKind::Stall(after)) => {
            tokio::io::copy(&mut from.take(*after as u64), to).await?;
            to.flush().await?;
            std::future::pending::<()>().await;
        }
        Some(FaultKind::Corrupt(at)) => {
            tokio::io::copy(&mut from.take(*at as u64), to).await?;
            let byte = from.read_u8().await?;
            to.write_u8(!byte).await?;
            tokio::io::copy(from, to).await?;
        }
        Some(FaultKind::Answer { .. } | FaultKind::Header(..)) | None => {
            tokio::io::copy(from, to).await?;
        }
    }
    to.flush().await?;
    Ok(())
}

/// Reads up to and including the empty line; returns that, and what came behind it.
pub(super) async fn read_head<R: AsyncRead + Unpin>(from: &mut R) -> anyhow::Result<(Vec<u8>, Vec<u8>)> {
    let mut head = Vec::with_capacity(1024);
    loop {
        let seen = head.len();
        anyhow::ensure!(seen < MAX_HEAD, "head too long");
        anyhow::ensure!(from.read_buf(&mut head).await? > 0, "no whole head came");
        // Who tries TLS here must not wait for an answer.
        anyhow::ensure!(head[0].is_ascii_uppercase(), "not HTTP");
        let start = seen.saturating_sub(3);
        if let Some(at) = head[start..].windows(4).position(|window| window == b"\r\n\r\n") {
            let rest = head.split_off(start + at + 4);
            return Ok((head, rest));
        }
    }
}

fn parse_request(head: &[u8]) -> anyhow::Result<RegistryRequest> {
    let text = std::str::from_utf8(head)?;
    let mut lines = text.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) =
        (words.next().context("no method")?.to_owned(), words.next().context("no target")?.to_owned());
    // A proxy passes on the whole URL.
    let target = match target.strip_prefix("http://").and_then(|rest| rest.find('/').map(|at| rest[at..].to_owned())) {
        Some(path) => path,
        None => target,
    };
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned())).collect();
    Ok(RegistryRequest { method, target, headers, status: 0 })
}
