//! Deletion of objects that are no longer wanted.
//!
//! The live object decides: it must carry the owner's labels and no opt-out. Deliberately not here: which objects are stale
//! (`sluice_manifest::Inventory::stale`), and waiting until they are gone.

use sluice_manifest::{Entry, Gvk, Object, ObjectId, Owner, apply_order, protected_from_deletion};
use thiserror::Error;

use crate::change::{Action, ChangeSet};
use crate::discovery::Discovery;
use crate::error::RequestError;
use crate::request::Requests;

/// Why one object was not deleted.
#[derive(Debug, Error)]
pub enum PruneError {
    /// The live object could not be read.
    #[error("{id} query failed: {error}")]
    Query {
        /// The object.
        id: ObjectId,
        /// What the server said. Part of the text, since errors of several objects become one line.
        error: RequestError,
    },
    /// The deletion was refused.
    #[error("{id} delete failed: {error}")]
    Delete {
        /// The object.
        id: ObjectId,
        /// What the server said.
        error: RequestError,
    },
}

/// What a prune did.
#[derive(Debug, Default)]
pub struct PruneOutcome {
    /// Objects that are deleted (or were gone) or skipped.
    pub changes: ChangeSet,
    /// Objects that are neither, to be kept in the inventory for the next attempt; in the order of the stale entries.
    pub keep: Vec<Entry>,
    /// Why.
    pub errors: Vec<PruneError>,
}

impl PruneOutcome {
    /// The text of conditions and events, `delete failed, errors: <e1>;<e2>;`, or `None` when all went well.
    pub fn error_text(&self) -> Option<String> {
        if self.errors.is_empty() {
            return None;
        }
        let errors: Vec<String> = self.errors.iter().map(ToString::to_string).collect();
        Some(format!("delete failed, errors: {};", errors.join(";")))
    }
}

/// Deletes stale objects in reverse apply order, one at a time, with background propagation.
///
/// An error does not stop the others. An accepted deletion counts as done, even if a finalizer holds it up; so does an object, or a whole
/// kind, that is no longer there.
pub async fn prune(client: kube::Client, discovery: &Discovery, stale: &[Entry], owner: &Owner) -> PruneOutcome {
    let requests = Requests::new(client, "");
    let mut order: Vec<usize> = (0..stale.len()).collect();
    order.sort_by(|a, b| apply_order(&stale[*b].id, &stale[*a].id));
    let mut outcome = PruneOutcome::default();
    let mut kept = Vec::new();
    for index in order {
        match prune_one(&requests, discovery, &stale[index], owner).await {
            Ok(action) => outcome.changes.push(stale[index].clone(), action),
            Err(error) => {
                outcome.errors.push(error);
                kept.push(index);
            }
        }
    }
    kept.sort_unstable();
    outcome.keep = kept.into_iter().map(|index| stale[index].clone()).collect();
    outcome
}

async fn prune_one(
    requests: &Requests,
    discovery: &Discovery,
    stale: &Entry,
    owner: &Owner,
) -> Result<Action, PruneError> {
    let id = &stale.id;
    let query = |error| PruneError::Query { id: id.clone(), error };
    let gvk = Gvk { group: id.group.clone(), version: stale.version.clone(), kind: id.kind.clone() };
    let resource = match discovery.resolve_any_version(&gvk).await {
        Ok(resource) => resource,
        // With its CRD gone the server has deleted the objects.
        Err(RequestError::NoMatch { .. }) => return Ok(Action::Deleted),
        Err(error) => return Err(query(error)),
    };
    let Some(live) = requests.get(&resource, id).await.map_err(query)? else { return Ok(Action::Deleted) };
    if !may_delete(&live, owner) {
        return Ok(Action::Skipped);
    }
    // The uid stops a deletion of another object that took the name after the check.
    let deleted = requests.delete(&resource, id, live.uid()).await;
    deleted.map(|_| Action::Deleted).map_err(|error| PruneError::Delete { id: id.clone(), error })
}

fn may_delete(live: &Object, owner: &Owner) -> bool {
    owner.owns(live) && !protected_from_deletion(live)
}
