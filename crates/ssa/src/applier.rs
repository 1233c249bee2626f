//! Staged server-side apply of a set of objects.
//!
//! Per stage: phase A asks the server what each apply would do (concurrently, and nothing is stored), phase B applies in order what differs,
//! and after the stages that define things the objects must be ready before the next stage. Deliberately not here: normalisation, owner labels
//! and the guard for undecrypted Secrets, which are values' business (`sluice-manifest`) and come before.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use serde_json::Value;
use sluice_manifest::{Entry, GroupKind, Gvk, Object, Stage, keeps_foreign_fields, stages};
use tokio::time::Instant;

use crate::change::{Action, ChangeSet};
use crate::discovery::Discovery;
use crate::error::{ApplyError, ApplyFailure, RequestError};
use crate::journal::{Journal, NoJournal};
use crate::plan::{ApplyPlan, Plan, Planner, entry};
use crate::recreate::recreate;
use crate::request::{Mode, Requests};
use crate::resource::Resource;
use crate::takeover::{self, Managers};
use crate::wait::until_current;

/// Attempts to take over fields of an object that is changed at the same moment.
const TAKEOVER_ATTEMPTS: usize = 5;
/// How long a server may take to serve a kind after its CRD is established. It is milliseconds.
const SERVED_TIMEOUT: Duration = Duration::from_secs(10);
/// First pause between questions whether it is served; doubled up to a second.
const SERVED_PAUSE: Duration = Duration::from_millis(20);

/// What to do when a change of a live object is impossible.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Force {
    /// Fail, unless the object's own label or annotation asks for recreation.
    #[default]
    Never,
    /// Delete the object and create it anew.
    Recreate,
}

/// How to apply.
#[derive(Debug, Clone)]
pub struct ApplyOptions {
    /// Kinds of the third stage (`--custom-apply-stage-kinds`).
    pub custom_stage: HashSet<GroupKind>,
    /// `spec.force`.
    pub force: Force,
    /// Name prefixes of further field managers whose fields are taken over (`--override-manager`).
    pub override_managers: Vec<String>,
    /// How long the objects of a waited-for stage may take to get ready.
    pub stage_timeout: Duration,
    /// How long a recreated object may take to go.
    pub recreate_timeout: Duration,
}

impl Default for ApplyOptions {
    /// Waits of 60 s, as the contract has for stages, and nothing else.
    fn default() -> Self {
        Self {
            custom_stage: HashSet::new(),
            force: Force::Never,
            override_managers: Vec::new(),
            stage_timeout: Duration::from_secs(60),
            recreate_timeout: Duration::from_secs(60),
        }
    }
}

/// Applies objects through one client.
pub struct Applier {
    requests: Requests,
    discovery: Arc<Discovery>,
    concurrency: usize,
}

impl Applier {
    /// Takes the client to write with, the field manager, and how many dry-runs run at the same time (at least one).
    pub fn new(client: kube::Client, field_manager: &str, concurrency: usize) -> Self {
        let discovery = Arc::new(Discovery::new(client.clone()));
        Self { requests: Requests::new(client, field_manager), discovery, concurrency: concurrency.max(1) }
    }

    /// Uses what is already known of the server, instead of asking it anew.
    pub fn with_discovery(mut self, discovery: Arc<Discovery>) -> Self {
        self.discovery = discovery;
        self
    }

    /// Applies the objects, stage by stage.
    ///
    /// Objects are applied as they are given: call [`sluice_manifest::normalize`] first. The identity of each change is the server's.
    ///
    /// # Errors
    /// At the first object, in apply order, that the server refuses: nothing of its stage is applied then. Also when an apply or a wait
    /// between stages fails. The failure carries what was done before.
    ///
    /// # Cancellation
    /// Dropping the future stops at the current request; objects applied until then stay applied.
    pub async fn apply(&self, objects: Vec<Object>, options: &ApplyOptions) -> Result<ChangeSet, ApplyFailure> {
        self.apply_recorded(objects, options, &NoJournal).await
    }

    /// As [`Applier::apply`], and tells `journal` of each stage's writes before they are made.
    ///
    /// # Errors
    /// As [`Applier::apply`], and when the journal refuses.
    pub async fn apply_recorded(
        &self,
        objects: Vec<Object>,
        options: &ApplyOptions,
        journal: &impl Journal,
    ) -> Result<ChangeSet, ApplyFailure> {
        let mut changes = ChangeSet::default();
        let mut new_kinds = HashSet::new();
        for (stage, members) in stages(objects, &options.custom_stage) {
            let run = StageRun { applier: self, options, stage, journal };
            if let Err(error) = run.run(members, &mut new_kinds, &mut changes).await {
                return Err(ApplyFailure { changes, error });
            }
        }
        Ok(changes)
    }
}

/// One stage of an apply.
struct StageRun<'a, J> {
    applier: &'a Applier,
    options: &'a ApplyOptions,
    stage: Stage,
    journal: &'a J,
}

impl<J: Journal> StageRun<'_, J> {
    async fn run(
        &self,
        members: Vec<Object>,
        new_kinds: &mut HashSet<GroupKind>,
        changes: &mut ChangeSet,
    ) -> Result<(), ApplyError> {
        self.await_new_kinds(&members, new_kinds).await;
        let plans = self.plan(members).await?;
        let writes: Vec<Entry> = plans.iter().filter_map(Plan::written).collect();
        if !writes.is_empty() {
            self.journal
                .before_write(&writes)
                .await
                .map_err(|error| ApplyError::Record { message: error.to_string() })?;
        }
        let mut results = Vec::new();
        for plan in plans {
            let result = self.carry_out(plan, changes).await?;
            // Only what a wait needs is kept.
            results.extend(result.filter(|_| self.stage.is_waited_for()));
        }
        if self.stage.is_waited_for() {
            for (_, object) in &results {
                Self::note_new_kind(object, new_kinds);
            }
            until_current(&self.applier.requests, results, self.options.stage_timeout).await?;
        }
        Ok(())
    }

    /// Phase A. The first error in order ends it; requests under way are dropped.
    async fn plan(&self, members: Vec<Object>) -> Result<Vec<Plan>, ApplyError> {
        let Applier { requests, discovery, concurrency } = self.applier;
        let planner = Planner { requests, discovery, options: self.options };
        stream::iter(members).map(|object| planner.plan(object)).buffered(*concurrency).try_collect().await
    }

    /// Phase B for one object. Returns the live object, unless it was skipped.
    async fn carry_out(&self, plan: Plan, changes: &mut ChangeSet) -> Result<Option<(Resource, Object)>, ApplyError> {
        let requests = &self.applier.requests;
        match plan {
            Plan::Skip { entry } => {
                changes.push(entry, Action::Skipped);
                Ok(None)
            }
            Plan::Keep { entry, resource, live } => {
                changes.push(entry, Action::Unchanged);
                Ok(Some((resource, live)))
            }
            Plan::Apply(plan) => {
                self.take_over(&plan).await?;
                let subject = || plan.desired.id().to_string();
                let applied = requests.apply(&plan.resource, &plan.desired, Mode::Store).await;
                let applied =
                    applied.map_err(|error| ApplyError::Apply { subject: subject(), message: error.to_string() })?;
                changes.push(plan.entry, if plan.created { Action::Created } else { Action::Configured });
                Ok(Some((plan.resource, applied)))
            }
            Plan::Recreate { resource, desired, live, refusal } => {
                let objects = (&resource, &desired, &live);
                let applied = recreate(requests, objects, refusal, self.options.recreate_timeout).await?;
                changes.push(entry(&applied), Action::Created);
                Ok(Some((resource, applied)))
            }
        }
    }

    /// Sends the takeover patch; makes it anew when the object has changed since it was made.
    async fn take_over(&self, plan: &ApplyPlan) -> Result<(), ApplyError> {
        let Some(first) = plan.takeover.clone() else { return Ok(()) };
        let requests = &self.applier.requests;
        let id = &plan.entry.id;
        let failed = |error: RequestError| ApplyError::Cleanup { subject: id.to_string(), message: error.to_string() };
        let mut operations: Vec<Value> = first;
        for attempt in 1.. {
            match requests.patch(&plan.resource, id, &operations).await {
                Ok(()) => return Ok(()),
                Err(error) if error.has_code(409) && attempt < TAKEOVER_ATTEMPTS => {}
                Err(error) => return Err(failed(error)),
            }
            let managers = Managers { own: requests.manager(), overridden: &self.options.override_managers };
            let live = requests.get(&plan.resource, id).await.map_err(failed)?;
            let again = live
                .filter(|live| !keeps_foreign_fields(&plan.desired, live))
                .and_then(|live| takeover::patch(&live, &plan.desired, managers));
            match again {
                Some(again) => operations = again,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Remembers the kind of an applied CRD, for the stages that follow.
    fn note_new_kind(object: &Object, new_kinds: &mut HashSet<GroupKind>) {
        if !object.is("apiextensions.k8s.io", "CustomResourceDefinition") {
            return;
        }
        let text = |path: &[&str]| object.at(path).and_then(Value::as_str).unwrap_or("").to_owned();
        new_kinds.insert(GroupKind { group: text(&["spec", "group"]), kind: text(&["spec", "names", "kind"]) });
    }

    /// Waits until kinds whose CRDs this apply has just seen established are served, which is a moment later than that.
    ///
    /// A kind that is not served in time is no error here: planning its objects gives one.
    async fn await_new_kinds(&self, members: &[Object], new_kinds: &mut HashSet<GroupKind>) {
        let is_new = |gvk: &Gvk| {
            !new_kinds.is_empty() && new_kinds.contains(&GroupKind { group: gvk.group.clone(), kind: gvk.kind.clone() })
        };
        let wanted: HashSet<Gvk> = members.iter().map(Object::gvk).filter(is_new).collect();
        let deadline = Instant::now() + SERVED_TIMEOUT;
        for gvk in wanted {
            let mut pause = SERVED_PAUSE;
            while let Err(RequestError::NoMatch { .. }) = self.applier.discovery.resolve_now(&gvk).await {
                if Instant::now() + pause > deadline {
                    break;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(Duration::from_secs(1));
            }
        }
    }
}
