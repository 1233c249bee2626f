//! Puts the parts together and runs them.
//!
//! Deliberately no logic of its own.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sluice_api::constants::controller;
use sluice_artifact::{Algorithm, UnknownAlgorithm};
use sluice_runtime::cache::Cache;
use sluice_runtime::dispatcher::{Dispatcher, Settings};
use sluice_runtime::flags::{FeatureGateError, FeatureGates};
use sluice_runtime::probes;
use sluice_runtime::process::{Identity, Process, ProcessError};
use sluice_storage::{AddressError, InvalidRoot, Retention, Storage, advertised_host};

use crate::file_server;
use crate::flags::{FEATURE_GATES, Flags};
use crate::gitrepository::GitRepositoryPhases;
use crate::source::SourceReconciler;

/// Bound of running passes at the end; the stock Deployment gives 10 s in all, and a fetch can be started over at no loss.
const DRAIN: Duration = Duration::from_secs(4);

/// The controller cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// `--feature-gates` is wrong.
    #[error(transparent)]
    FeatureGates(#[from] FeatureGateError),
    /// `--artifact-digest-algo` is wrong.
    #[error("--artifact-digest-algo")]
    Algorithm(#[source] UnknownAlgorithm),
    /// `--default-service-account` needs a gate.
    #[error("--default-service-account needs the feature gate ObjectLevelWorkloadIdentity")]
    DefaultServiceAccount,
    /// `--storage-path` is no directory.
    #[error("--storage-path")]
    Storage(#[source] InvalidRoot),
    /// `--storage-addr` names no host.
    #[error("--storage-addr")]
    Advertise(#[source] AddressError),
    /// The process failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// Runs source-controller until it is told to end.
///
/// # Errors
/// See [`AppError`].
pub async fn run(flags: Flags) -> Result<(), AppError> {
    let gates = FeatureGates::parse(&flags.common.feature_gates, &FEATURE_GATES)?;
    if !flags.default_service_account.is_empty() && !gates.enabled("ObjectLevelWorkloadIdentity") {
        return Err(AppError::DefaultServiceAccount);
    }
    let identity = Identity {
        controller: controller::SOURCE,
        events_addr: &flags.events_addr,
        label_selector: &flags.shard.watch_label_selector,
    };
    let process = Process::start(identity, &flags.common, |_| ()).await?;
    let storage = Arc::new(open_storage(&flags, process.hostname())?);
    let dispatcher = Dispatcher::new(
        SourceReconciler::new(
            GitRepositoryPhases::new(process.client().clone(), Arc::clone(&storage), flags.git_mirror_path.clone()),
            Arc::clone(&storage),
        ),
        process.client().clone(),
        Cache::default(),
        process.recorder().clone(),
        process.metrics().clone(),
        settings(&flags, &process),
    );
    let storage_addr = flags.storage_addr.clone();
    process
        .lead(move |stop| async move {
            // Only the leader serves: a standby's storage is empty, and the readiness probe of the stock Deployment relies on it.
            let serving = serve_artifacts(&storage_addr, storage.root(), stop.clone());
            tokio::select! {
                () = dispatcher.run(stop.clone()) => Ok(()),
                Err(source) = serving => Err(ProcessError::Serve { name: "artifact", source }),
            }
        })
        .await?;
    Ok(())
}

fn open_storage(flags: &Flags, hostname: &str) -> Result<Storage, AppError> {
    let host = match flags.storage_adv_addr.as_str() {
        "" => advertised_host(&flags.storage_addr, hostname).map_err(AppError::Advertise)?,
        given => given.to_owned(),
    };
    let retention = Retention { ttl: flags.artifact_retention_ttl, records: flags.artifact_retention_records };
    let algorithm: Algorithm = flags.artifact_digest_algo.parse().map_err(AppError::Algorithm)?;
    Storage::new(&flags.storage_path, &host, retention, algorithm).map_err(AppError::Storage)
}

fn settings(flags: &Flags, process: &Process) -> Settings {
    Settings {
        concurrent: flags.concurrent,
        scope: process.scope(),
        field_manager: controller::SOURCE,
        min_retry_delay: flags.common.retry.min_retry_delay,
        max_retry_delay: flags.common.retry.max_retry_delay,
        jitter_percentage: flags.shard.interval_jitter_percentage,
        drain: DRAIN,
    }
}

async fn serve_artifacts(address: &str, root: &Path, stop: tokio_util::sync::CancellationToken) -> std::io::Result<()> {
    match probes::bind("--storage-addr", address).await? {
        Some(listener) => probes::serve(listener, file_server::routes(root.to_owned()), stop).await,
        None => Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "--storage-addr must not be empty")),
    }
}
