//! `known_hosts`: which keys a host may have. Pure; the text is a user's and is not trusted to be small or well-formed.
//!
//! The format is that of OpenSSH's sshd(8). A line that is not understood is skipped, as OpenSSH does: it can only make fewer keys known.
//! Deliberately no learning of keys.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey};
use sha1::Sha1;

use super::algorithms::of_key_type;

/// The largest file: what a Secret can hold at most.
const MAX_BYTES: usize = 1 << 20;

/// The port that is not written out.
const DEFAULT_PORT: u16 = 22;

/// A text of which no host key can be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KnownHostsError {
    /// Larger than a Secret can be.
    #[error("known_hosts is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// Without one usable line every host would be refused.
    #[error("known_hosts has no usable entry")]
    NoEntry,
}

/// A host whose key is not the one that it should have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostKeyError {
    /// Nothing is known of the host.
    #[error("host key verification failed: no key of {host} is in known_hosts (the host has {key})")]
    Unknown {
        /// The host as `known_hosts` writes it.
        host: String,
        /// Type and fingerprint of the host's key.
        key: String,
    },
    /// The host is known with other keys: it was set up anew, or it is not the host.
    #[error("host key verification failed: the key of {host} does not match known_hosts (the host has {key})")]
    Mismatch {
        /// The host as `known_hosts` writes it.
        host: String,
        /// Type and fingerprint of the host's key.
        key: String,
    },
    /// The key is marked as stolen.
    #[error("host key verification failed: the key of {host} is revoked ({key})")]
    Revoked {
        /// The host as `known_hosts` writes it.
        host: String,
        /// Type and fingerprint of the key.
        key: String,
    },
    /// The host's certificate proves nothing.
    #[error("host key verification failed: the certificate of {host} is not valid: {reason}")]
    Certificate {
        /// The host as `known_hosts` writes it.
        host: String,
        /// What is wrong with it.
        reason: &'static str,
    },
}

/// A host and port as `known_hosts` names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HostAddress {
    host: String,
    port: u16,
}

impl HostAddress {
    /// `host` without brackets.
    pub(crate) fn new(host: &str, port: u16) -> Self {
        Self { host: host.to_ascii_lowercase(), port }
    }
}

impl std::fmt::Display for HostAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.port {
            DEFAULT_PORT => f.write_str(&self.host),
            port => write!(f, "[{}]:{port}", self.host),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Marker {
    Key,
    Authority,
    Revoked,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Hosts {
    /// `|1|salt|hash`: the HMAC of one name.
    Hashed {
        salt: Vec<u8>,
        hash: Vec<u8>,
    },
    Patterns(Vec<Pattern>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    negated: bool,
    host: String,
    port: u16,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    marker: Marker,
    hosts: Hosts,
    key_type: String,
    key: KeyData,
}

/// What a client offers to accept as a host's proof, most wanted first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offered {
    pub(crate) plain: Vec<Algorithm>,
    pub(crate) certificates: Vec<Algorithm>,
}

/// The keys that hosts may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownHosts(Vec<Entry>);

impl KnownHosts {
    /// Reads a file's text.
    ///
    /// # Errors
    /// [`KnownHostsError`].
    pub fn parse(text: &[u8]) -> Result<Self, KnownHostsError> {
        if text.len() > MAX_BYTES {
            return Err(KnownHostsError::TooLarge);
        }
        let lines = text.split(|byte| *byte == b'\n').filter_map(|line| std::str::from_utf8(line).ok());
        let entries: Vec<Entry> = lines.filter_map(entry).collect();
        if entries.is_empty() { Err(KnownHostsError::NoEntry) } else { Ok(Self(entries)) }
    }

    /// The algorithms of all key types in the file; those of the host's own keys come first, so that a host with keys of several types
    /// shows one that is known. Certificates are asked for where an authority is known for the host.
    pub(crate) fn offered(&self, address: &HostAddress) -> Offered {
        let keys = || self.0.iter().filter(|entry| entry.marker == Marker::Key);
        let own = keys().filter(|entry| entry.hosts.matches(address));
        let mut offered = Offered::default();
        for algorithm in own.chain(keys()).flat_map(|entry| of_key_type(&entry.key_type)) {
            if !offered.plain.contains(&algorithm) {
                offered.plain.push(algorithm);
            }
        }
        let authority = |entry: &Entry| entry.marker == Marker::Authority && entry.hosts.matches(address);
        if self.0.iter().any(authority) {
            // What an authority's own key is says nothing of the keys that it signs.
            let types = ["ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa"];
            offered.certificates = types.into_iter().flat_map(of_key_type).collect();
        }
        offered
    }

    /// Whether the host may have this key.
    pub(crate) fn check_key(&self, address: &HostAddress, key: &PublicKey) -> Result<(), HostKeyError> {
        let (host, shown) = (address.to_string(), show(key.key_data()));
        if self.revoked(key.key_data()) {
            return Err(HostKeyError::Revoked { host, key: shown });
        }
        let mut own =
            self.0.iter().filter(|entry| entry.marker == Marker::Key && entry.hosts.matches(address)).peekable();
        if own.peek().is_none() {
            return Err(HostKeyError::Unknown { host, key: shown });
        }
        if own.any(|entry| entry.key == *key.key_data()) {
            return Ok(());
        }
        Err(HostKeyError::Mismatch { host, key: shown })
    }

    /// Whether the certificate is of an authority known for the host, names the host, and is valid at `now` (seconds since 1970).
    pub(crate) fn check_certificate(
        &self,
        address: &HostAddress,
        certificate: &Certificate,
        now: u64,
    ) -> Result<(), HostKeyError> {
        let host = address.to_string();
        for key in [certificate.public_key(), certificate.signature_key()] {
            if self.revoked(key) {
                return Err(HostKeyError::Revoked { host, key: show(key) });
            }
        }
        let refuse = |reason| Err(HostKeyError::Certificate { host: host.clone(), reason });
        let authority = certificate.signature_key();
        let trusted = |entry: &Entry| {
            entry.marker == Marker::Authority && entry.key == *authority && entry.hosts.matches(address)
        };
        if !self.0.iter().any(trusted) {
            return refuse("it is of an authority that is not in known_hosts");
        }
        if certificate.cert_type() != CertType::Host {
            return refuse("it is not a host's");
        }
        if !certificate.critical_options().is_empty() {
            return refuse("it has critical options");
        }
        // OpenSSH matches names as patterns; one without names is of no host.
        if !certificate.valid_principals().iter().any(|name| matches(&name.to_ascii_lowercase(), &address.host)) {
            return refuse("it does not name the host");
        }
        // Checks the authority's signature and the time.
        match certificate.validate_at(now, [&authority.fingerprint(HashAlg::Sha256)]) {
            Ok(()) => Ok(()),
            Err(_) => refuse("its signature or time of validity is wrong"),
        }
    }

    /// Whether a key is marked as revoked, whichever host the mark is for: no other host should have it either.
    fn revoked(&self, key: &KeyData) -> bool {
        self.0.iter().any(|entry| entry.marker == Marker::Revoked && entry.key == *key)
    }
}

fn show(key: &KeyData) -> String {
    format!("{} {}", key.algorithm(), key.fingerprint(HashAlg::Sha256))
}

fn entry(line: &str) -> Option<Entry> {
    let mut words = line.split_ascii_whitespace();
    let first = words.next().filter(|word| !word.starts_with('#'))?;
    let (marker, hosts) = match first {
        "@cert-authority" => (Marker::Authority, words.next()?),
        "@revoked" => (Marker::Revoked, words.next()?),
        _ if first.starts_with('@') => return None,
        hosts => (Marker::Key, hosts),
    };
    let key_type = words.next()?;
    let key = PublicKey::from_bytes(&STANDARD.decode(words.next()?).ok()?).ok()?;
    if key.algorithm().as_str() != key_type {
        return None;
    }
    let hosts = match hosts.strip_prefix("|1|") {
        Some(hashed) => {
            let (salt, hash) = hashed.split_once('|')?;
            Hosts::Hashed { salt: STANDARD.decode(salt).ok()?, hash: STANDARD.decode(hash).ok()? }
        }
        None => Hosts::Patterns(hosts.split(',').filter_map(pattern).collect()),
    };
    Some(Entry { marker, hosts, key_type: key_type.to_owned(), key: key.key_data().clone() })
}

fn pattern(text: &str) -> Option<Pattern> {
    let (negated, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, DEFAULT_PORT),
        Some((host, port)) => (host, port.strip_prefix(':')?.parse().ok()?),
        None => (text, DEFAULT_PORT),
    };
    (!host.is_empty()).then(|| Pattern { negated, host: host.to_ascii_lowercase(), port })
}

impl Hosts {
    fn matches(&self, address: &HostAddress) -> bool {
        match self {
            Self::Hashed { salt, hash } => {
                let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(salt) else { return false };
                mac.update(address.to_string().as_bytes());
                mac.verify_slice(hash).is_ok()
            }
            Self::Patterns(patterns) => {
                let hits = |pattern: &&Pattern| pattern.port == address.port && matches(&pattern.host, &address.host);
                let mut found = patterns.iter().filter(hits).peekable();
                found.peek().is_some() && found.all(|pattern| !pattern.negated)
            }
        }
    }
}

/// `*` stands for any characters, `?` for one. Takes at most the product of both lengths, whatever the pattern is.
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t, mut retry) = (0, 0, None);
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, t));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == text[t] => {
                p += 1;
                t += 1;
            }
            // The last star takes one more.
            _ => match retry {
                Some((star, from)) => {
                    retry = Some((star, from + 1));
                    p = star + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests;
