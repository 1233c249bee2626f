//! The token of a Receiver, from its Secret.

use sluice_notify::SecretData;
use thiserror::Error;

use crate::cluster::ClusterError;

/// Why there is no token. `secret` is `namespace/name`.
#[derive(Debug, Error)]
pub enum TokenError {
    /// The Secret could not be read.
    #[error("unable to read token from secret '{secret}' error")]
    ReadSecret {
        /// Which Secret.
        secret: String,
        /// What the API server says.
        #[source]
        source: ClusterError,
    },
    /// The Secret has no such key.
    #[error("invalid '{secret}' secret data: required fields 'token'")]
    FindKey {
        /// Which Secret.
        secret: String,
    },
}

/// The value of the key `token`, untrimmed; an empty value is a token too. `read` is the outcome of reading the Secret
/// `namespace/name`.
///
/// # Errors
/// An unread Secret, or one without the key.
pub fn token(namespace: &str, name: &str, read: Result<SecretData, ClusterError>) -> Result<Vec<u8>, TokenError> {
    let secret = || format!("{namespace}/{name}");
    let data = read.map_err(|source| TokenError::ReadSecret { secret: secret(), source })?;
    data.get("token").map(<[u8]>::to_vec).ok_or_else(|| TokenError::FindKey { secret: secret() })
}
