//! `HelmRepository`: the index of a Helm repository, published as an artifact.
//!
//! The phases: `remote` turns the spec and its Secrets into something to talk to, `index` downloads, converts and stores; `verdict` says
//! what their errors mean. Deliberately nothing of OCI repositories: such an object is a description that only charts read.

mod human;
mod index;
pub(crate) mod remote;
mod verdict;

use std::sync::Arc;

use kube::{Client, ResourceExt as _};
use sluice_api::constants::reason;
use sluice_api::source::{HelmRepository, HelmRepositoryStatus, HelmRepositoryType};
use sluice_helm::urls;
use sluice_runtime::dispatcher::Pass;
use sluice_runtime::queue::Key;
use sluice_storage::Storage;

pub(crate) use index::{FetchFailed, download};

use crate::source::registry::Registries;
use crate::source::{Done, Phases, Report, SourceKind, Stored, Verdict};

impl SourceKind for HelmRepository {
    const KIND: &'static str = "HelmRepository";
    const LINK: Option<&'static str> = Some("index.yaml");
}

/// The name in the cache's index under which repositories of one URL are found: namespace and normalised URL.
pub(crate) fn url_index(namespace: &str, normalised_url: &str) -> String {
    format!("{namespace} {normalised_url}")
}

/// The names under which the cache finds a repository.
pub(crate) fn index_names(object: &HelmRepository) -> Vec<String> {
    let namespace = object.namespace().unwrap_or_default();
    urls::normalise(&object.spec.url).map(|url| url_index(&namespace, &url)).into_iter().collect()
}

/// Whether charts come from a registry rather than by an index.
pub(crate) fn is_oci(object: &HelmRepository) -> bool {
    object.repository_type() == HelmRepositoryType::Oci
}

/// Downloads and publishes indexes.
pub(crate) struct HelmRepositoryPhases {
    client: Client,
    storage: Arc<Storage>,
    /// Charts of a repository in a registry log in on behalf of the repository.
    registries: Registries,
    max_index_bytes: u64,
}

impl HelmRepositoryPhases {
    /// Publishes into `storage`; an index of more bytes is refused.
    pub(crate) fn new(client: Client, storage: Arc<Storage>, registries: Registries, max_index_bytes: u64) -> Self {
        Self { client, storage, registries, max_index_bytes }
    }
}

impl Phases for HelmRepositoryPhases {
    type Object = HelmRepository;
    type Failure = verdict::Failure;

    fn unmanaged(&self, object: &HelmRepository) -> bool {
        is_oci(object)
    }

    async fn run(
        &self,
        pass: &Pass<HelmRepository>,
        report: &mut Report<HelmRepository>,
        stored: &Stored,
    ) -> Result<Done<HelmRepositoryStatus>, verdict::Failure> {
        let object = pass.object.as_ref();
        let remote = remote::prepare(&self.client, object).await?;
        let fetched = index::fetch(&remote, self.max_index_bytes).await?;
        let shown_url = sluice_http_client::mask_url_text(remote.url());
        let fetched = match fetched.compare(stored.current(), self.storage.algorithm()).await? {
            index::Compared::Unchanged => {
                let current = stored.current().cloned();
                return Ok(verdict::done(None, current.as_ref(), &shown_url));
            }
            index::Compared::Changed(fetched) => fetched,
        };
        let converted = fetched.convert(self.max_index_bytes).await?;
        report.outdated(reason::NEW_REVISION, &format!("new index revision '{}'", converted.revision()));
        report.show(&pass.writer).await;
        let artifact = converted.publish(&self.storage, object).await?;
        Ok(verdict::done(Some(artifact.clone()), Some(&artifact), &shown_url))
    }

    fn classify(&self, failure: &verdict::Failure) -> Verdict {
        verdict::classify(failure)
    }

    fn forget(&self, key: &Key) {
        self.registries.forget::<HelmRepository>(key);
    }
}
