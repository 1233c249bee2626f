//! OpenSSH serving Git repositories on loopback.
//!
//! A real `sshd` with a configuration of its own, run by whoever runs the tests; the only account is therefore that user's. Every command
//! goes through one script, which serves the repositories of a temporary directory and notes what was asked.
//!
//! Deliberately no passwords and no PAM: keys only.

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use tempfile::TempDir;
use url::Url;

use crate::git::{WorkingCopy, run_git};
use crate::supervise::{Program, Supervised};
use crate::tools::program;

/// How long the server may take to start.
const START: Duration = Duration::from_secs(20);

/// How often another port is tried when somebody took the one that was free.
const ATTEMPTS: usize = 3;

/// What serves the repositories. `$1` is the directory of everything. In stalled mode the client is heard and never answered.
const SERVE: &str = r#"#!/bin/sh
dir=$1
echo "$SSH_ORIGINAL_COMMAND GIT_PROTOCOL=$GIT_PROTOCOL" >>"$dir/commands"
if [ -e "$dir/stalled" ]; then
  cat >/dev/null
  echo ended >>"$dir/commands"
  exit 1
fi
eval "set -- $SSH_ORIGINAL_COMMAND"
if [ "$1" != git-upload-pack ]; then
  echo "no shell here" >&2
  exit 1
fi
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
exec git upload-pack "$dir/repositories$2"
"#;

/// A kind of SSH key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyType {
    /// Ed25519.
    Ed25519,
    /// ECDSA on NIST P-256.
    EcdsaP256,
    /// ECDSA on NIST P-384.
    EcdsaP384,
    /// ECDSA on NIST P-521.
    EcdsaP521,
    /// RSA with 2048 bits.
    Rsa,
}

impl KeyType {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Ed25519, Self::EcdsaP256, Self::EcdsaP384, Self::EcdsaP521, Self::Rsa];

    fn arguments(self) -> [&'static str; 4] {
        match self {
            Self::Ed25519 => ["-t", "ed25519", "-b", "256"],
            Self::EcdsaP256 => ["-t", "ecdsa", "-b", "256"],
            Self::EcdsaP384 => ["-t", "ecdsa", "-b", "384"],
            Self::EcdsaP521 => ["-t", "ecdsa", "-b", "521"],
            Self::Rsa => ["-t", "rsa", "-b", "2048"],
        }
    }
}

/// How a private key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFormat {
    /// OpenSSH's own.
    OpenSsh,
    /// PKCS#8 in PEM. Not for Ed25519.
    Pkcs8,
    /// The older form of each type, PEM. Not for Ed25519.
    Pem,
}

/// A key pair.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// The private key's text.
    pub private: String,
    /// Type and base64 of the public key, without a comment.
    pub public: String,
}

impl KeyPair {
    /// A new pair; an empty passphrase leaves the private key plain.
    ///
    /// # Errors
    /// When `ssh-keygen` is missing or fails.
    pub fn generate(kind: KeyType, format: KeyFormat, passphrase: &str) -> anyhow::Result<Self> {
        let dir = tempfile::tempdir()?;
        let path = dir.path().join("key");
        Self::generate_at(&path, kind, format, passphrase)
    }

    fn generate_at(path: &Path, kind: KeyType, format: KeyFormat, passphrase: &str) -> anyhow::Result<Self> {
        let format: &[&str] = match format {
            KeyFormat::OpenSsh => &[],
            KeyFormat::Pkcs8 => &["-m", "PKCS8"],
            KeyFormat::Pem => &["-m", "PEM"],
        };
        let file = path.to_str().context("path is not UTF-8")?;
        let arguments = [&["-q", "-N", passphrase, "-C", "", "-f", file][..], &kind.arguments(), format].concat();
        keygen(&arguments)?;
        let private = std::fs::read_to_string(path)?;
        let public = std::fs::read_to_string(path.with_extension("pub"))?.trim().to_owned();
        Ok(Self { private, public })
    }
}

/// How an [`SshServer`] answers.
#[derive(Clone, Debug)]
pub struct SshServerOptions {
    /// Let the client choose the protocol's version, as few servers do: without it everybody gets version 0.
    pub accept_git_protocol: bool,
    /// The host keys.
    pub host_keys: Vec<KeyType>,
    /// Give every host key a certificate of an authority made for this server, with these names.
    pub certified_names: Option<String>,
    /// More lines of `sshd_config`.
    pub config: Vec<String>,
}

impl Default for SshServerOptions {
    fn default() -> Self {
        Self { accept_git_protocol: true, host_keys: vec![KeyType::Ed25519], certified_names: None, config: Vec::new() }
    }
}

/// A running server; it stops when dropped.
pub struct SshServer {
    _sshd: Supervised,
    dir: TempDir,
    user: String,
    port: u16,
    host_keys: Vec<String>,
    authority: Option<String>,
}

impl SshServer {
    /// Starts a server on a free loopback port, without repositories and without anybody who may log in.
    ///
    /// # Errors
    /// When `sshd` or `ssh-keygen` is missing, or the server does not start.
    pub fn start(options: &SshServerOptions) -> anyhow::Result<Self> {
        let sshd = program("sshd")?;
        let dir = tempfile::tempdir()?;
        std::fs::create_dir(dir.path().join("repositories"))?;
        for (name, text, mode) in [("authorized_keys", "", 0o600), ("commands", "", 0o600), ("serve", SERVE, 0o700)] {
            let path = dir.path().join(name);
            std::fs::write(&path, text)?;
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
        }
        let user = output("id", &["-un"])?;
        if user == "root" {
            // Where sshd goes to be nobody. Only root's needs it, and only root can make it.
            std::fs::create_dir_all("/run/sshd").context("make sshd's empty directory")?;
        }
        let (host_keys, authority) = make_host_keys(dir.path(), options)?;
        let mut failure = None;
        for _ in 0..ATTEMPTS {
            let [port] = crate::wait::free_ports()?;
            std::fs::write(dir.path().join("sshd_config"), config(dir.path(), port, options)?)?;
            match run(&sshd, dir.path(), port) {
                Ok(running) => return Ok(Self { _sshd: running, dir, user, port, host_keys, authority }),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.unwrap_or_else(|| anyhow::anyhow!("sshd was not started")))
    }

    /// Lets the holder of this key in.
    ///
    /// # Errors
    /// Of the file system.
    pub fn authorize(&self, key: &KeyPair) -> anyhow::Result<()> {
        let path = self.dir.path().join("authorized_keys");
        let known = std::fs::read_to_string(&path)?;
        Ok(std::fs::write(path, format!("{known}{}\n", key.public))?)
    }

    /// Creates an empty bare repository whose `HEAD` names `main`, and returns its URL.
    ///
    /// # Errors
    /// When git fails.
    pub fn create_repo(&self, name: &str) -> anyhow::Result<Url> {
        let path = self.repo_path(name);
        let path = path.to_str().context("path is not UTF-8")?;
        run_git(self.dir.path(), &["init", "--quiet", "--bare", "--initial-branch=main", path])?;
        self.url(&format!("{name}.git"))
    }

    /// The URL of a path on this server.
    ///
    /// # Errors
    /// When it is no URL.
    pub fn url(&self, path: &str) -> anyhow::Result<Url> {
        Ok(Url::parse(&format!("ssh://{}@127.0.0.1:{}/{path}", self.user, self.port))?)
    }

    /// The bare repository's directory, to push to or to change behind the server's back.
    pub fn repo_path(&self, name: &str) -> PathBuf {
        self.dir.path().join("repositories").join(format!("{name}.git"))
    }

    /// A working copy whose [`WorkingCopy::push`] goes to this repository, through the file system.
    ///
    /// # Errors
    /// When git fails.
    pub fn working_copy(&self, name: &str) -> anyhow::Result<WorkingCopy> {
        WorkingCopy::new(&self.repo_path(name))
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The host's public keys, in the order of the options.
    pub fn host_keys(&self) -> &[String] {
        &self.host_keys
    }

    /// The public key of the authority that certified the host keys.
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    /// A `known_hosts` with all of the host's keys.
    pub fn known_hosts(&self) -> String {
        self.host_keys.iter().fold(String::new(), |mut text, key| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "[127.0.0.1]:{} {key}", self.port);
            text
        })
    }

    /// From now on commands are started and never answered.
    ///
    /// # Errors
    /// Of the file system.
    pub fn stop_answering(&self) -> anyhow::Result<()> {
        Ok(std::fs::write(self.dir.path().join("stalled"), "")?)
    }

    /// What was asked so far, a line each: the command and the version asked for. A stalled command that was given up adds `ended`.
    ///
    /// # Errors
    /// Of the file system.
    pub fn commands(&self) -> anyhow::Result<Vec<String>> {
        let text = std::fs::read_to_string(self.dir.path().join("commands"))?;
        Ok(text.lines().map(str::to_owned).collect())
    }
}

fn make_host_keys(dir: &Path, options: &SshServerOptions) -> anyhow::Result<(Vec<String>, Option<String>)> {
    let mut keys = Vec::new();
    for (index, kind) in options.host_keys.iter().enumerate() {
        let path = dir.join(format!("host_key_{index}"));
        keys.push(KeyPair::generate_at(&path, *kind, KeyFormat::OpenSsh, "")?.public);
    }
    let Some(names) = &options.certified_names else { return Ok((keys, None)) };
    let authority_path = dir.join("authority");
    let authority = KeyPair::generate_at(&authority_path, KeyType::Ed25519, KeyFormat::OpenSsh, "")?.public;
    let authority_path = authority_path.to_str().context("path is not UTF-8")?;
    for index in 0..keys.len() {
        let key = dir.join(format!("host_key_{index}.pub"));
        let key = key.to_str().context("path is not UTF-8")?;
        keygen(&["-q", "-s", authority_path, "-h", "-I", "test", "-n", names, "-V", "-1d:+1d", key])?;
    }
    Ok((keys, Some(authority)))
}

fn config(dir: &Path, port: u16, options: &SshServerOptions) -> anyhow::Result<String> {
    let dir = dir.to_str().context("path is not UTF-8")?;
    let mut text = format!(
        "ListenAddress 127.0.0.1:{port}\nPidFile none\nAuthorizedKeysFile {dir}/authorized_keys\nStrictModes no\n\
         PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
         MaxStartups 200\nForceCommand {dir}/serve {dir}\n"
    );
    for index in 0..options.host_keys.len() {
        writeln!(text, "HostKey {dir}/host_key_{index}")?;
        if options.certified_names.is_some() {
            writeln!(text, "HostCertificate {dir}/host_key_{index}-cert.pub")?;
        }
    }
    if options.accept_git_protocol {
        writeln!(text, "AcceptEnv GIT_PROTOCOL")?;
    }
    for line in &options.config {
        writeln!(text, "{line}")?;
    }
    Ok(text)
}

fn run(sshd: &Path, dir: &Path, port: u16) -> anyhow::Result<Supervised> {
    let server = Program {
        name: "sshd".to_owned(),
        path: sshd.to_owned(),
        args: ["-D".into(), "-e".into(), "-f".into(), dir.join("sshd_config").into_os_string()].into(),
        after_port: None,
    };
    let running = Supervised::spawn(tempfile::tempdir()?, &[server], &[])?;
    running.await_listening("sshd", ([127, 0, 0, 1], port).into(), START)?;
    Ok(running)
}

fn keygen(arguments: &[&str]) -> anyhow::Result<String> {
    output("ssh-keygen", arguments)
}

fn output(name: &str, arguments: &[&str]) -> anyhow::Result<String> {
    #[expect(clippy::disallowed_methods, reason = "a test fixture; OpenSSH's own tools make the keys")]
    let mut command = Command::new(program(name)?);
    let output = command.args(arguments).output().with_context(|| format!("failed to start {name}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(output.status.success(), "{name} failed: {stderr}");
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}
