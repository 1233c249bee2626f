//! The post-quantum recipient: HPKE (RFC 9180, base mode) over X-Wing, the hybrid of ML-KEM-768 and X25519, with HKDF-SHA256 and
//! ChaCha20-Poly1305.
//!
//! X-Wing stays secret as long as one of its two halves does.

use ml_kem::array::Array;
use ml_kem::kem::Decapsulate as _;
use ml_kem::ml_kem_768::DecapsulationKey;
use sha3::{Digest as _, Sha3_256};
use shake::Shake256;
use shake::digest::{ExtendableOutput as _, Update as _, XofReader as _};
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::file::Stanza;
use super::kdf::{self, Key};

pub(super) const KIND: &str = "mlkem768x25519";
const INFO: &[u8] = b"age-encryption.org/mlkem768x25519";
/// A file's key, and its tag.
const BODY: usize = 16 + 16;
const ML_KEM_CIPHERTEXT: usize = 1088;
const ENCAPSULATED: usize = ML_KEM_CIPHERTEXT + 32;
/// Separates X-Wing from everything else that is hashed.
const LABEL: &[u8] = b"\\.//^\\";
/// `HPKE`, the numbers of X-Wing, HKDF-SHA256 and ChaCha20-Poly1305.
const SUITE: &[u8] = b"HPKE\x64\x7a\x00\x01\x00\x03";

pub(super) struct Identity {
    ml_kem: DecapsulationKey,
    x25519: StaticSecret,
    x25519_public: PublicKey,
}

impl Identity {
    pub(super) fn new(seed: &[u8; 32]) -> Self {
        let mut expanded = Zeroizing::new([0_u8; 96]);
        let mut hash = Shake256::default();
        hash.update(seed);
        hash.finalize_xof().read(&mut expanded[..]);
        let (mut ml_kem, mut x25519) = (Zeroizing::new([0_u8; 64]), Zeroizing::new([0_u8; 32]));
        ml_kem.copy_from_slice(&expanded[..64]);
        x25519.copy_from_slice(&expanded[64..]);
        let x25519 = StaticSecret::from(*x25519);
        let x25519_public = PublicKey::from(&x25519);
        Self { ml_kem: DecapsulationKey::from_seed(Array(*ml_kem)), x25519, x25519_public }
    }

    /// The file's key, if the stanza is for this identity.
    pub(super) fn unwrap(&self, stanza: &Stanza<'_>) -> Option<Zeroizing<Vec<u8>>> {
        if stanza.kind != KIND || stanza.body.len() != BODY {
            return None;
        }
        let encapsulated: [u8; ENCAPSULATED] = stanza.argument()?;
        let (key, nonce) = schedule(&self.shared(&encapsulated)?);
        kdf::open(&key, nonce, &stanza.body)
    }

    fn shared(&self, encapsulated: &[u8; ENCAPSULATED]) -> Option<Key> {
        let (ciphertext, share) = encapsulated.split_at(ML_KEM_CIPHERTEXT);
        let ml_kem = Zeroizing::new(<[u8; 32]>::from(self.ml_kem.decapsulate_slice(ciphertext).ok()?));
        let share: [u8; 32] = share.try_into().ok()?;
        let x25519 = self.x25519.diffie_hellman(&PublicKey::from(share));
        let mut hash = Sha3_256::new();
        let pieces: [&[u8]; 5] = [&ml_kem[..], x25519.as_bytes(), &share, self.x25519_public.as_bytes(), LABEL];
        for piece in pieces {
            sha3::Digest::update(&mut hash, piece);
        }
        Some(Zeroizing::new(hash.finalize().into()))
    }
}

/// HPKE's key schedule, as far as a single message needs it.
fn schedule(shared: &Key) -> (Key, [u8; 12]) {
    let extract = |salt: &[u8], label: &[u8], secret: &[u8]| kdf::mac(salt, &[b"HPKE-v1", SUITE, label, secret]);
    let (no_psk, info) = (extract(&[], b"psk_id_hash", &[]), extract(&[], b"info_hash", INFO));
    let secret = extract(&shared[..], b"secret", &[]);
    let expand = |length: u16, label: &[u8]| {
        kdf::expand(&secret, &[&length.to_be_bytes(), b"HPKE-v1", SUITE, label, &[0], &no_psk[..], &info[..]])
    };
    let mut nonce = [0; 12];
    nonce.copy_from_slice(&expand(12, b"base_nonce")[..12]);
    (expand(32, b"key"), nonce)
}
