//! Writes to a cluster: dry-run, diff, staged server-side apply and prune of objects of any kind.
//!
//! The decisions are in `sluice-manifest` and in the pure modules here (`takeover`, `readiness`, `error`); `request` is the only place that
//! sends anything. What this crate deliberately does not do: build or decrypt manifests, keep the inventory, judge the health of workloads,
//! or write conditions and events. Every call is a future that may be dropped at any await; what was applied until then stays applied.

mod applier;
mod change;
mod discovery;
mod error;
mod journal;
mod plan;
mod prune;
mod readiness;
mod recreate;
mod request;
mod resource;
mod takeover;
mod undeclared;
mod wait;

pub use applier::{Applier, ApplyOptions, Force};
pub use change::{Action, Change, ChangeSet};
pub use discovery::Discovery;
pub use error::{ApplyError, ApplyFailure, Refusal, RequestError};
pub use journal::{Journal, JournalError, NoJournal};
pub use prune::{PruneError, PruneOutcome, prune};
pub use readiness::Readiness;
pub use resource::Resource;
