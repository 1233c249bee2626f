//! All records, and what follows from an event: who is to be woken, and which drift is to be reported.
//!
//! Synchronous, without a client and without a clock. Reports are returned and not made, since the caller holds a lock. Deliberately not
//! here: the watches (`watch`).

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use sluice_kstatus::Status;
use sluice_manifest::{GroupKind, ObjectId, Owner};
use tokio::time::Instant;

use super::digest::DesiredDigest;
use super::kind::{Kind, Phase};
use super::mailbox::Waiter;
use super::record::{Applied, Drift, DriftKind, ObjectState, Record, Sighting, Standing};

/// How long a refused watch is not tried again. Rights and kinds change, but not often.
const REFUSED_FOR: Duration = Duration::from_secs(20);

/// What the caller has to do when it has let go of the lock.
#[derive(Default)]
pub(super) struct Effects {
    /// Drift to report.
    pub(super) drift: Vec<Drift>,
    /// Who had written to the object of the event before it.
    pub(super) writers: Option<Box<[u64]>>,
    /// Waits whose expressions judge the object of the event.
    pub(super) judge: Vec<Waiter>,
}

/// What is known of an object for a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    /// The kind is not watched.
    Unwatched,
    /// The watch is about to know all objects of the kind.
    Listing,
    /// The watch does not have the object.
    Unseen,
    /// The watch has it.
    Seen { resource_version: u64, health: Arc<Status> },
}

/// Writes of an owner that are under way.
#[derive(Default)]
struct Writing {
    guards: usize,
    suspects: HashSet<ObjectId>,
}

/// The records of all kinds.
pub(super) struct Table {
    kinds: HashMap<String, Vec<Kind>>,
    owners: HashSet<Arc<Owner>>,
    versions: HashSet<Arc<str>>,
    writing: HashMap<Owner, Writing>,
    records: usize,
    limits: Limits,
}

/// Bounds of the table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) kinds: usize,
    pub(super) records: usize,
}

impl Table {
    pub(super) fn new(limits: Limits) -> Self {
        let (kinds, owners, versions, writing) = Default::default();
        Self { kinds, owners, versions, writing, records: 0, limits }
    }

    fn kind(&self, group: &str, kind: &str) -> Option<&Kind> {
        self.kinds.get(kind)?.iter().find(|known| known.group == group)
    }

    fn kind_mut(&mut self, group: &str, kind: &str) -> Option<&mut Kind> {
        self.kinds.get_mut(kind)?.iter_mut().find(|known| known.group == group)
    }

    fn kind_or_new(&mut self, group: &str, kind: &str, now: Instant) -> &mut Kind {
        let kinds = self.kinds.entry(kind.to_owned()).or_default();
        let at = kinds.iter().position(|known| known.group == group).unwrap_or_else(|| {
            kinds.push(Kind::new(group, now));
            kinds.len() - 1
        });
        &mut kinds[at]
    }

    /// Somebody wants the kind watched in this version. Returns whether a watch is to be started.
    pub(super) fn ask(&mut self, of: &GroupKind, version: &str, now: Instant) -> bool {
        let watched = self.kinds.values().flatten();
        let watched = watched.filter(|kind| !matches!(kind.phase, Phase::Unasked | Phase::Refused(_))).count();
        let limit = self.limits.kinds;
        let kind = self.kind_or_new(&of.group, &of.kind, now);
        kind.asked = now;
        let starts = match kind.phase {
            Phase::Unasked => watched < limit,
            Phase::Refused(since) => watched < limit && now.duration_since(since) >= REFUSED_FOR,
            Phase::Listing | Phase::Synced | Phase::Interrupted => false,
        };
        if starts {
            version.clone_into(&mut kind.version);
            kind.phase = Phase::Listing;
        }
        starts
    }

    /// Sets how far a watch is, and wakes those who wait for objects of the kind.
    pub(super) fn set_phase(&mut self, of: &GroupKind, phase: Phase) {
        let Some(kind) = self.kind_mut(&of.group, &of.kind) else { return };
        if kind.phase == phase {
            return;
        }
        kind.phase = phase;
        for waiter in kind.records().flat_map(|(_, _, record)| &record.waiters) {
            waiter.mailbox.changed(waiter.target);
        }
    }

    /// A list begins.
    pub(super) fn begin_list(&mut self, of: &GroupKind) {
        if let Some(kind) = self.kind_mut(&of.group, &of.kind) {
            kind.epoch += 1;
        }
        self.set_phase(of, Phase::Listing);
    }

    /// A list has ended: what was known and is not in it is gone.
    pub(super) fn end_list(&mut self, of: &GroupKind) -> Effects {
        let Some(kind) = self.kind(&of.group, &of.kind) else { return Effects::default() };
        let epoch = kind.epoch;
        let is_gone = |record: &Record| {
            let applied = record.applied.as_ref().is_some_and(|applied| applied.epoch < epoch && !applied.gone);
            record.epoch < epoch && (record.seen.is_some() || applied)
        };
        let gone: Vec<(String, String)> = kind
            .records()
            .filter(|(_, _, record)| is_gone(record))
            .map(|(namespace, name, _)| (namespace.to_owned(), name.to_owned()))
            .collect();
        let mut effects = Effects::default();
        for (namespace, name) in gone {
            self.vanish(&id(of, &namespace, &name), |applied| applied.epoch < epoch, &mut effects);
        }
        self.owners.retain(|owner| Arc::strong_count(owner) > 1);
        self.set_phase(of, Phase::Synced);
        effects
    }

    /// An object is as the event says. Returns `None` when there is no room for it.
    pub(super) fn observe(&mut self, of: &GroupKind, sighting: Sighting) -> Option<Effects> {
        let Sighting { namespace, name, mut state } = sighting;
        let full = self.records >= self.limits.records;
        state.owner = state.owner.map(|owner| self.intern(&owner));
        let kind = self.kind_mut(&of.group, &of.kind)?;
        if full && kind.get(&namespace, &name).is_none() {
            return None;
        }
        state.health = kind.share(state.health);
        let epoch = kind.epoch;
        let (record, is_new) = kind.record(&namespace, &name);
        record.epoch = epoch;
        let before = record.seen.replace(state);
        let mut effects = Effects { writers: before.map(|state| state.writers), ..Effects::default() };
        for waiter in &record.waiters {
            if waiter.checks.is_some() {
                effects.judge.push(waiter.clone());
            } else {
                waiter.mailbox.changed(waiter.target);
            }
        }
        self.records += usize::from(is_new);
        effects.drift.extend(self.compare(&id(of, &namespace, &name)));
        Some(effects)
    }

    /// An object left the watch: it is gone, or has lost its label.
    pub(super) fn deleted(&mut self, of: &GroupKind, sighting: &Sighting) -> Effects {
        let mut effects = Effects::default();
        let version = sighting.state.resource_version;
        let object = id(of, &sighting.namespace, &sighting.name);
        self.vanish(&object, |applied| applied.resource_version <= version, &mut effects);
        effects
    }

    fn vanish(&mut self, object: &ObjectId, counts: impl Fn(&Applied) -> bool, effects: &mut Effects) {
        let Some(record) = self.record_mut(object) else { return };
        record.seen = None;
        if let Some(applied) = record.applied.as_mut().filter(|applied| counts(applied)) {
            applied.gone = true;
        }
        for waiter in &record.waiters {
            waiter.mailbox.changed(waiter.target);
        }
        effects.drift.extend(self.compare(object));
        self.tidy(object);
    }

    /// Forgets what a watch saw of a kind that is not watched any more. What was applied stays.
    pub(super) fn drop_seen(&mut self, of: &GroupKind) {
        let Some(kind) = self.kind(&of.group, &of.kind) else { return };
        let objects: Vec<ObjectId> = kind.records().map(|(namespace, name, _)| id(of, namespace, name)).collect();
        for object in objects {
            if let Some(record) = self.record_mut(&object) {
                record.seen = None;
            }
            self.tidy(&object);
        }
    }

    /// Stops counting a kind as watched if nobody asked for it since `since` and it has no objects. Returns whether it did.
    pub(super) fn retire(&mut self, of: &GroupKind, since: Instant) -> bool {
        let Some(kind) = self.kind(&of.group, &of.kind).filter(|kind| kind.is_empty() && kind.asked < since) else {
            return false;
        };
        let group = kind.group.clone();
        if let Some(kinds) = self.kinds.get_mut(&of.kind) {
            kinds.retain(|kind| kind.group != group);
        }
        true
    }

    /// Something was applied. An object for which there is no room is not recorded, and so never in step.
    pub(super) fn applied(&mut self, object: &ObjectId, mut applied: Applied, now: Instant) -> Effects {
        applied.owner = applied.owner.map(|owner| self.intern(&owner));
        applied.version = self.intern_version(&applied.version);
        let full = self.records >= self.limits.records;
        let kind = self.kind_or_new(&object.group, &object.kind, now);
        if full && kind.get(&object.namespace, &object.name).is_none() {
            return Effects::default();
        }
        applied.epoch = kind.epoch;
        let (record, is_new) = kind.record(&object.namespace, &object.name);
        record.applied = Some(applied);
        self.records += usize::from(is_new);
        Effects { drift: self.compare(object).into_iter().collect(), ..Effects::default() }
    }

    /// Forgets what was applied.
    pub(super) fn forget(&mut self, object: &ObjectId) {
        if let Some(record) = self.record_mut(object) {
            record.applied = None;
        }
        self.tidy(object);
        self.forget_kind_if_unused(object);
    }

    pub(super) fn is_watched(&self, of: &GroupKind) -> bool {
        self.kind(&of.group, &of.kind).is_some_and(|kind| kind.phase == Phase::Synced)
    }

    /// The API version in which an object is watched, empty if it is not.
    pub(super) fn watched_version(&self, object: &ObjectId) -> String {
        self.kind(&object.group, &object.kind).map(|kind| kind.version.clone()).unwrap_or_default()
    }

    pub(super) fn in_step(&self, object: &ObjectId, desired: DesiredDigest) -> bool {
        let Some(kind) = self.kind(&object.group, &object.kind).filter(|kind| kind.phase == Phase::Synced) else {
            return false;
        };
        kind.get(&object.namespace, &object.name).is_some_and(|record| {
            record.standing(&kind.version) == Standing::InStep
                && record.applied.as_ref().is_some_and(|applied| applied.desired == desired)
        })
    }

    pub(super) fn state(&self, object: &ObjectId) -> Option<&ObjectState> {
        self.kind(&object.group, &object.kind)?.get(&object.namespace, &object.name)?.seen.as_ref()
    }

    pub(super) fn look(&self, object: &ObjectId) -> Look {
        let Some(kind) = self.kind(&object.group, &object.kind) else { return Look::Unwatched };
        match kind.phase {
            Phase::Unasked | Phase::Interrupted | Phase::Refused(_) => Look::Unwatched,
            Phase::Listing => Look::Listing,
            Phase::Synced => match self.state(object) {
                Some(seen) => Look::Seen { resource_version: seen.resource_version, health: Arc::clone(&seen.health) },
                None => Look::Unseen,
            },
        }
    }

    /// A wait wants to hear of an object.
    pub(super) fn register(&mut self, object: &ObjectId, waiter: Waiter, now: Instant) {
        let kind = self.kind_or_new(&object.group, &object.kind, now);
        let (record, is_new) = kind.record(&object.namespace, &object.name);
        record.waiters.push(waiter);
        self.records += usize::from(is_new);
    }

    /// A wait has ended.
    pub(super) fn unregister(&mut self, object: &ObjectId, wait: u64) {
        if let Some(record) = self.record_mut(object) {
            record.waiters.retain(|waiter| waiter.wait != wait);
            record.waiters.shrink_to_fit();
        }
        self.tidy(object);
        self.forget_kind_if_unused(object);
    }

    /// Writes of an owner begin: what looks like drift of its objects may be these.
    pub(super) fn begin_write(&mut self, owner: &Owner) {
        self.writing.entry(owner.clone()).or_default().guards += 1;
    }

    /// Writes of an owner have ended, and what they applied is recorded.
    pub(super) fn end_write(&mut self, owner: &Owner) -> Effects {
        let Some(writing) = self.writing.get_mut(owner) else { return Effects::default() };
        writing.guards -= 1;
        if writing.guards > 0 {
            return Effects::default();
        }
        let suspects = self.writing.remove(owner).unwrap_or_default().suspects;
        let mut effects = Effects::default();
        for object in suspects {
            effects.drift.extend(self.compare(&object));
            self.tidy(&object);
        }
        effects
    }

    /// Compares an object with what was applied, and says whether that is to be reported.
    fn compare(&mut self, object: &ObjectId) -> Option<Drift> {
        let kind = self.kinds.get_mut(&object.kind)?.iter_mut().find(|known| known.group == object.group)?;
        let version = kind.version.clone();
        let record = kind.get_mut(&object.namespace, &object.name)?;
        let standing = record.standing(&version);
        let applied = record.applied.as_mut()?;
        let kind = match standing {
            Standing::Unapplied | Standing::Pending => return None,
            Standing::InStep => {
                applied.reported = None;
                return None;
            }
            Standing::Changed(owned) if applied.reported == Some(owned) => return None,
            Standing::Changed(_) => DriftKind::Changed,
            Standing::Gone => DriftKind::Deleted,
        };
        if let Some(owner) = &applied.owner
            && let Some(writing) = self.writing.get_mut(&**owner)
        {
            writing.suspects.insert(object.clone());
            return None;
        }
        let of = applied.owner.as_ref().map(|owner| (**owner).clone());
        match standing {
            Standing::Changed(owned) => applied.reported = Some(owned),
            // Told once; whoever applies it again makes a new record.
            _ => record.applied = None,
        }
        Some(Drift { owner: of?, id: object.clone(), kind, managers: Vec::new() })
    }

    fn record_mut(&mut self, object: &ObjectId) -> Option<&mut Record> {
        self.kind_mut(&object.group, &object.kind)?.get_mut(&object.namespace, &object.name)
    }

    fn tidy(&mut self, object: &ObjectId) {
        let kind = self.kind_mut(&object.group, &object.kind);
        if kind.is_some_and(|kind| kind.tidy(&object.namespace, &object.name)) {
            self.records -= 1;
        }
    }

    /// Waits may name any kind: one that is neither watched nor known otherwise leaves nothing behind.
    fn forget_kind_if_unused(&mut self, object: &ObjectId) {
        let Some(kinds) = self.kinds.get_mut(&object.kind) else { return };
        kinds.retain(|kind| kind.group != object.group || !kind.is_empty() || kind.phase != Phase::Unasked);
        if kinds.is_empty() {
            self.kinds.remove(&object.kind);
        }
    }

    fn intern(&mut self, owner: &Arc<Owner>) -> Arc<Owner> {
        if let Some(known) = self.owners.get(owner) {
            return Arc::clone(known);
        }
        self.owners.insert(Arc::clone(owner));
        Arc::clone(owner)
    }

    fn intern_version(&mut self, version: &Arc<str>) -> Arc<str> {
        if let Some(known) = self.versions.get(version) {
            return Arc::clone(known);
        }
        self.versions.insert(Arc::clone(version));
        Arc::clone(version)
    }
}

fn id(of: &GroupKind, namespace: &str, name: &str) -> ObjectId {
    ObjectId { group: of.group.clone(), kind: of.kind.clone(), namespace: namespace.to_owned(), name: name.to_owned() }
}

#[cfg(test)]
mod tests;
