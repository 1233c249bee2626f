//! The worker that a pass occupies, and how it is given back for the time of a wait.
//!
//! Deliberately knows neither queue nor objects: a slot is one of a fixed number of permits.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One of `--concurrent` workers, held by a pass. Clones stand for the same one.
#[derive(Debug, Clone)]
pub struct Slot {
    permits: Arc<Semaphore>,
    held: Arc<Mutex<Option<OwnedSemaphorePermit>>>,
}

impl Slot {
    /// Waits for a free worker.
    pub(super) async fn take(permits: &Arc<Semaphore>) -> Self {
        let slot = Self { permits: Arc::clone(permits), held: Arc::default() };
        slot.resume().await;
        slot
    }

    /// Waits for `wait` without occupying the worker, and for a free worker after it.
    ///
    /// When the process ends meanwhile, the pass is abandoned here: what it waits for is not worth the grace period.
    pub async fn rest<T>(&self, wait: impl Future<Output = T>) -> T {
        self.release();
        let result = wait.await;
        self.resume().await;
        result
    }

    /// Gives the worker back.
    pub fn release(&self) {
        drop(self.held().take());
    }

    /// Waits for a worker, if this has none.
    pub async fn resume(&self) {
        if self.held().is_some() {
            return;
        }
        // It is never closed, so there is always a permit to come.
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok();
        *self.held() = permit;
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<OwnedSemaphorePermit>> {
        // One assignment at a time: nothing can be left half done.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_resting_pass_lends_its_worker_and_gets_one_back() {
        let permits = Arc::new(Semaphore::new(1));
        let slot = Slot::take(&permits).await;
        assert_eq!(permits.available_permits(), 0);
        let (enough, woken) = tokio::sync::oneshot::channel::<()>();
        let resting = tokio::spawn({
            let slot = slot.clone();
            async move { slot.rest(woken).await }
        });
        let other = Slot::take(&permits).await;
        enough.send(()).expect("the resting pass listens");
        tokio::task::yield_now().await;
        assert!(!resting.is_finished(), "the only worker is with the other pass");
        drop(other);
        resting.await.expect("no panic").expect("the sender was not dropped");
        assert_eq!(permits.available_permits(), 0, "the rested pass has its worker again");
        drop(slot);
        assert_eq!(permits.available_permits(), 1);
    }
}
