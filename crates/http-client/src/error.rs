//! Why a request failed, in one line that names the cause and no secret.
//!
//! Deliberately holds no error of the HTTP library: those print whole URLs. What they say is taken out as text, innermost cause first.

use std::error::Error;

use http::{Method, StatusCode};

/// A failed request. `target` is the masked URL.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpError {
    /// No whole response came.
    #[error("{method} {target}: {kind}: {cause}")]
    Transport {
        /// The request's method.
        method: Method,
        /// Where it went, masked.
        target: String,
        /// What kind of failure it was.
        kind: FailureKind,
        /// The innermost cause, in the words of the library that met it.
        cause: String,
    },
    /// A response came, and its status is an error to the caller.
    #[error("{method} {target}: unexpected status {status}")]
    Status {
        /// The request's method.
        method: Method,
        /// Where it went, masked.
        target: String,
        /// The status.
        status: StatusCode,
    },
    /// The body is larger than the caller accepts.
    #[error("{method} {target}: response body is larger than {limit} bytes")]
    TooLarge {
        /// The request's method.
        method: Method,
        /// Where it went, masked.
        target: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// What was downloaded could not be written.
    #[error("{method} {target}: failed to write the response body")]
    Write {
        /// The request's method.
        method: Method,
        /// Where it went, masked.
        target: String,
        /// The writer's error.
        #[source]
        source: std::io::Error,
    },
    /// A header given by the caller is not one (a line break in a token, for example).
    #[error("header '{name}' has an invalid value")]
    Header {
        /// The header's name.
        name: String,
    },
}

impl HttpError {
    /// The kind of transport failure, if it was one.
    pub fn kind(&self) -> Option<FailureKind> {
        match self {
            Self::Transport { kind, .. } => Some(*kind),
            Self::Status { .. } | Self::TooLarge { .. } | Self::Write { .. } | Self::Header { .. } => None,
        }
    }

    /// The status, if the failure is one.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status { status, .. } => Some(*status),
            Self::Transport { .. } | Self::TooLarge { .. } | Self::Write { .. } | Self::Header { .. } => None,
        }
    }
}

/// Where on its way a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The host name has no address.
    UnknownHost,
    /// No connection to the host (or the proxy).
    Connect,
    /// The TLS handshake failed: unknown issuer, wrong name, expired, client certificate wanted.
    Tls,
    /// The connect or the request timeout passed.
    Timeout,
    /// A redirect was refused, or there were too many.
    Redirect,
    /// The connection broke after the request was sent.
    Interrupted,
    /// The request could not be made at all.
    Request,
}

impl std::fmt::Display for FailureKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::UnknownHost => "unknown host",
            Self::Connect => "failed to connect",
            Self::Tls => "TLS handshake failed",
            Self::Timeout => "timed out",
            Self::Redirect => "redirect refused",
            Self::Interrupted => "connection interrupted",
            Self::Request => "invalid request",
        })
    }
}

/// Sorts an error of the HTTP library by looking at its whole chain.
pub(crate) fn classify(error: &reqwest::Error) -> FailureKind {
    if error.is_timeout() {
        FailureKind::Timeout
    } else if error.is_redirect() {
        FailureKind::Redirect
    } else if error.is_dns() {
        FailureKind::UnknownHost
    } else if in_chain(error, <dyn Error>::is::<rustls::Error>) {
        FailureKind::Tls
    } else if error.is_connect() {
        FailureKind::Connect
    } else if error.is_builder() {
        FailureKind::Request
    } else {
        FailureKind::Interrupted
    }
}

/// Calls `test` on the error and on everything below it. An I/O error hides what it wraps from `source()`, so it is opened here.
fn in_chain(error: &(dyn Error + 'static), test: impl Fn(&(dyn Error + 'static)) -> bool) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if test(error) {
            return true;
        }
        next = below(error);
    }
    false
}

fn below<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(inner) = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
        return Some(inner);
    }
    error.source()
}

/// The text of the innermost error: `Connection refused (os error 111)`, `invalid peer certificate: UnknownIssuer`. It is the one text
/// of the chain that never has a URL in it.
pub(crate) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(inner) = below(innermost) {
        innermost = inner;
    }
    match innermost.downcast_ref::<reqwest::Error>() {
        // The library's own errors print the URL when nothing is below them.
        Some(error) if error.is_timeout() => "operation timed out".to_owned(),
        Some(error) if error.is_builder() => "invalid settings".to_owned(),
        Some(_) => "request failed".to_owned(),
        None => innermost.to_string(),
    }
}
