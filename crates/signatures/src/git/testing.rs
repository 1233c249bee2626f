//! Material for tests: keys and signatures that `gpg` and `ssh-keygen` make, each in a directory of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use jiff::{Span, Timestamp};
use tempfile::TempDir;

use super::{GitSignatureError, Keys, verify};

/// A program of the machine.
#[expect(clippy::disallowed_methods, reason = "a test makes its material with the programs that users sign with")]
pub(crate) fn program(name: &str) -> Command {
    Command::new(name)
}

/// Runs a program to its end; its output.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Vec<u8> {
    let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = spawned.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A home of `gpg`; its agent ends with it.
pub(crate) struct Gpg(TempDir);

impl Gpg {
    pub(crate) fn new() -> Self {
        Self(tempfile::Builder::new().prefix("gpg").tempdir().unwrap())
    }

    pub(crate) fn run(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        let mut command = program("gpg");
        command.env("GNUPGHOME", self.0.path()).args(["--no-tty", "--yes", "--pinentry-mode", "loopback"]);
        run(command.args(["--passphrase", "", "--trust-model", "always"]).args(args), input)
    }

    /// A new key for signing; its fingerprint.
    pub(crate) fn key(&self, name: &str, algorithm: &str, expires: &str) -> String {
        self.run(&["--batch", "--quick-gen-key", name, algorithm, "sign", expires], b"");
        self.fingerprints(name).remove(0)
    }

    /// Of the key and of its subkeys.
    pub(crate) fn fingerprints(&self, name: &str) -> Vec<String> {
        let list = String::from_utf8(self.run(&["--batch", "--with-colons", "--list-keys", name], b"")).unwrap();
        let lines = list.lines().filter_map(|line| line.strip_prefix("fpr:"));
        lines.map(|line| line.trim_matches(':').to_owned()).collect()
    }

    pub(crate) fn export(&self, key: &str) -> Vec<u8> {
        self.run(&["--batch", "--armor", "--export", key], b"")
    }

    /// Signs with exactly this key or subkey.
    pub(crate) fn sign(&self, key: &str, payload: &[u8], options: &[&str]) -> Vec<u8> {
        let user = format!("{key}!");
        let args = [&["--batch", "--armor", "--detach-sign", "--local-user", &user], options].concat();
        self.run(&args, payload)
    }

    pub(crate) fn home(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        drop(program("gpgconf").env("GNUPGHOME", self.0.path()).args(["--kill", "all"]).status());
    }
}

/// A directory of SSH keys.
pub(crate) struct SshKeys(TempDir);

impl SshKeys {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A new key; the line with its public half.
    pub(crate) fn key(&self, name: &str, kind: &str, bits: &str) -> String {
        let mut command = program("ssh-keygen");
        command.args(["-q", "-t", kind, "-b", bits, "-N", "", "-C", "a comment", "-f"]).arg(self.path(name));
        run(&mut command, b"");
        fs::read_to_string(self.path(&format!("{name}.pub"))).unwrap()
    }

    pub(crate) fn sign(&self, name: &str, payload: &[u8], options: &[&str]) -> Vec<u8> {
        let mut command = program("ssh-keygen");
        command.args(["-Y", "sign", "-f"]).arg(self.path(name)).args(options);
        run(&mut command, payload)
    }

    /// As `ssh-keygen` displays it.
    pub(crate) fn fingerprint(&self, name: &str) -> String {
        let mut command = program("ssh-keygen");
        let output = run(command.args(["-l", "-f"]).arg(self.path(name)), b"");
        String::from_utf8(output).unwrap().split(' ').nth(1).unwrap().to_owned()
    }
}

/// The keys of a Secret with these entries.
pub(crate) fn keys(entries: &[(&str, &[u8])]) -> Keys {
    let entries = entries.iter().map(|(name, value)| ((*name).to_owned(), value.to_vec()));
    Keys::from_secret(&entries.collect::<BTreeMap<_, _>>())
}

/// What verifying gives: the key, or the whole error.
pub(crate) fn outcome(payload: &[u8], signature: &[u8], keys: &Keys, now: Timestamp) -> Result<String, String> {
    verify(payload, signature, keys, now).map(|id| id.to_string()).map_err(|error| chain(&error))
}

pub(crate) fn in_hours(hours: i64) -> Timestamp {
    Timestamp::now() + Span::new().hours(hours)
}

fn chain(error: &GitSignatureError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
