//! Puts the parts together and runs them.
//!
//! Deliberately no logic of its own.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use sluice_api::constants::controller;
use sluice_api::notification::{Alert, Provider, Receiver};
use sluice_cloud_identity::Platform;
use sluice_runtime::backoff::Backoff;
use sluice_runtime::cache::{Cache, Cached, Change, Scope, watch_into};
use sluice_runtime::dispatcher::{Dispatcher, Settings, Waker};
use sluice_runtime::flags::{FeatureGateError, FeatureGates};
use sluice_runtime::metadata_watch::watch_metadata;
use sluice_runtime::process::{Identity, Process, ProcessError};
use sluice_runtime::queue::Key;
use sluice_workload_identity::{Identities, ServiceAccountIdentity, TokenMetrics};
use tokio_util::sync::CancellationToken;

use crate::cluster::KubeSecrets;
use crate::events::ProviderIdentities;
use crate::finalizers::{Keeper, StaticKind};
use crate::flags::{DISABLE_CONFIG_WATCHERS, FEATURE_GATES, Flags, OBJECT_LEVEL_WORKLOAD_IDENTITY};
use crate::receiver::{ReceiverReconciler, secret_index, secret_indexes};
use crate::servers::{ServerMetrics, Servers, ServersError};
use crate::stores::Stores;

/// Bound of running passes at the end. Each is one read of a Secret; the stock Deployment gives 10 s for everything.
const PASS_DRAIN: Duration = Duration::from_secs(2);

/// The controller cannot start, or cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// `--feature-gates` is wrong.
    #[error(transparent)]
    FeatureGates(#[from] FeatureGateError),
    /// `--default-service-account` needs a gate.
    #[error("--default-service-account needs the feature gate ObjectLevelWorkloadIdentity")]
    DefaultServiceAccount,
    /// The process failed.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// The HTTP servers cannot start.
    #[error(transparent)]
    Servers(#[from] ServersError),
}

/// Runs notification-controller until it is told to end.
///
/// # Errors
/// See [`AppError`].
pub async fn run(flags: Flags) -> Result<(), AppError> {
    let gates = FeatureGates::parse(&flags.common.feature_gates, &FEATURE_GATES)?;
    if !flags.default_service_account.is_empty() && !gates.enabled(OBJECT_LEVEL_WORKLOAD_IDENTITY) {
        return Err(AppError::DefaultServiceAccount);
    }
    // Its own events go to the Kubernetes API only: a warning about an Alert must not come back as an event for that Alert.
    let identity = Identity { controller: controller::NOTIFICATION, events_addr: "", label_selector: "" };
    let metrics = ServerMetrics::new(&flags);
    let mut tokens = TokenMetrics::default();
    let register = |registry: &mut _| {
        metrics.register(registry);
        tokens = TokenMetrics::register(registry);
    };
    let process = Process::start(identity, &flags.common, register).await?;
    let stores = Stores::default();
    let identities = identities(&process, &flags, &gates, tokens);
    let servers = Arc::new(Servers::start(&process, &flags, &stores, &identities, metrics.clone()).await?);

    let providers = keeper(&process, &flags, &stores.providers);
    let alerts = keeper(&process, &flags, &stores.alerts);
    let note = providers.note();
    watch::<Provider>(&process, &stores.providers, move |change| {
        if change.new.is_none() {
            identities.forget(&change.key);
        }
        note(change);
    });
    watch::<Alert>(&process, &stores.alerts, alerts.note());
    watch::<Receiver>(&process, &stores.receivers, |_| ());

    let receivers = Cache::with_index(secret_indexes);
    let dispatcher = Dispatcher::new(
        ReceiverReconciler::new(Arc::new(KubeSecrets::new(process.client().clone()))),
        process.client().clone(),
        receivers.clone(),
        process.recorder().clone(),
        process.metrics().clone(),
        settings(&flags, &process),
    );
    let secrets = (!gates.enabled(DISABLE_CONFIG_WATCHERS)).then(|| SecretWatch {
        client: process.client().clone(),
        scope: Scope {
            label_selector: flags.common.watch_configs_label_selector.clone(),
            ..process.unlabelled_scope()
        },
        receivers,
        waker: dispatcher.waker(),
    });
    let (concurrent, serving) = (flags.concurrent, Arc::clone(&servers));
    process
        .lead(move |stop| async move {
            if let Some(secrets) = secrets {
                secrets.start(stop.clone());
            }
            // The servers use the recorder to their end, so the process must not close it before.
            tokio::join!(
                dispatcher.run(stop.clone()),
                providers.run(concurrent, stop.clone()),
                alerts.run(concurrent, stop),
                serving.ended(),
            );
            Ok(())
        })
        .await?;
    // A replica that never led has not waited for them yet.
    servers.ended().await;
    Ok(())
}

fn identities(process: &Process, flags: &Flags, gates: &FeatureGates, metrics: TokenMetrics) -> ProviderIdentities {
    let permission = if gates.enabled(OBJECT_LEVEL_WORKLOAD_IDENTITY) {
        ServiceAccountIdentity::Permitted
    } else {
        ServiceAccountIdentity::Refused
    };
    let settings = sluice_workload_identity::Settings {
        permission,
        cache_size: flags.token_cache_max_size,
        cache_duration: flags.token_cache_max_duration,
    };
    let shared = Identities::new(process.client().clone(), Platform::of_process(), settings, metrics);
    ProviderIdentities::new(shared, &flags.default_service_account)
}

fn keeper<K: StaticKind>(process: &Process, flags: &Flags, cache: &Cache<K>) -> Keeper<K> {
    let retry = &flags.common.retry;
    let backoff = Backoff::new(retry.min_retry_delay, retry.max_retry_delay);
    Keeper::new(process.client().clone(), cache.clone(), backoff, process.recorder().clone())
}

/// Keeps a cache of the servers current until the process ends, leader or not.
fn watch<K: Cached>(process: &Process, cache: &Cache<K>, on_change: impl Fn(Change<K>) + Send + 'static) {
    let (client, scope) = (process.client().clone(), process.unlabelled_scope());
    tokio::spawn(watch_into(client, scope, cache.clone(), on_change, process.shutdown().clone()));
}

/// Wakes Receivers when their Secret changes.
struct SecretWatch {
    client: kube::Client,
    scope: Scope,
    receivers: Cache<Receiver>,
    waker: Waker,
}

impl SecretWatch {
    fn start(self, stop: CancellationToken) {
        let Self { client, scope, receivers, waker } = self;
        let on_change = move |secret: &Key| {
            for receiver in receivers.indexed(&secret_index(secret)) {
                let meta = &receiver.metadata;
                waker.wake(Key::new(meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default()));
            }
        };
        tokio::spawn(watch_metadata::<Secret>(client, scope, on_change, stop));
    }
}

fn settings(flags: &Flags, process: &Process) -> Settings {
    Settings {
        concurrent: flags.concurrent,
        scope: process.scope(),
        field_manager: controller::NOTIFICATION,
        min_retry_delay: flags.common.retry.min_retry_delay,
        max_retry_delay: flags.common.retry.max_retry_delay,
        jitter_percentage: 0,
        drain: PASS_DRAIN,
    }
}
