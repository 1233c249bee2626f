//! Recreation of an object whose change is impossible, for a forced apply.
//!
//! Deliberately not here: the decision to force (`plan`).

use std::time::Duration;

use sluice_manifest::Object;

use crate::failure::ApplyError;
use crate::ports::{Rest, rested};
use crate::request::{Mode, Requests};
use crate::resource::Resource;
use crate::termination::until_gone;

/// What is recreated.
pub(crate) struct Recreation {
    /// Where it is served.
    pub(crate) resource: Resource,
    /// What to apply.
    pub(crate) desired: Object,
    /// What to delete.
    pub(crate) live: Object,
    /// Why the change is impossible, for the case that the manifest turns out to be wrong itself.
    pub(crate) refusal: ApplyError,
}

impl Recreation {
    /// Deletes the live object, waits until it is gone, and applies the desired one. Returns what the server made of it.
    ///
    /// Any refusal with 409 or 422 counts as "impossible", so a manifest that is simply wrong gets here too. It is tried as a new object
    /// first: when that is invalid as well, deleting would destroy the live object for nothing, and the refusal is returned.
    pub(crate) async fn carry_out(
        self,
        requests: &Requests,
        timeout: Duration,
        rest: &impl Rest,
    ) -> Result<Object, ApplyError> {
        let Self { resource, desired, live, refusal } = self;
        let id = desired.id();
        if !reserves_addresses(&desired)
            && requests.try_create(&resource, &desired).await.is_err_and(|error| error.has_code(422))
        {
            return Err(refusal);
        }
        let failed = |message: String| ApplyError::Recreate { subject: id.to_string(), message };
        requests.delete(&resource, &id, live.uid()).await.map_err(|error| failed(error.to_string()))?;
        let gone = tokio::time::timeout(timeout, until_gone(requests, &resource, &id, live.uid()));
        match rested(rest, gone).await {
            Ok(gone) => gone.map_err(|error| failed(error.to_string()))?,
            Err(_) => return Err(failed(format!("still there after {}s", timeout.as_secs()))),
        }
        requests.apply(&resource, &desired, Mode::DryRun).await.map_err(|error| ApplyError::dry_run(&id, &error))?;
        let applied = requests.apply(&resource, &desired, Mode::Store).await;
        applied.map_err(|error| ApplyError::Apply { subject: id.to_string(), message: error.to_string() })
    }
}

/// A Service's addresses and node ports are taken by the live one, so trying to create it is refused for that reason alone.
fn reserves_addresses(object: &Object) -> bool {
    object.is("", "Service")
}
