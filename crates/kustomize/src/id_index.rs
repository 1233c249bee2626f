//! The index of a [`ResMap`](crate::resmap::ResMap): where each present and past id, and each name, is to be found.
//!
//! Ids are kept as 128-bit fingerprints under keys that are chosen at random once per process: in fifty thousand resources of ten layers
//! there are half a million of them, and as text they would cost more than the resources. No input can be made to collide on purpose,
//! and by chance none does. Nothing depends on the fingerprints' order. It knows nothing of the resources themselves.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::OnceLock;

/// What stands for an id or a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Fingerprint(u128);

impl Fingerprint {
    /// Of anything that is compared by value.
    pub(crate) fn of(value: &impl Hash) -> Self {
        static KEYS: OnceLock<[RandomState; 2]> = OnceLock::new();
        let [high, low] = KEYS.get_or_init(|| [RandomState::new(), RandomState::new()]);
        Self(u128::from(high.hash_one(value)) << 64 | u128::from(low.hash_one(value)))
    }
}

/// Positions in order. Nearly all ids and names have one.
#[derive(Debug)]
enum Places {
    One(usize),
    Many(BTreeSet<usize>),
}

type PlacesOf = HashMap<Fingerprint, Places>;

/// Positions of ids and names, and how many resources have an id now.
#[derive(Debug, Default)]
pub(crate) struct IdIndex {
    any: PlacesOf,
    names: PlacesOf,
    current: HashMap<Fingerprint, usize>,
}

impl IdIndex {
    /// Positions of the resources that have or had this id, in order.
    pub(crate) fn with_id(&self, id: Fingerprint) -> Vec<usize> {
        listed(&self.any, id)
    }

    /// Positions of the resources that have or had this name, in order.
    pub(crate) fn with_name(&self, name: Fingerprint) -> Vec<usize> {
        listed(&self.names, name)
    }

    /// Number of resources that have an id now.
    pub(crate) fn count(&self, id: Fingerprint) -> usize {
        self.current.get(&id).copied().unwrap_or_default()
    }

    /// Number of different present ids.
    pub(crate) fn distinct(&self) -> usize {
        self.current.len()
    }

    pub(crate) fn count_up(&mut self, id: Fingerprint) {
        *self.current.entry(id).or_default() += 1;
    }

    pub(crate) fn count_down(&mut self, id: Fingerprint) {
        if let Entry::Occupied(mut count) = self.current.entry(id) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }

    /// Notes that the resource at a position has or had an id and a name.
    pub(crate) fn note(&mut self, id: Fingerprint, name: Fingerprint, position: usize) {
        insert(&mut self.any, id, position);
        insert(&mut self.names, name, position);
    }

    pub(crate) fn forget_id(&mut self, id: Fingerprint, position: usize) {
        remove(&mut self.any, id, position);
    }

    pub(crate) fn forget_name(&mut self, name: Fingerprint, position: usize) {
        remove(&mut self.names, name, position);
    }
}

fn listed(map: &PlacesOf, key: Fingerprint) -> Vec<usize> {
    match map.get(&key) {
        None => Vec::new(),
        Some(Places::One(position)) => vec![*position],
        Some(Places::Many(positions)) => positions.iter().copied().collect(),
    }
}

fn insert(map: &mut PlacesOf, key: Fingerprint, position: usize) {
    match map.entry(key) {
        Entry::Vacant(vacant) => {
            vacant.insert(Places::One(position));
        }
        Entry::Occupied(mut places) => match places.get_mut() {
            Places::One(known) if *known == position => {}
            Places::One(known) => {
                let both = BTreeSet::from([*known, position]);
                places.insert(Places::Many(both));
            }
            Places::Many(positions) => {
                positions.insert(position);
            }
        },
    }
}

fn remove(map: &mut PlacesOf, key: Fingerprint, position: usize) {
    let Entry::Occupied(mut places) = map.entry(key) else { return };
    let is_last = match places.get_mut() {
        Places::One(known) => *known == position,
        Places::Many(positions) => {
            positions.remove(&position);
            positions.is_empty()
        }
    };
    if is_last {
        places.remove();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_come_in_order_and_go_one_by_one() {
        let (id, name) = (Fingerprint::of(&("v1", "ConfigMap", "a")), Fingerprint::of(&"a"));
        let mut index = IdIndex::default();
        for position in [7, 2, 7, 5] {
            index.note(id, name, position);
        }
        assert_eq!(index.with_id(id), [2, 5, 7]);
        for (gone, left) in [(5, vec![2, 7]), (9, vec![2, 7]), (2, vec![7]), (7, vec![])] {
            index.forget_id(id, gone);
            assert_eq!(index.with_id(id), left, "after {gone}");
        }
        assert_eq!(index.with_name(name), [2, 5, 7]);
    }

    #[test]
    fn a_count_that_falls_to_nothing_is_no_count() {
        let id = Fingerprint::of(&"a");
        let mut index = IdIndex::default();
        index.count_down(id);
        index.count_up(id);
        index.count_up(id);
        assert_eq!(index.count(id), 2);
        index.count_down(id);
        index.count_down(id);
        assert_eq!((index.count(id), index.current.len()), (0, 0));
    }
}
