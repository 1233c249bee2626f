//! Tokens kept until shortly before they end, for all objects that would get the very same.
//!
//! Deliberately in memory only, and without metrics of its own: what happens is told to a [`CacheObserver`].

use std::any::{Any, TypeId};
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use crate::credential::{Clock, Expires};

mod key;
#[cfg(test)]
mod tests;

pub use key::{CacheKey, CacheKeyBuilder};

/// The longest that a token is kept, whatever its own life is. A flag can only lower it.
pub const MAX_TOKEN_DURATION: Duration = Duration::from_secs(60 * 60);

/// The object on whose behalf a token is looked up: the labels of the metrics.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InvolvedObject {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// What is being done, such as `reconcile` or `post`.
    pub operation: String,
}

/// Whether a token was there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheEvent {
    /// It was.
    Hit,
    /// It was not, or had ended. Told also when none could be had.
    Miss,
}

/// Whether a token could be given at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CacheOutcome {
    /// From the cache or fresh.
    Success,
    /// None could be had.
    Failure,
}

/// Who wants to know what the cache does. Every method does nothing unless implemented. Called outside the cache's lock.
pub trait CacheObserver: Send + Sync {
    /// A lookup for an object ended.
    fn event(&self, event: CacheEvent, object: &InvolvedObject) {
        let _ = (event, object);
    }
    /// A lookup ended.
    fn request(&self, outcome: CacheOutcome) {
        let _ = outcome;
    }
    /// The number of kept tokens changed, or may have.
    fn items(&self, count: usize) {
        let _ = count;
    }
    /// A token made room for another.
    fn evicted(&self) {}
}

/// The observer that is none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl CacheObserver for NoObserver {}

type Slot = (TypeId, CacheKey);

/// The least recently used tokens of a process, by everything that made them.
///
/// *Guarantees*: at most `capacity` tokens; at most one exchange at a time for one key, whose result all who wait get; a failed or
/// dropped exchange leaves nothing behind, and the next in line tries for itself; no token is given after 80 % of its life, or after the
/// maximal duration.
pub struct TokenCache {
    capacity: usize,
    max_duration: Duration,
    clock: Clock,
    observer: Arc<dyn CacheObserver>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    kept: HashMap<Slot, Kept>,
    /// The slots in order of their last use.
    by_use: BTreeMap<u64, Slot>,
    uses: u64,
    flights: HashMap<Slot, Arc<tokio::sync::Mutex<()>>>,
}

struct Kept {
    value: Arc<dyn Any + Send + Sync>,
    used: u64,
    /// Both must lie ahead: the monotonic clock stands still while a machine sleeps, and the wall clock can be set back.
    until: Instant,
    until_wall: Timestamp,
}

impl TokenCache {
    /// A cache for `capacity` tokens, each for at most `max_duration` (at most [`MAX_TOKEN_DURATION`]). A capacity of 0 switches it off:
    /// then every lookup is an exchange, and the observer hears nothing.
    pub fn new(capacity: usize, max_duration: Duration, clock: Clock, observer: Arc<dyn CacheObserver>) -> Self {
        let max_duration = max_duration.min(MAX_TOKEN_DURATION);
        Self { capacity, max_duration, clock, observer, state: Mutex::default() }
    }

    /// A cache that keeps nothing.
    pub fn disabled() -> Self {
        Self::new(0, Duration::ZERO, Clock::system(), Arc::new(NoObserver))
    }

    /// The token of `key`, or what `make` gives. `make` may use the cache for other keys. `object` is whose metrics count the lookup.
    ///
    /// Dropping the future drops `make`, and the next in line takes over.
    ///
    /// # Errors
    /// Those of `make`.
    pub async fn get_or_make<T, E>(
        &self,
        key: &CacheKey,
        object: Option<&InvolvedObject>,
        make: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E>
    where
        T: Expires + Clone + Send + Sync + 'static,
    {
        if self.capacity == 0 {
            return make.await;
        }
        let slot = (TypeId::of::<T>(), key.clone());
        let result = if let Some(value) = self.fresh(&slot) {
            Ok((CacheEvent::Hit, value))
        } else {
            let flight = self.flight(&slot);
            let _turn = flight.lock.lock().await;
            match self.fresh(&slot) {
                // Whoever was before had it made.
                Some(value) => Ok((CacheEvent::Hit, value)),
                None => make.await.map(|value| {
                    self.keep(slot.clone(), &value);
                    (CacheEvent::Miss, value)
                }),
            }
        };
        self.tell(object, result.as_ref().map_or(CacheEvent::Miss, |(event, _)| *event), result.is_ok());
        result.map(|(_, value)| value)
    }

    /// Kept tokens, ended ones included.
    pub fn len(&self) -> usize {
        self.lock().kept.len()
    }

    /// Whether no token is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn tell(&self, object: Option<&InvolvedObject>, event: CacheEvent, success: bool) {
        self.observer.request(if success { CacheOutcome::Success } else { CacheOutcome::Failure });
        if let Some(object) = object {
            self.observer.event(event, object);
        }
        self.observer.items(self.len());
    }

    /// The token, if it has not ended; one that has is dropped.
    fn fresh<T: Clone + 'static>(&self, slot: &Slot) -> Option<T> {
        let (now, now_wall) = (Instant::now(), self.clock.now());
        let mut state = self.lock();
        let state = &mut *state;
        let kept = state.kept.get_mut(slot)?;
        state.by_use.remove(&kept.used);
        if kept.until <= now || kept.until_wall <= now_wall {
            state.kept.remove(slot);
            return None;
        }
        state.uses += 1;
        kept.used = state.uses;
        state.by_use.insert(kept.used, slot.clone());
        kept.value.downcast_ref::<T>().cloned()
    }

    fn keep<T: Expires + Clone + Send + Sync + 'static>(&self, slot: Slot, value: &T) {
        let now_wall = self.clock.now();
        let Some(life) = value.expires_at().and_then(|end| Duration::try_from(end.duration_since(now_wall)).ok())
        else {
            return;
        };
        let life = (life / 10 * 8).min(self.max_duration);
        let Ok(until_wall) = now_wall.checked_add(life) else { return };
        if life.is_zero() {
            return;
        }
        let mut evicted = 0;
        {
            let mut state = self.lock();
            state.uses += 1;
            let used = state.uses;
            let kept = Kept { value: Arc::new(value.clone()), used, until: Instant::now() + life, until_wall };
            if let Some(before) = state.kept.insert(slot.clone(), kept) {
                state.by_use.remove(&before.used);
            }
            state.by_use.insert(used, slot);
            while state.kept.len() > self.capacity
                && let Some((_, oldest)) = state.by_use.pop_first()
            {
                state.kept.remove(&oldest);
                evicted += 1;
            }
        }
        for _ in 0..evicted {
            self.observer.evicted();
        }
    }

    fn flight(&self, slot: &Slot) -> Flight<'_> {
        let lock = Arc::clone(self.lock().flights.entry(slot.clone()).or_default());
        Flight { cache: self, slot: slot.clone(), lock }
    }

    /// A panic inside would leave whole values at worst: nothing here is half written across a call that can panic.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenCache({} of {})", self.len(), self.capacity)
    }
}

/// A place in the line for one key. The last to leave takes the line with it, so that lines do not outlive their exchanges.
struct Flight<'a> {
    cache: &'a TokenCache,
    slot: Slot,
    lock: Arc<tokio::sync::Mutex<()>>,
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        let mut state = self.cache.lock();
        // Two: the map's and this one. Nobody can join meanwhile, for that takes the state's lock.
        if Arc::strong_count(&self.lock) == 2 {
            state.flights.remove(&self.slot);
        }
    }
}
