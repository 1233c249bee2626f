//! age files: an armoured file opened by an identity, X25519 or the post-quantum hybrid of ML-KEM-768 and X25519. Source: the age
//! specification of C2SP.
//!
//! Deliberately only the way to open, and only what SOPS seals with: no passphrases, no plug-ins, no SSH keys (Flux reads those from a home
//! directory alone), and no files of more than [`MAX_FILE_BYTES`]: what is sealed is a data key.

mod bech32;
mod file;
mod hybrid;
mod kdf;
mod x25519;

use std::fmt;

use zeroize::Zeroizing;

use crate::keys::DataKey;

/// The largest armoured file; a data key with the recipients of a large team has some ten KiB.
pub const MAX_FILE_BYTES: usize = 256 << 10;

/// The most identities of one set.
const MAX_IDENTITIES: usize = 1024;

/// An age file that does not open. Never holds a key.
#[derive(Debug, thiserror::Error)]
pub enum AgeError {
    /// There is nothing to try.
    #[error("failed to load age identities: none are configured")]
    NoIdentities,
    /// The file is larger than is read.
    #[error("the age file has more than {MAX_FILE_BYTES} bytes")]
    TooLarge,
    /// The armour does not open.
    #[error("failed to read the armor of the age file")]
    Armor,
    /// It is not an age file, or one of another version.
    #[error("failed to read the header of the age file")]
    Header,
    /// It is for others.
    #[error("no identity matched any of the recipients")]
    NoMatch,
    /// The header was changed.
    #[error("the header of the age file is not authentic")]
    HeaderMac,
    /// The content was changed or cut off.
    #[error("the content of the age file is not authentic")]
    Payload,
}

/// An identity file that cannot be read. Never holds a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentityError {
    /// It is not text.
    #[error("the age identities are not UTF-8 text")]
    NotText,
    /// A line is neither an identity nor a comment.
    #[error("unknown identity type (line {0})")]
    Unknown(usize),
    /// A line begins as an identity and is none.
    #[error("malformed age identity (line {0})")]
    Malformed(usize),
    /// Plug-ins are other programs, which are not run.
    #[error("age plugins are not supported (line {0})")]
    Plugin(usize),
    /// More than are tried.
    #[error("more than {MAX_IDENTITIES} age identities")]
    TooMany,
}

enum Identity {
    X25519(x25519::Identity),
    Hybrid(Box<hybrid::Identity>),
}

/// Identities, in the order in which they were given.
#[derive(Default)]
pub struct Identities(Vec<Identity>);

impl fmt::Debug for Identities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identities({})", self.0.len())
    }
}

impl Identities {
    /// Adds those of an identity file: one on each line, `#` begins a comment.
    ///
    /// # Errors
    /// [`IdentityError`]; none is added then.
    pub fn import(&mut self, file: &[u8]) -> Result<(), IdentityError> {
        let text = std::str::from_utf8(file).map_err(|_| IdentityError::NotText)?;
        let mut added = Vec::new();
        for (line, text) in (1..).zip(text.lines()) {
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            if self.0.len() + added.len() == MAX_IDENTITIES {
                return Err(IdentityError::TooMany);
            }
            added.push(parse(text, line)?);
        }
        self.0.append(&mut added);
        Ok(())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The content of an armoured file.
    ///
    /// # Errors
    /// [`AgeError`].
    pub fn decrypt(&self, armored: &str) -> Result<DataKey, AgeError> {
        if self.0.is_empty() {
            return Err(AgeError::NoIdentities);
        }
        if armored.len() > MAX_FILE_BYTES {
            return Err(AgeError::TooLarge);
        }
        let bytes = file::dearmor(armored).ok_or(AgeError::Armor)?;
        let file = file::File::parse(&bytes).ok_or(AgeError::Header)?;
        let mut stanzas = file.stanzas.iter().flat_map(|stanza| self.0.iter().map(move |identity| (stanza, identity)));
        let key = stanzas.find_map(|(stanza, identity)| match identity {
            Identity::X25519(identity) => identity.unwrap(stanza),
            Identity::Hybrid(identity) => identity.unwrap(stanza),
        });
        file.open(&key.ok_or(AgeError::NoMatch)?)
    }
}

fn parse(line: &str, number: usize) -> Result<Identity, IdentityError> {
    let malformed = || IdentityError::Malformed(number);
    let seed = |prefix: &str| -> Option<Zeroizing<[u8; 32]>> {
        let (hrp, data) = bech32::decode(line)?;
        let seed: [u8; 32] = data.as_slice().try_into().ok()?;
        (hrp == prefix).then(|| Zeroizing::new(seed))
    };
    // As in age, the case of the letters counts.
    if line.starts_with("AGE-PLUGIN-") {
        Err(IdentityError::Plugin(number))
    } else if line.starts_with("AGE-SECRET-KEY-PQ-1") {
        let seed = seed("age-secret-key-pq-").ok_or_else(malformed)?;
        Ok(Identity::Hybrid(Box::new(hybrid::Identity::new(&seed))))
    } else if line.starts_with("AGE-SECRET-KEY-1") {
        let seed = seed("age-secret-key-").ok_or_else(malformed)?;
        Ok(Identity::X25519(x25519::Identity::new(&seed)))
    } else {
        Err(IdentityError::Unknown(number))
    }
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
