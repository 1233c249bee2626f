//! Why an apply stopped, with the literal texts that users know.
//!
//! Deliberately not here: what the server said (`error`). Its message is part of the text, since errors of several objects become one.

use std::error::Error;
use std::fmt;

use sluice_kstatus::{State, Status};
use sluice_manifest::ObjectId;
use thiserror::Error as ThisError;

use crate::change::ChangeSet;
use crate::error::RequestError;
use crate::options::Origin;

/// Why an apply stopped.
#[derive(Debug, ThisError)]
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
    /// Entries of field managers could not be brought to the applied API version.
    #[error("{subject} failed to migrate API version: {message}")]
    Migration {
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
        unready: Vec<(ObjectId, Status)>,
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

    /// Says where the object came from, where that is known.
    pub(crate) fn naming_origin(mut self, origin: Option<&Origin>) -> Self {
        let message = match &mut self {
            Self::Query { message, .. }
            | Self::DryRun { message, .. }
            | Self::NamespaceNotSpecified { message, .. }
            | Self::NotFound { message, .. }
            | Self::Apply { message, .. }
            | Self::Cleanup { message, .. }
            | Self::Migration { message, .. }
            | Self::Recreate { message, .. } => message,
            Self::Record { .. } | Self::WaitTimeout { .. } => return self,
        };
        if let Some(origin) = origin {
            *message = format!("{message} (from {origin})");
        }
        self
    }
}

/// Errors of one stage that are listed; more are only counted. The text of a condition ends at 32 KiB, which is fewer.
pub(crate) const MAX_LISTED: usize = 100;

/// Why a stage stopped: at least one error, in apply order.
#[derive(Debug)]
pub(crate) struct Errors {
    first: ApplyError,
    others: Vec<ApplyError>,
    unlisted: usize,
}

impl Errors {
    pub(crate) fn new(first: ApplyError) -> Self {
        Self { first, others: Vec::new(), unlisted: 0 }
    }

    pub(crate) fn push(&mut self, error: ApplyError) {
        if self.others.len() + 1 < MAX_LISTED {
            self.others.push(error);
        } else {
            self.unlisted += 1;
        }
    }

    pub(crate) fn after(self, changes: ChangeSet) -> ApplyFailure {
        ApplyFailure { changes, error: self.first, others: self.others, unlisted: self.unlisted }
    }
}

impl From<ApplyError> for Errors {
    fn from(error: ApplyError) -> Self {
        Self::new(error)
    }
}

/// An apply that stopped, and what it had done by then. `Display` has one line for each error.
#[derive(Debug)]
pub struct ApplyFailure {
    /// Changes of completed stages, and of the stopped one up to the failing object.
    pub changes: ChangeSet,
    /// Why: the first error in apply order.
    pub error: ApplyError,
    /// Further objects of the same stage that were refused, in apply order.
    pub others: Vec<ApplyError>,
    /// How many more there were.
    pub unlisted: usize,
}

impl fmt::Display for ApplyFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        self.others.iter().try_for_each(|error| write!(f, "\n{error}"))?;
        if self.unlisted > 0 {
            write!(f, "\nand {} more", self.unlisted)?;
        }
        Ok(())
    }
}

impl Error for ApplyFailure {}

impl ApplyFailure {
    /// The text of conditions and events: the errors and, on further lines, what was applied before.
    pub fn text(&self) -> String {
        match self.changes.apply_log() {
            log if log.is_empty() => self.to_string(),
            log => format!("{self}\n{log}"),
        }
    }
}

fn parenthesised(reason: &str) -> String {
    if reason.is_empty() { String::new() } else { format!(" ({reason})") }
}

/// The state of each object, and the fault where the state could not be told.
fn states(objects: &[(ObjectId, Status)]) -> String {
    let text = |(id, status): &(ObjectId, Status)| match status.state {
        State::Unknown => format!("{id} status: '{}': {}", status.state, status.message),
        state => format!("{id} status: '{state}'"),
    };
    objects.iter().map(text).collect::<Vec<_>>().join(", ")
}
