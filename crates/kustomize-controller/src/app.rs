//! Puts the parts together and runs them.
//!
//! Deliberately no logic of its own.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Client, Resource};
use sluice_api::ArtifactSource;
use sluice_api::constants::controller;
use sluice_api::kustomize::Kustomization;
use sluice_cloud_identity::{Platform, Transport};
use sluice_envsubst::Unset;
use sluice_fetch::{ArtifactCache, FetchLimits, HostOverrides, OpenError};
use sluice_http_client::{ClientConfig, ConfigError, HttpClient};
use sluice_manifest::GroupKind;
use sluice_remote_bases as remote_bases;
use sluice_runtime::cache::{Cache, Cached, Change, Scope, watch_into};
use sluice_runtime::dispatcher::{self, Dispatcher, Waker};
use sluice_runtime::flags::{FeatureGateError, FeatureGates};
use sluice_runtime::metadata_watch::watch_metadata;
use sluice_runtime::process::{Identity, Process, ProcessError};
use sluice_runtime::queue::{Cause, Key};
use sluice_runtime::recorder::{Involved, Notice, Recorder, Severity};
use sluice_ssa::{ApplyOptions, Discovery, Drift, DriftKind, FailFast, Observer, ObserverSettings, VersionMigration};
use sluice_workload_identity::{Identities, ServiceAccountIdentity, TokenMetrics};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cluster::{self, Clusters, TlsPolicy};
use crate::flags::{FEATURE_GATES, Flags};
use crate::kustomization::decrypt::{self, AccessSettings, KeySettings};
use crate::kustomization::dependencies::BuiltInCheck;
use crate::kustomization::drift::{Mode, Watchkeeper};
use crate::kustomization::health::OnTrigger;
use crate::kustomization::metrics::BuildMetrics;
use crate::kustomization::source::{Access, Lookup, Sources};
use crate::kustomization::{
    KustomizationReconciler, Parts, Settings, config_index, index, key_of, source_index, wants_revision,
};

/// Reason of events about drift.
const DRIFT_DETECTED: &str = "DriftDetected";

/// Bound of running passes at the end; the stock Deployment gives 60 s in all, and an apply should not stop in the middle.
const DRAIN: Duration = Duration::from_secs(25);

/// The controller cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// `--feature-gates` is wrong.
    #[error(transparent)]
    FeatureGates(#[from] FeatureGateError),
    /// A flag needs a gate.
    #[error("{0} needs the feature gate ObjectLevelWorkloadIdentity")]
    NeedsGate(&'static str),
    /// `--artifact-cache-path` cannot be used.
    #[error("--artifact-cache-path")]
    Artifacts(#[source] OpenError),
    /// The HTTP client for artifacts cannot be made.
    #[error("cannot make the HTTP client for artifacts")]
    Http(#[source] ConfigError),
    /// The process failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
}

/// Runs kustomize-controller until it is told to end.
///
/// # Errors
/// See [`AppError`].
pub async fn run(flags: Flags) -> Result<(), AppError> {
    let gates = FeatureGates::parse(&flags.common.feature_gates, &FEATURE_GATES)?;
    check_gated_flags(&flags, &gates)?;
    let identity = Identity {
        controller: controller::KUSTOMIZE,
        events_addr: &flags.events_addr,
        label_selector: &flags.shard.watch_label_selector,
    };
    let mut series = (BuildMetrics::default(), TokenMetrics::default());
    let register = |registry: &mut _| series = (BuildMetrics::register(registry), TokenMetrics::register(registry));
    let process = Process::start(identity, &flags.common, register).await?;
    let client = process.client().clone();
    let sources = Sources {
        client: client.clone(),
        git: Cache::default(),
        oci: Cache::default(),
        bucket: Cache::default(),
        external: gates.enabled("ExternalArtifact").then(Cache::default),
    };
    let kustomizations = Cache::with_index(index);
    let discovery = Arc::new(Discovery::new(client.clone()));
    let identities = identities(&flags, &gates, &client, series.1);
    let keeper = DriftKeeper {
        kustomizations: kustomizations.clone(),
        recorder: process.recorder().clone(),
        metrics: series.0.clone(),
        watchkeeper: Watchkeeper::default(),
        mode: flags.drift,
        waker: Arc::default(),
    };
    let parts = Parts {
        client: client.clone(),
        sources: sources.clone(),
        kustomizations: kustomizations.clone(),
        artifacts: ArtifactCache::new(&flags.artifact_cache_path, FetchLimits::default())
            .map_err(AppError::Artifacts)?,
        http: HttpClient::new(&ClientConfig::default()).map_err(AppError::Http)?,
        clusters: clusters(&flags, &client, &discovery, identities.clone())?,
        decryption: decrypt::Access {
            identities,
            transport: Transport::new(&ClientConfig::default()).map_err(AppError::Http)?,
        },
        key_services: sluice_sops::Services::client(&ClientConfig::default()).map_err(AppError::Http)?,
        observer: observer(&flags, &process, &discovery, keeper.clone()),
        watchkeeper: keeper.watchkeeper.clone(),
        metrics: series.0,
    };
    let dispatcher = Dispatcher::new(
        KustomizationReconciler::new(parts, settings(&flags, &gates)),
        client.clone(),
        kustomizations.clone(),
        process.recorder().clone(),
        process.metrics().clone(),
        dispatcher_settings(&flags, &process),
    );
    // Nothing is observed before the first pass, so nothing is missed.
    let _ = keeper.waker.set(dispatcher.waker());
    let wake = Wake { client, scope: process.unlabelled_scope(), kustomizations, waker: dispatcher.waker() };
    let configs = (!gates.enabled("DisableConfigWatchers")).then(|| flags.common.watch_configs_label_selector.clone());
    process
        .lead(move |stop| async move {
            wake.on(sources.git, &stop);
            wake.on(sources.oci, &stop);
            wake.on(sources.bucket, &stop);
            if let Some(external) = sources.external {
                wake.on(external, &stop);
            }
            if let Some(selector) = configs {
                wake.on_config::<ConfigMap>(&selector, &stop);
                wake.on_config::<Secret>(&selector, &stop);
            }
            dispatcher.run(stop).await;
            Ok(())
        })
        .await?;
    Ok(())
}

fn check_gated_flags(flags: &Flags, gates: &FeatureGates) -> Result<(), AppError> {
    let named = [
        (&flags.default_decryption_service_account, "--default-decryption-service-account"),
        (&flags.default_kubeconfig_service_account, "--default-kubeconfig-service-account"),
    ];
    match named.into_iter().find(|(value, _)| !value.is_empty()) {
        Some((_, name)) if !gates.enabled("ObjectLevelWorkloadIdentity") => Err(AppError::NeedsGate(name)),
        _ => Ok(()),
    }
}

/// Wakes Kustomizations when their source has something new.
struct Wake {
    client: kube::Client,
    scope: Scope,
    kustomizations: Cache<Kustomization>,
    waker: Waker,
}

impl Wake {
    fn on<K: Cached + ArtifactSource>(&self, sources: Cache<K>, stop: &CancellationToken) {
        let (kustomizations, waker) = (self.kustomizations.clone(), self.waker.clone());
        let on_change = move |change: Change<K>| {
            let Some(revision) = new_revision(&change) else { return };
            let cause = Cause { kind: K::kind(&()).into_owned(), key: change.key.clone() };
            for object in kustomizations.indexed(&source_index(&cause.kind, &change.key)) {
                if wants_revision(&object, &revision) {
                    waker.wake_because(key_of(&object), cause.clone());
                }
            }
        };
        tokio::spawn(watch_into(self.client.clone(), self.scope.clone(), sources, on_change, stop.clone()));
    }

    /// Wakes those who read a `ConfigMap` or Secret that changed. The selector keeps the watch small: most of a cluster's are nobody's here.
    fn on_config<K>(&self, selector: &str, stop: &CancellationToken)
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + std::fmt::Debug + Send + 'static,
    {
        let (kustomizations, waker) = (self.kustomizations.clone(), self.waker.clone());
        let on_change = move |key: &Key| {
            let cause = Cause { kind: K::kind(&()).into_owned(), key: key.clone() };
            for object in kustomizations.indexed(&config_index(&cause.kind, key)) {
                waker.wake_because(key_of(&object), cause.clone());
            }
        };
        let scope = Scope { label_selector: selector.to_owned(), ..self.scope.clone() };
        tokio::spawn(watch_metadata::<K>(self.client.clone(), scope, on_change, stop.clone()));
    }
}

/// The revision of a source that now has an artifact where it had none, or one of another revision.
fn new_revision<K: Cached + ArtifactSource>(change: &Change<K>) -> Option<String> {
    let revision = |entry: &Option<sluice_runtime::cache::Entry<K>>| {
        entry.as_ref().and_then(|entry| entry.decoded()?.artifact().map(|artifact| artifact.revision.clone()))
    };
    let new = revision(&change.new)?;
    (revision(&change.old).as_ref() != Some(&new)).then_some(new)
}

fn identities(flags: &Flags, gates: &FeatureGates, client: &Client, metrics: TokenMetrics) -> Identities {
    let settings = sluice_workload_identity::Settings {
        permission: identity_permission(gates),
        cache_size: flags.token_cache_max_size,
        cache_duration: flags.token_cache_max_duration,
    };
    Identities::new(client.clone(), Platform::of_process(), settings, metrics)
}

fn clusters(
    flags: &Flags,
    client: &Client,
    discovery: &Arc<Discovery>,
    identities: Identities,
) -> Result<Clusters, AppError> {
    let settings = cluster::Settings {
        default_service_account: flags.default_service_account.clone(),
        default_kubeconfig_service_account: flags.default_kubeconfig_service_account.clone(),
        tls: if flags.insecure_kubeconfig_tls { TlsPolicy::MayBeInsecure } else { TlsPolicy::AlwaysVerify },
    };
    Clusters::new(client.clone(), Arc::clone(discovery), identities, settings).map_err(AppError::Http)
}

fn keys(flags: &Flags) -> KeySettings {
    KeySettings {
        age_secret: flags.sops_age_secret.clone(),
        runtime_namespace: flags.common.runtime_namespace.clone(),
        access: AccessSettings {
            default_service_account: flags.default_decryption_service_account.clone(),
            vault_config_map: flags.sops_vault_configmap.clone(),
        },
    }
}

fn identity_permission(gates: &FeatureGates) -> ServiceAccountIdentity {
    if gates.enabled("ObjectLevelWorkloadIdentity") {
        ServiceAccountIdentity::Permitted
    } else {
        ServiceAccountIdentity::Refused
    }
}

fn observer(flags: &Flags, process: &Process, discovery: &Arc<Discovery>, keeper: DriftKeeper) -> Observer {
    let settings = ObserverSettings {
        override_managers: flags.override_manager.clone(),
        on_drift: Arc::new(move |drift| keeper.respond(&drift)),
        stop: process.shutdown().clone(),
        ..ObserverSettings::new(controller::KUSTOMIZE)
    };
    Observer::new(process.client().clone(), Arc::clone(discovery), settings)
}

/// What drift leads to: the decision is made in `kustomization::drift`, here it is carried out.
#[derive(Clone)]
struct DriftKeeper {
    kustomizations: Cache<Kustomization>,
    recorder: Recorder,
    metrics: BuildMetrics,
    watchkeeper: Watchkeeper,
    mode: Mode,
    waker: Arc<OnceLock<Waker>>,
}

impl DriftKeeper {
    fn respond(&self, drift: &Drift) {
        let owner = Key::new(drift.owner.namespace.clone(), drift.owner.name.clone());
        let Some(object) = self.kustomizations.get(&owner) else { return };
        self.metrics.drifted(match drift.kind {
            DriftKind::Changed => "changed",
            DriftKind::Deleted => "deleted",
        });
        let response = self.watchkeeper.respond(drift, Mode::of(&object, self.mode), Instant::now());
        if let Some(message) = response.message {
            let notice = Notice::new(Severity::Info, DRIFT_DETECTED, message);
            self.recorder.record(&Involved::of(object.as_ref()), object.metadata.annotations.as_ref(), notice);
        }
        if let (Some(delay), Some(waker)) = (response.wake_after, self.waker.get()) {
            waker.wake_sooner(owner, delay);
        }
    }
}

fn settings(flags: &Flags, gates: &FeatureGates) -> Settings {
    let custom_stage =
        flags.custom_apply_stage_kinds.iter().filter(|kind| !kind.is_empty()).map(|kind| match kind.rsplit_once('/') {
            Some((group, kind)) => GroupKind { group: group.to_owned(), kind: kind.to_owned() },
            None => GroupKind { group: String::new(), kind: kind.clone() },
        });
    let host = Some(flags.source_controller_localhost.clone()).filter(|host| !host.is_empty());
    Settings {
        requeue_dependency: flags.requeue_dependency,
        http_retry: flags.http_retry,
        access: if flags.no_cross_namespace_refs { Access::SameNamespace } else { Access::AnyNamespace },
        remote_bases: if flags.no_remote_bases {
            remote_bases::Scope::FilesOnly
        } else {
            remote_bases::Scope::Everything
        },
        identity: identity_permission(gates),
        keys: keys(flags),
        fail_fast: if gates.enabled("DisableFailFastBehavior") { FailFast::No } else { FailFast::Yes },
        on_trigger: if gates.enabled("CancelHealthCheckOnNewRevision") { OnTrigger::Cancel } else { OnTrigger::GoOn },
        hosts: HostOverrides { source_controller: host, source_watcher: None },
        apply: ApplyOptions {
            custom_stage: custom_stage.collect(),
            override_managers: flags.override_manager.clone(),
            version_migration: if gates.enabled("MigrateAPIVersion") {
                VersionMigration::Rewrite
            } else {
                VersionMigration::Leave
            },
            ..ApplyOptions::default()
        },
        concurrent_ssa: flags.concurrent_ssa,
        built_in_check: if gates.enabled("AdditiveCELDependencyCheck") {
            BuiltInCheck::Always
        } else {
            BuiltInCheck::ReplacedByExpression
        },
        unset_variable: if gates.enabled("StrictPostBuildSubstitutions") { Unset::Fail } else { Unset::Empty },
        lookup: if gates.enabled("DirectSourceFetch") { Lookup::Live } else { Lookup::Cached },
    }
}

fn dispatcher_settings(flags: &Flags, process: &Process) -> dispatcher::Settings {
    dispatcher::Settings {
        concurrent: flags.concurrent,
        scope: process.scope(),
        field_manager: controller::KUSTOMIZE_STATUS,
        min_retry_delay: flags.common.retry.min_retry_delay,
        max_retry_delay: flags.common.retry.max_retry_delay,
        jitter_percentage: flags.shard.interval_jitter_percentage,
        drain: DRAIN,
    }
}
