//! The file: armour, header with one stanza for each recipient, and the content in chunks.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use zeroize::Zeroizing;

use super::AgeError;
use super::kdf::{self, Key};
use crate::keys::DataKey;

const BEGIN: &str = "-----BEGIN AGE ENCRYPTED FILE-----";
const END: &str = "-----END AGE ENCRYPTED FILE-----";
const VERSION: &str = "age-encryption.org/v1";

/// Columns of a stanza's body; a shorter line ends it.
const COLUMNS: usize = 64;
/// Bytes of a chunk, without its tag.
const CHUNK: usize = 64 << 10;
const TAG: usize = 16;
const NONCE: usize = 16;

/// The bytes in the armour.
pub(super) fn dearmor(text: &str) -> Option<Vec<u8>> {
    let inner = text.trim().strip_prefix(BEGIN)?.strip_suffix(END)?;
    let joined: String = inner.lines().map(str::trim).collect();
    STANDARD.decode(joined).ok()
}

/// What is for one recipient.
pub(super) struct Stanza<'t> {
    pub(super) kind: &'t str,
    pub(super) arguments: Vec<&'t str>,
    pub(super) body: Vec<u8>,
}

impl Stanza<'_> {
    /// The only argument, if it is base64 of so many bytes.
    pub(super) fn argument<const N: usize>(&self) -> Option<[u8; N]> {
        let [argument] = self.arguments.as_slice() else { return None };
        STANDARD_NO_PAD.decode(argument).ok()?.try_into().ok()
    }
}

/// A file, read but not opened.
pub(super) struct File<'t> {
    pub(super) stanzas: Vec<Stanza<'t>>,
    /// What the header's code is over.
    authenticated: &'t [u8],
    mac: Vec<u8>,
    payload: &'t [u8],
}

impl<'t> File<'t> {
    pub(super) fn parse(bytes: &'t [u8]) -> Option<Self> {
        let mut rest = bytes;
        let mut line = || -> Option<&'t str> {
            let end = rest.iter().position(|&byte| byte == b'\n')?;
            let line = std::str::from_utf8(&rest[..end]).ok()?;
            rest = &rest[end + 1..];
            Some(line)
        };
        if line()? != VERSION {
            return None;
        }
        let mut stanzas = Vec::new();
        let mac = loop {
            let head = line()?;
            if let Some(mac) = head.strip_prefix("--- ") {
                break STANDARD_NO_PAD.decode(mac).ok()?;
            }
            let mut words = head.strip_prefix("-> ")?.split(' ');
            let kind = words.next()?;
            let mut body = String::new();
            loop {
                let part = line()?;
                body.push_str(part);
                if part.len() < COLUMNS {
                    break;
                }
                if part.len() > COLUMNS {
                    return None;
                }
            }
            stanzas.push(Stanza { kind, arguments: words.collect(), body: STANDARD_NO_PAD.decode(body).ok()? });
        };
        let payload = rest;
        // The code follows three dashes and a space; the dashes are under it.
        let header = bytes.len() - payload.len();
        let last_line = bytes[..header - 1].iter().rposition(|&byte| byte == b'\n')? + 1;
        Some(Self { stanzas, authenticated: &bytes[..last_line + 3], mac, payload })
    }

    /// The content, for the file's key.
    pub(super) fn open(&self, file_key: &[u8]) -> Result<DataKey, AgeError> {
        if !kdf::verify(&kdf::derive(file_key, &[], b"header"), self.authenticated, &self.mac) {
            return Err(AgeError::HeaderMac);
        }
        let (nonce, mut sealed) = self.payload.split_at_checked(NONCE).ok_or(AgeError::Payload)?;
        let key = kdf::derive(file_key, nonce, b"payload");
        let mut plain = Zeroizing::new(Vec::new());
        for counter in 0_u64.. {
            let last = sealed.len() <= CHUNK + TAG;
            let (chunk, rest) = sealed.split_at(sealed.len().min(CHUNK + TAG));
            let opened = open_chunk(&key, (counter, last), chunk).ok_or(AgeError::Payload)?;
            // Only an empty file ends in an empty chunk.
            if opened.is_empty() && counter > 0 {
                return Err(AgeError::Payload);
            }
            plain.extend_from_slice(&opened);
            sealed = rest;
            if last {
                break;
            }
        }
        Ok(plain.into())
    }
}

fn open_chunk(key: &Key, (counter, last): (u64, bool), chunk: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut nonce = [0; 12];
    nonce[3..11].copy_from_slice(&counter.to_be_bytes());
    nonce[11] = u8::from(last);
    kdf::open(key, nonce, chunk)
}
