//! The event server: takes the events that the other controllers POST, drops duplicates, and has the matching Alerts
//! delivered through their Providers.
//!
//! It does not reconcile Alerts or Providers, and it does not retry a delivery that failed: the failure becomes a
//! Kubernetes event on the Alert.

pub mod cleanup;
mod commit_status;
pub mod decode;
pub mod dedupe;
mod dispatch;
mod filters;
pub mod gating;
mod go_regex;
mod handler;
mod identities;
pub mod limiter;
pub mod matching;
pub mod metadata;
pub mod ports;
mod prepare;
mod select;
mod sending;

pub use dispatch::Ports;
pub use handler::{EventMetrics, EventServer, EventServerSettings};
pub use identities::{ProviderIdentities, ProviderIdentityError};
