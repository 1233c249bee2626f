//! A bare connection to a host, straight or through a proxy: what SSH runs on.
//!
//! Deliberately no timeout of its own (drop the future) and no proxy from the environment: `HTTP_PROXY` and its kin are about HTTP, so
//! [`Proxy::Environment`] is a straight connection here.

use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::{Host, Url};

use crate::{Proxy, TrustRoots};

/// The longest answer to CONNECT that is read: proxies send a few headers.
const MAX_CONNECT_ANSWER: usize = 16 << 10;

/// The longest of each of host, user and password: a byte says how long it is.
const MAX_SOCKS_FIELD: usize = 255;

/// Both directions of a connection.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Why there is no connection. Never holds a proxy's credentials.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TunnelError {
    /// The host has no address, or does not answer there.
    #[error("failed to connect to {address}")]
    Connect {
        /// Host and port: the target's, or the proxy's.
        address: String,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// The proxy's URL has a scheme other than http, https and socks5, or no host.
    #[error("proxy address is not an http, https or socks5 URL with a host")]
    ProxyAddress,
    /// A host name, user or password that the proxy's protocol has no room for.
    #[error("{0} is too long for a socks5 proxy")]
    TooLong(&'static str),
    /// TLS to the proxy failed.
    #[error("TLS handshake with the proxy failed")]
    Tls(#[source] io::Error),
    /// The proxy's roots of trust are unusable.
    #[error("failed to parse CA certificate bundle")]
    CaBundle,
    /// The proxy was lost in the middle of its own handshake.
    #[error("the proxy closed the connection")]
    Proxy(#[source] io::Error),
    /// The proxy wants other credentials, or some at all.
    #[error("the proxy refused the credentials")]
    ProxyAuthentication,
    /// The proxy does not connect to the target.
    #[error("the proxy refused to connect: {0}")]
    Refused(String),
}

/// Connects to `host` (a name or an address, IPv6 without brackets) and `port`. `roots` are whose certificates an `https` proxy may have.
/// The name is resolved by the proxy, where there is one.
///
/// # Errors
/// See [`TunnelError`].
pub async fn connect(host: &str, port: u16, proxy: &Proxy, roots: &TrustRoots) -> Result<Box<dyn Stream>, TunnelError> {
    let url = match proxy {
        Proxy::Environment | Proxy::Direct => return Ok(Box::new(dial(host, port).await?)),
        Proxy::Url(url) => url.expose(),
    };
    let proxy_host = match url.host().ok_or(TunnelError::ProxyAddress)? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(address) => address.to_string(),
        Host::Ipv6(address) => address.to_string(),
    };
    let default = match url.scheme() {
        "http" => 80,
        "https" => 443,
        "socks5" => 1080,
        _ => return Err(TunnelError::ProxyAddress),
    };
    let mut tcp = dial(&proxy_host, url.port().unwrap_or(default)).await?;
    match url.scheme() {
        "http" => {
            http_connect(&mut tcp, host, port, url).await?;
            Ok(Box::new(tcp))
        }
        "https" => {
            let mut tls = tls(tcp, &proxy_host, roots).await?;
            http_connect(&mut tls, host, port, url).await?;
            Ok(Box::new(tls))
        }
        _ => {
            socks5(&mut tcp, host, port, url).await?;
            Ok(Box::new(tcp))
        }
    }
}

async fn dial(host: &str, port: u16) -> Result<TcpStream, TunnelError> {
    let stream = TcpStream::connect((host, port)).await;
    let stream = stream.map_err(|source| TunnelError::Connect { address: authority(host, port), source })?;
    // Small messages go back and forth; waiting to fill a segment would only cost time. A failure costs no more than that.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

async fn tls(tcp: TcpStream, host: &str, roots: &TrustRoots) -> Result<impl Stream + use<>, TunnelError> {
    crate::install_crypto_provider();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let failed = |error: rustls::Error| TunnelError::Tls(io::Error::other(error));
    let builder = rustls::ClientConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().map_err(failed)?;
    let config = match roots {
        // Who gives up on the target's identity has not said so of the proxy's, which gets a password.
        TrustRoots::System | TrustRoots::SystemAnd(_) | TrustRoots::Unverified => {
            let extra = match roots {
                TrustRoots::SystemAnd(pem) => certificates(pem)?,
                TrustRoots::System | TrustRoots::Only(_) | TrustRoots::Unverified => Vec::new(),
            };
            let verifier = Verifier::new_with_extra_roots(extra, provider).map_err(failed)?;
            builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
        }
        TrustRoots::Only(pem) => {
            let mut store = rustls::RootCertStore::empty();
            for certificate in certificates(pem)? {
                store.add(certificate).map_err(|_| TunnelError::CaBundle)?;
            }
            builder.with_root_certificates(store).with_no_client_auth()
        }
    };
    let name = ServerName::try_from(host.to_owned()).map_err(|_| TunnelError::ProxyAddress)?;
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await.map_err(TunnelError::Tls)
}

fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TunnelError> {
    CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>().map_err(|_| TunnelError::CaBundle)
}

/// The user and password of the proxy's URL, percent-decoded; `None` without a user.
fn credentials(url: &Url) -> Option<(Vec<u8>, Vec<u8>)> {
    let decode = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    (!url.username().is_empty()).then(|| (decode(url.username()), decode(url.password().unwrap_or_default())))
}

async fn http_connect(stream: &mut impl Stream, host: &str, port: u16, url: &Url) -> Result<(), TunnelError> {
    let target = authority(host, port);
    let login = credentials(url).map(|(user, password)| {
        let token = STANDARD.encode([&user[..], b":", &password].concat());
        format!("Proxy-Authorization: Basic {token}\r\n")
    });
    let login = login.unwrap_or_default();
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{login}\r\n");
    stream.write_all(request.as_bytes()).await.map_err(TunnelError::Proxy)?;
    stream.flush().await.map_err(TunnelError::Proxy)?;
    // Byte by byte: what comes after the empty line is the target's already.
    let mut answer = Vec::with_capacity(256);
    while !answer.ends_with(b"\r\n\r\n") {
        if answer.len() >= MAX_CONNECT_ANSWER {
            return Err(TunnelError::Refused("its answer is too long".to_owned()));
        }
        answer.push(stream.read_u8().await.map_err(TunnelError::Proxy)?);
    }
    let line = answer.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let status = std::str::from_utf8(line).ok().and_then(|line| line.strip_prefix("HTTP/1.")?.split(' ').nth(1));
    match status {
        Some(status) if status.len() == 3 && status.starts_with('2') => Ok(()),
        Some("407") => Err(TunnelError::ProxyAuthentication),
        Some(status) => Err(TunnelError::Refused(format!("status {}", status.chars().take(3).collect::<String>()))),
        None => Err(TunnelError::Refused("its answer is not HTTP".to_owned())),
    }
}

/// RFC 1928, with the password authentication of RFC 1929.
async fn socks5(stream: &mut impl Stream, host: &str, port: u16, url: &Url) -> Result<(), TunnelError> {
    let credentials = credentials(url);
    let method = if credentials.is_some() { 2 } else { 0 };
    stream.write_all(&[5, 1, method]).await.map_err(TunnelError::Proxy)?;
    if read::<2>(stream).await? != [5, method] {
        return Err(TunnelError::ProxyAuthentication);
    }
    if let Some((user, password)) = credentials {
        let mut message = vec![1];
        field(&mut message, &user, "the user")?;
        field(&mut message, &password, "the password")?;
        stream.write_all(&message).await.map_err(TunnelError::Proxy)?;
        if read::<2>(stream).await?[1] != 0 {
            return Err(TunnelError::ProxyAuthentication);
        }
    }
    let mut message = vec![5, 1, 0];
    match host.parse() {
        Ok(std::net::IpAddr::V4(address)) => {
            message.push(1);
            message.extend_from_slice(&address.octets());
        }
        Ok(std::net::IpAddr::V6(address)) => {
            message.push(4);
            message.extend_from_slice(&address.octets());
        }
        Err(_) => {
            message.push(3);
            field(&mut message, host.as_bytes(), "the host name")?;
        }
    }
    message.extend_from_slice(&port.to_be_bytes());
    stream.write_all(&message).await.map_err(TunnelError::Proxy)?;
    let [_, outcome, _, kind] = read::<4>(stream).await?;
    if outcome != 0 {
        return Err(TunnelError::Refused(format!("code {outcome}")));
    }
    // The address that the proxy uses, and its port: of no use to us.
    let rest = match kind {
        1 => 4,
        3 => usize::from(stream.read_u8().await.map_err(TunnelError::Proxy)?),
        4 => 16,
        _ => return Err(TunnelError::Refused("its answer is not socks5".to_owned())),
    };
    stream.read_exact(&mut vec![0; rest + 2]).await.map_err(TunnelError::Proxy)?;
    Ok(())
}

async fn read<const N: usize>(stream: &mut impl Stream) -> Result<[u8; N], TunnelError> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await.map_err(TunnelError::Proxy)?;
    Ok(bytes)
}

fn field(message: &mut Vec<u8>, value: &[u8], what: &'static str) -> Result<(), TunnelError> {
    let length = u8::try_from(value.len()).map_err(|_| TunnelError::TooLong(what))?;
    debug_assert!(value.len() <= MAX_SOCKS_FIELD);
    message.push(length);
    message.extend_from_slice(value);
    Ok(())
}

#[cfg(test)]
mod tests;
