//! [`ResMap`]: the resources of a build in order, with an index of every present and past id.
//!
//! All changes of a resource go through [`ResMap::edit`], which keeps the index true, so that every look-up is one hash and no
//! transformer scans the list for an id.

use std::collections::HashSet;
use std::rc::Rc;

use thiserror::Error;

use crate::growth::Growth;
use crate::id::ResId;
use crate::id_index::{Fingerprint, IdIndex};
use crate::resource::Resource;

/// Resources and the index of their ids.
#[derive(Debug, Default)]
pub(crate) struct ResMap {
    list: Vec<Resource>,
    index: IdIndex,
    /// Positions of resources that were empty after a change, since the empty ones were dropped.
    emptied: Vec<usize>,
    /// Positions of dropped resources, whose places are still there.
    dropped: HashSet<usize>,
    /// Positions of changed resources with values that several fields share, since those were settled.
    unsettled: Vec<usize>,
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
        self.list.len() - self.dropped.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Resource> {
        self.positions().map(|index| &self.list[index])
    }

    /// Positions of all resources, in order.
    pub(crate) fn positions(&self) -> impl Iterator<Item = usize> + use<'_> {
        (0..self.list.len()).filter(|index| !self.dropped.contains(index))
    }

    pub(crate) fn get(&self, index: usize) -> &Resource {
        &self.list[index]
    }

    /// Adds a resource at the end.
    pub(crate) fn append(&mut self, resource: Resource) -> Result<(), IdError> {
        if self.count(&resource.id) > 0 {
            return Err(IdError::Registered { id: Box::new(resource.id) });
        }
        self.list.push(resource);
        self.enter(self.list.len() - 1);
        Ok(())
    }

    pub(crate) fn append_all(&mut self, mut other: Self) -> Result<(), IdError> {
        if self.list.is_empty() {
            // The first base of a layer brings its index along.
            other.check_distinct()?;
            other.growth = Rc::clone(&self.growth);
            *self = other;
            return Ok(());
        }
        other.compact();
        other.list.into_iter().try_for_each(|resource| self.append(resource))
    }

    /// Positions of the resources that have or had this id, in order.
    pub(crate) fn find(&self, id: &ResId) -> Vec<usize> {
        self.index.with_id(id.fingerprint())
    }

    /// Positions of the resources that have or had a name, in order; of all if there is no name.
    pub(crate) fn named(&self, name: Option<&str>) -> Vec<usize> {
        match name {
            Some(name) => self.index.with_name(Fingerprint::of(&name)),
            None => self.positions().collect(),
        }
    }

    /// The one resource that has or had this id.
    pub(crate) fn find_one(&self, id: &ResId) -> Result<usize, IdError> {
        match self.find(id)[..] {
            [one] => Ok(one),
            [] => Err(IdError::NoMatch { id: Box::new(id.clone()) }),
            _ => Err(IdError::ManyMatches { id: Box::new(id.clone()) }),
        }
    }

    /// Number of resources that have this id now.
    pub(crate) fn count(&self, id: &ResId) -> usize {
        self.index.count(id.fingerprint())
    }

    /// Whether all present ids differ, as they do unless a transformer made two equal.
    pub(crate) fn check_distinct(&self) -> Result<(), IdError> {
        if self.index.distinct() == self.len() {
            return Ok(());
        }
        match self.iter().find(|resource| self.count(&resource.id) > 1) {
            Some(resource) => Err(IdError::Registered { id: Box::new(resource.id.clone()) }),
            None => Ok(()),
        }
    }

    /// Lets `change` alter one resource and updates the index if its identity or history changed: by what changed only, since a
    /// resource of a deep layer has a long history.
    pub(crate) fn edit<T>(&mut self, index: usize, change: impl FnOnce(&mut Resource) -> T) -> T {
        let resource = &mut self.list[index];
        let (old_id, old_past) = (resource.id.clone(), resource.past.len());
        let result = change(resource);
        resource.refresh();
        if resource.is_empty() {
            self.emptied.push(index);
        }
        if !resource.shared.is_empty() {
            self.unsettled.push(index);
        }
        let forgotten = std::mem::take(&mut resource.forgotten);
        if !forgotten.is_empty()
            || resource.id.gvk.group != old_id.gvk.group
            || resource.id.gvk.version != old_id.gvk.version
        {
            // Group and version are part of every past id.
            let mut before = forgotten;
            if before.is_empty() {
                before.clone_from(&resource.past);
                before.truncate(old_past);
            }
            let old = Resource { id: old_id, past: before, ..Resource::default() };
            self.leave(&old, index);
            self.enter(index);
        } else if resource.id != old_id || resource.past.len() != old_past {
            self.advance(index, &old_id, old_past);
        }
        result
    }

    /// Updates the index for a resource that got another id, or past ids from `old_past` on.
    fn advance(&mut self, index: usize, old_id: &ResId, old_past: usize) {
        let Self { list, index: ids, .. } = self;
        let resource = &list[index];
        let (old, new) = (old_id.fingerprint(), resource.id.fingerprint());
        if old != new {
            ids.count_down(old);
            ids.count_up(new);
            if !resource.past.iter().any(|past| resource.past_fingerprint(past) == old) {
                ids.forget_id(old, index);
            }
            if old_id.name != resource.id.name && !resource.past.iter().any(|past| past.name == old_id.name) {
                ids.forget_name(Fingerprint::of(&old_id.name.as_str()), index);
            }
            ids.note(new, Fingerprint::of(&resource.id.name.as_str()), index);
        }
        for past in resource.past.iter().skip(old_past) {
            ids.note(resource.past_fingerprint(past), Fingerprint::of(&past.name.as_str()), index);
        }
    }

    /// Changes every resource in order, stopping at the first failure.
    pub(crate) fn edit_all<E>(&mut self, mut change: impl FnMut(&mut Resource) -> Result<(), E>) -> Result<(), E> {
        (0..self.list.len())
            .try_for_each(|index| if self.dropped.contains(&index) { Ok(()) } else { self.edit(index, &mut change) })
    }

    /// Changes resources in ways that cannot touch identity or history, without a look at the index.
    pub(crate) fn edit_contents<E>(&mut self, mut change: impl FnMut(&mut Resource) -> Result<(), E>) -> Result<(), E> {
        for (index, resource) in self.list.iter_mut().enumerate().filter(|(index, _)| !self.dropped.contains(index)) {
            let result = change(resource);
            debug_assert_eq!(crate::resource::read_id(&resource.node), resource.id, "identity must not change here");
            if !resource.shared.is_empty() {
                self.unsettled.push(index);
            }
            result?;
        }
        Ok(())
    }

    /// Carries values that several fields of a resource share to all of them, in the resources that changed since the last time.
    pub(crate) fn settle_shared(&mut self) {
        for index in std::mem::take(&mut self.unsettled) {
            self.list[index].settle_shared();
        }
    }

    /// Puts a resource in the place of another.
    pub(crate) fn replace(&mut self, index: usize, resource: Resource) {
        let old = std::mem::replace(&mut self.list[index], resource);
        self.leave(&old, index);
        self.enter(index);
        self.edit(index, |_| ());
    }

    /// Drops the resources that a patch emptied. Costs only as much as there are, since it runs after every transformer: their places
    /// stay until [`ResMap::compact`].
    pub(crate) fn drop_empty(&mut self) {
        for index in std::mem::take(&mut self.emptied) {
            let resource = &mut self.list[index];
            if !resource.is_empty() || !self.dropped.insert(index) {
                continue;
            }
            let gone = std::mem::take(&mut resource.past);
            let gone = Resource { id: resource.id.clone(), past: gone, ..Resource::default() };
            self.leave(&gone, index);
        }
    }

    /// Closes the gaps that dropped resources left: positions change.
    pub(crate) fn compact(&mut self) {
        if !self.dropped.is_empty() {
            self.retain(|_| true);
        }
    }

    /// Drops the resources that a patch emptied and those for which `keep` is false: positions change.
    pub(crate) fn retain(&mut self, keep: impl Fn(&Resource) -> bool) {
        // A dropped resource is an empty one.
        let stays = |resource: &Resource| !resource.is_empty() && keep(resource);
        if self.list.iter().all(stays) {
            return;
        }
        self.settle_shared();
        self.list.retain(stays);
        self.rebuild();
    }

    /// Sorts by a key made from each id; equal ones keep their order.
    pub(crate) fn sort_by_cached_key<K: Ord>(&mut self, mut key: impl FnMut(&ResId) -> K) {
        self.compact();
        self.settle_shared();
        self.list.sort_by_cached_key(|resource| key(&resource.id));
        self.rebuild();
    }

    pub(crate) fn into_resources(mut self) -> Vec<Resource> {
        self.compact();
        self.list
    }

    fn rebuild(&mut self) {
        self.index = IdIndex::default();
        self.emptied.clear();
        self.dropped.clear();
        (0..self.list.len()).for_each(|index| self.enter(index));
    }

    /// Notes the ids of the resource at a position.
    fn enter(&mut self, index: usize) {
        let Self { list, index: ids, .. } = self;
        let resource = &list[index];
        ids.count_up(resource.id.fingerprint());
        for (id, name) in resource.fingerprints() {
            ids.note(id, name, index);
        }
    }

    /// Forgets the ids that a resource had at a position.
    fn leave(&mut self, old: &Resource, index: usize) {
        self.index.count_down(old.id.fingerprint());
        for (id, name) in old.fingerprints() {
            self.index.forget_id(id, index);
            self.index.forget_name(name, index);
        }
    }
}
