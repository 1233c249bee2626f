//! The lists of algorithms that a process's flags may replace.
//!
//! Deliberately no such lists for ciphers and message authentication: no flag sets them.

use russh::kex;
use russh::keys::{Algorithm, HashAlg};

/// Key exchange methods by default, most wanted first. Besides what russh has by default: the NIST curves, which hardened and older
/// servers may have alone. SHA-1 is left to the flag.
const KEX: &[kex::Name] = &[
    kex::MLKEM768X25519_SHA256,
    kex::CURVE25519,
    kex::CURVE25519_PRE_RFC_8731,
    kex::ECDH_SHA2_NISTP256,
    kex::ECDH_SHA2_NISTP384,
    kex::ECDH_SHA2_NISTP521,
    kex::DH_GEX_SHA256,
    kex::DH_G16_SHA512,
    kex::DH_G18_SHA512,
    kex::DH_G14_SHA256,
];

/// Not methods but announcements, whatever the list of methods is. Strict key exchange closes a man in the middle's way to drop messages.
const KEX_EXTENSIONS: &[kex::Name] = &[kex::EXTENSION_SUPPORT_AS_CLIENT, kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT];

/// The suffix of a host key algorithm whose keys come with certificates.
const CERTIFICATE: &str = "-cert-v01@openssh.com";

/// Which algorithms may be used; the default leaves the choice to `known_hosts` and to this crate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SshAlgorithms {
    host_keys: Option<HostKeyAlgorithms>,
    kex: Option<Vec<kex::Name>>,
}

/// Plain ones and those of certificates, each most wanted first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HostKeyAlgorithms {
    pub(crate) plain: Vec<Algorithm>,
    pub(crate) certificates: Vec<Algorithm>,
}

impl SshAlgorithms {
    /// From the values of `--ssh-hostkey-algos` and `--ssh-kex-algos`; an empty list replaces nothing. The second value has the names that
    /// are not known here and are left out, as an unsupported algorithm is in any negotiation. A list of unknown names alone still
    /// replaces: every connection will then fail, saying what it offered.
    pub fn from_names(host_keys: &[String], kex: &[String]) -> (Self, Vec<String>) {
        let mut unknown = Vec::new();
        let mut algorithms = HostKeyAlgorithms::default();
        for name in host_keys {
            match (host_key(name.strip_suffix(CERTIFICATE).unwrap_or(name)), name.ends_with(CERTIFICATE)) {
                (Some(algorithm), true) => algorithms.certificates.push(algorithm),
                (Some(algorithm), false) => algorithms.plain.push(algorithm),
                (None, _) => unknown.push(name.clone()),
            }
        }
        let mut methods = Vec::new();
        for name in kex {
            // No key exchange at all is not a choice that a list can make.
            match kex::Name::try_from(name.as_str()) {
                Ok(method) if method != kex::NONE => methods.push(method),
                _ => unknown.push(name.clone()),
            }
        }
        let host_keys = (!host_keys.is_empty()).then_some(algorithms);
        let kex = (!kex.is_empty()).then_some(methods);
        (Self { host_keys, kex }, unknown)
    }

    /// The methods to offer.
    pub(crate) fn kex(&self) -> Vec<kex::Name> {
        let methods = self.kex.as_deref().unwrap_or(KEX);
        methods.iter().chain(KEX_EXTENSIONS).copied().collect()
    }

    /// The host key algorithms that replace those of `known_hosts`.
    pub(crate) fn host_keys(&self) -> Option<&HostKeyAlgorithms> {
        self.host_keys.as_ref()
    }
}

/// A host key algorithm by its name, if keys of it can be checked here.
pub(crate) fn host_key(name: &str) -> Option<Algorithm> {
    let algorithm = match name {
        "rsa-sha2-512" => Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
        "rsa-sha2-256" => Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
        other => Algorithm::new(other).ok()?,
    };
    matches!(algorithm, Algorithm::Ed25519 | Algorithm::Ecdsa { .. } | Algorithm::Rsa { .. }).then_some(algorithm)
}

/// What is offered for keys of a type that `known_hosts` has. The type `ssh-rsa` stands for all ways to sign with such a key.
pub(crate) fn of_key_type(key_type: &str) -> Vec<Algorithm> {
    match key_type {
        "ssh-rsa" => ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"].into_iter().filter_map(host_key).collect(),
        other => host_key(other).into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(algorithms: &[Algorithm]) -> Vec<String> {
        algorithms.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lists_replace_the_defaults_and_unknown_names_are_told() {
        let list = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let host_keys = list(&["ssh-ed25519", "rsa-sha2-256", "ssh-ed25519-cert-v01@openssh.com", "ssh-dss"]);
        let kex = list(&["curve25519-sha256", "none", "sntrup761x25519-sha512"]);
        let (found, unknown) = SshAlgorithms::from_names(&host_keys, &kex);
        let keys = found.host_keys().unwrap();
        assert_eq!(names(&keys.plain), ["ssh-ed25519", "rsa-sha2-256"]);
        assert_eq!(names(&keys.certificates), ["ssh-ed25519"]);
        let offered: Vec<_> = found.kex().iter().map(|name| name.as_ref().to_owned()).collect();
        assert_eq!(offered, ["curve25519-sha256", "ext-info-c", "kex-strict-c-v00@openssh.com"]);
        assert_eq!(unknown, ["ssh-dss", "none", "sntrup761x25519-sha512"]);
        assert_eq!(SshAlgorithms::from_names(&[], &[]), (SshAlgorithms::default(), vec![]));
    }

    #[test]
    fn an_rsa_key_is_offered_with_every_way_to_sign() {
        assert_eq!(names(&of_key_type("ssh-rsa")), ["rsa-sha2-512", "rsa-sha2-256", "ssh-rsa"]);
        assert_eq!(names(&of_key_type("ecdsa-sha2-nistp521")), ["ecdsa-sha2-nistp521"]);
        assert_eq!(names(&of_key_type("ssh-dss")), [""; 0]);
    }
}
