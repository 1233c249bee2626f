use ring::signature::{Ed25519KeyPair, KeyPair};
use sha2::{Digest, Sha256};
use ssh_key::sha2;

use super::*;
use crate::git::testing::{SshKeys, in_hours, keys, outcome, program, run};

const PAYLOAD: &[u8] = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nmessage\n";
const REFUSED: &str = "unable to verify payload with any of the given authorized keys";

fn verified(payload: &[u8], signature: &[u8], authorized: &str) -> Result<String, String> {
    outcome(payload, signature, &keys(&[("keys.sshpub", authorized.as_bytes())]), in_hours(0))
}

fn refused(why: &str) -> Result<String, String> {
    Err(format!("{REFUSED}: {why}"))
}

#[test]
fn each_kind_of_key_verifies_with_each_hash_and_nothing_else_does() {
    let ssh = SshKeys::new();
    for (kind, bits) in [("ed25519", "256"), ("ecdsa", "256"), ("ecdsa", "384"), ("ecdsa", "521"), ("rsa", "3072")] {
        let name = format!("{kind}{bits}");
        let line = ssh.key(&name, kind, bits);
        let other = ssh.key(&format!("{name}-other"), kind, bits);
        for hash in ["hashalg=sha256", "hashalg=sha512"] {
            let signature = ssh.sign(&name, PAYLOAD, &["-n", "git", "-O", hash]);
            assert_eq!(verified(PAYLOAD, &signature, &format!("{other}{line}")), Ok(ssh.fingerprint(&name)), "{name}");
            assert_eq!(verified(b"other payload", &signature, &line), refused("invalid signature"), "{name}");
            assert_eq!(verified(PAYLOAD, &signature, &other), refused("no matching key"), "{name}");
        }
        let signature = ssh.sign(&name, PAYLOAD, &["-n", "file"]);
        assert_eq!(verified(PAYLOAD, &signature, &line), refused("namespace does not match: \"file\""), "{name}");
    }
}

#[test]
fn a_line_may_have_options_and_a_comment_and_must_have_a_key() {
    let ssh = SshKeys::new();
    let line = ssh.key("a", "ed25519", "256");
    let signature = ssh.sign("a", PAYLOAD, &["-n", "git"]);
    let bare = line.split(' ').take(2).collect::<Vec<_>>().join(" ");
    for authorized in [
        format!("# a comment\n\n  \t{line}"),
        format!("{bare}\r\n"),
        bare.replace(' ', "\t "),
        format!("no-pty,command=\"a \\\"b c\\\" # d\",from=\"*.x\" {line}"),
        format!("cert-authority\t{bare} x y # z"),
    ] {
        assert_eq!(verified(PAYLOAD, &signature, &authorized), Ok(ssh.fingerprint("a")), "{authorized}");
    }
    let (kind, base64) = bare.split_once(' ').unwrap();
    let mut certify = program("ssh-keygen");
    run(certify.args(["-q", "-I", "id", "-s"]).arg(ssh.path("a")).arg(ssh.path("a.pub")), b"");
    let certificate = std::fs::read_to_string(ssh.path("a-cert.pub")).unwrap();
    let opaque = {
        let name = "ssh-unheard-of@example.org";
        let blob = [string(name.as_bytes()), string(b"key")].concat();
        format!("{name} {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, blob))
    };
    for (authorized, error) in [
        (base64.to_owned(), AuthorizedKeysError::NoKey { line: 1 }),
        (format!("{line}ssh-rsa {base64}"), AuthorizedKeysError::NoKey { line: 2 }),
        (format!("{kind} {}", &base64[..40]), AuthorizedKeysError::NoKey { line: 1 }),
        (format!("\"open {line}"), AuthorizedKeysError::NoKey { line: 1 }),
        (certificate, AuthorizedKeysError::Certificate { line: 1 }),
        (opaque, AuthorizedKeysError::Unsupported { line: 1 }),
        (format!("{bare}\n").repeat(4097), AuthorizedKeysError::TooMany),
        ("#".repeat((1 << 20) + 1), AuthorizedKeysError::TooLarge),
    ] {
        assert_eq!(AuthorizedKeys::parse(authorized.as_bytes()), Err(error), "{authorized:.80}");
    }
    assert_eq!(AuthorizedKeys::parse(b"\xff"), Err(AuthorizedKeysError::NotText));
}

#[test]
fn a_signature_cut_or_changed_anywhere_is_an_error() {
    let ssh = SshKeys::new();
    let line = ssh.key("a", "ed25519", "256");
    let signature = ssh.sign("a", PAYLOAD, &["-n", "git"]);
    let text = String::from_utf8(signature.clone()).unwrap();
    for at in 0..text.trim_end().len() {
        verified(PAYLOAD, &text.as_bytes()[..at], &line).unwrap_err();
    }
    let body = armour::decode_as(&signature, LABEL).unwrap();
    assert_eq!(verified(PAYLOAD, &armoured(&body), &line), Ok(ssh.fingerprint("a")));
    for at in 0..body.len() {
        verified(PAYLOAD, &armoured(&body[..at]), &line).unwrap_err();
        let mut changed = body.clone();
        changed[at] ^= 0x01;
        verified(PAYLOAD, &armoured(&changed), &line).unwrap_err();
    }
    verified(PAYLOAD, &armoured(&[&body[..], &[0]].concat()), &line).unwrap_err();
    let nested = format!("-----BEGIN SSH SIGNATURE-----\n{text}-----END SSH SIGNATURE-----\n");
    let error = verified(PAYLOAD, nested.as_bytes(), &line);
    assert_eq!(error, refused("unable to unarmor SSH signature: armor within armor"));
}

#[test]
fn a_security_key_must_have_been_touched() {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let kind = "sk-ssh-ed25519@openssh.com";
    let public = [string(kind.as_bytes()), string(pair.public_key().as_ref()), string(b"ssh:")].concat();
    let line = format!("{kind} {}", base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &public));
    let data = SshSig::signed_data("git", HashAlg::Sha512, PAYLOAD).unwrap();
    for (flags, expected) in [(0x01, true), (0x05, true), (0x00, false), (0x04, false)] {
        let trailer = [flags, 0, 0, 0, 9];
        let signed = [&Sha256::digest(b"ssh:")[..], &trailer, &Sha256::digest(&data)].concat();
        let inner = [string(kind.as_bytes()), string(pair.sign(&signed).as_ref()), trailer.to_vec()].concat();
        let parts = [string(&public), string(b"git"), string(b""), string(b"sha512"), string(&inner)].concat();
        let signature = armoured(&[b"SSHSIG\0\0\0\x01", &parts[..]].concat());
        let outcome = verified(PAYLOAD, &signature, &line);
        if expected {
            assert!(outcome.unwrap().starts_with("SHA256:"));
        } else {
            assert_eq!(outcome, refused("user was not present"));
        }
    }
}

#[test]
fn rsa_with_sha1_and_other_versions_are_refused() {
    let ssh = SshKeys::new();
    let line = ssh.key("a", "rsa", "2048");
    let body = armour::decode_as(&ssh.sign("a", PAYLOAD, &["-n", "git"]), LABEL).unwrap();
    let replaced = |from: &[u8], to: &[u8]| {
        let at = body.windows(from.len()).rposition(|window| window == from).unwrap();
        armoured(&[&body[..at], to, &body[at + from.len()..]].concat())
    };
    verified(PAYLOAD, &replaced(b"rsa-sha2-512", b"rsa-sha2-256"), &line).unwrap_err();
    let length = u32::try_from(4 + 7 + 4 + 256).unwrap().to_be_bytes();
    let old = u32::try_from(4 + 12 + 4 + 256).unwrap().to_be_bytes();
    let sha1 = replaced(&[&old[..], &string(b"rsa-sha2-512")].concat(), &[&length[..], &string(b"ssh-rsa")].concat());
    assert_eq!(verified(PAYLOAD, &sha1, &line), refused("unsupported signature algorithm ssh-rsa"));
    let version = replaced(b"SSHSIG\0\0\0\x01", b"SSHSIG\0\0\0\0");
    assert_eq!(verified(PAYLOAD, &version, &line), refused("unsupported version of SSH signature"));
    verified(PAYLOAD, &replaced(b"SSHSIG\0\0\0\x01", b"SSHSIG\0\0\0\x02"), &line).unwrap_err();
}

fn armoured(body: &[u8]) -> Vec<u8> {
    let base64 = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, body);
    format!("-----BEGIN {LABEL}-----\n{base64}\n-----END {LABEL}-----\n").into_bytes()
}

fn string(bytes: &[u8]) -> Vec<u8> {
    [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat()
}
