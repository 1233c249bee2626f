//! The records of one kind, and how far its watch is.
//!
//! Deliberately not here: what is done about a change (`table`).

use std::collections::HashMap;
use std::sync::Arc;

use sluice_kstatus::Status;
use tokio::time::Instant;

use super::record::Record;

/// Statuses of a kind that are shared by all objects that have them: most objects of a kind say the same.
const SHARED_STATUSES: usize = 8;

/// How far the watch of a kind is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nobody asked for one.
    Unasked,
    /// It lists, for the first time or again.
    Listing,
    /// Every change is seen.
    Synced,
    /// Changes may be missed at the moment; it goes on where it was.
    Interrupted,
    /// The server refused, or there are too many objects. Since then.
    Refused(Instant),
}

/// One kind.
pub(super) struct Kind {
    pub(super) group: String,
    /// The API version that is watched.
    pub(super) version: String,
    pub(super) phase: Phase,
    /// When somebody last asked for the watch.
    pub(super) asked: Instant,
    /// Counts lists.
    pub(super) epoch: u32,
    objects: HashMap<Arc<str>, HashMap<Box<str>, Record>>,
    statuses: Vec<Arc<Status>>,
}

impl Kind {
    pub(super) fn new(group: &str, now: Instant) -> Self {
        Self {
            group: group.to_owned(),
            version: String::new(),
            phase: Phase::Unasked,
            asked: now,
            epoch: 0,
            objects: HashMap::new(),
            statuses: Vec::new(),
        }
    }

    pub(super) fn get(&self, namespace: &str, name: &str) -> Option<&Record> {
        self.objects.get(namespace)?.get(name)
    }

    pub(super) fn get_mut(&mut self, namespace: &str, name: &str) -> Option<&mut Record> {
        self.objects.get_mut(namespace)?.get_mut(name)
    }

    /// The record, made if it is not there; `true` if it was made.
    pub(super) fn record(&mut self, namespace: &str, name: &str) -> (&mut Record, bool) {
        if !self.objects.contains_key(namespace) {
            self.objects.insert(Arc::from(namespace), HashMap::new());
        }
        // The entry is there: it was just made.
        let names = self.objects.entry(Arc::from(namespace)).or_default();
        let is_new = !names.contains_key(name);
        (names.entry(Box::from(name)).or_default(), is_new)
    }

    /// Removes the record if nothing is left in it. Returns whether it did.
    pub(super) fn tidy(&mut self, namespace: &str, name: &str) -> bool {
        let Some(names) = self.objects.get_mut(namespace) else { return false };
        if !names.get(name).is_some_and(Record::is_empty) {
            return false;
        }
        names.remove(name);
        if names.is_empty() {
            self.objects.remove(namespace);
        }
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    pub(super) fn records(&self) -> impl Iterator<Item = (&str, &str, &Record)> {
        self.objects
            .iter()
            .flat_map(|(namespace, names)| names.iter().map(move |(name, record)| (&**namespace, &**name, record)))
    }

    /// The status, shared with other objects where one of them has the same.
    pub(super) fn share(&mut self, status: Arc<Status>) -> Arc<Status> {
        if let Some(known) = self.statuses.iter().find(|known| **known == status) {
            return Arc::clone(known);
        }
        if self.statuses.len() == SHARED_STATUSES {
            self.statuses.remove(0);
        }
        self.statuses.push(Arc::clone(&status));
        status
    }
}
