//! Room for evaluating expressions: how much of it happens at once, in time and in memory, whatever callers send.
//!
//! An expression may take about a second, and a body as values some ten times its size. Deliberately not here: which expressions.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Expressions evaluated at once. They only compute, and the machine has other things to do.
const AT_ONCE: usize = 2;

/// Bodies held as values at once, in bytes of their JSON: more than two of the largest, and thousands of usual ones.
const BODY_BYTES: usize = 8 << 20;

/// Both bounds. Clones share them.
#[derive(Clone)]
pub(super) struct Evaluations {
    running: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
}

impl Default for Evaluations {
    fn default() -> Self {
        Self { running: Arc::new(Semaphore::new(AT_ONCE)), bytes: Arc::new(Semaphore::new(BODY_BYTES)) }
    }
}

impl Evaluations {
    /// Waits until a body of this size may be held as values; it may be while the permit is. `None` for one that never may.
    pub(super) async fn room_for(&self, body_bytes: usize) -> Option<OwnedSemaphorePermit> {
        let bytes = u32::try_from(body_bytes).ok().filter(|_| body_bytes <= BODY_BYTES)?;
        Arc::clone(&self.bytes).acquire_many_owned(bytes).await.ok()
    }

    /// Runs `work` off the runtime's threads, when it is its turn. `None` when it panicked.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let turn = Arc::clone(&self.running).acquire_owned().await.ok()?;
        // The turn ends with the work, even when the caller is gone.
        let working = tokio::task::spawn_blocking(move || (work(), turn));
        working.await.ok().map(|(done, _turn)| done)
    }
}
