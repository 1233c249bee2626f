//! One stage of an apply: plan all of it, then write what differs, then wait where others build on it.
//!
//! Deliberately not here: which objects make up a stage (`sluice_manifest::stages`), and what is to be done with one (`plan`).

use std::collections::HashSet;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use serde_json::Value;
use sluice_manifest::{Entry, GroupKind, Gvk, Object, Stage};
use tokio::time::Instant;

use crate::applier::Applier;
use crate::change::{Action, ChangeSet};
use crate::error::RequestError;
use crate::failure::{ApplyError, Errors};
use crate::journal::Journal;
use crate::options::ApplyOptions;
use crate::plan::{ApplyPlan, Plan, PlanFailure, Planned, Planner, Readiness, entry, takeover_patch};
use crate::ports::{Ports, Rest, rested};
use crate::request::Mode;
use crate::resource::Resource;
use crate::wait::until_current;

/// Attempts to take over fields of an object that is changed at the same moment.
const TAKEOVER_ATTEMPTS: usize = 5;
/// How long a server may take to serve a kind after its CRD is established. It is milliseconds.
const SERVED_TIMEOUT: Duration = Duration::from_secs(10);
/// First pause between questions whether it is served; doubled up to a second.
const SERVED_PAUSE: Duration = Duration::from_millis(20);

/// One stage of an apply.
pub(crate) struct StageRun<'a, J, R> {
    pub(crate) applier: &'a Applier,
    pub(crate) options: &'a ApplyOptions,
    pub(crate) stage: Stage,
    pub(crate) ports: &'a Ports<'a, J, R>,
}

impl<J: Journal, R: Rest> StageRun<'_, J, R> {
    /// Applies the stage. Adds what it does to `changes`, and the kinds of applied CRDs to `new_kinds`.
    pub(crate) async fn run(
        &self,
        members: Vec<Object>,
        new_kinds: &mut HashSet<GroupKind>,
        changes: &mut ChangeSet,
    ) -> Result<(), Errors> {
        self.await_new_kinds(&members, new_kinds).await;
        let plans = self.plan(members).await?;
        let writes: Vec<Entry> = plans.iter().filter_map(|planned| planned.plan.written()).collect();
        if !writes.is_empty() {
            let recorded = self.ports.journal.before_write(&writes).await;
            recorded.map_err(|error| ApplyError::Record { message: error.to_string() })?;
        }
        let mut results = Vec::new();
        for Planned { plan, origin } in plans {
            let result = self.carry_out(plan, changes).await.map_err(|error| error.naming_origin(origin.as_ref()))?;
            // Only what a wait needs is kept.
            results.extend(result.filter(|_| self.stage.is_waited_for()));
        }
        if self.stage.is_waited_for() {
            for (_, object) in &results {
                note_new_kind(object, new_kinds);
            }
            until_current(&self.applier.requests, results, self.options.stage_timeout, self.ports.rest).await?;
        }
        Ok(())
    }

    /// Phase A. Goes on after a refusal, since the user wants to know of all of them; a fault that the next object would meet, too, ends it,
    /// and requests under way are dropped.
    async fn plan(&self, members: Vec<Object>) -> Result<Vec<Planned>, Errors> {
        let Applier { requests, discovery, concurrency } = self.applier;
        let readiness = if self.stage.is_waited_for() { Readiness::Matters } else { Readiness::Irrelevant };
        let planner = Planner { requests, discovery, options: self.options, known: self.ports.known, readiness };
        let results = stream::iter(members).map(|object| planner.plan(object)).buffered(*concurrency);
        let mut results = std::pin::pin!(results);
        let mut plans = Vec::new();
        let mut errors: Option<Errors> = None;
        while let Some(result) = results.next().await {
            let PlanFailure { error, is_general } = match result {
                // Nothing will be applied any more.
                Ok(_) if errors.is_some() => continue,
                Ok(plan) => {
                    plans.push(plan);
                    continue;
                }
                Err(failure) => failure,
            };
            match &mut errors {
                Some(errors) => errors.push(error),
                None => errors = Some(Errors::new(error)),
            }
            if is_general {
                break;
            }
        }
        errors.map_or(Ok(plans), Err)
    }

    /// Phase B for one object. Returns the live object, unless it was skipped or not looked at.
    async fn carry_out(&self, plan: Plan, changes: &mut ChangeSet) -> Result<Option<(Resource, Object)>, ApplyError> {
        let requests = &self.applier.requests;
        let known = self.ports.known;
        match plan {
            Plan::Skip { entry } => {
                changes.push(entry, Action::Skipped);
                Ok(None)
            }
            Plan::Keep { entry, digest, live } => {
                if let Some((_, live)) = &live {
                    known.applied(&entry.id, live, digest);
                }
                changes.push_applied(entry, Action::Unchanged, digest);
                Ok(live)
            }
            Plan::Apply(plan) => {
                self.take_over(&plan).await?;
                let subject = || plan.desired.id().to_string();
                let applied = requests.apply(&plan.resource, &plan.desired, Mode::Store).await;
                let applied =
                    applied.map_err(|error| ApplyError::Apply { subject: subject(), message: error.to_string() })?;
                known.applied(&plan.entry.id, &applied, plan.digest);
                let action = if plan.created { Action::Created } else { Action::Configured };
                changes.push_applied(plan.entry, action, plan.digest);
                Ok(Some((plan.resource, applied)))
            }
            Plan::Recreate(recreation, digest) => {
                let resource = recreation.resource.clone();
                let applied = recreation.carry_out(requests, self.options.recreate_timeout, self.ports.rest).await?;
                let entry = entry(&applied);
                known.applied(&entry.id, &applied, digest);
                changes.push_applied(entry, Action::Created, digest);
                Ok(Some((resource, applied)))
            }
        }
    }

    /// Sends the takeover patch; makes it anew when the object has changed since it was made.
    async fn take_over(&self, plan: &ApplyPlan) -> Result<(), ApplyError> {
        let Some(mut operations) = plan.takeover.clone() else { return Ok(()) };
        let requests = &self.applier.requests;
        let id = &plan.entry.id;
        let failed = |error: RequestError| ApplyError::Cleanup { subject: id.to_string(), message: error.to_string() };
        for attempt in 1.. {
            match requests.patch(&plan.resource, id, &operations).await {
                Ok(_) => return Ok(()),
                Err(error) if error.has_code(409) && attempt < TAKEOVER_ATTEMPTS => {}
                Err(error) => return Err(failed(error)),
            }
            let live = requests.get(&plan.resource, id).await.map_err(failed)?;
            let again = live.and_then(|live| takeover_patch(self.options, requests.manager(), &plan.desired, &live));
            match again {
                Some(again) => operations = again,
                None => return Ok(()),
            }
        }
        Ok(())
    }

    /// Waits until kinds whose CRDs this apply has just seen established are served, which is a moment later than that.
    ///
    /// A kind that is not served in time is no error here: planning its objects gives one.
    async fn await_new_kinds(&self, members: &[Object], new_kinds: &HashSet<GroupKind>) {
        if new_kinds.is_empty() {
            return;
        }
        let is_new = |gvk: &Gvk| new_kinds.contains(&GroupKind { group: gvk.group.clone(), kind: gvk.kind.clone() });
        let wanted: HashSet<Gvk> = members.iter().map(Object::gvk).filter(is_new).collect();
        let deadline = Instant::now() + SERVED_TIMEOUT;
        for gvk in wanted {
            if self.is_missing(&gvk).await {
                rested(self.ports.rest, self.await_kind(&gvk, deadline)).await;
            }
        }
    }

    async fn await_kind(&self, gvk: &Gvk, deadline: Instant) {
        let mut pause = SERVED_PAUSE;
        while Instant::now() + pause <= deadline {
            tokio::time::sleep(pause).await;
            if !self.is_missing(gvk).await {
                return;
            }
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    async fn is_missing(&self, gvk: &Gvk) -> bool {
        matches!(self.applier.discovery.resolve_now(gvk).await, Err(RequestError::NoMatch { .. }))
    }
}

/// Remembers the kind of an applied CRD, for the stages that follow.
fn note_new_kind(object: &Object, new_kinds: &mut HashSet<GroupKind>) {
    if !object.is("apiextensions.k8s.io", "CustomResourceDefinition") {
        return;
    }
    let text = |path: &[&str]| object.at(path).and_then(Value::as_str).unwrap_or("").to_owned();
    new_kinds.insert(GroupKind { group: text(&["spec", "group"]), kind: text(&["spec", "names", "kind"]) });
}
