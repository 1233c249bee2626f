//! The state of objects, computed from what they say of themselves: the rules of kstatus, with the differences Flux has.
//!
//! [`status`] looks at one object. Controllers of pods need a second look at their pods, see [`selects_pods`] and
//! [`Status::with_pods`]. Time is an argument; the only rule that needs it gives an unschedulable pod fifteen seconds.
//!
//! Deliberately not here: reading objects, what to do with objects that cannot be read (callers use [`Status::not_found`] and
//! [`Status::unknown`]), polling, and health checks by expressions.

mod fields;
mod kinds;
mod pods;

use std::fmt;

use jiff::Timestamp;
use serde_json::Value;

use fields::{Condition, FieldError, conditions, integer, text};

pub use pods::selects_pods;

/// Where an object stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum State {
    /// On its way to what its spec says.
    InProgress,
    /// Not going to get there without help.
    Failed,
    /// As its spec says.
    Current,
    /// Being deleted.
    Terminating,
    /// Not there.
    NotFound,
    /// Cannot be told.
    Unknown,
}

impl fmt::Display for State {
    /// The word that messages about health use.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InProgress => "InProgress",
            Self::Failed => "Failed",
            Self::Current => "Current",
            Self::Terminating => "Terminating",
            Self::NotFound => "NotFound",
            Self::Unknown => "Unknown",
        })
    }
}

/// An object's state, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The state.
    pub state: State,
    /// One word for the rule that decided; empty for [`State::Current`] and where no rule did.
    pub reason: String,
    /// A sentence for people; the error for [`State::Unknown`].
    pub message: String,
}

impl Status {
    fn current(message: impl Into<String>) -> Self {
        Self { state: State::Current, reason: String::new(), message: message.into() }
    }

    fn in_progress(reason: &str, message: impl Into<String>) -> Self {
        Self { state: State::InProgress, reason: reason.to_owned(), message: message.into() }
    }

    fn failed(reason: &str, message: impl Into<String>) -> Self {
        Self { state: State::Failed, reason: reason.to_owned(), message: message.into() }
    }

    /// The status of an object the API server does not have.
    pub fn not_found() -> Self {
        Self { state: State::NotFound, reason: String::new(), message: "Resource not found".to_owned() }
    }

    /// The status of an object that could not be read, or whose pods could not be listed.
    pub fn unknown(error: impl fmt::Display) -> Self {
        Self { state: State::Unknown, reason: String::new(), message: error.to_string() }
    }
}

/// Computes an object's status from the object alone, at the time `now`.
///
/// A `batch` Job is judged by its own rule only, a deletion or an unobserved generation does not matter: Flux waits for Jobs to end. For
/// every other object the order is deletion, observed generation, the conditions `Reconciling` and `Stalled`, the rule of its kind, the
/// condition `Ready`, and finally the assumption that it is current. Fields of a type they should not have make it [`State::Unknown`].
pub fn status(object: &Value, now: Timestamp) -> Status {
    compute(object, now).unwrap_or_else(Status::from)
}

/// Why a status cannot be told.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum ComputeError {
    #[error("looking up {path} from resource")]
    LookUp {
        path: &'static str,
        #[source]
        source: FieldError,
    },
    #[error(transparent)]
    Conditions(#[from] FieldError),
    #[error("unknown phase {0}")]
    Phase(String),
}

impl From<ComputeError> for Status {
    fn from(error: ComputeError) -> Self {
        match &error {
            ComputeError::LookUp { source, .. } => Self::unknown(format_args!("{error}: {source}")),
            ComputeError::Conditions(_) | ComputeError::Phase(_) => Self::unknown(&error),
        }
    }
}

fn compute(object: &Value, now: Timestamp) -> Result<Status, ComputeError> {
    let (group, kind) = group_kind(object);
    if (group, kind) == ("batch", "Job") {
        return kinds::job(object);
    }
    if let Some(decided) = generic(object, kind)? {
        return Ok(decided);
    }
    if let Some(decided) = kinds::by_kind(object, group, kind, now)? {
        return Ok(decided);
    }
    Ok(ready(&conditions(object)?).unwrap_or_else(|| Status::current("Resource is current")))
}

/// The group and the kind an object names, empty if it names none.
fn group_kind(object: &Value) -> (&str, &str) {
    let named = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default();
    let group = named("apiVersion").split_once('/').map_or("", |(group, _)| group);
    (group, named("kind"))
}

/// What holds for every kind.
fn generic(object: &Value, kind: &str) -> Result<Option<Status>, ComputeError> {
    let deletion = text(object, &["metadata", "deletionTimestamp"])
        .map_err(|source| ComputeError::LookUp { path: "metadata.deletionTimestamp", source })?;
    if deletion.is_some_and(|timestamp| !timestamp.is_empty()) {
        let message = "Resource scheduled for deletion".to_owned();
        return Ok(Some(Status { state: State::Terminating, reason: String::new(), message }));
    }
    if let (Some(generation), Some(observed)) = generations(object)?
        && generation != observed
    {
        let message = format!("{kind} generation is {generation}, but latest observed generation is {observed}");
        return Ok(Some(Status::in_progress("LatestGenerationNotObserved", message)));
    }
    Ok(conditions(object)?.iter().filter(|condition| condition.is_true()).find_map(|condition| match condition.kind {
        "Reconciling" => Some(Status::in_progress(condition.reason, condition.message)),
        "Stalled" => Some(Status::failed(condition.reason, condition.message)),
        _ => None,
    }))
}

/// `metadata.generation` and, only if there is one, `status.observedGeneration`.
fn generations(object: &Value) -> Result<(Option<i64>, Option<i64>), ComputeError> {
    let generation = integer(object, &["metadata", "generation"])
        .map_err(|source| ComputeError::LookUp { path: "metadata.generation", source })?;
    if generation.is_none() {
        return Ok((None, None));
    }
    let observed = integer(object, &["status", "observedGeneration"])
        .map_err(|source| ComputeError::LookUp { path: "status.observedGeneration", source })?;
    Ok((generation, observed))
}

fn ready(conditions: &[Condition<'_>]) -> Option<Status> {
    conditions.iter().filter(|condition| condition.kind == "Ready").find_map(|condition| match condition.status {
        "True" => Some(Status::current("Resource is Ready")),
        "False" | "Unknown" => Some(Status::in_progress(condition.reason, condition.message)),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
