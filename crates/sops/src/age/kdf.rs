//! HKDF with SHA-256 for keys of up to 32 bytes, and ChaCha20-Poly1305 for a key that seals one thing: what both kinds of recipients and
//! the file itself are made of.

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use ring::hmac::{self, HMAC_SHA256};
use zeroize::Zeroizing;

/// A key of 32 bytes.
pub(super) type Key = Zeroizing<[u8; 32]>;

/// HMAC over several pieces.
pub(super) fn mac(key: &[u8], pieces: &[&[u8]]) -> Key {
    let mut context = hmac::Context::with_key(&hmac::Key::new(HMAC_SHA256, key));
    for piece in pieces {
        context.update(piece);
    }
    let mut made = Key::default();
    made.copy_from_slice(context.sign().as_ref());
    made
}

/// Whether a code is that of a message.
pub(super) fn verify(key: &Key, message: &[u8], code: &[u8]) -> bool {
    hmac::verify(&hmac::Key::new(HMAC_SHA256, &key[..]), message, code).is_ok()
}

/// HKDF's two steps, the second for its first block only.
pub(super) fn derive(secret: &[u8], salt: &[u8], info: &[u8]) -> Key {
    expand(&mac(salt, &[secret]), &[info])
}

/// The first block of HKDF's second step.
pub(super) fn expand(key: &Key, info: &[&[u8]]) -> Key {
    let mut pieces = info.to_vec();
    pieces.push(&[1]);
    mac(&key[..], &pieces)
}

/// What a key sealed under a nonce; `None` if it did not.
pub(super) fn open(key: &Key, nonce: [u8; 12], sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &key[..]).ok()?);
    let mut buffer = Zeroizing::new(sealed.to_vec());
    let length = key.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut buffer).ok()?.len();
    buffer.truncate(length);
    Some(buffer)
}
