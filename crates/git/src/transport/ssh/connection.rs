//! One SSH connection with one command running on it.

use std::borrow::Cow;
use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use russh::client::{self, AuthResult, Handle, Msg};
use russh::keys::{Algorithm, HashAlg, PrivateKey, PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Preferred, SshId, cipher};
use sluice_http_client::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;

use super::SshError;
use crate::error::RemoteError;
use crate::pkt_line::ProtocolError;
use crate::ssh::{HostAddress, KnownHosts, Offered, SshAuth};

/// What the server learns of us.
const CLIENT_ID: &str = concat!("SSH-2.0-sluice_", env!("CARGO_PKG_VERSION"));

/// How much of what the command says to its standard error is kept, to explain why it ended.
const MAX_STDERR: usize = 2048;

const CIPHERS: &[cipher::Name] = &[
    cipher::CHACHA20_POLY1305,
    cipher::AES_256_GCM,
    cipher::AES_128_GCM,
    cipher::AES_256_CTR,
    cipher::AES_192_CTR,
    cipher::AES_128_CTR,
];

/// A running command.
pub(super) struct Connection {
    read: ChannelReadHalf,
    write: ChannelWriteHalf<Msg>,
    stderr: Vec<u8>,
    /// Ends the library's task when dropped, should closing the channel not do it.
    _handle: Handle<Handler>,
    _line: oneshot::Sender<()>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

impl Connection {
    /// Shakes hands, checks the host's key, authenticates, starts the command.
    pub(super) async fn open(
        stream: Box<dyn Stream>,
        address: HostAddress,
        auth: &SshAuth,
        command: &str,
    ) -> Result<Self, RemoteError> {
        let identity = auth.identity.clone();
        let key = spawn_blocking(move || identity.decrypt());
        let (line, cut) = oneshot::channel();
        let stream = Severable { inner: stream, cut: Some(cut) };
        let offered = offered(auth, &address);
        let config = Arc::new(config(auth, &offered));
        let handler = Handler { known_hosts: auth.known_hosts.clone(), address };
        let mut handle = client::connect_stream(config, stream, handler).await?;
        let key = key.await.map_err(|_| SshError::Closed)?.map_err(SshError::Identity)?;
        authenticate(&mut handle, &auth.user, key).await?;
        let channel = handle.channel_open_session().await.map_err(SshError::Protocol)?;
        // OpenSSH says nothing to a variable that it does not accept; the first answer tells which version it is.
        channel.set_env(false, "GIT_PROTOCOL", "version=2").await.map_err(SshError::Protocol)?;
        channel.exec(true, command).await.map_err(SshError::Protocol)?;
        let (read, write) = channel.split();
        let mut connection = Self { read, write, stderr: Vec::new(), _handle: handle, _line: line };
        connection.started().await?;
        Ok(connection)
    }

    async fn started(&mut self) -> Result<(), RemoteError> {
        loop {
            match self.read.wait().await {
                Some(ChannelMsg::Success) => return Ok(()),
                Some(ChannelMsg::Failure) => return Err(SshError::CommandRefused.into()),
                Some(ChannelMsg::ExtendedData { data, .. }) => self.note(&data),
                Some(ChannelMsg::Close) | None => return Err(self.ended()),
                Some(_) => {}
            }
        }
    }

    /// Writes all of a request.
    pub(super) async fn send(&self, body: Bytes) -> Result<(), SshError> {
        Ok(self.write.data_bytes(body).await?)
    }

    /// Waits for the next piece of the command's output.
    pub(super) async fn receive(&mut self) -> Result<Bytes, RemoteError> {
        loop {
            match self.read.wait().await {
                Some(ChannelMsg::Data { data }) if !data.is_empty() => return Ok(data),
                Some(ChannelMsg::ExtendedData { data, .. }) => self.note(&data),
                Some(ChannelMsg::Close) | None => return Err(self.ended()),
                Some(_) => {}
            }
        }
    }

    fn note(&mut self, data: &[u8]) {
        let room = MAX_STDERR.saturating_sub(self.stderr.len());
        self.stderr.extend_from_slice(&data[..data.len().min(room)]);
    }

    /// The command's own words for why it ended. Hosts have their own for a repository that is not there.
    fn ended(&self) -> RemoteError {
        let text = String::from_utf8_lossy(&self.stderr).to_lowercase();
        let says = |phrases: &[&str]| phrases.iter().any(|phrase| text.contains(phrase));
        if text.trim().is_empty() {
            SshError::Closed.into()
        } else if says(&["not found", "does not appear to be a git repository", "could not be found"]) {
            RemoteError::RepositoryNotFound
        } else {
            ProtocolError::remote(&self.stderr).into()
        }
    }
}

/// The flag's list, else what `known_hosts` has keys for.
fn offered(auth: &SshAuth, address: &HostAddress) -> Offered {
    match auth.algorithms.host_keys() {
        Some(list) => Offered { plain: list.plain.clone(), certificates: list.certificates.clone() },
        None => auth.known_hosts.offered(address),
    }
}

fn config(auth: &SshAuth, offered: &Offered) -> client::Config {
    client::Config {
        client_id: SshId::Standard(Cow::Borrowed(CLIENT_ID)),
        preferred: Preferred {
            kex: auth.algorithms.kex().into(),
            key: offered.plain.clone().into(),
            host_key_certificates: offered.certificates.clone().into(),
            cipher: Cow::Borrowed(CIPHERS),
            ..Preferred::DEFAULT
        },
        ..client::Config::default()
    }
}

async fn authenticate(handle: &mut Handle<Handler>, user: &str, key: PrivateKey) -> Result<(), RemoteError> {
    let rsa = matches!(key.algorithm(), Algorithm::Rsa { .. });
    let hashes = match rsa.then_some(handle.best_supported_rsa_hash()) {
        None => vec![None],
        Some(best) => match best.await.map_err(SshError::Protocol)? {
            Some(best) => vec![best],
            // A server that does not tell may be older than these, or may just not tell.
            None => vec![Some(HashAlg::Sha512), None],
        },
    };
    let key = Arc::new(key);
    for hash in hashes {
        let key = PrivateKeyWithHashAlg::new(Arc::clone(&key), hash);
        match handle.authenticate_publickey(user, key).await.map_err(SshError::Protocol)? {
            AuthResult::Success => return Ok(()),
            AuthResult::Failure { .. } => {}
        }
    }
    Err(RemoteError::AuthenticationRejected)
}

/// Decides on the host's key; everything else that a server may want to tell is not listened to.
struct Handler {
    known_hosts: KnownHosts,
    address: HostAddress,
}

impl client::Handler for Handler {
    type Error = SshError;

    async fn check_server_key(&mut self, key: &PublicKeyOrCertificate) -> Result<bool, SshError> {
        match key {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.known_hosts.check_key(&self.address, key)?,
            PublicKeyOrCertificate::Certificate(certificate) => {
                // A clock before 1970 makes every certificate invalid.
                let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs());
                self.known_hosts.check_certificate(&self.address, certificate, now)?;
            }
        }
        Ok(true)
    }
}

/// A stream that fails as soon as the other end of `cut` is dropped.
struct Severable<S> {
    inner: S,
    /// `None` once it was cut.
    cut: Option<oneshot::Receiver<()>>,
}

impl<S> Severable<S> {
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        let waiting = self.cut.as_mut().is_some_and(|cut| Pin::new(cut).poll(cx).is_pending());
        if waiting {
            return Ok(());
        }
        self.cut = None;
        Err(io::ErrorKind::ConnectionAborted.into())
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Severable<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Severable<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check(cx)?;
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.check(cx)?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
