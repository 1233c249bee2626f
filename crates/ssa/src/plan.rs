//! Phase A of a stage: what an apply would do to each object, found out without a lasting write.
//!
//! Deliberately not here: doing it (`applier`).

use serde_json::Value;
use sluice_manifest::{Entry, Object, differs, forces, keeps_foreign_fields, skips};

use crate::applier::{ApplyOptions, Force};
use crate::discovery::Discovery;
use crate::error::{ApplyError, RequestError};
use crate::request::{Mode, Requests};
use crate::resource::Resource;
use crate::takeover::{self, Managers};
use crate::undeclared;

/// Dry-runs after fields were dropped. A server names all such fields at once, so one is the rule.
const MAX_UNDECLARED_ROUNDS: usize = 3;

/// What is to be done with one object.
pub(crate) enum Plan {
    /// Nothing, by its own wish or the live object's.
    Skip {
        /// For the inventory.
        entry: Entry,
    },
    /// Nothing: it is as desired.
    Keep {
        /// For the inventory.
        entry: Entry,
        /// For the wait after the stage.
        resource: Resource,
        /// For the wait after the stage.
        live: Object,
    },
    /// Take over foreign fields if there are any, then apply.
    Apply(ApplyPlan),
    /// Delete the live object, then apply: the change is impossible and the user asked for force.
    Recreate {
        /// Where it is served.
        resource: Resource,
        /// What to apply.
        desired: Object,
        /// What to delete.
        live: Object,
        /// Why the change is impossible, for the case that the manifest turns out to be wrong itself.
        refusal: ApplyError,
    },
}

impl Plan {
    /// The object, if it will be written.
    pub(crate) fn written(&self) -> Option<Entry> {
        match self {
            Self::Skip { .. } | Self::Keep { .. } => None,
            Self::Apply(plan) => Some(plan.entry.clone()),
            Self::Recreate { live, .. } => Some(entry(live)),
        }
    }
}

/// A planned apply.
pub(crate) struct ApplyPlan {
    /// For the inventory: identity as the server has it.
    pub(crate) entry: Entry,
    /// Where it is served.
    pub(crate) resource: Resource,
    /// What to apply.
    pub(crate) desired: Object,
    /// Whether the object is new.
    pub(crate) created: bool,
    /// The JSON patch that takes over foreign fields.
    pub(crate) takeover: Option<Vec<Value>>,
}

/// What planning needs beside the object.
pub(crate) struct Planner<'a> {
    /// The client.
    pub(crate) requests: &'a Requests,
    /// The server's kinds.
    pub(crate) discovery: &'a Discovery,
    /// The apply's options.
    pub(crate) options: &'a ApplyOptions,
}

impl Planner<'_> {
    /// Asks the server what applying the object would do.
    pub(crate) async fn plan(&self, mut desired: Object) -> Result<Plan, ApplyError> {
        // An object that is to be skipped needs no kind, so a missing one counts only below.
        let resource = self.discovery.resolve(&desired.gvk()).await;
        let live = match &resource {
            Ok(resource) => self.live(resource, &desired).await?,
            Err(_) => None,
        };
        if skips(&desired, live.as_ref()) {
            return Ok(Plan::Skip { entry: entry(live.as_ref().unwrap_or(&desired)) });
        }
        let resource = resource.map_err(|error| ApplyError::dry_run(&desired.id(), &error))?;
        if !resource.namespaced {
            desired.clear_namespace();
        } else if desired.namespace().is_empty() {
            let message = "the server could not find the requested resource".to_owned();
            return Err(ApplyError::NamespaceNotSpecified { subject: desired.id().to_string(), message });
        }
        match self.dry_run(&resource, &mut desired).await {
            Ok(dry_run) => Ok(self.compare(resource, desired, &dry_run, live)),
            Err(error) => self.refused(resource, desired, live, &error),
        }
    }

    /// The live object. One that may not be read is taken for absent, as for a service account with no right but to patch: the dry-run decides.
    async fn live(&self, resource: &Resource, desired: &Object) -> Result<Option<Object>, ApplyError> {
        if resource.namespaced && desired.namespace().is_empty() {
            return Ok(None);
        }
        match self.requests.get(resource, &desired.id()).await {
            Ok(live) => Ok(live),
            Err(error) if error.has_code(403) => Ok(None),
            // Not taken for absent: the live object may ask to be skipped.
            Err(error) => Err(ApplyError::Query { subject: desired.id().to_string(), message: error.to_string() }),
        }
    }

    /// Tries the apply. Fields that a built-in kind does not have are dropped from the object.
    async fn dry_run(&self, resource: &Resource, desired: &mut Object) -> Result<Object, RequestError> {
        let mut rounds = 0;
        loop {
            let error = match self.requests.apply(resource, desired, Mode::DryRun).await {
                Ok(result) => return Ok(result),
                Err(error) => error,
            };
            let again = rounds < MAX_UNDECLARED_ROUNDS
                && undeclared::applies_to(desired)
                && undeclared::remove(desired, error.undeclared());
            if !again {
                return Err(error);
            }
            rounds += 1;
        }
    }

    fn compare(&self, resource: Resource, desired: Object, dry_run: &Object, live: Option<Object>) -> Plan {
        let managers = Managers { own: self.requests.manager(), overridden: &self.options.override_managers };
        let takeover = live
            .as_ref()
            .filter(|live| !keeps_foreign_fields(&desired, live))
            .and_then(|live| takeover::patch(live, &desired, managers));
        match live {
            Some(live) if takeover.is_none() && !differs(dry_run, &live) => {
                Plan::Keep { entry: entry(dry_run), resource, live }
            }
            _ => Plan::Apply(ApplyPlan {
                entry: entry(dry_run),
                resource,
                desired,
                created: dry_run.resource_version().is_empty(),
                takeover,
            }),
        }
    }

    fn refused(
        &self,
        resource: Resource,
        desired: Object,
        live: Option<Object>,
        error: &RequestError,
    ) -> Result<Plan, ApplyError> {
        let refusal = ApplyError::dry_run(&desired.id(), error);
        match live {
            Some(live)
                if error.is_immutable() && (self.options.force == Force::Recreate || forces(&desired, &live)) =>
            {
                Ok(Plan::Recreate { resource, desired, live, refusal })
            }
            _ => Err(refusal),
        }
    }
}

/// The inventory entry of an object that a server returned.
pub(crate) fn entry(object: &Object) -> Entry {
    Entry { id: object.id(), version: object.version().to_owned() }
}
