//! The webhook server: a request to a Receiver's secret path makes the Receiver's resources reconcile.
//!
//! Answers have no body: whoever calls learns nothing beyond a status code. The server needs no leadership, and it
//! does not compute paths; those are in the Receivers' statuses.

pub mod auth;
mod form;
mod handler;
mod mux;
mod readiness;
pub mod resources;
mod signature;

use std::sync::Arc;

use sluice_api::notification::Receiver;

use crate::cluster::NotSynced;

pub use handler::{Ports, WebhookServer};

/// Receivers from memory, by their path.
pub trait ReceiverIndex: Send + Sync {
    /// The Receiver whose `status.webhookPath` is exactly `path`. Must not be a scan: anybody can call it.
    ///
    /// # Errors
    /// Before the first sync.
    fn by_path(&self, path: &str) -> Result<Option<Arc<Receiver>>, NotSynced>;
}
