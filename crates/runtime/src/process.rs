//! The life of a controller process: start-up in order, leadership, work, and an end that leaves nothing half done.
//!
//! Deliberately knows no controller: `main` names itself and says what to run when it leads.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use kube::{Client, Config};
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::cache::Scope;
use crate::flags::CommonFlags;
use crate::lease::{Candidate, Timing, lease_name};
use crate::metrics::{Metrics, ProcessGauges};
use crate::recorder::{EventsAddressError, Recorder, Sinks};
use crate::{logging, probes, shutdown};

/// Time for queued events to leave when the process ends.
const EVENT_DRAIN: Duration = Duration::from_secs(3);
/// Time to give the lease up when the process ends.
const RELEASE: Duration = Duration::from_secs(2);

/// The process could not start, or lost what it needs to go on.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// There is no usable kubeconfig and no in-cluster configuration.
    #[error("no Kubernetes configuration: set KUBECONFIG, or run inside a cluster")]
    Configure(#[source] kube::config::InferConfigError),
    /// The Kubernetes client cannot be made from the configuration.
    #[error("cannot make a Kubernetes client")]
    Connect(#[source] kube::Error),
    /// An address of a flag cannot be bound.
    #[error("cannot listen")]
    Listen(#[source] std::io::Error),
    /// Signal handlers cannot be installed.
    #[error("cannot install signal handlers")]
    Signals(#[source] std::io::Error),
    /// The events address is unusable.
    #[error("cannot send events")]
    Events(#[source] EventsAddressError),
    /// Another replica leads now; this one must not go on.
    #[error("leader election lost")]
    LostLease,
    /// The work ended by a panic outside any pass.
    #[error("the controller panicked")]
    Panicked,
    /// A server of the process ended.
    #[error("the {name} server failed")]
    Serve {
        /// Which one.
        name: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// What a controller tells of itself.
#[derive(Debug, Clone, Copy)]
pub struct Identity<'a> {
    /// The controller's name: reporting controller, lease and log name.
    pub controller: &'static str,
    /// Where events are posted to; may be empty.
    pub events_addr: &'a str,
    /// The shard's label selector; may be empty.
    pub label_selector: &'a str,
}

/// A started process: logs, metrics, probes and events work; nothing is reconciled yet.
pub struct Process {
    client: Client,
    flags: CommonFlags,
    lease_name: String,
    hostname: String,
    label_selector: String,
    recorder: Recorder,
    sinks: Sinks,
    metrics: Metrics,
    shutdown: CancellationToken,
    servers: JoinSet<Result<(), ProcessError>>,
}

impl Process {
    /// Starts logs, the Kubernetes client, metrics, probes and event sinks. `extend` may register further metrics.
    ///
    /// # Errors
    /// See [`ProcessError`].
    pub async fn start(
        identity: Identity<'_>,
        flags: &CommonFlags,
        extend: impl FnOnce(&mut Registry),
    ) -> Result<Self, ProcessError> {
        logging::init(&flags.logs);
        sluice_http_client::install_crypto_provider();
        let shutdown = shutdown::on_signal().map_err(ProcessError::Signals)?;
        let config = Config::infer().await.map_err(ProcessError::Configure)?;
        let client = Client::try_from(config).map_err(ProcessError::Connect)?;

        let mut registry = Registry::default();
        let metrics = Metrics::register(&mut registry);
        let gauges = ProcessGauges::register(&mut registry);
        extend(&mut registry);

        let hostname = hostname();
        let (recorder, sinks) =
            Recorder::start(client.clone(), identity.controller, &hostname, identity.events_addr, metrics.clone())
                .map_err(ProcessError::Events)?;
        let mut process = Self {
            client,
            flags: flags.clone(),
            lease_name: lease_name(identity.controller, identity.label_selector),
            label_selector: identity.label_selector.to_owned(),
            hostname,
            recorder,
            sinks,
            metrics,
            shutdown,
            servers: JoinSet::new(),
        };
        process.serve_flag("health", "--health-addr", &flags.health_addr, probes::health_routes()).await?;
        let routes = probes::metrics_routes(Arc::new(registry), gauges);
        process.serve_flag("metrics", "--metrics-addr", &flags.metrics_addr, routes).await?;
        Ok(process)
    }

    /// Serves `routes` on the address of a flag until the process ends, leader or not. Returns where it listens.
    ///
    /// # Errors
    /// When the address cannot be bound.
    pub async fn serve_flag(
        &mut self,
        name: &'static str,
        flag_name: &str,
        flag: &str,
        routes: axum::Router,
    ) -> Result<Option<SocketAddr>, ProcessError> {
        let Some(listener) = probes::bind(flag_name, flag).await.map_err(ProcessError::Listen)? else {
            return Ok(None);
        };
        let address = listener.local_addr().map_err(ProcessError::Listen)?;
        tracing::info!(server = name, address = %address, "serving");
        self.spawn_server(name, probes_serve(listener, routes, self.shutdown.clone()));
        Ok(Some(address))
    }

    /// Runs a server of the controller's own; the process ends when it fails.
    pub fn spawn_server(
        &mut self,
        name: &'static str,
        server: impl Future<Output = std::io::Result<()>> + Send + 'static,
    ) {
        self.servers.spawn(async move { server.await.map_err(|source| ProcessError::Serve { name, source }) });
    }

    /// The Kubernetes client.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The event recorder.
    pub fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    /// The dispatcher's metrics.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Cancelled when the process shall end.
    pub fn shutdown(&self) -> &CancellationToken {
        &self.shutdown
    }

    /// The host name, which identifies this instance.
    pub fn hostname(&self) -> &str {
        &self.hostname
    }

    /// The namespace and labels that the flags confine this process to.
    pub fn scope(&self) -> Scope {
        Scope { label_selector: self.label_selector.clone(), ..self.unlabelled_scope() }
    }

    /// The namespace that the flags confine this process to, with any labels: for objects that others select.
    pub fn unlabelled_scope(&self) -> Scope {
        let namespace = (!self.flags.watch_all_namespaces).then(|| self.flags.runtime_namespace.clone());
        Scope { namespace, label_selector: String::new() }
    }

    /// Waits for leadership if asked to, runs `work` until the process shall end or leadership is lost, and cleans up.
    ///
    /// `work` gets a token that is cancelled when it must stop, and is given the time that a dispatcher takes to drain. When it ends by
    /// itself, so does the process.
    ///
    /// # Errors
    /// When leadership is lost or a server fails; a requested end is `Ok`.
    pub async fn lead<F, W>(mut self, work: F) -> Result<(), ProcessError>
    where
        F: FnOnce(CancellationToken) -> W,
        W: Future<Output = Result<(), ProcessError>> + Send + 'static,
    {
        let mut candidate = self.candidate();
        if let Some(candidate) = &mut candidate {
            tokio::select! {
                () = candidate.acquire() => {}
                () = self.shutdown.cancelled() => {
                    // What waits to work holds recorders, and the sinks end with the last of them.
                    drop(work);
                    return self.end(None).await;
                }
                failure = first_failure(&mut self.servers) => return Err(failure),
            }
        }
        let stop = self.shutdown.child_token();
        let mut working = tokio::spawn(work(stop.clone()));
        // The lease is renewed until the work has ended, not only until its end is asked for: nobody else may start before.
        let renewing = CancellationToken::new();
        let outcome = tokio::select! {
            ended = &mut working => ended.unwrap_or(Err(ProcessError::Panicked)),
            () = self.shutdown.cancelled() => {
                tokio::select! {
                    ended = &mut working => ended.unwrap_or(Err(ProcessError::Panicked)),
                    () = hold(candidate.as_mut(), &renewing) => Err(ProcessError::LostLease),
                }
            }
            () = hold(candidate.as_mut(), &renewing) => Err(ProcessError::LostLease),
            failure = first_failure(&mut self.servers) => Err(failure),
        };
        stop.cancel();
        match outcome {
            Ok(()) => self.end(candidate).await,
            Err(error) => Err(error),
        }
    }

    fn candidate(&self) -> Option<Candidate> {
        let flags = &self.flags.leader;
        flags.enable_leader_election.then(|| {
            // The host name alone is not unique: two replicas may share a machine.
            let identity = format!("{}_{:016x}", self.hostname, fastrand::u64(..));
            let namespace = &self.flags.runtime_namespace;
            Candidate::new(self.client.clone(), namespace, self.lease_name.clone(), identity, Timing::from(flags))
        })
    }

    async fn end(self, candidate: Option<Candidate>) -> Result<(), ProcessError> {
        drop(self.recorder);
        if tokio::time::timeout(EVENT_DRAIN, self.sinks.drained()).await.is_err() {
            tracing::error!("some events could not be sent before the end");
        }
        if let Some(mut candidate) = candidate
            && self.flags.leader.leader_election_release_on_cancel
            && tokio::time::timeout(RELEASE, candidate.release()).await.is_err()
        {
            tracing::error!("the lease could not be released in time; it ends by itself");
        }
        Ok(())
    }
}

async fn probes_serve(listener: TcpListener, routes: axum::Router, shutdown: CancellationToken) -> std::io::Result<()> {
    probes::serve(listener, routes, shutdown).await
}

/// Never returns for a process without leader election.
async fn hold(candidate: Option<&mut Candidate>, stop: &CancellationToken) {
    match candidate {
        Some(candidate) => candidate.hold(stop).await,
        None => std::future::pending().await,
    }
}

/// The first server error. Servers that end well, because the process ends, are no failure.
async fn first_failure(servers: &mut JoinSet<Result<(), ProcessError>>) -> ProcessError {
    while let Some(ended) = servers.join_next().await {
        if let Ok(Err(error)) = ended {
            return error;
        }
    }
    std::future::pending().await
}

fn hostname() -> String {
    std::env::var("HOSTNAME")
        .ok()
        .filter(|name| !name.is_empty())
        .or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok())
        .map_or_else(|| "unknown".to_owned(), |name| name.trim().to_owned())
}
