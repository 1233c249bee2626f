//! The authentication keys of the main Secret, read as one: when one of them is malformed, all are.
//!
//! What a malformed Secret means is not decided here: most types go on without credentials.

use sluice_http_client::Secret;
use thiserror::Error;

use super::{ResolveError, SecretData, TlsMaterial};

/// What makes the keys malformed. No value is repeated.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum AuthError {
    /// A user without a password, or the reverse.
    #[error("malformed basic auth in the secret: it needs both 'username' and 'password'")]
    PairBasic,
    /// Two ways to name the installation of a GitHub App.
    #[error(
        "malformed GitHub App in the secret: only one of 'githubAppInstallationID' and 'githubAppInstallationOwner' may be set"
    )]
    ChooseInstallation,
    /// A certificate without a key, or the reverse.
    #[error("malformed TLS material in the secret: it needs both 'tls.crt' and 'tls.key'")]
    PairTls,
}

/// The keys.
#[derive(Clone, Debug, Default)]
pub(super) struct Auth {
    pub(super) token: Option<Secret<String>>,
    pub(super) basic: Option<(String, Secret<String>)>,
    pub(super) github_app: SecretData,
    pub(super) tls: Option<TlsMaterial>,
}

/// Reads them.
///
/// # Errors
/// A value that is not text. The inner error says that the keys are malformed.
pub(super) fn parse(secret: &SecretData) -> Result<Result<Auth, AuthError>, ResolveError> {
    let basic = match (secret.text("username")?, secret.secret("password")?) {
        (Some(username), Some(password)) => Some((username.to_owned(), password)),
        (None, None) => None,
        _ => return Ok(Err(AuthError::PairBasic)),
    };
    if secret.get("githubAppInstallationID").is_some() && secret.get("githubAppInstallationOwner").is_some() {
        return Ok(Err(AuthError::ChooseInstallation));
    }
    let tls = match super::tls(secret) {
        Ok(material) => Some(material),
        Err(_) if has_half_a_pair(secret) => return Ok(Err(AuthError::PairTls)),
        Err(_) => None,
    };
    Ok(Ok(Auth { token: secret.secret("token")?, basic, github_app: secret.with_prefix("githubApp"), tls }))
}

fn has_half_a_pair(secret: &SecretData) -> bool {
    secret.either("tls.crt", "certFile").is_some() != secret.either("tls.key", "keyFile").is_some()
}
