//! One message to a subject of a NATS server: connect, log in, publish, wait until the server has it, close.
//!
//! The core protocol's text lines, as far as publishing needs them. Deliberately no subscriptions, no reconnects and no WebSocket; and no
//! connection is kept, since credentials should not outlive a delivery.

mod connection;
mod nkey;

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sluice_http_client::{Secret, Url};
use thiserror::Error;

use crate::config::ProviderConfig;

pub(crate) use connection::publish;
use nkey::Seed;

/// How long one server may take to let us in, before the next of the list is tried.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Servers of one address that are tried.
const MAX_SERVERS: usize = 16;

const DEFAULT_PORT: u16 = 4222;

/// What the server knows us by.
const CLIENT_NAME: &str = "NATS Provider Publisher";

/// Why a message was not published. No text repeats an address, a subject or a credential.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum NatsError {
    /// The address is not a list of servers.
    #[error("invalid NATS server address")]
    ParseServer,
    /// The subject is not one to publish to.
    #[error("invalid NATS subject")]
    ParseSubject,
    /// The credentials file has no JWT or no seed.
    #[error("invalid NATS creds: no user JWT and seed found")]
    ParseCreds,
    /// The seed is not one.
    #[error("invalid NATS nkey seed")]
    ParseSeed,
    /// No connection.
    #[error("failed to connect to the NATS server")]
    Connect(#[from] sluice_http_client::TunnelError),
    /// No connection in time.
    #[error("failed to connect to the NATS server: not within {}s", CONNECT_TIMEOUT.as_secs())]
    Timeout,
    /// No TLS.
    #[error("failed to connect to the NATS server: TLS handshake failed")]
    Handshake(#[source] std::io::Error),
    /// The connection broke.
    #[error("the connection to the NATS server broke")]
    Exchange(#[from] std::io::Error),
    /// The other side does not speak the protocol.
    #[error("the NATS server does not speak its protocol")]
    ReadLine,
    /// The server said no.
    #[error("the NATS server refused: {0}")]
    Refused(String),
    /// The server takes no message as large as this.
    #[error("the message has {size} bytes, more than the {limit} that the NATS server takes")]
    BoundMessage {
        /// Its size.
        size: usize,
        /// The server's limit.
        limit: usize,
    },
}

/// One server.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Server {
    host: String,
    port: u16,
    tls: bool,
    /// User and password, or a token alone, from the URL.
    userinfo: Option<(String, Option<Secret<String>>)>,
}

impl Server {
    /// Reads a list with commas, as the stock client has it. `nats://` may be left out.
    pub(crate) fn parse_list(text: &str) -> Result<Vec<Self>, NatsError> {
        let servers: Result<Vec<Self>, NatsError> =
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).take(MAX_SERVERS).map(Self::parse).collect();
        servers.and_then(|servers| if servers.is_empty() { Err(NatsError::ParseServer) } else { Ok(servers) })
    }

    fn parse(text: &str) -> Result<Self, NatsError> {
        let with_scheme = if text.contains("://") { text.to_owned() } else { format!("nats://{text}") };
        let url = Url::parse(&with_scheme).map_err(|_| NatsError::ParseServer)?;
        let tls = match url.scheme() {
            "nats" => false,
            "tls" => true,
            _ => return Err(NatsError::ParseServer),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(NatsError::ParseServer)?;
        let decode = |text: &str| {
            let decoded = percent_encoding::percent_decode_str(text).decode_utf8();
            decoded.map(std::borrow::Cow::into_owned).map_err(|_| NatsError::ParseServer)
        };
        let userinfo = if url.username().is_empty() {
            None
        } else {
            let password = url.password().map(decode).transpose()?.map(Secret::new);
            Some((decode(url.username())?, password))
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { host, port: url.port().unwrap_or(DEFAULT_PORT), tls, userinfo })
    }
}

/// Who we are to the server, the strongest of what the Secret has.
#[derive(Clone)]
pub(crate) enum Login {
    /// A user's JWT, and the seed to sign with.
    Creds { jwt: Secret<String>, seed: Seed },
    /// A seed alone.
    Nkey(Seed),
    /// A user and a password, each perhaps empty.
    Password { username: String, password: Secret<String> },
    /// Nobody, unless the URL says.
    None,
}

impl Login {
    pub(crate) fn choose(config: &ProviderConfig) -> Result<Self, NatsError> {
        let filled = |secret: &Option<Secret<String>>| {
            secret.as_ref().map(|secret| secret.expose().clone()).filter(|text| !text.trim().is_empty())
        };
        if let Some(creds) = filled(&config.creds) {
            return Self::of_creds(&creds);
        }
        if let Some(nkey) = filled(&config.nkey) {
            return Ok(Self::Nkey(Seed::find(&nkey)?));
        }
        if config.username.is_empty() && config.password().is_empty() {
            return Ok(Self::None);
        }
        let password = Secret::new(config.password().to_owned());
        Ok(Self::Password { username: config.username.clone(), password })
    }

    /// Reads a credentials file: two blocks between lines of dashes, a JWT and a seed.
    fn of_creds(text: &str) -> Result<Self, NatsError> {
        let mut blocks = Vec::new();
        let mut inside = false;
        for line in text.lines().map(str::trim) {
            if line.starts_with("---") {
                inside = line.contains("BEGIN");
            } else if inside && !line.is_empty() {
                blocks.push(line);
                inside = false;
            }
        }
        let [jwt, seed] = blocks[..] else { return Err(NatsError::ParseCreds) };
        Ok(Self::Creds { jwt: Secret::new(jwt.to_owned()), seed: Seed::parse(seed)? })
    }
}

/// One message, and where it goes.
#[derive(Clone)]
pub(crate) struct Publication {
    servers: Vec<Server>,
    login: Login,
    subject: String,
    payload: Vec<u8>,
}

impl Publication {
    pub(crate) fn new(servers: Vec<Server>, login: Login, subject: &str, payload: Vec<u8>) -> Result<Self, NatsError> {
        // A space or a line end would be a command of its own.
        let is_plain = subject.chars().all(|c| !c.is_whitespace() && !c.is_control());
        let has_tokens = subject.split('.').all(|token| !token.is_empty());
        if !is_plain || !has_tokens {
            return Err(NatsError::ParseSubject);
        }
        Ok(Self { servers, login, subject: subject.to_owned(), payload })
    }

    pub(crate) fn size(&self) -> usize {
        self.payload.len()
    }
}

impl fmt::Debug for Publication {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Publication({} servers, {} bytes)", self.servers.len(), self.payload.len())
    }
}

/// What a server says of itself, as far as it matters.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
struct Info {
    #[serde(default)]
    nonce: String,
    #[serde(default)]
    tls_required: bool,
    #[serde(default)]
    max_payload: usize,
}

/// What we say of ourselves.
#[derive(Debug, Default, Serialize, PartialEq, Eq)]
struct Connect<'a> {
    verbose: bool,
    pedantic: bool,
    tls_required: bool,
    name: &'static str,
    lang: &'static str,
    version: &'static str,
    protocol: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pass: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_token: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwt: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nkey: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sig: Option<String>,
}

impl<'a> Connect<'a> {
    /// The answer to a server's `INFO`.
    fn answer(info: &Info, server: &'a Server, login: &'a Login) -> Self {
        let mut connect = Self {
            tls_required: server.tls || info.tls_required,
            name: CLIENT_NAME,
            lang: "rust",
            version: env!("CARGO_PKG_VERSION"),
            protocol: 1,
            ..Self::default()
        };
        match (login, &server.userinfo) {
            (Login::Creds { jwt, seed }, _) => {
                connect.jwt = Some(jwt.expose());
                connect.sig = Some(seed.sign(&info.nonce));
            }
            (Login::Nkey(seed), _) => {
                connect.nkey = Some(seed.public_key());
                connect.sig = Some(seed.sign(&info.nonce));
            }
            (_, Some((user, Some(password)))) => {
                connect.user = Some(user);
                connect.pass = Some(password.expose());
            }
            (_, Some((token, None))) => connect.auth_token = Some(token),
            (Login::Password { username, password }, None) => {
                connect.user = Some(username);
                connect.pass = Some(password.expose());
            }
            (Login::None, None) => {}
        }
        connect
    }
}

#[cfg(test)]
mod tests;
