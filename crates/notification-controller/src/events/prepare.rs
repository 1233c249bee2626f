//! From one Alert and one event to a delivery that only needs to be sent.
//!
//! Everything that can be wrong with a Provider shows here, while the sender of the event still waits. Nothing is sent.

use std::sync::Arc;

use jiff::Timestamp;
use sluice_api::meta::{Event, LocalObjectReference};
use sluice_api::notification::{Alert, Provider};
use sluice_http_client::{ConfigError, RetryPolicy};
use sluice_notify::git::EventError;
use sluice_notify::secret::ResolveError;
use sluice_notify::{
    AlertReference, Clients, Context, Notification, PrepareError as NotifierPrepareError, ProviderConfig, RenderError,
    SecretData,
};
use thiserror::Error;
use tracing::error;

use super::commit_status::{CommitStatusError, CommitStatuses};
use super::gating::{Gate, ProviderClass, gate};
use super::identities::{ProviderIdentities, ProviderIdentityError};
use super::metadata::{AlertMetadata, Merged, merge};
use super::ports::Catalog;
use crate::cluster::{ClusterError, NotSynced, Secrets};
use crate::{CrossNamespace, ServiceAccounts};

/// A message that is ready to be sent, and whom it concerns.
pub(super) struct Delivery {
    /// The Alert that asked for it, to be told of a failure.
    pub(super) alert: Arc<Alert>,
    /// `Kind/namespace/name` of the object.
    pub(super) object: String,
    /// Whether a failure is told to the Alert, or only logged.
    pub(super) is_reported: bool,
    /// The message.
    pub(super) message: sluice_notify::Delivery,
}

/// What becomes of an event for one Alert.
pub(super) enum Admission {
    /// The Provider gets this.
    Pass(Box<Admitted>),
    /// Not meant for this Provider.
    Skip,
    /// The event lacks what this Provider works with.
    Drop,
}

/// An event on its way to one Provider.
pub(super) struct Admitted {
    provider: Arc<Provider>,
    /// The event with its merged metadata.
    event: Event,
    /// Metadata keys with several sources.
    pub(super) conflicts: std::collections::BTreeMap<String, String>,
}

/// What preparation ends with.
pub(super) enum Prepared {
    /// Send this.
    Send(Box<Delivery>),
    /// The Provider's type does not tell this event.
    Nothing,
    /// The Provider is fine, and the event lacks what it needs: a failure of sending.
    Unsendable(EventError),
}

/// Why a delivery could not be prepared.
#[derive(Debug, Error)]
pub(super) enum PrepareError {
    #[error("can't access '{object}', cross-namespace references have been blocked")]
    CrossNamespace { object: String },
    #[error("failed to read provider")]
    ReadProvider(#[source] ReadProviderError),
    #[error(
        "failed to create commit status: failed to evaluate the spec.commitStatusExpr CEL expression for the event"
    )]
    EvaluateStatus(#[source] CommitStatusError),
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
    FindIdentity(#[from] ProviderIdentityError),
    #[error(transparent)]
    Prepare(#[from] NotifierPrepareError),
    #[error(transparent)]
    Render(#[from] RenderError),
}

/// What Alerts and Providers may do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    pub(super) cross_namespace: CrossNamespace,
    pub(super) service_accounts: ServiceAccounts,
}

/// What preparation reads from, keeps for later, and the rules that it keeps to.
pub(super) struct Preparation<'a> {
    pub(super) catalog: &'a dyn Catalog,
    pub(super) secrets: &'a dyn Secrets,
    pub(super) identities: Option<&'a ProviderIdentities>,
    pub(super) kept: &'a Kept,
    pub(super) retry: &'a RetryPolicy,
    pub(super) rules: Rules,
}

/// What one preparation leaves to the next.
#[derive(Default)]
pub(super) struct Kept {
    clients: Clients,
    statuses: CommitStatuses,
}

impl Preparation<'_> {
    /// Whether the Provider of an Alert that wants `event` gets it, and with which metadata. Asks nobody.
    pub(super) fn admit(&self, alert: &Alert, event: &Event) -> Result<Admission, PrepareError> {
        let namespace = alert.metadata.namespace.as_deref().unwrap_or_default();
        if self.rules.cross_namespace == CrossNamespace::Blocked && event.involved_object.namespace != namespace {
            return Err(PrepareError::CrossNamespace { object: object_path(event) });
        }
        let name = &alert.spec.provider_ref.name;
        let provider = self.provider(namespace, name).map_err(PrepareError::ReadProvider)?;
        if provider.spec.suspend {
            return Ok(Admission::Skip);
        }
        match gate(ProviderClass::of(&provider.spec.type_), event) {
            Gate::Skip => return Ok(Admission::Skip),
            Gate::Drop => return Ok(Admission::Drop),
            Gate::Pass => {}
        }
        let Merged { metadata, conflicts } = merge(event, alert_metadata(alert));
        let event = Event { metadata, ..event.clone() };
        Ok(Admission::Pass(Box::new(Admitted { provider, event, conflicts })))
    }

    /// Prepares the delivery of what was admitted: reads Secrets, and asks whom the Provider's type has to ask.
    pub(super) async fn prepare(&self, alert: &Arc<Alert>, admitted: Admitted) -> Result<Prepared, PrepareError> {
        let Admitted { provider, event, .. } = admitted;
        let mut commit_status = None;
        if ProviderClass::of(&provider.spec.type_) == ProviderClass::GitStatus {
            let status = self.kept.statuses.evaluate(&provider, alert, &event);
            commit_status = status.map_err(PrepareError::EvaluateStatus)?;
        }
        let meta = &alert.metadata;
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let alert_reference =
            AlertReference { uid: text(&meta.uid), namespace: text(&meta.namespace), name: text(&meta.name) };
        let nonce = std::array::from_fn(|_| fastrand::u8(..));
        let notification =
            Notification { commit_status, ..Notification::new(event, alert_reference, Timestamp::now(), nonce) };
        let name = alert.spec.provider_ref.name.clone();
        let failed = |source| PrepareError::InitNotifier { name, source };
        let (kind, message) = match self.notifier(&provider, &notification).await {
            Err(NotifierError::Render(RenderError::Event(error))) => return Ok(Prepared::Unsendable(error)),
            outcome => outcome.map_err(failed)?,
        };
        if message.is_empty() {
            return Ok(Prepared::Nothing);
        }
        let object = object_path(&notification.event);
        let is_reported = kind.reports_failures();
        Ok(Prepared::Send(Box::new(Delivery { alert: Arc::clone(alert), object, is_reported, message })))
    }

    fn provider(&self, namespace: &str, name: &str) -> Result<Arc<Provider>, ReadProviderError> {
        self.catalog.provider(namespace, name)?.ok_or_else(|| ReadProviderError::Find(name.to_owned()))
    }

    async fn notifier(
        &self,
        provider: &Provider,
        notification: &Notification,
    ) -> Result<(sluice_notify::Kind, sluice_notify::Delivery), NotifierError> {
        let config = self.config(provider).await?;
        let kind = config.kind;
        let client = self.kept.clients.get(&config)?;
        let identity = match self.identities {
            Some(identities) if config.needs_identity() => Some(identities.of(provider, &config).await?),
            _ => None,
        };
        let identity = identity.as_ref().map(|identity| identity.cloud());
        let context = Context { client: &client, identity, retry: self.retry };
        let prepared = sluice_notify::prepare(config, &context).await?;
        Ok((kind, prepared.deliver(notification)?))
    }

    async fn config(&self, provider: &Provider) -> Result<ProviderConfig, NotifierError> {
        let (spec, meta) = (&provider.spec, &provider.metadata);
        let namespace = meta.namespace.as_deref().unwrap_or_default();
        let secrets = sluice_notify::Secrets {
            secret: self.secret(namespace, spec.secret_ref.as_ref()).await?,
            proxy: self.secret(namespace, spec.proxy_secret_ref.as_ref()).await?,
            cert: self.secret(namespace, spec.cert_secret_ref.as_ref()).await?,
        };
        let config = sluice_notify::secret::resolve(provider, &secrets)?;
        if config.service_account.is_some() && self.rules.service_accounts == ServiceAccounts::Refused {
            return Err(NotifierError::UseServiceAccount);
        }
        for text in &config.deprecations {
            error!(provider.name = meta.name, provider.namespace = meta.namespace, "{text}");
        }
        Ok(config)
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
