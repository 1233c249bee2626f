//! [`ResMap`]: the resources of a build in order, with an index of every present and past id.
//!
//! All changes of a resource go through [`ResMap::edit`], which keeps the index true, so that every look-up is one hash and no
//! transformer scans the list for an id.

use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use thiserror::Error;

use crate::growth::Growth;
use crate::id::{IdKey, ResId};
use crate::resource::Resource;

/// Resources and the index of their ids.
#[derive(Debug, Default)]
pub(crate) struct ResMap {
    list: Vec<Resource>,
    /// Positions of the resources that have or had an id.
    any: HashMap<IdKey, Vec<usize>>,
    /// Number of resources that have an id now.
    current: HashMap<IdKey, usize>,
    /// Positions of the resources that have or had a name.
    names: HashMap<String, BTreeSet<usize>>,
    /// Whether a resource may have been emptied since the empty ones were dropped.
    emptied: bool,
    /// What may still be copied into the resources; one for all layers of a build.
    growth: Rc<Growth>,
}

/// Why a look-up or an addition failed.
#[derive(Debug, Error)]
pub(crate) enum IdError {
    #[error("may not add resource with an already registered id: {id}")]
    Registered { id: Box<ResId> },
    #[error("no matches for Id {id}; failed to find unique target for patch {id}")]
    NoMatch { id: Box<ResId> },
    #[error("multiple matches for Id {id}; failed to find unique target for patch {id}")]
    ManyMatches { id: Box<ResId> },
}

impl ResMap {
    pub(crate) fn set_growth(&mut self, growth: &Rc<Growth>) {
        self.growth = Rc::clone(growth);
    }

    pub(crate) fn growth(&self) -> Rc<Growth> {
        Rc::clone(&self.growth)
    }

    pub(crate) fn len(&self) -> usize {
        self.list.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Resource> {
        self.list.iter()
    }

    pub(crate) fn get(&self, index: usize) -> &Resource {
        &self.list[index]
    }

    /// Adds a resource at the end.
    pub(crate) fn append(&mut self, resource: Resource) -> Result<(), IdError> {
        if self.current.contains_key(&resource.id.key()) {
            return Err(IdError::Registered { id: Box::new(resource.id) });
        }
        self.enter(&resource, self.list.len());
        self.list.push(resource);
        Ok(())
    }

    pub(crate) fn append_all(&mut self, other: Self) -> Result<(), IdError> {
        other.list.into_iter().try_for_each(|resource| self.append(resource))
    }

    /// Positions of the resources that have or had this id, in order.
    pub(crate) fn find(&self, id: &ResId) -> &[usize] {
        self.any.get(&id.key()).map_or(&[], Vec::as_slice)
    }

    /// Positions of the resources that have or had a name, in order; of all if there is no name.
    pub(crate) fn named(&self, name: Option<&str>) -> Vec<usize> {
        match name {
            Some(name) => self.names.get(name).map(|positions| positions.iter().copied().collect()).unwrap_or_default(),
            None => (0..self.list.len()).collect(),
        }
    }

    /// The one resource that has or had this id.
    pub(crate) fn find_one(&self, id: &ResId) -> Result<usize, IdError> {
        match self.find(id) {
            [one] => Ok(*one),
            [] => Err(IdError::NoMatch { id: Box::new(id.clone()) }),
            _ => Err(IdError::ManyMatches { id: Box::new(id.clone()) }),
        }
    }

    /// Number of resources that have this id now.
    pub(crate) fn count(&self, id: &ResId) -> usize {
        self.current.get(&id.key()).copied().unwrap_or_default()
    }

    /// Whether all present ids differ, as they do unless a transformer made two equal.
    pub(crate) fn check_distinct(&self) -> Result<(), IdError> {
        if self.current.len() == self.list.len() {
            return Ok(());
        }
        match self.list.iter().find(|resource| self.count(&resource.id) > 1) {
            Some(resource) => Err(IdError::Registered { id: Box::new(resource.id.clone()) }),
            None => Ok(()),
        }
    }

    /// Lets `change` alter one resource and updates the index if its identity or history changed.
    pub(crate) fn edit<T>(&mut self, index: usize, change: impl FnOnce(&mut Resource) -> T) -> T {
        let resource = &mut self.list[index];
        let (old_id, old_past) = (resource.id.clone(), resource.past.len());
        let mut old_keys = None;
        if old_past > 0 || !resource.is_empty() {
            old_keys = Some(resource.keys());
        }
        let result = change(resource);
        resource.refresh();
        self.emptied |= resource.is_empty();
        if resource.id != old_id || resource.past.len() != old_past {
            let keys = old_keys.unwrap_or_default();
            self.leave(&keys, &old_id.key(), index);
            let resource = std::mem::take(&mut self.list[index]);
            self.enter(&resource, index);
            self.list[index] = resource;
        }
        result
    }

    /// Changes every resource in order, stopping at the first failure.
    pub(crate) fn edit_all<E>(&mut self, mut change: impl FnMut(&mut Resource) -> Result<(), E>) -> Result<(), E> {
        (0..self.list.len()).try_for_each(|index| self.edit(index, &mut change))
    }

    /// Changes resources in ways that cannot touch identity or history, without a look at the index.
    pub(crate) fn edit_contents<E>(&mut self, mut change: impl FnMut(&mut Resource) -> Result<(), E>) -> Result<(), E> {
        self.list.iter_mut().try_for_each(|resource| {
            let result = change(resource);
            debug_assert_eq!(crate::resource::read_id(&resource.node), resource.id, "identity must not change here");
            result
        })
    }

    /// Puts a resource in the place of another.
    pub(crate) fn replace(&mut self, index: usize, resource: Resource) {
        self.edit(index, |old| *old = resource);
    }

    /// Drops the resources that a patch emptied. Costs nothing if there are none, since it runs after every transformer.
    pub(crate) fn drop_empty(&mut self) {
        if std::mem::take(&mut self.emptied) {
            self.retain(|_| true);
        }
    }

    /// Drops the resources that a patch emptied and those for which `keep` is false.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Resource) -> bool) {
        if self.list.iter().all(|resource| !resource.is_empty() && keep(resource)) {
            return;
        }
        self.list.retain(|resource| !resource.is_empty() && keep(resource));
        self.rebuild();
    }

    /// Sorts by a key made from each id; equal ones keep their order.
    pub(crate) fn sort_by_cached_key<K: Ord>(&mut self, mut key: impl FnMut(&ResId) -> K) {
        self.list.sort_by_cached_key(|resource| key(&resource.id));
        self.rebuild();
    }

    pub(crate) fn into_resources(self) -> Vec<Resource> {
        self.list
    }

    fn rebuild(&mut self) {
        self.any.clear();
        self.current.clear();
        self.names.clear();
        let list = std::mem::take(&mut self.list);
        for (index, resource) in list.iter().enumerate() {
            self.enter(resource, index);
        }
        self.list = list;
    }

    fn enter(&mut self, resource: &Resource, index: usize) {
        *self.current.entry(resource.id.key()).or_default() += 1;
        for key in resource.keys() {
            if let Some(positions) = self.names.get_mut(&key.name) {
                positions.insert(index);
            } else {
                self.names.insert(key.name.clone(), BTreeSet::from([index]));
            }
            let positions = self.any.entry(key).or_default();
            let at = positions.partition_point(|&position| position < index);
            positions.insert(at, index);
        }
    }

    fn leave(&mut self, keys: &[IdKey], current: &IdKey, index: usize) {
        if let Some(count) = self.current.get_mut(current) {
            *count -= 1;
            if *count == 0 {
                self.current.remove(current);
            }
        }
        for key in keys {
            if let Some(positions) = self.names.get_mut(&key.name) {
                positions.remove(&index);
                if positions.is_empty() {
                    self.names.remove(&key.name);
                }
            }
            if let Some(positions) = self.any.get_mut(key) {
                positions.retain(|&position| position != index);
                if positions.is_empty() {
                    self.any.remove(key);
                }
            }
        }
    }
}
