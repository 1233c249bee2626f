//! GitRepository: a commit of a Git repository, published as an artifact.
//!
//! The phases: `remote` turns the spec and its Secrets into a remote (`provider` logs in), `include` finds what other objects publish,
//! `probe` finds the commit, `fetch` fetches it, `verify` checks signatures, `overlay` unpacks includes, `publish` packs and stores;
//! `verdict` says what their errors mean.
//!
//! Deliberately the only place here that knows the order of the phases.

mod fetch;
mod include;
mod overlay;
mod probe;
mod provider;
mod publish;
mod remote;
mod verdict;
mod verify;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kube::{Client, ResourceExt as _};
use sluice_api::constants::{condition, reason};
use sluice_api::meta::Artifact;
use sluice_api::source::{GitRepository, GitRepositoryStatus};
use sluice_conditions::Status;
use sluice_git::{Mirror, Resolved};
use sluice_runtime::cache::Cache;
use sluice_runtime::dispatcher::Pass;
use sluice_runtime::logging::error_chain;
use sluice_runtime::queue::{Key, Queue};
use sluice_runtime::recorder::{Notice, Severity};
use sluice_storage::Storage;

pub(crate) use provider::Providers;
pub(crate) use remote::Connections;

use crate::source::{Done, Phases, Report, SourceKind, Stored, Verdict};

/// Mirrors larger than this are dropped before the next fetch: ten times a large repository's packed head.
const MAX_MIRROR_BYTES: u64 = 1 << 30;

impl SourceKind for GitRepository {
    const KIND: &'static str = "GitRepository";
    const LINK: Option<&'static str> = None;
}

/// A cache that knows which objects include which.
pub(crate) fn cache() -> Cache<GitRepository> {
    Cache::with_index(include::index)
}

/// Fetches, verifies, packs and publishes commits.
pub(crate) struct GitRepositoryPhases {
    client: Client,
    storage: Arc<Storage>,
    cache: Cache<GitRepository>,
    connections: Connections,
    settings: Settings,
    mirrors: Mutex<HashMap<Key, Mirror>>,
    /// The revisions that those who include an object were last told of.
    announced: Mutex<HashMap<Key, String>>,
}

/// What flags decide.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// Where Git mirrors are kept.
    pub(crate) mirror_root: PathBuf,
    /// When an include that was not there is looked for again.
    pub(crate) requeue_dependency: Duration,
}

impl GitRepositoryPhases {
    /// Publishes into `storage`; `cache` is the one of the kind's dispatcher, made by [`cache`].
    pub(crate) fn new(
        client: Client,
        storage: Arc<Storage>,
        cache: Cache<GitRepository>,
        connections: Connections,
        settings: Settings,
    ) -> Self {
        let (mirrors, announced) = (Mutex::default(), Mutex::default());
        Self { client, storage, cache, connections, settings, mirrors, announced }
    }

    /// The mirror of one object. Named by hand rather than by URL, so that a changed URL reuses what it has in common.
    fn mirror(&self, key: &Key) -> Mirror {
        let mut mirrors = self.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = self.mirror_dir(key);
        mirrors.entry(key.clone()).or_insert_with(|| Mirror::new(dir, MAX_MIRROR_BYTES)).clone()
    }

    fn mirror_dir(&self, key: &Key) -> PathBuf {
        // Names of Kubernetes objects have no slash and no `..`, so this stays below the root.
        self.settings.mirror_root.join(&key.namespace).join(&key.name)
    }

    /// The artifacts to include; shows when they are others than in the published artifact.
    async fn includes(
        &self,
        pass: &Pass<GitRepository>,
        report: &mut Report<GitRepository>,
    ) -> Result<Vec<Artifact>, include::Unavailable> {
        let includes = include::resolve(&self.cache, &pass.object).await?;
        report.clear(condition::INCLUDE_UNAVAILABLE);
        if include::revisions_differ(&includes, &report.status.included_artifacts) {
            let news = "included artifacts differ from last observed includes";
            if report.status.included_artifacts.is_empty() {
                report.working(&format!("building artifact: {news}"));
            } else {
                report.outdated(reason::INCLUDE_CHANGE, news);
            }
            report.show(&pass.writer).await;
        }
        report.clear(condition::ARTIFACT_OUTDATED);
        Ok(includes)
    }

    /// Everything that begins with a fetch. A mirror that cannot be read back is dropped.
    async fn build(
        &self,
        pass: &Pass<GitRepository>,
        report: &mut Report<GitRepository>,
        work: Work<'_>,
    ) -> Result<Done<GitRepositoryStatus>, verdict::Failure> {
        let mirror = self.mirror(&pass.key);
        let fetched = fetch::fetch(&mirror, work.remote, &work.resolved, &pass.object).await?;
        report.clear(condition::FETCH_FAILED);
        let done = self.use_fetched(pass, report, &mirror, &fetched, work).await;
        if done.as_ref().is_err_and(verdict::Failure::is_damaged_mirror)
            && let Err(error) = mirror.reset().await
        {
            tracing::error!(error = error_chain(&error), "cannot reset the damaged mirror");
        }
        done
    }

    async fn use_fetched(
        &self,
        pass: &Pass<GitRepository>,
        report: &mut Report<GitRepository>,
        mirror: &Mirror,
        fetched: &fetch::FetchedCommit,
        work: Work<'_>,
    ) -> Result<Done<GitRepositoryStatus>, verdict::Failure> {
        let object = pass.object.as_ref();
        if let Some(verified) = verify::verify(&self.client, object, mirror, fetched, pass.now).await? {
            report.mark(condition::SOURCE_VERIFIED, Status::True, reason::SUCCEEDED, &verified.message);
            report.status.source_verification_mode = Some(verified.mode);
            report.notices.push(Notice::new(Severity::Trace, reason::SUCCEEDED, verified.message));
        }
        let revision = fetched.revision();
        let is_stored = work.stored.is_some_and(|current| current.revision == revision);
        if is_stored && !probe::content_changed(object, &work.includes, &report.status) {
            return Ok(verdict::up_to_date(&revision));
        }
        let artifact = self.pack(pass, report, mirror, fetched, &work.includes).await?;
        Ok(verdict::published(object, artifact, work.includes, &fetched.subject()))
    }

    async fn pack(
        &self,
        pass: &Pass<GitRepository>,
        report: &mut Report<GitRepository>,
        mirror: &Mirror,
        fetched: &fetch::FetchedCommit,
        artifacts: &[Artifact],
    ) -> Result<Artifact, verdict::Failure> {
        let object = pass.object.as_ref();
        let includes = overlay::Include::all(&object.spec.include, artifacts)?;
        let checkout = publish::checkout(object, mirror, fetched, &includes).await?;
        let revision = fetched.revision();
        if report.status.artifact.as_ref().is_none_or(|artifact| artifact.revision != revision) {
            report.outdated(reason::NEW_REVISION, &format!("new upstream revision '{revision}'"));
            report.show(&pass.writer).await;
        }
        let overlay = overlay::copy(&self.storage, includes, checkout.taken.clone()).await?;
        Ok(publish::publish(&self.storage, object, fetched, checkout, overlay).await?)
    }
}

/// What is to be fetched, and what is known before.
struct Work<'a> {
    remote: &'a sluice_git::Remote,
    resolved: Resolved,
    includes: Vec<Artifact>,
    stored: Option<&'a Artifact>,
}

impl Phases for GitRepositoryPhases {
    type Object = GitRepository;
    type Failure = verdict::Failure;

    async fn run(
        &self,
        pass: &Pass<GitRepository>,
        report: &mut Report<GitRepository>,
        stored: &Stored,
    ) -> Result<Done<GitRepositoryStatus>, verdict::Failure> {
        let object = pass.object.as_ref();
        if object.spec.verify.is_none() {
            report.status.source_verification_mode = None;
            report.clear(condition::SOURCE_VERIFIED);
        }
        let remote = remote::prepare(&self.client, &self.connections, object).await?;
        let includes = self.includes(pass, report).await?;
        let stored = stored.current();
        match probe::probe(&remote, object, stored, &includes).await? {
            probe::Probed::Unchanged(revision) => Ok(verdict::unchanged(&revision)),
            probe::Probed::Changed(resolved) => {
                self.build(pass, report, Work { remote: &remote, resolved, includes, stored }).await
            }
        }
    }

    fn classify(&self, failure: &verdict::Failure) -> Verdict {
        verdict::classify(failure, self.settings.requeue_dependency)
    }

    fn discard(&self, key: &Key) -> Result<(), String> {
        match std::fs::remove_dir_all(self.mirror_dir(key)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
            _ => Ok(()),
        }
    }

    fn forget(&self, key: &Key) {
        self.connections.providers.forget(key);
        self.mirrors.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        self.announced.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// A new revision wakes those that include it, so that they need not wait for their interval.
    fn written(&self, object: &GitRepository, queue: &Queue) {
        let Some(artifact) = object.status.as_ref().and_then(|status| status.artifact.as_ref()) else { return };
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let key = Key::new(namespace.clone(), name.clone());
        let mut announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        if announced.insert(key, artifact.revision.clone()).is_some_and(|known| known == artifact.revision) {
            return;
        }
        drop(announced);
        for including in self.cache.indexed(&format!("{namespace}/{name}")) {
            if including.name_any() != name && include::is_outdated_by(&including, &name, artifact) {
                queue.add(Key::new(namespace.clone(), including.name_any()));
            }
        }
    }
}
