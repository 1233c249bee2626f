//! What every controller process shares: flags, logs, metrics, probes, leader election, shutdown, events, and the dispatcher that
//! drives reconciles.
//!
//! Deliberately knows no kind: what a Kustomization or a Receiver means is in the controllers. A controller implements
//! [`dispatcher::Reconciler`] for each of its kinds and hands it to a [`dispatcher::Dispatcher`].

pub mod backoff;
pub mod cache;
pub mod dispatcher;
pub mod flags;
pub mod lease;
pub mod logging;
pub mod metadata_watch;
pub mod metrics;
pub mod probes;
pub mod process;
pub mod queue;
pub mod recorder;
pub mod shutdown;
