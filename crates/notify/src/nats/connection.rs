//! The conversation itself: lines in both directions, all of them bounded.
//!
//! What is said is made in the parent module.

use std::io;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls_platform_verifier::BuilderVerifierExt as _;
use sluice_http_client::{Proxy, TrustRoots};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader};

use super::{CONNECT_TIMEOUT, Connect, Info, NatsError, Publication, Server};

/// The longest `INFO`: it lists the servers of a cluster.
const MAX_INFO_BYTES: usize = 64 * 1024;

/// The longest other line.
const MAX_LINE_BYTES: u64 = 8 * 1024;

/// Lines that a server may say before the one that we wait for.
const MAX_LINES: usize = 32;

/// The longest refusal that is repeated, in characters.
const MAX_QUOTED_CHARS: usize = 200;

type Wire = BufReader<Box<dyn sluice_http_client::Stream>>;

/// Publishes through the first server of the list that lets us in.
///
/// Cancellation: dropping the future closes the connection; the message may or may not have been taken.
///
/// # Errors
/// That of the last server.
pub(crate) async fn publish(publication: &Publication) -> Result<(), NatsError> {
    let mut failure = NatsError::ParseServer;
    for server in &publication.servers {
        match tokio::time::timeout(CONNECT_TIMEOUT, enter(server, publication)).await {
            Ok(Ok(mut wire)) => return publish_over(&mut wire, publication).await,
            Ok(Err(error)) => failure = error,
            Err(_) => failure = NatsError::Timeout,
        }
    }
    Err(failure)
}

/// Connects and logs in.
async fn enter(server: &Server, publication: &Publication) -> Result<Wire, NatsError> {
    let mut stream =
        sluice_http_client::connect(&server.host, server.port, &Proxy::Direct, &TrustRoots::System).await?;
    let info = read_info(&mut stream).await?;
    if info.max_payload != 0 && publication.payload.len() > info.max_payload {
        return Err(NatsError::BoundMessage { size: publication.payload.len(), limit: info.max_payload });
    }
    if server.tls || info.tls_required {
        stream = handshake(stream, &server.host).await?;
    }
    let mut wire = BufReader::new(stream);
    let connect = Connect::answer(&info, server, &publication.login);
    let connect = serde_json::to_string(&connect).map_err(|_| NatsError::ReadLine)?;
    say(&mut wire, format!("CONNECT {connect}\r\nPING\r\n").as_bytes()).await?;
    await_pong(&mut wire).await?;
    Ok(wire)
}

async fn publish_over(wire: &mut Wire, publication: &Publication) -> Result<(), NatsError> {
    let Publication { subject, payload, .. } = publication;
    let head = format!("PUB {subject} {}\r\n", payload.len());
    // The answer to the ping says that the message before it has been taken.
    say(wire, &[head.as_bytes(), payload, b"\r\nPING\r\n"].concat()).await?;
    await_pong(wire).await?;
    // The message is there; whether the goodbye arrives is of no interest.
    let _ = wire.get_mut().shutdown().await;
    Ok(())
}

async fn say(wire: &mut Wire, bytes: &[u8]) -> io::Result<()> {
    wire.get_mut().write_all(bytes).await?;
    wire.get_mut().flush().await
}

/// The first line. Byte by byte: what follows it may be TLS.
async fn read_info(stream: &mut (impl AsyncRead + Unpin)) -> Result<Info, NatsError> {
    let mut line = Vec::with_capacity(1024);
    while !line.ends_with(b"\n") {
        if line.len() >= MAX_INFO_BYTES {
            return Err(NatsError::ReadLine);
        }
        line.push(stream.read_u8().await?);
    }
    let json = line.strip_prefix(b"INFO ").ok_or(NatsError::ReadLine)?;
    serde_json::from_slice(json).map_err(|_| NatsError::ReadLine)
}

async fn await_pong(wire: &mut Wire) -> Result<(), NatsError> {
    for _ in 0..MAX_LINES {
        let mut line = Vec::new();
        let count = (&mut *wire).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await?;
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        let line = String::from_utf8_lossy(&line);
        let (word, rest) = line.trim_end().split_once(' ').unwrap_or((line.trim_end(), ""));
        match word.to_ascii_uppercase().as_str() {
            "PONG" => return Ok(()),
            "PING" => say(wire, b"PONG\r\n").await?,
            "INFO" | "+OK" => {}
            "-ERR" => return Err(NatsError::Refused(rest.trim_matches('\'').chars().take(MAX_QUOTED_CHARS).collect())),
            _ => return Err(NatsError::ReadLine),
        }
    }
    Err(NatsError::ReadLine)
}

/// TLS with the machine's roots, as the stock client has it without options.
async fn handshake(
    stream: Box<dyn sluice_http_client::Stream>,
    host: &str,
) -> Result<Box<dyn sluice_http_client::Stream>, NatsError> {
    sluice_http_client::install_crypto_provider();
    let failed = |error: rustls::Error| NatsError::Handshake(io::Error::other(error));
    let config = rustls::ClientConfig::builder().with_platform_verifier().map_err(failed)?.with_no_client_auth();
    let name = ServerName::try_from(host.to_owned()).map_err(|_| NatsError::ParseServer)?;
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    Ok(Box::new(connector.connect(name, stream).await.map_err(NatsError::Handshake)?))
}
