//! What is asked of a build, and what comes of it.
//!
//! Deliberately no work beyond comparing with the stored chart and writing an archive to a temporary file.

use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::sync::Arc;

use sluice_api::meta::Artifact;
use sluice_api::source::HelmChart;
use sluice_artifact::ArtifactPath;
use sluice_helm::build::{self, BuildError, BuildReason, Outcome};
use sluice_helm::chart::{Chart, ChartLimits};
use sluice_helm::metadata::Metadata;
use sluice_helm::values::{self, Missing};
use sluice_storage::Storage;

/// What the object asks for.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The values files that have an effect.
    pub(crate) values_files: Vec<String>,
    /// Whether one of them may be missing.
    pub(crate) missing: Missing,
    /// The object's generation.
    pub(crate) generation: i64,
    /// The stored chart, unless the spec changed since it was made.
    pub(crate) reusable: Option<ArtifactPath>,
    /// The values files of the stored chart, where the status tells.
    pub(crate) observed_values_files: Vec<String>,
    /// Bounds.
    pub(crate) limits: ChartLimits,
}

/// A chart.
#[derive(Debug)]
pub(crate) struct Built {
    pub(crate) name: String,
    pub(crate) version: String,
    /// Those that were merged.
    pub(crate) values_files: Vec<String>,
    pub(crate) outcome: Outcome,
    /// At its start; none if the stored chart is what it should be.
    pub(crate) archive: Option<File>,
    /// How many were added.
    pub(crate) dependencies: usize,
    /// The version whose signature is good, if one was demanded.
    pub(crate) verified: Option<String>,
}

/// A temporary file failed, or the process ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkError {
    /// There is none, or it cannot be written.
    #[error("failed to use temporary file")]
    File(#[source] io::Error),
    /// Because the process ends.
    #[error("the work was abandoned")]
    Abandoned,
}

impl Plan {
    /// What `object` asks for, with `stored` as its artifact.
    pub(crate) fn new(object: &HelmChart, stored: Option<&Artifact>, limits: ChartLimits) -> Self {
        let generation = object.metadata.generation.unwrap_or(0);
        let status = object.status.clone().unwrap_or_default();
        // Any change of the spec makes the chart anew: which of them matter would be hard to tell for the user.
        let reusable = stored.filter(|_| status.observed_generation == Some(generation));
        let missing = if object.spec.ignore_missing_values_files { Missing::Ignored } else { Missing::Refused };
        Self {
            values_files: values::effective(&object.spec.values_files).to_vec(),
            missing,
            generation,
            reusable: reusable.and_then(|artifact| artifact.path.parse().ok()),
            observed_values_files: status.observed_values_files,
            limits,
        }
    }

    /// The generation, if it is part of the version.
    pub(crate) fn version_generation(&self) -> Option<i64> {
        (!self.values_files.is_empty()).then_some(self.generation)
    }

    /// The stored chart if it has that name and version. Blocks.
    pub(crate) fn reuse(&self, storage: &Storage, name: &str, version: &str, outcome: Outcome) -> Option<Built> {
        let file = storage.open(self.reusable.as_ref()?).ok()?;
        let stored = Metadata::from_archive_start(io::BufReader::new(file), &self.stored_limits()).ok()?;
        if (stored.name.as_str(), stored.version.as_str()) != (name, version) {
            return None;
        }
        let observed = &self.observed_values_files;
        let values_files = if observed.is_empty() { &self.values_files } else { observed }.clone();
        let (name, version) = (name.to_owned(), version.to_owned());
        Some(Built { name, version, values_files, outcome, archive: None, dependencies: 0, verified: None })
    }

    /// As [`Plan::reuse`], where blocking is not allowed.
    pub(crate) async fn reuse_stored(
        &self,
        storage: &Arc<Storage>,
        (name, version): (&str, &str),
        outcome: Outcome,
    ) -> Option<Built> {
        let (plan, storage) = (self.clone(), Arc::clone(storage));
        let (name, version) = (name.to_owned(), version.to_owned());
        let look = move || plan.reuse(&storage, &name, &version, outcome);
        tokio::task::spawn_blocking(look).await.ok().flatten()
    }

    /// What we packaged ourselves may be larger than what may come from outside.
    fn stored_limits(&self) -> ChartLimits {
        ChartLimits { archive_bytes: u64::MAX, ..self.limits }
    }
}

impl Built {
    /// The summary for people.
    pub(crate) fn summary(&self) -> String {
        build::summary(self.outcome, &self.name, &self.version, &self.values_files)
    }

    /// Whether the artifact is of this chart and version.
    pub(crate) fn is_published(&self, object: &HelmChart, stored: Option<&Artifact>) -> bool {
        let observed = object.status.as_ref().and_then(|status| status.observed_chart_name.as_deref());
        observed == Some(&self.name) && stored.is_some_and(|artifact| artifact.revision == self.version)
    }
}

/// The version with that metadata, if any.
pub(crate) fn version_with(version: &str, metadata: Option<&str>) -> Result<String, BuildError> {
    match metadata {
        Some(metadata) => build::version_with_metadata(version, metadata)
            .map_err(|error| BuildError::new(BuildReason::MetadataPatchError, error)),
        None => Ok(version.to_owned()),
    }
}

/// Packages a chart into a temporary file, which is at its start then. Blocks.
pub(crate) fn package(mut chart: Chart) -> Result<File, BuildError> {
    let failed = |error: io::Error| BuildError::new(BuildReason::ChartPackageError, WorkError::File(error));
    let now = jiff::Timestamp::now().as_second().max(0).unsigned_abs();
    let out = io::BufWriter::new(tempfile::tempfile().map_err(failed)?);
    let packaged = chart.package(out, now);
    let mut out = packaged.map_err(|error| BuildError::new(BuildReason::ChartPackageError, error))?;
    out.flush().map_err(failed)?;
    let mut file = out.into_inner().map_err(|error| failed(error.into_error()))?;
    file.rewind().map_err(failed)?;
    Ok(file)
}

/// Does work that blocks.
pub(crate) async fn blocking<T: Send + 'static>(
    reason: BuildReason,
    work: impl FnOnce() -> Result<T, BuildError> + Send + 'static,
) -> Result<T, BuildError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|_| Err(BuildError::new(reason, WorkError::Abandoned)))
}
