//! From a URL and the data of a Secret to credentials: a pure function.
//!
//! Deliberately no provider logins (GitHub App, Azure, AWS); those replace what is found here.

use std::collections::BTreeMap;

use sluice_http_client::{ClientIdentity, Secret, Url};

use crate::ssh::{IdentityError, SshAuth, SshAuthError};

/// How requests to a remote authenticate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// HTTP basic.
    Basic {
        /// The user, never empty.
        username: String,
        /// The password or access token; may be empty.
        password: Secret<String>,
    },
    /// An HTTP bearer token.
    Bearer(Secret<String>),
    /// A key, and the keys that the host may have.
    Ssh(Box<SshAuth>),
}

/// TLS material of one remote, PEM.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tls {
    /// CA certificates trusted besides the system's.
    pub ca: Option<Vec<u8>>,
    /// Our own certificate.
    pub identity: Option<ClientIdentity>,
}

/// What [`auth_from_secret`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Authentication of requests.
    pub auth: Auth,
    /// Authentication of connections.
    pub tls: Tls,
}

/// A Secret that does not make sense. Never holds a value of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// A password and nobody whose it is.
    #[error("invalid '{scheme}' auth option: 'password' requires 'username' to be set")]
    PasswordWithoutUsername {
        /// The URL's scheme.
        scheme: String,
    },
    /// Credentials in the URL besides a token in the Secret.
    #[error("basic auth and bearer token cannot be set at the same time")]
    BasicAndBearer,
    /// A value that should be text.
    #[error("secret key '{key}' is not valid UTF-8")]
    NotText {
        /// The Secret's key.
        key: &'static str,
    },
    /// An ssh remote without a key or without host keys.
    #[error("invalid '{scheme}' auth option: '{key}' is required")]
    Required {
        /// The URL's scheme.
        scheme: String,
        /// The Secret's key.
        key: &'static str,
    },
    /// The SSH key is encrypted and the Secret has no `password`. The caller names the Secret.
    #[error("SSH identity key is encrypted but no 'password' field was provided")]
    IdentityEncrypted,
    /// The SSH key or the host keys are unusable.
    #[error(transparent)]
    Ssh(SshAuthError),
    /// Half of a client certificate.
    #[error("secret keys 'tls.crt' and 'tls.key' must be set together")]
    HalfIdentity,
}

/// Credentials for a remote. For ssh: `identity` and `known_hosts`, `password` being the key's passphrase; the user is the URL's, or `git`.
///
/// For http(s): `bearerToken`, or `username` and `password` with what is missing taken from the URL's userinfo;
/// `ca.crt` before `caFile`; `tls.crt` with `tls.key`. An empty map is "no Secret".
///
/// A `bearerToken` key, even an empty one, makes the Secret's `username` and `password` be ignored.
///
/// # Errors
/// See [`AuthError`].
pub fn auth_from_secret(url: &Url, data: &BTreeMap<String, Vec<u8>>) -> Result<Credentials, AuthError> {
    if url.scheme() == "ssh" {
        return Ok(Credentials { auth: ssh(url, data)?, tls: tls(data)? });
    }
    let token = text(data, "bearerToken")?;
    let (mut username, mut password) = match token {
        Some(_) => (String::new(), String::new()),
        None => (text(data, "username")?.unwrap_or_default(), text(data, "password")?.unwrap_or_default()),
    };
    if username.is_empty() {
        username = unescape(url.username());
    }
    if password.is_empty() {
        password = unescape(url.password().unwrap_or_default());
    }
    let token = token.unwrap_or_default();
    let auth = match (username.is_empty(), password.is_empty(), token.is_empty()) {
        (false, _, false) | (_, false, false) => return Err(AuthError::BasicAndBearer),
        (true, false, true) => return Err(AuthError::PasswordWithoutUsername { scheme: url.scheme().to_owned() }),
        (true, true, false) => Auth::Bearer(Secret::new(token)),
        (false, _, true) => Auth::Basic { username, password: Secret::new(password) },
        (true, true, true) => Auth::None,
    };
    Ok(Credentials { auth, tls: tls(data)? })
}

fn ssh(url: &Url, data: &BTreeMap<String, Vec<u8>>) -> Result<Auth, AuthError> {
    let required = |key: &'static str| {
        let value = data.get(key).filter(|value| !value.is_empty());
        value.ok_or_else(|| AuthError::Required { scheme: url.scheme().to_owned(), key })
    };
    let (_, known_hosts) = (required("identity")?, required("known_hosts")?);
    let identity = Secret::new(text(data, "identity")?.unwrap_or_default());
    let passphrase = text(data, "password")?.map(Secret::new);
    match SshAuth::new(&unescape(url.username()), identity, passphrase, known_hosts) {
        Ok(auth) => Ok(Auth::Ssh(Box::new(auth))),
        Err(SshAuthError::Identity(IdentityError::Encrypted)) => Err(AuthError::IdentityEncrypted),
        Err(error) => Err(AuthError::Ssh(error)),
    }
}

fn tls(data: &BTreeMap<String, Vec<u8>>) -> Result<Tls, AuthError> {
    let bytes = |key: &str| data.get(key).filter(|value| !value.is_empty()).cloned();
    let identity = match (bytes("tls.crt"), bytes("tls.key")) {
        (Some(certificate), Some(key)) => Some(ClientIdentity { certificate, key: Secret::new(key) }),
        (None, None) => None,
        (Some(_), None) | (None, Some(_)) => return Err(AuthError::HalfIdentity),
    };
    Ok(Tls { ca: bytes("ca.crt").or_else(|| bytes("caFile")), identity })
}

fn text(data: &BTreeMap<String, Vec<u8>>, key: &'static str) -> Result<Option<String>, AuthError> {
    let Some(value) = data.get(key) else { return Ok(None) };
    String::from_utf8(value.clone()).map(Some).map_err(|_| AuthError::NotText { key })
}

/// Percent-decoding of userinfo. Text that is not UTF-8 when decoded is taken as it stands.
pub(crate) fn unescape(text: &str) -> String {
    String::from_utf8(unescape_bytes(text)).unwrap_or_else(|_| text.to_owned())
}

/// Percent-decoding.
pub(crate) fn unescape_bytes(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let decoded = match (first, tail) {
            (b'%', [high, low, ..]) => hex::decode([*high, *low]).ok(),
            _ => None,
        };
        if let Some(decoded) = decoded {
            bytes.extend_from_slice(&decoded);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn auth(url: &str, data: &[(&str, &str)]) -> Result<Auth, String> {
        let data = data.iter().map(|(key, value)| ((*key).to_owned(), value.as_bytes().to_vec())).collect();
        auth_from_secret(&Url::parse(url).unwrap(), &data).map(|c| c.auth).map_err(|e| e.to_string())
    }

    fn basic(username: &str, password: &str) -> Auth {
        Auth::Basic { username: username.into(), password: Secret::new(password.into()) }
    }

    #[test]
    fn secret_and_url_together_make_credentials() {
        let bearer = Auth::Bearer(Secret::new("t".to_owned()));
        for (url, data, expected) in [
            ("https://h/r", &[][..], Auth::None),
            ("https://u:p%40w@h/r", &[], basic("u", "p@w")),
            ("https://u:p@h/r", &[("username", "su"), ("password", "sp")], basic("su", "sp")),
            ("https://u@h/r", &[("password", "sp")], basic("u", "sp")),
            ("https://u:p@h/r", &[("username", "su")], basic("su", "p")),
            ("https://token@h/r", &[], basic("token", "")),
            ("https://h/r", &[("bearerToken", "t"), ("username", "su"), ("password", "sp")], bearer),
            ("https://h/r", &[("bearerToken", ""), ("username", "su")], Auth::None),
        ] {
            assert_eq!(auth(url, data), Ok(expected), "{url} {data:?}");
        }
    }

    #[test]
    fn contradictions_are_named() {
        for (url, data, expected) in [
            (
                "https://h/r",
                &[("password", "p")][..],
                "invalid 'https' auth option: 'password' requires 'username' to be set",
            ),
            (
                "http://h/r",
                &[("password", "p")],
                "invalid 'http' auth option: 'password' requires 'username' to be set",
            ),
            ("https://u:p@h/r", &[("bearerToken", "t")], "basic auth and bearer token cannot be set at the same time"),
            ("https://h/r", &[("tls.crt", "c")], "secret keys 'tls.crt' and 'tls.key' must be set together"),
        ] {
            assert_eq!(auth(url, data), Err(expected.to_owned()), "{url} {data:?}");
        }
    }

    #[test]
    fn tls_material_prefers_ca_crt_and_is_independent_of_the_rest() {
        let data = [("caFile", "old"), ("ca.crt", "new"), ("tls.crt", "c"), ("tls.key", "k"), ("bearerToken", "t")];
        let data = data.map(|(key, value)| (key.to_owned(), value.as_bytes().to_vec())).into();
        let found = auth_from_secret(&Url::parse("https://h/r").unwrap(), &data).unwrap();
        let identity = Some(ClientIdentity { certificate: b"c".to_vec(), key: Secret::new(b"k".to_vec()) });
        let expected = Credentials {
            auth: Auth::Bearer(Secret::new("t".into())),
            tls: Tls { ca: Some(b"new".to_vec()), identity },
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn ssh_needs_key_and_host_keys_and_takes_the_user_of_the_url() {
        use sluice_testkit::ssh::{KeyFormat, KeyPair, KeyType};
        let key = KeyPair::generate(KeyType::Ed25519, KeyFormat::OpenSsh, "").unwrap();
        let encrypted = KeyPair::generate(KeyType::Ed25519, KeyFormat::OpenSsh, "secret").unwrap();
        let known_hosts = format!("h {}", key.public);
        let (identity, known) = (("identity", key.private.as_str()), ("known_hosts", known_hosts.as_str()));
        for (url, expected) in [("ssh://h/r", "git"), ("ssh://me%40x@h/r", "me@x")] {
            let Auth::Ssh(found) = auth(url, &[identity, known, ("username", "ignored")]).unwrap() else {
                panic!("not SSH")
            };
            assert_eq!(found.user, expected);
        }
        let locked = ("identity", encrypted.private.as_str());
        assert!(auth("ssh://h/r", &[locked, known, ("password", "secret")]).is_ok());
        for (data, expected) in [
            (&[][..], "invalid 'ssh' auth option: 'identity' is required"),
            (&[known], "invalid 'ssh' auth option: 'identity' is required"),
            (&[identity], "invalid 'ssh' auth option: 'known_hosts' is required"),
            (&[identity, ("known_hosts", "")], "invalid 'ssh' auth option: 'known_hosts' is required"),
            (&[identity, ("known_hosts", "# none")], "known_hosts has no usable entry"),
            (&[("identity", "x"), known], "failed to parse the SSH identity key: it is not PEM"),
            (&[locked, known], "SSH identity key is encrypted but no 'password' field was provided"),
        ] {
            assert_eq!(auth("ssh://h/r", data), Err(expected.to_owned()));
        }
    }
}
