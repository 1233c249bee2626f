//! Git's framing: lines with a length of four hexadecimal digits, and three lengths that are signs.
//!
//! Deliberately without I/O: chunks go in, packets come out.

use bytes::{Buf as _, Bytes, BytesMut};

/// The longest line: 65520 bytes with its length, by the protocol.
const MAX_LINE: usize = 65_516;

/// The characters of a server's own error text that are repeated.
const MAX_MESSAGE: usize = 300;

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    /// A line, with its line break if it had one.
    Line(Bytes),
    /// `0000`: the end of a message.
    Flush,
    /// `0001`: the end of a section.
    Delimiter,
    /// `0002`: the end of a response of a stateless connection.
    ResponseEnd,
}

/// An answer that is not what the protocol allows, or that names an error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// A length that is not one.
    #[error("malformed answer: invalid packet length")]
    Length,
    /// The answer ended in the middle.
    #[error("malformed answer: it ends too early")]
    Truncated,
    /// Something else than was expected at this place.
    #[error("malformed answer: {0}")]
    Unexpected(&'static str),
    /// The server's own words for its refusal, shortened, without control characters.
    #[error("remote error: {0}")]
    Remote(String),
    /// More references than accepted.
    #[error("the remote lists more than {0} references")]
    TooManyRefs(usize),
    /// More objects than accepted.
    #[error("the remote sends {count} objects, more than {limit}")]
    TooManyObjects {
        /// As announced.
        count: u32,
        /// As accepted.
        limit: u32,
    },
    /// More bytes than accepted.
    #[error("the answer is larger than {0} bytes")]
    TooLarge(u64),
    /// A repository with SHA-256 names.
    #[error("object format '{0}' is not supported")]
    ObjectFormat(String),
    /// A server without a capability that is needed.
    #[error("the server does not support {0}")]
    Unsupported(&'static str),
}

impl ProtocolError {
    /// From an error text of the server.
    pub(crate) fn remote(text: &[u8]) -> Self {
        let text = String::from_utf8_lossy(text);
        Self::Remote(text.trim().chars().filter(|c| !c.is_control()).take(MAX_MESSAGE).collect())
    }
}

/// Takes packets out of a stream of chunks.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    buffer: BytesMut,
}

impl Decoder {
    pub(crate) fn push(&mut self, chunk: &[u8]) {
        self.buffer.extend_from_slice(chunk);
    }

    /// Whether no part of a packet is left: what must hold at the end of the stream.
    pub(crate) fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// The next packet, `None` when more chunks are needed for it. A line that begins with `ERR ` is an error at any place.
    pub(crate) fn next(&mut self) -> Result<Option<Packet>, ProtocolError> {
        let Some(length) = self.buffer.get(..4) else { return Ok(None) };
        let length = std::str::from_utf8(length).ok().filter(|text| !text.starts_with('+'));
        let length = length.and_then(|text| usize::from_str_radix(text, 16).ok()).ok_or(ProtocolError::Length)?;
        let sign = match length {
            0 => Some(Packet::Flush),
            1 => Some(Packet::Delimiter),
            2 => Some(Packet::ResponseEnd),
            3 => return Err(ProtocolError::Length),
            _ => None,
        };
        if let Some(packet) = sign {
            self.buffer.advance(4);
            return Ok(Some(packet));
        }
        if length - 4 > MAX_LINE {
            return Err(ProtocolError::Length);
        }
        if self.buffer.len() < length {
            return Ok(None);
        }
        let mut line = self.buffer.split_to(length).freeze();
        line.advance(4);
        match line.strip_prefix(b"ERR ") {
            Some(text) => Err(ProtocolError::remote(text)),
            None => Ok(Some(Packet::Line(line))),
        }
    }
}

/// A request body under construction.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// Appends a line. Lines here are short by construction: names are limited where they are parsed.
    pub(crate) fn line(&mut self, text: &str) -> &mut Self {
        debug_assert!(text.len() < MAX_LINE, "a line of {} bytes", text.len());
        self.bytes.extend_from_slice(format!("{:04x}{text}\n", text.len() + 5).as_bytes());
        self
    }

    pub(crate) fn flush(&mut self) -> &mut Self {
        self.bytes.extend_from_slice(b"0000");
        self
    }

    pub(crate) fn delimiter(&mut self) -> &mut Self {
        self.bytes.extend_from_slice(b"0001");
        self
    }

    pub(crate) fn finish(&mut self) -> Bytes {
        std::mem::take(&mut self.bytes).into()
    }
}

/// A line as text without its line break.
pub(crate) fn text(line: &[u8]) -> Result<&str, ProtocolError> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    std::str::from_utf8(line).map_err(|_| ProtocolError::Unexpected("a line is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(chunks: &[&[u8]]) -> Result<(Vec<Packet>, bool), ProtocolError> {
        let mut decoder = Decoder::default();
        let mut packets = Vec::new();
        for chunk in chunks {
            decoder.push(chunk);
            while let Some(packet) = decoder.next()? {
                packets.push(packet);
            }
        }
        Ok((packets, decoder.is_empty()))
    }

    #[test]
    fn packets_survive_any_cut_of_the_stream() {
        let mut encoder = Encoder::default();
        let bytes = encoder.line("one").delimiter().line("").flush().finish();
        assert_eq!(&bytes[..], b"0008one\n00010005\n0000");
        let line = |text: &'static str| Packet::Line(Bytes::from_static(text.as_bytes()));
        let expected = vec![line("one\n"), Packet::Delimiter, line("\n"), Packet::Flush];
        for cut in 0..=bytes.len() {
            assert_eq!(decode(&[&bytes[..cut], &bytes[cut..]]), Ok((expected.clone(), true)), "cut at {cut}");
        }
    }

    #[test]
    fn malformed_lengths_and_error_lines_are_errors() {
        assert_eq!(decode(&[b"zzzz"]), Err(ProtocolError::Length));
        assert_eq!(decode(&[b"0003"]), Err(ProtocolError::Length));
        assert_eq!(decode(&[b"+004"]), Err(ProtocolError::Length));
        assert_eq!(decode(&[b"ffff"]), Err(ProtocolError::Length));
        assert_eq!(decode(&[b"0012ERR no\x1b access\n"]), Err(ProtocolError::Remote("no access".into())));
        assert_eq!(decode(&[b"0008o"]), Ok((vec![], false)));
    }
}
