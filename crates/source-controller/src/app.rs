//! Puts the parts together and runs them.
//!
//! Deliberately no logic of its own.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use sluice_api::constants::controller;
use sluice_artifact::{Algorithm, UnknownAlgorithm};
use sluice_cloud_identity::Platform;
use sluice_git::{ClientPool, SshAlgorithms};
use sluice_helm::chart::ChartLimits;
use sluice_runtime::cache::Cache;
use sluice_runtime::dispatcher::{Dispatcher, Reconciler, Settings, Waker};
use sluice_runtime::flags::{FeatureGateError, FeatureGates};
use sluice_runtime::probes;
use sluice_runtime::process::{Identity, Process, ProcessError};
use sluice_storage::{AddressError, InvalidRoot, Retention, Storage, advertised_host};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::bucket::BucketPhases;
use crate::file_server;
use crate::flags::{FEATURE_GATES, Flags};
use crate::gitrepository::{self, Connections, GitRepositoryPhases, Providers};
use crate::helmchart::{self, HelmChartPhases, HelmLimits};
use crate::helmrepository::{self, HelmRepositoryPhases};
use crate::ocirepository::OciRepositoryPhases;
use crate::source::SourceReconciler;
use crate::source::identity::{self, Identities, ServiceAccountIdentity, TokenMetrics};
use crate::source::registry::Registries;
use crate::source::verify::PublicRoot;
use crate::source::workdir;

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
    let mut token_metrics = TokenMetrics::default();
    let register = |registry: &mut _| token_metrics = TokenMetrics::register(registry);
    let process = Process::start(identity, &flags.common, register).await?;
    let storage = Arc::new(open_storage(&flags, process.hostname())?);
    collect_left_over();
    let client = || process.client().clone();
    let clouds = identities(&flags, &gates, client(), token_metrics);
    let registries = Registries::new(client(), clouds.clone());
    let public_root = PublicRoot::below(Path::new(&flags.sigstore_root_path));
    let repositories = gitrepository::cache();
    let git = GitRepositoryPhases::new(
        client(),
        Arc::clone(&storage),
        repositories.clone(),
        connections(&flags, &clouds),
        gitrepository::Settings {
            mirror_root: flags.git_mirror_path.clone(),
            requeue_dependency: flags.requeue_dependency,
        },
    );
    let oci = OciRepositoryPhases::new(client(), Arc::clone(&storage), registries.clone(), public_root.clone());
    let mut kinds = Kinds::default();
    let helm_repositories = Cache::with_index(helmrepository::index_names);
    let helm = HelmRepositoryPhases::new(client(), Arc::clone(&storage), registries.clone(), flags.helm_index_max_size);
    let buckets = Cache::default();
    let chart_sources = helmchart::Sources {
        client: client(),
        git: repositories.clone(),
        helm: helm_repositories.clone(),
        bucket: buckets.clone(),
    };
    let charts = HelmChartPhases::new(helmchart::Context {
        client: client(),
        storage: Arc::clone(&storage),
        sources: chart_sources,
        limits: helm_limits(&flags),
        registries: registries.clone(),
        public_root: public_root.clone(),
    });
    let chart_cache = Cache::with_index(helmchart::index_names);
    let charts = SourceReconciler::new(charts, Arc::clone(&storage));
    let waker = kinds.drive_with(charts, chart_cache.clone(), &process, &flags);
    let charts = helmchart::wake_dependants(chart_cache, waker);
    let git = SourceReconciler::new(git, Arc::clone(&storage)).telling(Arc::clone(&charts));
    kinds.drive_with(git, repositories, &process, &flags);
    let helm = SourceReconciler::new(helm, Arc::clone(&storage)).telling(Arc::clone(&charts));
    kinds.drive_with(helm, helm_repositories, &process, &flags);
    kinds.drive(SourceReconciler::new(oci, Arc::clone(&storage)), &process, &flags);
    let bucket = BucketPhases::new(client(), Arc::clone(&storage), clouds);
    let bucket = SourceReconciler::new(bucket, Arc::clone(&storage)).telling(charts);
    kinds.drive_with(bucket, buckets, &process, &flags);
    let storage_addr = flags.storage_addr.clone();
    process
        .lead(move |stop| async move {
            // Only the leader serves: a standby's storage is empty, and the readiness probe of the stock Deployment relies on it.
            let serving = serve_artifacts(&storage_addr, storage.root(), stop.clone());
            tokio::select! {
                () = kinds.run(stop.clone()) => Ok(()),
                Err(source) = serving => Err(ProcessError::Serve { name: "artifact", source }),
            }
        })
        .await?;
    Ok(())
}

/// A kind's dispatcher, ready to run until it is told to stop.
type Driven = Box<dyn FnOnce(CancellationToken) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// The dispatchers of all kinds.
#[derive(Default)]
struct Kinds(Vec<Driven>);

impl Kinds {
    /// Adds a kind, and returns what wakes objects of it.
    fn drive<R: Reconciler>(&mut self, reconciler: R, process: &Process, flags: &Flags) -> Waker {
        self.drive_with(reconciler, Cache::default(), process, flags)
    }

    /// [`Kinds::drive`] with a cache that others look into as well.
    fn drive_with<R: Reconciler>(
        &mut self,
        reconciler: R,
        cache: Cache<R::Object>,
        process: &Process,
        flags: &Flags,
    ) -> Waker {
        let dispatcher = Dispatcher::new(
            reconciler,
            process.client().clone(),
            cache,
            process.recorder().clone(),
            process.metrics().clone(),
            settings(flags, process),
        );
        let waker = dispatcher.waker();
        self.0.push(Box::new(|stop| Box::pin(dispatcher.run(stop))));
        waker
    }

    /// Runs them all, each in a task of its own, until `stop` is cancelled.
    async fn run(self, stop: CancellationToken) {
        let mut running = JoinSet::new();
        for driven in self.0 {
            running.spawn(driven(stop.clone()));
        }
        while let Some(ended) = running.join_next().await {
            // A controller without one of its kinds would look alive and do nothing; better it ends and is started anew.
            if let Err(error) = ended
                && let Ok(panic) = error.try_into_panic()
            {
                std::panic::resume_unwind(panic);
            }
        }
    }
}

/// Bounds of charts and indexes.
fn helm_limits(flags: &Flags) -> HelmLimits {
    let chart = ChartLimits {
        archive_bytes: flags.helm_chart_max_size,
        file_bytes: flags.helm_chart_file_max_size,
        ..ChartLimits::DEFAULT
    };
    HelmLimits { chart, index_bytes: flags.helm_index_max_size }
}

/// Whether objects may log in at clouds with a service account of theirs.
fn service_account_identity(gates: &FeatureGates) -> ServiceAccountIdentity {
    if gates.enabled("ObjectLevelWorkloadIdentity") {
        ServiceAccountIdentity::Permitted
    } else {
        ServiceAccountIdentity::Refused
    }
}

/// Who objects are to clouds. The environment is read here and never again.
fn identities(flags: &Flags, gates: &FeatureGates, client: Client, metrics: TokenMetrics) -> Identities {
    let settings = identity::Settings {
        permission: service_account_identity(gates),
        default_account: flags.default_service_account.clone(),
        cache_size: flags.token_cache_max_size,
        cache_duration: flags.token_cache_max_duration,
    };
    Identities::new(client, Platform::of_process(), settings, metrics)
}

/// Makes room of what a process that was killed has left, beside everything else: nothing waits for it.
fn collect_left_over() {
    tokio::task::spawn_blocking(|| match workdir::collect_left_over(&std::env::temp_dir()) {
        Ok(0) => {}
        Ok(removed) => tracing::info!(removed, "removed temporary directories of an earlier process"),
        Err(error) => tracing::warn!(%error, "cannot look for temporary directories of an earlier process"),
    });
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

/// What all Git remotes share. Algorithms that are not known are left out, as in any negotiation.
fn connections(flags: &Flags, clouds: &Identities) -> Connections {
    let (ssh, unknown) = SshAlgorithms::from_names(&flags.ssh_hostkey_algos, &flags.ssh_kex_algos);
    if !unknown.is_empty() {
        tracing::error!(algorithms = unknown.join(","), "unknown SSH algorithms are left out");
    }
    Connections { pool: ClientPool::default(), ssh, providers: Providers::new(clouds.clone()) }
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

async fn serve_artifacts(address: &str, root: &Path, stop: CancellationToken) -> std::io::Result<()> {
    match probes::bind("--storage-addr", address).await? {
        Some(listener) => probes::serve(listener, file_server::routes(root.to_owned()), stop).await,
        None => Err(std::io::Error::new(std::io::ErrorKind::InvalidInput, "--storage-addr must not be empty")),
    }
}
