//! The work queue of one kind: each key at most once at a time, woken by events or by a deadline.
//!
//! Deliberately holds no objects and no reasons: a key says *look at this object*, and the object's own state says what to do. That is
//! what lets any number of triggers collapse into one pass.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Names an object of the queue's kind.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
}

impl Key {
    /// A key from its two parts.
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { namespace: namespace.into(), name: name.into() }
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// The object whose change asks for a pass over another one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Cause {
    /// Its kind.
    pub kind: String,
    /// Which one.
    pub key: Key,
}

impl std::fmt::Display for Cause {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.kind, self.key)
    }
}

/// A shared work queue.
///
/// *Guarantees*: a key is handed out to one worker at a time; a key added while its pass runs is handed out again after
/// [`Queue::done`]; a key has at most one deadline, and handing the key out clears it.
#[derive(Debug, Clone, Default)]
pub struct Queue {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    state: Mutex<State>,
    changed: Notify,
    /// Told when a key is added while its pass runs.
    outdated: Notify,
}

#[derive(Debug, Default)]
struct State {
    ready: VecDeque<Key>,
    queued: HashSet<Key>,
    running: HashSet<Key>,
    /// Added while running, and by what: to be queued when the pass ends.
    again: HashMap<Key, Option<Cause>>,
    deadlines: HashMap<Key, Instant>,
    timeline: BTreeSet<(Instant, Key)>,
    adds: u64,
}

impl Queue {
    /// Asks for a pass over `key` as soon as a worker is free.
    pub fn add(&self, key: Key) {
        self.put(key, None);
    }

    /// As [`Queue::add`], and tells a pass that runs now what asks for the next one.
    pub fn add_because(&self, key: Key, cause: Cause) {
        self.put(key, Some(cause));
    }

    fn put(&self, key: Key, cause: Option<Cause>) {
        let outdates = self.state().add(key, cause);
        self.inner.changed.notify_one();
        if outdates {
            self.inner.outdated.notify_waiters();
        }
    }

    /// Asks for a pass over `key` after `delay`, in place of any deadline that it has. An earlier [`Queue::add`] still counts.
    pub fn add_after(&self, key: Key, delay: Duration) {
        if delay.is_zero() {
            return self.add(key);
        }
        let at = Instant::now() + delay;
        self.state().schedule(key, at);
        self.inner.changed.notify_one();
    }

    /// As [`Queue::add_after`], but never in place of an earlier deadline.
    pub fn add_sooner(&self, key: Key, delay: Duration) {
        let at = Instant::now() + delay;
        let mut state = self.state();
        if state.deadlines.get(&key).is_none_or(|known| *known > at) {
            state.schedule(key, at);
            self.inner.changed.notify_one();
        }
    }

    /// Waits for the next key. The caller owes a [`Queue::done`] for it.
    ///
    /// Cancel safe: a key is taken only in the poll that returns it.
    pub async fn next(&self) -> Key {
        loop {
            self.wait().await;
            if let Some(key) = self.try_next() {
                return key;
            }
        }
    }

    /// The next key, if one is ready. The caller owes a [`Queue::done`] for it.
    pub fn try_next(&self) -> Option<Key> {
        let mut state = self.state();
        state.release_due(Instant::now());
        let key = state.take()?;
        if !state.ready.is_empty() {
            self.inner.changed.notify_one();
        }
        Some(key)
    }

    /// Waits until a key is ready. Another caller may take it before this one does.
    pub async fn wait(&self) {
        loop {
            let changed = self.inner.changed.notified();
            let wake_at = {
                let mut state = self.state();
                state.release_due(Instant::now());
                if !state.ready.is_empty() {
                    return;
                }
                state.timeline.first().map(|(at, _)| *at)
            };
            match wake_at {
                Some(at) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                None => changed.await,
            }
        }
    }

    /// Ends the pass over `key`; queues it again when it was added meanwhile.
    pub fn done(&self, key: &Key) {
        let mut state = self.state();
        state.running.remove(key);
        if state.again.remove(key).is_some() {
            state.add(key.clone(), None);
            self.inner.changed.notify_one();
        }
    }

    /// Drops what is pending for `key`, for example because its object is gone.
    pub fn forget(&self, key: &Key) {
        let mut state = self.state();
        state.unschedule(key);
        state.again.remove(key);
        if state.queued.remove(key) {
            state.ready.retain(|queued| queued != key);
        }
    }

    /// True when `key` was added again since its pass began: what the pass knows is out of date.
    pub fn is_outdated(&self, key: &Key) -> bool {
        self.state().again.contains_key(key)
    }

    /// Waits until `key` is added while its pass runs, and returns what did that, as far as it was told. Returns at once when it was already.
    pub async fn outdated(&self, key: &Key) -> Option<Cause> {
        loop {
            let mut told = std::pin::pin!(self.inner.outdated.notified());
            // Registers before the look, so that an addition in between is not missed.
            told.as_mut().enable();
            if let Some(cause) = self.state().again.get(key) {
                return cause.clone();
            }
            told.await;
        }
    }

    /// How many keys wait for a worker now (deadlines in the future do not count).
    pub fn depth(&self) -> usize {
        self.state().ready.len()
    }

    /// How many times a key was put in line since the start.
    pub fn adds(&self) -> u64 {
        self.state().adds
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every critical section leaves the state consistent between statements, so a poisoned lock is still usable.
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Returns whether a running pass is outdated by it.
    fn add(&mut self, key: Key, cause: Option<Cause>) -> bool {
        if self.running.contains(&key) {
            let known = self.again.entry(key).or_default();
            *known = known.take().or(cause);
            return true;
        }
        self.unschedule(&key);
        if self.queued.insert(key.clone()) {
            self.adds += 1;
            self.ready.push_back(key);
        }
        false
    }

    fn schedule(&mut self, key: Key, at: Instant) {
        self.unschedule(&key);
        self.timeline.insert((at, key.clone()));
        self.deadlines.insert(key, at);
    }

    fn unschedule(&mut self, key: &Key) {
        if let Some(at) = self.deadlines.remove(key) {
            self.timeline.remove(&(at, key.clone()));
        }
    }

    fn release_due(&mut self, now: Instant) {
        while self.timeline.first().is_some_and(|(at, _)| *at <= now) {
            if let Some((_, key)) = self.timeline.pop_first() {
                self.deadlines.remove(&key);
                self.add(key, None);
            }
        }
    }

    fn take(&mut self) -> Option<Key> {
        let key = self.ready.pop_front()?;
        self.queued.remove(&key);
        self.unschedule(&key);
        self.running.insert(key.clone());
        Some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        Key::new("apps", name)
    }

    async fn is_idle(queue: &Queue) -> bool {
        tokio::time::timeout(Duration::from_millis(1), queue.next()).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_added_twice_is_handed_out_once() {
        let queue = Queue::default();
        queue.add(key("a"));
        queue.add(key("a"));
        assert_eq!(queue.next().await, key("a"));
        assert!(is_idle(&queue).await);
        assert_eq!(queue.adds(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_added_during_its_pass_is_handed_out_after_it() {
        let queue = Queue::default();
        queue.add(key("a"));
        let running = queue.next().await;
        queue.add(key("a"));
        assert!(queue.is_outdated(&running));
        assert!(is_idle(&queue).await, "one pass at a time");
        queue.done(&running);
        assert_eq!(queue.next().await, key("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_pass_hears_what_asks_for_the_next_one() {
        let queue = Queue::default();
        queue.add(key("a"));
        let running = queue.next().await;
        let listener = tokio::spawn({
            let (queue, running) = (queue.clone(), running.clone());
            async move { queue.outdated(&running).await }
        });
        tokio::task::yield_now().await;
        queue.add(key("b"));
        let cause = Cause { kind: "GitRepository".to_owned(), key: key("repo") };
        queue.add_because(key("a"), cause.clone());
        assert_eq!(cause.to_string(), "GitRepository/apps/repo");
        assert_eq!(listener.await.expect("the listener does not panic"), Some(cause));
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_wakes_the_key_at_its_time_and_not_before() {
        let queue = Queue::default();
        let start = Instant::now();
        queue.add_after(key("a"), Duration::from_secs(60));
        assert!(is_idle(&queue).await);
        assert_eq!(queue.next().await, key("a"));
        assert_eq!(start.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_later_deadline_replaces_the_earlier_one() {
        let queue = Queue::default();
        let start = Instant::now();
        queue.add_after(key("a"), Duration::from_secs(10));
        queue.add_after(key("a"), Duration::from_secs(60));
        queue.next().await;
        assert_eq!(start.elapsed().as_secs(), 60);
    }

    #[tokio::test(start_paused = true)]
    async fn a_sooner_deadline_never_delays_an_earlier_one() {
        let queue = Queue::default();
        let start = Instant::now();
        queue.add_after(key("a"), Duration::from_secs(10));
        queue.add_sooner(key("a"), Duration::from_secs(60));
        queue.add_sooner(key("a"), Duration::from_secs(5));
        queue.next().await;
        assert_eq!(start.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn an_event_clears_the_deadline() {
        let queue = Queue::default();
        queue.add_after(key("a"), Duration::from_secs(10));
        queue.add(key("a"));
        let taken = queue.next().await;
        queue.done(&taken);
        let more = tokio::time::timeout(Duration::from_secs(3600), queue.next()).await;
        assert!(more.is_err(), "the deadline of 10 s was cleared");
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_that_passes_during_the_pass_is_not_lost() {
        let queue = Queue::default();
        queue.add(key("a"));
        let taken = queue.next().await;
        queue.add_after(key("a"), Duration::from_secs(1));
        assert!(tokio::time::timeout(Duration::from_secs(5), queue.next()).await.is_err());
        queue.done(&taken);
        assert_eq!(queue.next().await, key("a"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_forgotten_key_is_not_handed_out() {
        let queue = Queue::default();
        queue.add(key("a"));
        queue.add(key("b"));
        queue.add_after(key("c"), Duration::from_secs(1));
        queue.forget(&key("a"));
        queue.forget(&key("c"));
        assert_eq!(queue.next().await, key("b"));
        assert!(tokio::time::timeout(Duration::from_secs(5), queue.next()).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn all_waiting_workers_get_work() {
        let queue = Queue::default();
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let queue = queue.clone();
                tokio::spawn(async move { queue.next().await })
            })
            .collect();
        tokio::task::yield_now().await;
        for name in ["a", "b", "c"] {
            queue.add(key(name));
        }
        let mut got = Vec::new();
        for worker in workers {
            got.push(worker.await.expect("the worker does not panic"));
        }
        got.sort();
        assert_eq!(got, [key("a"), key("b"), key("c")]);
    }
}
