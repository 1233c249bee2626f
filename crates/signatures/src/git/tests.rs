use std::path::Path;

use super::testing::{Gpg, SshKeys, in_hours, keys, outcome, program, run};
use super::*;

const PAYLOAD: &[u8] = b"tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n\nmessage\n";

#[test]
fn the_kind_of_a_signature_is_what_its_armour_says() {
    for (signature, kind) in [
        ("-----BEGIN PGP SIGNATURE-----\n", SignatureType::OpenPgp),
        (" \n-----BEGIN SSH SIGNATURE-----", SignatureType::Ssh),
        ("-----BEGIN SIGNED MESSAGE-----", SignatureType::X509),
        ("-----BEGIN PGP MESSAGE-----", SignatureType::Unknown),
        ("x-----BEGIN PGP SIGNATURE-----", SignatureType::Unknown),
        ("\n", SignatureType::Unknown),
        ("", SignatureType::Empty),
    ] {
        assert_eq!(SignatureType::of(signature.as_bytes()), kind, "{signature:?}");
    }
}

#[test]
fn what_is_not_there_or_not_supported_is_said_in_the_words_of_the_contract() {
    let none = keys(&[]);
    let refused = |signature: &str, keys: &Keys| outcome(PAYLOAD, signature.as_bytes(), keys, in_hours(0)).unwrap_err();
    assert_eq!(refused("-----BEGIN SIGNED MESSAGE-----", &none), "unsupported signature type: x509");
    assert_eq!(refused("", &none), "unsupported signature type: empty");
    assert_eq!(refused("hello", &none), "unsupported signature type: unknown");
    assert_eq!(
        refused("-----BEGIN PGP SIGNATURE-----", &keys(&[("a.sshpub", b"")])),
        "PGP signature detected but no PGP public keys found in secret (keys with .asc suffix)"
    );
    assert_eq!(
        refused("-----BEGIN SSH SIGNATURE-----", &keys(&[("a.asc", b""), ("identity", b"")])),
        "SSH signature detected but no SSH public keys found in secret (keys with .sshpub suffix)"
    );
    let large = format!("-----BEGIN SSH SIGNATURE-----{}", "a".repeat(MAX_SIGNATURE_BYTES));
    assert_eq!(refused(&large, &none), "signature larger than 65536 bytes");
    let empty = outcome(b"", b"-----BEGIN SSH SIGNATURE-----", &none, in_hours(0));
    assert_eq!(empty.unwrap_err(), "unable to verify payload: payload is empty");
}

#[test]
fn a_malformed_entry_counts_only_when_no_other_of_its_kind_can_be_read() {
    let (gpg, ssh) = (Gpg::new(), SshKeys::new());
    let fingerprint = gpg.key("a <a@example.org>", "ed25519", "never");
    let (ring, other) = (gpg.export(&fingerprint), gpg.key("b <b@example.org>", "ed25519", "never"));
    let other = gpg.export(&other);
    let signature = gpg.sign(&fingerprint, PAYLOAD, &[]);
    let good = Ok(fingerprint[24..].to_owned());
    let verified = |entries: &[(&str, &[u8])]| outcome(PAYLOAD, &signature, &keys(entries), in_hours(0));
    assert_eq!(verified(&[("a.asc", b"broken"), ("b.asc", &other), ("c.asc", &ring)]), good);
    assert_eq!(verified(&[("old-name", &ring), ("x.sshpub", b"broken")]), good);
    assert_eq!(verified(&[("both.asc", &[&other[..], &ring].concat())]), good);
    let binary = gpg.run(&["--batch", "--export", &fingerprint], b"");
    assert_eq!(verified(&[("binary", &binary)]), good);
    let secret = gpg.run(&["--batch", "--armor", "--export-secret-keys", &fingerprint], b"");
    assert_eq!(verified(&[("secret.asc", &secret)]), good);
    assert_eq!(
        verified(&[("a.asc", b"broken"), ("b.asc", &other)]).unwrap_err(),
        "unable to verify payload with any of the given key rings: no matching key"
    );
    assert_eq!(
        verified(&[("a.asc", b"broken"), ("b.asc", b"\x80")]).unwrap_err(),
        "unable to read armored key ring: key 'a.asc': no armored data found"
    );

    let line = ssh.key("a", "ed25519", "256");
    let signature = ssh.sign("a", PAYLOAD, &["-n", "git"]);
    let verified = |entries: &[(&str, &[u8])]| outcome(PAYLOAD, &signature, &keys(entries), in_hours(0));
    assert_eq!(verified(&[("a.sshpub", b"broken"), ("b.sshpub", line.as_bytes())]), Ok(ssh.fingerprint("a")));
    assert_eq!(
        verified(&[("a.sshpub", b"# none\n\nbroken"), ("b.asc", &ring)]).unwrap_err(),
        "unable to parse authorized keys: key 'a.sshpub': line 3: no key found"
    );
}

#[test]
fn what_git_signs_verifies() {
    let (gpg, ssh, directory) = (Gpg::new(), SshKeys::new(), tempfile::tempdir().unwrap());
    let fingerprint = gpg.key("a <a@example.org>", "ed25519", "never");
    let line = ssh.key("a", "ed25519", "256");
    let keys = keys(&[("a.asc", &gpg.export(&fingerprint)), ("a.sshpub", line.as_bytes())]);
    let git = |args: &[&str]| git(directory.path(), gpg.home(), args);
    let verified = |payload: &[u8], signature: &[u8]| outcome(payload, signature, &keys, in_hours(0)).unwrap();
    git(&["init", "-q", "."]);
    let (private, openpgp) = (ssh.path("a"), format!("{fingerprint}!"));
    for (format, key, expected) in
        [("ssh", private.to_str().unwrap(), ssh.fingerprint("a")), ("openpgp", &openpgp, fingerprint[24..].to_owned())]
    {
        git(&["config", "gpg.format", format]);
        git(&["config", "user.signingKey", key]);
        git(&["commit", "-q", "--allow-empty", "-S", "-m", "a message"]);
        let (payload, signature) = split(&git(&["cat-file", "commit", "HEAD"]));
        assert_eq!(verified(payload.as_bytes(), signature.as_bytes()), expected);
        outcome(format!("{payload}more").as_bytes(), signature.as_bytes(), &keys, in_hours(0)).unwrap_err();
        git(&["tag", "-s", "-m", "a message", format]);
        let tag = git(&["cat-file", "tag", format]);
        let (payload, signature) = tag.split_at(tag.find("-----BEGIN").unwrap());
        assert_eq!(verified(payload.as_bytes(), signature.as_bytes()), expected);
    }
}

fn git(directory: &Path, gnupg: &Path, args: &[&str]) -> String {
    let mut command = program("git");
    command.current_dir(directory).env("GNUPGHOME", gnupg).env("GIT_CONFIG_GLOBAL", "/dev/null");
    command.args(["-c", "user.name=a", "-c", "user.email=a@example.org"]).args(args);
    String::from_utf8(run(&mut command, b"")).unwrap()
}

/// The header `gpgsig` with its continuation, and all else.
fn split(commit: &str) -> (String, String) {
    let (before, rest) = commit.split_once("gpgsig ").unwrap();
    let end = rest.find("\n\n").unwrap();
    let (signature, message) = rest.split_at(end + 1);
    (format!("{before}{message}"), signature.replace("\n ", "\n"))
}
