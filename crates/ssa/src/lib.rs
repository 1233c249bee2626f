//! Writes to a cluster: dry-run, diff, staged server-side apply and prune of objects of any kind.
//!
//! The decisions are in `sluice-manifest` and in the pure modules here (`takeover`, `ignore`, `undeclared`, `retry`, `error`, `failure`);
//! `request` is the only place that writes anything. What this crate deliberately does not do: build or decrypt manifests, keep the inventory, judge the health of workloads,
//! or write conditions and events. Every call is a future that may be dropped at any await; what was applied until then stays applied.

mod applier;
mod change;
mod discovery;
mod error;
mod failure;
mod ignore;
mod journal;
mod observe;
mod options;
mod plan;
mod ports;
mod prune;
mod recreate;
mod request;
mod resource;
mod retry;
mod stage;
mod takeover;
mod termination;
mod undeclared;
mod wait;

pub use applier::Applier;
pub use change::{Action, Change, ChangeSet};
pub use discovery::Discovery;
pub use error::{Refusal, RequestError};
pub use failure::{ApplyError, ApplyFailure};
pub use ignore::{IgnoreError, IgnoreRule, IgnoreRules, IgnoreTarget, SelectorError};
pub use journal::{Journal, JournalError, NoJournal};
pub use observe::{
    Access, DesiredDigest, Drift, DriftKind, FailFast, HealthFailure, HealthOptions, HealthTarget, Healthy, IfAbsent,
    ObjectState, Observer, OnDrift, OwnedDigest, ReaderOrder, Settings as ObserverSettings, Unhealthy, WriteGuard,
    owned_digest, wait_until_healthy,
};
pub use options::{ApplyOptions, Force, Origin, VersionMigration};
pub use ports::{Known, NoRest, NothingKnown, Ports, Rest};
pub use prune::{PruneError, PruneOutcome, prune};
pub use resource::Resource;
pub use termination::{StillThere, wait_until_gone};
