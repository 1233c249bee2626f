//! Errors of requests and of an apply, with the literal texts that users know, and the masking of Secret values.
//!
//! An API server may quote the values that it refuses. For a core Secret its message is therefore not passed on, except for the few reasons
//! about which a message cannot quote data; only reasons and field paths remain. Deliberately not here: masking of values that came into
//! other kinds; whoever knows these values masks them.

use kube::core::Status;
use sluice_manifest::ObjectId;
use thiserror::Error;

use crate::change::ChangeSet;
use crate::readiness::Readiness;
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

    fn reason(&self) -> &str {
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

/// Why an apply stopped.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// The live object could not be read.
    #[error("{subject} query failed: {message}")]
    Query {
        /// The object as in messages.
        subject: String,
        /// What the server said.
        message: String,
    },
    /// The server refused the object when asked on trial.
    #[error("{subject} dry-run failed{}: {message}", parenthesised(.reason))]
    DryRun {
        /// The object as in messages.
        subject: String,
        /// The server's reason, empty if unknown.
        reason: String,
        /// What the server said.
        message: String,
    },
    /// A namespaced object without a namespace.
    #[error("{subject} namespace not specified: {message}")]
    NamespaceNotSpecified {
        /// The object as in messages.
        subject: String,
        /// What the server said, or would.
        message: String,
    },
    /// What the object refers to by its path, such as the namespace, is not there.
    #[error("{subject} not found: {message}")]
    NotFound {
        /// The object as in messages.
        subject: String,
        /// What the server said.
        message: String,
    },
    /// The apply itself was refused.
    #[error("{subject} apply failed: {message}")]
    Apply {
        /// The object as in messages.
        subject: String,
        /// What the server said.
        message: String,
    },
    /// Fields of other managers could not be taken over.
    #[error("{subject} metadata.managedFields cleanup failed: {message}")]
    Cleanup {
        /// The object as in messages.
        subject: String,
        /// What the server said.
        message: String,
    },
    /// A forced apply could not delete the live object.
    #[error("{subject} delete failed: {message}")]
    Recreate {
        /// The object as in messages.
        subject: String,
        /// What the server said.
        message: String,
    },
    /// What is about to be applied could not be recorded, so it was not applied.
    #[error("failed to record the objects to be applied: {message}")]
    Record {
        /// Why.
        message: String,
    },
    /// Objects of a stage did not get ready in time.
    #[error("timeout waiting for: [{}]", states(.unready))]
    WaitTimeout {
        /// What is not ready.
        unready: Vec<(ObjectId, Readiness)>,
    },
    /// Objects of a stage have failed and none is in progress.
    #[error("failed early due to stalled resources: [{}]", states(.failed))]
    WaitFailed {
        /// What has failed.
        failed: Vec<(ObjectId, Readiness)>,
    },
}

impl ApplyError {
    pub(crate) fn dry_run(id: &ObjectId, error: &RequestError) -> Self {
        let (subject, message) = (id.to_string(), error.to_string());
        match (error.is_not_found(), id.namespace.is_empty()) {
            (true, true) => Self::NamespaceNotSpecified { subject, message },
            (true, false) => Self::NotFound { subject, message },
            (false, _) => Self::DryRun { subject, reason: error.reason().to_owned(), message },
        }
    }
}

/// An apply that stopped, and what it had done by then.
#[derive(Debug, Error)]
#[error("{error}")]
pub struct ApplyFailure {
    /// Changes of completed stages, and of the stopped one up to the failing object.
    pub changes: ChangeSet,
    /// Why.
    pub error: ApplyError,
}

impl ApplyFailure {
    /// The text of conditions and events: the error and, on further lines, what was applied before.
    pub fn text(&self) -> String {
        match self.changes.apply_log() {
            log if log.is_empty() => self.error.to_string(),
            log => format!("{}\n{log}", self.error),
        }
    }
}

fn parenthesised(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" ({reason})") }
}

fn states(objects: &[(ObjectId, Readiness)]) -> String {
    let texts: Vec<String> = objects.iter().map(|(id, state)| format!("{id} status: '{state}'")).collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests;
