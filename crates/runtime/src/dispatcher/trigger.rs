//! Which changes of an object ask for a pass.
//!
//! Deliberately not its own status: a pass would trigger the next one.

use kube::api::ObjectMeta;
use sluice_api::constants::{FINALIZER, annotation::REQUESTED_AT};

use crate::cache::{Cached, Change};

/// What a change means for the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trigger {
    /// The object is gone.
    Gone,
    /// Something that a pass must see.
    Changed,
    /// Nothing that matters.
    None,
}

/// Judges a change by the rules of the reference: creation, generation, request annotation, deletion, a lost finalizer.
pub(super) fn of<K: Cached>(change: &Change<K>) -> Trigger {
    match (&change.old, &change.new) {
        (_, None) => Trigger::Gone,
        (None, Some(_)) => Trigger::Changed,
        (Some(old), Some(new)) if differs(old.meta(), new.meta()) => Trigger::Changed,
        (Some(_), Some(_)) => Trigger::None,
    }
}

fn differs(old: &ObjectMeta, new: &ObjectMeta) -> bool {
    let request = |meta: &ObjectMeta| meta.annotations.as_ref().and_then(|all| all.get(REQUESTED_AT).cloned());
    old.uid != new.uid
        || old.generation != new.generation
        || old.deletion_timestamp != new.deletion_timestamp
        || request(old) != request(new)
        || (has_finalizer(old) && !has_finalizer(new))
}

/// True when the object carries the finalizer that all controllers share.
pub(super) fn has_finalizer(meta: &ObjectMeta) -> bool {
    meta.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn meta(change: impl FnOnce(&mut ObjectMeta)) -> ObjectMeta {
        let mut meta = ObjectMeta {
            uid: Some("1".into()),
            generation: Some(1),
            finalizers: Some(vec![FINALIZER.into()]),
            ..ObjectMeta::default()
        };
        change(&mut meta);
        meta
    }

    fn one(key: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(key.to_owned(), value.to_owned())])
    }

    #[test]
    fn what_a_user_changes_triggers() {
        let changed = [
            meta(|meta| meta.generation = Some(2)),
            meta(|meta| meta.uid = Some("2".into())),
            meta(|meta| meta.finalizers = None),
            meta(|meta| meta.annotations = Some(one(REQUESTED_AT, "now"))),
        ];
        for new in changed {
            assert!(differs(&meta(|_| ()), &new), "{new:?}");
        }
    }

    #[test]
    fn what_we_write_ourselves_or_nobody_cares_about_does_not() {
        let same = [
            meta(|meta| meta.resource_version = Some("7".into())),
            meta(|meta| meta.annotations = Some(one("team", "blue"))),
            meta(|meta| meta.labels = Some(one("team", "blue"))),
            meta(|meta| meta.finalizers = Some(vec![FINALIZER.into(), "other".into()])),
        ];
        for new in same {
            assert!(!differs(&meta(|_| ()), &new), "{new:?}");
        }
        assert!(!differs(&meta(|meta| meta.finalizers = None), &meta(|_| ())), "our own finalizer arrives");
    }
}
