//! The two HTTP servers as parts of the process: started on every replica before anything is synced, and ended in bounded time.
//!
//! Deliberately knows nothing of what they do; that is in [`crate::events`] and [`crate::webhook`].

use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use prometheus_client::registry::Registry;
use sluice_http_client::ConfigError;
use sluice_runtime::probes;
use sluice_runtime::process::{Process, ProcessError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::CrossNamespace;
use crate::cluster::{KubeObjects, KubeSecrets};
use crate::events::{self, EventMetrics, EventServer, EventServerSettings, ProviderIdentities};
use crate::flags::Flags;
use crate::metrics::{HandlerLabel, HttpMetrics};
use crate::server::{Limits, serve_measured};
use crate::stores::{AlertWarnings, Stores};
use crate::webhook::issuers::Issuers;
use crate::webhook::{self, WebhookServer};

/// From the request to end until connections that are still open are closed.
const CONNECTIONS_END: Duration = Duration::from_secs(2);

/// From there until work that is still under way is abandoned: first the preparations, then the sends. With the 2 s above and the process's
/// own end (3 s for events, 2 s for the lease) that is the 10 s that a stock Deployment gives, if everything hangs.
const WORK_END: Duration = Duration::from_millis(1500);

/// What the servers measure. Clones share the series.
#[derive(Clone)]
pub(crate) struct ServerMetrics {
    events: EventMetrics,
    event_http: HttpMetrics,
    webhook_http: HttpMetrics,
}

impl ServerMetrics {
    /// The metrics with the label `handler` that the flags ask for.
    pub(crate) fn new(flags: &Flags) -> Self {
        let label =
            |fixed| if flags.export_http_path_metrics { HandlerLabel::Path } else { HandlerLabel::Fixed(fixed) };
        Self {
            events: EventMetrics::default(),
            event_http: HttpMetrics::new("gotk_event", label("/")),
            webhook_http: HttpMetrics::new("gotk_receiver", label("/hook/")),
        }
    }

    /// Adds all of them to a registry.
    pub(crate) fn register(&self, registry: &mut Registry) {
        self.events.register(registry);
        self.event_http.register(registry);
        self.webhook_http.register(registry);
    }
}

/// Why the servers cannot start.
#[derive(Debug, thiserror::Error)]
pub enum ServersError {
    /// An address cannot be bound.
    #[error(transparent)]
    Bind(#[from] ProcessError),
    /// The client that asks issuers for their keys cannot be made.
    #[error("cannot make an HTTP client")]
    HttpClient(#[from] ConfigError),
}

/// The running servers.
pub(crate) struct Servers(TaskTracker);

impl Servers {
    /// Binds both addresses and serves until the process shall end.
    ///
    /// # Errors
    /// See [`ServersError`].
    pub(crate) async fn start(
        process: &Process,
        flags: &Flags,
        stores: &Stores,
        identities: &ProviderIdentities,
        metrics: ServerMetrics,
    ) -> Result<Self, ServersError> {
        let tasks = TaskTracker::new();
        let client = process.client();
        let settings = EventServerSettings {
            rate_limit_interval: flags.rate_limit_interval,
            cross_namespace: cross_namespace(flags),
            service_accounts: identities.service_accounts(),
            ..EventServerSettings::default()
        };
        let events = event_server(process, settings, stores, identities, metrics.events);
        let shutdown = process.shutdown();
        let bound = Bound {
            name: "event",
            flag: "--events-addr",
            address: &flags.events_addr,
            router: events.router(),
            metrics: &metrics.event_http,
        };
        if let Some(serving) = bound.serve(shutdown).await? {
            tasks.spawn(async move {
                serving.await;
                let left = events.drain(WORK_END).await;
                if left > 0 {
                    tracing::error!(left, "notifications could not be sent before the end");
                }
            });
        }
        let webhooks = webhook_server(client, flags, stores)?;
        let bound = Bound {
            name: "webhook",
            flag: "--receiverAddr",
            address: &flags.receiver_addr,
            router: webhooks.router(),
            metrics: &metrics.webhook_http,
        };
        if let Some(serving) = bound.serve(shutdown).await? {
            tasks.spawn(async move {
                serving.await;
                let left = webhooks.drain(WORK_END).await;
                if left > 0 {
                    tracing::error!(left, "webhooks could not be handled to their end");
                }
            });
        }
        tasks.close();
        Ok(Self(tasks))
    }

    /// Waits until both have ended. Comes back in bounded time once the process shall end, and not before.
    pub(crate) async fn ended(&self) {
        self.0.wait().await;
    }
}

/// A server that is to be bound.
struct Bound<'a> {
    name: &'static str,
    flag: &'static str,
    address: &'a str,
    router: axum::Router,
    metrics: &'a HttpMetrics,
}

impl Bound<'_> {
    /// Binds the address and returns the serving; `None` when the flag switches the server off.
    async fn serve(
        self,
        shutdown: &CancellationToken,
    ) -> Result<Option<impl Future<Output = ()> + Send + use<>>, ProcessError> {
        let Self { name, flag, address, router, metrics } = self;
        let bound = probes::bind(flag, address).await.map_err(ProcessError::Listen)?;
        let Some(listener) = bound else { return Ok(None) };
        let address = listener.local_addr().map_err(ProcessError::Listen)?;
        tracing::info!(server = name, %address, "serving");
        let limits = Limits { drain: CONNECTIONS_END, ..Limits::default() };
        let (router, connections) = (metrics.measure(router), metrics.connections());
        Ok(Some(serve_measured(listener, router, limits, shutdown.clone(), connections)))
    }
}

fn cross_namespace(flags: &Flags) -> CrossNamespace {
    if flags.no_cross_namespace_refs { CrossNamespace::Blocked } else { CrossNamespace::Allowed }
}

fn event_server(
    process: &Process,
    settings: EventServerSettings,
    stores: &Stores,
    identities: &ProviderIdentities,
    metrics: EventMetrics,
) -> EventServer {
    let client = process.client();
    let ports = events::Ports {
        catalog: Arc::new(stores.clone()),
        secrets: Arc::new(KubeSecrets::new(client.clone())),
        objects: Arc::new(KubeObjects::new(client.clone())),
        warnings: Arc::new(AlertWarnings::new(process.recorder().clone())),
        identities: Some(identities.clone()),
    };
    EventServer::new(settings, ports, metrics)
}

fn webhook_server(client: &Client, flags: &Flags, stores: &Stores) -> Result<WebhookServer, ConfigError> {
    let ports = webhook::Ports {
        receivers: Arc::new(stores.clone()),
        secrets: Arc::new(KubeSecrets::new(client.clone())),
        objects: Arc::new(KubeObjects::new(client.clone())),
        issuers: Issuers::new()?,
    };
    Ok(WebhookServer::new(ports, cross_namespace(flags)))
}
