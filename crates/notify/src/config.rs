//! What a provider needs to know to render and send, after its spec and its Secrets have been put together.
//!
//! Nothing here reads or checks anything: `secret::resolve` is the only maker.

use std::collections::BTreeMap;
use std::time::Duration;

use sluice_api::notification::ProviderType;
use sluice_http_client::{ClientIdentity, Secret, Url};

/// The provider types that can be rendered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `generic`: the event as JSON.
    Generic,
    /// `generic-hmac`: as `generic`, with a signature over the body.
    GenericHmac,
    /// `slack`: an incoming webhook or `chat.postMessage`.
    Slack,
}

impl Kind {
    /// The kind for a Provider's `spec.type`; `None` for a type that is not implemented.
    pub fn of(provider_type: &ProviderType) -> Option<Self> {
        match provider_type {
            ProviderType::Generic => Some(Self::Generic),
            ProviderType::GenericHmac => Some(Self::GenericHmac),
            ProviderType::Slack => Some(Self::Slack),
            _ => None,
        }
    }
}

/// PEM material for TLS. A certificate authority replaces the system's roots; it is never merged with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsMaterial {
    /// Certificate authorities, PEM.
    pub ca: Option<Vec<u8>>,
    /// Client certificate and key, PEM.
    pub identity: Option<ClientIdentity>,
}

/// A Provider with everything that its Secrets add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProviderConfig {
    /// What to render.
    pub kind: Kind,
    /// Where to send. It may hold a secret (a webhook's path), so errors do not repeat it.
    pub address: Secret<String>,
    /// `spec.channel`, or empty.
    pub channel: String,
    /// The Secret's user name, else `spec.username`, else empty.
    pub username: String,
    /// The Secret's `token`, untrimmed.
    pub token: Option<Secret<String>>,
    /// The Secret's `password`.
    pub password: Option<Secret<String>>,
    /// The Secret's `headers`.
    pub headers: BTreeMap<String, Secret<String>>,
    /// Proxy to use instead of the environment's.
    pub proxy: Option<Secret<Url>>,
    /// TLS material from `certSecretRef`.
    pub tls: Option<TlsMaterial>,
    /// Bound of one delivery, retries included.
    pub timeout: Duration,
}
