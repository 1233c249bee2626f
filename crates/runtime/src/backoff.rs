//! How long to wait before the next pass: exponential per object after failures, jittered after success.
//!
//! Deliberately no clock and no random source of its own: the caller brings both.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::queue::Key;

/// Per-object exponential delay: `min · 2ⁿ`, at most `max`, where n counts the failures since the last [`Backoff::reset`].
#[derive(Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    failures: Mutex<HashMap<Key, u32>>,
}

impl Backoff {
    /// A backoff between the bounds of `--min-retry-delay` and `--max-retry-delay`.
    pub fn new(min: Duration, max: Duration) -> Self {
        Self { min, max, failures: Mutex::default() }
    }

    /// Counts a failure of `key` and returns the delay before its next try.
    pub fn next(&self, key: &Key) -> Duration {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let count = failures.entry(key.clone()).or_default();
        let delay = delay(self.min, self.max, *count);
        *count = count.saturating_add(1);
        delay
    }

    /// Forgets the failures of `key`: it succeeded, changed, or is gone.
    pub fn reset(&self, key: &Key) {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

fn delay(min: Duration, max: Duration, failures: u32) -> Duration {
    let factor = 2u32.checked_pow(failures).unwrap_or(u32::MAX);
    min.checked_mul(factor).map_or(max, |delay| delay.min(max))
}

/// `interval` stretched or shrunk by up to `percentage` of itself; `unit` is a uniform number in 0..1.
///
/// Spreads objects that share an interval. The rule of `--interval-jitter-percentage`: uniform in interval ± percentage.
pub fn jittered(interval: Duration, percentage: u8, unit: f64) -> Duration {
    let share = f64::from(percentage) / 100.0;
    interval.mul_f64(1.0 + share * (2.0 * unit - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_from_the_minimum_to_the_maximum() {
        let backoff = Backoff::new(Duration::from_millis(750), Duration::from_secs(900));
        let key = Key::new("apps", "web");
        let delays: Vec<_> = (0..13).map(|_| backoff.next(&key).as_millis()).collect();
        let expected = [750, 1500, 3000, 6000, 12000, 24000, 48000, 96000, 192_000, 384_000, 768_000, 900_000, 900_000];
        assert_eq!(delays, expected);
    }

    #[test]
    fn each_object_counts_its_own_failures_and_a_reset_starts_over() {
        let backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(100));
        let (a, b) = (Key::new("apps", "a"), Key::new("apps", "b"));
        backoff.next(&a);
        assert_eq!(backoff.next(&a).as_secs(), 2);
        assert_eq!(backoff.next(&b).as_secs(), 1);
        backoff.reset(&a);
        assert_eq!(backoff.next(&a).as_secs(), 1);
    }

    #[test]
    fn a_long_row_of_failures_does_not_overflow() {
        assert_eq!(delay(Duration::from_millis(750), Duration::from_secs(900), u32::MAX), Duration::from_secs(900));
    }

    #[test]
    fn jitter_stays_within_its_percentage() {
        let minute = Duration::from_secs(60);
        assert_eq!(jittered(minute, 5, 0.0), Duration::from_secs(57));
        assert_eq!(jittered(minute, 5, 0.5), minute);
        assert_eq!(jittered(minute, 0, 0.9), minute);
        assert!(jittered(minute, 5, 0.999_999) < Duration::from_secs(63));
    }
}
