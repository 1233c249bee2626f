//! The duplicate check: one event per key and window.
//!
//! Windows have a fixed length and are anchored at the first sight of the key, so two accepted events can be closer
//! than one window across a boundary. The clock is an argument. Nothing is ever given back: an event that was accepted
//! and could not be delivered still makes its repetition a duplicate.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::dedupe::DedupeKey;

/// Most keys held: about 64 bytes each, so 13 MiB. Beyond it new keys are let through unrecorded, since losing a
/// notification is worse than repeating one.
const MAX_KEYS: usize = 200_000;

/// Window used when the configured one is zero.
const MIN_WINDOW: Duration = Duration::from_secs(1);

/// What the check says of one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// First in its window, which ends after this time.
    Accepted(Duration),
    /// First, and not recorded because the store is full.
    AcceptedUnrecorded(Duration),
    /// Not the first in its window, which ends after this time.
    Duplicate(Duration),
}

impl Decision {
    /// From now to the end of the window.
    pub fn reset_in(self) -> Duration {
        match self {
            Self::Accepted(reset) | Self::AcceptedUnrecorded(reset) | Self::Duplicate(reset) => reset,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    first_seen: Instant,
    /// Number of the window in which an event was last accepted, counted from `first_seen`.
    window: u32,
}

/// The store of keys. Not synchronised: the caller holds it in a mutex.
#[derive(Debug)]
pub struct Limiter {
    window: Duration,
    max_keys: usize,
    entries: HashMap<DedupeKey, Entry>,
    swept: Option<Instant>,
}

impl Limiter {
    /// A store with windows of this length.
    pub fn new(window: Duration) -> Self {
        Self::with_capacity(window, MAX_KEYS)
    }

    fn with_capacity(window: Duration, max_keys: usize) -> Self {
        Self { window: window.max(MIN_WINDOW), max_keys, entries: HashMap::new(), swept: None }
    }

    /// Takes the place of `key` in its current window, if it is free.
    pub fn take(&mut self, key: DedupeKey, now: Instant) -> Decision {
        self.sweep(now);
        if let Some(entry) = self.entries.get_mut(&key) {
            let age = now.saturating_duration_since(entry.first_seen);
            let current = window_number(age, self.window);
            let reset = (self.window * current.saturating_add(1)).saturating_sub(age);
            if current == entry.window {
                return Decision::Duplicate(reset);
            }
            entry.window = current;
            return Decision::Accepted(reset);
        }
        if self.entries.len() >= self.max_keys {
            return Decision::AcceptedUnrecorded(self.window);
        }
        self.entries.insert(key, Entry { first_seen: now, window: 0 });
        Decision::Accepted(self.window)
    }

    /// Keys held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether no key is held.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Once a window, forgets keys whose last accepted window began more than two windows ago.
    fn sweep(&mut self, now: Instant) {
        let due = self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= self.window);
        if !due {
            return;
        }
        self.swept = Some(now);
        let window = self.window;
        self.entries.retain(|_, entry| {
            let age = now.saturating_duration_since(entry.first_seen);
            age.saturating_sub(window.saturating_mul(entry.window)) <= window * 2
        });
    }
}

fn window_number(age: Duration, window: Duration) -> u32 {
    u32::try_from(age.as_nanos() / window.as_nanos()).unwrap_or(u32::MAX - 1)
}

#[cfg(test)]
mod tests;
