//! Our private key, from any of the formats in which people have one: OpenSSH's, PKCS#8, and the older PEM forms, plain or encrypted.
//!
//! Deliberately decrypts only when asked to: that takes a good part of a second by design, so it is done on a thread that may block.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt as _, KeyIvInit as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pkcs8::pkcs5::EncryptionScheme;
use pkcs8::pkcs5::pbes2::Kdf;
use russh::keys::PrivateKey;
use russh::keys::ssh_key;
use sluice_http_client::Secret;

/// The longest text: a key of 16384 bits takes 13 KB.
const MAX_BYTES: usize = 64 << 10;

/// Rounds of OpenSSH's key derivation. Its own tool makes 16 or 24; each takes some milliseconds, and a Secret's author must not be able
/// to keep a thread busy for hours.
const MAX_BCRYPT_ROUNDS: u32 = 1024;

/// The same for PKCS#8: current advice is 600,000 iterations.
const MAX_PBKDF2_ITERATIONS: u32 = 10_000_000;

/// The same for scrypt, where cost times block size times 128 is memory: 256 MiB.
const MAX_SCRYPT_BYTES: u64 = 256 << 20;

/// A private key, perhaps not decrypted yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SshIdentity {
    text: Secret<String>,
    passphrase: Option<Secret<String>>,
}

/// A text that is no usable private key. Never holds any of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdentityError {
    /// The key is encrypted, and no passphrase was given.
    #[error("the SSH identity key is encrypted and no passphrase is given")]
    Encrypted,
    /// The passphrase is not the key's.
    #[error("failed to decrypt the SSH identity key: wrong passphrase or damaged key")]
    Decrypt,
    /// Not a private key in a known format.
    #[error("failed to parse the SSH identity key: {0}")]
    Parse(&'static str),
    /// Deriving the key from the passphrase would take too long.
    #[error("the SSH identity key's encryption takes more work than is accepted")]
    TooExpensive,
}

/// How the text is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Encryption {
    None,
    OpenSsh,
    Pkcs8,
    /// `DEK-Info: AES-256-CBC,…` in the PEM header.
    Legacy {
        cipher: String,
        iv: Vec<u8>,
    },
}

impl SshIdentity {
    /// Checks what can be checked at once: that it is a key, and that an encrypted one comes with a passphrase.
    pub(crate) fn new(text: Secret<String>, passphrase: Option<Secret<String>>) -> Result<Self, IdentityError> {
        if text.expose().len() > MAX_BYTES {
            return Err(IdentityError::Parse("it is too long"));
        }
        let pem = Pem::parse(text.expose()).ok_or(IdentityError::Parse("it is not PEM"))?;
        let passphrase = passphrase.filter(|passphrase| !passphrase.expose().is_empty());
        match pem.encryption()? {
            Encryption::None => pem.decode().map(drop)?,
            _ if passphrase.is_none() => return Err(IdentityError::Encrypted),
            _ => {}
        }
        Ok(Self { text, passphrase })
    }

    /// The key. Blocks for a good part of a second when it is encrypted.
    pub(crate) fn decrypt(&self) -> Result<PrivateKey, IdentityError> {
        let pem = Pem::parse(self.text.expose()).ok_or(IdentityError::Parse("it is not PEM"))?;
        let encryption = pem.encryption()?;
        if encryption == Encryption::None {
            return pem.decode();
        }
        let passphrase = self.passphrase.as_ref().ok_or(IdentityError::Encrypted)?.expose();
        match encryption {
            Encryption::Legacy { cipher, iv } => {
                let der = legacy_decrypt(&cipher, &iv, passphrase, &pem.der).ok_or(IdentityError::Decrypt)?;
                // A wrong passphrase that happens to leave a plausible end is found here.
                Pem { der, headers: Vec::new(), ..pem }.decode().map_err(|_| IdentityError::Decrypt)
            }
            Encryption::None | Encryption::OpenSsh | Encryption::Pkcs8 => {
                russh::keys::decode_secret_key(&pem.text(), Some(passphrase)).map_err(|_| IdentityError::Decrypt)
            }
        }
    }
}

/// One PEM block, taken apart leniently: Secrets are pasted.
struct Pem {
    label: String,
    headers: Vec<String>,
    der: Vec<u8>,
}

impl Pem {
    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines().map(str::trim);
        let label = lines.find_map(|line| line.strip_prefix("-----BEGIN ")?.strip_suffix("-----"))?.to_owned();
        let (mut headers, mut base64) = (Vec::new(), String::new());
        for line in lines {
            if line.starts_with("-----END ") {
                let der = STANDARD.decode(base64).ok()?;
                return Some(Self { label, headers, der });
            }
            if line.contains(':') { headers.push(line.to_owned()) } else { base64.push_str(line) }
        }
        None
    }

    /// The text without headers, as strict readers want it.
    fn text(&self) -> String {
        format!("-----BEGIN {0}-----\n{1}\n-----END {0}-----\n", self.label, STANDARD.encode(&self.der))
    }

    fn decode(&self) -> Result<PrivateKey, IdentityError> {
        russh::keys::decode_secret_key(&self.text(), None)
            .map_err(|_| IdentityError::Parse("its format or key type is not supported"))
    }

    fn encryption(&self) -> Result<Encryption, IdentityError> {
        let header = |name: &str| self.headers.iter().find_map(|line| Some(line.strip_prefix(name)?.trim()));
        if let Some(info) = header("DEK-Info:") {
            let (cipher, iv) = info.split_once(',').ok_or(IdentityError::Parse("malformed DEK-Info header"))?;
            let iv = hex::decode(iv.trim()).map_err(|_| IdentityError::Parse("malformed DEK-Info header"))?;
            return Ok(Encryption::Legacy { cipher: cipher.trim().to_owned(), iv });
        }
        match self.label.as_str() {
            "ENCRYPTED PRIVATE KEY" => self.check_pkcs8_cost().map(|()| Encryption::Pkcs8),
            "OPENSSH PRIVATE KEY" => {
                let key = PrivateKey::from_bytes(&self.der).map_err(|_| IdentityError::Parse("it is damaged"))?;
                match key.kdf() {
                    ssh_key::Kdf::None => Ok(Encryption::None),
                    ssh_key::Kdf::Bcrypt { rounds, .. } if *rounds > MAX_BCRYPT_ROUNDS => {
                        Err(IdentityError::TooExpensive)
                    }
                    _ => Ok(Encryption::OpenSsh),
                }
            }
            "PRIVATE KEY" | "RSA PRIVATE KEY" | "EC PRIVATE KEY" => Ok(Encryption::None),
            _ => Err(IdentityError::Parse("its format is not supported")),
        }
    }

    fn check_pkcs8_cost(&self) -> Result<(), IdentityError> {
        let info = pkcs8::EncryptedPrivateKeyInfoRef::try_from(&self.der[..]);
        let info = info.map_err(|_| IdentityError::Parse("it is damaged"))?;
        let EncryptionScheme::Pbes2(parameters) = &info.encryption_algorithm else {
            return Err(IdentityError::Parse("its encryption is not supported"));
        };
        let affordable = match &parameters.kdf {
            Kdf::Pbkdf2(kdf) => kdf.iteration_count <= MAX_PBKDF2_ITERATIONS,
            Kdf::Scrypt(kdf) => {
                let memory = kdf.cost_parameter.saturating_mul(u64::from(kdf.block_size)).saturating_mul(128);
                memory.saturating_mul(u64::from(kdf.parallelization)) <= MAX_SCRYPT_BYTES
            }
            _ => false,
        };
        if affordable { Ok(()) } else { Err(IdentityError::TooExpensive) }
    }
}

/// Decrypts what OpenSSL's oldest format has: the key is MD5 of passphrase and salt, repeated until it is long enough.
fn legacy_decrypt(cipher: &str, iv: &[u8], passphrase: &str, data: &[u8]) -> Option<Vec<u8>> {
    let length = match cipher {
        "AES-128-CBC" => 16,
        "AES-192-CBC" => 24,
        "AES-256-CBC" => 32,
        _ => return None,
    };
    let salt = iv.get(..8)?;
    let (mut key, mut last) = (Vec::new(), Vec::new());
    while key.len() < length {
        let mut hash = md5::Context::new();
        hash.consume(&last);
        hash.consume(passphrase.as_bytes());
        hash.consume(salt);
        last = hash.finalize().0.to_vec();
        key.extend_from_slice(&last);
    }
    key.truncate(length);
    let mut buffer = data.to_vec();
    let plain = match length {
        16 => cbc::Decryptor::<aes::Aes128>::new_from_slices(&key, iv).ok()?.decrypt_padded::<Pkcs7>(&mut buffer),
        24 => cbc::Decryptor::<aes::Aes192>::new_from_slices(&key, iv).ok()?.decrypt_padded::<Pkcs7>(&mut buffer),
        _ => cbc::Decryptor::<aes::Aes256>::new_from_slices(&key, iv).ok()?.decrypt_padded::<Pkcs7>(&mut buffer),
    };
    plain.ok().map(<[u8]>::to_vec)
}

#[cfg(test)]
mod tests;
