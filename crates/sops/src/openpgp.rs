//! `OpenPGP`: an armoured message opened by a private key.
//!
//! Deliberately only keys without a passphrase, as nobody is there to type one, and no signatures: what counts is that the data key
//! opens the document.

use std::fmt;
use std::io::Read as _;

use pgp::composed::{DecryptionOptions, Deserializable as _, Message, SignedSecretKey, TheRing};
use pgp::types::Password;
use zeroize::Zeroizing;

use crate::keys::DataKey;

/// The largest message; a data key with many recipients' session keys has some hundred KiB at most.
const MAX_MESSAGE_BYTES: usize = 256 << 10;
/// The largest content: a data key has 32 bytes, a compressed message may stand for gigabytes.
const MAX_CONTENT_BYTES: u64 = 4 << 10;
/// The most keys of one ring.
const MAX_KEYS: usize = 256;
/// The largest armoured key file.
const MAX_KEY_FILE_BYTES: usize = 1 << 20;
/// Messages within one another (compressed, signed).
const MAX_LAYERS: usize = 4;

/// A message that does not open. Never holds a key.
#[derive(Debug, thiserror::Error)]
pub enum OpenPgpError {
    /// There is nothing to try.
    #[error("could not decrypt data key with PGP key: no OpenPGP keys are configured")]
    NoKeys,
    /// The message is larger than is read.
    #[error("the OpenPGP message has more than {MAX_MESSAGE_BYTES} bytes")]
    TooLarge,
    /// It is none.
    #[error("malformed OpenPGP message")]
    Malformed,
    /// It is for others, or was changed.
    #[error("could not decrypt data key with PGP key: no key opens the message")]
    NoMatch,
    /// What is in it is no data key.
    #[error("the content of the OpenPGP message cannot be read")]
    Content,
}

/// A key file that cannot be read. Never holds a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenPgpKeyError {
    /// It is larger than is read.
    #[error("the OpenPGP key has more than {MAX_KEY_FILE_BYTES} bytes")]
    TooLarge,
    /// It is none.
    #[error("malformed armored OpenPGP key")]
    Malformed,
    /// There is no private key in it.
    #[error("no private OpenPGP key was found")]
    NoPrivateKey,
    /// More than are tried.
    #[error("more than {MAX_KEYS} OpenPGP keys")]
    TooMany,
}

/// Private keys, in the order in which they were given.
#[derive(Default)]
pub struct Keys(Vec<SignedSecretKey>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

impl Keys {
    /// Adds the private keys of an armoured file.
    ///
    /// # Errors
    /// [`OpenPgpKeyError`]; none is added then.
    pub fn import(&mut self, armored: &[u8]) -> Result<(), OpenPgpKeyError> {
        if armored.len() > MAX_KEY_FILE_BYTES {
            return Err(OpenPgpKeyError::TooLarge);
        }
        let (keys, _) = SignedSecretKey::from_armor_many(armored).map_err(|_| OpenPgpKeyError::Malformed)?;
        let mut added = Vec::new();
        for key in keys {
            added.push(key.map_err(|_| OpenPgpKeyError::Malformed)?);
            if self.0.len() + added.len() > MAX_KEYS {
                return Err(OpenPgpKeyError::TooMany);
            }
        }
        if added.is_empty() {
            return Err(OpenPgpKeyError::NoPrivateKey);
        }
        self.0.append(&mut added);
        Ok(())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The content of an armoured message. Takes up to some ten milliseconds of computing.
    ///
    /// # Errors
    /// [`OpenPgpError`].
    pub fn decrypt(&self, armored: &str) -> Result<DataKey, OpenPgpError> {
        if self.0.is_empty() {
            return Err(OpenPgpError::NoKeys);
        }
        if armored.len() > MAX_MESSAGE_BYTES {
            return Err(OpenPgpError::TooLarge);
        }
        let (message, _) = Message::from_armor(armored.as_bytes()).map_err(|_| OpenPgpError::Malformed)?;
        let password = Password::empty();
        let ring = TheRing {
            secret_keys: self.0.iter().collect(),
            key_passwords: vec![&password],
            message_password: Vec::new(),
            session_keys: Vec::new(),
            decrypt_options: DecryptionOptions::new().enable_gnupg_aead(),
        };
        let (mut message, _) = message.decrypt_the_ring(ring, true).map_err(|_| OpenPgpError::NoMatch)?;
        for _ in 0..MAX_LAYERS {
            if !message.is_compressed() {
                break;
            }
            message = message.decompress().map_err(|_| OpenPgpError::Content)?;
        }
        let mut content = Zeroizing::new(Vec::new());
        let read = message.take(MAX_CONTENT_BYTES).read_to_end(&mut content);
        // Reading to the end is what verifies that nothing was changed.
        match read {
            Ok(length) if (length as u64) < MAX_CONTENT_BYTES => Ok(content.into()),
            Ok(_) | Err(_) => Err(OpenPgpError::Content),
        }
    }
}

#[cfg(test)]
mod tests;
