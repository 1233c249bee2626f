//! What can go wrong with a remote, whichever way it is reached.
//!
//! Deliberately one type for all transports: what a user has to do about a missing repository does not depend on them.

use std::time::Duration;

use sluice_http_client::{ConfigError, HttpError, StatusCode};

use crate::transport::SshError;
use crate::{ObjectId, ProtocolError, ResolveError};

/// Why a remote did not give what it was asked for. No variant holds a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RemoteError {
    /// The URL's scheme is not http, https or ssh.
    #[error("unsupported URL scheme '{0}'")]
    Scheme(String),
    /// No client could be made of certificates and proxy.
    #[error("failed to configure the connection")]
    Config(#[source] ConfigError),
    /// The URL has no host, or a path that cannot be sent.
    #[error("the URL does not name a repository")]
    Url,
    /// An ssh URL without a key, or a key with another URL.
    #[error("the authentication does not fit the URL scheme '{0}'")]
    AuthScheme(String),
    /// 401, and no credentials were sent.
    #[error("authentication required")]
    AuthenticationRequired,
    /// 401 despite credentials; an SSH server that takes no key of ours.
    #[error("authentication failed: the server rejected the credentials")]
    AuthenticationRejected,
    /// 403.
    #[error("authorization failed: access to the repository is denied")]
    AccessDenied,
    /// 404 or 410.
    #[error("repository not found")]
    RepositoryNotFound,
    /// Another status than 200.
    #[error("unexpected status {0}")]
    Status(StatusCode),
    /// A redirect to another host, from https to http, of a POST, or one too many.
    #[error("redirect refused: {0}")]
    Redirect(&'static str),
    /// The answer is of something else than a Git server, or of one older than 2010.
    #[error("the server does not speak the smart Git protocol")]
    NotGit,
    /// The time is over.
    #[error("timed out after {}s", .0.as_secs_f64())]
    Timeout(Duration),
    /// The remote has no reference at all.
    #[error("git repository is empty")]
    EmptyRepository,
    /// The commit is not there, or not to be had.
    #[error("unable to resolve commit object for '{0}': object not found")]
    CommitNotFound(ObjectId),
    /// The reference is not there.
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    /// The answer is not what the protocol allows.
    #[error(transparent)]
    Protocol(#[from] ProtocolError),
    /// The request failed on the way: unknown host, refused connection, unknown certificate.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The SSH connection failed: no way there, another host key, another protocol.
    #[error(transparent)]
    Ssh(#[from] SshError),
}
