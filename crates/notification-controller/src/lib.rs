//! The notification-controller: events in and out as notifications, webhooks in and out as reconcile requests.
//!
//! - [`events`]: the server to which the other controllers POST their events.
//! - [`webhook`]: the server that forges and registries call.
//! - [`receiver`]: the decisions of a Receiver's reconcile, as pure functions.
//! - [`server`], [`metrics`]: what both servers share.
//! - [`cluster`]: what they need from the API server, as ports.
//!
//! It deliberately has no state of its own beyond the duplicate check, and both servers work without leadership.

pub mod cluster;
mod error_chain;
pub mod events;
#[cfg(test)]
mod fakes;
pub mod labels;
pub mod metrics;
pub mod receiver;
pub mod server;
pub mod webhook;

/// Whether an object may refer to one in another namespace (`--no-cross-namespace-refs` forbids it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrossNamespace {
    /// It may.
    Allowed,
    /// It may not: such a reference is an error.
    Blocked,
}
