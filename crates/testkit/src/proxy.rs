//! A proxy on loopback that counts who comes through: http (CONNECT and plain requests), the same behind TLS, and socks5.
//!
//! Deliberately no header is rewritten: after the first request a connection is a pipe to the host that was asked for first.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use url::Url;

use crate::git::ServerTls;

/// The longest request head.
const MAX_HEAD: usize = 16 << 10;

/// What a [`ProxyServer`] speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// HTTP.
    Http,
    /// HTTP over TLS, under a CA made for this proxy.
    Https,
    /// SOCKS version 5.
    Socks5,
}

/// A running proxy; it stops when dropped.
pub struct ProxyServer {
    address: Url,
    ca_pem: Option<String>,
    targets: Arc<Mutex<Vec<String>>>,
    runtime: Option<tokio::runtime::Runtime>,
}

struct Shared {
    auth: Option<(String, String)>,
    targets: Arc<Mutex<Vec<String>>>,
}

impl ProxyServer {
    /// Starts a proxy on a free loopback port; with `auth` (user, password) for those alone who have it.
    ///
    /// # Errors
    /// When no port is to be had.
    pub fn start(kind: ProxyKind, auth: Option<(&str, &str)>) -> anyhow::Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let (scheme, tls) = match kind {
            ProxyKind::Http => ("http", None),
            ProxyKind::Https => ("https", Some(ServerTls::generate(false)?)),
            ProxyKind::Socks5 => ("socks5", None),
        };
        let mut address = Url::parse(&format!("{scheme}://127.0.0.1:{}", listener.local_addr()?.port()))?;
        if let Some((user, password)) = auth {
            address.set_username(user).ok().context("user")?;
            address.set_password(Some(password)).ok().context("password")?;
        }
        let targets = Arc::new(Mutex::new(Vec::new()));
        let auth = auth.map(|(user, password)| (user.to_owned(), password.to_owned()));
        let shared = Arc::new(Shared { auth, targets: Arc::clone(&targets) });
        let ca_pem = tls.as_ref().map(|tls| tls.ca_pem.clone());
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.spawn(async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            while let Ok((stream, _)) = listener.accept().await {
                let (shared, acceptor) = (Arc::clone(&shared), tls.as_ref().map(|tls| tls.acceptor.clone()));
                tokio::spawn(async move {
                    // A client that breaks off is not the proxy's business.
                    let _ = match (kind, acceptor) {
                        (ProxyKind::Socks5, _) => socks5(stream, &shared).await,
                        (_, Some(acceptor)) => match acceptor.accept(stream).await {
                            Ok(stream) => http(stream, &shared).await,
                            Err(error) => Err(error.into()),
                        },
                        (_, None) => http(stream, &shared).await,
                    };
                });
            }
        });
        Ok(Self { address, ca_pem, targets, runtime: Some(runtime) })
    }

    /// The proxy's URL, with credentials where it wants them.
    pub fn address(&self) -> &Url {
        &self.address
    }

    /// The CA to trust, PEM, when the proxy speaks TLS.
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// Host and port of each connection made for somebody so far.
    pub fn targets(&self) -> Vec<String> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for ProxyServer {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn pipe<S>(mut client: S, target: &str, first: &[u8], shared: &Shared) -> anyhow::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut server = TcpStream::connect(target).await?;
    shared.targets.lock().unwrap_or_else(PoisonError::into_inner).push(target.to_owned());
    server.write_all(first).await?;
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

async fn http<S: AsyncRead + AsyncWrite + Unpin>(mut client: S, shared: &Shared) -> anyhow::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        anyhow::ensure!(head.len() < MAX_HEAD, "request head too long");
        head.push(client.read_u8().await?);
    }
    let text = String::from_utf8(head.clone())?;
    if let Some((user, password)) = &shared.auth {
        let expected = format!("proxy-authorization: Basic {}", STANDARD.encode(format!("{user}:{password}")));
        if !text.lines().any(|line| line.eq_ignore_ascii_case(&expected)) {
            client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n").await?;
            return Ok(());
        }
    }
    let mut words = text.split(' ');
    let (method, target) = (words.next().context("no method")?, words.next().context("no target")?);
    if method == "CONNECT" {
        client.write_all(b"HTTP/1.1 200 Connected\r\n\r\n").await?;
        return pipe(client, target, b"", shared).await;
    }
    let url = Url::parse(target)?;
    let target = format!("{}:{}", url.host_str().context("no host")?, url.port_or_known_default().context("no port")?);
    pipe(client, &target, &head, shared).await
}

async fn socks5(mut client: TcpStream, shared: &Shared) -> anyhow::Result<()> {
    anyhow::ensure!(client.read_u8().await? == 5, "not version 5");
    let methods = field(&mut client).await?;
    let method = if shared.auth.is_some() { 2 } else { 0 };
    if !methods.contains(&method) {
        client.write_all(&[5, 255]).await?;
        return Ok(());
    }
    client.write_all(&[5, method]).await?;
    if let Some((user, password)) = &shared.auth {
        anyhow::ensure!(client.read_u8().await? == 1, "not a login");
        let given = (field(&mut client).await?, field(&mut client).await?);
        let right = (user.as_bytes(), password.as_bytes()) == (&given.0[..], &given.1[..]);
        client.write_all(&[1, u8::from(!right)]).await?;
        if !right {
            return Ok(());
        }
    }
    let mut head = [0; 4];
    client.read_exact(&mut head).await?;
    let host = match head[3] {
        1 => {
            let mut address = [0; 4];
            client.read_exact(&mut address).await?;
            std::net::Ipv4Addr::from(address).to_string()
        }
        3 => String::from_utf8(field(&mut client).await?)?,
        other => anyhow::bail!("address type {other}"),
    };
    let port = client.read_u16().await?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    pipe(client, &format!("{host}:{port}"), b"", shared).await
}

async fn field(stream: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    let mut bytes = vec![0; usize::from(stream.read_u8().await?)];
    stream.read_exact(&mut bytes).await?;
    Ok(bytes)
}
