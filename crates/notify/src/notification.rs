//! What is told: an event whose metadata is merged, for one Alert, with the time and the chance that some payloads need.
//!
//! Plain data: nothing here decides whether the event is told.

use sluice_api::meta::Event;
use sluice_http_client::Secret;

/// The Alert on whose behalf an event is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertReference {
    /// Its uid.
    pub uid: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// One event for one Alert and one Provider.
#[derive(Clone, Debug)]
pub struct Notification {
    /// The event, its metadata merged: keys are bare.
    pub event: Event,
    /// Who wants it told.
    pub alert: AlertReference,
    /// What `commitStatusExpr` gave, for Git providers that have one. [`crate::git::status_id`] is what to use.
    pub commit_status: Option<String>,
    /// Now. Only for what the receiver shall take as the time of sending; an event has a time of its own.
    pub now: jiff::Timestamp,
    /// Random bytes, for ids that must be unique and need not be secret.
    pub nonce: Secret<[u8; 32]>,
}

impl Notification {
    /// A notification without a commit status of its own.
    pub fn new(event: Event, alert: AlertReference, now: jiff::Timestamp, nonce: [u8; 32]) -> Self {
        Self { event, alert, commit_status: None, now, nonce: Secret::new(nonce) }
    }

    /// The nonce's bytes from `start` on; too few bytes are no reason to fail, so they come round.
    pub(crate) fn random<const N: usize>(&self, start: usize) -> [u8; N] {
        let nonce = self.nonce.expose();
        std::array::from_fn(|i| nonce[(start + i) % nonce.len()])
    }
}
