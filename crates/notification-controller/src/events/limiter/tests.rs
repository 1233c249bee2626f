use Decision::{Accepted, AcceptedUnrecorded, Duplicate};

use super::*;
use crate::events::dedupe::key;
use crate::fakes::event;

const WINDOW: Duration = Duration::from_secs(300);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn key_of(message: &str) -> DedupeKey {
    let mut event = event(&[]);
    message.clone_into(&mut event.message);
    key(&event)
}

#[test]
fn one_event_per_window_and_windows_are_anchored_at_the_first_sight() {
    let (start, key) = (Instant::now(), key_of("a"));
    let mut limiter = Limiter::new(WINDOW);
    for (at, expected) in [
        (0, Accepted(secs(300))),
        (1, Duplicate(secs(299))),
        (299, Duplicate(secs(1))),
        (590, Accepted(secs(10))),
        // Ten seconds later, and in the next window.
        (600, Accepted(secs(300))),
        (899, Duplicate(secs(1))),
    ] {
        assert_eq!(limiter.take(key, start + secs(at)), expected, "at {at} s");
    }
}

#[test]
fn keys_do_not_share_windows() {
    let start = Instant::now();
    let mut limiter = Limiter::new(WINDOW);
    assert_eq!(limiter.take(key_of("a"), start), Accepted(WINDOW));
    assert_eq!(limiter.take(key_of("b"), start + secs(200)), Accepted(WINDOW));
    assert_eq!(limiter.take(key_of("b"), start + secs(400)), Duplicate(secs(100)));
}

#[test]
fn keys_are_forgotten_after_two_windows_without_an_accepted_event() {
    let start = Instant::now();
    let mut limiter = Limiter::new(WINDOW);
    limiter.take(key_of("old"), start);
    limiter.take(key_of("kept"), start);
    limiter.take(key_of("kept"), start + secs(300));
    limiter.take(key_of("new"), start + secs(601));
    assert_eq!(limiter.len(), 2);
    assert!(!limiter.is_empty());
}

#[test]
fn a_full_store_lets_new_keys_through_and_still_knows_the_old_ones() {
    let start = Instant::now();
    let mut limiter = Limiter::with_capacity(WINDOW, 1);
    assert_eq!(limiter.take(key_of("a"), start), Accepted(WINDOW));
    assert_eq!(limiter.take(key_of("b"), start), AcceptedUnrecorded(WINDOW));
    assert_eq!(limiter.take(key_of("b"), start), AcceptedUnrecorded(WINDOW));
    assert_eq!(limiter.take(key_of("a"), start + secs(1)), Duplicate(secs(299)));
    assert_eq!(limiter.len(), 1);
}

#[test]
fn a_clock_that_steps_back_and_a_window_of_zero_do_no_harm() {
    let start = Instant::now() + secs(10);
    let mut limiter = Limiter::new(Duration::ZERO);
    assert_eq!(limiter.take(key_of("a"), start), Accepted(secs(1)));
    assert_eq!(limiter.take(key_of("a"), start.checked_sub(secs(5)).unwrap()), Duplicate(secs(1)));
}
