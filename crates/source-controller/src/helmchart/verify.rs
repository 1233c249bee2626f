//! Phase: the signature of a chart in a registry, before anything of it is used; in every pass, since trust may be withdrawn.
//!
//! Deliberately no conditions, and nothing of how signatures are found and verified. Dependencies are not verified.

use jiff::Timestamp;
use sluice_api::source::HelmChart;
use sluice_helm::build::{BuildError, BuildReason};

use super::Context;
use super::repository::{Chosen, Repository};
use super::verdict::Failure;
use crate::source::secrets::Secrets;
use crate::source::verify::{Demand, Trusted, VerifyError};

pub(crate) use crate::source::verify::Verified;

/// What a chart is to be verified against cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("failed to verify the signature using provider '{provider}'")]
pub(crate) struct SetupFailed {
    provider: String,
    #[source]
    source: SetupCause,
}

#[derive(Debug, thiserror::Error)]
enum SetupCause {
    #[error(transparent)]
    Trust(VerifyError),
    #[error("no public keys found in secret '{0}'")]
    NoKeys(String),
}

/// The chart is not signed as it should be.
#[derive(Debug, thiserror::Error)]
#[error("failed to verify the signature using provider '{provider}'")]
struct BadSignature {
    provider: String,
    #[source]
    source: VerifyError,
}

/// An index has no signatures.
#[derive(Debug, thiserror::Error)]
#[error("not implemented")]
struct NotImplemented;

/// Verifies the chosen version of a chart as the object asks for it; `None` if it does not.
pub(crate) async fn verify(
    context: &Context,
    object: &HelmChart,
    repository: &Repository,
    chosen: &Chosen,
) -> Result<Option<Verified>, Failure> {
    let Some(spec) = &object.spec.verify else { return Ok(None) };
    let refused = |error| Failure::Build(error);
    let Repository::Oci(repository) = repository else {
        return Err(refused(BuildError::new(BuildReason::ChartVerificationError, NotImplemented)));
    };
    let provider = spec.provider();
    let demand = Demand {
        provider: &provider,
        secret: spec.secret_ref.as_ref(),
        identities: &spec.match_oidc_identity,
        trusted_root: None,
    };
    let setup = |source| Failure::Verifier(SetupFailed { provider: demand.provider_text(), source });
    let secrets = Secrets::of(&context.client, object);
    let trusted = Trusted::read(&secrets, &demand, &context.public_root).await;
    let trusted = trusted.map_err(|error| setup(SetupCause::Trust(error)))?;
    if trusted.is_empty() {
        let secret = spec.secret_ref.as_ref().map(|reference| secrets.full_name(&reference.name));
        return Err(setup(SetupCause::NoKeys(secret.unwrap_or_default())));
    }
    let bad = |source| {
        let error = BadSignature { provider: demand.provider_text(), source };
        refused(BuildError::new(BuildReason::ChartVerificationError, error))
    };
    let artifact = repository.artifact(chosen).map_err(|error| bad(VerifyError::Registry(error)))?;
    let Some((client, digest)) = artifact else {
        return Err(refused(BuildError::new(BuildReason::ChartVerificationError, NotImplemented)));
    };
    trusted.verify(&client, digest, Timestamp::now()).await.map(Some).map_err(bad)
}
