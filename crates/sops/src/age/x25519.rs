//! The X25519 recipient: a file's key under a secret shared with an ephemeral key.

use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::file::Stanza;
use super::kdf;

pub(super) const KIND: &str = "X25519";
pub(super) const INFO: &[u8] = b"age-encryption.org/v1/X25519";
/// A file's key, and its tag.
pub(super) const BODY: usize = 16 + 16;

pub(super) struct Identity {
    secret: StaticSecret,
    public: PublicKey,
}

impl Identity {
    pub(super) fn new(seed: &[u8; 32]) -> Self {
        let secret = StaticSecret::from(*seed);
        let public = PublicKey::from(&secret);
        Self { secret, public }
    }

    #[cfg(test)]
    pub(super) fn public(&self) -> &[u8; 32] {
        self.public.as_bytes()
    }

    /// The file's key, if the stanza is for this identity.
    pub(super) fn unwrap(&self, stanza: &Stanza<'_>) -> Option<Zeroizing<Vec<u8>>> {
        if stanza.kind != KIND || stanza.body.len() != BODY {
            return None;
        }
        let share: [u8; 32] = stanza.argument()?;
        let shared = self.secret.diffie_hellman(&PublicKey::from(share));
        // A share of low order would make a secret that everybody knows.
        if !shared.was_contributory() {
            return None;
        }
        let salt = [share, *self.public.as_bytes()].concat();
        kdf::open(&kdf::derive(shared.as_bytes(), &salt, INFO), [0; 12], &stanza.body)
    }
}
