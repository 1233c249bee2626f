//! Encrypted documents, made for the tests.

use aes_gcm::aead::consts::U32;
use aes_gcm::aead::{Aead as _, KeyInit as _, Payload};
use aes_gcm::aes::Aes256;
use aes_gcm::{AesGcm, Nonce};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The data key of all of them.
pub(crate) const KEY: [u8; 32] = [5; 32];

/// The identity that opens it.
pub(crate) const IDENTITY: u8 = 1;

/// An encrypted value of a type, at a path (`a:b:`).
pub(crate) fn sealed(plain: &[u8], kind: &str, path: &str) -> String {
    let cipher = AesGcm::<Aes256, U32>::new_from_slice(&KEY).unwrap();
    let nonce = [9; 32];
    let payload = Payload { msg: plain, aad: path.as_bytes() };
    let out = cipher.encrypt(&Nonce::<U32>::from(nonce), payload).unwrap();
    let (data, tag) = out.split_at(out.len() - 16);
    let [data, nonce, tag] = [data, &nonce[..], tag].map(|part| STANDARD.encode(part));
    format!("ENC[AES256_GCM,data:{data},iv:{nonce},tag:{tag},type:{kind}]")
}

/// A text.
pub(crate) fn text(plain: &str, path: &str) -> String {
    sealed(plain.as_bytes(), "str", path)
}

/// The file that seals [`KEY`] for [`IDENTITY`].
pub(crate) fn sealed_key() -> String {
    crate::age::testing::encrypt(&KEY, &[IDENTITY])
}

/// Metadata of a YAML document, with more fields.
pub(crate) fn yaml_metadata(more: &str) -> String {
    let enc = format!("            {}\n", sealed_key().trim().replace('\n', "\n            "));
    format!(
        "sops:\n    age:\n        - recipient: age1x\n          enc: |\n{enc}    lastmodified: \"2024-01-01T00:00:00Z\"\n    mac: {}\n{more}    version: 3.9.0\n",
        text("mac", "x:")
    )
}
