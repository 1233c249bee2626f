//! Rings of keys: armour, packets, and which packets belong to which key.
//!
//! Deliberately ignores user attributes (photographs), trust packets and everything secret: of a secret key the public part is kept.

use pgp::packet::{Packet, PacketParser, PublicKey, PublicSubkey, Signature, SignatureType, UserId};

use super::certificate::{Certificate, CertificateError};
use crate::git::MAX_KEYS_BYTES;
use crate::git::armour::{self, ArmourError};

const LABELS: [&str; 2] = ["PGP PUBLIC KEY BLOCK", "PGP PRIVATE KEY BLOCK"];

/// The most packets of one ring. Every signature by a key of the ring on itself costs up to a millisecond.
const MAX_PACKETS: usize = 4096;

/// Why a ring cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// Over [`MAX_KEYS_BYTES`].
    #[error("key ring larger than {MAX_KEYS_BYTES} bytes")]
    TooLarge,
    /// More packets than are read.
    #[error("key ring of more than {MAX_PACKETS} packets")]
    TooManyPackets,
    /// The armour does not open.
    #[error(transparent)]
    Armour(ArmourError),
    /// The armour is of something else.
    #[error("expected public or private key block, got: {0}")]
    Label(String),
    /// There is no key in it.
    #[error("no key found")]
    Empty,
    /// None of its keys counts; this is what is wrong with the last one.
    #[error("no usable key")]
    NoUsableKey(#[source] CertificateError),
}

/// The keys of one ring that can be read and count; what is wrong with others does not matter as long as there is one.
#[derive(Debug)]
pub struct Ring {
    certificates: Vec<Certificate>,
}

impl Ring {
    /// Reads a ring: binary, or one or more armoured blocks.
    ///
    /// # Errors
    ///
    /// A ring over the limits, or without any key that counts.
    pub fn parse(bytes: &[u8]) -> Result<Self, RingError> {
        if bytes.len() > MAX_KEYS_BYTES {
            return Err(RingError::TooLarge);
        }
        let mut certificates = Certificates::default();
        // The first byte of a packet has the highest bit set, which no character has.
        if bytes.first().is_some_and(|byte| byte & 0x80 != 0) {
            certificates.read(bytes)?;
        } else {
            let mut text = std::str::from_utf8(bytes).map_err(|_| RingError::Armour(ArmourError::NotText))?;
            let mut blocks = 0;
            loop {
                let block = match armour::decode(text) {
                    Ok(block) => block,
                    Err(ArmourError::Missing) if blocks > 0 => break,
                    Err(error) => return Err(RingError::Armour(error)),
                };
                if !LABELS.contains(&block.label) {
                    return Err(RingError::Label(block.label.chars().take(40).collect()));
                }
                certificates.read(&block.body)?;
                (text, blocks) = (block.rest, blocks + 1);
            }
        }
        certificates.finish()
    }

    pub(super) fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }
}

/// A key with what follows it, unverified.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) primary: PublicKey,
    /// Key revocations.
    pub(super) revocations: Vec<Signature>,
    /// Direct signatures.
    pub(super) direct: Vec<Signature>,
    pub(super) users: Vec<(UserId, Vec<Signature>)>,
    pub(super) subkeys: Vec<(PublicSubkey, Vec<Signature>)>,
    /// What signatures belong to that come now.
    at: Place,
    /// A packet of it could not be read.
    damaged: bool,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Key,
    User,
    Subkey,
}

#[derive(Default)]
struct Certificates {
    packets: usize,
    good: Vec<Certificate>,
    bad: Option<CertificateError>,
    open: Option<Parts>,
}

impl Certificates {
    fn read(&mut self, bytes: &[u8]) -> Result<(), RingError> {
        for packet in PacketParser::new(bytes) {
            self.packets += 1;
            if self.packets > MAX_PACKETS {
                return Err(RingError::TooManyPackets);
            }
            self.add(packet.ok());
        }
        self.close();
        Ok(())
    }

    /// Adds the next packet; `None` is one that could not be read.
    fn add(&mut self, packet: Option<Packet>) {
        let primary = match &packet {
            Some(Packet::PublicKey(key)) => Some(key.clone()),
            Some(Packet::SecretKey(key)) => Some(key.public_key().clone()),
            _ => None,
        };
        if let Some(primary) = primary {
            self.close();
            self.open = Some(Parts::new(primary));
            return;
        }
        let Some(parts) = &mut self.open else {
            return;
        };
        match packet {
            None => parts.damaged = true,
            Some(Packet::UserId(user)) => {
                parts.users.push((user, Vec::new()));
                parts.at = Place::User;
            }
            Some(Packet::UserAttribute(_)) => parts.at = Place::Key,
            Some(Packet::PublicSubkey(key)) => parts.add_subkey(key),
            Some(Packet::SecretSubkey(key)) => parts.add_subkey(key.public_key().clone()),
            Some(Packet::Signature(signature)) => parts.add_signature(signature),
            Some(_) => {}
        }
    }

    fn close(&mut self) {
        let Some(parts) = self.open.take() else {
            return;
        };
        let certificate = if parts.damaged { Err(CertificateError::Damaged) } else { Certificate::from_parts(parts) };
        match certificate {
            Ok(certificate) => self.good.push(certificate),
            Err(error) => self.bad = Some(error),
        }
    }

    fn finish(self) -> Result<Ring, RingError> {
        match (self.good.is_empty(), self.bad) {
            (false, _) => Ok(Ring { certificates: self.good }),
            (true, Some(error)) => Err(RingError::NoUsableKey(error)),
            (true, None) => Err(RingError::Empty),
        }
    }
}

impl Parts {
    fn new(primary: PublicKey) -> Self {
        let (revocations, direct, users, subkeys) = Default::default();
        Self { primary, revocations, direct, users, subkeys, at: Place::Key, damaged: false }
    }

    fn add_subkey(&mut self, key: PublicSubkey) {
        self.subkeys.push((key, Vec::new()));
        self.at = Place::Subkey;
    }

    /// A key revocation is one wherever it stands: moving it behind a user id must not make it disappear.
    fn add_signature(&mut self, signature: Signature) {
        match (signature.typ(), self.at) {
            (Some(SignatureType::KeyRevocation), _) => self.revocations.push(signature),
            (Some(SignatureType::Key), Place::Key) => self.direct.push(signature),
            (_, Place::Key) => {}
            (_, Place::User) => self.users.last_mut().into_iter().for_each(|(_, of)| of.push(signature.clone())),
            (_, Place::Subkey) => self.subkeys.last_mut().into_iter().for_each(|(_, of)| of.push(signature.clone())),
        }
    }
}
