//! The inventory: which objects a Kustomization manages, in apply order.
//!
//! Deliberately not here: the CRD's wire type (`sluice-api`); this is the value with which stale objects are found.

use std::collections::HashSet;

use crate::id::{IdError, ObjectId};

/// One managed object and the API version in which it was applied (`v1`, never `apps/v1`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Identity.
    pub id: ObjectId,
    /// Version without the group. Only a hint for the next request: no part of the identity.
    pub version: String,
}

impl Entry {
    /// Reads an entry from the status fields `id` and `v`.
    ///
    /// # Errors
    /// When `id` is not of the inventory's form.
    pub fn parse(id: &str, version: &str) -> Result<Self, IdError> {
        Ok(Self { id: id.parse()?, version: version.to_owned() })
    }
}

/// An ordered set of entries: at most one per identity.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    entries: Vec<Entry>,
    ids: HashSet<ObjectId>,
}

impl PartialEq for Inventory {
    fn eq(&self, other: &Self) -> bool {
        self.entries == other.entries
    }
}

impl Eq for Inventory {}

impl Inventory {
    /// Reads status entries, as pairs of `id` and `v`.
    ///
    /// # Errors
    /// At the first malformed id. A caller that wants the good ones pushes entry by entry.
    pub fn parse<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, IdError> {
        pairs.into_iter().map(|(id, version)| Entry::parse(id, version)).collect()
    }

    /// Adds an entry at the end. Returns false, and changes nothing, when the identity is already there.
    pub fn push(&mut self, entry: Entry) -> bool {
        let new = self.ids.insert(entry.id.clone());
        if new {
            self.entries.push(entry);
        }
        new
    }

    /// The entries in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether the object is managed.
    pub fn contains(&self, id: &ObjectId) -> bool {
        self.ids.contains(id)
    }

    /// Number of objects.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries of this (previous) inventory that `new` no longer has, in this inventory's order. Versions do not count.
    pub fn stale(&self, new: &Self) -> Vec<Entry> {
        self.entries.iter().filter(|entry| !new.contains(&entry.id)).cloned().collect()
    }
}

impl FromIterator<Entry> for Inventory {
    fn from_iter<I: IntoIterator<Item = Entry>>(entries: I) -> Self {
        let mut inventory = Self::default();
        inventory.extend(entries);
        inventory
    }
}

impl Extend<Entry> for Inventory {
    fn extend<I: IntoIterator<Item = Entry>>(&mut self, entries: I) {
        for entry in entries {
            self.push(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inventory(pairs: &[(&str, &str)]) -> Inventory {
        Inventory::parse(pairs.iter().copied()).unwrap()
    }

    #[test]
    fn stale_is_what_the_new_inventory_lacks_whatever_the_version() {
        let old = inventory(&[("_a__Namespace", "v1"), ("a_x_apps_Deployment", "v1beta1"), ("a_y__ConfigMap", "v1")]);
        let new = inventory(&[("a_x_apps_Deployment", "v1"), ("a_z__ConfigMap", "v1")]);
        let stale: Vec<String> = old.stale(&new).iter().map(|entry| entry.id.to_inventory()).collect();
        assert_eq!(stale, ["_a__Namespace", "a_y__ConfigMap"]);
        assert_eq!(old.stale(&old), []);
        assert_eq!(old.stale(&Inventory::default()).len(), 3);
    }

    #[test]
    fn an_identity_is_held_once_and_in_the_place_of_its_first_entry() {
        let inventory = inventory(&[("a_x__ConfigMap", "v1"), ("a_y__ConfigMap", "v1"), ("a_x__ConfigMap", "v2")]);
        assert_eq!(
            inventory.entries(),
            [Entry::parse("a_x__ConfigMap", "v1").unwrap(), Entry::parse("a_y__ConfigMap", "v1").unwrap()]
        );
    }

    #[test]
    fn a_malformed_entry_is_an_error() {
        assert!(Inventory::parse([("a_x__ConfigMap", "v1"), ("nonsense", "v1")]).is_err());
    }
}
