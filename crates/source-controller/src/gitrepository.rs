//! GitRepository: a commit of a Git repository, published as an artifact.
//!
//! The phases: `remote` turns the spec and its Secrets into a remote, `probe` finds the commit, `publish` fetches, packs and stores it;
//! `verdict` says what their errors mean.
//!
//! Deliberately the only place here that knows the order of the phases.

mod probe;
mod publish;
mod remote;
mod supported;
mod verdict;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use kube::Client;
use sluice_api::constants::{condition, reason};
use sluice_api::source::{GitRepository, GitRepositoryStatus};
use sluice_conditions::Summary;
use sluice_git::Mirror;
use sluice_runtime::dispatcher::Pass;
use sluice_runtime::logging::error_chain;
use sluice_runtime::queue::Key;
use sluice_storage::Storage;

use crate::source::{Done, Phases, Report, SourceKind, Stored, Verdict};

/// Mirrors larger than this are dropped before the next fetch: ten times a large repository's packed head.
const MAX_MIRROR_BYTES: u64 = 1 << 30;

impl SourceKind for GitRepository {
    const KIND: &'static str = "GitRepository";
    const SUMMARY: Summary<'static> = Summary {
        priority: &[
            condition::STORAGE_OPERATION_FAILED,
            condition::FETCH_FAILED,
            condition::INCLUDE_UNAVAILABLE,
            condition::ARTIFACT_OUTDATED,
            condition::ARTIFACT_IN_STORAGE,
            condition::SOURCE_VERIFIED,
            condition::STALLED,
            condition::RECONCILING,
        ],
        negative: &[
            condition::STORAGE_OPERATION_FAILED,
            condition::FETCH_FAILED,
            condition::INCLUDE_UNAVAILABLE,
            condition::ARTIFACT_OUTDATED,
            condition::STALLED,
            condition::RECONCILING,
        ],
        veto: Some(condition::SOURCE_VERIFIED),
    };
    const FAILURES: &'static [&'static str] =
        &[condition::FETCH_FAILED, condition::STORAGE_OPERATION_FAILED, condition::INCLUDE_UNAVAILABLE];
    const LINK: Option<&'static str> = None;
}

/// Fetches, packs and publishes commits.
pub(crate) struct GitRepositoryPhases {
    client: Client,
    storage: Arc<Storage>,
    mirror_root: PathBuf,
    mirrors: Mutex<HashMap<Key, Mirror>>,
}

impl GitRepositoryPhases {
    /// Publishes into `storage` and keeps Git mirrors below `mirror_root`.
    pub(crate) fn new(client: Client, storage: Arc<Storage>, mirror_root: PathBuf) -> Self {
        Self { client, storage, mirror_root, mirrors: Mutex::default() }
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
        supported::check(object)?;
        let remote = remote::prepare(&self.client, object).await?;
        let resolved = match probe::probe(&remote, object, stored.current()).await? {
            probe::Probed::Unchanged(revision) => return Ok(verdict::unchanged(&revision)),
            probe::Probed::Changed(resolved) => resolved,
        };
        let mirror = self.mirror(&pass.key);
        let fetched = publish::fetch(&mirror, &remote, &resolved, &object.spec.url).await?;
        let revision = fetched.revision();
        let is_stored = stored.current().is_some_and(|current| current.revision == revision);
        if is_stored && !probe::content_settings_changed(object) {
            return Ok(verdict::up_to_date(&revision));
        }
        let news = format!("new upstream revision '{revision}'");
        if is_stored {
            report.working(&format!("building artifact: {news}"));
        } else {
            report.outdated(reason::NEW_REVISION, &news);
        }
        report.show(&pass.writer).await;
        let published = publish::publish(&self.storage, object, &mirror, &fetched).await;
        if published.as_ref().is_err_and(publish::StoreFailed::is_damaged_mirror)
            && let Err(error) = mirror.reset().await
        {
            tracing::error!(error = error_chain(&error), "cannot reset the damaged mirror");
        }
        Ok(verdict::published(object, published?, &fetched.subject()))
    }

    fn classify(&self, failure: &verdict::Failure) -> Verdict {
        verdict::classify(failure)
    }

    fn discard(&self, key: &Key) -> Result<(), String> {
        match std::fs::remove_dir_all(self.mirror_dir(key)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error.to_string()),
            _ => Ok(()),
        }
    }

    fn forget(&self, key: &Key) {
        self.mirrors.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
