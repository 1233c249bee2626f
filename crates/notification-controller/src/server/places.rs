//! The places for connections: a bounded number, and none for those that only keep one occupied.
//!
//! When all are taken, a new connection gets the place of the one that has been sending its request for the longest, or that is idle: a
//! crowd of slow clients then costs the others a fraction of a second and not their turn. A connection whose request has been read whole
//! is never interrupted. Deliberately no limits by address: everything may come through one proxy.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a client may be at its request before its place is given away, when there is no other. Others need some milliseconds.
const GRACE: Duration = Duration::from_millis(250);

/// What the places measure. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct ConnectionMetrics {
    /// Connections that have a place.
    pub open: Gauge,
    /// Connections that lost theirs to another.
    pub displaced: Counter,
}

/// The places of a server. Clones share them.
#[derive(Clone)]
pub(super) struct Places(Arc<Inner>);

struct Inner {
    free: Arc<Semaphore>,
    turn: AtomicU64,
    /// Connections that are sending, by their turns: the first began first.
    sending: Mutex<BTreeMap<u64, Sender>>,
    metrics: ConnectionMetrics,
}

struct Sender {
    since: Instant,
    displaced: CancellationToken,
}

impl Places {
    pub(super) fn new(number: usize, metrics: ConnectionMetrics) -> Self {
        let free = Arc::new(Semaphore::new(number));
        Self(Arc::new(Inner { free, turn: AtomicU64::new(0), sending: Mutex::default(), metrics }))
    }

    /// Waits for a place; makes one if a client has been at its request for too long.
    pub(super) async fn take(&self) -> Place {
        loop {
            let free = Arc::clone(&self.0.free);
            let taken = match Arc::clone(&free).try_acquire_owned() {
                Ok(permit) => Some(permit),
                Err(_) => tokio::time::timeout(self.displace(), free.acquire_owned()).await.ok().and_then(Result::ok),
            };
            if let Some(permit) = taken {
                return Place::new(self.clone(), permit);
            }
        }
    }

    /// Gives away the place of the client that has been sending for the longest, if that is long. Returns when to look again.
    fn displace(&self) -> Duration {
        let mut sending = self.0.sending.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(oldest) = sending.first_entry() else { return GRACE };
        let age = oldest.get().since.elapsed();
        if age >= GRACE {
            oldest.remove().displaced.cancel();
            self.0.metrics.displaced.inc();
            return GRACE;
        }
        GRACE.saturating_sub(age)
    }
}

/// A connection's place. Dropping it frees it.
pub(super) struct Place {
    places: Places,
    displaced: CancellationToken,
    turn: Mutex<Option<u64>>,
    _permit: OwnedSemaphorePermit,
}

impl Place {
    fn new(places: Places, permit: OwnedSemaphorePermit) -> Self {
        places.0.metrics.open.inc();
        let place = Self { places, displaced: CancellationToken::new(), turn: Mutex::default(), _permit: permit };
        place.sends();
        place
    }

    /// Cancelled when the place has been given away.
    pub(super) fn displaced(&self) -> &CancellationToken {
        &self.displaced
    }

    /// The client is sending a request, or idle.
    pub(super) fn sends(&self) {
        let turn = self.places.0.turn.fetch_add(1, Ordering::Relaxed);
        let sender = Sender { since: Instant::now(), displaced: self.displaced.clone() };
        let mut sending = self.places.0.sending.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = own.replace(turn) {
            sending.remove(&earlier);
        }
        sending.insert(turn, sender);
    }

    /// The request has been read whole: it is handled to its end.
    pub(super) fn waits(&self) {
        let mut sending = self.places.0.sending.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = own.take() {
            sending.remove(&turn);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.waits();
        self.places.0.metrics.open.dec();
    }
}
