//! Errors of requests, and the masking of Secret values.
//!
//! An API server may quote the values that it refuses. For a core Secret its message is therefore not passed on, except for the few reasons
//! about which a message cannot quote data; only reasons and field paths remain. Deliberately not here: masking of values that came into
//! other kinds; whoever knows these values masks them. What a failed apply says is in `failure`.

use kube::core::Status;
use sluice_manifest::ObjectId;
use thiserror::Error;

use crate::undeclared::{self, Step};

/// Stands for a message that may quote Secret data.
const WITHHELD: &str = "message withheld because it may contain Secret data";

/// Why a request had no success.
#[derive(Debug, Error)]
pub enum RequestError {
    /// The server refused it.
    #[error("{0}")]
    Refused(Refusal),
    /// The server serves no such kind.
    #[error("no matches for kind {kind:?} in version {api_version:?}")]
    NoMatch {
        /// Kind.
        kind: String,
        /// `apiVersion`.
        api_version: String,
    },
    /// A name that cannot be part of a URL path.
    #[error("{name:?} cannot be part of a request path")]
    Name {
        /// The name.
        name: String,
    },
    /// The request could not be made or sent, or had no complete answer.
    #[error("{0}")]
    Transport(String),
    /// No answer in time.
    #[error("no answer from the API server in {seconds}s")]
    Timeout {
        /// The bound.
        seconds: u64,
    },
    /// The answer is not what the API promises.
    #[error("unexpected answer from the API server: {0}")]
    Answer(String),
}

/// A server's refusal. The message holds no Secret data.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct Refusal {
    /// HTTP status code.
    pub code: u16,
    /// The machine-readable reason, such as `Invalid`; empty if unknown.
    pub reason: String,
    /// The message.
    pub message: String,
    /// Whether the refusal means that the change is impossible for the live object, by the rule of `spec.force`.
    pub immutable: bool,
    /// Fields that the kind does not have, if that is what the refusal is about.
    pub(crate) undeclared: Vec<Vec<Step>>,
}

impl RequestError {
    /// Takes the client's error about a request for one object.
    pub(crate) fn about(subject: &ObjectId, error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused(Refusal::new(&status, is_secret(subject))),
            other => Self::other(&other),
        }
    }

    /// Takes the client's error about a request that carries no object.
    pub(crate) fn other(error: &kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => Self::Refused(Refusal::new(status, false)),
            other => Self::Transport(chain(other)),
        }
    }

    /// Whether the server says that the object (or its namespace, or the path) is not there.
    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.reason == "NotFound" || (refusal.reason.is_empty() && refusal.code == 404))
    }

    pub(crate) fn has_code(&self, code: u16) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.code == code)
    }

    /// Whether a forced apply may recreate the object.
    pub(crate) fn is_immutable(&self) -> bool {
        matches!(self, Self::Refused(refusal) if refusal.immutable)
    }

    /// Fields that the kind does not have, if the refusal is about such.
    pub(crate) fn undeclared(&self) -> &[Vec<Step>] {
        match self {
            Self::Refused(refusal) => &refusal.undeclared,
            _ => &[],
        }
    }

    /// Whether the fault is the server's or the way's, or concerns the identity: the next request would meet it, too.
    pub(crate) fn is_general(&self) -> bool {
        match self {
            Self::Transport(_) | Self::Timeout { .. } => true,
            Self::Refused(refusal) => matches!(refusal.code, 401 | 429 | 502 | 503 | 504),
            Self::NoMatch { .. } | Self::Name { .. } | Self::Answer(_) => false,
        }
    }

    /// Says in the text how often it was tried, if more than once.
    pub(crate) fn tried(mut self, attempts: u32) -> Self {
        if let (Self::Refused(Refusal { message, .. }) | Self::Transport(message), 2..) = (&mut self, attempts) {
            *message = format!("{message} (tried {attempts} times)");
        }
        self
    }

    pub(crate) fn reason(&self) -> &str {
        match self {
            Self::Refused(refusal) => &refusal.reason,
            _ => "",
        }
    }
}

impl Refusal {
    fn new(status: &Status, secret: bool) -> Self {
        // kube puts a sentence of its own where the body was no Status.
        let known = !status.reason.contains(' ');
        let causes = status.details.as_ref().map_or(&[][..], |details| &details.causes);
        let conflict = causes.iter().find(|cause| cause.reason == "FieldManagerConflict");
        let reason = match (conflict, known) {
            (Some(cause), _) => cause.reason.clone(),
            (None, true) => status.reason.clone(),
            (None, false) => String::new(),
        };
        let immutable = matches!(status.code, 409 | 422)
            || matches!(status.reason.as_str(), "Conflict" | "Invalid")
            || status.message.contains("is immutable")
            || status.message.contains("immutable field");
        let quotes_no_data =
            matches!(status.reason.as_str(), "NotFound" | "Unauthorized" | "AlreadyExists" | "Conflict");
        let message = if secret && !quotes_no_data { withheld(status) } else { status.message.clone() };
        Self { code: status.code, reason, message, immutable, undeclared: undeclared::paths(&status.message) }
    }
}

/// The fields and reasons of a refusal, without its messages.
fn withheld(status: &Status) -> String {
    let causes = status.details.as_ref().map_or(&[][..], |details| &details.causes);
    let fields: Vec<String> = causes
        .iter()
        .filter(|cause| !cause.field.is_empty())
        .map(|cause| format!("{}: {}", cause.field, cause.reason))
        .collect();
    if fields.is_empty() { WITHHELD.to_owned() } else { format!("{} ({WITHHELD})", fields.join(", ")) }
}

fn is_secret(subject: &ObjectId) -> bool {
    subject.group.is_empty() && subject.kind == "Secret"
}

/// An error and its causes, joined by ": ", each text once.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let message = source.to_string();
        if !text.ends_with(&message) {
            text = format!("{text}: {message}");
        }
        next = source.source();
    }
    text
}

#[cfg(test)]
mod tests;
