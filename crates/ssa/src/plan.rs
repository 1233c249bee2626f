//! Phase A of a stage: what an apply would do to each object, found out without a lasting write.
//!
//! The dry-run comes first. What it shows to be new needs no other request; only an existing object is read, since drift, and labels that
//! tell to leave it alone, are decided on the live one. It is the other way round for objects that may have to be left alone whatever the
//! dry-run says. Objects that are known to be in step make no request at all. Deliberately not here: doing it (`stage`).

use serde_json::Value;
use sluice_manifest::{Entry, Object, ObjectId, forces, keeps_foreign_fields, skips};

use crate::discovery::Discovery;
use crate::error::RequestError;
use crate::failure::ApplyError;
use crate::observe::DesiredDigest;
use crate::options::{ApplyOptions, Force, Origin, VersionMigration};
use crate::ports::Known;
use crate::recreate::Recreation;
use crate::request::{Mode, Requests};
use crate::resource::Resource;
use crate::takeover::{self, Managers};
use crate::undeclared;

/// Dry-runs after fields were dropped. A server names all such fields at once, so one is the rule.
const MAX_UNDECLARED_ROUNDS: usize = 3;

/// The key under which ignore rules are part of a digest. No field of an object is called so.
const RULES: &str = "(ignore rules)";

/// What is to be done with one object, and where it came from.
pub(crate) struct Planned {
    /// What is to be done.
    pub(crate) plan: Plan,
    /// For errors.
    pub(crate) origin: Option<Origin>,
}

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
        /// What is desired.
        digest: DesiredDigest,
        /// The live object, for the wait after the stage. `None` when it was not looked at because it is known.
        live: Option<(Resource, Object)>,
    },
    /// Take over foreign fields if there are any, then apply.
    Apply(ApplyPlan),
    /// Delete the live object, then apply: the change is impossible and the user asked for force.
    Recreate(Box<Recreation>, DesiredDigest),
}

impl Plan {
    /// The object, if it will be written.
    pub(crate) fn written(&self) -> Option<Entry> {
        match self {
            Self::Skip { .. } | Self::Keep { .. } => None,
            Self::Apply(plan) => Some(plan.entry.clone()),
            Self::Recreate(recreation, _) => Some(entry(&recreation.live)),
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
    /// The manifest's digest, with what the user wanted rather than what is sent.
    pub(crate) digest: DesiredDigest,
    /// Whether the object is new.
    pub(crate) created: bool,
    /// The JSON patch that takes over foreign fields.
    pub(crate) takeover: Option<Vec<Value>>,
}

/// Why an object could not be planned.
pub(crate) struct PlanFailure {
    /// Why.
    pub(crate) error: ApplyError,
    /// Whether other objects would meet the same fault, so that asking about them is useless.
    pub(crate) is_general: bool,
}

impl PlanFailure {
    fn query(id: &ObjectId, error: &RequestError) -> Self {
        let is_general = error.is_general();
        Self { error: ApplyError::Query { subject: id.to_string(), message: error.to_string() }, is_general }
    }

    fn dry_run(id: &ObjectId, error: &RequestError) -> Self {
        Self { error: ApplyError::dry_run(id, error), is_general: error.is_general() }
    }
}

/// How much of an existing object's readiness the stage needs to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readiness {
    /// It is waited for.
    Matters,
    /// It is nobody's business.
    Irrelevant,
}

/// What planning needs beside the object.
pub(crate) struct Planner<'a> {
    /// The client.
    pub(crate) requests: &'a Requests,
    /// The server's kinds.
    pub(crate) discovery: &'a Discovery,
    /// The apply's options.
    pub(crate) options: &'a ApplyOptions,
    /// What is known without asking.
    pub(crate) known: &'a dyn Known,
    /// Whether an object that is in step must be known to be ready as well.
    pub(crate) readiness: Readiness,
}

/// What is known of the live object.
enum Live {
    /// It was not asked for.
    Unasked,
    /// It was; `None` when it is absent or may not be read.
    Asked(Option<Object>),
}

/// Whether planning had to write to the live object, which counts as a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Touched {
    /// It did not.
    No,
    /// Its field managers' entries.
    Migrated,
}

impl Planner<'_> {
    /// Asks the server what applying the object would do.
    pub(crate) async fn plan(&self, desired: Object) -> Result<Planned, PlanFailure> {
        let origins = &self.options.origins;
        let origin = if origins.is_empty() { None } else { origins.get(&desired.id()).cloned() };
        match self.decide(desired).await {
            Ok(plan) => Ok(Planned { plan, origin }),
            Err(failure) => Err(PlanFailure { error: failure.error.naming_origin(origin.as_ref()), ..failure }),
        }
    }

    async fn decide(&self, mut desired: Object) -> Result<Plan, PlanFailure> {
        // An object that is to be skipped needs no kind, so a missing one counts only below.
        let resource = self.discovery.resolve(&desired.gvk()).await;
        let mut live = Live::Unasked;
        // Not even tried when its own marks say that it may have to be left alone.
        if skips(&desired, Some(&desired)) {
            let found = match &resource {
                Ok(resource) => self.live(resource, &desired).await?,
                Err(_) => None,
            };
            if skips(&desired, found.as_ref()) {
                return Ok(self.skip(found.as_ref().unwrap_or(&desired)));
            }
            live = Live::Asked(found);
        }
        let resource = resource.map_err(|error| PlanFailure::dry_run(&desired.id(), &error))?;
        self.known.uses(&resource);
        if !resource.namespaced {
            desired.clear_namespace();
        } else if desired.namespace().is_empty() {
            let message = "the server could not find the requested resource".to_owned();
            let error = ApplyError::NamespaceNotSpecified { subject: desired.id().to_string(), message };
            return Err(PlanFailure { error, is_general: false });
        }
        let digest = self.digest(&desired);
        if self.is_in_step(&desired, digest) {
            return Ok(Plan::Keep { entry: entry(&desired), digest, live: None });
        }
        match self.dry_run(&resource, &mut desired).await {
            Ok(dry_run) => self.accepted(resource, (desired, digest), dry_run, live).await,
            Err(error) => self.refused(resource, (desired, digest), live, error).await,
        }
    }

    fn is_in_step(&self, desired: &Object, digest: DesiredDigest) -> bool {
        let id = desired.id();
        self.known.in_step(&id, digest) && (self.readiness == Readiness::Irrelevant || self.known.is_ready(&id))
    }

    /// What is desired: the manifest, and which of its fields do not count.
    fn digest(&self, desired: &Object) -> DesiredDigest {
        let rules = &self.options.ignore;
        if rules.is_empty() {
            return DesiredDigest::of(desired);
        }
        let mut with_rules = desired.clone();
        with_rules.as_map_mut().insert(RULES.to_owned(), rules.as_value().clone());
        DesiredDigest::of(&with_rules)
    }

    fn skip(&self, object: &Object) -> Plan {
        let entry = entry(object);
        self.known.forget(&entry.id);
        Plan::Skip { entry }
    }

    /// The live object. One that may not be read is taken for absent, as for a service account with no right but to patch: the dry-run decides.
    async fn live(&self, resource: &Resource, desired: &Object) -> Result<Option<Object>, PlanFailure> {
        if resource.namespaced && desired.namespace().is_empty() {
            return Ok(None);
        }
        match self.requests.get(resource, &desired.id()).await {
            Ok(live) => Ok(live),
            Err(error) if error.has_code(403) => Ok(None),
            // Not taken for absent: the live object may ask to be skipped.
            Err(error) => Err(PlanFailure::query(&desired.id(), &error)),
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

    async fn accepted(
        &self,
        resource: Resource,
        (desired, digest): (Object, DesiredDigest),
        dry_run: Object,
        live: Live,
    ) -> Result<Plan, PlanFailure> {
        // What would be created has a uid and a time already, but a version only once it is stored.
        if dry_run.resource_version().is_empty() {
            let entry = entry(&dry_run);
            return Ok(Plan::Apply(ApplyPlan { entry, resource, desired, digest, created: true, takeover: None }));
        }
        let live = match live {
            Live::Asked(live) => live,
            Live::Unasked => self.live(&resource, &desired).await?,
        };
        // The dry-run keeps the marks of a live object that may not be read.
        if skips(&desired, Some(live.as_ref().unwrap_or(&dry_run))) {
            return Ok(self.skip(live.as_ref().unwrap_or(&dry_run)));
        }
        Ok(self.compare(resource, (desired, digest), &dry_run, live.map(|live| (live, Touched::No))))
    }

    fn compare(
        &self,
        resource: Resource,
        (mut desired, digest): (Object, DesiredDigest),
        dry_run: &Object,
        live: Option<(Object, Touched)>,
    ) -> Plan {
        let entry = entry(dry_run);
        let mut takeover = None;
        if let Some((live, touched)) = live {
            let ignored = self.options.ignore.of(dry_run);
            takeover = takeover_patch(self.options, self.requests.manager(), &desired, &live);
            if touched == Touched::No && takeover.is_none() && !ignored.differs(dry_run, &live) {
                return Plan::Keep { entry, digest, live: Some((resource, live)) };
            }
            let managers = managers(self.options, self.requests.manager());
            ignored.settle(&mut desired, dry_run, &live, |entry| managers.is_foreign_apply(entry));
        }
        Plan::Apply(ApplyPlan { entry, resource, desired, digest, created: false, takeover })
    }

    /// Finds out whether the live object changes what a refusal means: it may ask to be left alone, or to be recreated, or entries of field
    /// managers may be in the way, whose API version is no longer served.
    async fn refused(
        &self,
        resource: Resource,
        (mut desired, digest): (Object, DesiredDigest),
        live: Live,
        mut error: RequestError,
    ) -> Result<Plan, PlanFailure> {
        let id = desired.id();
        let is_without_live = error.is_general() || error.is_not_found() || !matches!(error, RequestError::Refused(_));
        let live = match live {
            Live::Asked(live) => live,
            Live::Unasked if is_without_live => None,
            // Where that cannot be read either, the refusal says more.
            Live::Unasked => self.live(&resource, &desired).await.unwrap_or_default(),
        };
        let Some(mut live) = live else { return Err(PlanFailure::dry_run(&id, &error)) };
        if skips(&desired, Some(&live)) {
            return Ok(self.skip(&live));
        }
        if let Some(operations) = self.migration(&desired, &live) {
            let migrated = self.requests.patch(&resource, &id, &operations).await;
            live = migrated.map_err(|error| PlanFailure {
                is_general: error.is_general(),
                error: ApplyError::Migration { subject: id.to_string(), message: error.to_string() },
            })?;
            match self.dry_run(&resource, &mut desired).await {
                Ok(dry_run) => {
                    return Ok(self.compare(resource, (desired, digest), &dry_run, Some((live, Touched::Migrated))));
                }
                Err(again) => error = again,
            }
        }
        let failure = PlanFailure::dry_run(&id, &error);
        let is_forced = self.options.force == Force::Recreate || forces(&desired, &live);
        if error.is_immutable() && is_forced {
            let recreation = Recreation { resource, desired, live, refusal: failure.error };
            return Ok(Plan::Recreate(Box::new(recreation), digest));
        }
        Err(failure)
    }

    /// The patch that does nothing but bring field managers' entries to the applied version, if that is wanted and needed.
    fn migration(&self, desired: &Object, live: &Object) -> Option<Vec<Value>> {
        match self.options.version_migration {
            VersionMigration::Leave => None,
            VersionMigration::Rewrite => takeover::patch_to_version(live, desired, None, desired.api_version()),
        }
    }
}

/// The patch that prepares the live object for the apply, or `None` when it needs none.
pub(crate) fn takeover_patch(
    options: &ApplyOptions,
    manager: &str,
    desired: &Object,
    live: &Object,
) -> Option<Vec<Value>> {
    let managers = (!keeps_foreign_fields(desired, live)).then(|| managers(options, manager));
    match options.version_migration {
        VersionMigration::Leave => takeover::patch(live, desired, managers?),
        VersionMigration::Rewrite => takeover::patch_to_version(live, desired, managers, desired.api_version()),
    }
}

fn managers<'a>(options: &'a ApplyOptions, own: &'a str) -> Managers<'a> {
    Managers { own, overridden: &options.override_managers }
}

/// The inventory entry of an object that a server returned.
pub(crate) fn entry(object: &Object) -> Entry {
    Entry { id: object.id(), version: object.version().to_owned() }
}
