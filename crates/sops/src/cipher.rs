//! One encrypted value: AES-256 in Galois/counter mode, bound to its place in the document.
//!
//! Errors never have the value in them: in the clear where it should be encrypted, it is a secret all the same.

use std::fmt;
use std::sync::LazyLock;

use aes_gcm::aead::array::ArraySize;
use aes_gcm::aead::consts::{U12, U16, U32};
use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use regex::Regex;

use crate::keys::DataKey;
use crate::tree::{Comment, Value};

/// A value that cannot be decrypted.
#[derive(Debug, thiserror::Error)]
pub enum CipherError {
    /// The text is not an encrypted value.
    #[error("Input string <redacted> does not match sops' data format")]
    Form,
    /// A part of it is not base64.
    #[error("Error base64-decoding {0}")]
    Base64(&'static str),
    /// The data key has not the length of one.
    #[error("the data key has {0} bytes, not 32")]
    KeyLength(usize),
    /// No SOPS makes nonces of this length.
    #[error("a nonce of {0} bytes is not supported")]
    NonceLength(usize),
    /// The key is another one, or the value was changed or moved.
    #[error("Could not decrypt with AES_GCM: cipher: message authentication failed")]
    Authentication,
    /// The value has a type that is not known.
    #[error("Unknown datatype")]
    Type,
    /// What was decrypted is not of the type that the value names.
    #[error("the decrypted value is not of type {0}")]
    Mistyped(&'static str),
}

/// A data key, ready for use.
pub(crate) struct Cipher {
    key: DataKey,
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cipher")
    }
}

static FORM: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"^ENC\[AES256_GCM,data:(.+),iv:(.+),tag:(.+),type:(.+)\]").expect("a constant that compiles")
});

impl Cipher {
    pub(crate) fn new(key: DataKey) -> Result<Self, CipherError> {
        if key.expose().len() == 32 { Ok(Self { key }) } else { Err(CipherError::KeyLength(key.expose().len())) }
    }

    /// The value; an empty text stands for itself.
    pub(crate) fn decrypt(&self, text: &str, additional_data: &str) -> Result<Value, CipherError> {
        if text.is_empty() {
            return Ok(Value::text(""));
        }
        let parts = FORM.captures(text).ok_or(CipherError::Form)?;
        let [data, nonce, tag, kind] = [1, 2, 3, 4].map(|group| parts.get(group).map_or("", |part| part.as_str()));
        let decode = |part, name| STANDARD.decode(part).map_err(|_| CipherError::Base64(name));
        let mut sealed = decode(data, "data")?;
        let nonce = decode(nonce, "iv")?;
        sealed.extend(decode(tag, "tag")?);
        let payload = Payload { msg: &sealed, aad: additional_data.as_bytes() };
        let plain = match nonce.len() {
            32 => self.open::<U32>(&nonce, payload),
            16 => self.open::<U16>(&nonce, payload),
            12 => self.open::<U12>(&nonce, payload),
            other => return Err(CipherError::NonceLength(other)),
        };
        typed(plain.ok_or(CipherError::Authentication)?, kind)
    }

    fn open<N: ArraySize>(&self, nonce: &[u8], payload: Payload<'_, '_>) -> Option<Vec<u8>> {
        let cipher = AesGcm::<Aes256, N>::new_from_slice(self.key.expose()).ok()?;
        cipher.decrypt(&Nonce::<N>::try_from(nonce).ok()?, payload).ok()
    }
}

fn typed(plain: Vec<u8>, kind: &str) -> Result<Value, CipherError> {
    let text = || std::str::from_utf8(&plain).ok();
    let value = match kind {
        "str" => Some(Value::Text(plain)),
        "bytes" => Some(Value::Bytes(plain)),
        "comment" => {
            Some(Value::Comment(Comment { text: String::from_utf8_lossy(&plain).into_owned(), inline: false }))
        }
        "int" => return text().and_then(|text| text.parse().ok()).map(Value::Int).ok_or(CipherError::Mistyped("int")),
        "float" => {
            return text().and_then(|text| text.parse().ok()).map(Value::Float).ok_or(CipherError::Mistyped("float"));
        }
        "bool" => return text().and_then(boolean).map(Value::Bool).ok_or(CipherError::Mistyped("bool")),
        "time" => {
            let time = text().filter(|text| text.parse::<Timestamp>().is_ok());
            return time.map(|time| Value::Time(time.to_owned())).ok_or(CipherError::Mistyped("time"));
        }
        _ => None,
    };
    value.ok_or(CipherError::Type)
}

/// What Go takes for a truth value; SOPS writes `True` and `False`.
fn boolean(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}
