//! The phases of a Receiver's pass in their order, and the names under which its Secret finds it.
//!
//! Deliberately no conditions and no events: those are the conclusion's.

use std::sync::Arc;

use kube::ResourceExt;
use sluice_api::notification::{Receiver, ReceiverStatus};
use sluice_runtime::dispatcher::{Finalized, Outcome, Pass, Reconciler};
use sluice_runtime::queue::Key;
use sluice_runtime::recorder::Notice;

use super::conclude::{conclude, settle_suspended};
use super::path::webhook_path;
use super::token::token;
use super::validate::validate;
use super::verdict::ReconcileError;
use crate::cluster::Secrets;

/// Reconciles Receivers.
pub struct ReceiverReconciler {
    secrets: Arc<dyn Secrets>,
}

impl ReceiverReconciler {
    /// A reconciler that reads tokens from `secrets`.
    pub fn new(secrets: Arc<dyn Secrets>) -> Self {
        Self { secrets }
    }

    /// The path of the webhook.
    async fn phases(&self, receiver: &Arc<Receiver>) -> Result<String, ReconcileError> {
        let checked = Arc::clone(receiver);
        // Off the runtime's threads: a spec may have hundreds of expressions.
        let checking = tokio::task::spawn_blocking(move || validate(&checked.spec));
        checking.await.map_err(|_| ReconcileError::Abandon)??;
        let namespace = receiver.namespace().unwrap_or_default();
        let token = match &receiver.spec.secret_ref {
            Some(secret) => token(&namespace, &secret.name, self.secrets.read(&namespace, &secret.name).await)?,
            // Senders with tokens of an issuer share no secret with us.
            None => Vec::new(),
        };
        Ok(webhook_path(&token, &receiver.name_any(), &namespace))
    }
}

impl Reconciler for ReceiverReconciler {
    type Object = Receiver;

    async fn reconcile(&self, pass: Pass<Receiver>) -> Outcome<ReceiverStatus> {
        let result = self.phases(&pass.object).await;
        conclude(&pass.object, pass.now, result)
    }

    /// A Receiver leaves nothing behind: the webhook server forgets its path with the object.
    async fn finalize(&self, _pass: Pass<Receiver>) -> Finalized {
        Finalized::Done(Vec::new())
    }

    fn settle_suspended(&self, object: &Receiver, status: &mut ReceiverStatus) -> Vec<Notice> {
        settle_suspended(object, status)
    }
}

/// The name under which the Receivers are found that refer to the Secret `key`.
pub fn secret_index(key: &Key) -> String {
    key.to_string()
}

/// The index of a cache of Receivers by their Secret.
pub fn secret_indexes(receiver: &Receiver) -> Vec<String> {
    let namespace = receiver.namespace().unwrap_or_default();
    let secret = receiver.spec.secret_ref.as_ref();
    secret.map(|secret| secret_index(&Key::new(namespace, &secret.name))).into_iter().collect()
}

#[cfg(test)]
mod tests;
