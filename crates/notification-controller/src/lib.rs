//! The notification-controller: events in and out as notifications, webhooks in and out as reconcile requests.
//!
//! - [`events`]: the server to which the other controllers POST their events.
//! - [`webhook`]: the server that forges and registries call.
//! - [`receiver`]: the reconcile of Receivers, which makes the webhooks' paths.
//! - [`finalizers`]: the little that Providers and Alerts need of a controller.
//! - [`server`], [`metrics`]: what both servers share.
//! - [`cluster`]: what they need from the API server, as ports; [`stores`]: those that are answered from memory.
//! - [`app`], [`flags`]: the process.
//!
//! It deliberately has no state of its own beyond the duplicate check, and both servers work without leadership.

pub mod app;
pub mod cluster;
pub mod events;
#[cfg(test)]
mod fakes;
pub mod finalizers;
pub mod flags;
pub mod labels;
pub mod metrics;
pub mod receiver;
pub mod server;
mod servers;
pub mod stores;
pub mod webhook;

/// Whether an object may refer to one in another namespace (`--no-cross-namespace-refs` forbids it).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrossNamespace {
    /// It may.
    Allowed,
    /// It may not: such a reference is an error.
    Blocked,
}

/// Whether a Provider may name the service account with whose identity it is served (gate `ObjectLevelWorkloadIdentity`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceAccounts {
    /// It may. Types that get no credentials from a cloud make no use of it.
    Allowed,
    /// It may not: such a Provider is an error.
    Refused,
}
