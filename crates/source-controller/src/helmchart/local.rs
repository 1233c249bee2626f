//! Phase: a chart in the directory tree of a Git repository or a bucket, packaged, or copied if it is an archive there.
//!
//! Deliberately unpacks the source's archive anew for each build, into a directory of its own that nothing else touches.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sluice_api::meta::Artifact;
use sluice_api::source::{HelmChart, ReconcileStrategy};
use sluice_archive::{Limits, UnpackError};
use sluice_artifact::{ArtifactPath, PathError, Revision};
use sluice_helm::build::{BuildError, BuildReason, Outcome, check_local_path, version_metadata};
use sluice_helm::chart::Chart;
use sluice_helm::dependencies::{self, Request};
use sluice_helm::metadata::Metadata;
use sluice_helm::root::SourceRoot;
use sluice_helm::values;
use sluice_storage::{Storage, VerifyError};

use super::build::{Built, Plan, WorkError, blocking, package, version_with};
use super::source::Tarball;
use super::verdict::Failure;
use super::{Context, dependencies as remote_dependencies};
use crate::source::workdir::WorkDirectory;

/// The source's archive cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnpackFailed {
    /// It names no file of the storage.
    #[error("failed to open source artifact")]
    Path(#[source] PathError),
    /// It is not there any more.
    #[error("failed to open source artifact")]
    Open(#[source] VerifyError),
    /// There is no directory to unpack it to.
    #[error("failed to create temporary directory")]
    Directory(#[source] std::io::Error),
    /// It is damaged, or larger than permitted.
    #[error("failed to untar source artifact")]
    Unpack(#[source] UnpackError),
    /// The process ends.
    #[error("the work was abandoned")]
    Abandoned,
}

/// The source's tree, removed when dropped.
struct Unpacked {
    root: SourceRoot,
    _directory: WorkDirectory,
}

/// What is known once the tree has been read.
enum Read {
    /// All that is needed.
    Whole(Built),
    /// A chart to which others have to be added from elsewhere.
    Chart(Box<Loaded>),
}

struct Loaded {
    chart: Chart,
    values_files: Vec<String>,
    local_dependencies: usize,
    requests: Vec<Request>,
}

/// Builds the chart at the object's path in a source.
pub(crate) async fn build(
    context: &Context,
    object: &HelmChart,
    source: Tarball,
    plan: Plan,
) -> Result<Built, Failure> {
    check_local_path(&object.spec.chart).map_err(|error| BuildError::new(BuildReason::InvalidChartReference, error))?;
    // The phase before has seen to it that there is one.
    let Some(artifact) = source.artifact else { return Err(Failure::Unpack(UnpackFailed::Abandoned)) };
    let metadata = version_metadata(strategy_revision(object, &artifact).as_deref(), plan.version_generation());
    let unpacked = unpack(&context.storage, &artifact).await?;
    let storage = Arc::clone(&context.storage);
    let path = PathBuf::from(&object.spec.chart);
    let read = blocking(BuildReason::ChartPackageError, move || {
        read(&unpacked.root, &path, &plan, (&storage, metadata.as_deref()))
    });
    let loaded = match read.await? {
        Read::Whole(built) => return Ok(built),
        Read::Chart(loaded) => *loaded,
    };
    let Loaded { mut chart, values_files, local_dependencies, requests } = loaded;
    let dependencies = local_dependencies + requests.len();
    let added = remote_dependencies::add_remote(context, object, &mut chart, requests).await;
    added.map_err(|error| BuildError::new(BuildReason::DependencyBuildError, error))?;
    let (name, version) = (chart.metadata.name.clone(), chart.metadata.version.clone());
    let archive = blocking(BuildReason::ChartPackageError, move || package(chart)).await?;
    let (outcome, archive) = (Outcome::Packaged, Some(archive));
    Ok(Built { name, version, values_files, outcome, archive, dependencies, verified: None })
}

/// What identifies the source's revision, if that makes a new version.
fn strategy_revision(object: &HelmChart, artifact: &Artifact) -> Option<String> {
    if object.reconcile_strategy() != ReconcileStrategy::Revision {
        return None;
    }
    let revision = Revision::parse_recorded(&artifact.revision).ok();
    Some(revision.map_or_else(|| artifact.revision.clone(), |revision| revision.digest().to_hex()))
}

async fn unpack(storage: &Arc<Storage>, artifact: &Artifact) -> Result<Unpacked, UnpackFailed> {
    let path: ArtifactPath = artifact.path.parse().map_err(UnpackFailed::Path)?;
    let storage = Arc::clone(storage);
    let unpacked = tokio::task::spawn_blocking(move || {
        let archive = storage.open(&path).map_err(UnpackFailed::Open)?;
        let directory = WorkDirectory::new().map_err(UnpackFailed::Directory)?;
        sluice_archive::unpack(archive, directory.path(), &Limits::default()).map_err(UnpackFailed::Unpack)?;
        let root = SourceRoot::new(directory.path()).map_err(UnpackFailed::Directory)?;
        Ok(Unpacked { root, _directory: directory })
    });
    unpacked.await.unwrap_or(Err(UnpackFailed::Abandoned))
}

/// Reads the chart, or finds that it need not be read. Blocks.
fn read(
    root: &SourceRoot,
    path: &Path,
    plan: &Plan,
    (storage, metadata): (&Storage, Option<&str>),
) -> Result<Read, BuildError> {
    let reference = |error| BuildError::new(BuildReason::InvalidChartReference, error);
    let mut own = Metadata::from_path(root, path, &plan.limits).map_err(reference)?;
    own.validate().map_err(|error| BuildError::new(BuildReason::InvalidChartReference, error))?;
    let version = version_with(&own.version, metadata)?;
    let resolved = root.resolve(path).map_err(|error| BuildError::new(BuildReason::InvalidChartReference, error))?;
    let is_directory = resolved.is_dir();
    let outcome = if is_directory || metadata.is_some() { Outcome::Packaged } else { Outcome::Pulled };
    if let Some(built) = plan.reuse(storage, &own.name, &version, outcome) {
        return Ok(Read::Whole(built));
    }
    if outcome == Outcome::Pulled {
        let archive = std::fs::File::open(&resolved)
            .map_err(|error| BuildError::new(BuildReason::ChartPullError, WorkError::File(error)))?;
        let archive = Some(archive);
        return Ok(Read::Whole(Built {
            name: own.name,
            version,
            values_files: Vec::new(),
            outcome,
            archive,
            dependencies: 0,
            verified: None,
        }));
    }
    let values_error = |error| BuildError::new(BuildReason::ValuesFilesError, error);
    let merged = values::merge_from_source(root, &plan.values_files, plan.missing, plan.limits.file_bytes)
        .map_err(values_error)?;
    let mut chart = Chart::from_path(root, path, &plan.limits)
        .map_err(|error| BuildError::new(BuildReason::ChartPackageError, error))?;
    chart.metadata.version = version;
    if !plan.values_files.is_empty() {
        chart.overwrite_values(&merged.values).map_err(values_error)?;
    }
    let (local_dependencies, requests) =
        if is_directory { add_local(root, path, &mut chart, plan)? } else { (0, Vec::new()) };
    Ok(Read::Chart(Box::new(Loaded { chart, values_files: merged.files, local_dependencies, requests })))
}

/// Adds the charts of the same tree, and says how many, and what is still missing.
fn add_local(
    root: &SourceRoot,
    path: &Path,
    chart: &mut Chart,
    plan: &Plan,
) -> Result<(usize, Vec<Request>), BuildError> {
    let failed = |error| BuildError::new(BuildReason::DependencyBuildError, error);
    let missing = dependencies::missing(chart).map_err(failed)?;
    for dependency in &missing.local {
        let loaded = dependencies::load_local(root, path, dependency, &plan.limits).map_err(failed)?;
        dependencies::add(chart, dependency, loaded);
    }
    Ok((missing.local.len(), missing.remote))
}
