//! The two formats of docker configurations: `.dockerconfigjson` and the older `.dockercfg`.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;
use sluice_http_client::Secret;

use super::Credential;

/// The largest configuration: a Secret cannot hold more either.
const MAX_CONFIG_BYTES: usize = 1 << 20;

/// Both spellings of base64 are in use.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A docker configuration that cannot be used. Never holds any of its values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// Too many bytes.
    #[error("docker config is larger than {MAX_CONFIG_BYTES} bytes")]
    TooLarge,
    /// Not the JSON that it should be. Only the place is told: the parser's own text may quote a password.
    #[error("failed to parse docker config: line {line}, column {column}")]
    Json {
        /// Line, from 1.
        line: usize,
        /// Column, from 0.
        column: usize,
    },
    /// The `auth` of an entry is not base64 of `user:password`.
    #[error("docker config entry '{0}': auth is not base64 of username:password")]
    Auth(String),
    /// An entry's name is no host with a path.
    #[error("docker config entry '{0}' names no registry")]
    Registry(String),
}

#[derive(Deserialize)]
struct DockerConfig {
    #[serde(default)]
    auths: Option<BTreeMap<String, Option<Entry>>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Entry {
    username: Option<String>,
    password: Option<String>,
    auth: Option<String>,
    identitytoken: Option<String>,
    registrytoken: Option<String>,
}

/// Entries by name, of the current format.
pub(super) fn parse_config_json(json: &[u8]) -> Result<Vec<(String, Credential)>, CredentialError> {
    let config: DockerConfig = parse(json)?;
    credentials(config.auths.unwrap_or_default())
}

/// Entries by name, of the older format.
pub(super) fn parse_cfg(json: &[u8]) -> Result<Vec<(String, Credential)>, CredentialError> {
    credentials(parse(json)?)
}

fn parse<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Result<T, CredentialError> {
    if json.len() > MAX_CONFIG_BYTES {
        return Err(CredentialError::TooLarge);
    }
    serde_json::from_slice(json).map_err(|error| CredentialError::Json { line: error.line(), column: error.column() })
}

fn credentials(entries: BTreeMap<String, Option<Entry>>) -> Result<Vec<(String, Credential)>, CredentialError> {
    entries
        .into_iter()
        .map(|(name, entry)| match credential(entry.unwrap_or_default()) {
            Some(credential) => Ok((name, credential)),
            None => Err(CredentialError::Auth(name)),
        })
        .collect()
}

/// What an entry holds, the most special first; `auth` wins over its spelled-out form. None if `auth` cannot be read.
fn credential(entry: Entry) -> Option<Credential> {
    let Entry { username, password, auth, identitytoken, registrytoken } = entry;
    let given = |token: Option<String>| token.filter(|token| !token.is_empty()).map(Secret::new);
    if let Some(token) = given(registrytoken) {
        return Some(Credential::RegistryToken(token));
    }
    if let Some(token) = given(identitytoken) {
        return Some(Credential::IdentityToken(token));
    }
    if let Some(auth) = auth.filter(|auth| !auth.trim().is_empty()) {
        let decoded = BASE64.decode(auth.trim()).ok()?;
        let decoded = String::from_utf8(decoded).ok()?;
        let (username, password) = decoded.split_once(':')?;
        // Some tools pad with zero bytes.
        return Some(Credential::basic(username, password.trim_matches('\0')));
    }
    Some(Credential::basic(username.unwrap_or_default(), password.unwrap_or_default()))
}
