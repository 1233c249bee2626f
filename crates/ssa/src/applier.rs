//! Staged server-side apply of a set of objects.
//!
//! Per stage: phase A asks the server what each apply would do (concurrently, and nothing is stored), phase B applies in order what differs,
//! and after the stages that define things the objects must be ready before the next stage. Deliberately not here: normalisation, owner labels
//! and the guard for undecrypted Secrets, which are values' business (`sluice-manifest`) and come before.

use std::collections::HashSet;
use std::sync::Arc;

use sluice_manifest::{Object, stages};

use crate::change::ChangeSet;
use crate::discovery::Discovery;
use crate::failure::ApplyFailure;
use crate::journal::Journal;
use crate::options::ApplyOptions;
use crate::ports::{Ports, Rest};
use crate::request::Requests;
use crate::stage::StageRun;

/// Applies objects through one client.
pub struct Applier {
    pub(crate) requests: Requests,
    pub(crate) discovery: Arc<Discovery>,
    pub(crate) concurrency: usize,
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
    /// When the server refuses objects of a stage: nothing of the stage is applied then, and the failure lists all that are refused. Also when
    /// an apply or a wait between stages fails. The failure carries what was done before.
    ///
    /// # Cancellation
    /// Dropping the future stops at the current request; objects applied until then stay applied.
    pub async fn apply(&self, objects: Vec<Object>, options: &ApplyOptions) -> Result<ChangeSet, ApplyFailure> {
        self.apply_with(objects, options, Ports::NONE).await
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
        self.apply_with(objects, options, Ports::journal(journal)).await
    }

    /// As [`Applier::apply`], with all that the caller has to offer: a journal, knowledge of objects, and a worker to give back.
    ///
    /// # Errors
    /// As [`Applier::apply`], and when the journal refuses.
    pub async fn apply_with<J: Journal, R: Rest>(
        &self,
        objects: Vec<Object>,
        options: &ApplyOptions,
        ports: Ports<'_, J, R>,
    ) -> Result<ChangeSet, ApplyFailure> {
        let mut changes = ChangeSet::default();
        let mut new_kinds = HashSet::new();
        for (stage, members) in stages(objects, &options.custom_stage) {
            let run = StageRun { applier: self, options, stage, ports: &ports };
            if let Err(errors) = run.run(members, &mut new_kinds, &mut changes).await {
                return Err(errors.after(changes));
            }
        }
        Ok(changes)
    }
}
