//! A reverse proxy on loopback before a server of the test kit: it records the request lines, and speaks TLS if wanted.
//!
//! Deliberately changes nothing of a request but that it is its connection's only one: signatures stay good, since `Host` is as it came.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::git::ServerTls;

/// The longest request head.
const MAX_HEAD: usize = 64 << 10;

/// A running front; it stops when dropped.
#[derive(Debug)]
pub struct Front {
    port: u16,
    ca_pem: Option<String>,
    requests: Arc<Mutex<Vec<String>>>,
    server: tokio::task::JoinHandle<()>,
}

impl Front {
    /// Starts before `upstream` (`127.0.0.1:port`).
    ///
    /// # Errors
    /// When no port is to be had.
    pub async fn start(upstream: &str) -> anyhow::Result<Self> {
        Self::serve(upstream, None).await
    }

    /// Like [`Front::start`], with TLS under the certificate of a CA made for this front.
    ///
    /// # Errors
    /// When no port is to be had.
    pub async fn start_tls(upstream: &str) -> anyhow::Result<Self> {
        Self::serve(upstream, Some(ServerTls::generate(false)?)).await
    }

    async fn serve(upstream: &str, tls: Option<ServerTls>) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.context("open the front's port")?;
        let port = listener.local_addr()?.port();
        let ca_pem = tls.as_ref().map(|tls| tls.ca_pem.clone());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (record, upstream) = (Arc::clone(&requests), upstream.to_owned());
        let server = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (record, upstream) = (Arc::clone(&record), upstream.clone());
                let acceptor = tls.as_ref().map(|tls| tls.acceptor.clone());
                connections.spawn(async move {
                    // A client that breaks off is not the front's business.
                    let _ = match acceptor {
                        None => forward(stream, &upstream, &record).await,
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => forward(stream, &upstream, &record).await,
                            Err(error) => Err(error.into()),
                        },
                    };
                });
            }
        });
        Ok(Self { port, ca_pem, requests, server })
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The CA to trust, PEM, when the front speaks TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Returns the method and target of each request so far, and forgets them.
    pub fn take_requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn forward<S>(mut client: S, upstream: &str, record: &Mutex<Vec<String>>) -> anyhow::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        anyhow::ensure!(head.len() < MAX_HEAD, "request head too long");
        head.push(client.read_u8().await?);
    }
    let line = head.split(|byte| *byte == b'\r').next().map(String::from_utf8_lossy).unwrap_or_default();
    let line = line.trim_end_matches(" HTTP/1.1").to_owned();
    record.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    head.truncate(head.len() - 2);
    head.extend_from_slice(b"Connection: close\r\n\r\n");
    let mut server = TcpStream::connect(upstream).await?;
    server.write_all(&head).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}
