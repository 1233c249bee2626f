//! `git-upload-pack` on a host reached by SSH: one connection, one channel, one duplex stream.
//!
//! A connection belongs to one value and ends with it: the library's task that drives it is cut off from the network the moment that the
//! value is dropped, so that a timeout of the caller ends the transfer and not just the wait for it.
//!
//! Deliberately no agent, no passwords, no forwarding, no shell: a key, one command.

mod connection;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use sluice_http_client::{Proxy, TrustRoots, TunnelError, Url};

use self::connection::Connection;
use super::Version;
use crate::error::RemoteError;
use crate::pkt_line::{Decoder, Packet, ProtocolError};
use crate::ssh::{HostAddress, HostKeyError, IdentityError, SshAuth};

/// Why there is no SSH connection, or no longer. Never holds a secret.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SshError {
    /// No connection to the host or through the proxy.
    #[error(transparent)]
    Tunnel(#[from] TunnelError),
    /// The host's key is not one that it may have.
    #[error(transparent)]
    HostKey(#[from] HostKeyError),
    /// Our key cannot be used.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// No common algorithm, a broken connection, an answer that is not SSH.
    #[error("ssh: {0}")]
    Protocol(#[source] russh::Error),
    /// The server does not run the command.
    #[error("ssh: the server refused to run git-upload-pack")]
    CommandRefused,
    /// The connection ended in the middle.
    #[error("ssh: the connection was closed too early")]
    Closed,
}

impl From<russh::Error> for SshError {
    fn from(error: russh::Error) -> Self {
        Self::Protocol(error)
    }
}

/// One repository on an SSH server.
#[derive(Debug)]
pub(crate) struct Ssh {
    host: String,
    port: u16,
    command: String,
    auth: SshAuth,
    proxy: Proxy,
    roots: TrustRoots,
    /// A connection on which the server waits for a command.
    idle: Idle,
}

type Idle = Arc<Mutex<Option<Connection>>>;

impl Ssh {
    /// Prepares a connection; nothing is sent.
    ///
    /// # Errors
    /// [`RemoteError::Url`].
    pub(crate) fn new(url: &Url, auth: SshAuth, proxy: Proxy, roots: TrustRoots) -> Result<Self, RemoteError> {
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(RemoteError::Url)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host).to_owned();
        let command = command(url).ok_or(RemoteError::Url)?;
        Ok(Self { host, port: url.port().unwrap_or(22), command, auth, proxy, roots, idle: Idle::default() })
    }

    pub(super) async fn open(&self, max_bytes: u64) -> Result<Vec<Packet>, RemoteError> {
        let (packets, connection) = self.connect(max_bytes).await?;
        keep(&self.idle, connection);
        Ok(packets)
    }

    pub(super) async fn send(&self, version: Version, body: Bytes, limit: u64) -> Result<Answer, RemoteError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).take();
        let connection = match idle {
            Some(connection) => connection,
            // Version 0 gives one answer for each connection; or another operation has the connection.
            None => self.connect(limit).await?.1,
        };
        connection.send(body).await?;
        let keep = (version == Version::V2).then(|| Arc::clone(&self.idle));
        Ok(Answer { connection: Some(connection), keep, received: 0, limit })
    }

    /// A connection whose server has said all that it says unasked.
    async fn connect(&self, max_bytes: u64) -> Result<(Vec<Packet>, Connection), RemoteError> {
        let stream = sluice_http_client::connect(&self.host, self.port, &self.proxy, &self.roots).await;
        let stream = stream.map_err(SshError::Tunnel)?;
        let address = HostAddress::new(&self.host, self.port);
        let connection = Connection::open(stream, address, &self.auth, &self.command).await?;
        let mut answer = Answer { connection: Some(connection), keep: None, received: 0, limit: max_bytes };
        let (mut decoder, mut packets) = (Decoder::default(), Vec::new());
        loop {
            while let Some(packet) = decoder.next()? {
                let end = packet == Packet::Flush;
                packets.push(packet);
                if end {
                    let connection = answer.connection.take().ok_or(SshError::Closed)?;
                    return Ok((packets, connection));
                }
            }
            decoder.push(&answer.chunk().await?);
        }
    }
}

fn keep(idle: &Idle, connection: Connection) {
    *idle.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
}

/// What comes back on a connection.
#[derive(Debug)]
pub(super) struct Answer {
    connection: Option<Connection>,
    /// Where to put the connection at the end of the answer.
    keep: Option<Idle>,
    received: u64,
    limit: u64,
}

impl Answer {
    /// The next piece.
    pub(super) async fn chunk(&mut self) -> Result<Bytes, RemoteError> {
        let connection = self.connection.as_mut().ok_or(SshError::Closed)?;
        let chunk = connection.receive().await?;
        self.received = self.received.saturating_add(chunk.len() as u64);
        if self.received > self.limit { Err(ProtocolError::TooLarge(self.limit).into()) } else { Ok(chunk) }
    }

    /// The answer is complete: the connection may be used again, or is closed.
    pub(super) fn finish(&mut self) {
        if let (Some(connection), Some(idle)) = (self.connection.take(), self.keep.take()) {
            keep(&idle, connection);
        }
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }
}

/// The command line that the server's shell gets, quoted as git does. `None` for a path that no shell can be given.
fn command(url: &Url) -> Option<String> {
    let path: Vec<u8> = crate::auth::unescape_bytes(url.path());
    let path = String::from_utf8(path).ok()?;
    // `ssh://host/~user/repo` is in the user's home; the slash belongs to the URL.
    let path = if path.starts_with("/~") { &path[1..] } else { &path[..] };
    if path.trim_matches('/').is_empty() || path.contains(['\0', '\n', '\r']) {
        return None;
    }
    // Within single quotes nothing has a meaning but the quote; csh has one for the exclamation mark even there.
    let quoted = path.replace('\'', r"'\''").replace('!', r"'\!'");
    Some(format!("git-upload-pack '{quoted}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_quoted_whatever_is_in_it() {
        for (url, expected) in [
            ("ssh://git@h/org/app.git", Some("git-upload-pack '/org/app.git'")),
            ("ssh://h:2222/a%20b", Some("git-upload-pack '/a b'")),
            ("ssh://h/~me/app", Some("git-upload-pack '~me/app'")),
            ("ssh://h/a';reboot;'!", Some(r"git-upload-pack '/a'\'';reboot;'\'''\!''")),
            ("ssh://h/--upload-pack=x", Some("git-upload-pack '/--upload-pack=x'")),
            ("ssh://h", None),
            ("ssh://h//", None),
            ("ssh://h/a%0Ab", None),
            ("ssh://h/a%00b", None),
        ] {
            assert_eq!(command(&Url::parse(url).unwrap()).as_deref(), expected, "{url}");
        }
    }
}
