//! What every kind of source has in common: the pass around its phases, written once.
//!
//! A pass: collect garbage, check the stored artifact, show that work begins, the kind's phases, then conditions, link, events and the
//! next pass out of what they return. Deliberately nothing of any kind: what differs is in [`SourceKind`] (constants), [`Phases`] (the
//! work), [`Done`] and [`Verdict`] (what came of it).

mod collect;
mod conclude;
pub(crate) mod identity;
mod publish;
pub(crate) mod registry;
mod report;
pub(crate) mod secrets;
mod stored;
pub(crate) mod verify;
pub(crate) mod workdir;

use std::future::Future;
use std::sync::Arc;

use kube::ResourceExt as _;
use kube::core::object::HasStatus;
use sluice_api::{ArtifactSource, ArtifactStatus};
use sluice_runtime::dispatcher::{Dispatched, Finalized, Outcome, Pass, Reconciler, StatusOf};
use sluice_runtime::queue::{Key, Queue};
use sluice_runtime::recorder::Notice;
use sluice_storage::Storage;

pub(crate) use conclude::{Done, Observe, Retry, Told, Verdict};
pub(crate) use publish::{PublishFailed, publish};
pub(crate) use report::Report;
pub(crate) use stored::Stored;

/// Keys of event metadata.
pub(crate) mod metadata {
    /// The artifact's revision.
    pub(crate) const REVISION: &str = "source.toolkit.fluxcd.io/revision";
    /// The artifact's digest.
    pub(crate) const DIGEST: &str = "source.toolkit.fluxcd.io/digest";
}

/// Why a secret or another field that this version does not honour stalls an object.
pub(crate) const UNSUPPORTED_FIELD: &str = "UnsupportedField";

/// The constants of a kind.
pub(crate) trait SourceKind: Dispatched + HasStatus<Status: ArtifactStatus> + ArtifactSource {
    /// As in `kind`; in small letters, the first directory of its artifacts.
    const KIND: &'static str;
    /// The file name under which the newest artifact is to be found, for kinds that have one.
    const LINK: Option<&'static str>;
}

/// The work of a kind.
pub(crate) trait Phases: Send + Sync + 'static {
    /// The kind.
    type Object: SourceKind;
    /// All that can go wrong.
    type Failure: std::error::Error + Send + Sync + 'static;

    /// Whether the object is no source at all (an OCI `HelmRepository`): it gets no pass, and loses finalizer, status and artifacts.
    fn unmanaged(&self, object: &Self::Object) -> bool {
        let _ = object;
        false
    }

    /// Looks at the origin and publishes what is new.
    fn run(
        &self,
        pass: &Pass<Self::Object>,
        report: &mut Report<Self::Object>,
        stored: &Stored,
    ) -> impl Future<Output = Result<Done<StatusOf<Self::Object>>, Self::Failure>> + Send;

    /// Condition, reason and retry class of a failure.
    fn classify(&self, failure: &Self::Failure) -> Verdict;

    /// Removes what the kind keeps of an object besides its artifacts, on disk. Runs where blocking is allowed.
    ///
    /// # Errors
    /// Text of what could not be removed.
    fn discard(&self, key: &Key) -> Result<(), String> {
        let _ = key;
        Ok(())
    }

    /// The object is gone: drop what is remembered of it in memory.
    fn forget(&self, key: &Key) {
        let _ = key;
    }

    /// The status of a pass has been written.
    fn written(&self, object: &Self::Object, queue: &Queue) {
        let _ = (object, queue);
    }
}

/// Drives the phases of a kind.
pub(crate) struct SourceReconciler<P> {
    phases: Arc<P>,
    storage: Arc<Storage>,
    listener: Option<Listener>,
}

/// Who wants to know what a source has published: called with kind, name and revision after each pass over an object with an artifact.
pub(crate) type Listener = Arc<dyn Fn(&'static str, &Key, &str) + Send + Sync>;

impl<P: Phases> SourceReconciler<P> {
    /// Publishes into `storage`.
    pub(crate) fn new(phases: P, storage: Arc<Storage>) -> Self {
        Self { phases: Arc::new(phases), storage, listener: None }
    }

    /// Tells `listener` what is published.
    pub(crate) fn telling(self, listener: Listener) -> Self {
        Self { listener: Some(listener), ..self }
    }
}

impl<P: Phases> Reconciler for SourceReconciler<P> {
    type Object = P::Object;

    async fn reconcile(&self, pass: Pass<P::Object>) -> Outcome<StatusOf<P::Object>> {
        let object = pass.object.as_ref();
        let mut report = Report::new(&pass);
        report.notices.extend(collect::garbage(&self.storage, object.artifact(), pass.now).await);
        let stored = stored::check(&self.storage, object.artifact()).await;
        report.stored(&stored, |url| self.storage.rewrite_host(url));
        report.begin(object);
        if report.is_news(object, pass.requested) {
            report.show(&pass.writer).await;
        }
        let result = self.phases.run(&pass, &mut report, &stored).await;
        match result {
            Ok(done) => conclude::succeed(report, object, done, &self.storage).await,
            Err(failure) => {
                let verdict = self.phases.classify(&failure);
                conclude::fail(report, verdict, &failure)
            }
        }
    }

    async fn finalize(&self, pass: Pass<P::Object>) -> Finalized {
        let phases = Arc::clone(&self.phases);
        let key = pass.key.clone();
        let discard = move || phases.discard(&key);
        collect::everything::<P::Object>(&self.storage, &pass.key, discard).await
    }

    fn settle_suspended(&self, object: &P::Object, status: &mut StatusOf<P::Object>) -> Vec<Notice> {
        report::settle_suspended(object, status);
        Vec::new()
    }

    fn unmanaged(&self, object: &P::Object) -> bool {
        self.phases.unmanaged(object)
    }

    fn written(&self, object: &P::Object, queue: &Queue) {
        if let (Some(listener), Some(artifact)) = (&self.listener, object.artifact()) {
            let key = Key::new(object.namespace().unwrap_or_default(), object.name_any());
            listener(P::Object::KIND, &key, &artifact.revision);
        }
        self.phases.written(object, queue);
    }

    fn forget(&self, key: &Key) {
        self.phases.forget(key);
    }
}
