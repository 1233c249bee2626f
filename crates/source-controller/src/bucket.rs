//! Bucket: the objects of a bucket in object storage, published as an artifact.
//!
//! The phases: `access` turns the spec, its Secrets and its identity into a store, `index` says what is in it, `download` brings it to a
//! temporary directory, `publish` packs and stores that; `verdict` says what their errors mean.
//!
//! Deliberately the only place here that knows the order of the phases.

mod access;
mod credentials;
mod download;
mod index;
mod publish;
mod sts;
mod verdict;

use std::sync::Arc;

use kube::Client;
use sluice_api::constants::{condition, reason};
use sluice_api::source::{Bucket, BucketStatus};
use sluice_artifact::Digest;
use sluice_runtime::dispatcher::Pass;
use sluice_runtime::queue::Key;
use sluice_storage::Storage;
use tokio::time::Instant;

use crate::source::identity::Identities;
use crate::source::{Done, Phases, Report, SourceKind, Stored, Verdict};
use verdict::Failure;

impl SourceKind for Bucket {
    const KIND: &'static str = "Bucket";
    const LINK: Option<&'static str> = Some("latest.tar.gz");
}

/// Lists, downloads, packs and publishes buckets.
pub(crate) struct BucketPhases {
    client: Client,
    storage: Arc<Storage>,
    identities: Identities,
}

impl BucketPhases {
    /// Publishes into `storage`.
    pub(crate) fn new(client: Client, storage: Arc<Storage>, identities: Identities) -> Self {
        Self { client, storage, identities }
    }
}

impl Phases for BucketPhases {
    type Object = Bucket;
    type Failure = Failure;

    async fn run(
        &self,
        pass: &Pass<Bucket>,
        report: &mut Report<Bucket>,
        stored: &Stored,
    ) -> Result<Done<BucketStatus>, Failure> {
        let object = pass.object.as_ref();
        // Once for finding out what there is, and again for the download.
        let deadline = || Instant::now() + object.timeout();
        let listing_deadline = deadline();
        let access = access::Context { client: &self.client, identities: &self.identities, object };
        let store = Arc::new(access::open(access, listing_deadline).await?);
        let listing = index::list(&store, object, listing_deadline).await?;
        let recorded: Option<Digest> = stored.current().and_then(|current| current.revision.parse().ok());
        if let Some(recorded) = recorded.as_ref().filter(|recorded| is_revision(recorded, &listing.index)) {
            return Ok(verdict::up_to_date(object, recorded, &listing.index));
        }
        let found = listing.index.revision(self.storage.algorithm());
        report.outdated(reason::NEW_REVISION, &format!("new upstream revision '{found}'"));
        report.show(&pass.writer).await;
        let downloaded = download::download(&store, listing, deadline()).await?;
        report.clear(condition::FETCH_FAILED);
        // What changed or vanished meanwhile may have made it the very revision that is stored.
        if let Some(recorded) = recorded.as_ref().filter(|recorded| is_revision(recorded, &downloaded.index)) {
            return Ok(verdict::up_to_date(object, recorded, &downloaded.index));
        }
        let index = downloaded.index;
        let revision = index.revision(self.storage.algorithm());
        let artifact = publish::publish(&self.storage, object, downloaded.dir, &revision).await?;
        Ok(verdict::published(object, artifact, &index))
    }

    fn classify(&self, failure: &Failure) -> Verdict {
        verdict::classify(failure)
    }

    fn forget(&self, key: &Key) {
        self.identities.forget(Bucket::KIND, key);
    }
}

/// Whether an index has the recorded revision, by the algorithm of that: a new one for new revisions alone makes nothing outdated.
fn is_revision(recorded: &Digest, index: &sluice_bucket::Index) -> bool {
    index.revision(recorded.algorithm()) == *recorded
}
