//! The webhook server: a request to a Receiver's secret path makes the Receiver's resources reconcile.
//!
//! Answers have no body: whoever calls learns nothing beyond a status code. The server needs no leadership, and it
//! does not compute paths; those are in the Receivers' statuses.

mod admit;
pub mod auth;
mod evaluations;
mod form;
mod go_json;
mod handler;
pub mod issuers;
pub mod jwks;
pub mod jwt;
pub mod media_type;
mod mux;
mod programs;
mod readiness;
pub mod resources;
mod signature;
mod types;

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
