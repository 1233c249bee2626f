//! An HTTP(S) server of files in memory, such as a Helm repository: basic authentication, a certificate, and a record of requests.
//!
//! Deliberately static: what a test puts in is served until it puts in something else.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Context as _;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri, header};

use crate::git::{CountingListener, ServerTls, TlsListener};

/// How a [`FileServer`] answers.
#[derive(Clone, Debug, Default)]
pub struct FileServerOptions {
    /// User and password of basic authentication; without it everybody may read.
    pub auth: Option<(String, String)>,
    /// Serve HTTPS under a certificate of a CA made for this server.
    pub tls: bool,
    /// With TLS: let nobody in who has not [`FileServer::client_certificate`].
    pub client_certificates: bool,
}

/// One request as the server saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileRequest {
    /// Path with query.
    pub target: String,
    /// Status of the answer.
    pub status: u16,
    /// Whether credentials came along, right or wrong.
    pub has_credentials: bool,
}

struct Shared {
    auth: Option<String>,
    files: Mutex<BTreeMap<String, Bytes>>,
    requests: Mutex<Vec<FileRequest>>,
}

/// A running server; it stops when dropped.
pub struct FileServer {
    shared: Arc<Shared>,
    base: String,
    tls: Option<ServerTls>,
    server: tokio::task::JoinHandle<()>,
}

impl FileServer {
    /// Starts on a free loopback port, without files.
    ///
    /// # Errors
    /// When no port is to be had.
    pub async fn start(options: FileServerOptions) -> anyhow::Result<Self> {
        let tls = options.tls.then(|| ServerTls::generate(options.client_certificates)).transpose()?;
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.context("open the file server's port")?;
        let scheme = if options.tls { "https" } else { "http" };
        let base = format!("{scheme}://localhost:{}", listener.local_addr()?.port());
        let auth =
            options.auth.map(|(user, password)| format!("Basic {}", STANDARD.encode(format!("{user}:{password}"))));
        let shared = Arc::new(Shared { auth, files: Mutex::default(), requests: Mutex::default() });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&shared));
        let acceptor = tls.as_ref().map(|tls| tls.acceptor.clone());
        let listener = CountingListener { listener, connections: Arc::<AtomicUsize>::default() };
        let server = tokio::spawn(async move {
            // `serve` ends with an error only if it cannot be set up; a test then sees that nothing answers.
            let _ = match acceptor {
                Some(acceptor) => axum::serve(TlsListener { listener, acceptor }, router).await,
                None => axum::serve(listener, router).await,
            };
        });
        Ok(Self { shared, base, tls, server })
    }

    /// `http://localhost:port` or `https://localhost:port`, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Serves `content` at a path, which begins with a slash.
    pub fn put(&self, path: &str, content: impl Into<Bytes>) {
        lock(&self.shared.files).insert(path.to_owned(), content.into());
    }

    /// From now on there is nothing at that path.
    pub fn remove(&self, path: &str) {
        lock(&self.shared.files).remove(path);
    }

    /// Returns what was asked for so far and forgets it.
    pub fn take_requests(&self) -> Vec<FileRequest> {
        std::mem::take(&mut lock(&self.shared.requests))
    }

    /// The CA to trust, PEM, when the server speaks TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.tls.as_ref().map(|tls| tls.ca_pem.as_str())
    }

    /// Certificate and key that a client needs, PEM, when the server speaks TLS.
    pub fn client_certificate(&self) -> Option<(&str, &str)> {
        self.tls.as_ref().map(|tls| (tls.client.0.as_str(), tls.client.1.as_str()))
    }
}

impl Drop for FileServer {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap) -> Response {
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let found = lock(&shared.files).get(uri.path()).cloned();
    let permitted = shared.auth.as_deref().is_none_or(|wanted| given == Some(wanted));
    let response = match found {
        _ if !permitted => StatusCode::UNAUTHORIZED.into_response(),
        Some(content) => content.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    };
    let status = response.status().as_u16();
    let record = FileRequest { target: uri.to_string(), status, has_credentials: given.is_some() };
    lock(&shared.requests).push(record);
    response
}

/// A test that panicked while holding the lock has failed already; the record stays readable for the others.
fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn get(server: &FileServer, path: &str, more: &str) -> String {
        let address = server.url().trim_start_matches("http://").to_owned();
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{more}Connection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn files_are_served_to_whom_they_are_for_and_requests_are_recorded() {
        let auth = Some(("u".to_owned(), "p".to_owned()));
        let server = FileServer::start(FileServerOptions { auth, ..FileServerOptions::default() }).await.unwrap();
        server.put("/a", "content");
        let right = format!("Authorization: Basic {}\r\n", STANDARD.encode("u:p"));
        assert!(get(&server, "/a?x=1", &right).await.ends_with("content"));
        assert!(get(&server, "/a", "").await.contains(" 401 "));
        server.remove("/a");
        assert!(get(&server, "/a", &right).await.contains(" 404 "));
        let seen =
            |target: &str, status, has_credentials| FileRequest { target: target.into(), status, has_credentials };
        assert_eq!(server.take_requests(), [seen("/a?x=1", 200, true), seen("/a", 401, false), seen("/a", 404, true)]);
    }
}
