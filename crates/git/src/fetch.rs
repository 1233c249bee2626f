//! The request for objects and the reading of its answer, in protocol versions 2 and 0. Pure: packets in, pieces of a pack out.
//!
//! One round, no negotiation: we name the one commit that we have, the server leaves out what that commit's tree holds. History is never
//! asked for (`deepen 1`), because an artifact is one tree.

use bytes::{Buf as _, Bytes, BytesMut};

use crate::advertisement::{Advertisement, Capabilities};
use crate::pkt_line::{Encoder, Packet, ProtocolError, text};
use crate::{ObjectId, RemoteRef};

/// What to ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Commits and tags wanted; at least one.
    pub(crate) wants: Vec<ObjectId>,
    /// A commit whose whole tree, but not whose parents, we have.
    pub(crate) have: Option<ObjectId>,
    /// Ask for the wanted commits without their history.
    pub(crate) shallow: bool,
}

impl Plan {
    /// The cheapest way to these objects that the server offers. `None`: it offers no way at all (an old server, and a commit that is not
    /// on any branch or tag cannot be found by history either when there is no branch).
    pub(crate) fn new(server: &Advertisement, wants: Vec<ObjectId>, have: Option<ObjectId>) -> Option<Self> {
        let (capabilities, refs) = match server {
            Advertisement::V2(capabilities) => {
                return Some(Self::direct(wants, have, capabilities.has_feature("fetch", "shallow")));
            }
            Advertisement::V0(capabilities, refs) => (capabilities, refs),
        };
        let advertised = wants.iter().all(|want| refs.iter().any(|remote| remote.id == *want));
        if advertised || by_hash(capabilities) {
            return Some(Self::direct(wants, have, capabilities.has("shallow")));
        }
        // The commit may be in the history of a branch: fetch all of it and look.
        Self::history(refs)
    }

    /// All branches with all that leads to them. `None` without a branch.
    pub(crate) fn history(refs: &[RemoteRef]) -> Option<Self> {
        let mut heads: Vec<ObjectId> =
            refs.iter().filter(|remote| remote.name.starts_with("refs/heads/")).map(|remote| remote.id).collect();
        heads.sort_unstable();
        heads.dedup();
        if heads.is_empty() { None } else { Some(Self { wants: heads, have: None, shallow: false }) }
    }

    /// Asks for the objects themselves. A server that cannot be told that we lack the history of what we have must not be told that we
    /// have it: it would leave out what it thinks came with that history.
    fn direct(wants: Vec<ObjectId>, have: Option<ObjectId>, shallow: bool) -> Self {
        Self { wants, have: have.filter(|_| shallow), shallow }
    }

    /// The request's body for this server.
    pub(crate) fn encode(&self, server: &Advertisement, agent: &str) -> Result<Bytes, ProtocolError> {
        match server {
            Advertisement::V2(_) => Ok(self.encode_v2(agent)),
            Advertisement::V0(capabilities, _) => self.encode_v0(capabilities, agent),
        }
    }

    fn encode_v2(&self, agent: &str) -> Bytes {
        let mut encoder = Encoder::default();
        encoder.line("command=fetch").line(&format!("agent={agent}")).line("object-format=sha1").delimiter();
        encoder.line("thin-pack").line("no-progress").line("ofs-delta");
        for want in &self.wants {
            encoder.line(&format!("want {want}"));
        }
        self.encode_shallow(&mut encoder);
        if let Some(have) = self.have {
            encoder.line(&format!("have {have}"));
        }
        encoder.line("done").flush().finish()
    }

    fn encode_v0(&self, server: &Capabilities, agent: &str) -> Result<Bytes, ProtocolError> {
        if !server.has("side-band-64k") {
            return Err(ProtocolError::Unsupported("side-band-64k"));
        }
        let wished = ["multi_ack_detailed", "side-band-64k", "thin-pack", "no-progress", "ofs-delta"];
        let mut capabilities: Vec<&str> = wished.into_iter().filter(|name| server.has(name)).collect();
        if !server.has("multi_ack_detailed") && server.has("multi_ack") {
            // Azure DevOps answers nobody who asks for neither.
            capabilities.push("multi_ack");
        }
        let agent = format!("agent={agent}");
        if server.has("agent") {
            capabilities.push(&agent);
        }
        let mut encoder = Encoder::default();
        for (index, want) in self.wants.iter().enumerate() {
            match index {
                0 => encoder.line(&format!("want {want} {}", capabilities.join(" "))),
                _ => encoder.line(&format!("want {want}")),
            };
        }
        self.encode_shallow(&mut encoder);
        encoder.flush();
        if let Some(have) = self.have {
            encoder.line(&format!("have {have}"));
        }
        Ok(encoder.line("done").finish())
    }

    fn encode_shallow(&self, encoder: &mut Encoder) {
        if self.shallow {
            // Without this the server would take the history of what we have for ours as well.
            if let Some(have) = self.have {
                encoder.line(&format!("shallow {have}"));
            }
            encoder.line("deepen 1");
        }
    }
}

/// Whether a version 0 server gives out commits that it does not list.
fn by_hash(capabilities: &Capabilities) -> bool {
    capabilities.has("allow-reachable-sha1-in-want") || capabilities.has("allow-any-sha1-in-want")
}

/// Where in the answer the next packet stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Version 2: sections before the pack.
    Sections,
    /// Version 0: which commits become shallow.
    Shallow,
    /// Version 0: what is common.
    Acknowledgements,
    /// The pack, in its band.
    Pack,
    /// Behind the pack.
    End,
}

/// Reads the answer to a [`Plan`].
#[derive(Debug)]
pub(crate) struct PackReader {
    state: State,
    header: PackHeader,
}

impl PackReader {
    /// A reader of the answer of this server; a pack of more objects than `max_objects` is an error.
    pub(crate) fn new(plan: &Plan, server: &Advertisement, max_objects: u32) -> Self {
        let state = match server {
            Advertisement::V2(_) => State::Sections,
            Advertisement::V0(..) if plan.shallow => State::Shallow,
            Advertisement::V0(..) => State::Acknowledgements,
        };
        Self { state, header: PackHeader { bytes: BytesMut::new(), count: None, limit: max_objects } }
    }

    /// Whether the whole pack has come.
    pub(crate) fn is_complete(&self) -> bool {
        self.state == State::End
    }

    /// Takes a packet; returns the piece of the pack in it, if there is one.
    pub(crate) fn take(&mut self, packet: Packet) -> Result<Option<Bytes>, ProtocolError> {
        match (self.state, packet) {
            (State::Sections, Packet::Line(line)) => {
                if text(&line)? == "packfile" {
                    self.state = State::Pack;
                }
                Ok(None)
            }
            (State::Sections, Packet::Delimiter)
            | (State::Shallow, Packet::Line(_))
            | (State::End, Packet::ResponseEnd) => Ok(None),
            (State::Shallow, Packet::Flush) => {
                self.state = State::Acknowledgements;
                Ok(None)
            }
            (State::Acknowledgements, Packet::Line(line)) => {
                let line = text(&line)?;
                // `ACK name common` says that more follows; the last one stands alone.
                if line == "NAK" || (line.starts_with("ACK ") && line.split(' ').count() == 2) {
                    self.state = State::Pack;
                }
                Ok(None)
            }
            (State::Pack, Packet::Line(line)) => self.band(line),
            (State::Pack, Packet::Flush) => {
                self.state = State::End;
                self.header.count.map(|_| None).ok_or(ProtocolError::Truncated)
            }
            _ => Err(ProtocolError::Unexpected("a packet out of order")),
        }
    }

    fn band(&mut self, mut line: Bytes) -> Result<Option<Bytes>, ProtocolError> {
        if line.is_empty() {
            return Ok(None);
        }
        match line.get_u8() {
            1 => self.header.check(line),
            2 => Ok(None),
            3 => Err(ProtocolError::remote(&line)),
            _ => Err(ProtocolError::Unexpected("an unknown band")),
        }
    }
}

/// The first twelve bytes of a pack, held back until they are whole.
#[derive(Debug)]
struct PackHeader {
    bytes: BytesMut,
    count: Option<u32>,
    limit: u32,
}

impl PackHeader {
    fn check(&mut self, piece: Bytes) -> Result<Option<Bytes>, ProtocolError> {
        if self.count.is_some() {
            return Ok(Some(piece));
        }
        self.bytes.extend_from_slice(&piece);
        let Some(mut header) = self.bytes.get(..12) else { return Ok(None) };
        let (magic, version, count) = (header.get_u32(), header.get_u32(), header.get_u32());
        if magic != u32::from_be_bytes(*b"PACK") || version != 2 {
            return Err(ProtocolError::Unexpected("not a pack of version 2"));
        }
        if count > self.limit {
            return Err(ProtocolError::TooManyObjects { count, limit: self.limit });
        }
        self.count = Some(count);
        Ok(Some(self.bytes.split().freeze()))
    }
}

#[cfg(test)]
mod tests;
