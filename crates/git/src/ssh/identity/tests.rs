use sluice_testkit::ssh::{KeyFormat, KeyPair, KeyType};

use super::*;

fn identity(text: &str, passphrase: &str) -> Result<SshIdentity, IdentityError> {
    SshIdentity::new(Secret::new(text.to_owned()), Some(Secret::new(passphrase.to_owned())))
}

#[test]
fn a_key_pasted_with_blanks_and_carriage_returns_is_read() {
    let key = KeyPair::generate(KeyType::Ed25519, KeyFormat::OpenSsh, "").unwrap();
    let pasted = format!("\r\n  {}", key.private.replace('\n', "\r\n  "));
    let public = identity(&pasted, "").unwrap().decrypt().unwrap().public_key().to_openssh().unwrap();
    assert_eq!(public.trim(), key.public);
}

#[test]
fn what_is_no_private_key_is_refused_without_repeating_it() {
    let public = KeyPair::generate(KeyType::Ed25519, KeyFormat::OpenSsh, "").unwrap().public;
    for (text, expected) in [
        (public.as_str(), "it is not PEM"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n", "it is not PEM"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "its format or key type is not supported"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n", "it is damaged"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "its format is not supported"),
        (&"a".repeat(MAX_BYTES + 1), "it is too long"),
    ] {
        assert_eq!(identity(text, "").unwrap_err(), IdentityError::Parse(expected));
    }
}

#[test]
fn a_key_made_to_keep_a_thread_busy_is_refused_before_any_work() {
    let key = KeyPair::generate(KeyType::Ed25519, KeyFormat::OpenSsh, "secret").unwrap();
    let mut pem = Pem::parse(&key.private).unwrap();
    // The rounds follow the salt of 16 bytes in the options of the key derivation.
    let name = pem.der.windows(6).position(|bytes| bytes == b"bcrypt").unwrap();
    let rounds = name + 6 + 4 + 4 + 16;
    pem.der[rounds..rounds + 4].copy_from_slice(&u32::MAX.to_be_bytes());
    assert_eq!(identity(&pem.text(), "secret"), Err(IdentityError::TooExpensive));
}
