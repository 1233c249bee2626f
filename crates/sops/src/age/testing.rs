//! Sealing, for documents of the tests.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, Nonce, UnboundKey};
use x25519_dalek::{PublicKey, StaticSecret};

use super::{bech32, kdf, x25519};

/// An identity made of one byte: its line, and its recipient.
pub(crate) fn identity(byte: u8) -> (String, String) {
    let public = *x25519::Identity::new(&[byte; 32]).public();
    (bech32::encode("age-secret-key-", &[byte; 32]).to_ascii_uppercase(), bech32::encode("age", &public))
}

fn seal(key: &kdf::Key, nonce: [u8; 12], plain: &[u8]) -> Vec<u8> {
    let key = LessSafeKey::new(UnboundKey::new(&CHACHA20_POLY1305, &key[..]).unwrap());
    let mut sealed = plain.to_vec();
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::empty(), &mut sealed).unwrap();
    sealed
}

/// An armoured file for the identities made of these bytes.
pub(crate) fn encrypt(plain: &[u8], recipients: &[u8]) -> String {
    let file_key = [42_u8; 16];
    let mut header = "age-encryption.org/v1\n".to_owned();
    for &byte in recipients {
        let public = *x25519::Identity::new(&[byte; 32]).public();
        let ephemeral = StaticSecret::from([byte ^ 0x55; 32]);
        let share = *PublicKey::from(&ephemeral).as_bytes();
        let shared = ephemeral.diffie_hellman(&PublicKey::from(public));
        let key = kdf::derive(shared.as_bytes(), &[share, public].concat(), x25519::INFO);
        let body = STANDARD_NO_PAD.encode(seal(&key, [0; 12], &file_key));
        header = format!("{header}-> X25519 {}\n{body}\n", STANDARD_NO_PAD.encode(share));
    }
    header.push_str("---");
    let mac = kdf::mac(&kdf::derive(&file_key, &[], b"header")[..], &[header.as_bytes()]);
    let mut file = format!("{header} {}\n", STANDARD_NO_PAD.encode(&mac[..])).into_bytes();
    let nonce = [7_u8; 16];
    file.extend(nonce);
    let key = kdf::derive(&file_key, &nonce, b"payload");
    let mut last = [0; 12];
    last[11] = 1;
    file.extend(seal(&key, last, plain));
    let text = STANDARD.encode(file);
    let lines: Vec<&str> = text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN AGE ENCRYPTED FILE-----\n{}\n-----END AGE ENCRYPTED FILE-----\n", lines.join("\n"))
}
