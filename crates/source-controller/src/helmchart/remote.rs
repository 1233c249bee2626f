//! Phase: a chart of a Helm repository, as it comes or with other values.
//!
//! Deliberately no dependencies: a packaged chart brings its own.

use std::fs::File;
use std::io::{self, Seek as _};

use sluice_api::source::{HelmChart, HelmRepository};
use sluice_helm::build::{BuildError, BuildReason, Outcome, check_remote_name, version_metadata};
use sluice_helm::chart::{Chart, ChartLimits};
use sluice_helm::metadata::Metadata;
use sluice_helm::values;

use super::build::{Built, Plan, WorkError, blocking, package, version_with};
use super::repository::{self, ChooseError, Chosen, DownloadError, Repository};
use super::verdict::Failure;
use super::{Context, verify};

/// The chart's version is not known.
#[derive(Debug, thiserror::Error)]
#[error("failed to get chart version for remote reference")]
struct NoVersion(#[source] ChooseError);

/// The chart did not come.
#[derive(Debug, thiserror::Error)]
#[error("failed to download chart for remote reference")]
struct NoDownload(#[source] DownloadError);

/// Builds the chart that the object names in a repository.
pub(crate) async fn build(
    context: &Context,
    object: &HelmChart,
    source: &HelmRepository,
    plan: Plan,
) -> Result<Built, Failure> {
    let repository = repository::connect(context, source).await?;
    build_from(context, object, &repository, plan).await.map_err(Failure::or_unauthorized)
}

async fn build_from(
    context: &Context,
    object: &HelmChart,
    repository: &Repository,
    plan: Plan,
) -> Result<Built, Failure> {
    let chart = &object.spec.chart;
    check_remote_name(chart).map_err(|error| BuildError::new(BuildReason::InvalidChartReference, error))?;
    let chosen = repository.choose(chart, object.version()).await.map_err(|error| {
        let fault = error.is_reference_fault();
        let reason = if fault { BuildReason::InvalidChartReference } else { BuildReason::ChartPullError };
        BuildError::new(reason, NoVersion(error))
    })?;
    let verified = verify::verify(context, object, repository, &chosen).await?;
    let verified = (verified == Some(verify::Verified::Good)).then(|| chosen.version.clone());
    let metadata = version_metadata(None, plan.version_generation());
    let version = version_with(&chosen.version, metadata.as_deref())?;
    let outcome = if metadata.is_some() { Outcome::Packaged } else { Outcome::Pulled };
    let name_and_version = (chosen.name.as_str(), version.as_str());
    if let Some(built) = plan.reuse_stored(&context.storage, name_and_version, outcome).await {
        return Ok(Built { verified, ..built });
    }
    let archive = repository.download(&chosen, plan.limits.archive_bytes).await;
    let archive = archive.map_err(|error| BuildError::new(BuildReason::ChartPullError, NoDownload(error)))?;
    let assemble = move || match outcome {
        Outcome::Packaged => repackage(archive, chosen, version, &plan),
        Outcome::New | Outcome::Pulled => as_it_came(archive, chosen, &plan.limits),
    };
    let built = blocking(BuildReason::ChartPackageError, assemble).await?;
    Ok(Built { verified, ..built })
}

fn pull_error(error: io::Error) -> BuildError {
    BuildError::new(BuildReason::ChartPullError, WorkError::File(error))
}

/// Takes the archive, which must at least be one of a chart.
fn as_it_came(mut archive: File, chosen: Chosen, limits: &ChartLimits) -> Result<Built, BuildError> {
    let mut metadata = Metadata::from_archive(io::BufReader::new(&archive), limits)
        .map_err(|error| BuildError::new(BuildReason::ChartPullError, error))?;
    metadata.validate().map_err(|error| BuildError::new(BuildReason::ChartPullError, error))?;
    archive.rewind().map_err(pull_error)?;
    let Chosen { name, version, .. } = chosen;
    let (outcome, archive) = (Outcome::Pulled, Some(archive));
    Ok(Built { name, version, values_files: Vec::new(), outcome, archive, dependencies: 0, verified: None })
}

/// Merges the values files and packages the chart anew.
fn repackage(archive: File, chosen: Chosen, version: String, plan: &Plan) -> Result<Built, BuildError> {
    let mut chart = Chart::from_archive(io::BufReader::new(archive), &plan.limits)
        .map_err(|error| BuildError::new(BuildReason::ChartPackageError, error))?;
    let values_error = |error| BuildError::new(BuildReason::ValuesFilesError, error);
    let merged = values::merge_from_chart(&chart, &plan.values_files, plan.missing).map_err(values_error)?;
    chart.metadata.version.clone_from(&version);
    chart.overwrite_values(&merged.values).map_err(values_error)?;
    let (name, outcome) = (chosen.name, Outcome::Packaged);
    let archive = Some(package(chart)?);
    Ok(Built { name, version, values_files: merged.files, outcome, archive, dependencies: 0, verified: None })
}
