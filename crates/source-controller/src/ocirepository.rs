//! `OCIRepository`: a layer of an artifact in a registry, published as an artifact.
//!
//! The phases: `remote` turns the spec and its Secrets into a client, `resolve` finds the digest, `source::verify` looks for signatures,
//! `pull` fetches manifest and layer, `publish` packs and stores it; `verdict` says what their errors mean.
//!
//! Deliberately the only place here that knows the order of the phases.

mod publish;
mod pull;
mod remote;
mod resolve;
mod verdict;

use std::sync::Arc;

use kube::Client;
use sluice_api::constants::{condition, reason};
use sluice_api::source::{OCIRepository, OCIRepositoryStatus};
use sluice_conditions::Status;
use sluice_runtime::dispatcher::Pass;
use sluice_runtime::queue::Key;
use sluice_runtime::recorder::{Notice, Severity};
use sluice_storage::Storage;

use crate::source::registry::{AccessError, Registries};
use crate::source::secrets::Secrets;
use crate::source::verify::{Demand, PublicRoot, Verified, VerifyFailed, verify};
use crate::source::{Done, Phases, Report, SourceKind, Stored, Verdict};
use resolve::Resolved;
use verdict::Failure;

impl SourceKind for OCIRepository {
    const KIND: &'static str = "OCIRepository";
    const LINK: Option<&'static str> = Some("latest.tar.gz");
}

/// Pulls, packs and publishes layers.
pub(crate) struct OciRepositoryPhases {
    client: Client,
    storage: Arc<Storage>,
    registries: Registries,
    public_root: PublicRoot,
}

impl OciRepositoryPhases {
    /// Publishes into `storage`.
    pub(crate) fn new(client: Client, storage: Arc<Storage>, registries: Registries, public_root: PublicRoot) -> Self {
        Self { client, storage, registries, public_root }
    }

    /// Verifies the artifact's signature unless that was done for this revision and this spec.
    async fn verify(
        &self,
        pass: &Pass<OCIRepository>,
        report: &mut Report<OCIRepository>,
        found: &Found<'_>,
    ) -> Result<(), VerifyFailed> {
        let object = pass.object.as_ref();
        let Some(spec) = &object.spec.verify else {
            report.clear(condition::SOURCE_VERIFIED);
            return Ok(());
        };
        let known = report.condition(condition::SOURCE_VERIFIED).and_then(|known| known.observed_generation);
        if found.is_stored && known.is_some() && known == object.metadata.generation {
            return Ok(());
        }
        let provider = spec.provider();
        let demand = Demand {
            provider: &provider,
            secret: spec.secret_ref.as_ref(),
            identities: &spec.match_oidc_identity,
            trusted_root: spec.trusted_root_secret_ref.as_ref(),
        };
        let secrets = Secrets::of(&self.client, object);
        let artifact = (found.client, &found.resolved.digest);
        match verify(&secrets, &demand, &self.public_root, artifact, object.timeout()).await? {
            Verified::Good => {
                let text = format!("verified signature of revision {}", found.resolved.revision());
                report.mark(condition::SOURCE_VERIFIED, Status::True, reason::SUCCEEDED, &text);
            }
            // What was verified before was another revision, or by other rules.
            Verified::Ignored => report.clear(condition::SOURCE_VERIFIED),
        }
        Ok(())
    }
}

/// What the reference is now.
struct Found<'a> {
    client: &'a sluice_oci::Client,
    resolved: &'a Resolved,
    /// Whether the stored artifact is of this revision.
    is_stored: bool,
}

impl Phases for OciRepositoryPhases {
    type Object = OCIRepository;
    type Failure = Failure;

    async fn run(
        &self,
        pass: &Pass<OCIRepository>,
        report: &mut Report<OCIRepository>,
        stored: &Stored,
    ) -> Result<Done<OCIRepositoryStatus>, Failure> {
        let object = pass.object.as_ref();
        let client = remote::prepare(&self.registries, object).await.inspect_err(|error| {
            if let remote::PrepareError::Access(AccessError::Credential(error)) = error {
                let missing = error.missing();
                let tell = |text| Notice::new(Severity::Trace, reason::AUTHENTICATION_FAILED, text);
                report.notices.extend(missing.map(tell));
            }
        })?;
        let resolved = resolve::resolve(&client, object).await?;
        let revision = resolved.revision();
        let current = stored.current().filter(|current| current.revision == revision);
        if current.is_none() {
            let news = format!("new revision '{revision}' for '{}'", resolved.reference);
            report.outdated(reason::NEW_REVISION, &news);
            report.show(&pass.writer).await;
        }
        let found = Found { client: &client, resolved: &resolved, is_stored: current.is_some() };
        self.verify(pass, report, &found).await?;
        if let Some(current) = current
            && !content_settings_changed(object)
        {
            return Ok(verdict::up_to_date(object, current));
        }
        let pulled = pull::pull(&client, &resolved.digest, object).await?;
        let artifact = publish::publish(&self.storage, object, &resolved, pulled).await?;
        Ok(verdict::published(object, artifact))
    }

    fn classify(&self, failure: &Failure) -> Verdict {
        verdict::classify(failure)
    }

    fn forget(&self, key: &Key) {
        self.registries.forget::<OCIRepository>(key);
    }
}

/// True when a part of the spec that shapes the artifact differs from what the artifact was made with.
fn content_settings_changed(object: &OCIRepository) -> bool {
    let (ignore, selector) = object
        .status
        .as_ref()
        .map(|status| (status.observed_ignore.as_ref(), status.observed_layer_selector.as_ref()))
        .unwrap_or_default();
    object.spec.ignore.as_ref() != ignore || object.spec.layer_selector.as_ref() != selector
}
