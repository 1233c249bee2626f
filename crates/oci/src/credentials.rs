//! Credentials: what a docker configuration says, and which of its entries is meant for a repository.
//!
//! Matching follows Kubernetes' pull secrets: an entry's host may have wildcards per label, its path is a prefix, the more specific entry
//! wins. Deliberately absent: credential helpers and stores of a docker configuration (they are programs), and reading of files.

mod config;
mod keyring;

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sluice_http_client::Secret;

use crate::Repository;
pub use config::CredentialError;
pub use keyring::Keyring;

/// What to show to a registry.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credential {
    /// Nothing.
    #[default]
    Anonymous,
    /// User and password, for basic authentication or in exchange for a token.
    Basic {
        /// The user.
        username: String,
        /// The password.
        password: Secret<String>,
    },
    /// A refresh token, in exchange for an access token only.
    IdentityToken(Secret<String>),
    /// An access token, sent to the registry as it is.
    RegistryToken(Secret<String>),
}

impl Credential {
    /// User and password; nothing when either is empty.
    pub fn basic(username: impl Into<String>, password: impl Into<String>) -> Self {
        let (username, password) = (username.into(), password.into());
        if username.is_empty() || password.is_empty() {
            return Self::Anonymous;
        }
        Self::Basic { username, password: Secret::new(password) }
    }

    /// What must appear in no text: the secret, and the form in which it is sent.
    pub(crate) fn secrets(&self) -> Vec<String> {
        match self {
            Self::Anonymous => Vec::new(),
            Self::IdentityToken(secret) | Self::RegistryToken(secret) => vec![secret.expose().clone()],
            Self::Basic { username, password } => {
                let sent = STANDARD.encode(format!("{username}:{}", password.expose()));
                vec![sent, password.expose().clone()]
            }
        }
    }
}

/// The future of a [`CredentialProvider`].
pub type CredentialFuture<'a> =
    Pin<Box<dyn Future<Output = Result<Credential, Box<dyn std::error::Error + Send + Sync>>> + Send + 'a>>;

/// Gets a credential when it is first needed, such as by a login at a cloud.
pub trait CredentialProvider: Debug + Send + Sync {
    /// The credential for a repository. Its error becomes [`OciError::Credential`](crate::OciError::Credential), printed as it is.
    fn credential<'a>(&'a self, repository: &'a Repository) -> CredentialFuture<'a>;
}

/// Where a client has its credential from.
#[derive(Clone, Debug, Default)]
pub enum Credentials {
    /// There is none.
    #[default]
    Anonymous,
    /// This one.
    Fixed(Credential),
    /// The entry of a docker configuration that fits the repository, if there is one.
    Keyring(Arc<Keyring>),
    /// Whatever the provider gives, asked once per client and not before the first request.
    Provider(Arc<dyn CredentialProvider>),
}

#[cfg(test)]
mod tests;
