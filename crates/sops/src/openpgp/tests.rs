use pgp::composed::{
    ArmorOptions, EncryptionCaps, KeyType, MessageBuilder, SecretKeyParamsBuilder, SignedPublicKey, SubkeyParamsBuilder,
};
use pgp::crypto::ecc_curve::ECCCurve;
use pgp::crypto::sym::SymmetricKeyAlgorithm;
use pgp::types::CompressionAlgorithm;

use super::*;

fn key(own: KeyType, for_encryption: KeyType, password: Option<&str>) -> SignedSecretKey {
    let password = password.map(str::to_owned);
    let subkey = SubkeyParamsBuilder::default()
        .key_type(for_encryption)
        .can_encrypt(EncryptionCaps::All)
        .passphrase(password.clone())
        .build()
        .unwrap();
    let params = SecretKeyParamsBuilder::default()
        .key_type(own)
        .can_certify(true)
        .primary_user_id("a <a@example.org>".to_owned())
        .passphrase(password)
        .subkey(subkey)
        .build()
        .unwrap();
    params.generate(rand::thread_rng()).unwrap()
}

fn armored(key: &SignedSecretKey) -> Vec<u8> {
    key.to_armored_bytes(ArmorOptions::default()).unwrap()
}

fn message(keys: &[&SignedSecretKey], content: &[u8], compress: bool) -> String {
    let mut rng = rand::thread_rng();
    let mut builder =
        MessageBuilder::from_bytes("", content.to_vec()).seipd_v1(&mut rng, SymmetricKeyAlgorithm::AES256);
    if compress {
        builder.compression(CompressionAlgorithm::ZLIB);
    }
    for key in keys {
        let public = SignedPublicKey::from((*key).clone());
        builder.encrypt_to_key(&mut rng, &public.public_subkeys[0]).unwrap();
    }
    builder.to_armored_string(&mut rng, ArmorOptions::default()).unwrap()
}

fn keys(keys: &[&SignedSecretKey]) -> Keys {
    let mut made = Keys::default();
    for key in keys {
        made.import(&armored(key)).unwrap();
    }
    made
}

#[test]
fn keys_of_each_kind_open_what_is_for_them_and_nothing_else() {
    let rsa = key(KeyType::Ed25519Legacy, KeyType::Rsa(2048), None);
    let x25519 = key(KeyType::Ed25519Legacy, KeyType::ECDH(ECCCurve::Curve25519Legacy), None);
    let nist = key(KeyType::ECDSA(ECCCurve::P256), KeyType::ECDH(ECCCurve::P256), None);
    let all = [&rsa, &x25519, &nist];
    for (index, own) in all.into_iter().enumerate() {
        for compress in [false, true] {
            let sealed = message(&[own], b"data key", compress);
            assert_eq!(keys(&[own]).decrypt(&sealed).unwrap().expose(), b"data key", "{index}");
            assert_eq!(keys(&all).decrypt(&sealed).unwrap().expose(), b"data key", "{index}");
            let others = keys(&[all[(index + 1) % 3]]);
            assert!(matches!(others.decrypt(&sealed), Err(OpenPgpError::NoMatch)), "{index}");
        }
    }
    let for_two = message(&[&x25519, &nist], b"data key", false);
    assert_eq!(keys(&[&nist]).decrypt(&for_two).unwrap().expose(), b"data key");
    assert!(matches!(Keys::default().decrypt(&for_two), Err(OpenPgpError::NoKeys)));
}

#[test]
fn a_key_with_a_passphrase_opens_nothing() {
    let locked = key(KeyType::Ed25519Legacy, KeyType::ECDH(ECCCurve::Curve25519Legacy), Some("pass"));
    let sealed = message(&[&locked], b"data key", false);
    assert!(matches!(keys(&[&locked]).decrypt(&sealed), Err(OpenPgpError::NoMatch)));
}

#[test]
fn a_message_of_more_than_a_data_key_is_refused() {
    let own = key(KeyType::Ed25519Legacy, KeyType::ECDH(ECCCurve::Curve25519Legacy), None);
    let bomb = message(&[&own], &vec![0; 1 << 20], true);
    assert!(matches!(keys(&[&own]).decrypt(&bomb), Err(OpenPgpError::Content)));
    let ring = keys(&[&own]);
    for text in ["", "nonsense", "-----BEGIN PGP MESSAGE-----\n\n=AAAA\n-----END PGP MESSAGE-----\n"] {
        assert!(ring.decrypt(text).is_err(), "{text}");
    }
    assert!(matches!(ring.decrypt(&"x".repeat(MAX_MESSAGE_BYTES + 1)), Err(OpenPgpError::TooLarge)));
}

#[test]
fn what_is_no_private_key_is_refused() {
    let own = key(KeyType::Ed25519Legacy, KeyType::ECDH(ECCCurve::Curve25519Legacy), None);
    let public = SignedPublicKey::from(own).to_armored_bytes(ArmorOptions::default()).unwrap();
    let large = vec![b'x'; MAX_KEY_FILE_BYTES + 1];
    for bad in [b"".as_slice(), b"nonsense", &public, &large] {
        let mut keys = Keys::default();
        assert!(keys.import(bad).is_err());
        assert!(keys.is_empty());
    }
}
