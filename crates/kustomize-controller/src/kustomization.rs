//! Kustomization: a path of a source, built and kept applied to the cluster.
//!
//! A pass: `source` finds the artifact, `dependencies` are checked, `tree` fetches and unpacks it, `memory` tells whether the last pass did the
//! same; if not, `build` turns the tree into objects and `apply` applies them by stages. Then what left is pruned, `health` is waited for, and
//! `verdict` turns whatever they return into conditions, events and the next pass.
//!
//! Deliberately the only place here that knows the order of the phases.

mod apply;
mod build;
mod configs;
pub mod decrypt;
pub mod dependencies;
pub mod drift;
mod finalize;
pub mod health;
mod history;
mod journal;
mod known;
mod memory;
pub mod metrics;
mod report;
pub mod source;
mod substitute;
mod supported;
mod tree;
mod variables;
mod verdict;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client, ResourceExt};
use sluice_api::Reconcilable;
use sluice_api::constants::{condition, controller, reason};
use sluice_api::kustomize::{Kustomization, KustomizationStatus};
use sluice_api::meta::GoDuration;
use sluice_conditions::{get, is_true};
use sluice_envsubst::{Substitution, Unset};
use sluice_expressions::HealthChecks;
use sluice_fetch::{ArtifactCache, HostOverrides};
use sluice_http_client::HttpClient;
use sluice_manifest::{Entry, Object, ObjectId};
use sluice_remote_bases::Scope;
use sluice_runtime::cache::Cache;
use sluice_runtime::dispatcher::{Finalized, Outcome, Pass, Reconciler};
use sluice_runtime::queue::{Key, Queue};
use sluice_runtime::recorder::Notice;
use sluice_ssa::{
    Access, Action, Applier, ApplyOptions, ChangeSet, DesiredDigest, FailFast, HealthTarget, Observer, Ports,
};
use sluice_workload_identity::ServiceAccountIdentity;

use crate::cluster::{Clusters, Target, TargetIdentity};
use dependencies::BuiltInCheck;
use drift::Watchkeeper;
use health::OnTrigger;
use journal::InventoryJournal;
use known::{KnownObjects, Worker};
use memory::{Basis, Memory, Remembered};
use metrics::BuildMetrics;
use report::Report;
use source::{Access as SourceAccess, Lookup, Sources};
use tree::Sourced;

/// What flags decide about every Kustomization.
#[derive(Debug, Clone)]
pub struct Settings {
    /// When to look again at an object that waits for its source or a dependency.
    pub requeue_dependency: Duration,
    /// How often a download is tried again.
    pub http_retry: u32,
    /// Which namespaces sources may be in.
    pub access: SourceAccess,
    /// Replacement hosts of artifact URLs.
    pub hosts: HostOverrides,
    /// Which remote bases are fetched.
    pub remote_bases: Scope,
    /// Whether objects may be somebody else than the controller to clouds.
    pub identity: ServiceAccountIdentity,
    /// Where keys for all objects are.
    pub keys: decrypt::KeySettings,
    /// Whether one failed object ends a wait for health.
    pub fail_fast: FailFast,
    /// Whether a trigger does.
    pub on_trigger: OnTrigger,
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
    /// Where objects are applied.
    pub clusters: Clusters,
    /// What became of them, on the own cluster.
    pub observer: Observer,
    /// Drift that keeps coming back.
    pub watchkeeper: Watchkeeper,
    /// Identities for decryption.
    pub decryption: decrypt::Access,
    /// For services that keep keys.
    pub key_services: HttpClient,
    /// Counts builds.
    pub metrics: BuildMetrics,
}

/// Reconciles Kustomizations.
pub struct KustomizationReconciler {
    parts: Parts,
    settings: Settings,
    memory: Memory,
}

/// What a pass applied, or knows to be applied.
struct Made {
    changes: ChangeSet,
    jobs_that_go: HashSet<ObjectId>,
    versions: HashMap<ObjectId, u64>,
    /// For the next pass, when this one goes well.
    remembered: Option<Remembered>,
}

impl KustomizationReconciler {
    /// A reconciler of these parts.
    pub fn new(parts: Parts, settings: Settings) -> Self {
        Self { parts, settings, memory: Memory::default() }
    }

    async fn phases(&self, pass: &Pass<Kustomization>, report: &mut Report) -> Result<(), verdict::Failure> {
        let object = pass.object.as_ref();
        let checks = Arc::new(health::checks(object)?);
        supported::check(object, self.settings.identity)?;
        let retry = GoDuration::new(self.settings.requeue_dependency).to_string();
        let artifact = self.parts.sources.artifact(object, self.settings.access, self.settings.lookup, &retry).await?;
        let built_in = self.settings.built_in_check;
        dependencies::check(&self.parts.client, &self.parts.kustomizations, object, &artifact, built_in).await?;
        report.begin(&artifact);
        report.stage(report::Stage::Fetching);
        let fetched = tree::fetch(&self.parts, &self.settings, object, &artifact);
        let sourced = report.shown_if_slow(&pass.writer, fetched).await?;
        report.attempted(&artifact);
        let target = self.parts.clusters.target(object).await?;
        let made = match self.recall(pass, &target, &sourced).await? {
            Recall::Same(made, digest) => {
                report.digest = Some(digest);
                *made
            }
            Recall::Anew(basis, substitution) => {
                Box::pin(self.make(pass, report, (&target, &sourced), (basis, substitution))).await?
            }
        };
        self.prune(object, report, &target, &made).await?;
        if let Some(remembered) = made.remembered {
            self.memory.put(&pass.key, remembered);
        }
        let targets = health::targets(object, &made.changes, &made.jobs_that_go, |id| made.versions.get(id).copied());
        self.wait(pass, report, &target, (targets, checks), made.changes.has_effect()).await
    }

    /// Whether this pass would do the same as the last one, and if not, on what it stands.
    async fn recall(
        &self,
        pass: &Pass<Kustomization>,
        target: &Target,
        sourced: &Sourced,
    ) -> Result<Recall, verdict::Failure> {
        let object = pass.object.as_ref();
        let substitution = variables::read(&self.parts.client, object, self.settings.unset_variable).await?;
        let basis = Basis {
            generation: object.metadata.generation.unwrap_or(0),
            variables: self.memory.hash(&substitution),
            keys: self.memory.hash(self.version_of_keys(object).await?),
        };
        let known = self.memory.get(&pass.key).filter(|_| target.identity == TargetIdentity::Own);
        let in_step = |id: &ObjectId, digest| self.parts.observer.in_step(id, digest);
        let known = known.filter(|known| has_inventory(object, known) && known.in_step(in_step));
        let same = match known {
            Some(known) if known.builds_the_same(&basis, sourced).await => known,
            _ => {
                self.memory.forget(&pass.key);
                return Ok(Recall::Anew(basis, substitution));
            }
        };
        self.parts.metrics.skipped();
        let mut changes = ChangeSet::default();
        for (entry, _) in &same.objects {
            changes.push(entry.clone(), Action::Unchanged);
        }
        let jobs_that_go = same.jobs_that_go.clone();
        let made = Made { changes, jobs_that_go, versions: HashMap::new(), remembered: None };
        Ok(Recall::Same(Box::new(made), same.digest.clone()))
    }

    /// The version of the Secret with the keys; `None` without one.
    async fn version_of_keys(&self, object: &Kustomization) -> Result<Option<String>, verdict::Failure> {
        let reference = object.spec.decryption.as_ref().and_then(|decryption| decryption.secret_ref.as_ref());
        let Some(reference) = reference else { return Ok(None) };
        let namespace = object.namespace().unwrap_or_default();
        let api: Api<Secret> = Api::namespaced(self.parts.client.clone(), &namespace);
        let found = api
            .get_metadata_opt(&reference.name)
            .await
            .map_err(|error| decrypt::KeysError::read(&namespace, &reference.name, error))?;
        Ok(found.and_then(|secret| secret.metadata.resource_version))
    }

    /// Builds and applies.
    async fn make(
        &self,
        pass: &Pass<Kustomization>,
        report: &mut Report,
        (target, sourced): (&Target, &Sourced),
        (basis, substitution): (Basis, Option<Substitution>),
    ) -> Result<Made, verdict::Failure> {
        let object = pass.object.as_ref();
        report.stage(report::Stage::Building);
        self.parts.metrics.built();
        let Parts { client, decryption, key_services, .. } = &self.parts;
        let decryptor = decrypt::decryptor(client, (decryption, key_services), &self.settings.keys, object).await?;
        let inputs = build::Inputs { substitution, decryptor, remote: self.settings.remote_bases };
        let built = report.shown_if_slow(&pass.writer, build::build(object, sourced, inputs)).await?;
        report.built(&built);
        report.stage(report::Stage::Applying);
        let jobs_that_go = health::jobs_that_go(&built.objects);
        let known = KnownObjects::new((target.identity == TargetIdentity::Own).then_some(&self.parts.observer));
        let changes = Box::pin(self.apply(pass, report, target, (built.objects, &known))).await?;
        let versions = known.into_versions();
        let remembered = match built.seen.filter(|_| target.identity == TargetIdentity::Own) {
            Some(seen) => remembered_objects(&changes).map(|objects| Remembered {
                basis,
                path: sourced.path.clone(),
                seen,
                digest: built.digest,
                objects,
                jobs_that_go: jobs_that_go.clone(),
            }),
            None => None,
        };
        Ok(Made { changes, jobs_that_go, versions, remembered })
    }

    /// Applies, with every object in the inventory before it is written; whatever comes of it, the inventory keeps them.
    async fn apply(
        &self,
        pass: &Pass<Kustomization>,
        report: &mut Report,
        target: &Target,
        (objects, known): (Vec<Object>, &KnownObjects<'_>),
    ) -> Result<ChangeSet, apply::ApplyError> {
        let journal = InventoryJournal::new(pass.writer.clone(), report.status.clone());
        let options = self.options(&pass.object)?;
        let applier = Applier::new(target.client.clone(), controller::KUSTOMIZE, self.settings.concurrent_ssa)
            .with_discovery(Arc::clone(&target.discovery));
        let ports = Ports { journal: &journal, known, rest: &Worker(&pass.slot) };
        // What is written from here on is no drift.
        let _writing =
            (target.identity == TargetIdentity::Own).then(|| self.parts.observer.writing(&apply::owner(&pass.object)));
        // Boxed: it is large, and a pass that rests later would carry it along.
        let outcome = journal.shown_if_slow(Box::pin(apply::apply(&applier, &options, objects, ports))).await;
        report.status.inventory = journal.into_inventory();
        outcome
    }

    async fn prune(
        &self,
        object: &Kustomization,
        report: &mut Report,
        target: &Target,
        made: &Made,
    ) -> Result<(), verdict::Failure> {
        let stale = report.applied(&made.changes);
        for entry in &stale {
            self.parts.observer.forget(&entry.id);
        }
        let pruned = apply::prune(target, object, stale).await;
        report.pruned(&pruned);
        Ok(pruned.result()?)
    }

    async fn wait(
        &self,
        pass: &Pass<Kustomization>,
        report: &mut Report,
        target: &Target,
        (targets, checks): (Vec<HealthTarget>, Arc<HealthChecks>),
        changed: bool,
    ) -> Result<(), verdict::Failure> {
        if targets.is_empty() {
            report.without_health();
            return Ok(());
        }
        report.stage(report::Stage::Health);
        let access = match target.identity {
            TargetIdentity::Own => Access::Watched(self.parts.observer.clone()),
            TargetIdentity::Impersonated | TargetIdentity::Remote => {
                Access::Polled { client: target.client.clone(), discovery: Arc::clone(&target.discovery) }
            }
        };
        let Settings { fail_fast, on_trigger, .. } = self.settings;
        let wait = health::Wait { access, targets, checks, fail_fast, on_trigger };
        let waiting = health::wait(pass, &self.parts.kustomizations, wait);
        let healthy = report.shown_if_slow(&pass.writer, waiting).await?;
        report.healthy(healthy.after, changed);
        Ok(())
    }

    fn options(&self, object: &Kustomization) -> Result<ApplyOptions, apply::ApplyError> {
        let force = if object.spec.force { sluice_ssa::Force::Recreate } else { sluice_ssa::Force::Never };
        let ignore = Arc::new(apply::ignore_rules(object)?);
        Ok(ApplyOptions { force, ignore, ..self.settings.apply.clone() })
    }
}

/// Every object with the digest of its manifest; `None` when one was skipped, since nobody watches over those.
fn remembered_objects(changes: &ChangeSet) -> Option<Vec<(Entry, DesiredDigest)>> {
    changes.changes().iter().map(|change| Some((change.entry.clone(), change.desired?))).collect()
}

/// What the last pass says of this one.
enum Recall {
    /// It would do the same: what that is, and the digest of the manifests.
    Same(Box<Made>, String),
    /// It has to be done.
    Anew(Basis, Option<Substitution>),
}

/// Whether the status lists the objects that are remembered: a status that was restored from elsewhere decides what is pruned.
fn has_inventory(object: &Kustomization, known: &Remembered) -> bool {
    let stored = object.status.as_ref().and_then(|status| status.inventory.as_ref());
    let stored: HashSet<&str> =
        stored.iter().flat_map(|stored| &stored.entries).map(|entry| entry.id.as_str()).collect();
    stored.len() == known.objects.len()
        && known.objects.iter().all(|(entry, _)| stored.contains(entry.id.to_inventory().as_str()))
}

impl Reconciler for KustomizationReconciler {
    type Object = Kustomization;

    async fn reconcile(&self, pass: Pass<Kustomization>) -> Outcome<KustomizationStatus> {
        let started = Instant::now();
        let mut report = Report::new(&pass);
        let result = Box::pin(self.phases(&pass, &mut report)).await;
        verdict::conclude(
            report,
            &pass.object,
            result,
            verdict::Context { took: started.elapsed(), requeue_dependency: self.settings.requeue_dependency },
        )
    }

    async fn finalize(&self, pass: Pass<Kustomization>) -> Finalized {
        finalize::finalize(&self.parts, &pass).await
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

    fn forget(&self, key: &Key) {
        self.memory.forget(key);
        self.parts.watchkeeper.forget(key);
        self.parts.clusters.forget(&key.namespace, &key.name);
    }

    fn settle_suspended(&self, object: &Kustomization, status: &mut KustomizationStatus) -> Vec<Notice> {
        if is_true(&status.conditions, condition::READY) {
            status.observed_generation = object.metadata.generation;
        }
        Vec::new()
    }
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
