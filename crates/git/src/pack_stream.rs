//! A pack under way: the network's half of a fetch.
//!
//! Deliberately does not look into the pack beyond its header; the store does.

use bytes::Bytes;

use crate::ObjectId;
use crate::error::RemoteError;
use crate::fetch::PackReader;
use crate::pkt_line::ProtocolError;
use crate::transport::Packets;

/// Reads the answer to a request for objects.
#[derive(Debug)]
pub(crate) struct PackStream {
    packets: Packets,
    reader: PackReader,
    wanted: ObjectId,
    max_object: u64,
}

impl PackStream {
    pub(crate) fn new(packets: Packets, reader: PackReader, wanted: ObjectId, max_object: u64) -> Self {
        Self { packets, reader, wanted, max_object }
    }

    /// The next piece of the pack; `None` when it is whole.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, RemoteError> {
        loop {
            if self.reader.is_complete() && self.packets.is_stream() {
                self.packets.finish();
                return Ok(None);
            }
            let packet = match self.packets.next().await {
                Ok(Some(packet)) => packet,
                Ok(None) if self.reader.is_complete() => return Ok(None),
                Ok(None) => return Err(ProtocolError::Truncated.into()),
                Err(error) => return Err(self.explain(error)),
            };
            match self.reader.take(packet) {
                Ok(Some(piece)) => return Ok(Some(piece)),
                Ok(None) => {}
                Err(error) => return Err(self.explain(error.into())),
            }
        }
    }

    /// The bytes that one object may have.
    pub(crate) fn max_object(&self) -> u64 {
        self.max_object
    }

    /// Bytes received so far, framing included.
    pub(crate) fn received(&self) -> u64 {
        self.packets.received()
    }

    /// Servers have their own words for a commit that they do not have or do not give.
    fn explain(&self, error: RemoteError) -> RemoteError {
        match error {
            RemoteError::Protocol(ProtocolError::Remote(text)) if is_refusal(&text) => {
                RemoteError::CommitNotFound(self.wanted)
            }
            other => other,
        }
    }
}

/// git says `upload-pack: not our ref …`, Gerrit `want … not valid`, others something close to one of them.
fn is_refusal(text: &str) -> bool {
    let text = text.to_lowercase();
    ["not our ref", "not valid", "unadvertised object", "object not found"].iter().any(|words| text.contains(words))
}
