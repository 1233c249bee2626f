//! From one Alert and one event to a delivery that only needs to be sent.
//!
//! Everything that can be wrong with a Provider shows here, while the sender of the event still waits. Nothing is sent.

use std::collections::BTreeMap;
use std::sync::Arc;

use sluice_api::meta::{Event, LocalObjectReference};
use sluice_api::notification::{Alert, Provider};
use sluice_http_client::{ConfigError, HttpClient};
use sluice_notify::secret::ResolveError;
use sluice_notify::{OutboundRequest, ProviderConfig, RenderError, SecretData};
use thiserror::Error;

use super::gating::{Gate, ProviderClass, gate};
use super::metadata::{AlertMetadata, Merged, merge};
use super::ports::Catalog;
use crate::cluster::{ClusterError, NotSynced, Secrets};
use crate::{CrossNamespace, ServiceAccounts};

/// A message that is ready to be sent.
pub(super) struct Delivery {
    /// The Alert that asked for it, to be told of a failure.
    pub(super) alert: Arc<Alert>,
    /// `Kind/namespace/name` of the object.
    pub(super) object: String,
    /// The Provider's settings: timeout, and the values to mask.
    pub(super) config: ProviderConfig,
    /// The client for exactly this delivery.
    pub(super) client: HttpClient,
    /// The request.
    pub(super) request: OutboundRequest,
}

/// What became of one Alert.
pub(super) enum Prepared {
    /// Send this. The second part is the metadata keys with several sources.
    Send(Box<Delivery>, BTreeMap<String, String>),
    /// Not meant for this provider.
    Skip,
    /// The event lacks what this provider works with.
    Drop,
}

/// Why a delivery could not be prepared.
#[derive(Debug, Error)]
pub(super) enum PrepareError {
    #[error("can't access '{object}', cross-namespace references have been blocked")]
    CrossNamespace { object: String },
    #[error("failed to read provider")]
    ReadProvider(#[source] ReadProviderError),
    #[error("failed to initialize notifier for provider '{name}'")]
    InitNotifier {
        name: String,
        #[source]
        source: NotifierError,
    },
    #[error("the preparation did not end in time")]
    Timeout,
}

/// Why there is no Provider.
#[derive(Debug, Error)]
pub(super) enum ReadProviderError {
    #[error(transparent)]
    Cache(#[from] NotSynced),
    #[error("providers.notification.toolkit.fluxcd.io \"{0}\" not found")]
    Find(String),
}

/// Why a Provider cannot be used.
#[derive(Debug, Error)]
pub(super) enum NotifierError {
    #[error("failed to get secret '{namespace}/{name}'")]
    GetSecret {
        namespace: String,
        name: String,
        #[source]
        source: ClusterError,
    },
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error(
        "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature gate in the controller"
    )]
    UseServiceAccount,
    #[error(transparent)]
    BuildClient(#[from] ConfigError),
    #[error(transparent)]
    Render(#[from] RenderError),
}

/// What Alerts and Providers may do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) cross_namespace: CrossNamespace,
    pub(super) service_accounts: ServiceAccounts,
}

/// What preparation reads from, and the rules that it keeps to.
pub(super) struct Preparation<'a> {
    pub(super) catalog: &'a dyn Catalog,
    pub(super) secrets: &'a dyn Secrets,
    pub(super) rules: Rules,
}

impl Preparation<'_> {
    /// Prepares the delivery of `event` for one Alert that wants it.
    pub(super) async fn prepare(&self, alert: &Arc<Alert>, event: &Event) -> Result<Prepared, PrepareError> {
        let namespace = alert.metadata.namespace.as_deref().unwrap_or_default();
        if self.rules.cross_namespace == CrossNamespace::Blocked && event.involved_object.namespace != namespace {
            return Err(PrepareError::CrossNamespace { object: object_path(event) });
        }
        let name = &alert.spec.provider_ref.name;
        let provider = self.provider(namespace, name).map_err(PrepareError::ReadProvider)?;
        if provider.spec.suspend {
            return Ok(Prepared::Skip);
        }
        match gate(ProviderClass::of(&provider.spec.type_), event) {
            Gate::Skip => return Ok(Prepared::Skip),
            Gate::Drop => return Ok(Prepared::Drop),
            Gate::Pass => {}
        }
        let Merged { metadata, conflicts } = merge(event, alert_metadata(alert));
        let event = Event { metadata, ..event.clone() };
        let (config, client, request) = self
            .notifier(namespace, &provider, &event)
            .await
            .map_err(|source| PrepareError::InitNotifier { name: name.clone(), source })?;
        let delivery = Delivery { alert: Arc::clone(alert), object: object_path(&event), config, client, request };
        Ok(Prepared::Send(Box::new(delivery), conflicts))
    }

    fn provider(&self, namespace: &str, name: &str) -> Result<Arc<Provider>, ReadProviderError> {
        self.catalog.provider(namespace, name)?.ok_or_else(|| ReadProviderError::Find(name.to_owned()))
    }

    async fn notifier(
        &self,
        namespace: &str,
        provider: &Provider,
        event: &Event,
    ) -> Result<(ProviderConfig, HttpClient, OutboundRequest), NotifierError> {
        let spec = &provider.spec;
        let secrets = sluice_notify::Secrets {
            secret: self.secret(namespace, spec.secret_ref.as_ref()).await?,
            proxy: self.secret(namespace, spec.proxy_secret_ref.as_ref()).await?,
            cert: self.secret(namespace, spec.cert_secret_ref.as_ref()).await?,
        };
        let config = sluice_notify::secret::resolve(provider, &secrets)?;
        let names_account = spec.service_account_name.as_deref().is_some_and(|name| !name.is_empty());
        if names_account && self.rules.service_accounts == ServiceAccounts::Refused {
            return Err(NotifierError::UseServiceAccount);
        }
        let client = sluice_notify::send::client(&config)?;
        let request = sluice_notify::render(event, &config)?;
        Ok((config, client, request))
    }

    async fn secret(
        &self,
        namespace: &str,
        reference: Option<&LocalObjectReference>,
    ) -> Result<Option<SecretData>, NotifierError> {
        let Some(LocalObjectReference { name }) = reference else { return Ok(None) };
        let read = self.secrets.read(namespace, name).await;
        read.map(Some).map_err(|source| NotifierError::GetSecret {
            namespace: namespace.to_owned(),
            name: name.clone(),
            source,
        })
    }
}

fn alert_metadata(alert: &Alert) -> AlertMetadata<'_> {
    AlertMetadata { event_metadata: &alert.spec.event_metadata, summary: alert.spec.summary.as_deref() }
}

/// `Kind/namespace/name` of the involved object.
pub(super) fn object_path(event: &Event) -> String {
    let object = &event.involved_object;
    format!("{}/{}/{}", object.kind, object.namespace, object.name)
}
