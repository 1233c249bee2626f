//! What the event server needs from the process around it.

use std::collections::BTreeMap;
use std::sync::Arc;

use sluice_api::notification::{Alert, Provider};

use crate::cluster::NotSynced;

/// Alerts and Providers from memory, as the watches last saw them. Both are asked for every event, so they must be cheap.
pub trait Catalog: Send + Sync {
    /// Every Alert in the namespaces that this controller watches.
    ///
    /// # Errors
    /// Before the first sync.
    fn alerts(&self) -> Result<Vec<Arc<Alert>>, NotSynced>;

    /// One Provider; `None` when it does not exist.
    ///
    /// # Errors
    /// Before the first sync.
    fn provider(&self, namespace: &str, name: &str) -> Result<Option<Arc<Provider>>, NotSynced>;
}

/// Warnings to the owner of an Alert, as Kubernetes events on it.
///
/// Called from asynchronous code: an implementation queues and returns.
pub trait AlertEvents: Send + Sync {
    /// Records one event of type Warning. `annotations` are put on the event object.
    fn warn(&self, alert: &Alert, reason: &str, message: &str, annotations: &BTreeMap<String, String>);
}
