//! GitRepository: a commit of a Git repository, published as an artifact.
//!
//! A pass: `stored` checks the artifact on disk, `remote` turns the spec and its Secrets into a remote, `probe` finds the commit,
//! `publish` fetches, packs and stores it; `verdict` turns whatever they return into conditions, events and the next pass.
//!
//! Deliberately the only place here that knows the order of the phases. Signature checks, includes, submodules, sparse checkout, SSH and
//! provider logins are not built yet and refused by name.

mod probe;
mod publish;
mod remote;
mod report;
mod stored;
mod supported;
mod verdict;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use kube::Client;
use sluice_api::Reconcilable;
use sluice_api::source::{GitRepository, GitRepositoryStatus};
use sluice_artifact::{ArtifactDir, ArtifactPath};
use sluice_git::Mirror;
use sluice_runtime::dispatcher::{Finalized, Next, Outcome, Pass, Reconciler};
use sluice_runtime::logging::error_chain;
use sluice_runtime::queue::Key;
use sluice_runtime::recorder::Notice;
use sluice_storage::{COLLECTION_BUDGET, Storage};

use report::Report;

/// Mirrors larger than this are dropped before the next fetch: ten times a large repository's packed head.
const MAX_MIRROR_BYTES: u64 = 1 << 30;

/// Reconciles objects of the kind GitRepository.
pub struct GitRepositoryReconciler {
    client: Client,
    storage: Arc<Storage>,
    mirror_root: PathBuf,
    mirrors: Mutex<HashMap<Key, Mirror>>,
}

impl GitRepositoryReconciler {
    /// A reconciler that publishes into `storage` and keeps its Git mirrors below `mirror_root`.
    pub fn new(client: Client, storage: Arc<Storage>, mirror_root: PathBuf) -> Self {
        Self { client, storage, mirror_root, mirrors: Mutex::default() }
    }

    async fn phases(&self, pass: &Pass<GitRepository>, report: &mut Report) -> Result<verdict::Done, verdict::Failure> {
        let object = pass.object.as_ref();
        let stored = stored::check(&self.storage, object).await;
        report.stored(&stored);
        supported::check(object)?;
        report.begin(object);
        if report.is_news(object, pass.requested) {
            report.show(&pass.writer).await;
        }
        let remote = remote::prepare(&self.client, object).await?;
        let probed = probe::probe(&remote, object, stored.current()).await?;
        let resolved = match probed {
            probe::Probed::Unchanged(revision) => return Ok(verdict::Done::Unchanged { revision }),
            probe::Probed::Changed(resolved) => resolved,
        };
        let fetched = publish::fetch(&self.mirror(&pass.key), &remote, &resolved, &object.spec.url).await?;
        let revision = fetched.revision();
        if let Some(current) = stored.current().filter(|current| current.revision == revision)
            && !probe::content_settings_changed(object)
        {
            return Ok(verdict::Done::UpToDate { revision: current.revision.clone() });
        }
        report.new_revision(&revision);
        report.show(&pass.writer).await;
        let mirror = self.mirror(&pass.key);
        let published = publish::publish(Arc::clone(&self.storage), object, &mirror, &fetched).await;
        if published.as_ref().is_err_and(publish::StoreFailed::is_damaged_mirror)
            && let Err(error) = mirror.reset().await
        {
            tracing::error!(error = error_chain(&error), "cannot reset the damaged mirror");
        }
        let artifact = published?;
        Ok(verdict::Done::Published { artifact, subject: fetched.subject() })
    }

    /// The mirror of one object. Named by hand rather than by URL, so that a changed URL reuses what it has in common.
    fn mirror(&self, key: &Key) -> Mirror {
        let mut mirrors = self.mirrors.lock().unwrap_or_else(PoisonError::into_inner);
        let dir = self.mirror_dir(key);
        mirrors.entry(key.clone()).or_insert_with(|| Mirror::new(dir, MAX_MIRROR_BYTES)).clone()
    }

    fn mirror_dir(&self, key: &Key) -> PathBuf {
        // Names of Kubernetes objects have no slash and no `..`, so this stays below the root.
        self.mirror_root.join(&key.namespace).join(&key.name)
    }
}

impl Reconciler for GitRepositoryReconciler {
    type Object = GitRepository;

    async fn reconcile(&self, pass: Pass<GitRepository>) -> Outcome<GitRepositoryStatus> {
        let mut report = Report::new(&pass);
        let result = self.phases(&pass, &mut report).await;
        let outcome = verdict::conclude(report, &pass.object, result);
        self.collect_garbage(&pass, &outcome.status).await;
        outcome
    }

    async fn finalize(&self, pass: Pass<GitRepository>) -> Finalized {
        let storage = Arc::clone(&self.storage);
        let mirror_dir = self.mirror_dir(&pass.key);
        let key = pass.key.clone();
        let removed = tokio::task::spawn_blocking(move || {
            if let Ok(dir) = ArtifactDir::new("GitRepository", &key.namespace, &key.name) {
                storage.remove_all(&dir).map_err(|error| error_chain(&error))?;
            }
            match std::fs::remove_dir_all(&mirror_dir) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
                _ => Ok(()),
            }
        })
        .await;
        let failure = match removed {
            Ok(Ok(())) => return Finalized::Done(vec![verdict::collected_for_deletion()]),
            Ok(Err(error)) => error,
            Err(error) => error.to_string(),
        };
        Finalized::Failed(vec![verdict::collection_failed(&failure)])
    }

    fn settle_suspended(&self, object: &GitRepository, status: &mut GitRepositoryStatus) -> Vec<Notice> {
        report::settle_suspended(object, status);
        Vec::new()
    }

    fn forget(&self, key: &Key) {
        self.mirrors.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

impl GitRepositoryReconciler {
    /// Removes what the retention no longer covers. A failure only costs disk and is tried again in the next pass.
    async fn collect_garbage(&self, pass: &Pass<GitRepository>, status: &GitRepositoryStatus) {
        let Some(current) = status.artifact.as_ref().and_then(|artifact| artifact.path.parse::<ArtifactPath>().ok())
        else {
            return;
        };
        let storage = Arc::clone(&self.storage);
        let now = pass.now;
        let collect = move || storage.garbage_collect(&current, now, Instant::now() + COLLECTION_BUDGET);
        match tokio::task::spawn_blocking(collect).await {
            Ok(Ok(collected)) => tracing::debug!(?collected, "collected garbage"),
            Ok(Err(error)) => tracing::error!(error = error_chain(&error), "garbage collection failed"),
            Err(error) => tracing::error!(error = error_chain(&error), "garbage collection failed"),
        }
    }
}

/// The next pass after a success.
fn after_interval(object: &GitRepository) -> Next {
    Next::Interval(object.interval())
}
