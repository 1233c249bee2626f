//! What SSH needs besides a connection: our key, the keys of hosts, the algorithms. Pure values; the connection is in `transport::ssh`.

mod algorithms;
mod identity;
mod known_hosts;

use sluice_http_client::Secret;

pub use algorithms::SshAlgorithms;
pub use identity::IdentityError;
pub(crate) use identity::SshIdentity;
pub(crate) use known_hosts::{HostAddress, Offered};
pub use known_hosts::{HostKeyError, KnownHosts, KnownHostsError};

/// Authentication of both sides of an SSH connection. Made by [`crate::auth_from_secret`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SshAuth {
    /// Who we are on the host.
    pub(crate) user: String,
    /// Our private key.
    pub(crate) identity: SshIdentity,
    /// The keys that hosts may have.
    pub known_hosts: KnownHosts,
    /// What may be used for key exchange and host keys. The process's settings: the default until set.
    pub algorithms: SshAlgorithms,
}

impl SshAuth {
    /// From the texts of a Secret.
    ///
    /// # Errors
    /// [`SshAuthError`].
    pub fn new(
        user: &str,
        identity: Secret<String>,
        passphrase: Option<Secret<String>>,
        known_hosts: &[u8],
    ) -> Result<Self, SshAuthError> {
        Ok(Self {
            user: if user.is_empty() { DEFAULT_USER.to_owned() } else { user.to_owned() },
            identity: SshIdentity::new(identity, passphrase)?,
            known_hosts: KnownHosts::parse(known_hosts)?,
            algorithms: SshAlgorithms::default(),
        })
    }
}

/// The user of nearly every Git host.
const DEFAULT_USER: &str = "git";

/// Texts that are no authentication.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SshAuthError {
    /// The private key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The host keys.
    #[error(transparent)]
    KnownHosts(#[from] KnownHostsError),
}
