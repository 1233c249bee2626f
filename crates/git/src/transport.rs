//! The ways to a Git server: stateless HTTP requests, or one duplex stream over SSH. Requests go out, packets come in.
//!
//! Deliberately knows no command of the protocol: what is asked and how the answer reads is the caller's.

mod http;
mod ssh;

use bytes::Bytes;
use sluice_http_client::Url;

use crate::error::RemoteError;
use crate::pkt_line::{Decoder, Packet, ProtocolError};

pub(crate) use http::Http;
pub(crate) use ssh::Ssh;
pub use ssh::SshError;

/// Whether the server keeps the connection for more commands, or closes it behind the one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    /// Protocol version 2: command after command.
    V2,
    /// Versions 0 and 1: one request for objects.
    V0,
}

/// A way to one repository.
#[derive(Debug)]
pub(crate) enum Transport {
    Http(Box<Http>),
    Ssh(Box<Ssh>),
}

impl Transport {
    /// The repository's URL, if requests to it stand alone: over HTTP, and not (as far as is known) redirected.
    pub(crate) fn http_url(&self) -> Option<&Url> {
        match self {
            Self::Http(http) => http.url(),
            Self::Ssh(_) => None,
        }
    }

    /// Connects and reads what the server says first.
    pub(crate) async fn open(&self, max_bytes: u64) -> Result<Vec<Packet>, RemoteError> {
        match self {
            Self::Http(http) => http.open(max_bytes).await,
            Self::Ssh(ssh) => ssh.open(max_bytes).await,
        }
    }

    /// Sends a request; `version` is what the server answered to [`Transport::open`].
    pub(crate) async fn request(&self, version: Version, body: Bytes, max_bytes: u64) -> Result<Packets, RemoteError> {
        match self {
            Self::Http(http) => http.post(version, body, max_bytes).await.map(|body| Packets::new(Source::Http(body))),
            Self::Ssh(ssh) => {
                let answer = ssh.send(version, body, max_bytes).await?;
                Ok(Packets::new(Source::Ssh(Box::new(answer))))
            }
        }
    }
}

#[derive(Debug)]
enum Source {
    Http(sluice_http_client::Body),
    Ssh(Box<ssh::Answer>),
}

/// The packets of one answer.
#[derive(Debug)]
pub(crate) struct Packets {
    source: Source,
    decoder: Decoder,
}

impl Packets {
    fn new(source: Source) -> Self {
        Self { source, decoder: Decoder::default() }
    }

    /// The next packet; `None` at the end of an HTTP body. A stream that ends is an error: over SSH the packets say where the answer
    /// ends.
    pub(crate) async fn next(&mut self) -> Result<Option<Packet>, RemoteError> {
        loop {
            if let Some(packet) = self.decoder.next()? {
                return Ok(Some(packet));
            }
            let chunk = match &mut self.source {
                Source::Http(body) => body.chunk().await?,
                Source::Ssh(answer) => Some(answer.chunk().await?),
            };
            match chunk {
                Some(chunk) => self.decoder.push(&chunk),
                None if self.decoder.is_empty() => return Ok(None),
                None => return Err(ProtocolError::Truncated.into()),
            }
        }
    }

    /// A whole list: all of an HTTP body, or up to the flush over SSH.
    pub(crate) async fn list(mut self) -> Result<Vec<Packet>, RemoteError> {
        let mut packets = Vec::new();
        while let Some(packet) = self.next().await? {
            let end = packet == Packet::Flush && self.is_stream();
            packets.push(packet);
            if end {
                self.finish();
                break;
            }
        }
        Ok(packets)
    }

    /// Whether the answer is followed by others on the same connection, so that it must not be read beyond its end.
    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.source, Source::Ssh(_))
    }

    /// Gives the connection back after the last packet of an answer.
    pub(crate) fn finish(&mut self) {
        if let Source::Ssh(answer) = &mut self.source
            && self.decoder.is_empty()
        {
            answer.finish();
        }
    }

    /// Bytes received so far, framing included.
    pub(crate) fn received(&self) -> u64 {
        match &self.source {
            Source::Http(body) => body.received(),
            Source::Ssh(answer) => answer.received(),
        }
    }
}
