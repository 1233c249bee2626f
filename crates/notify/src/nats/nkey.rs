//! NATS' keys: an Ed25519 seed in base 32 with a type and a checksum, and the signature over a server's nonce.
//!
//! Only what a user needs to log in; no keys are made.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use sluice_http_client::Secret;

use super::NatsError;

const ALPHABET: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// The first five bits of a seed ("S"), and those of a user ("U").
const PREFIX_SEED: u8 = 18 << 3;
const PREFIX_USER: u8 = 20 << 3;

/// Two bytes of prefixes, the seed itself, two bytes of checksum.
const SEED_BYTES: usize = 2 + 32 + 2;

/// A user's seed.
#[derive(Clone)]
pub(crate) struct Seed(Secret<[u8; 32]>);

impl Seed {
    /// Finds the seed in the content of a seed file: the first line that looks like one.
    pub(crate) fn find(text: &str) -> Result<Self, NatsError> {
        let line = text.lines().map(str::trim).find(|line| line.starts_with('S') && line.len() > 50);
        Self::parse(line.ok_or(NatsError::ParseSeed)?)
    }

    /// Reads a seed; of a user, as nobody else logs in.
    pub(crate) fn parse(text: &str) -> Result<Self, NatsError> {
        let bytes = decode(text).filter(|bytes| bytes.len() == SEED_BYTES).ok_or(NatsError::ParseSeed)?;
        let (body, checksum) = bytes.split_at(SEED_BYTES - 2);
        let kind = (body[0] & 0b111) << 5 | (body[1] & 0b1111_1000) >> 3;
        if checksum != crc16(body).to_le_bytes() || body[0] & 0b1111_1000 != PREFIX_SEED || kind != PREFIX_USER {
            return Err(NatsError::ParseSeed);
        }
        let seed: [u8; 32] = body[2..].try_into().map_err(|_| NatsError::ParseSeed)?;
        Ok(Self(Secret::new(seed)))
    }

    /// The public key, as the server's configuration has it.
    pub(crate) fn public_key(&self) -> String {
        let mut bytes = vec![PREFIX_USER];
        bytes.extend_from_slice(self.key().public_key().as_ref());
        bytes.extend_from_slice(&crc16(&bytes).to_le_bytes());
        encode(&bytes)
    }

    /// The signature over a nonce, in base 64.
    pub(crate) fn sign(&self, nonce: &str) -> String {
        URL_SAFE_NO_PAD.encode(self.key().sign(nonce.as_bytes()))
    }

    fn key(&self) -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(self.0.expose()).expect("any 32 bytes are an Ed25519 seed")
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(***)")
    }
}

/// Base 32 without padding; `None` for other characters and for what is far too long.
fn decode(text: &str) -> Option<Vec<u8>> {
    if text.len() > 128 {
        return None;
    }
    let (mut out, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for c in text.bytes() {
        let value = ALPHABET.iter().position(|letter| *letter == c)?;
        bits = bits << 5 | u32::try_from(value).ok()?;
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count).to_le_bytes()[0]);
            bits &= (1 << count) - 1;
        }
    }
    Some(out)
}

fn encode(bytes: &[u8]) -> String {
    let (mut out, mut bits, mut count) = (String::new(), 0_u32, 0);
    let letter = |index: u32| char::from(ALPHABET[(index & 31) as usize]);
    for byte in bytes {
        bits = (bits << 8 | u32::from(*byte)) & 0xfff;
        count += 8;
        while count >= 5 {
            count -= 5;
            out.push(letter(bits >> count));
        }
    }
    if count > 0 {
        out.push(letter(bits << (5 - count)));
    }
    out
}

/// CRC-16 as XMODEM has it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 })
    })
}

#[cfg(test)]
mod tests {
    use ring::signature::{ED25519, UnparsedPublicKey};

    use super::*;

    /// The bytes `7 i + 3` as a seed, their public key by OpenSSL, both in base 32 by Python's library with its CRC-16.
    pub(crate) const SEED: &str = "SUAAGCQRDAPSMLJUHNBESUCXLZSWY432QGEI7FU5USV3FOOAY7HNLXDKKA";
    const PUBLIC: &str = "UB2VYTFZEVWKPTOEVT64NT7O3KCJAF7FXH4VCTUZDEN5M7QLBVBHMA3W";

    #[test]
    fn a_seed_gives_its_public_key_and_signatures_that_verify() {
        let seed = Seed::parse(SEED).unwrap();
        assert_eq!(seed.public_key(), PUBLIC);
        let key = decode(PUBLIC).unwrap();
        let signature = URL_SAFE_NO_PAD.decode(seed.sign("nonce")).unwrap();
        UnparsedPublicKey::new(&ED25519, &key[1..33]).verify(b"nonce", &signature).unwrap();
        assert_eq!(format!("{seed:?}"), "Seed(***)");
        assert_eq!(Seed::find(&format!("-----BEGIN USER NKEY SEED-----\n{SEED}\n---\n")).unwrap().public_key(), PUBLIC);
    }

    #[test]
    fn what_is_no_seed_of_a_user_is_refused() {
        let wrong_checksum = SEED.replace("LXDKKA", "LXDKBA");
        for text in ["", "S", PUBLIC, &SEED[..40], &SEED.to_lowercase(), &wrong_checksum, &"S".repeat(4000)] {
            assert!(Seed::parse(text).is_err(), "{text}");
            assert!(Seed::find(text).is_err(), "{text}");
        }
    }
}
