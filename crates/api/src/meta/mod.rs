//! Values that several kinds share: artifacts, references, durations, and the event that controllers post.
//!
//! Deliberately without behaviour beyond reading, writing and defaulting: nothing here resolves a reference or fetches an
//! artifact.

mod artifact;
mod duration;
mod event;
mod reference;

pub use artifact::Artifact;
pub use duration::{GoDuration, ParseDurationError};
pub use event::{Event, EventSeverity, ObjectReference};
pub use reference::{
    AccessFrom, CrossNamespaceObjectReference, EVENT_SOURCE_KINDS, LocalObjectReference, NamespaceSelector,
    SecretKeyReference,
};

pub(crate) use duration::{INTERVAL_PATTERN, TIMEOUT_PATTERN};
