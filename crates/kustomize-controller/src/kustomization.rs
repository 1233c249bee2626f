//! Kustomization: a path of a source, built and kept applied to the cluster.
//!
//! A pass: `source` finds the artifact, `dependencies` are checked, `tree` fetches and unpacks it, `build` turns it into objects,
//! `apply` applies them by stages and prunes what left; `verdict` turns whatever they return into conditions, events and the next
//! pass.
//!
//! Deliberately the only place here that knows the order of the phases. What is not built yet (health checks, decryption, substitution,
//! impersonation, remote clusters) is refused by name.

mod apply;
mod build;
mod configs;
pub mod dependencies;
mod finalize;
mod history;
mod journal;
mod report;
pub mod source;
mod substitute;
mod supported;
mod tree;
mod variables;
mod verdict;

use std::sync::Arc;
use std::time::{Duration, Instant};

use kube::{Client, ResourceExt};
use sluice_api::Reconcilable;
use sluice_api::constants::{condition, reason};
use sluice_api::kustomize::{Kustomization, KustomizationStatus};
use sluice_api::meta::{Artifact, GoDuration};
use sluice_conditions::{get, is_true};
use sluice_envsubst::Unset;
use sluice_fetch::{ArtifactCache, HostOverrides};
use sluice_http_client::HttpClient;
use sluice_runtime::cache::Cache;
use sluice_runtime::dispatcher::{Finalized, Outcome, Pass, Reconciler};
use sluice_runtime::queue::{Key, Queue};
use sluice_runtime::recorder::Notice;
use sluice_ssa::{Applier, ApplyOptions, Discovery};

use dependencies::BuiltInCheck;
use journal::InventoryJournal;
use report::Report;
use source::{Access, Lookup, Sources};

/// What flags decide about every Kustomization.
#[derive(Debug, Clone)]
pub struct Settings {
    /// When to look again at an object that waits for its source or a dependency.
    pub requeue_dependency: Duration,
    /// How often a download is tried again.
    pub http_retry: u32,
    /// Which namespaces sources may be in.
    pub access: Access,
    /// `--default-service-account`.
    pub default_service_account: String,
    /// Replacement hosts of artifact URLs.
    pub hosts: HostOverrides,
    /// How stages are applied.
    pub apply: ApplyOptions,
    /// Dry-runs at once.
    pub concurrent_ssa: usize,
    /// What a dependency's expression stands for.
    pub built_in_check: BuiltInCheck,
    /// What a variable that is not set means.
    pub unset_variable: Unset,
    /// Where sources are looked up.
    pub lookup: Lookup,
}

/// The parts that a reconciler works with.
pub struct Parts {
    /// The Kubernetes client.
    pub client: Client,
    /// All sources.
    pub sources: Sources,
    /// All Kustomizations of this process.
    pub kustomizations: Cache<Kustomization>,
    /// Unpacked artifacts.
    pub artifacts: ArtifactCache,
    /// For artifact downloads.
    pub http: HttpClient,
}

/// Reconciles Kustomizations.
pub struct KustomizationReconciler {
    parts: Parts,
    settings: Settings,
    discovery: Arc<Discovery>,
    applier: Applier,
}

impl KustomizationReconciler {
    /// A reconciler that applies with the controller's own identity.
    pub fn new(parts: Parts, settings: Settings) -> Self {
        let discovery = Arc::new(Discovery::new(parts.client.clone()));
        let manager = sluice_api::constants::controller::KUSTOMIZE;
        let applier =
            Applier::new(parts.client.clone(), manager, settings.concurrent_ssa).with_discovery(Arc::clone(&discovery));
        Self { parts, settings, discovery, applier }
    }

    async fn phases(&self, pass: &Pass<Kustomization>, report: &mut Report) -> Result<(), verdict::Failure> {
        let object = pass.object.as_ref();
        supported::check(object, &self.settings.default_service_account)?;
        let retry = GoDuration::new(self.settings.requeue_dependency).to_string();
        let artifact = self.parts.sources.artifact(object, self.settings.access, self.settings.lookup, &retry).await?;
        let built_in = self.settings.built_in_check;
        dependencies::check(&self.parts.client, &self.parts.kustomizations, object, &artifact, built_in).await?;
        report.begin(&artifact);
        let news = is_news(object, &artifact, pass.requested);
        report.stage(report::Stage::Fetching, &pass.writer, news).await;
        let tree = tree::fetch(&self.parts, &self.settings, object, &artifact).await?;
        report.attempted(&artifact);
        report.stage(report::Stage::Building, &pass.writer, news).await;
        let substitution = variables::read(&self.parts.client, object, self.settings.unset_variable).await?;
        let built = build::build(object, &tree, substitution).await?;
        report.built(&built);
        report.stage(report::Stage::Applying, &pass.writer, news).await;
        let applied = self.apply_recorded(pass, report, built.objects).await?;
        let stale = report.applied(&applied);
        let pruned = apply::prune(&self.parts.client, &self.discovery, object, stale).await;
        report.pruned(&pruned);
        pruned.result()?;
        Ok(())
    }

    /// Applies, with every object in the inventory before it is written; whatever comes of it, the inventory keeps them.
    async fn apply_recorded(
        &self,
        pass: &Pass<Kustomization>,
        report: &mut Report,
        objects: Vec<sluice_manifest::Object>,
    ) -> Result<sluice_ssa::ChangeSet, apply::ApplyError> {
        let journal = InventoryJournal::new(pass.writer.clone(), report.status.clone());
        let applied = apply::apply(&self.applier, &self.options(&pass.object), objects, &journal).await;
        report.status.inventory = journal.into_inventory();
        applied
    }

    fn options(&self, object: &Kustomization) -> ApplyOptions {
        let force = if object.spec.force { sluice_ssa::Force::Recreate } else { sluice_ssa::Force::Never };
        ApplyOptions { force, ..self.settings.apply.clone() }
    }
}

impl Reconciler for KustomizationReconciler {
    type Object = Kustomization;

    async fn reconcile(&self, pass: Pass<Kustomization>) -> Outcome<KustomizationStatus> {
        let started = Instant::now();
        let mut report = Report::new(&pass);
        let result = self.phases(&pass, &mut report).await;
        verdict::conclude(
            report,
            &pass.object,
            result,
            verdict::Context { took: started.elapsed(), requeue_dependency: self.settings.requeue_dependency },
        )
    }

    async fn finalize(&self, pass: Pass<Kustomization>) -> Finalized {
        finalize::finalize(&self.parts.client, &self.discovery, &pass.object).await
    }

    fn written(&self, object: &Kustomization, queue: &Queue) {
        let conditions = object.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
        if !is_true(conditions, condition::READY) {
            return;
        }
        for dependant in self.parts.kustomizations.indexed(&dependency_index(&key_of(object))) {
            let conditions = dependant.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
            if get(conditions, condition::READY).is_some_and(|ready| ready.reason == reason::DEPENDENCY_NOT_READY) {
                queue.add(key_of(&dependant));
            }
        }
    }

    fn settle_suspended(&self, object: &Kustomization, status: &mut KustomizationStatus) -> Vec<Notice> {
        if is_true(&status.conditions, condition::READY) {
            status.observed_generation = object.metadata.generation;
        }
        Vec::new()
    }
}

/// Whether this pass is worth showing while it runs: something new is applied, or the user asked. A quiet interval writes once, at its end.
fn is_news(object: &Kustomization, artifact: &Artifact, requested: bool) -> bool {
    let status = object.status.clone().unwrap_or_default();
    requested
        || status.observed_generation != object.metadata.generation
        || status.last_applied_revision.as_deref() != Some(artifact.revision.as_str())
}

/// Under which names the cache of Kustomizations can be asked: its source, and each dependency.
pub fn index(object: &Kustomization) -> Vec<String> {
    let source = source::key_of(object);
    let dependencies = dependencies::keys_of(object).map(|key| dependency_index(&key));
    let configs = configs::references(object).map(|(kind, key)| config_index(kind, &key));
    dependencies.chain(configs).chain([source_index(object.spec.source_ref.kind.as_str(), &source)]).collect()
}

/// The index name of a `ConfigMap` or Secret.
pub fn config_index(kind: &str, key: &Key) -> String {
    format!("config {kind} {key}")
}

/// The index name of a source.
pub fn source_index(kind: &str, key: &Key) -> String {
    format!("source {kind} {key}")
}

/// The index name of a dependency.
pub fn dependency_index(key: &Key) -> String {
    format!("dependency {key}")
}

/// Whether a source's new revision is one that this object does not know yet: being ready or at work on it is knowing it.
pub fn wants_revision(object: &Kustomization, revision: &str) -> bool {
    let status = object.status.clone().unwrap_or_default();
    let busy = [condition::READY, condition::RECONCILING].iter().any(|type_| is_true(&status.conditions, type_));
    !(busy && status.last_attempted_revision.as_deref() == Some(revision))
}

/// The key of an object.
pub fn key_of(object: &Kustomization) -> Key {
    Key::new(object.namespace().unwrap_or_default(), object.name_any())
}

/// The interval of a success, for `Next` and for messages.
fn interval(object: &Kustomization) -> Duration {
    object.interval()
}
