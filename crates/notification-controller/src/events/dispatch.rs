//! One event's way from the duplicate check to its sends: select the Alerts, prepare each, start the sends.
//!
//! The failure of one Alert never keeps another from being served, and none of them reaches the sender of the event.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use sluice_api::constants::reason;
use sluice_api::meta::Event;
use sluice_api::notification::Alert;
use sluice_runtime::logging::error_chain;
use tokio::time::{Instant, timeout_at};
use tracing::{error, info, warn};

use super::cleanup::drop_token;
use super::filters::Filters;
use super::identities::ProviderIdentities;
use super::ports::{AlertEvents, Catalog};
use super::prepare::{Admission, Kept, Preparation, PrepareError, Prepared, Rules, object_path};
use super::select::Selection;
use super::sending::Sending;
use crate::cluster::{Objects, Secrets};

/// From the arrival of an event to the start of its last send.
const PREPARATION: Duration = Duration::from_secs(15);

pub(super) const CONFLICT_TEXT: &str =
    "metadata keys of the event have more than one source; the last source named wins";

/// The ports of the event server.
#[derive(Clone)]
pub struct Ports {
    /// Alerts and Providers.
    pub catalog: Arc<dyn Catalog>,
    /// Secrets, read live.
    pub secrets: Arc<dyn Secrets>,
    /// Labels of involved objects.
    pub objects: Arc<dyn Objects>,
    /// Warnings on Alerts.
    pub warnings: Arc<dyn AlertEvents>,
    /// Who Providers are to clouds; without it, those that need an identity fail.
    pub identities: Option<ProviderIdentities>,
}

pub(super) struct Dispatcher {
    ports: Ports,
    rules: Rules,
    sending: Arc<Sending>,
    filters: Filters,
    kept: Kept,
}

impl Dispatcher {
    pub(super) fn new(ports: Ports, rules: Rules, sending: Arc<Sending>) -> Self {
        Self { ports, rules, sending, filters: Filters::default(), kept: Kept::default() }
    }

    /// Handles an event that passed the duplicate check. Ends within [`PREPARATION`]; the sends go on.
    pub(super) async fn dispatch(&self, mut event: Event) {
        drop_token(&mut event);
        let deadline = Instant::now() + PREPARATION;
        let alerts = match self.ports.catalog.alerts() {
            Ok(alerts) => alerts,
            Err(error) => {
                error!(%error, object = object_path(&event), "failed to list alerts");
                return;
            }
        };
        let selection = Selection::new(&event, &*self.ports.objects, &*self.ports.warnings, &self.filters);
        let Ok(selected) = timeout_at(deadline, selection.select(alerts)).await else {
            error!(object = object_path(&event), "the selection of alerts did not end in time");
            return;
        };
        let mut dropped = Vec::new();
        for alert in selected {
            if self.deliver(&alert, &event, deadline).await == Delivered::Dropped {
                dropped.push(alert_path(&alert));
            }
        }
        if !dropped.is_empty() {
            let alerts = dropped.join(", ");
            info!(
                object = object_path(&event),
                alerts, "dropped the event: it lacks the metadata that the providers need"
            );
        }
    }

    async fn deliver(&self, alert: &Arc<Alert>, event: &Event, deadline: Instant) -> Delivered {
        let Ports { catalog, secrets, identities, .. } = &self.ports;
        let preparation = Preparation {
            catalog: &**catalog,
            secrets: &**secrets,
            identities: identities.as_ref(),
            kept: &self.kept,
            retry: self.sending.policy(),
            rules: self.rules,
        };
        let admitted = match preparation.admit(alert, event) {
            Ok(Admission::Pass(admitted)) => admitted,
            Ok(Admission::Skip) => return Delivered::Handled,
            Ok(Admission::Drop) => return Delivered::Dropped,
            Err(error) => {
                self.report_failure(alert, event, &error);
                return Delivered::Handled;
            }
        };
        self.report_metadata(alert, &admitted.conflicts);
        let prepared = timeout_at(deadline, preparation.prepare(alert, *admitted)).await;
        match prepared.unwrap_or(Err(PrepareError::Timeout)) {
            Ok(Prepared::Send(delivery)) => self.sending.start(delivery),
            Ok(Prepared::Nothing) => {}
            Ok(Prepared::Unsendable(error)) => self.sending.report(alert, &object_path(event), &error_chain(&error)),
            Err(error) => self.report_failure(alert, event, &error),
        }
        Delivered::Handled
    }

    fn report_metadata(&self, alert: &Alert, conflicts: &BTreeMap<String, String>) {
        if alert.spec.summary.as_deref().is_some_and(|summary| !summary.is_empty()) {
            warn!(alert = alert_path(alert), "spec.summary is deprecated, use spec.eventMetadata.summary instead");
        }
        if !conflicts.is_empty() {
            info!(alert = alert_path(alert), ?conflicts, "{CONFLICT_TEXT}");
            self.ports.warnings.warn(alert, reason::METADATA_APPEND_FAILED, CONFLICT_TEXT, conflicts);
        }
    }

    fn report_failure(&self, alert: &Alert, event: &Event, error: &PrepareError) {
        let text = format!("failed to dispatch notification for {}: {}", object_path(event), error_chain(error));
        error!(alert = alert_path(alert), "{text}");
        self.ports.warnings.warn(alert, reason::NOTIFICATION_DISPATCH_FAILED, &text, &BTreeMap::new());
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Delivered {
    Handled,
    Dropped,
}

fn alert_path(alert: &Alert) -> String {
    let metadata = &alert.metadata;
    format!("{}/{}", metadata.namespace.as_deref().unwrap_or_default(), metadata.name.as_deref().unwrap_or_default())
}
