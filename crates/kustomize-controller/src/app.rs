//! Puts the parts together and runs them.
//!
//! Deliberately no logic of its own.

use std::time::Duration;

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Resource;
use sluice_api::ArtifactSource;
use sluice_api::constants::controller;
use sluice_api::kustomize::Kustomization;
use sluice_envsubst::Unset;
use sluice_fetch::{ArtifactCache, FetchLimits, HostOverrides, OpenError};
use sluice_http_client::{ClientConfig, ConfigError, HttpClient};
use sluice_manifest::GroupKind;
use sluice_runtime::cache::{Cache, Cached, Change, Scope, watch_into};
use sluice_runtime::dispatcher::{self, Dispatcher, Waker};
use sluice_runtime::flags::{FeatureGateError, FeatureGates};
use sluice_runtime::metadata_watch::watch_metadata;
use sluice_runtime::process::{Identity, Process, ProcessError};
use sluice_runtime::queue::{Cause, Key};
use sluice_ssa::ApplyOptions;
use tokio_util::sync::CancellationToken;

use crate::flags::{FEATURE_GATES, Flags};
use crate::kustomization::dependencies::BuiltInCheck;
use crate::kustomization::source::{Access, Lookup, Sources};
use crate::kustomization::{
    KustomizationReconciler, Parts, Settings, config_index, index, key_of, source_index, wants_revision,
};

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
    let process = Process::start(identity, &flags.common, |_| ()).await?;
    let client = process.client().clone();
    let sources = Sources {
        client: client.clone(),
        git: Cache::default(),
        oci: Cache::default(),
        bucket: Cache::default(),
        external: gates.enabled("ExternalArtifact").then(Cache::default),
    };
    let kustomizations = Cache::with_index(index);
    let parts = Parts {
        client: client.clone(),
        sources: sources.clone(),
        kustomizations: kustomizations.clone(),
        artifacts: ArtifactCache::new(&flags.artifact_cache_path, FetchLimits::default())
            .map_err(AppError::Artifacts)?,
        http: HttpClient::new(&ClientConfig::default()).map_err(AppError::Http)?,
    };
    let dispatcher = Dispatcher::new(
        KustomizationReconciler::new(parts, settings(&flags, &gates)),
        client.clone(),
        kustomizations.clone(),
        process.recorder().clone(),
        process.metrics().clone(),
        dispatcher_settings(&flags, &process),
    );
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
        default_service_account: flags.default_service_account.clone(),
        hosts: HostOverrides { source_controller: host, source_watcher: None },
        apply: ApplyOptions {
            custom_stage: custom_stage.collect(),
            override_managers: flags.override_manager.clone(),
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
