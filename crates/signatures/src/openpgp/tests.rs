use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pgp::composed::{DetachedSignature, KeyType, SecretKeyParamsBuilder, SubkeyParamsBuilder};
use pgp::crypto::hash::HashAlgorithm;
use pgp::ser::Serialize;
use pgp::types::Password;

use super::*;
use crate::git::testing::{Gpg, in_hours, keys, outcome};

const PAYLOAD: &[u8] = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nmessage\n";

fn verified_at(hours: i64, payload: &[u8], signature: &[u8], ring: &[u8]) -> Result<String, String> {
    outcome(payload, signature, &keys(&[("ring.asc", ring)]), in_hours(hours))
}

fn verified(signature: &[u8], ring: &[u8]) -> Result<String, String> {
    verified_at(0, PAYLOAD, signature, ring)
}

fn refused(why: &str) -> Result<String, String> {
    Err(format!("unable to verify payload with any of the given key rings: {why}"))
}

/// The id as it is displayed.
fn id(fingerprint: &str) -> String {
    fingerprint[24..].to_owned()
}

#[test]
fn each_kind_of_key_verifies_its_payload_and_no_other() {
    let gpg = Gpg::new();
    for algorithm in ["ed25519", "rsa3072", "nistp256", "nistp384", "nistp521", "dsa2048"] {
        let key = gpg.key(&format!("{algorithm} <a@example.org>"), algorithm, "never");
        let ring = gpg.export(&key);
        for options in [&[][..], &["--digest-algo", "SHA512"], &["--textmode"]] {
            let signature = gpg.sign(&key, PAYLOAD, options);
            assert_eq!(verified(&signature, &ring), Ok(id(&key)), "{algorithm} {options:?}");
            let other = verified_at(0, b"other payload", &signature, &ring);
            assert_eq!(other, refused("invalid signature"), "{algorithm}");
        }
    }
}

#[test]
fn another_key_does_not_verify() {
    let gpg = Gpg::new();
    let (a, b) = (gpg.key("a <a@example.org>", "ed25519", "never"), gpg.key("b <b@example.org>", "ed25519", "never"));
    let signature = gpg.sign(&a, PAYLOAD, &[]);
    assert_eq!(verified(&signature, &gpg.export(&b)), refused("no matching key"));
    let both = gpg.run(&["--batch", "--armor", "--export", &b, &a], b"");
    assert_eq!(verified(&signature, &both), Ok(id(&a)));
}

#[test]
fn weak_hashes_and_unknown_critical_notations_are_refused() {
    let gpg = Gpg::new();
    let key = gpg.key("a <a@example.org>", "rsa2048", "never");
    let ring = gpg.export(&key);
    for (options, why) in [
        (&["--digest-algo", "SHA1"][..], "unsupported hash function SHA1"),
        (&["--digest-algo", "RIPEMD160", "--allow-weak-digest-algos"], "unsupported hash function RIPEMD160"),
        (&["--sig-notation", "!a@example.org=b"], "unknown critical subpacket or notation"),
    ] {
        let signature = gpg.sign(&key, PAYLOAD, options);
        assert_eq!(verified(&signature, &ring), refused(&format!("signature not accepted: {why}")));
    }
    let signature = gpg.sign(&key, PAYLOAD, &["--sig-notation", "a@example.org=b"]);
    assert_eq!(verified(&signature, &ring), Ok(id(&key)));
}

#[test]
fn a_subkey_for_signing_counts_for_its_primary_key() {
    let gpg = Gpg::new();
    let key = gpg.key("a <a@example.org>", "ed25519", "never");
    gpg.run(&["--batch", "--quick-add-key", &key, "rsa2048", "sign", "10d"], b"");
    gpg.run(&["--batch", "--quick-add-key", &key, "cv25519", "encrypt", "never"], b"");
    let subkey = gpg.fingerprints(&key).remove(1);
    let (signature, ring) = (gpg.sign(&subkey, PAYLOAD, &[]), gpg.export(&key));
    assert_eq!(verified(&signature, &ring), Ok(id(&key)));
    let not_accepted = |why: &str| refused(&format!("key '{}' not accepted: {why}", id(&key)));
    assert_eq!(verified_at(11 * 24, PAYLOAD, &signature, &ring), not_accepted("key expired"));
    let primary = gpg.sign(&key, PAYLOAD, &[]);
    assert_eq!(verified_at(11 * 24, PAYLOAD, &primary, &ring), Ok(id(&key)));

    gpg.run(&["--command-fd", "0", "--edit-key", &key], b"key 1\nrevkey\ny\n0\n\ny\nsave\n");
    let revoked = gpg.export(&key);
    assert_eq!(verified(&signature, &revoked), not_accepted("key revoked"));
    assert_eq!(verified(&primary, &revoked), Ok(id(&key)));
}

#[test]
fn lifetimes_are_judged_at_the_time_that_is_given() {
    let gpg = Gpg::new();
    let key = gpg.key("a <a@example.org>", "ed25519", "2d");
    let ring = gpg.export(&key);
    let (signature, short) = (gpg.sign(&key, PAYLOAD, &[]), gpg.sign(&key, PAYLOAD, &["--default-sig-expire", "1d"]));
    let not_accepted = |why: &str| refused(&format!("key '{}' not accepted: {why}", id(&key)));
    assert_eq!(verified_at(47, PAYLOAD, &signature, &ring), Ok(id(&key)));
    assert_eq!(verified_at(49, PAYLOAD, &signature, &ring), not_accepted("key expired"));
    assert_eq!(verified_at(-1, PAYLOAD, &signature, &ring), not_accepted("key expired"));
    assert_eq!(verified_at(23, PAYLOAD, &short, &ring), Ok(id(&key)));
    assert_eq!(verified_at(25, PAYLOAD, &short, &ring), not_accepted("signature expired"));

    gpg.run(&["--batch", "--quick-set-expire", &key, "10d"], b"");
    assert_eq!(verified_at(49, PAYLOAD, &signature, &gpg.export(&key)), Ok(id(&key)));
}

#[test]
fn a_revoked_key_does_not_count_and_a_revocation_by_a_stranger_spoils_it() {
    let gpg = Gpg::new();
    let key = gpg.key("a <a@example.org>", "ed25519", "never");
    let other = gpg.key("b <b@example.org>", "ed25519", "never");
    let signature = gpg.sign(&key, PAYLOAD, &[]);
    let ring = armour::decode_as(&gpg.export(&key), "PGP PUBLIC KEY BLOCK").unwrap();
    let revocation = |of: &str| {
        let path = gpg.home().join("openpgp-revocs.d").join(format!("{of}.rev"));
        let text = std::fs::read_to_string(path).unwrap().replace(":-----BEGIN", "-----BEGIN");
        armour::decode_as(text.as_bytes(), "PGP PUBLIC KEY BLOCK").unwrap()
    };
    let revoked = [&ring[..], &revocation(&key)].concat();
    let not_accepted = refused(&format!("key '{}' not accepted: key revoked", id(&key)));
    assert_eq!(verified(&signature, &revoked), not_accepted);
    let error = Ring::parse(&[&ring[..], &revocation(&other)].concat()).unwrap_err();
    assert_eq!(error.to_string(), "no usable key");
    assert_eq!(error, RingError::NoUsableKey(certificate::CertificateError::Revocation));
}

#[test]
fn one_of_two_user_ids_may_be_revoked() {
    let gpg = Gpg::new();
    let key = gpg.key("a <a@example.org>", "ed25519", "never");
    gpg.run(&["--batch", "--quick-add-uid", &key, "b <b@example.org>"], b"");
    gpg.run(&["--batch", "--quick-revoke-uid", &key, "b <b@example.org>"], b"");
    assert_eq!(verified(&gpg.sign(&key, PAYLOAD, &[]), &gpg.export(&key)), Ok(id(&key)));
}

#[test]
fn the_newest_version_of_keys_and_signatures_verifies() {
    let subkey = SubkeyParamsBuilder::default()
        .version(pgp::types::KeyVersion::V6)
        .key_type(KeyType::Ed25519)
        .can_sign(true)
        .build()
        .unwrap();
    let params = SecretKeyParamsBuilder::default()
        .version(pgp::types::KeyVersion::V6)
        .key_type(KeyType::Ed25519)
        .can_sign(true)
        .subkeys(vec![subkey])
        .build()
        .unwrap();
    let secret = params.generate(rand::thread_rng()).unwrap();
    let ring = secret.to_public_key().to_bytes().unwrap();
    let expected = hex::encode_upper(secret.to_public_key().legacy_key_id());
    let password = Password::empty();
    let sign = |with_subkey: bool, hash: HashAlgorithm| {
        let mut random = rand::thread_rng();
        let signature = if with_subkey {
            DetachedSignature::sign_binary_data(&mut random, &secret.secret_subkeys[0].key, &password, hash, PAYLOAD)
        } else {
            DetachedSignature::sign_binary_data(&mut random, &secret.primary_key, &password, hash, PAYLOAD)
        };
        signature.unwrap().to_armored_bytes(None.into()).unwrap()
    };
    for hash in [HashAlgorithm::Sha256, HashAlgorithm::Sha3_512] {
        assert_eq!(verified(&sign(false, hash), &ring), Ok(expected.clone()));
        assert_eq!(verified(&sign(true, hash), &ring), Ok(expected.clone()));
    }
    let changed = verified_at(0, b"other", &sign(true, HashAlgorithm::Sha512), &ring);
    assert_eq!(changed, refused("invalid signature"));
}

#[test]
fn a_signature_cut_or_changed_anywhere_is_an_error() {
    let gpg = Gpg::new();
    let key = gpg.key("a <a@example.org>", "ed25519", "never");
    let (signature, ring) = (gpg.sign(&key, PAYLOAD, &[]), keys(&[("a.asc", &gpg.export(&key))]));
    let verified = |signature: &[u8]| outcome(PAYLOAD, signature, &ring, in_hours(0));
    let text = String::from_utf8(signature.clone()).unwrap();
    for at in 0..text.trim_end().len() {
        verified(&text.as_bytes()[..at]).unwrap_err();
    }
    let body = armour::decode_as(&signature, LABEL).unwrap();
    let hashed_end = 8 + usize::from(u16::from_be_bytes([body[6], body[7]]));
    for at in 0..body.len() {
        verified(&armoured(&body[..at])).unwrap_err();
        let mut changed = body.clone();
        changed[at] ^= 0x01;
        // What is not hashed is hints and lengths in bits: another value of those may still be a coding of the same signature.
        let outcome = verified(&armoured(&changed));
        assert!(outcome.is_err() || (at >= hashed_end && outcome == Ok(id(&key))), "{at}");
    }
    let nested = format!("-----BEGIN PGP SIGNATURE-----\n{text}-----END PGP SIGNATURE-----\n");
    assert_eq!(verified(nested.as_bytes()), refused("unable to unarmor PGP signature: armor within armor"));
    assert_eq!(verified(&armoured(&body.repeat(16))), Ok(id(&key)));
    assert_eq!(verified(&armoured(&body.repeat(17))), refused("more than 16 PGP signatures"));
    assert_eq!(verified(&armoured(b"")), refused("malformed PGP signature"));
}

#[test]
fn a_ring_cut_or_changed_anywhere_never_makes_another_key_count() {
    let gpg = Gpg::new();
    let key = gpg.key("a <a@example.org>", "ed25519", "never");
    let bytes = gpg.run(&["--batch", "--export", &key], b"");
    Ring::parse(&bytes).unwrap();
    let signature = gpg.sign(&key, PAYLOAD, &[]);
    for at in 0..bytes.len() {
        Ring::parse(&bytes[..at]).unwrap_err();
        for bits in [0x01, 0x80, 0xff] {
            let mut changed = bytes.clone();
            changed[at] ^= bits;
            let outcome = verified(&signature, &changed);
            assert!(outcome.is_err() || outcome == Ok(id(&key)), "{at}");
        }
    }
    let huge = vec![b'a'; MAX_KEYS + 1];
    assert_eq!(Ring::parse(&huge).unwrap_err(), RingError::TooLarge);
    // Marker packets, which mean nothing.
    let packets = b"\xca\x03PGP".repeat(4097);
    assert_eq!(Ring::parse(&packets).unwrap_err(), RingError::TooManyPackets);
    // A packet that says to be of 4 GiB.
    assert_eq!(Ring::parse(b"\xc6\xff\xff\xff\xff\xff\x04").unwrap_err(), RingError::Empty);
    assert_eq!(Ring::parse(&signature).unwrap_err(), RingError::Label(LABEL.to_owned()));
}

#[test]
fn a_subkey_that_did_not_agree_to_be_adopted_does_not_count() {
    let gpg = Gpg::new();
    let key = gpg.key("a <a@example.org>", "ed25519", "never");
    gpg.run(&["--batch", "--quick-add-key", &key, "ed25519", "sign", "never"], b"");
    let subkey = gpg.fingerprints(&key).remove(1);
    let signature = gpg.sign(&subkey, PAYLOAD, &[]);
    let ring = gpg.run(&["--batch", "--export", &key], b"");
    assert_eq!(verified(&signature, &ring), Ok(id(&key)));
    // The agreement is the last thing of the last packet but one signature of 64 bytes and its lengths: one bit of it is enough.
    let mut spoiled = ring.clone();
    let at = ring.len() - 64 - 4 - 2 - 20;
    spoiled[at] ^= 0x01;
    assert_eq!(verified(&signature, &spoiled), refused("no matching key"));
}

const MAX_KEYS: usize = crate::git::MAX_KEYS_BYTES;

fn armoured(body: &[u8]) -> Vec<u8> {
    format!("-----BEGIN {LABEL}-----\n\n{}\n-----END {LABEL}-----\n", STANDARD.encode(body)).into_bytes()
}
