//! Which entry is meant for a repository.

use std::fmt;

use super::config::{parse_cfg, parse_config_json};
use super::{Credential, CredentialError};
use crate::Repository;
use crate::reference::DOCKER_HUB;

/// The names that Docker Hub is given in configurations.
const DOCKER_HUB_ALIASES: [&str; 3] = ["docker.io", "registry-1.docker.io", DOCKER_HUB];

/// The entries of any number of docker configurations.
#[derive(Clone, Default)]
pub struct Keyring {
    /// The most specific first; of equals, the one that was added first.
    entries: Vec<Entry>,
}

#[derive(Clone)]
struct Entry {
    /// The name as it was written.
    name: String,
    host: String,
    port: String,
    /// Empty, or with its leading slash.
    path: String,
    credential: Credential,
}

impl Keyring {
    /// Adds the entries of a `.dockerconfigjson`.
    ///
    /// # Errors
    /// When it is malformed; nothing is added then.
    pub fn add_config_json(&mut self, json: &[u8]) -> Result<(), CredentialError> {
        self.add(parse_config_json(json)?)
    }

    /// Adds the entries of a `.dockercfg`, the older format.
    ///
    /// # Errors
    /// When it is malformed; nothing is added then.
    pub fn add_cfg(&mut self, json: &[u8]) -> Result<(), CredentialError> {
        self.add(parse_cfg(json)?)
    }

    fn add(&mut self, credentials: Vec<(String, Credential)>) -> Result<(), CredentialError> {
        let entries = credentials.into_iter().map(|(name, credential)| Entry::new(name, credential));
        let entries = entries.collect::<Result<Vec<_>, _>>()?;
        self.entries.extend(entries);
        // Exact hosts before patterns, longer paths before shorter ones.
        self.entries.sort_by_key(|entry| (entry.host.contains(['*', '?']), std::cmp::Reverse(entry.path.len())));
        Ok(())
    }

    /// Whether there is no entry at all.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The credential for a repository: of the most specific entry that fits.
    pub fn for_repository(&self, repository: &Repository) -> Credential {
        let (host, port) = split_port(repository.registry());
        let path = format!("/{}", repository.path());
        let fits =
            |entry: &&Entry| entry.port == port && path.starts_with(&entry.path) && host_matches(&entry.host, &host);
        self.entries.iter().find(fits).map(|entry| entry.credential.clone()).unwrap_or_default()
    }

    /// The credential of the entry for a host as the docker command line finds it: by name, else by the host in it, without patterns.
    /// None when there is no entry.
    pub fn for_host(&self, host: &str) -> Option<Credential> {
        let wanted = split_port(host);
        let by_name = self.entries.iter().find(|entry| entry.name == host);
        let by_host = || self.entries.iter().find(|entry| (&entry.host, &entry.port) == (&wanted.0, &wanted.1));
        by_name.or_else(by_host).map(|entry| entry.credential.clone())
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.entries.iter().map(|entry| &entry.name)).finish()
    }
}

impl Entry {
    fn new(name: String, credential: Credential) -> Result<Self, CredentialError> {
        let bare = name.strip_prefix("https://").or_else(|| name.strip_prefix("http://")).unwrap_or(&name);
        let (registry, path) = bare.find('/').map_or((bare, ""), |at| bare.split_at(at));
        if registry.is_empty() || registry.contains(['@', '#', ' ']) {
            return Err(CredentialError::Registry(name));
        }
        // The addresses of the two protocol versions mean the whole host.
        let path = ["/v1", "/v2"]
            .iter()
            .find_map(|version| path.strip_prefix(version).filter(|rest| rest.is_empty() || rest.starts_with('/')))
            .unwrap_or(path);
        let path = if path == "/" { "" } else { path }.to_owned();
        let (host, port) = split_port(registry);
        Ok(Self { name, host, port, path, credential })
    }
}

/// Host and port of `host[:port]`, in lower case, Docker Hub under one name. An IPv6 address keeps its brackets.
fn split_port(registry: &str) -> (String, String) {
    let registry = registry.to_ascii_lowercase();
    let (host, port) = match registry.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (registry.as_str(), ""),
    };
    let host = if DOCKER_HUB_ALIASES.contains(&host) { DOCKER_HUB } else { host };
    (host.to_owned(), port.to_owned())
}

/// Whether a host fits a pattern with the same number of labels, label by label.
fn host_matches(pattern: &str, host: &str) -> bool {
    pattern.split('.').count() == host.split('.').count()
        && pattern
            .split('.')
            .zip(host.split('.'))
            .all(|(pattern, label)| label_matches(pattern.as_bytes(), label.as_bytes()))
}

/// `*` is any number of characters, `?` is one. Linear in practice: on a mismatch only the last `*` is tried again.
fn label_matches(pattern: &[u8], label: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    let mut star = None;
    while seen < label.len() {
        match pattern.get(at) {
            Some(b'*') => {
                star = Some((at, seen));
                at += 1;
            }
            Some(byte) if *byte == b'?' || *byte == label[seen] => {
                at += 1;
                seen += 1;
            }
            _ => match star {
                Some((pattern_at, from)) => {
                    star = Some((pattern_at, from + 1));
                    (at, seen) = (pattern_at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}
