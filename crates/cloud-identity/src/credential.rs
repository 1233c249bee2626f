//! What an exchange gives: tokens and logins, with the time at which they end; and the clock by which that is judged.
//!
//! Deliberately nothing about how they are had.

use std::fmt;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use sluice_http_client::Secret;

/// A bearer token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    /// The token.
    pub token: Secret<String>,
    /// When it ends, as the issuer says.
    pub expires_at: Timestamp,
}

/// A login to a container registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistryLogin {
    /// The user, a fixed name with most providers.
    pub username: String,
    /// The password: a token.
    pub password: Secret<String>,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// A login to a Git host over HTTPS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GitLogin {
    /// In which form.
    pub scheme: GitScheme,
    /// When it ends.
    pub expires_at: Timestamp,
}

/// The two forms of a login to a Git host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GitScheme {
    /// Basic authentication.
    Basic {
        /// The user. With `CodeCommit` it carries the session token, so it is a secret too.
        username: Secret<String>,
        /// The password.
        password: Secret<String>,
    },
    /// Bearer authentication.
    Bearer(Secret<String>),
}

/// What ends at a known time, and so can be kept until shortly before.
pub trait Expires {
    /// When it ends; `None` for what has no known end, which is not kept at all.
    fn expires_at(&self) -> Option<Timestamp>;
}

impl Expires for AccessToken {
    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

impl Expires for RegistryLogin {
    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

impl Expires for GitLogin {
    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.expires_at)
    }
}

impl Expires for crate::sigv4::AwsCredentials {
    fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }
}

/// The wall clock, as an argument.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// The machine's.
    pub fn system() -> Self {
        Self::new(Timestamp::now)
    }

    /// Another.
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// The time now.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

/// `seconds` from `now`. An issuer that names an absurd number gets the end of time, or no life at all.
pub(crate) fn after(now: Timestamp, seconds: i64) -> Timestamp {
    let bound = if seconds < 0 { Timestamp::MIN } else { Timestamp::MAX };
    now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(bound)
}
