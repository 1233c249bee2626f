//! The cache under a clock that the test moves.

use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use jiff::SignedDuration;

use super::*;
use crate::credential::AccessToken;
use crate::testing::{now, secret};

#[derive(Default)]
struct Seen(Mutex<Vec<String>>);

impl Seen {
    fn push(&self, what: String) {
        self.0.lock().unwrap().push(what);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl CacheObserver for Seen {
    fn event(&self, event: CacheEvent, object: &InvolvedObject) {
        self.push(format!("{event:?} {}/{}", object.kind, object.operation));
    }
    fn request(&self, outcome: CacheOutcome) {
        self.push(format!("{outcome:?}"));
    }
    fn items(&self, count: usize) {
        self.push(format!("{count} kept"));
    }
    fn evicted(&self) {
        self.push("evicted".to_owned());
    }
}

/// A cache, the offset of its wall clock in seconds, and what its observer saw.
struct Rig {
    cache: TokenCache,
    wall: Arc<AtomicI64>,
    seen: Arc<Seen>,
}

fn rig(capacity: usize, max: Duration) -> Rig {
    let (wall, seen) = (Arc::new(AtomicI64::new(0)), Arc::new(Seen::default()));
    let offset = Arc::clone(&wall);
    let clock = Clock::new(move || now() + SignedDuration::from_secs(offset.load(Ordering::SeqCst)));
    let observer: Arc<dyn CacheObserver> = Arc::<Seen>::clone(&seen);
    Rig { cache: TokenCache::new(capacity, max, clock, observer), wall, seen }
}

impl Rig {
    /// Both clocks.
    async fn advance(&self, seconds: u64) {
        self.wall.fetch_add(i64::try_from(seconds).unwrap(), Ordering::SeqCst);
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    /// Looks up, and says whether it had to be made.
    async fn is_made(&self, name: &str, life: i64) -> bool {
        let mut was_made = false;
        let make = async {
            was_made = true;
            Ok::<_, String>(token(self.cache.clock.now(), life))
        };
        self.cache.get_or_make(&key(name), Some(&object()), make).await.unwrap();
        was_made
    }
}

fn key(name: &str) -> CacheKey {
    CacheKeyBuilder::new("test").part("name", name).build()
}

fn token(now: Timestamp, life: i64) -> AccessToken {
    AccessToken { token: secret("t"), expires_at: now + SignedDuration::from_secs(life) }
}

fn object() -> InvolvedObject {
    InvolvedObject { kind: "Bucket".into(), name: "n".into(), namespace: "ns".into(), operation: "reconcile".into() }
}

#[tokio::test(start_paused = true)]
async fn a_token_is_given_until_four_fifths_of_its_life_and_made_again_then() {
    let rig = rig(2, MAX_TOKEN_DURATION);
    assert!(rig.is_made("a", 1000).await);
    rig.advance(799).await;
    assert!(!rig.is_made("a", 1000).await);
    rig.advance(1).await;
    assert!(rig.is_made("a", 1000).await);
    let expected = [
        "Success",
        "Miss Bucket/reconcile",
        "1 kept",
        "Success",
        "Hit Bucket/reconcile",
        "1 kept",
        "Success",
        "Miss Bucket/reconcile",
        "1 kept",
    ];
    assert_eq!(rig.seen.take(), expected);
}

#[tokio::test(start_paused = true)]
async fn the_duration_is_capped_by_the_flag_and_by_an_hour() {
    for (flag, kept_for) in [(600, 600), (7200, 3600)] {
        let rig = rig(2, Duration::from_secs(flag));
        rig.is_made("a", 100_000).await;
        rig.advance(kept_for - 1).await;
        assert!(!rig.is_made("a", 100_000).await, "{flag}");
        rig.advance(1).await;
        assert!(rig.is_made("a", 100_000).await, "{flag}");
    }
}

#[tokio::test(start_paused = true)]
async fn either_clock_alone_ends_a_token() {
    let rig = rig(2, MAX_TOKEN_DURATION);
    rig.is_made("a", 1000).await;
    // The machine slept: the monotonic clock stood still.
    rig.wall.store(800, Ordering::SeqCst);
    assert!(rig.is_made("a", 1000).await);
    // The wall clock was set back.
    rig.wall.store(0, Ordering::SeqCst);
    tokio::time::advance(Duration::from_secs(800)).await;
    assert!(rig.is_made("a", 1000).await);
}

#[tokio::test(start_paused = true)]
async fn the_least_recently_used_makes_room() {
    let rig = rig(2, MAX_TOKEN_DURATION);
    for name in ["a", "b", "a"] {
        rig.is_made(name, 1000).await;
    }
    rig.seen.take();
    assert!(rig.is_made("c", 1000).await);
    assert_eq!(rig.seen.take(), ["evicted", "Success", "Miss Bucket/reconcile", "2 kept"]);
    assert!(!rig.is_made("a", 1000).await);
    assert!(rig.is_made("b", 1000).await);
}

#[tokio::test(start_paused = true)]
async fn a_capacity_of_zero_keeps_nothing_and_tells_nothing() {
    let rig = rig(0, MAX_TOKEN_DURATION);
    assert!(rig.is_made("a", 1000).await && rig.is_made("a", 1000).await);
    assert_eq!((rig.seen.take(), rig.cache.is_empty()), (Vec::new(), true));
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_or_never_does_is_not_kept() {
    let rig = rig(2, MAX_TOKEN_DURATION);
    for life in [0, -5] {
        assert!(rig.is_made("a", life).await && rig.is_made("a", life).await, "{life}");
    }
    let lasting = crate::AwsCredentials {
        access_key_id: "id".into(),
        secret_access_key: secret("s"),
        session_token: None,
        expires_at: None,
    };
    let made = rig.cache.get_or_make(&key("aws"), None, async { Ok::<_, String>(lasting.clone()) }).await;
    assert_eq!((made, rig.cache.len()), (Ok(lasting), 0));
}

#[tokio::test(start_paused = true)]
async fn a_failure_counts_as_a_miss_and_leaves_nothing_behind() {
    let rig = rig(2, MAX_TOKEN_DURATION);
    let failed = rig.cache.get_or_make(&key("a"), Some(&object()), async { Err::<AccessToken, _>("no") }).await;
    assert_eq!(failed, Err("no"));
    assert_eq!(rig.seen.take(), ["Failure", "Miss Bucket/reconcile", "0 kept"]);
    assert!(rig.cache.lock().flights.is_empty());
    assert!(rig.is_made("a", 1000).await);
}

#[tokio::test(start_paused = true)]
async fn many_who_want_the_same_wait_for_one_exchange() {
    let rig = rig(2, MAX_TOKEN_DURATION);
    let exchanges = AtomicUsize::new(0);
    let lookup = || async {
        let make = async {
            exchanges.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok::<_, String>(token(now(), 1000))
        };
        rig.cache.get_or_make(&key("a"), None, make).await.unwrap()
    };
    let (a, b, c) = tokio::join!(lookup(), lookup(), lookup());
    assert_eq!((exchanges.load(Ordering::SeqCst), a == b && b == c), (1, true));
    assert!(rig.cache.lock().flights.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_exchange_lets_the_next_in_line_try() {
    let rig = rig(2, MAX_TOKEN_DURATION);
    let key = key("a");
    let forever = rig.cache.get_or_make(&key, None, std::future::pending::<Result<AccessToken, String>>());
    let dropped = tokio::time::timeout(Duration::from_secs(1), forever);
    let (dropped, made) = tokio::join!(dropped, rig.is_made("a", 1000));
    assert!(dropped.is_err() && made);
    assert!(rig.cache.lock().flights.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_exchange_may_look_up_another_key() {
    let rig = rig(2, MAX_TOKEN_DURATION);
    let outer = async {
        rig.is_made("inner", 1000).await;
        Ok::<_, String>(token(now(), 1000))
    };
    rig.cache.get_or_make(&key("outer"), None, outer).await.unwrap();
    assert_eq!(rig.cache.len(), 2);
}

#[test]
fn keys_tell_apart_whatever_differs_and_show_no_part() {
    let build = |parts: &[(&str, &str)]| {
        parts.iter().fold(CacheKeyBuilder::new("p"), |key, (name, value)| key.part(name, value)).build()
    };
    let keys = [
        build(&[]),
        build(&[("a", "")]),
        build(&[("a", "b")]),
        build(&[("ab", "")]),
        build(&[("", "ab")]),
        build(&[("a", "b"), ("c", "d")]),
        build(&[("a", "bcd")]),
        CacheKeyBuilder::new("q").build(),
    ];
    let distinct: std::collections::HashSet<_> = keys.iter().collect();
    assert_eq!(distinct.len(), keys.len());
    assert_eq!(CacheKeyBuilder::new("p").optional("a", None).build(), keys[0]);
    assert_eq!(CacheKeyBuilder::new("p").optional("a", Some("b")).build(), keys[2]);
    let shown = format!("{:?}", build(&[("key", "hunter2")]));
    assert!(shown.len() == "CacheKey(01234567)".len() && !shown.contains("hunter2"), "{shown}");
}
